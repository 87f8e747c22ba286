"""The written playbook of CAGE-2, followed to the letter."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest
import torch
import typer
from typer.testing import CliRunner

from training.cage2.describe import WORDS
from training.cage2.env import Cage2
from training.cage2.evaluate import evaluate, simulator
from training.cage2.evaluate_command import evaluate_command
from training.cage2.scenario import load
from training.cage2.short_actions import KINDS
from training.cage2.teacher_policy import TeacherPolicy
from training.cage2.teachers import make_teacher
from training.teacher.playbook.passages import FOLDER, read_all
from training.teacher.teacher import StateText

START = Cage2(1, torch.Generator().manual_seed(0)).describe(0)
# What the official hosts are worth, host1 first.
WORTH = ["core vital", "vital", *["cheap"] * 4, *["outer vital"] * 2, *["cheap"] * 4, "spare"]

app = typer.Typer()
app.command()(evaluate_command)


def state(said: Mapping[str, str]) -> StateText:
    """Where this is said of some hosts, and nothing of the others but their worth."""
    words = [f"{worth} {said.get(f'host{n}', '')}" for n, worth in enumerate(WORTH, start=1)]
    lines = (f"host{n} {line}".rstrip() for n, line in enumerate(words, start=1))
    return replace(START, lines=tuple(lines))


def advised(text: StateText) -> dict[str, float]:
    (row,) = make_teacher("passages", "official").distribution([text]).tolist()
    return dict(zip(START.actions, row, strict=True))


def test_passages_speak_of_what_is_said_and_can_be_done() -> None:
    rules = [rule for passage in read_all(FOLDER / "cage2") for rule in passage.rules]
    assert {word for rule in rules for word in rule.words} <= WORDS
    assert {kind for rule in rules for kind in rule.kinds} <= set(KINDS)


@pytest.mark.parametrize(
    ("said", "action"),
    [
        ({}, "sleep"),
        ({"host2": "scanned", "host9": "scanned bare", "host13": "controlled bare"}, "sleep"),
        ({"host9": "controlled restored"}, "sleep"),
        ({"host9": "controlled costly"}, "restore host9"),
        ({"host9": "exploited accessed bare"}, "remove host9"),
        ({"host9": "doubtful unchecked bare"}, "analyse host9"),
        ({"host9": "doubtful bare"}, "sleep"),
        ({"host2": "unchecked"}, "analyse host2"),
        ({"host2": "doubtful unchecked", "host9": "controlled costly"}, "analyse host2"),
        ({"host2": "exploited accessed open", "host9": "controlled costly"}, "restore host2"),
        ({"host7": "exploited alarmed open", "host2": "accessed"}, "remove host7"),
        ({"host7": "controlled bare", "host2": "accessed"}, "restore host7"),
        ({"host1": "controlled bare", "host2": "accessed"}, "restore host1"),
        ({"host1": "accessed", "host2": "accessed", "host7": "bare"}, "restore host1"),
        ({"host8": "scanned bare", "host9": "accessed"}, "decoy femitter host8"),
        ({"host8": "open", "host9": "open"}, "decoy femitter host8"),
    ],
)
def test_the_most_urgent_is_done_first(said: Mapping[str, str], action: str) -> None:
    given = advised(state(said))
    assert max(given, key=given.__getitem__) == action


def test_a_quiet_start_goes_to_decoys_on_the_vital_hosts() -> None:
    placed = {f"host{n}": 0.0 for n in (1, 2, 7, 8)}
    for action, share in advised(START).items():
        if action.startswith("decoy") and share:
            placed[action.split()[-1]] += share
    # Each of four bare hosts must get one, which weighs 100; sleeping weighs a tenth.
    assert placed == pytest.approx(dict.fromkeys(placed, 100 / 400.1))


def test_urgency_decides_how_much_is_advised() -> None:
    given = advised(state({"host2": "accessed", "host9": "controlled costly"}))
    weights = {"restore host2": 750, "remove host2": 250, "restore host9": 10, "sleep": 0.1}
    assert {action: share for action, share in given.items() if share} == pytest.approx(
        {action: weight / 1010.1 for action, weight in weights.items()}
    )


def test_the_command_scores_the_passages() -> None:
    chosen = ["--scenario", "generated-5", "--seed", "3"]
    done = CliRunner().invoke(app, ["passages", "--episodes", "2", *chosen, "--json"])
    assert done.exit_code == 0, done.output
    network = load("generated-5")
    policy = TeacherPolicy(make_teacher("passages", "generated-5"), network)
    direct = evaluate(policy, simulator(scenario=network), name="passages", episodes=2, seed=3)
    assert json.loads(done.stdout) == direct.as_dict()
    assert -500 < direct.total < 0
