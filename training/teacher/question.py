"""What a language model is asked: a conversation, and the answers that count.

An action's label is a kind, and for most kinds a host: "sleep", "restore host4", "decoy apache
host2". A model is asked for the kind first and then, the kind given, for the host, so that the
joint distribution can say "isolate host 4 or patch host 2", which a product of independent parts
cannot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_HOST: Final = "host"


@dataclass(frozen=True, slots=True)
class Choices:
    """Actions as kinds and hosts.

    Attributes:
        kinds: labels of the kinds, in the order in which they first come.
        hosts: of each kind, its hosts' labels in the actions' order; none if it needs no host.
        numbers: of each kind, its actions' numbers, one for each of its hosts, or a single one.
    """

    kinds: tuple[str, ...]
    hosts: tuple[tuple[str, ...], ...]
    numbers: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Question:
    """A conversation that ends where the answer is to begin.

    Attributes:
        system: who the model is, and what it knows in every state; the part that states share.
        user: the state.
        reply: how the model's answer begins, up to where a kind's label follows.
        choices: the labels that are scored.
    """

    system: str
    user: str
    reply: str
    choices: Choices


def labels(kinds: Sequence[str], hosts: Sequence[str]) -> tuple[str, ...]:
    """Labels of actions: the first kind, which changes nothing, then the others host by host.

    Args:
        kinds: of actions.
        hosts: their labels; without any, every kind is an action.
    """
    if not hosts:
        return tuple(kinds)
    return (kinds[0], *(f"{kind} {host}" for kind in kinds[1:] for host in hosts))


def choices(actions: Sequence[str]) -> Choices:
    """The kinds and hosts of actions' labels; a label's last word may be a host.

    Raises:
        ValueError: a label occurs twice, or a kind both with and without a host.
    """
    kinds: dict[str, list[tuple[str, int]]] = {}
    for number, label in enumerate(actions):
        kind, _, last = label.rpartition(" ")
        if kind and last.startswith(_HOST):
            kinds.setdefault(kind, []).append((last, number))
        else:
            kinds.setdefault(label, []).append(("", number))
    for kind, members in kinds.items():
        hosts = [host for host, _ in members]
        if len(set(hosts)) < len(hosts) or ("" in hosts and len(hosts) > 1):
            raise ValueError(f"actions called {kind!r} cannot be told apart")
    return Choices(
        tuple(kinds),
        tuple(tuple(host for host, _ in members if host) for members in kinds.values()),
        tuple(tuple(number for _, number in members) for members in kinds.values()),
    )
