"""The page of a run as HTML."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import ceil, floor, log10
from typing import Any, Final

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from agent.decision import VERDICTS
from agent.words import printable, seconds_text
from training.gateway.measures import Family
from training.gateway.page import Content
from training.gateway.page_figures import (
    calibration,
    components,
    family_prices,
    learning,
    prices,
)

_SHOWN: Final = (0, 20, 40, 60)  # of a trade-off's prices, those in the table: 0.01 % to 10 %


def render(content: Content) -> str:
    """The page; the same content gives the same text."""
    found, guard = content.tradeoff, content.guard
    most_packets, most_s = _most(content.malicious, "packets"), _most(content.malicious, "seconds")
    benign = sorted(content.benign.items(), key=lambda item: -item[1].stopped * item[1].flows)
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            content=content,
            verdicts=VERDICTS,
            settings=list(_flat(content.asked)),
            learning=learning(content.learning, int(content.result["best_steps"])),
            components=components(content.learning),
            packets=Scale(1, most_packets),
            seconds=Scale(0.1, most_s),
            benign=benign,
            calibration=content.calibration and calibration(content.calibration),
            prices=found and guard and prices(found, (guard.benign, guard.malicious)),
            family_prices=found and family_prices(found),
            shown=_SHOWN,
        )
    )


class Scale:
    """A logarithmic axis that has a place for 0.

    Args:
        least: what is told apart from 0 well; the first tick after it.
        most: of all values.
    """

    def __init__(self, least: float, most: float) -> None:
        self._decades = max(1, ceil(log10(max(most, least) / least)))
        self._least = least
        self.ticks = [0.0, *(least * 10**k for k in range(self._decades + 1))]

    def at(self, value: float) -> float:
        """Place along the axis, percent; 0 is at its beginning, and the least a step from there."""
        steps = value / self._least
        steps = steps if steps <= 1 else 1 + log10(steps)
        return 100 * steps / (self._decades + 1)


def _most(families: Mapping[str, Family], name: str) -> float:
    """The largest upper quartile of any family."""
    return max((q.high for each in families.values() if (q := getattr(each, name))), default=0.0)


def _environment() -> Environment:
    environment = Environment(
        loader=ChoiceLoader(
            [PackageLoader("training.gateway", "data"), PackageLoader("agent", "templates")]
        ),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        # Families and paths are strangers' text: escaped by autoescape, and here made visible.
        finalize=lambda value: printable(value) if type(value) is str else value,
    )
    environment.filters.update(
        number=lambda count: f"{count:,.0f}",
        share=_share,
        few=_few,
        floor=_floor,
        wait=lambda seconds: seconds_text(seconds) if seconds else "0",
        seconds=seconds_text,
    )
    return environment


def _share(share: float) -> str:
    """``12%``, ``0.3%``, ``<0.01%``; what is not quite all is not 100%."""
    percent = 100 * share
    if 0 < percent < 0.01:
        return "<0.01%"
    if 99.5 <= percent < 100:
        return f"{min(percent, 99.99):.2f}%"
    if percent in (0, 100) or percent >= 9.95:
        return f"{percent:.0f}%"
    return f"{percent:.2f}%" if percent < 0.095 else f"{percent:.1f}%"


def _floor(probability: float) -> str:
    """With as many digits as tell it from 1; none is high enough beyond that."""
    if probability > 1:
        return "none"
    digits = 3 if probability < 0.99 else 3 - floor(log10(max(1 - probability, 1e-12)))
    return f"{probability:.{digits}f}"


def _few(value: float) -> str:
    """A number of packets, which an interpolated quartile need not have whole."""
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.1f}"


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Names and values of settings within settings."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            yield f"{prefix}{name}", text
