"""No single header field tells benign from malicious."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.addresses import words
from agent.labels import FlowLabels
from tests.training.gateway.synth.seen import Seen, packets
from training.gateway.synth.wire import Wire

FIELDS: dict[str, Callable[[Seen], float]] = {
    "ttl": lambda seen: seen.ttl,
    "source port": lambda seen: seen.key[1],
    "source port's parity": lambda seen: seen.key[1] % 2,
    "destination port": lambda seen: seen.key[3],
    "time of day": lambda seen: seen.at / 1e9 % 86400,
    "window": lambda seen: seen.transport.win,
    "sequence number": lambda seen: seen.transport.seq,
}


@pytest.fixture(scope="module")
def firsts(wires: list[Wire], tmp_path_factory: pytest.TempPathFactory) -> dict[bool, list[Seen]]:
    """First packets of all TCP flows, by whether they are malicious."""
    folder, found = tmp_path_factory.mktemp("shortcuts"), {True: [], False: []}
    for wire in wires:
        seen = {}
        for each in packets(wire, folder):
            src, sport, dst, dport, proto = each.key
            if proto == 6:
                seen.setdefault(frozenset({(src, sport), (dst, dport)}), each)
        labels = FlowLabels.read(folder / "seen.labels.csv")
        for each in seen.values():
            src, sport, dst, dport, proto = each.key
            label = labels.match(words(src), sport, words(dst), dport, proto, each.at)
            assert label
            found[label.malicious].append(each)
    return found


def separation(benign: NDArray[np.float64], malicious: NDArray[np.float64]) -> float:
    """Balanced accuracy of the best threshold (Youden's J, halved and from 0.5 up)."""
    at = np.unique(np.concatenate([benign, malicious]))
    below = [np.searchsorted(np.sort(x), at, "right") / len(x) for x in (benign, malicious)]
    return 0.5 + np.abs(below[0] - below[1]).max() / 2


def test_separation_by_hand() -> None:
    assert separation(np.array([1.0, 2]), np.array([3.0, 4])) == 1
    assert separation(np.array([1.0, 2]), np.array([1.0, 2])) == 0.5
    assert separation(np.array([1.0, 3]), np.array([2.0, 4])) == 0.75


@pytest.mark.parametrize("name", FIELDS)
def test_no_field_alone_separates(name: str, firsts: dict[bool, list[Seen]]) -> None:
    benign, malicious = (np.array([FIELDS[name](x) for x in firsts[label]]) for label in (0, 1))
    assert len(benign) > 300
    assert len(malicious) > 300
    assert separation(benign, malicious) < 0.75


@pytest.mark.parametrize("name", ["ttl", "window"])
def test_malicious_values_are_all_benign_ones_too(
    name: str, firsts: dict[bool, list[Seen]]
) -> None:
    benign = {FIELDS[name](seen) for seen in firsts[False]}
    malicious = [FIELDS[name](seen) for seen in firsts[True]]
    assert np.mean([value in benign for value in malicious]) > 0.85


def test_clients_are_shared(firsts: dict[bool, list[Seen]]) -> None:
    local = {x: {s.key[0] for s in firsts[x] if s.key[0].is_private} for x in (False, True)}
    assert len(local[True] & local[False]) / len(local[True]) > 0.6
