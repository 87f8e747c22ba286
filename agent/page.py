"""The page: a replay as one HTML file that needs nothing else, to be read, kept and sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from pydantic import BaseModel

from agent.chart import Chart
from agent.compare import Comparison
from agent.config import Settings
from agent.decision import VERDICTS
from agent.flow_key import FlowKey, vlan_text
from agent.output import open_output
from agent.replay import Replay
from agent.report import family_json, peak_rss_bytes
from agent.tally import Notable, total
from agent.totals import Totals
from agent.words import REASONS, bytes_text, moment_text, printable, seconds_text

_CHARTS: Final = 12  # captures with a timeline of their own
_HOSTS: Final = 12
_DECISIONS: Final = 400
_CAPTURES: Final = 200
Setting = tuple[str, str, str, bool]  # name, value, description, whether it is not the default


def write_page(
    path: Path, replay: Replay, settings: Settings, comparison: Comparison | None = None
) -> None:
    """Write a replay's page, over what the file held.

    Raises:
        OutputError: the file cannot be written, or is one of the captures.
    """
    page = render_page(replay, settings, comparison)
    with open_output(path, [capture.path for capture in replay.captures]) as file:
        file.write(page.encode())


def render_page(replay: Replay, settings: Settings, comparison: Comparison | None = None) -> str:
    """The page as HTML."""
    manifest = replay.policy.bundle.manifest
    families, benign = replay.families(), replay.benign()
    decisions = [(c.path, note) for c in replay.captures for note in c.tally.notable]
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            replay=replay,
            totals=Totals.of(replay),
            rules=sum(capture.tally.rules.total() for capture in replay.captures),
            peak_rss_bytes=peak_rss_bytes(),
            charts=_charts(replay),
            captures=replay.captures[:_CAPTURES],
            hosts=_HOSTS,
            decisions=decisions[:_DECISIONS],
            families={name: family_json(family) for name, family in sorted(families.items())},
            malicious=family_json(total(families)),
            benign_families={name: family_json(family) for name, family in sorted(benign.items())},
            benign=family_json(total(benign)),
            unlabelled=sum(c.tally.unlabelled.flows for c in replay.captures if c.labelled),
            comparison=comparison,
            bundle=replay.policy.bundle,
            provenance={
                k: v for k, v in manifest.provenance.items() if isinstance(v, str | int | float)
            },
            settings=list(_settings(settings, "")),
            version=_version(),
            verdicts=VERDICTS,
            reasons=REASONS,
        )
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("agent"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        # File names and labels are strangers' text: escaped by autoescape, and here made visible.
        finalize=lambda value: printable(value) if type(value) is str else value,
    )
    filters: dict[str, Callable[..., str]] = {
        "number": lambda count: f"{count:,.0f}",
        "share": _share,
        "bytes": bytes_text,
        "seconds": seconds_text,
        "moment": moment_text,
        "ttl": _ttl,
        "flow": _flow,
    }
    environment.filters.update(filters)
    return environment


def _share(part: float, whole: float) -> str:
    """``12%``; nothing of nothing is a dash."""
    if not whole:
        return "–"
    percent = 100 * part / whole
    return "<1%" if 0 < percent < 1 else f"{percent:.0f}%"


def _ttl(note: Notable) -> str:
    return seconds_text((note.rule.until_ns - note.rule.since_ns) / 1e9)


def _flow(note: Notable) -> str:
    vlan = vlan_text(int(note.point["vlan"]))
    return str(FlowKey.of(note.point)) + (f" VLAN {vlan}" if vlan else "")


def _charts(replay: Replay) -> list[tuple[Path, Chart]]:
    """Timelines of the captures in which most was acted on; of the first one where nothing was."""
    decided = [capture for capture in replay.captures if capture.tally.points]
    acted = [capture for capture in decided if capture.tally.applied[1:].any()]
    acted.sort(key=lambda capture: -int(capture.tally.applied[1:].sum()))
    return [
        (capture.path, Chart.of(capture.tally.timeline, capture.tally.notable))
        for capture in acted[:_CHARTS] or decided[:1]
    ]


def _settings(section: BaseModel, prefix: str) -> Iterator[Setting]:
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from _settings(value, f"{prefix}{name}.")
        else:
            text = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
            description = field.description or ""
            yield f"{prefix}{name}", text or "none", description, value != field.default


def _version() -> str:
    try:
        return version("sluicegate")
    except PackageNotFoundError:  # run from a source tree
        return "from a source tree"
