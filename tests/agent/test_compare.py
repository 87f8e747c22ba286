"""Two policies on the same observations."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent.bundle import Bundle
from agent.compare import Comparison, compare_policies
from agent.config import Settings
from agent.policy import Policy
from agent.replay import replay
from agent.report import report_json
from tests.agent.command import sluice
from tests.agent.toy_policy import write_toy


def toy(path: Path, **bias: float) -> Policy:
    bundle = write_toy(path, bias=bias)
    return Policy(Bundle.load(bundle, (bundle.with_suffix(".pub").read_bytes(),)))


@pytest.fixture(scope="module")
def stricter(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    folder = tmp_path_factory.mktemp("policies")
    allow, block = toy(folder / "allow.sluice", allow=3), toy(folder / "block.sluice", block=3)
    return compare_policies([samples / "home.pcap"], Settings(), allow, block)


def test_a_policy_changes_nothing_against_itself(samples: Path) -> None:
    policy = Policy(Bundle.default())
    captures = [samples / "home.pcap", samples / "office.pcap"]
    comparison = compare_policies(captures, Settings(), policy, policy)
    whole = report_json(replay([(path, None) for path in captures], Settings(), policy))
    assert comparison.changed_points == comparison.milder == comparison.stricter == 0
    assert comparison.examples == []
    assert comparison.points.sum() == whole["decision_points"]
    assert comparison.flows == whole["flows"]


def test_from_allowing_to_blocking_everything_changes_every_flow(stricter: Comparison) -> None:
    assert stricter.points[0, 2] == stricter.points.sum() == stricter.changed_points > 0
    assert stricter.stricter == stricter.flows
    assert stricter.milder == 0


def test_examples_are_few_and_have_words(stricter: Comparison) -> None:
    assert len(stricter.examples) == 12
    first = stricter.examples[0]
    assert (first.first.label, first.second.label) == ("allow", "block")
    assert len(first.words) >= 2
    assert first.time_ns == min(example.time_ns for example in stricter.examples)


def test_the_first_policy_is_in_charge(samples: Path, tmp_path: Path) -> None:
    allow, block = toy(tmp_path / "a.sluice", allow=3), toy(tmp_path / "b.sluice", block=3)
    comparison = compare_policies([samples / "home.pcap"], Settings(), block, allow)
    whole = report_json(replay([(samples / "home.pcap", None)], Settings(), block))
    assert comparison.points[2, 0] == comparison.points.sum() == whole["decision_points"]
    assert comparison.milder > 0


def test_the_command_adds_the_comparison(samples: Path, tmp_path: Path) -> None:
    other = write_toy(tmp_path / "other.sluice", bias={"isolate": 1})
    arguments = ("replay", samples / "home.pcap", "--compare", other)
    result = json.loads(sluice(*arguments, "--json").stdout)["comparison"]
    assert result["second"]["name"] == "other"
    same = result["verdicts"]["isolate"]["isolate"]
    assert result["changed_decision_points"] == result["decision_points"] - same
    assert sum(row["isolate"] for row in result["verdicts"].values()) == result["decision_points"]
    text = sluice(*arguments).stdout
    assert "-> isolate" in text
    assert "asked: other" in text
