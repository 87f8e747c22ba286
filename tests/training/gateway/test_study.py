"""``sluice-train gateway study``: real runs of a second, in processes of their own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.training.gateway.corpora import SAMPLES, written
from training import study_pool
from training.cli import app
from training.errors import CorpusError, RunError, StudyError
from training.gateway import study_run
from training.gateway.corpus import Capture, Corpus, Split
from training.gateway.earned import earned
from training.gateway.evaluate import evaluate
from training.gateway.policy import Chooser, read
from training.gateway.settings import Blueprint, Plan, PPOSettings
from training.gateway.study import run_study
from training.gateway.study_measures import HeldOut, measured, split_off
from training.gateway.train import train
from training.provenance import sha256
from training.settings import Guidance
from training.study_pool import Job

_ROLLOUTS = 12
_FAMILIES = {"port scan": "scan", "c2 beacon": "c2", "slow exfiltration": "exfiltration"}


def _capture(folder: Path, name: str, split: Split) -> Capture:
    """A sample, with families by our names."""
    shutil.copy(SAMPLES / f"{name}.pcap", folder)
    labels = (SAMPLES / f"{name}.labels.csv").read_text()
    for theirs, ours in _FAMILIES.items():
        labels = labels.replace(theirs, ours)
    (folder / f"{name}.labels.csv").write_text(labels)
    return Capture(
        path=f"{name}.pcap", sha256=sha256(folder / f"{name}.pcap"), label="per flow",
        labels=f"{name}.labels.csv", source=name, split=split,
    )  # fmt: skip


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scans to learn from; scans, beacons and a theft held out."""
    folder = tmp_path_factory.mktemp("lab")
    parts: dict[str, Split] = {"scan": "train", "page": "validation", "home": "held-out"}
    captures = [_capture(folder, name, split) for name, split in parts.items()]
    return written(folder / "corpus.toml", *captures)


def _study(corpus: Path, *options: str) -> dict[str, Any]:
    command = [
        *("gateway", "study", str(corpus.parent / "runs"), "--corpus", str(corpus), "--json"),
        *("--cache", str(corpus.parent / "cache"), "--seeds", "1", "--jobs", "2"),
        *("--num-envs", "8", "--rollout", "16", "--steps", str(128 * _ROLLOUTS), "--hidden", "8"),
        *("--passes", "1"),
    ]
    done = CliRunner().invoke(app, [*command, *options], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _plan(corpus: Path) -> Plan:
    """As of `_study`."""
    return Plan(
        corpora=(corpus,), folders=(corpus.parent,), network=Blueprint(hidden=[8]),
        ppo=PPOSettings(num_envs=8, rollout=16, steps=128 * _ROLLOUTS),
        guidance=Guidance(passes=1),
    )  # fmt: skip


@pytest.fixture(scope="module")
def cut(corpus: Path) -> dict[str, Any]:
    """A study whose unguided run was interrupted, gone on with, and killed: what was there then."""
    run, cache, started = (
        corpus.parent / "runs" / "unguided" / "seed-1",
        corpus.parent / "cache",
        {},
    )

    def rows() -> int:
        metrics = run / "metrics.csv"
        return len(metrics.read_text().splitlines()) if metrics.exists() else 0

    def interrupt(_: dict[str, float]) -> None:
        if rows() > 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(run, _plan(corpus).model_copy(update={"teacher": None}), cache=cache, show=interrupt)
    early, reached = (run / "metrics.csv").read_text(), rows()

    def kill(done: int, of: int) -> None:
        if rows() > reached + 1:
            started[run].kill()

    start = Job.start

    def watched(job: Job) -> Any:
        started[job.folder] = start(job)
        return started[job.folder]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Job, "start", watched)
        with pytest.raises(StudyError, match=r"unguided/seed-1: it said nothing; the others are"):
            run_study(
                corpus.parent / "runs", _plan(corpus), 1, [HeldOut.of(corpus)],
                cache=cache, workers=2, show=kill,
            )  # fmt: skip
    ended = sorted(path.parent.parent.name for path in corpus.parent.glob("runs/*/*/measures.json"))
    networks = {path: path.stat().st_mtime_ns for path in corpus.parent.glob("runs/*/*/network.pt")}
    return {"early": early, "ended": ended, "networks": networks}


