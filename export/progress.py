"""An export's progress on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

Show = Callable[[str, int, int], object]
"""Called with a stage, the steps that are done, and all of them."""


@contextmanager
def stages_bar() -> Iterator[Show]:
    """A line for each stage on standard error, if that is a terminal."""
    stderr = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn()
    with Progress(*columns, console=stderr, disable=not stderr.is_terminal) as bar:
        lines: dict[str, TaskID] = {}

        def show(stage: str, done: int, of: int) -> None:
            if stage not in lines:
                lines[stage] = bar.add_task(stage, total=of)
            bar.update(lines[stage], completed=done)

        yield show
