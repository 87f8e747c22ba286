"""``sluice-export profiles``: the kinds of boxes that a policy can be exported for."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from agent.profile import MIB, PROCESS_MIB, Profile, path_of, shipped
from agent.tables import plain_table, wide_console
from agent.words import printable
from export.profile_fields import plain, profile_fields, value_of


def profiles(
    name: Annotated[str | None, typer.Argument(help="explain this one")] = None,
    file: Annotated[Path | None, typer.Option(help="explain a profile of your own")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="the result as JSON")] = False,
) -> None:
    """List the firmware profiles, or explain one: every field, and what the memory goes to."""
    if name is not None and file is not None:
        raise typer.BadParameter("NAME is of a shipped profile; give it or --file, not both")
    if file is not None:
        _explain(Profile.load(file), file, as_json)
    elif name is not None:
        _explain(Profile.named(name), path_of(name), as_json)
    else:
        _list([Profile.named(each) for each in shipped()], as_json)


def _list(found: list[Profile], as_json: bool) -> None:
    if as_json:
        print(json.dumps({"profiles": [profile.model_dump(mode="json") for profile in found]}))
        return
    table = plain_table("profile", "machine", "runner", "weights", "hook")
    for column in ("cores", "RAM", "memory", "flows", "hosts"):
        table.add_column(column, justify="right")
    for profile in found:
        machine, capacity = profile.machine, profile.capacity
        table.add_row(
            profile.name,
            f"{machine.architecture}, {machine.libc}",
            profile.policy.runner,
            profile.policy.quantisation,
            profile.enforcement.hook,
            str(machine.cores),
            f"{machine.ram_mib} MiB",
            f"{profile.limits.memory_mib} MiB",
            f"{capacity.flows:,}",
            f"{capacity.hosts:,}",
        )
    console = wide_console()
    console.print(table)
    console.print("\n`sluice-export profiles NAME` explains one; memory is what the agent may take")


def _explain(profile: Profile, path: Path, as_json: bool) -> None:
    memory = memory_bytes(profile)
    if as_json:
        document = {
            "path": str(path),
            "profile": profile.model_dump(mode="json"),
            "memory_bytes": memory,
            "meanings": {field.name: field.meaning for field in profile_fields()},
        }
        print(json.dumps(document))
        return
    console = wide_console()
    console.print(f"{profile.name}: {printable(profile.description)}", style="bold")
    console.print(f"{printable(path)}\n", style="dim")
    table = plain_table("field", "value", "meaning")
    for field in profile_fields():
        if "." in field.name:
            value = plain(value_of(profile, field.name))
            table.add_row(field.name, printable(value), field.meaning)
    console.print(table)
    console.print("\nmemory with all tables full, MiB", style="bold")
    parts = plain_table("part")
    parts.add_column("MiB", justify="right")
    for part, count in memory.items():
        parts.add_row(part, f"{count / MIB:,.1f}")
    console.print(parts)


def memory_bytes(profile: Profile) -> dict[str, int]:
    """What the memory goes to; the parts before ``total`` add up to it."""
    return {
        "process": PROCESS_MIB[profile.policy.runner] * MIB,
        "capture buffer": profile.capture.buffer_mib * MIB,
        **asdict(profile.footprint),
        "total": profile.memory_bytes,
        "limit": profile.limits.memory_mib * MIB,
    }