@pytest.fixture(scope="module")
def made(corpus: Path, cut: dict[str, Any]) -> dict[str, Any]:
    return _study(corpus)


def test_a_killed_run_goes_on_and_no_other_is_repeated(
    cut: dict[str, Any], made: dict[str, Any], corpus: Path
) -> None:
    assert cut["ended"] == ["alone", "guided", "without-scan"]
    assert len(cut["networks"]) == 3
    for path, time in cut["networks"].items():
        assert path.stat().st_mtime_ns == time
    metrics = (corpus.parent / "runs" / "unguided" / "seed-1" / "metrics.csv").read_text()
    assert metrics.startswith(cut["early"])
    assert len(metrics.splitlines()) == 1 + _ROLLOUTS


def test_arms_are_what_can_be_learned_and_measured(made: dict[str, Any], corpus: Path) -> None:
    assert made["seeds"] == [1]
    arms = made["held_out"][corpus.parent.name]
    assert list(arms) == ["guided", "unguided", "alone", "without-scan"]
    assert [arms[arm]["against"] for arm in arms] == ["unguided", None, "unguided", "unguided"]
    for arm, teacher, without in (
        ("guided", "playbook", []),
        ("unguided", None, []),
        ("without-scan", None, ["scan"]),
    ):
        settings = corpus.parent / "runs" / arm / "seed-1" / "settings.json"
        asked = json.loads(settings.read_text())["asked"]
        assert (asked["teacher"], asked["without"]) == (teacher, without)


def test_a_run_is_measured_by_its_points_and_by_replay(made: dict[str, Any], corpus: Path) -> None:
    network = read(corpus.parent / "runs" / "guided" / "seed-1" / "network.pt")[0]
    held_out = HeldOut.of(corpus)
    recordings = [each.recording for each in held_out.recorded(corpus.parent / "cache")]
    found = earned(recordings, Chooser(network), Plan(corpora=(corpus,), folders=()).rewards)
    outcomes = evaluate(Corpus.load(corpus).of("held-out"), corpus.parent, Chooser(network))
    arm = made["held_out"][corpus.parent.name]["guided"]
    (run,) = arm["runs"]
    assert run["captures"] == 1
    assert run["reward"] == pytest.approx(found.points)
    assert run["share"] == pytest.approx(found.share)
    assert set(run["malicious"]) == {"scan", "c2", "exfiltration"}
    assert run["malicious"]["scan"]["stopped"] == outcomes.malicious["scan"].stopped
    assert run["all_benign"]["throttled"] == outcomes.all_benign.throttled
    assert (
        arm["mean"]["all_malicious"]["bytes_passed"]["mean"] == outcomes.all_malicious.bytes_passed
    )


def test_of_a_left_out_family_only_it_and_what_is_legitimate_count(
    made: dict[str, Any], corpus: Path
) -> None:
    arm = made["held_out"][corpus.parent.name]["without-scan"]
    assert list(arm["mean"]) == ["malicious", "all_benign"]
    assert list(arm["difference"]["malicious"]) == ["scan"]


