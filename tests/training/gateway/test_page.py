"""The page of a run, as a user would get it."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agent.errors import SluiceError
from tests.training.gateway.corpora import SAMPLES, sample, written
from training.cli import app
from training.errors import CorpusError, RunError
from training.gateway.rewards import COMPONENTS

HOSTILE = "<script>alert(1)</script>\"'>&\x1b"
SECTIONS = ("learning", "components", "verdicts", "time", "cost", "calibration", "floor")


def _sluice(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["gateway", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a corpus, a run and a cache of recordings."""
    place = tmp_path_factory.mktemp("lab")
    captures = sample("scan"), sample("beacon", "validation"), sample("home", "held-out")
    manifest = written(place / "corpus.toml", *captures)
    _sluice(
        *("train", str(place / "run"), "--corpus", str(manifest), "--folder", str(SAMPLES)),
        *("--cache", str(place / "cache"), "--processes", "1", "--num-envs", "32"),
        *("--rollout", "32", "--minibatches", "4", "--evaluate-every", "2", "--steps", "4096"),
    )
    return place


def _page(place: Path, run: str = "run", *options: str, corpus: str = "corpus.toml") -> Any:
    command = [
        *("page", str(place / run), "--corpus", str(place / corpus), "--folder", str(SAMPLES)),
        *("--cache", str(place / "cache"), "--processes", "1", "--json", *options),
    ]
    return json.loads(_sluice(*command))


@pytest.fixture(scope="module")
def found(place: Path) -> Any:
    """The page of the run as data."""
    return _page(place)


def _copied(place: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(place / "run", tmp_path / "run"))


class _Page(HTMLParser):
    """Collects what a page has, and sees to it that its tags balance."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.feed(text)
        assert self.open == []

    def of(self, attribute: str) -> list[str]:
        return [value for name, value in self.attributes if name == attribute]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in {"meta", "br"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_what_the_page_shows_as_data(place: Path, found: Any) -> None:
    assert found == json.loads((place / "run" / "page.json").read_text())
    assert (found["run"], found["split"]) == ("run", "held-out")
    assert [each["captures"] for each in found["corpora"]] == [1]
    assert found["result"] == json.loads((place / "run" / "result.json").read_text())
    assert found["learning"]["steps"] == [1024, 2048, 3072, 4096]
    assert [each is None for each in found["learning"]["validation"]] == [True, False] * 2
    sides = ("malicious", "all_malicious"), ("benign", "all_benign")
    for families, whole in ((found[a], found[b]) for a, b in sides):
        assert sum(each["flows"] for each in families.values()) == whole["flows"] > 0
        for each in (*families.values(), whole):
            assert sum(each["shares"].values()) == pytest.approx(1)
    assert set(found["malicious"]) == set(found["tradeoff"]["malicious"])
    assert 0 <= found["calibration"]["error"] <= 1
    assert len(found["calibration"]["bins"]) == 10


def test_it_agrees_with_the_evaluation(place: Path, found: Any) -> None:
    corpus = "--corpus", str(place / "corpus.toml"), "--folder", str(SAMPLES)
    network = str(place / "run" / "network.pt")
    expected = json.loads(_sluice("evaluate", network, *corpus, "--json"))
    for name, each in expected["malicious"].items():
        shares = found["malicious"][name]["shares"]
        assert shares["block"] + shares["isolate"] == pytest.approx(each["stopped"])


def test_the_rewards_components_are_measured(found: Any) -> None:
    learning = found["learning"]
    assert set(COMPONENTS) <= set(learning)
    assert all(each >= 0 for each in learning["stop_malicious"])
    for name in ("stop_legitimate", "latency", "harm"):
        assert all(each <= 0 for each in learning[name])
    assert any(learning["harm"])


@pytest.mark.usefixtures("found")
def test_the_page_is_one_file_that_fetches_nothing(place: Path) -> None:
    text = (place / "run" / "page.html").read_text()
    page = _Page(text)
    assert not page.names & {"script", "link", "img", "iframe"}
    assert not page.of("src")
    assert all(each.startswith("#") for each in page.of("href"))
    assert all(each.startswith("#") for each in re.findall(r"url\(([^)]*)\)", text))
    assert "://" not in text
    assert max(Counter(page.of("id")).values()) == 1
    assert set(page.of("id")) >= {*SECTIONS, "provenance"}
    for words in ("port scan", "stop malicious", "mask", "ppo.learning_rate", "the guard's floor"):
        assert words in text


@pytest.mark.usefixtures("found")
def test_the_same_run_gives_the_same_page(place: Path) -> None:
    before = (place / "run" / "page.html").read_bytes()
    _page(place)
    assert (place / "run" / "page.html").read_bytes() == before


def test_strangers_words_stay_words(place: Path, tmp_path: Path) -> None:
    run = _copied(place, tmp_path)
    whole = {"label": "malicious", "labels": None, "family": HOSTILE}
    written(place / "odd.toml", sample("home", "held-out").model_copy(update=whole))
    found = _page(place, str(run), corpus="odd.toml")
    assert list(found["malicious"]) == [HOSTILE]
    text = (run / "page.html").read_text()
    assert "script" not in _Page(text).names
    assert "&lt;script&gt;" in text
    assert "\x1b" not in text
    assert found["tradeoff"] is found["guard"] is found["all_benign"] is None
    assert "It takes both malicious and legitimate flows" in text


def test_a_run_from_before_components_were_measured_has_a_page(place: Path, tmp_path: Path) -> None:
    run = _copied(place, tmp_path)
    with (run / "metrics.csv").open(newline="") as file:
        rows = [
            {name: row[name] for name in row if name not in (*COMPONENTS, "mask", "auxiliary")}
            for row in csv.DictReader(file)
        ]
    with (run / "metrics.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    found = _page(place, str(run))
    assert set(found["learning"]) == {"steps", "return", "validation", "entropy"}
    assert "trained before they were measured" in (run / "page.html").read_text()


def test_the_runs_own_corpora_are_the_default(place: Path) -> None:
    command = "page", str(place / "run"), "--split", "validation", "--json"
    found = json.loads(_sluice(*command, "--cache", str(place / "cache"), "--processes", "1"))
    assert found["corpora"][0]["manifest"] == str(place / "corpus.toml")
    assert found["split"] == "validation"


def _refused(
    kind: type[SluiceError], words: str, place: Path, *arguments: str, **more: str
) -> None:
    with pytest.raises(kind, match=words) as caught:
        _page(place, *arguments, **more)
    assert "\n" not in str(caught.value)


def test_what_has_no_page_is_refused_in_one_line(place: Path, tmp_path: Path) -> None:
    _refused(RunError, "no run is there", place, str(tmp_path / "nothing"))
    run = _copied(place, tmp_path)
    (run / "network.pt").unlink()
    _refused(RunError, r"has no network\.pt", place, str(run))
    (run / "result.json").unlink()
    _refused(RunError, "the run has not ended", place, str(run))
    _refused(CorpusError, "no split is called test", place, "run", "--split", "test")
    written(place / "train.toml", sample("scan"))
    _refused(CorpusError, "no capture is for held-out", place, "run", corpus="train.toml")
    gone = sample("home", "held-out").model_copy(update={"path": "gone.pcap"})
    written(place / "gone.toml", gone, sample("scan", "held-out"))
    _refused(CorpusError, r"1 of 2 captures are missing, .*gone\.pcap", place, corpus="gone.toml")
    assert CliRunner().invoke(app, ["gateway", "page", "x", "--folder", "y"]).exit_code == 2
