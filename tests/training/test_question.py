"""Actions' labels as kinds and hosts."""

from __future__ import annotations

import pytest

from training.cage2.describe import action_labels
from training.cage2.scenario import load
from training.teacher.question import choices


def test_kinds_and_hosts_by_hand() -> None:
    found = choices(["sleep", "restore host2", "decoy apache host1", "restore host1"])
    assert found.kinds == ("sleep", "restore", "decoy apache")
    assert found.hosts == ((), ("host2", "host1"), ("host1",))
    assert found.numbers == ((0,), (1, 3), (2,))


def test_the_gateways_verdicts_have_no_hosts() -> None:
    found = choices(["allow", "throttle", "block", "isolate"])
    assert found.hosts == ((),) * 4
    assert found.numbers == ((0,), (1,), (2,), (3,))


@pytest.mark.parametrize("name", ["official", "generated-20"])
def test_every_action_of_a_network_has_its_place(name: str) -> None:
    scenario = load(name)
    found = choices(action_labels(scenario))
    assert len(found.kinds) == 2 + len(scenario.actions)
    assert sorted(n for numbers in found.numbers for n in numbers) == list(
        range(scenario.num_actions)
    )


@pytest.mark.parametrize("actions", [["allow", "allow"], ["restore", "restore host1"]])
def test_labels_that_cannot_be_told_apart_are_refused(actions: list[str]) -> None:
    with pytest.raises(ValueError, match="cannot be told apart"):
        choices(actions)
