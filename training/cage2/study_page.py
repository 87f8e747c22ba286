"""What a study found, for people: a table, a section of the results page, a figure; and as JSON."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any, Final

from agent.errors import OutputError
from training.cage2.study import Findings
from training.cage2.study_measures import Comparison
from training.report import Interval, plot_arms, table
from training.study_page import origin, plain, put_into, wrapped

_NONE: Final = Interval(math.nan, math.nan, 0).text()
_DECIMALS: Final = {
    "learned": 0, "reached": 0, "reached_steps": 0, "sharp": 3, "sharp_handover": 3,
}  # fmt: skip
_KEY: Final = """\
## CAGE-2 studies: what the columns are

Means over seeds ± half-width of the 95 % interval (Student's t). Lines of the figures are means
over seeds, shades their 95 % intervals.

- **early return**, **final return**: mean of the first and of the last 5 % of the episodes.
- **ratio**: the early return of the arm's baseline over its own, seed by seed. Returns are losses:
  2 is twice as good.
- **learned**: episodes until the mean of the latest hundred had made 95 % of the way from the
  baseline's first hundred to the baseline's final return, under the same seed. `>`: some run never
  did, and counts whole.
- **sooner**: by how many episodes before the baseline, seed by seed; "(bound)" where some run never
  did.
- **spread**: standard deviation of iterations' mean returns in the 500 episodes after guidance
  ended; of a baseline, in the same episodes.
- **sharp**: largest share of states, over ten iterations in the first tenth of the episodes, in
  which one action had more than 99 % of the probability; **at hand-over**: in the ten iterations
  before guidance ended.
- **on** *network*: greedy return there after training, 500 episodes of 100 steps against B_line and
  Meander mixed."""


def arms_table(findings: Findings) -> str:
    """Markdown: a row for each arm, a column for whatever was measured in any."""
    study, summaries = findings.study, list(findings.summaries().values())
    compared = [findings.comparisons.get(arm) for arm in study.arms]
    columns = {
        "early return": [_cell(s, "early") for s in summaries],
        "ratio": [c.ratio.text() if c else _NONE for c in compared],
        "final return": [_cell(s, "final") for s in summaries],
        "learned": [_learned(s) for s in summaries],
        "sooner": [_sooner(c) if c else _NONE for c in compared],
        "spread": [_cell(s, "spread") for s in summaries],
        "sharp": [_cell(s, "sharp") for s in summaries],
        "at hand-over": [_cell(s, "sharp_handover") for s in summaries],
    }
    if study.level is not None:
        level = f"{study.level:g}".replace("-", "−")
        columns[f"seconds to {level}"] = [_cell(s, "reached") for s in summaries]
        columns[f"steps to {level}"] = [_cell(s, "reached_steps") for s in summaries]
    columns |= {f"on {n}": [s["scores"][n].text() for s in summaries] for n in study.scored_on}
    shown = {head: cells for head, cells in columns.items() if set(cells) != {_NONE}}
    return table(["arm", *shown], list(zip(study.arms, *shown.values(), strict=True)))


def _cell(summary: dict[str, Any], name: str) -> str:
    return summary[name].text(_DECIMALS.get(name, 2))


def _learned(summary: dict[str, Any]) -> str:
    return ("> " if summary["never"] else "") + _cell(summary, "learned")


def _sooner(comparison: Comparison) -> str:
    return comparison.sooner.text(0) + (" (bound)" if comparison.bound else "")


def section(findings: Findings, command: str, figure: str | None) -> str:
    """The study's part of the results page, without its markers.

    Args:
        findings: of the study.
        command: what makes it.
        figure: address of the figure, relative to the page.
    """
    study, results = findings.study, [r for arm in findings.results.values() for r in arm]
    parts = [f"## CAGE-2 study: {study.name}", wrapped(study.question)]
    parts.append(origin(command, findings.seeds, results))
    parts.append(arms_table(findings))
    if figure:
        parts.append(f"![Returns of the arms of {study.name} over episodes]({figure})")
    return "\n\n".join(parts)


def publish(
    findings: Findings, command: str, results: Path | None, figures: Path | None
) -> list[Path]:
    """Write the figure and the section on the results page, each where it was asked for.

    Returns:
        The files.

    Raises:
        OutputError: one of them cannot be written.
    """
    name, link, written = findings.study.name, None, []
    if figures:
        figure = figures / f"{name}.svg"
        try:
            plot_arms(figure, f"{name}, {len(findings.seeds)} seeds", findings.curves())
        except OSError as error:
            raise OutputError(f"{figure}: cannot be written ({error.strerror})") from error
        written.append(figure)
    if results and figures:
        link = Path(os.path.relpath(figure, results.parent)).as_posix()
    if results:
        put_into(results, {"measures": _KEY, name: section(findings, command, link)})
        written.append(results)
    return written


def as_json(findings: Findings) -> dict[str, Any]:
    """Everything that was measured, with null for what was not."""
    compared, summaries = findings.comparisons, findings.summaries()
    arms = {
        name: {
            "folders": [str(folder) for folder in findings.folders[name]],
            "runs": findings.measures[name],
            "mean": summaries[name],
            "against": findings.study.against.get(name),
            "compared": compared.get(name),
        }
        for name in findings.study.arms
    }
    about = {"study": findings.study.name, "question": findings.study.question}
    return plain(about | {"seeds": list(findings.seeds), "arms": arms})
