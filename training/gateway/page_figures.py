"""The figures on the page of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from markupsafe import Markup

from training.gateway.measures import Reliability, Tradeoff
from training.gateway.rewards import COMPONENTS
from training.inline_figure import INK, SOFT, inline
from training.report import COLOURS, Columns, FloatArray, running_mean

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDE: Final = (4.7, 2.3)
_TALL: Final = (4.7, 3.4)
_SMALL: Final = (2.3, 1.7)
_BLUE, _RED = COLOURS[:2]


def learning(columns: Columns, kept: int) -> dict[str, Markup]:
    """Return, validation, entropy and guidance over steps, as far as the run has measured them.

    Args:
        columns: the run's metrics.
        kept: steps after which the network was the one that was kept.
    """
    figures = {
        "return": inline("return", _WIDE, lambda figure: _return(figure, columns, kept)),
        "validation": inline("validation", _WIDE, lambda f: _validation(f, columns, kept)),
        "entropy": inline("entropy", _WIDE, lambda f: _lines(f, columns, ["entropy"], "nats")),
    }
    guides = {"mask": "mask", "auxiliary": "auxiliary loss"}
    if set(guides) <= set(columns):
        names = list(guides)
        figures["guidance"] = inline(
            "guidance", _WIDE, lambda f: _lines(f, columns, names, "weight of the teacher", guides)
        )
    return figures


def components(columns: Columns) -> Markup | None:
    """Components of the reward over steps; None where the run did not measure them."""
    if not set(COMPONENTS) <= set(columns):
        return None
    words = {name: name.replace("_", " ") for name in COMPONENTS}
    shown: dict[str, FloatArray] = dict(columns)
    for name in COMPONENTS:
        shown[name] = running_mean(columns[name], max(1, len(columns[name]) // 50))
    return inline(
        "components",
        (6.2, 2.7),
        lambda figure: _lines(figure, shown, list(COMPONENTS), "points per decision", words),
    )


def _return(figure: Figure, columns: Columns, kept: int) -> None:
    axis = _axis(figure, columns, "points of an episode")
    known = ~np.isnan(columns["return"])
    steps, values = columns["steps"][known], columns["return"][known]
    axis.plot(steps, values, color=_BLUE, linewidth=0.7, alpha=0.4)
    axis.plot(steps, running_mean(values, max(1, len(values) // 20)), color=_BLUE, linewidth=1.6)
    _keep(axis, kept)


def _validation(figure: Figure, columns: Columns, kept: int) -> None:
    axis = _axis(figure, columns, "share of what is at stake")
    known = ~np.isnan(columns["validation"])
    steps, values = columns["steps"][known], columns["validation"][known]
    axis.plot(steps, values, color=_BLUE, linewidth=1.6, marker="o", markersize=3)
    best = steps == kept
    axis.plot(steps[best], values[best], "o", markersize=9, markeredgecolor=_RED, fillstyle="none")
    axis.yaxis.set_major_formatter(_percent())
    _keep(axis, kept)


def _lines(
    figure: Figure,
    columns: Columns,
    names: Sequence[str],
    unit: str,
    words: Mapping[str, str] | None = None,
) -> None:
    axis = _axis(figure, columns, unit)
    styles = ("-", "--", "-", "--")
    for name, colour, style in zip(names, COLOURS, styles, strict=False):
        label = words[name] if words else name
        axis.plot(columns["steps"], columns[name], style, color=colour, linewidth=1.5, label=label)
    if words:
        figure.legend(loc="outside upper left", ncols=len(names), fontsize=8)
    if min(columns[name].min() for name in names) < 0:
        axis.axhline(0, color=SOFT, linewidth=0.8)


def _axis(figure: Figure, columns: Columns, unit: str) -> Axes:
    """Axes over all steps of a run."""
    from matplotlib.ticker import EngFormatter

    axis: Axes = figure.subplots()
    axis.set_xlabel("environment steps")
    axis.set_ylabel(unit)
    axis.set_xlim(0, 1.01 * columns["steps"][-1])
    axis.xaxis.set_major_formatter(EngFormatter(sep=""))
    return axis


def _keep(axis: Axes, kept: int) -> None:
    axis.axvline(kept, color=_RED, linewidth=0.9, linestyle="--")


def _percent() -> Any:
    from matplotlib.ticker import FuncFormatter

    return FuncFormatter(lambda share, _: f"{100 * share:g}%".replace("-", "−"))


def calibration(found: Reliability) -> Markup:
    """What was observed against what was predicted, and how often each was predicted."""
    return inline("calibration", _TALL, lambda figure: _calibration(figure, found))


def _calibration(figure: Figure, found: Reliability) -> None:
    from matplotlib.ticker import EngFormatter

    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    above.plot([0, 1], [0, 1], color=SOFT, linewidth=0.9, linestyle="--")
    bins = [each for each in found.bins if each]
    said, was = [each.predicted for each in bins], [each.observed for each in bins]
    above.plot(said, was, color=_BLUE, linewidth=1, marker="o", markersize=5)
    above.set(ylim=(-0.03, 1.03), ylabel="malicious, share of points")
    above.yaxis.set_major_formatter(_percent())
    counts = [each.count if each else 0 for each in found.bins]
    width = 1 / len(counts)
    middles = (np.arange(len(counts)) + 0.5) * width
    below.bar(middles, counts, 0.85 * width, color=_BLUE, alpha=0.6)
    below.set(yscale="log", ylim=(0.7, 2 * max(counts)), xlim=(-0.02, 1.02), ylabel="points")
    below.yaxis.set_major_formatter(EngFormatter(sep="", places=0))
    below.minorticks_off()
    below.set_xlabel("probability of block or isolate")
    below.xaxis.set_major_formatter(_percent())


def prices(found: Tradeoff, usual: tuple[float, float]) -> Markup:
    """All malicious flows against legitimate ones.

    Args:
        found: by price.
        usual: shares of legitimate and of malicious flows at the guard's own floor.
    """

    def draw(figure: Figure) -> None:
        axis = _price_axis(figure, found, found.all_malicious)
        axis.set_xlabel("legitimate flows stopped")
        axis.set_ylabel("malicious flows stopped")
        at = max(usual[0], found.prices[0]), usual[1]
        axis.plot(*at, "o", markersize=8, color=_RED, clip_on=False, zorder=5)
        right = at[0] > 0.03
        axis.annotate(
            "the guard's floor", at, (-9, 5) if right else (9, -11), textcoords="offset points",
            ha="right" if right else "left", fontsize=8, color=INK,
        )  # fmt: skip

    return inline("prices", _TALL, draw)


def family_prices(found: Tradeoff) -> dict[str, Markup]:
    """The same for each malicious family, small, with all of them pale behind it."""
    drawn = {}
    for number, (name, stopped) in enumerate(found.malicious.items()):

        def draw(figure: Figure, stopped: tuple[float, ...] = stopped) -> None:
            axis = _price_axis(figure, found, stopped)
            axis.plot(found.prices, found.all_malicious, color=SOFT, linewidth=0.8, alpha=0.6)

        drawn[name] = inline(f"price-{number}", _SMALL, draw)
    return drawn


def _price_axis(figure: Figure, found: Tradeoff, stopped: tuple[float, ...]) -> Axes:
    axis: Axes = figure.subplots()
    axis.step(found.prices, stopped, where="post", color=_BLUE, linewidth=1.8)
    axis.set(xscale="log", xlim=(found.prices[0], 1), ylim=(-0.03, 1.03))
    axis.minorticks_off()
    for formatted in (axis.xaxis, axis.yaxis):
        formatted.set_major_formatter(_percent())
    return axis
