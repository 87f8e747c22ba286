"""``sluice-train gateway finetune``, as a user would call it.

The policy was brought up on a home, and on a lie about an office: that its telephones, mails,
shells and printers are malicious. The journal is of those flows; a scan and a page validate.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from typer.testing import CliRunner, Result

from agent.errors import SluiceError
from tests.training.gateway.corpora import SAMPLES, sample
from tests.training.gateway.corpora import written as corpus_written
from tests.training.gateway.journals import row, rows_of, written
from training import checkpoint
from training.cli import app
from training.errors import CorpusError, JournalError, PolicyError, RunError
from training.gateway.bandit import Points, worth_of
from training.gateway.finetune import fit
from training.gateway.finetune_settings import Finetuning
from training.gateway.library import recordings_of
from training.gateway.policy import Chooser, fresh, read
from training.gateway.recording import Recording
from training.gateway.rewards import Rewards
from training.gateway.settings import Blueprint
from training.provenance import sha256

SLANDERED = ("voip", "mail", "ssh", "printing")
QUICK = ["--updates", "400", "--batch", "64", "--learning-rate", "0.005"]


class Lab(NamedTuple):
    folder: Path
    policy: Path
    manifest: Path
    home: Recording
    office: Recording


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("lab")
    found = recordings_of([sample("home"), sample("office")], SAMPLES, folder / "cache")
    home, office = (each.recording for each in found)
    worth, network = worth_of(Rewards()), fresh(Blueprint(hidden=[16]), 1)
    slander = np.isin(office.family, SLANDERED)
    lie = dataclasses.replace(office, label=np.where(slander, 1, office.label).astype(np.int8))
    lies, truth = (Points.of_recordings([each], worth) for each in (lie, home))
    school = Finetuning(updates=400, learning_rate=0.01, drift=0.0)
    fit(network, lies, truth, school)
    checkpoint.save(
        folder / "policy.pt", network, Blueprint(hidden=[16]), {"corpora": ["home", "a lie"]}
    )
    others = [sample(name, "validation") for name in ("scan", "page")]
    manifest = corpus_written(folder / "corpus.toml", sample("home"), *others)
    yield Lab(folder, folder / "policy.pt", manifest, home, office)
    torch.set_num_threads(threads)


def slandered(office: Recording) -> NDArray[np.bool_]:
    """``(N,)``: the points of flows of these families."""
    return np.isin(office.family, SLANDERED)[office.flow]


def journal(
    path: Path, lab: Lab, of: Recording, rows: NDArray[np.bool_], *, poisoned: bool = False
) -> Path:
    """What the policy decided at some points ``(N,)``, and the analyst's view, true or flipped."""
    obs, flow = of.observations[rows], of.flow[rows]
    logits = Chooser(read(lab.policy)[0]).logits(obs)
    malicious = (of.label[flow] == 1) != poisoned
    return written(path, [row(analyst=None), *rows_of(obs, flow, logits, malicious)])


def overruling(lab: Lab, path: Path) -> Path:
    """A journal of the slandered flows."""
    return journal(path, lab, lab.office, slandered(lab.office))


def call(lab: Lab, *arguments: str, out: Path) -> Result:
    command = [
        *("gateway", "finetune", str(lab.policy), "--corpus", str(lab.manifest)),
        *("--folder", str(SAMPLES), "--cache", str(lab.folder / "cache"), "--processes", "1"),
        *("--out", str(out), *QUICK, *arguments),
    ]
    return CliRunner().invoke(app, command, catch_exceptions=False)


def test_an_overruled_habit_is_unlearned(lab: Lab, tmp_path: Path) -> None:
    before = sha256(lab.policy)
    export = overruling(lab, tmp_path / "export.jsonl")
    done = call(lab, "--journal", str(export), "--json", out=tmp_path / "tuned")
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert result["refused"] is None
    told, judged = result["journal"], int(slandered(lab.office).sum())
    assert told["rows"] == judged + 1
    assert told["confirmed"] + told["overruled"] == judged
    assert told["overruled"] > 0.9 * judged
    assert told["sha256"] == sha256(export)
    assert 0 < told["held_out"] < judged
    assert result["before"]["journal"] < -4
    assert result["after"]["journal"] > -0.5
    assert result["before"]["validation"] > 0.2
    assert result["after"]["validation"] >= result["before"]["validation"] - 0.005
    assert result["after"]["legitimate_stopped"] <= result["before"]["legitimate_stopped"]

    network, blueprint, about = read(tmp_path / "tuned" / "network.pt")
    assert blueprint.hidden == [16]
    assert about == result
    assert about["policy"]["sha256"] == before == sha256(lab.policy)
    assert about["policy"]["provenance"] == {"corpora": ["home", "a lie"]}
    assert about["corpora"] == {str(lab.manifest): sha256(lab.manifest)}
    assert about["finetuning"]["updates"] == 400
    old, new = Chooser(read(lab.policy)[0]), Chooser(network)
    kept = torch.from_numpy(lab.office.observations[~slandered(lab.office)])
    assert (old(kept) == new(kept)).float().mean() > 0.97


