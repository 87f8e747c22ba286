"""Plain tables on standard output, for commands that list things."""

from __future__ import annotations

from typing import Final

from rich.console import Console
from rich.table import Table

_WIDTH: Final = 120  # columns, where there is no terminal that is wider


def plain_table(*columns: str) -> Table:
    """A table without lines; long cells are folded."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in columns:
        table.add_column(name, overflow="fold")
    return table


def wide_console() -> Console:
    """Standard output, wide enough for a table also where it is no terminal."""
    console = Console(highlight=False, markup=False, emoji=False)
    console.width = max(console.width, _WIDTH)
    return console
