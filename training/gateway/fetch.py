"""Fetch a corpus: download its captures, and keep only what has the manifest's SHA-256."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from training.errors import CorpusError
from training.gateway.corpus import Capture

_TIMEOUT_S = 30  # without a byte from the server


@dataclass(slots=True)
class Fetched:
    """What became of each file, by its path in the manifest; ``failed`` says why."""

    fetched: list[str] = field(default_factory=list)
    present: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


def fetch(
    captures: Sequence[Capture],
    into: Path,
    *,
    retries: int = 1,
    advance: Callable[[], None] = lambda: None,
) -> Fetched:
    """Bring captures into a folder, and go on where one fails.

    A file that is there and has the right hash is left alone. One with another hash is replaced if
    the right one can be had, and reported otherwise. Label files have no address in a manifest:
    one that is not there is reported.

    Args:
        captures: what is to be there.
        into: the corpus's folder; made if need be.
        retries: of a download that breaks off or has the wrong hash.
        advance: told of each capture.

    Raises:
        CorpusError: the folder cannot be made.
    """
    try:
        into.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CorpusError(f"{into}: cannot be made a folder ({error.strerror})") from error
    result = Fetched()
    for capture in captures:
        _bring(capture, into, retries, result)
        if capture.labels is not None and not (into / capture.labels).is_file():
            result.failed[capture.labels] = "labels have no address; copy the file there"
        advance()
    return result


def _bring(capture: Capture, into: Path, retries: int, result: Fetched) -> None:
    import pooch

    path = into / capture.path
    try:
        if path.is_file() and pooch.file_hash(str(path)) == capture.sha256:
            result.present.append(capture.path)
        elif not capture.url:
            why = "is another file" if path.exists() else "has no address"
            result.failed[capture.path] = f"{why}; copy the right one there"
        else:
            _download(capture, into, retries)
            result.fetched.append(capture.path)
    except (OSError, ValueError) as error:  # requests' errors are OSErrors
        result.failed[capture.path] = _why(error)


def _download(capture: Capture, into: Path, retries: int) -> None:
    """Download to a file beside the place, which pooch moves there if its hash is right."""
    import pooch

    pooch.get_logger().setLevel(logging.ERROR)
    registry = pooch.create(
        path=into,
        base_url="",
        registry={capture.path: f"sha256:{capture.sha256}"},
        urls={capture.path: capture.url},
        retry_if_failed=retries,
    )
    # A server that packs a .pcap.gz once more would have it unpacked twice.
    plain = {"Accept-Encoding": "identity"}
    registry.fetch(capture.path, downloader=pooch.HTTPDownloader(timeout=_TIMEOUT_S, headers=plain))


def _why(error: Exception) -> str:
    import requests

    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"the server answers {error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.Timeout):
        return f"the server is silent for {_TIMEOUT_S} s"
    if isinstance(error, requests.RequestException):
        return f"the server cannot be reached ({type(error).__name__})"
    if isinstance(error, OSError):
        return f"cannot be written ({error.strerror})"
    return "the address has another file: its SHA-256 is not the manifest's"
