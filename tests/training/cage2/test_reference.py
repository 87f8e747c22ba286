"""The reference against recorded episodes of the official environment, and by hand."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.training.cage2.reference import Red, Reference, Result
from training.cage2.scenario import Variant, load

EPISODES = 10  # of each file's 40 to 200
BLUES = {
    ("head", "B_line"): "cardiff oracle react sleep uniform useful",
    ("head", "Meander"): "cardiff oracle react sleep uniform useful",
    ("head", "Sleep"): "react sleep uniform useful",
    ("lb", "B_line"): "oracle react uniform useful",
    ("lb", "Meander"): "oracle react uniform useful",
}
NAMES = [
    f"{variant}_{red}_{blue}" for (variant, red) in BLUES for blue in BLUES[variant, red].split()
]
EXACT = ("true_comp", "malware", "decoys", "red_scanned", "red_ports")
SESSIONS = ("sess_removable", "sess_unremovable")

HTTPS, SSH, FTP = 3, 4, 7
SLEEP, REMOVE, VSFTPD, RESTORE = 0, 15, 119, 132  # the kinds' first indices
ENTERPRISE0, ENTERPRISE1, SERVER, USER1, USER3 = 1, 2, 7, 9, 11

Trace = dict[str, np.ndarray[Any, Any]]


def read(path: Path) -> Trace:
    with np.load(path) as data:
        return dict(data)


def mismatches(trace: Trace, episode: int, reference: Reference) -> list[str]:
    """What of an episode the reference does otherwise, as ``step name``."""
    wrong = []
    if reference.reset() != trace["obs"][episode, 0].tolist():
        wrong.append("reset obs")
    for step, blue in enumerate(trace["blue_action"][episode].tolist()):
        kind, target, exploit, detected = (
            int(trace[f"red_{name}"][episode, step])
            for name in ("type", "target", "exploit", "detected")
        )
        possible = reference.possible()
        again = reference.possible()
        try:
            result = reference.step(blue, target, exploit, detected == 1)
        except ValueError as error:
            return [*wrong, f"{step} {error}"]
        same = compare(trace, episode, step, reference, result)
        same["red_type"] = possible == again and possible[0] == kind
        wrong += [f"{step} {name}" for name, right in same.items() if not right]
    return wrong


def compare(
    trace: Trace, episode: int, step: int, reference: Reference, result: Result
) -> dict[str, bool]:
    def before(name: str) -> Any:
        return trace[name][episode, step].tolist()

    def after(name: str) -> Any:
        return trace[name][episode, step + 1].tolist()

    state, user = reference.per_host(), np.array(after("true_comp")) == 1
    same = {name: state[name] == after(name) for name in EXACT}
    for name in SESSIONS:
        recorded = np.array(after(name)) > 0
        same[name] = bool(((np.array(state[name]) > 0) == recorded)[user].all())
    return same | {
        "obs": result.obs == after("obs"),
        "reward": abs(result.reward - before("reward")) < 1e-4,
        "red_success": result.red_success == before("red_success"),
        "blue_success": result.blue_success == before("blue_success"),
        "red_internal": reference.red_internal == before("red_internal"),
        "ot_up": reference.service_up == after("ot_up"),
        "red_knows_ot": reference.red_knows_service == after("red_knows_ot"),
    }


def replay(path: Path, episodes: int | None) -> list[list[str]]:
    trace = read(path)
    variant, rest = path.stem.split("_", 1)
    reference = Reference(load("official"), Variant(variant), rest.rsplit("_", 1)[0])
    return [mismatches(trace, e, reference) for e in range(len(trace["seed"]))[:episodes]]


@pytest.mark.parametrize("name", NAMES)
def test_recorded_episodes(shared: Path, name: str) -> None:
    for episode, wrong in enumerate(replay(shared / "cage2" / "traces" / f"{name}.npz", EPISODES)):
        assert not wrong, f"episode {episode}: {wrong[:5]} of {len(wrong)}"


def bline(variant: Variant = Variant.HEAD) -> Reference:
    return Reference(load("official"), variant, "B_line")


def act(reference: Reference, blue: int = SLEEP, target: int = USER1, **draws: Any) -> Result:
    """One step; red has but one target, or attacks ``target``."""
    kind, targets = reference.possible()
    host = target if target in targets else min(targets)
    usable = reference.exploits_available(host) if kind == Red.EXPLOIT else {}
    wanted = draws.get("exploit", HTTPS)
    exploit = wanted if wanted in usable else max(usable, key=lambda i: usable[i], default=-1)
    return reference.step(blue, host, exploit, draws.get("detected", True))


def test_walk_by_hand() -> None:
    # The specification's §16: nothing fails, blue sleeps.
    reference = bline()
    rewards = [act(reference).reward for _ in range(20)]
    expected = [0, 0, *[-0.1] * 4, *[-1.1] * 4, *[-2.1] * 3, -3.1, *[-13.1] * 6]
    assert rewards == expected
    assert reference.red_internal == [14, 0, 0, 0]


def test_disarmed_impact() -> None:
    for variant, last in ((Variant.HEAD, -3.1), (Variant.REPAIRED, -13.1)):
        reference = bline(variant)
        first = act(reference, RESTORE + SERVER)
        assert first.reward == -1
        assert [act(reference).reward for _ in range(19)][-1] == last


def test_choice_of_exploit() -> None:
    reference = bline()
    assert reference.exploits_available(ENTERPRISE1) == {}
    for _ in range(5):
        act(reference)
    probable = reference.exploits_available(ENTERPRISE1)
    assert probable == {0: 0.0625, 1: 0.0625, 2: 0.0625, 3: 0.75, 4: 0.0625}
    with pytest.raises(ValueError, match="EXPLOIT"):
        reference.step(SLEEP, ENTERPRISE1, FTP, True)


@pytest.mark.parametrize("draws", [{"exploit": SSH}, {"detected": False}], ids=str)
def test_repaired_remove(draws: dict[str, Any]) -> None:
    for variant, left in ((Variant.HEAD, 1), (Variant.REPAIRED, 0)):
        reference = bline(variant)
        for _ in range(6):
            act(reference, **draws)
        act(reference, REMOVE + ENTERPRISE1)
        # Red escalates after blue's Remove, if a session is left.
        assert reference.per_host()["true_comp"][ENTERPRISE1] == 2 * left


def test_repaired_vsftpd() -> None:
    for variant, places, ports in ((Variant.HEAD, 1, 0b1010), (Variant.REPAIRED, 0, 0b0011)):
        reference = bline(variant)
        act(reference, VSFTPD + ENTERPRISE0)
        assert act(reference, VSFTPD + ENTERPRISE0, USER3).blue_success == places
        for _ in range(3):
            act(reference, target=USER3)
        assert reference.per_host()["red_ports"][ENTERPRISE0] == ports


@pytest.mark.parametrize("red", ["B_line", "Meander", "Sleep"])
@pytest.mark.parametrize("hosts", [5, 8, 20, 31])
def test_generated_networks(red: str, hosts: int) -> None:
    rng = random.Random(hosts)
    for variant in Variant:
        reference = Reference(load(f"generated-{hosts}-3"), variant, red)
        worst = -11 - sum(host.weight for host in reference.scenario.hosts)
        for _ in range(200):
            kind, targets = reference.possible()
            target = rng.choice(sorted(targets))
            usable = reference.exploits_available(target) if kind == Red.EXPLOIT else {}
            assert not usable or sum(usable.values()) == pytest.approx(1)
            exploit = rng.choice(sorted(usable) or [-1])
            # Rarely acting: red shall come far.
            blue = rng.randrange(reference.scenario.num_actions) if rng.random() < 0.2 else SLEEP
            result = reference.step(blue, target, exploit, rng.random() < 0.95)
            assert len(result.obs) == reference.scenario.num_features
            assert worst <= result.reward <= 0
            assert reference.per_host()["true_comp"][reference.foothold] == 2


@pytest.mark.parametrize("red", ["B_line", "Meander"])
@pytest.mark.parametrize("hosts", [5, 8, 20, 31])
def test_generated_networks_fall(red: str, hosts: int) -> None:
    rng = random.Random(hosts)
    reference = Reference(load(f"generated-{hosts}-3"), Variant.HEAD, red)
    for _ in range(40 * hosts):
        kind, targets = reference.possible()
        target = rng.choice(sorted(targets))
        usable = reference.exploits_available(target) if kind == Red.EXPLOIT else {}
        reference.step(SLEEP, target, rng.choice(sorted(usable) or [-1]), True)
    assert not reference.service_up
