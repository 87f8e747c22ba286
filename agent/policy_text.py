"""What bundles say of themselves, and what became of checking it, for people at a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.table import Table

from agent.bundle import POLICY_NPZ, Bundle, Claims, Manifest
from agent.errors import BundleError
from agent.keys import public_text
from agent.policy_store import SHIPPED, Installed, PolicyStore, box_profile, misfits
from agent.tables import plain_table, wide_console
from agent.words import bytes_text, printable

_SHORT: Final = 60  # characters of one value of the provenance


@dataclass(frozen=True, slots=True)
class Inspection:
    """A bundle's claims, and what can be said for them.

    Attributes:
        key: text of the public key that it is signed by; none if it does not verify.
        reason: why it does not verify; else empty.
        refusals: why this box would not run it though it verifies.
    """

    claims: Claims
    key: str | None
    reason: str
    refusals: list[str]

    @classmethod
    def of(cls, path: Path, store: PolicyStore) -> Inspection:
        """Look at a bundle as a box with this store does.

        Raises:
            BundleError: it is no bundle at all.
        """
        claims = Claims.read(path)
        try:
            bundle = Bundle.open(path, store.keys)
        except BundleError as error:
            return cls(claims, None, _without(path, error), [])
        try:
            Bundle.load(path, store.keys)
        except BundleError as error:
            refusals = [_without(path, error)]
        else:
            refusals = misfits(bundle, box_profile(store.profile))
        return cls(bundle, public_text(bundle.key), "", refusals)

    def as_json(self, *, with_card: bool) -> dict[str, object]:
        """As ``--json`` prints it."""
        about = self.claims
        document: dict[str, object] = {
            "path": str(about.path),
            "verified": self.key is not None,
            "key": self.key,
            "reason": self.reason or None,
            "refusals": self.refusals,
            "sha256": about.digest,
            "bytes": about.size,
            "files": dict(about.sizes),
            "manifest": about.manifest.model_dump(mode="json"),
        }
        return document | ({"model_card": about.model_card} if with_card else {})


def print_inspection(found: Inspection, *, with_card: bool) -> None:
    """Print it on standard output; nothing that a bundle says can steer the terminal."""
    console, about = wide_console(), found.claims
    made = about.manifest
    console.print(f"{printable(made.name)} ({printable(made.kind)})", style="bold")
    console.print(printable(made.description), style="dim")
    if found.key is None:
        console.print(f"NOT VERIFIED: {printable(found.reason)}", style="bold red")
    else:
        console.print(f"verified, signed by {found.key}", style="green")
    for refusal in found.refusals:
        console.print(f"this box refuses it: {printable(refusal)}", style="yellow")
    for name, text in _facts(about):
        console.print(f"{name}: {printable(text)}")
    if made.gates:
        console.print()
        console.print(_gates_table(made))
    if with_card:
        console.print()
        for line in about.model_card.splitlines():
            console.print(printable(line))


def print_installed(found: Iterable[Installed]) -> None:
    """Print a table on standard output, and what is wrong with any below it."""
    console = wide_console()
    table = plain_table("", "name", "SHA-256", "profile", "weights")
    table.add_column("size", justify="right")
    problems = []
    for each in found:
        mark = "in use" if each.in_use else "previous" if each.previous else ""
        about = each.claims
        if about is None:
            table.add_row(mark, printable(each.entry), *[""] * 4)
        else:
            made = about.manifest
            name = f"{made.name} (shipped)" if each.entry == SHIPPED else made.name
            cells = (name, about.digest[:16], made.profile or "any", made.quantisation)
            table.add_row(mark, *map(printable, cells), bytes_text(about.size))
        if each.problem:
            problems.append(f"refused: {each.entry}: {each.problem}")
    console.print(table)
    for problem in problems:
        console.print(printable(problem), style="red")


def _facts(about: Claims) -> Iterable[tuple[str, str]]:
    made = about.manifest
    limits = ", ".join(f"{name} {value:,g}" for name, value in made.limits.items())
    yield "SHA-256", about.digest
    yield "playground", made.playground
    yield "profile", (made.profile or "any") + (f" ({limits})" if limits else "")
    yield "weights", made.quantisation
    yield "runners", "onnxruntime" + (" and numpy" if POLICY_NPZ in about.sizes else "")
    if made.schema_hash:
        yield "observations", f"{len(made.features)} features, schema {made.schema_hash}"
    files = (f"{name} {bytes_text(size)}" for name, size in sorted(about.sizes.items()))
    yield "size", f"{bytes_text(about.size)}: {', '.join(files)}"
    if made.stages:
        yield "export", ", ".join(made.stages)
    yield "provenance", "; ".join(_summary(made.provenance)) or "none"


def _summary(provenance: dict[str, object]) -> Iterable[str]:
    """Values that fit a line; of the others the names."""
    shown = {
        name: value if isinstance(value, str) else json.dumps(value, default=str)
        for name, value in provenance.items()
    }
    for name, text in shown.items():
        if len(text) <= _SHORT:
            yield f"{name} {text}"
    if longer := [name for name, text in shown.items() if len(text) > _SHORT]:
        yield f"by --json also {', '.join(longer)}"


def _gates_table(made: Manifest) -> Table:
    table = plain_table("gate")
    table.add_column("found", justify="right")
    table.add_column("limit", justify="right")
    for name in ("unit", "", "note"):
        table.add_column(name, overflow="fold")
    for gate in made.gates:
        limit = "" if gate.limit is None else f"{gate.limit:,g}"
        state = "passed" if gate.passed else "FAILED"
        cells = (gate.name, f"{gate.found:,g}", limit, gate.unit, state, gate.note)
        table.add_row(*map(printable, cells), style="" if gate.passed else "red")
    return table


def _without(path: Path, error: BundleError) -> str:
    return str(error).removeprefix(f"{path}: ")
