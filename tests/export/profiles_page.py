"""The page about profiles: ``python -m tests.export.profiles_page`` writes it again."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from agent.profile import MIB, PROCESS_MIB, Profile, shipped
from export.profile_fields import plain, profile_fields

PAGE = Path(__file__).parents[2] / "docs" / "profiles.md"

_NUMPY, _ONNXRUNTIME = PROCESS_MIB["numpy"], PROCESS_MIB["onnxruntime"]
_TEXT = f"""# Firmware profiles

A profile is one TOML file about one kind of box: what it can bear, and how the agent is set up on
it. The export's gates hold a policy to its limits. The shipped ones lie in `firmware_profiles/`;
`sluice-export profiles` lists them, `sluice-export profiles NAME` explains one, and
`sluice-export profiles --file PATH` one of your own. The model is `agent/profile.py`. An unknown
key is an error, and so is a profile that contradicts itself; the message says what to change:

- the agent and a teacher on the box take more than three quarters of the RAM;
- tables of that many flows, hosts and pairs do not fit `limits.memory_mib`, beside Python
  ({_NUMPY} MiB with numpy, {_ONNXRUNTIME} MiB with onnxruntime) and the capture buffer;
- onnxruntime on a box that it has no wheel for (musl, 32 bits, RISC-V) or with less than 512 MiB;
- a ring, or a hook on a device, without interfaces;
- a hook that nftables does not have for the family.

`limits.latency_us` are requirements, set so that the decision points of a busy gateway of that size
take at most half of one core; they are not measurements of these boxes.
"""


def page() -> str:
    """The whole page, from the model and the shipped files."""
    return f"{_TEXT}\n## Shipped\n\n{_shipped()}\n## Fields\n\n{_fields()}"


def _shipped() -> str:
    head = (
        *("profile", "for", "runner", "weights", "RAM, MiB", "limit, MiB", "tables full, MiB"),
        *("flows", "hosts", "latency, µs"),
    )
    rows = (
        (
            f"`{p.name}`",
            f"{p.description} ({p.machine.distribution})",
            p.policy.runner,
            p.policy.quantisation,
            p.machine.ram_mib,
            p.limits.memory_mib,
            f"{p.memory_bytes / MIB:.0f}",
            f"{p.capacity.flows:,}",
            f"{p.capacity.hosts:,}",
            f"{p.limits.latency_us:g}",
        )
        for p in map(Profile.named, shipped())
    )
    return _markdown(head, 4, rows)


def _fields() -> str:
    rows = (
        (
            f"`{field.name}`",
            field.values,
            "" if field.default is None else plain(field.default),
            field.meaning,
        )
        for field in profile_fields()
    )
    return _markdown(("field", "values", "default", "meaning"), 4, rows)


def _markdown(head: tuple[str, ...], texts: int, rows: Iterable[tuple[object, ...]]) -> str:
    """A table whose columns after the first ``texts`` hold numbers."""
    rule = ["---" if column < texts else "---:" for column in range(len(head))]
    lines = [head, rule, *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
