"""How `training.gateway.aftermath` is told: as JSON, and as a table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from agent.words import printable

if TYPE_CHECKING:
    from training.gateway.aftermath import Aftermath


def alerts_json(families: Mapping[str, Aftermath], whole: Aftermath) -> dict[str, object]:
    """By family, and ``all`` of them; what is not a number is null."""
    return {
        "families": {name: _numbers(asdict(each)) for name, each in families.items()},
        "all": _numbers(asdict(whole)),
    }


def _numbers(value: object) -> object:
    if isinstance(value, dict):
        return {name: _numbers(each) for name, each in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value


def print_alerts(console: Console, families: Mapping[str, Aftermath], whole: Aftermath) -> None:
    """A table of what follows alerts, and a line about captures in which nothing does."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("after an alert", no_wrap=True)
    for name in ("alerts", "flows", "stopped", "bytes stopped", "once heard: flows", "bytes"):
        table.add_column(name, justify="right")
    _row(table, "malicious", whole, "bold")
    for name, each in families.items():
        _row(table, f"  {printable(name)}", each)
    console.print()
    console.print(table)
    console.print(
        f"nothing follows the alert in {whole.quiet} of {whole.captures} captures with alerts"
    )


def _row(table: Table, name: str, found: Aftermath, style: str = "") -> None:
    after, heard = found.after, found.heard
    table.add_row(
        name, f"{found.alerts:,}", f"{after.flows:,}", _share(after.stopped),
        _share(after.bytes_stopped), f"{heard.flows:,}", _share(heard.bytes_stopped),
        style=style,
    )  # fmt: skip


def _share(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.1%}"
