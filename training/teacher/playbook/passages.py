"""Passages of the playbook: short Markdown files with front matter, one idea each.

    ---
    title: user access to a vital host
    reason: The next step is full control. A removal misses sessions …
    ---
    must restore or remove if vital and accessed

The title and the reason are for people; they also help to find a passage. What follows the front
matter goes into prompts: rules, a line each (`training.teacher.playbook.rule`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from training.errors import TeacherError
from training.teacher.playbook.rule import Rule, parse

_FENCE: Final = "---"
_KEYS: Final = ("title", "reason")
FOLDER: Final = Path(__file__).parent
"""Where the passages of each playground are, in a folder of its name."""


@dataclass(frozen=True, slots=True)
class Passage:
    """One passage.

    Attributes:
        title: what it is about.
        reason: why it says what it says.
        rules: what it says.
    """

    title: str
    reason: str
    rules: tuple[Rule, ...]

    def __str__(self) -> str:
        """What goes into prompts."""
        return "\n".join(map(str, self.rules))


def read_all(folder: Path) -> list[Passage]:
    """The passages of a folder, in the order of their files' names.

    Raises:
        TeacherError: there is none, or a file is none.
    """
    files = sorted(folder.glob("*.md"))
    if not files:
        raise TeacherError(f"{folder}: no passages (*.md) there")
    return [read(file) for file in files]


def rules_of(passages: Iterable[Passage]) -> list[Rule]:
    """All that passages say."""
    return [rule for passage in passages for rule in passage.rules]


def read(file: Path) -> Passage:
    """The passage of a file.

    Raises:
        TeacherError: it cannot be read, or is none; the message says what is wrong.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TeacherError(f"{file}: cannot be read ({error})") from error
    opening, *parts = text.split(f"{_FENCE}\n", 2)
    if opening or len(parts) < 2:
        raise TeacherError(f"{file}: begin with front matter between two lines of {_FENCE}")
    front = _front(parts[0], file)
    lines = [line for line in parts[1].splitlines() if line.strip()]
    if not lines:
        raise TeacherError(f"{file}: says nothing after its front matter; write a rule a line")
    try:
        rules = tuple(parse(line) for line in lines)
    except TeacherError as error:
        raise TeacherError(f"{file}: {error}") from error
    return Passage(front["title"], front["reason"], rules)


def _front(text: str, file: Path) -> dict[str, str]:
    """Keys and values of front matter."""
    pairs = [line.partition(":") for line in text.splitlines() if line.strip()]
    front = {key.strip(): value.strip() for key, _, value in pairs}
    if tuple(front) != _KEYS or len(pairs) != len(_KEYS) or not all(front.values()):
        raise TeacherError(f"{file}: front matter is a line each of {' and '.join(_KEYS)}")
    return front
