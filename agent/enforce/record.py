"""A dry run: remembers what would have been enforced."""

from __future__ import annotations

from collections.abc import Iterable

from agent.decision import Rule


class Recorder:
    """An `Enforcer` that touches nothing; keeps the first ``limit`` rules and counts them all."""

    def __init__(self, limit: int = 10_000) -> None:
        self.rules: list[Rule] = []
        self.count = 0
        self._limit = limit

    def apply(self, rules: Iterable[Rule]) -> None:
        """Note the rules."""
        for rule in rules:
            self.count += 1
            if len(self.rules) < self._limit:
                self.rules.append(rule)
