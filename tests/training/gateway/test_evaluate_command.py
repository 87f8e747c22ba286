"""``sluice-train gateway evaluate``, as a user would call it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.training.gateway.corpora import SAMPLES, sample, written
from training.checkpoint import save
from training.cli import app
from training.errors import CorpusError
from training.gateway.policy import fresh
from training.gateway.settings import Blueprint


def _evaluate(*arguments: str) -> str:
    command = ["gateway", "evaluate", *arguments, "--folder", str(SAMPLES)]
    result = CliRunner().invoke(app, command, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_policies_by_name_and_by_file(tmp_path: Path) -> None:
    corpus = str(written(tmp_path / "corpus.toml", sample("scan", "held-out")))
    stopped = {}
    for name in ("allow", "playbook", "default"):
        found = json.loads(_evaluate(name, "--corpus", corpus, "--json"))
        assert found["all_malicious"]["flows"] > 0
        stopped[name] = found["all_malicious"]["stopped"]
    assert stopped["allow"] == 0
    assert stopped["playbook"] > 0.4
    assert stopped["default"] > 0.4
    save(tmp_path / "fresh.pt", fresh(Blueprint(hidden=[8]), 1), Blueprint(hidden=[8]), {})
    found = json.loads(_evaluate(str(tmp_path / "fresh.pt"), "--corpus", corpus, "--json"))
    assert set(found) == {"malicious", "benign", "all_malicious", "all_benign"}


def test_the_table_names_families(tmp_path: Path) -> None:
    corpus = str(written(tmp_path / "corpus.toml", sample("home")))
    shown = _evaluate("playbook", "--corpus", corpus, "--split", "train")
    assert "port scan" in shown
    assert "c2 beacon" in shown
    assert "legitimate" in shown


def test_what_cannot_be_evaluated_is_refused(tmp_path: Path) -> None:
    corpus = str(written(tmp_path / "corpus.toml", sample("home")))
    for arguments, message in (
        (("playbook", "--corpus", corpus), "no capture is for held-out"),
        (("playbook", "--corpus", corpus, "--split", "test"), "no split is called test"),
        (("playbook", "--corpus", str(tmp_path / "no.toml")), "cannot be read"),
    ):
        with pytest.raises(CorpusError, match=message):
            _evaluate(*arguments)
