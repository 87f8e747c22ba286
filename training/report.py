"""A run's metrics as columns, means over seeds with their intervals, tables, and figures.

Figures are SVG and deterministic: the same columns give the same bytes.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from training.errors import StudyError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FloatArray: TypeAlias = NDArray[np.float64]
Columns: TypeAlias = Mapping[str, FloatArray]

METRICS: Final = "metrics.csv"
CURVE: Final = "curve.svg"
CONFIDENCE: Final = 0.95
_POINTS: Final = 60  # along a curve
_NOISY: Final = ("return", "agreement")
_STEPS: Final = "environment steps"
# What a run's figure shows, panel by panel: of one that plays, and of one that reads.
_PLAYING: Final = (("return",), ("entropy",), ("mask", "auxiliary"), ("agreement",))
_READING: Final = (("kl", "held_out_kl"), ("text_loss", "held_out_text_loss"), ("agreement",))
_BEGINNING: Final = 0.1  # share of the training that has a panel of its own
# Okabe and Ito 2008, "Color universal design": told apart with every kind of colour vision.
COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8A6D3B")
_BLACK: Final = "#222222"
STYLE: Final[dict[Any, Any]] = {
    "svg.hashsalt": "sluicegate", "font.size": 9, "axes.grid": True, "grid.color": "#e4e4e4",
    "axes.axisbelow": True, "axes.spines.top": False, "axes.spines.right": False,
    "axes.titlesize": 9, "legend.frameon": False,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with the half-width of its 95 % interval, which a single value does not have."""

    mean: float
    half: float
    count: int

    def text(self, decimals: int = 2) -> str:
        """As a table has it; a dash if nothing was measured."""
        if not self.count:
            return "–"
        mean = f"{self.mean:,.{decimals}f}".replace("-", "−")
        return mean if math.isnan(self.half) else f"{mean} ± {self.half:,.{decimals}f}"


@dataclass(frozen=True, slots=True)
class Arm:
    """One line of a figure: what was tried, in several seeds.

    Attributes:
        name: for the legend.
        runs: metrics of each seed, with ``episodes`` (done so far) and ``return``.
        against: name of the arm that it is compared with, if any.
    """

    name: str
    runs: Sequence[Columns]
    against: str | None = None


def read_metrics(folder: Path) -> dict[str, FloatArray]:
    """Columns ``(rows,)`` of a run's metrics; a cell without a number is nan.

    Raises:
        StudyError: there are none.
    """
    try:
        with (folder / METRICS).open(newline="") as file:
            header, *rows = csv.reader(file)
            table = np.array([[float(cell or "nan") for cell in row] for row in rows])
        return dict(zip(header, table.reshape(-1, len(header)).T, strict=True))
    except (OSError, ValueError) as error:
        raise StudyError(f"{folder / METRICS}: no metrics of a run ({error})") from error


def t_quantile(freedom: int, confidence: float = CONFIDENCE) -> float:
    """The ``t`` within which Student's variable lies with this probability, either side of 0.

    By bisection of the closed form for whole degrees of freedom (Abramowitz and Stegun 1964,
    26.7.3 and 26.7.4).
    """
    low, high = 0.0, math.pi / 2
    for _ in range(60):
        middle = (low + high) / 2
        inside = _t_probability(middle, freedom) < confidence
        low, high = (middle, high) if inside else (low, middle)
    return math.sqrt(freedom) * math.tan(low)


def _t_probability(angle: float, freedom: int) -> float:
    """P(|t| < √ν tan(angle)) for ν degrees of freedom."""
    odd, cosine = freedom % 2, math.cos(angle)
    term, total = cosine if odd else 1.0, 0.0
    for k in range(1 + odd, freedom, 2):
        total += term
        term *= cosine**2 * k / (k + 1)
    inside = math.sin(angle) * total
    return 2 / math.pi * (angle + inside) if odd else inside


def interval(values: Sequence[float] | FloatArray) -> Interval:
    """The mean of independent values, by Student's t; values that are not numbers are left out."""
    known = np.asarray(values, np.float64)
    known = known[~np.isnan(known)]
    if len(known) < 2:
        return Interval(float(known[0]) if len(known) else math.nan, math.nan, len(known))
    half = t_quantile(len(known) - 1) * known.std(ddof=1) / math.sqrt(len(known))
    return Interval(float(known.mean()), float(half), len(known))


def averages(columns: Columns, name: str, edges: FloatArray) -> FloatArray:
    """Means of a metric between counts of episodes, weighted by episodes.

    A row stands for the episodes that ended since the row before.

    Args:
        columns: of a run.
        name: the metric's.
        edges: ``(n + 1,)`` ascending counts of episodes.

    Returns:
        ``(n,)``; nan where the run has no episodes.
    """
    known = ~np.isnan(columns[name])
    episodes, values = columns["episodes"][known], columns[name][known]
    until = np.concatenate([[0.0], episodes])
    total = np.concatenate([[0.0], np.cumsum(np.diff(until) * values)])
    sums = np.diff(np.interp(edges, until, total))
    covered = np.diff(np.clip(edges, 0, until[-1]))
    return np.divide(sums, covered, out=np.full(len(sums), np.nan), where=covered > 0)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown: the first column to the left, numbers to the right."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def plot_arms(path: Path, title: str, arms: Sequence[Arm]) -> None:
    """A figure of all arms' returns: the beginning on the left, the whole training on the right.

    Lines are means over seeds, shades their 95 % intervals. An arm that others are compared with
    is dashed; it has their colour if it is compared with one arm only.
    """
    from matplotlib.ticker import StrMethodFormatter

    last = max(run["episodes"][-1] for arm in arms for run in arm.runs)
    with _figure(path, (9.6, 4.6)) as figure:
        axes = figure.subplots(1, 2, sharey=True)
        for axis, end in zip(axes, (last * _BEGINNING, last), strict=True):
            edges = np.linspace(0, end, _POINTS + 1)
            for arm, look in zip(arms, _looks(arms), strict=True):
                _draw(axis, edges, arm, look)
            axis.set(xlim=(0, end), xlabel="episodes", title=f"the first {end:,.0f} episodes")
            axis.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes[1].set_title(f"all {last:,.0f} episodes")
        axes[0].set_ylabel("mean return of an episode")
        _scale(*axes)
        figure.suptitle(title, fontsize=11)
        columns = min(4, len(arms))
        handles = axes[0].get_legend_handles_labels()
        figure.legend(*handles, loc="outside lower center", ncols=columns)


