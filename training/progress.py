"""A training run's progress on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn


@contextmanager
def training_bar(task: str, steps: int) -> Iterator[Callable[[dict[str, float]], None]]:
    """A bar on standard error, if that is a terminal.

    Args:
        task: what is done, in a word.
        steps: environment steps of the whole run.

    Yields:
        What takes every row of metrics.
    """
    stderr = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn()
    with Progress(*columns, console=stderr, disable=not stderr.is_terminal) as bar:
        line = bar.add_task(task, total=steps)

        def show(row: dict[str, float]) -> None:
            words = f"return {row['return']:.1f}, {row['steps_per_second']:,.0f} steps/s"
            bar.update(line, completed=row["steps"], description=words)

        yield show
