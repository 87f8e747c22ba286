"""Fetching from a server on this machine: what is kept, and what is reported."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.training.gateway.wire import corpus_command
from training.errors import CorpusError
from training.gateway.corpus import Capture, Corpus
from training.gateway.fetch import fetch

CONTENT = {"/a.pcap": b"first", "/deep/b%20c.pcap": b"second", "/other.pcap": b"not what was said"}


class Handler(http.server.BaseHTTPRequestHandler):
    asked: list[str]

    def do_GET(self) -> None:
        type(self).asked.append(self.path)
        content = CONTENT.get(self.path)
        self.send_response(404 if content is None else 200)
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    Handler.asked = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as served:
        thread = threading.Thread(target=served.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{served.server_port}"
        served.shutdown()
        thread.join()


def capture(path: str, url: str, content: bytes, **more: str) -> Capture:
    digest = hashlib.sha256(content).hexdigest()
    fields = {"path": path, "url": url, "sha256": digest, "label": "benign", "family": "web"}
    return Capture.model_validate({**fields, "source": "ours", **more})


def files(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_files_are_fetched_once(server: str, tmp_path: Path) -> None:
    captures = [
        capture("x/a.pcap", f"{server}/a.pcap", b"first"),
        capture("y/b.pcap", f"{server}/deep/b%20c.pcap", b"second"),
    ]
    assert fetch(captures, tmp_path / "new").fetched == ["x/a.pcap", "y/b.pcap"]
    assert (tmp_path / "new" / "y" / "b.pcap").read_bytes() == b"second"
    again = fetch(captures, tmp_path / "new")
    assert again.present == ["x/a.pcap", "y/b.pcap"]
    assert len(Handler.asked) == 2


def test_what_does_not_match_is_never_kept_and_does_not_stop_the_rest(
    server: str, tmp_path: Path
) -> None:
    captures = [
        capture("bad.pcap", f"{server}/other.pcap", b"what was said"),
        capture("gone.pcap", f"{server}/gone.pcap", b""),
        capture("nowhere.pcap", "http://127.0.0.1:1/a.pcap", b""),
        capture("by-hand.pcap", "", b""),
        capture("good.pcap", f"{server}/a.pcap", b"first"),
    ]
    result = fetch(captures, tmp_path, retries=0)
    assert result.fetched == ["good.pcap"]
    assert files(tmp_path) == ["good.pcap"]
    assert "SHA-256" in result.failed["bad.pcap"]
    assert "404" in result.failed["gone.pcap"]
    assert "cannot be reached" in result.failed["nowhere.pcap"]
    assert "no address" in result.failed["by-hand.pcap"]


def test_another_file_gives_way_to_the_right_one_only(server: str, tmp_path: Path) -> None:
    for name in ("a.pcap", "b.pcap", "c.pcap"):
        (tmp_path / name).write_bytes(b"something else")
    captures = [
        capture("a.pcap", f"{server}/a.pcap", b"first"),
        capture("b.pcap", f"{server}/other.pcap", b"what was said"),
        capture("c.pcap", "", b"what was said"),
    ]
    result = fetch(captures, tmp_path, retries=0)
    assert (tmp_path / "a.pcap").read_bytes() == b"first"
    assert sorted(result.failed) == ["b.pcap", "c.pcap"]


def test_a_failed_download_is_tried_again(server: str, tmp_path: Path) -> None:
    fetch([capture("gone.pcap", f"{server}/gone.pcap", b"")], tmp_path, retries=1)
    assert Handler.asked == ["/gone.pcap"] * 2


def test_label_files_must_be_brought_by_hand(server: str, tmp_path: Path) -> None:
    labelled = capture(
        "a.pcap", f"{server}/a.pcap", b"first", label="per flow", labels="a.labels.csv"
    )
    assert list(fetch([labelled], tmp_path).failed) == ["a.labels.csv"]
    (tmp_path / "a.labels.csv").touch()
    assert not fetch([labelled], tmp_path).failed


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CorpusError, match="cannot be made a folder"):
        fetch([], tmp_path / "file" / "folder")


def test_the_command_ends_with_1_until_all_is_there(server: str, tmp_path: Path) -> None:
    manifest = tmp_path / "corpus.toml"
    Corpus(
        capture=(
            capture("a.pcap", f"{server}/a.pcap", b"first"),
            capture("gone.pcap", f"{server}/gone.pcap", b"", split="held-out", family="iot"),
        )
    ).save(manifest)
    into = ("--into", str(tmp_path / "there"), "--retries", "0")
    done = corpus_command("fetch", str(manifest), *into, "--json")
    assert done.returncode == 1, done.stderr
    result = json.loads(done.stdout)
    assert (result["fetched"], list(result["failed"])) == (["a.pcap"], ["gone.pcap"])
    done = corpus_command("fetch", str(manifest), *into, "--split", "train", "--family", "web")
    assert (done.returncode, done.stdout) == (0, "0 fetched, 1 there already, 0 missing\n")
    done = corpus_command("fetch", str(manifest), *into, "--split", "test")
    assert done.returncode == 1
    assert "no split is called test" in done.stderr
