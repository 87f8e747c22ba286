"""The interface of every enforcement backend."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from agent.decision import Rule


class Enforcer(Protocol):
    """Puts rules in force; expiry is the backend's own affair, so that a dead agent fails open."""

    def apply(self, rules: Iterable[Rule]) -> None:
        """Put rules in force until their ``until_ns``; a rule on the same key replaces the old."""