def plot_run(folder: Path) -> None:
    """Write ``curve.svg`` of a run beside its metrics.

    Raises:
        StudyError: the folder has no metrics.
    """
    from matplotlib.ticker import StrMethodFormatter

    columns = read_metrics(folder)
    panels, steps = (_READING, "updates") if "tokens" in columns else (_PLAYING, _STEPS)
    shown = [[name for name in panel if _measured(columns, name)] for panel in panels]
    shown = [panel for panel in shown if panel]
    if not shown:
        return
    with _figure(folder / CURVE, (7.2, 1.6 + 1.6 * len(shown))) as figure:
        ratios = [2.2, *[1.0] * (len(shown) - 1)]
        axes = figure.subplots(len(shown), 1, sharex=True, squeeze=False, height_ratios=ratios)
        for axis, panel in zip(axes[:, 0], shown, strict=True):
            _trace(axis, columns, panel)
        axes[-1, 0].set_xlabel(steps)
        axes[-1, 0].xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        figure.suptitle(f"{folder.name or 'run'}: {columns['steps'][-1]:,.0f} {steps}", fontsize=11)


@contextmanager
def _figure(path: Path, size: tuple[float, float]) -> Iterator[Figure]:
    """A figure to draw on, written at the end."""
    # Heavy, and needed by few commands.
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(STYLE):
        figure = Figure(figsize=size, layout="constrained")
        yield figure
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, format="svg", metadata={"Date": None})


def _looks(arms: Sequence[Arm]) -> list[dict[str, Any]]:
    """Colour and line of every arm."""
    fans = {arm.name: [a.name for a in arms if a.against == arm.name] for arm in arms}
    coloured = [arm.name for arm in arms if not fans[arm.name]]
    colours = {name: COLOURS[k % len(COLOURS)] for k, name in enumerate(coloured)}
    looks: list[dict[str, Any]] = []
    for arm in arms:
        lone = len(fans[arm.name]) == 1 and len(arms) > 2
        colour = colours.get(fans[arm.name][0] if lone else arm.name, _BLACK)
        looks.append({"color": colour, "linestyle": "--" if fans[arm.name] else "-"})
    return looks


def _draw(axis: Axes, edges: FloatArray, arm: Arm, look: dict[str, Any]) -> None:
    curves = np.array([averages(run, "return", edges) for run in arm.runs])
    points = [interval(values) for values in curves.T]
    mean, half = (np.array([getattr(p, name) for p in points]) for name in ("mean", "half"))
    middle = (edges[:-1] + edges[1:]) / 2
    axis.plot(middle, mean, label=arm.name, linewidth=1.6, **look)
    axis.fill_between(
        middle, mean - half, mean + half, color=look["color"], alpha=0.15, linewidth=0
    )


def _trace(axis: Axes, columns: Columns, names: Sequence[str]) -> None:
    """One panel of a run: what is noisy is pale, beneath its running mean."""
    for name, colour, line in zip(names, COLOURS, ("-", "--"), strict=False):
        known = ~np.isnan(columns[name])
        steps, values = columns["steps"][known], columns[name][known]
        width = len(values) // 50
        if name in _NOISY and width > 1:
            axis.plot(steps, values, color=colour, linewidth=0.7, alpha=0.35)
            values = running_mean(values, width)
        axis.plot(steps, values, line, color=colour, label=name, linewidth=1.5)
    if len(names) > 1:
        axis.legend(loc="upper right")
    axis.set_ylabel(", ".join(names))
    axis.margins(x=0)
    if names == ["return"]:
        _scale(axis)


def running_mean(values: FloatArray, width: int) -> FloatArray:
    """Means ``(n,)`` of the latest ``width`` values, of all so far where they are fewer."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    end = np.arange(1, len(values) + 1)
    begin = np.maximum(end - width, 0)
    return (total[end] - total[begin]) / (end - begin)


def _scale(*axes: Axes) -> None:
    """A logarithm of losses where they span orders of magnitude: learning is seen at both ends.

    Axes that are several share their y.
    """
    from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

    lines = [np.asarray(line.get_ydata(), np.float64) for axis in axes for line in axis.lines]
    drawn = np.concatenate([*lines, [math.nan]])
    if np.isnan(drawn).all() or np.nanmax(drawn) >= 0 or np.nanmin(drawn) > 5 * np.nanmax(drawn):
        return
    low, high = 1.3 * np.nanmin(drawn), np.nanmax(drawn) / 1.3
    axis = axes[0]
    axis.set_yscale("symlog", linthresh=min(1.0, -high), linscale=0.1)
    ticks = [-step * 10.0**power for power in range(-2, 5) for step in (1, 2, 5)]
    axis.yaxis.set_major_locator(FixedLocator([tick for tick in ticks if low <= tick <= high]))
    axis.yaxis.set_minor_locator(NullLocator())
    axis.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_ylim(low, high)


def _measured(columns: Columns, name: str) -> bool:
    return name in columns and not bool(np.isnan(columns[name]).all())
