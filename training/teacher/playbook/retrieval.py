"""Which passages concern a state: full-text search by BM25 in SQLite's FTS5.

A passage is worth as much as for the line that it suits best: first by how much of the condition of
one of its rules is said there, for passages only apply where all of it is; of those that apply, by
urgency; then by BM25.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from training.errors import TeacherError
from training.teacher.playbook.passages import Passage

_TABLE: Final = "CREATE VIRTUAL TABLE passage USING fts5(rules, title, reason)"
# A word in what a passage says counts ten times as much as one in the explanation.
_FIND: Final = "SELECT rowid, bm25(passage, 10, 1, 1) FROM passage WHERE passage MATCH ?"
_LINES: Final = 4096  # lines whose answers are kept
_WORD: Final = re.compile(r"[a-z]+")

Score = tuple[float, int, float]
"""How well a passage suits a line, smaller is better: share of a condition, urgency, BM25."""


class Shelf:
    """Passages that can be searched.

    Args:
        passages: at least one.

    Raises:
        TeacherError: there are none, or this Python's SQLite cannot search text.
    """

    def __init__(self, passages: Sequence[Passage]) -> None:
        if not passages:
            raise TeacherError("a shelf without passages: write one")
        self.passages = tuple(passages)
        self._index = sqlite3.connect(":memory:", check_same_thread=False)
        try:
            self._index.execute(_TABLE)
        except sqlite3.OperationalError as error:
            raise TeacherError(
                f"this Python's SQLite cannot search text ({error}); take one with FTS5"
            ) from error
        rows = [(str(passage), passage.title, passage.reason) for passage in self.passages]
        self._index.executemany("INSERT INTO passage VALUES (?, ?, ?)", rows)
        self._scores = lru_cache(_LINES)(self._search)

    def find(self, lines: Sequence[str], count: int) -> list[Passage]:
        """The passages that suit a state best, in the shelf's order, so that prompts begin alike.

        Args:
            lines: of the state: a label, and the words of which passages speak.
            count: how many at most; those without a word in common with any line are left out.
        """
        best: dict[int, Score] = {}
        for said in {line.partition(" ")[2] for line in lines}:
            for number, score in self._scores(said).items():
                best[number] = min(score, best.get(number, score))
        found = sorted(best, key=lambda number: (best[number], number))[:count]
        return [self.passages[number] for number in sorted(found)]

    def _search(self, said: str) -> dict[int, Score]:
        """The scores of the passages that have one of the words."""
        words = _WORD.findall(said)
        rows = self._index.execute(_FIND, (" OR ".join(words),)).fetchall() if words else []
        return {
            number - 1: (*_suits(self.passages[number - 1], frozenset(words)), score)
            for number, score in rows
        }


def _suits(passage: Passage, words: frozenset[str]) -> tuple[float, int]:
    """Of the rule that suits best: minus the share of its words that are said, and its urgency."""
    shares = [
        (len(words.intersection(rule.words)) / len(rule.words), rule.level)
        for rule in passage.rules
    ]
    return min((-share, -level if share == 1 else 0) for share, level in shares)
