"""``sluice-train corpus add`` and ``show`` as a user drives them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.training.gateway.wire import Talk, corpus_command, write_capture
from tests.training.test_cli import train
from training.gateway.corpus import Corpus

LABELS = """start_ts,src,sport,dst,dport,proto,label,family
100,192.168.1.20,50000,198.51.100.7,443,6,malicious,C2: beacon
100,192.168.1.20,50001,198.51.100.7,443,6,benign,web
"""


def add(folder: Path, name: str, *options: str, code: int = 0) -> Any:
    """``corpus add``; what it prints as JSON, or its error."""
    manifest, capture = folder / "corpus.toml", folder / name
    done = corpus_command(
        "add", str(manifest), str(capture), "--source", "ours", *options, "--json"
    )
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout) if code == 0 else done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    talks = [Talk(100 + i, sport=50000 + i) for i in range(3)]
    write_capture(tmp_path / "sub" / "mixed.pcap", *talks, Talk(103, dport=53, proto=17))
    (tmp_path / "labels.csv").write_text(LABELS)
    return tmp_path


def test_added_captures_are_shown(folder: Path) -> None:
    labels = ("--label", "per flow", "--labels", str(folder / "labels.csv"))
    added = add(folder, "sub/mixed.pcap", *labels)
    content = (folder / "sub" / "mixed.pcap").read_bytes()
    assert added["sha256"] == hashlib.sha256(content).hexdigest()
    expected = {"packets": 4, "flows": 4, "malicious": 1, "benign": 1, "unlabelled": 2}
    assert expected.items() <= added.items()
    write_capture(folder / "scan.pcap", Talk(100), Talk(160, dport=53, proto=17))
    spared = ("--spares", "name", "--spares", "infra", "--split", "held-out")
    add(folder, "scan.pcap", "--label", "malicious", "--family", "scan", *spared)
    assert sorted(p.name for p in folder.iterdir()) == [
        "corpus.toml", "labels.csv", "scan.pcap", "sub",
    ]  # fmt: skip

    done = train("corpus", "show", str(folder / "corpus.toml"), "--json")
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert shown["straddling"] == ["ours"]
    mixed, scan = shown["groups"]
    assert expected.items() <= mixed.items()
    assert (scan["split"], scan["family"], scan["minutes"]) == ("held-out", "scan", 1.0)
    assert (scan["malicious"], scan["unlabelled"]) == (1, 1)
    done = corpus_command("show", str(folder / "corpus.toml"))
    assert "captures of one source resemble each other" in done.stdout


def test_a_capture_that_is_added_again_takes_its_own_place(folder: Path) -> None:
    for family in ("home", "web"):
        add(folder, "sub/mixed.pcap", "--label", "benign", "--family", family)
    (entry,) = Corpus.load(folder / "corpus.toml").capture
    assert entry.family == "web"


def test_what_is_missing_is_shown(folder: Path) -> None:
    add(folder, "sub/mixed.pcap", "--label", "benign", "--family", "home")
    done = corpus_command("show", str(folder / "corpus.toml"), "--folder", "/", "--json")
    (group,) = json.loads(done.stdout)["groups"]
    assert (group["missing"], group["captures"], group["flows"]) == (["sub/mixed.pcap"], 1, 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--label", "benign"), 'say the "family"'),
        (("--label", "per flow"), '"labels" names a file'),
        (("--label", "per flow", "--labels", "FOLDER/none.csv"), "cannot be read"),
        (("--label", "per flow", "--labels", "FOLDER/sub/mixed.pcap"), "no label file"),
        (("--label", "per flow", "--labels", "FOLDER/wrong.csv"), "none of its 4 flows"),
        (("--label", "benign", "--family", "x", "--folder", "FOLDER/other"), "not below"),
        (("--label", "malicious", "--family", "x", "--spares", "dns"), "spares: "),
    ],
)
def test_refusals_leave_the_manifest_alone(
    folder: Path, options: tuple[str, ...], message: str
) -> None:
    (folder / "wrong.csv").write_text(LABELS.replace("192.168.1.20", "192.168.1.99"))
    told = [option.replace("FOLDER", str(folder)) for option in options]
    assert message in add(folder, "sub/mixed.pcap", *told, code=1)
    assert not (folder / "corpus.toml").exists()


def test_what_is_no_capture_is_refused(folder: Path) -> None:
    told = add(folder, "labels.csv", "--label", "benign", "--family", "home", code=1)
    assert "not a capture" in told
