"""The examination: states whose best actions are known, kept as data.

``data/cases.jsonl`` has a case a line: playground, lines of the state, and the best actions, which
were found by reading the playbook. They are kept, not computed, so that neither a change of
the rules' language nor of a passage can go unnoticed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from training.errors import TeacherError
from training.teacher.playgrounds import BRIEFS
from training.teacher.prompt import Brief
from training.teacher.question import labels
from training.teacher.teacher import StateText

CASES: Final = Path(__file__).parent / "data" / "cases.jsonl"


@dataclass(frozen=True)
class Case:
    """A state, and what is best there.

    Attributes:
        brief: of the playground.
        lines: of the state.
        actions: labels.
        best: labels of those that are equally good and better than all others.
    """

    brief: Brief
    lines: tuple[str, ...]
    actions: tuple[str, ...]
    best: tuple[str, ...]

    @cached_property
    def state(self) -> StateText:
        """As teachers are shown it."""
        return StateText({}, self.lines, self.actions)


def read_cases(path: Path = CASES) -> list[Case]:
    """The cases of a file.

    Raises:
        TeacherError: it cannot be read, or a line is no case.
    """
    try:
        rows = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise TeacherError(f"{path}: cannot be read ({error})") from error
    return [_case(row, f"{path}:{number}") for number, row in enumerate(rows, 1)]


def _case(row: str, where: str) -> Case:
    try:
        found = json.loads(row)
        brief = BRIEFS[found["playground"]]
        lines, best = _strings(found["lines"]), _strings(found["best"])
    except (ValueError, KeyError, TypeError) as error:
        raise TeacherError(f"{where}: no case of the examination ({error!r})") from error
    hosts = [line.partition(" ")[0] for line in lines] if brief.on_hosts else []
    case = Case(brief, lines, labels(brief.kinds, hosts), best)
    if not {*case.best} <= {*case.actions}:
        raise TeacherError(f"{where}: names a best action that is not there")
    return case


def _strings(found: object) -> tuple[str, ...]:
    """What must be a list of strings, at least one."""
    if not isinstance(found, list) or not found or not all(isinstance(x, str) for x in found):
        raise TypeError(f"not a list of strings: {found!r}")
    return tuple(found)
