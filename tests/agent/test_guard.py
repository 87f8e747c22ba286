"""Guard: every rail by itself, and the one promise that no policy can break."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.addresses import words
from agent.config import GuardSettings
from agent.decision import Reason, RuleKind, Verdict
from agent.flows.records import POINT
from agent.guard import Guard

NS = 1_000_000_000
SURE = 9.0


def points(*rows: dict[str, Any]) -> np.ndarray[Any, Any]:
    """Decision points of outbound flows to one peer, but for what each row changes."""
    made = np.zeros(len(rows), POINT)
    for i, row in enumerate(rows):
        at = {"at": 1000.0, "src": "192.168.1.2", "peer": "203.0.113.9", "host": True} | row
        made[i]["ts_ns"] = int(at["at"] * NS)
        made[i]["src_hi"], made[i]["src_lo"] = words(at["src"])
        made[i]["source_hi"], made[i]["source_lo"] = words(at["src"])
        made[i]["peer_hi"], made[i]["peer_lo"] = words(at["peer"])
        if at["host"]:
            made[i]["host_hi"], made[i]["host_lo"] = words(at["src"])
        made[i]["dport"], made[i]["proto"] = at.get("dport", 443), 6
        made[i]["exempt"], made[i]["in_force"] = at.get("exempt", 0), at.get("in_force", 0)
    return made


def judge(
    guard: Guard, verdict: Verdict, *rows: dict[str, Any], logit: float = SURE
) -> list[tuple[Verdict, Reason, str]]:
    """What the guard makes of one verdict at each point, with the rule it made."""
    logits = np.zeros((len(rows), 4), np.float32)
    logits[:, verdict] = logit
    proposed = np.full(len(rows), verdict, np.uint8)
    applied, reasons, rules = guard.apply(points(*rows), logits, proposed)
    return [
        (Verdict(int(a)), Reason(int(r)), str(rules[i].key) if i in rules else "")
        for i, (a, r) in enumerate(zip(applied, reasons, strict=True))
    ]


def test_each_verdict_names_what_the_design_says() -> None:
    names = {
        Verdict.THROTTLE: "throttle 192.168.1.2",
        Verdict.BLOCK: "block 203.0.113.9 tcp/443",
        Verdict.ISOLATE: "isolate 192.168.1.2",
    }
    for verdict, name in names.items():
        assert judge(Guard(GuardSettings()), verdict, {}) == [(verdict, Reason.POLICY, name)]
    assert judge(Guard(GuardSettings()), Verdict.ALLOW, {}) == [(Verdict.ALLOW, Reason.POLICY, "")]


def test_the_allow_list_wins() -> None:
    got = judge(Guard(GuardSettings()), Verdict.ISOLATE, {"exempt": 1})
    assert got == [(Verdict.ALLOW, Reason.ALLOW_LIST, "")]


def test_what_is_in_force_is_not_decided_again() -> None:
    guard = Guard(GuardSettings())
    first, second = judge(guard, Verdict.BLOCK, {}, {"at": 1000.5})
    assert first[1] == Reason.POLICY
    assert second == (Verdict.BLOCK, Reason.IN_FORCE, "")
    (covered,) = judge(guard, Verdict.THROTTLE, {"at": 1001, "in_force": 2, "peer": "8.8.8.8"})
    assert covered == (Verdict.BLOCK, Reason.IN_FORCE, "")


def test_beyond_the_budget_verdicts_are_not_applied_until_the_next_minute() -> None:
    guard = Guard(GuardSettings(new_verdicts_per_minute=2, services_before_peer=100))
    rows = [{"at": 1000 + i, "dport": 1 + i} for i in range(4)]
    rows.append({"at": 1080, "dport": 99})  # minutes of packet time: 960 to 1020, 1080 …
    reasons = [r for _, r, _ in judge(guard, Verdict.BLOCK, *rows)]
    assert reasons == [Reason.POLICY] * 2 + [Reason.BUDGET] * 2 + [Reason.POLICY]


@pytest.mark.parametrize(
    ("probabilities", "applied"),
    [
        ((0.05, 0.05, 0.05, 0.85), Verdict.ISOLATE),
        ((0.1, 0.0, 0.3, 0.6), Verdict.BLOCK),  # block or worse 0.9, isolate only 0.6
        ((0.3, 0.15, 0.15, 0.4), Verdict.THROTTLE),
        ((0.49, 0.0, 0.0, 0.51), Verdict.THROTTLE),
    ],
)
def test_an_unsure_policy_gets_the_strongest_verdict_it_is_sure_of(
    probabilities: tuple[float, ...], applied: Verdict
) -> None:
    logits = np.log(np.array([probabilities], np.float32) + 1e-9)
    got, reasons, _ = Guard(GuardSettings()).apply(points({}), logits, np.array([3], np.uint8))
    assert got[0] == applied
    assert reasons[0] == (Reason.POLICY if applied == Verdict.ISOLATE else Reason.CONFIDENCE)


def test_times_to_live_climb_the_ladder_and_are_forgiven() -> None:
    guard = Guard(GuardSettings())
    times, ttls = [1000.0], []
    for at in times:
        proposed = np.array([1], np.uint8)
        logits = np.array([[0, SURE, 0, 0]], np.float32)
        _, _, rules = guard.apply(points({"at": at}), logits, proposed)
        ttls.append((rules[0].until_ns - rules[0].since_ns) / NS)
        if len(ttls) < 5:
            times.append(at + ttls[-1] + 1)
        elif len(ttls) == 5:
            times.append(at + 2 * 86_400 + 10)
    assert ttls == [60, 600, 3600, 86_400, 86_400, 60]


def test_a_peer_with_many_blocked_services_is_blocked_altogether() -> None:
    rows = [{"at": 1000 + i / 10, "dport": 100 + i} for i in range(7)]
    made = [rule for _, _, rule in judge(Guard(GuardSettings()), Verdict.BLOCK, *rows)]
    assert made[4:] == ["block 203.0.113.9 tcp/104", "block 203.0.113.9", ""]


def test_nothing_to_isolate_is_blocked_instead() -> None:
    got = judge(Guard(GuardSettings()), Verdict.ISOLATE, {"host": False})
    assert got == [(Verdict.BLOCK, Reason.NO_LOCAL_HOST, "block 203.0.113.9 tcp/443")]


rows = st.fixed_dictionaries(
    {
        "at": st.integers(0, 300).map(lambda s: 1000.0 + s),
        "src": st.sampled_from(["192.168.1.2", "10.0.0.1", "2001:db8::5"]),
        "peer": st.sampled_from(["203.0.113.9", "2001:db8:1::"]),
        "host": st.booleans(),
        "dport": st.integers(1, 9),
        "exempt": st.sampled_from([0, 0, 1]),
        "in_force": st.sampled_from([0, 0, 1]),
    }
)


@settings(max_examples=200, deadline=None)
@given(st.lists(rows, min_size=1, max_size=60), st.randoms(use_true_random=False))
def test_no_verdict_ever_passes_for_what_is_exempt(made: list[dict[str, Any]], draw: Any) -> None:
    made.sort(key=lambda row: row["at"])
    logits = np.array([[draw.uniform(-9, 9) for _ in range(4)] for _ in made], np.float32)
    proposed = logits.argmax(axis=1).astype(np.uint8)
    where = points(*made)
    applied, _, rules = Guard(GuardSettings(new_verdicts_per_minute=5)).apply(
        where, logits, proposed
    )
    exempt = where["exempt"] > 0
    assert not applied[exempt].any()
    assert not any(exempt[row] for row in rules)
    minutes = np.array([where["ts_ns"][row] // (60 * NS) for row in rules])
    assert len(minutes) == 0 or np.unique(minutes, return_counts=True)[1].max() <= 5
    stronger = applied > np.maximum(proposed, where["in_force"])
    assert not stronger.any()
    assert all(rule.key.kind in list(RuleKind) for rule in rules.values())