def test_what_is_done_is_not_done_again(
    made: dict[str, Any], corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("nothing is to be run again")

    page = corpus.parent / "results.md"
    page.write_text("# Results\n\nBy hand.\n")
    monkeypatch.setattr(study_pool.subprocess, "Popen", refuse)
    again = _study(corpus, "--results", str(page))
    assert again["held_out"] == made["held_out"]
    assert json.loads((corpus.parent / "runs" / "study.json").read_text()) == again
    section = (corpus.parent / "runs" / "study.md").read_text()
    assert page.read_text() == (
        f"# Results\n\nBy hand.\n\n<!-- study gateway -->\n{section}<!-- end of study gateway -->\n"
    )
    fewer = _study(corpus, "--arm", "unguided")
    assert list(fewer["held_out"][corpus.parent.name]) == ["unguided"]


def test_more_seeds_are_added(made: dict[str, Any], corpus: Path) -> None:
    found = _study(corpus, "--arm", "unguided", "--seeds", "2")
    assert found["seeds"] == [1, 2]
    unguided = found["held_out"][corpus.parent.name]["unguided"]
    assert unguided["runs"][0] == made["held_out"][corpus.parent.name]["unguided"]["runs"][0]
    rewards = [run["reward"] for run in unguided["runs"]]
    assert unguided["mean"]["reward"]["mean"] == pytest.approx(sum(rewards) / 2)
    run = corpus.parent / "runs" / "unguided" / "seed-2"
    assert json.loads((run / "settings.json").read_text())["asked"]["ppo"]["seed"] == 2


def test_a_finished_run_is_measured_on_other_captures(made: dict[str, Any], corpus: Path) -> None:
    run = corpus.parent / "runs" / "guided" / "seed-1"
    before = json.loads((run / "measures.json").read_text())
    others = HeldOut.of(corpus, split="train")
    assert measured(run, [others]) == {}
    study_run._run(
        run,
        {
            "plan": json.loads((run / "settings.json").read_text())["asked"],
            "held_out": [others.model_dump(mode="json")],
            "cache": str(corpus.parent / "cache"),
        },
    )
    (found,) = measured(run, [others]).values()
    assert set(found["malicious"]) == {"scan"}
    assert json.loads((run / "measures.json").read_text()) == {**before, others.name: found}


def test_other_settings_are_refused_in_the_same_folder(made: dict[str, Any], corpus: Path) -> None:
    with pytest.raises(RunError, match="a run with other settings is there"):
        _study(corpus, "--arm", "unguided", "--gamma", "0.5")


def test_what_cannot_be_studied_is_named(corpus: Path) -> None:
    for options, error, message in (
        (
            ["--arm", "taught"],
            StudyError,
            "no arm taught: say guided, unguided, alone, or without-",
        ),
        (["--arm", "without-ghosts"], CorpusError, "no family of attacks is called ghosts"),
        (["--arm", "without-brute-force"], StudyError, "brute force is not in both"),
        (["--without", "scan", "--arm", "without-scan"], StudyError, "out of every arm"),
        (["--test", f"{corpus}:tests"], CorpusError, "no split is called tests"),
        (["--test", str(corpus), "--test", str(corpus)], StudyError, "2 tests are called"),
    ):
        with pytest.raises(error, match=message):
            _study(corpus, *options)


def test_a_corpus_that_holds_nothing_out_needs_a_test(corpus: Path) -> None:
    kept = [each for each in Corpus.load(corpus).capture if each.split != "held-out"]
    manifest = written(corpus.parent / "training.toml", *kept)
    with pytest.raises(StudyError, match="hold nothing out; say what to measure on with --test"):
        _study(manifest)
    with pytest.raises(CorpusError, match="no capture is for held-out"):
        HeldOut.of(manifest)


def test_a_test_is_a_corpus_and_a_split() -> None:
    assert split_off("lab/corpus.toml:validation") == (Path("lab/corpus.toml"), "validation")
    assert split_off("public") == (Path("public"), "held-out")


def test_captures_go_by_the_names_of_their_corpora() -> None:
    def name(manifest: str, split: Split = "held-out") -> str:
        return HeldOut(manifest=Path(manifest), folder=Path(), split=split, sha256="").name

    assert name("lab/composed/corpus.toml") == "composed"
    assert name("corpora/public.toml") == "public"
    assert name("corpora/public.toml", "train") == "public:train"
