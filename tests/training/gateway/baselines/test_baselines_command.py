"""``sluice-train gateway baselines``, as a user would call it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.training.gateway.corpora import written
from tests.training.gateway.wire import Talk, write_capture
from training.checkpoint import save
from training.cli import app
from training.errors import CorpusError
from training.gateway.baselines.compare import BASELINES
from training.gateway.corpus import Capture, Split
from training.gateway.policy import fresh
from training.gateway.settings import Blueprint
from training.provenance import sha256

FLOWS = 24


def _capture(folder: Path, split: Split) -> Capture:
    """As many honest flows over TCP as malicious ones over UDP, all to one server."""
    talks, rows = [], ["start_ts,src,sport,dst,dport,proto,label,family"]
    for k in range(FLOWS):
        honest, bad = Talk(100 + 8 * k, sport=50_000 + k), Talk(104 + 8 * k, dport=4444, proto=17)
        bad = bad._replace(sport=51_000 + k)
        talks += [honest, bad]
        for talk, label in ((honest, "benign,web"), (bad, "malicious,c2")):
            ends = f"{talk.src},{talk.sport},{talk.dst},{talk.dport},{talk.proto}"
            rows.append(f"{talk.at},{ends},{label}")
    path = write_capture(folder / f"{split}.pcap", *talks)
    labels = folder / f"{split}.csv"
    labels.write_text("\n".join(rows) + "\n")
    return Capture(
        path=path.name, sha256=sha256(path), label="per flow", labels=labels.name,
        source=split, split=split,
    )  # fmt: skip


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    captures = [_capture(tmp_path, split) for split in ("train", "validation", "held-out")]
    return written(tmp_path / "corpus.toml", *captures)


def _run(corpus: Path, *options: str) -> str:
    cache = str(corpus.parent / "cache")
    command = ["gateway", "baselines", "--corpus", str(corpus), "--cache", cache, *options]
    result = CliRunner().invoke(app, [*command, "--processes", "1"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_everything_is_compared(corpus: Path, tmp_path: Path) -> None:
    blueprint = Blueprint(hidden=[8])
    given = ["--out", str(tmp_path / "out")]
    for seed in (1, 2):
        save(tmp_path / f"{seed}.pt", fresh(blueprint, seed), blueprint, {})
        given += ["--policy", f"mine={tmp_path / f'{seed}.pt'}"]
    found: dict[str, Any] = json.loads(_run(corpus, "--seeds", "2", *given, "--json"))
    assert (found["split"], found["packets"], found["harm"]) == ("held-out", 8, None)
    policies = found["corpora"][str(corpus)]
    assert list(policies) == [
        "allow", "playbook", "fail2ban", "logistic regression", "gradient boosting", "mine",
    ]  # fmt: skip
    assert tuple(policies) == (*BASELINES, "mine")
    assert policies["mine"]["share"]["count"] == len(policies["mine"]["runs"]) == 2
    (allowing,) = policies["allow"]["runs"]
    assert allowing["points"] == allowing["earned"]["components"]["harm"] == -5 * FLOWS
    assert allowing["earned"]["share"] == pytest.approx(-5 / 15)
    assert allowing["replayed"]["all_malicious"]["packets"] is None
    assert allowing["thresholds"] == {}

    learned = policies["logistic regression"]
    assert learned["share"] == {
        "mean": pytest.approx(10 / 15),
        "half": pytest.approx(0),
        "count": 2,
    }
    for run in learned["runs"]:
        assert run["earned"]["components"]["stop_malicious"] == 10 * FLOWS
        assert run["replayed"]["all_benign"]["stopped"] == run["earned"]["harm"] == 0
        assert run["replayed"]["malicious"]["c2"]["stopped"] > 0.5
        assert 0 < run["thresholds"]["block"] < 1
    written_down = json.loads((tmp_path / "out" / "baselines.json").read_text())
    assert written_down == found
    page = (tmp_path / "out" / "baselines.md").read_text()
    assert f"| logistic regression | 66.7 ± 0.0 % | {10 * FLOWS} ± 0 |" in page
    assert "| stopped of | allow | playbook |" in page


def test_the_tables_name_policies_and_families(corpus: Path) -> None:
    shown = _run(corpus, "--seeds", "1", "--split", "validation", "--harm", "0")
    for name in ("gradient boosting", "of the stakes", "legitimate stopped", "c2"):
        assert name in shown


def test_what_cannot_be_scored_is_refused_before_it_is_fitted(corpus: Path, tmp_path: Path) -> None:
    other = written(tmp_path / "other.toml", _capture(tmp_path, "train"))
    for options, message in (
        (("--test", str(other)), "no capture is for held-out"),
        (("--split", "test"), "no split is called test"),
        (("--test", str(tmp_path / "no.toml")), "cannot be read"),
    ):
        with pytest.raises(CorpusError, match=message):
            _run(corpus, *options)
    with pytest.raises(CorpusError, match="no capture is for validation"):
        _run(other, "--test", str(corpus))
    for unnamed in ("run.pt", "fail2ban=run.pt"):
        command = ["gateway", "baselines", "--corpus", str(corpus), "--policy", unnamed]
        assert CliRunner().invoke(app, command).exit_code == 2
