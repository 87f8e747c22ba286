"""What a gateway study found, for people: tables in a section of the results page; and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from training.gateway.study import UNGUIDED, Findings, unseen_by
from training.gateway.study_measures import Tree, differences, over_seeds, unseen
from training.report import Interval, table
from training.study_page import origin, plain

NAME: Final = "gateway"
_KEY: Final = """\
## Gateway study

Means over seeds ± half-width of the 95 % interval (Student's t), on captures of which no arm has
seen any; differences are taken seed by seed.

- **points**: what a greedy policy earns on all captures; **of the stakes**: over what there is to
  gain and to lose, the mean over captures.
- **stopped**, **throttled**: share of flows; **after packets**: that passed of a stopped flow, the
  median; **bytes passed**: share of the family's bytes.
- **unseen**: nobody said in training that this family's flows are malicious, and no teacher guided;
  **seen**: unguided as well, but with their labels."""
_SHARES: Final = ("stopped", "throttled", "bytes_passed")


def compared(findings: Findings, held_out: str, arm: str) -> dict[str, Any]:
    """An arm's intervals, and those of its differences from the unguided one.

    Returns:
        ``mean``; ``against``, None if there is nothing to compare with, and ``difference``.
    """
    runs = findings.measures[held_out]
    shown = {name: [_shown(findings, arm, run) for run in runs[name]] for name in runs}
    against = UNGUIDED if arm != UNGUIDED and UNGUIDED in runs else None
    return {
        "mean": over_seeds(shown[arm]),
        "against": against,
        "difference": differences(shown[arm], shown[against]) if against else None,
    }


def _shown(findings: Findings, arm: str, run: Tree) -> Tree:
    """What of a run's measures says something about the arm."""
    if family := unseen_by(arm, findings.arms[arm]):
        return unseen(run, family)
    return {name: value for name, value in run.items() if name != "of"}


def section(findings: Findings, command: str) -> str:
    """The study's part of the results page, without its markers.

    Args:
        findings: of the study.
        command: what makes it.
    """
    results = [result for arm in findings.results.values() for result in arm]
    parts = [_KEY, origin(command, findings.seeds, results)]
    for name in findings.held_out:
        captures = next(iter(findings.measures[name].values()))[0]["captures"]
        parts += [f"### {name}, {captures:,} captures", *_tables(findings, name)]
    return "\n\n".join(parts)


def _tables(findings: Findings, held_out: str) -> Iterator[str]:
    found = {arm: compared(findings, held_out, arm) for arm in findings.arms}
    families = {arm: unseen_by(arm, plan) for arm, plan in findings.arms.items()}
    told = {arm: found[arm]["mean"] for arm, family in families.items() if family is None}
    if told:
        gained = {
            f"{arm} − {UNGUIDED}": found[arm]["difference"] for arm in told if found[arm]["against"]
        }
        yield _overview(told | gained)
        yield _by_family(told)
    left_out = {
        family: found[arm]
        for arm, family in families.items()
        if family and family in found[arm]["mean"]["malicious"]
    }
    if left_out:
        seen = found[UNGUIDED]["mean"]["malicious"] if UNGUIDED in found else {}
        yield _unseen(left_out, seen)


def _overview(rows: Mapping[str, Tree]) -> str:
    header = ["arm", "points", "of the stakes, %", "malicious: stopped, %", "throttled, %"]
    header += ["after packets", "bytes passed, %", "legitimate: stopped, %", "throttled, %"]
    return table(
        header,
        [
            [
                *(name, row["reward"].text(0), _percent(row["share"])),
                *_outcome(row["all_malicious"]),
                *_harm(row["all_benign"]),
            ]
            for name, row in rows.items()
        ],
    )


def _by_family(rows: Mapping[str, Tree]) -> str:
    header = ["family", "flows", "arm", "stopped, %", "throttled, %", "after packets"]
    cells = []
    flows = _flows(next(iter(rows.values()))["malicious"])
    for family, number in flows.items():
        for k, (name, row) in enumerate(rows.items()):
            first = [family, number] if k == 0 else ["", ""]
            cells.append([*first, name, *_outcome(row["malicious"][family])])
    return table([*header, "bytes passed, %"], cells)


def _unseen(found: Mapping[str, Tree], seen: Tree) -> str:
    """Of each family what was done about it by those that were not told of it."""
    header = ["unseen family", "flows", "stopped if seen, %", "stopped unseen, %", "difference"]
    header += ["throttled, %", "after packets", "bytes passed, %"]
    header += ["legitimate: stopped, %", "throttled, %"]
    nothing = Interval(0, 0, 0)
    cells = []
    for family, arm in found.items():
        mean, more = arm["mean"], arm["difference"]
        stopped, *others = _outcome(mean["malicious"][family])
        before = seen[family]["stopped"] if seen else nothing
        gained = more["malicious"][family]["stopped"] if more else nothing
        cells.append(
            [
                *(family, _flows(mean["malicious"])[family], _percent(before), stopped),
                *(_percent(gained), *others, *_harm(mean["all_benign"])),
            ]
        )
    return table(header, cells)


def _flows(families: Tree) -> dict[str, str]:
    return {name: outcome["flows"].text(0).split(" ")[0] for name, outcome in families.items()}


def _outcome(outcome: Tree) -> Sequence[str]:
    """Stopped, throttled, after packets, bytes passed."""
    stopped, throttled, passed = (_percent(outcome[name]) for name in _SHARES)
    return stopped, throttled, outcome["packets"].text(1), passed


def _harm(outcome: Tree) -> Sequence[str]:
    """Stopped and throttled."""
    return _percent(outcome["stopped"], 2), _percent(outcome["throttled"], 2)


def _percent(share: Interval, decimals: int = 1) -> str:
    return Interval(100 * share.mean, 100 * share.half, share.count).text(decimals)


def as_json(findings: Findings, command: str) -> dict[str, Any]:
    """Everything that was measured, with null for what was not."""
    results = [result for arm in findings.results.values() for result in arm]
    return plain(
        {
            "command": command,
            "seeds": findings.seeds,
            "commits": list(dict.fromkeys(result["commit"] for result in results)),
            "machines": list(dict.fromkeys(result["machine"] for result in results)),
            "held_out": {
                name: {
                    arm: {**compared(findings, name, arm), "runs": findings.measures[name][arm]}
                    for arm in findings.arms
                }
                for name in findings.held_out
            },
        }
    )
