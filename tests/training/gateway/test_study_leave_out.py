"""Families that nobody tells a policy about."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from tests.training.gateway.corpora import SAMPLES, sample, written
from training.cli import app
from training.errors import CorpusError
from training.gateway.corpus import Capture
from training.gateway.labelling import labels_of
from training.gateway.labels.families import FAMILIES
from training.gateway.leave_out import families_named, leave_out
from training.gateway.record import record
from training.gateway.recording import Recording
from training.gateway.rewards import Rewards
from training.gateway.score import score
from training.provenance import sha256


@pytest.fixture(scope="module")
def scan() -> Recording:
    return record(SAMPLES / "scan.pcap", labels_of(sample("scan"), SAMPLES))


@settings(max_examples=30)
@given(data=st.data(), left_out=st.sets(st.sampled_from(FAMILIES)))
def test_exactly_the_flows_of_the_families_become_unknown(
    scan: Recording, data: st.DataObject, left_out: set[str]
) -> None:
    n = len(scan.label)
    families = data.draw(st.lists(st.sampled_from([*FAMILIES, "web", ""]), min_size=n, max_size=n))
    labels = data.draw(st.lists(st.sampled_from([-1, 0, 1]), min_size=n, max_size=n))
    before = replace(scan, family=np.array(families), label=np.array(labels, np.int8))
    after = leave_out(before, left_out)
    expected = [
        -1 if family in left_out else label for family, label in zip(families, labels, strict=True)
    ]
    assert after.label.tolist() == expected
    assert after.label.dtype == np.int8
    for field in fields(Recording):
        if field.name != "label":
            assert getattr(after, field.name) is getattr(before, field.name)


def test_a_left_out_flow_is_neither_rewarded_nor_punished(scan: Recording) -> None:
    def points(recording: Recording, action: int) -> float:
        totals = score([recording], lambda obs: torch.full((len(obs),), action), Rewards())
        return sum(float(totals[name]) for name in totals if name != "decisions")

    blind = leave_out(scan, ["port scan"])
    for action in range(4):
        assert points(scan, action) != 0
        assert points(blind, action) == 0


def test_families_go_by_any_of_their_names() -> None:
    named = families_named(["scan", "PortScan", "brute-force", "lateral movement"])
    assert named == ("scan", "scan", "brute force", "lateral movement")
    with pytest.raises(CorpusError, match="no family of attacks is called office: say scan, flood"):
        families_named(["office"])


def test_training_without_a_family(tmp_path: Path) -> None:
    scan = Capture(
        path="scan.pcap", sha256=sha256(SAMPLES / "scan.pcap"), label="malicious", family="scan",
        source="scan",
    )  # fmt: skip
    manifest = written(tmp_path / "corpus.toml", scan, sample("page", "validation"))
    earned = {}
    for name, options in (("all", []), ("blind", ["--without", "portscan"])):
        command = [
            *("gateway", "train", str(tmp_path / name), "--corpus", str(manifest), "--json"),
            *("--folder", str(SAMPLES), "--cache", str(tmp_path / "cache"), "--processes", "1"),
            *("--num-envs", "8", "--rollout", "64", "--steps", "512", "--unguided", *options),
        ]
        done = CliRunner().invoke(app, command, catch_exceptions=False)
        earned[name] = json.loads(done.stdout)["return"]
    asked = json.loads((tmp_path / "blind" / "settings.json").read_text())["asked"]
    assert asked["without"] == ["scan"]
    assert earned["blind"] == 0 != earned["all"]
    with pytest.raises(CorpusError, match="no family of attacks is called ghosts"):
        CliRunner().invoke(app, [*command, "--without", "ghosts"], catch_exceptions=False)