@pytest.mark.parametrize("arguments", [[], ["--replay", "0", "--drift", "0"]])
def test_a_poisoned_journal_is_refused(lab: Lab, tmp_path: Path, arguments: list[str]) -> None:
    """It says the opposite of what the corpora say; a home validates."""
    captures = sample("office"), sample("home", "validation")
    lab = lab._replace(manifest=corpus_written(tmp_path / "corpus.toml", *captures))
    rows = np.ones(len(lab.office.flow), np.bool_)
    export = journal(tmp_path / "export.jsonl", lab, lab.office, rows, poisoned=True)
    done = call(lab, "--journal", str(export), "--json", *arguments, out=tmp_path / "tuned")
    assert done.exit_code == 1
    result = json.loads(done.stdout)
    assert done.stderr == f"refused: {result['refused']}\n"
    if arguments:
        assert result["after"]["legitimate_stopped"] > 0.9
        assert "it stops " in result["refused"]
    assert list((tmp_path / "tuned").iterdir()) == []


def test_for_people(lab: Lab, tmp_path: Path) -> None:
    export = overruling(lab, tmp_path / "export.jsonl")
    done = call(lab, "--journal", str(export), "--updates", "100", out=tmp_path / "tuned")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith(f"{tmp_path / 'tuned' / 'network.pt'}: ")
    assert " overruled; points a decision -" in done.stdout


def test_the_same_seed_makes_the_same_file(lab: Lab, tmp_path: Path) -> None:
    export = overruling(lab, tmp_path / "export.jsonl")
    for name in ("one", "two"):
        done = call(
            lab, "--journal", str(export), "--updates", "100", "--seed", "7", out=tmp_path / name
        )
        assert done.exit_code == 0, done.output
    assert sha256(tmp_path / "one" / "network.pt") == sha256(tmp_path / "two" / "network.pt")


def test_an_interruption_leaves_nothing(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    export = overruling(lab, tmp_path / "export.jsonl")
    monkeypatch.setattr("training.gateway.finetune.descend", interrupted)
    assert call(lab, "--journal", str(export), out=tmp_path / "tuned").exit_code != 0
    assert list((tmp_path / "tuned").iterdir()) == []


def test_what_cannot_be_used_is_refused(lab: Lab, tmp_path: Path) -> None:
    export = overruling(lab, tmp_path / "export.jsonl")
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "network.pt").write_bytes(b"")
    file = tmp_path / "file"
    file.write_bytes(b"")
    free = tmp_path / "free.toml"
    free.write_text("stop_legitimate = 0.0\n")
    without = corpus_written(tmp_path / "corpus.toml", sample("scan"))
    good, tuned = str(export), tmp_path / "tuned"
    cases: list[tuple[type[SluiceError], str, list[str], Path]] = [
        (RunError, "there is a network.pt already", [good], taken),
        (RunError, "cannot be made", [good], file),
        (JournalError, r"line 1: no JSON object", [str(lab.policy)], tuned),
        (CorpusError, "stop_legitimate 0", [good, "--reward", str(free)], tuned),
    ]
    for error, message, arguments, out in cases:
        with pytest.raises(error, match=message):
            call(lab, "--journal", *arguments, out=out)
    with pytest.raises(PolicyError, match="no such file"):
        call(lab._replace(policy=tmp_path / "no.pt"), "--journal", good, out=tuned)
    with pytest.raises(CorpusError, match="no capture is for validation"):
        call(lab._replace(manifest=without), "--journal", good, out=tuned)
    assert call(lab, "--journal", good, "--replay", "2", out=tuned).exit_code == 2
    assert (taken / "network.pt").read_bytes() == b""
    assert not (tuned / "network.pt").exists()
