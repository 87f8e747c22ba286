"""Bundles that somebody or something has altered: one bit, one file, one lie of the zip."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import bundle_files
from agent.bundle import (
    MANIFEST,
    MODEL_CARD,
    POLICY_NPZ,
    POLICY_ONNX,
    SIGNATURE,
    TEACHER_GGUF,
    TEACHER_REPORT,
    Bundle,
)
from agent.errors import BundleError, BundleTampered
from tests.agent.bundles import (
    OTHER_SECRET,
    PUBLIC,
    contents,
    flip,
    full,
    rewrite,
    rezip,
    unfolded,
)

FILES = (*(MANIFEST, SIGNATURE, POLICY_ONNX, POLICY_NPZ, MODEL_CARD, TEACHER_GGUF, TEACHER_REPORT),)
NEEDED = (MANIFEST, SIGNATURE, POLICY_ONNX, MODEL_CARD)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return full(tmp_path_factory.mktemp("whole") / "b.sluice")


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    path = tmp_path / "b.sluice"
    path.write_bytes(whole.read_bytes())
    return path


def refusal(path: Path) -> BundleError:
    """Why a bundle is refused: an error of one line that names it."""
    with pytest.raises(BundleError) as caught:
        Bundle.load(path, (PUBLIC,))
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    return caught.value


def test_the_tests_cover_every_file(whole: Path) -> None:
    assert set(contents(whole)) == set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_one_flipped_bit_of_a_file_is_refused(copy: Path, name: str) -> None:
    rewrite(copy, name, flip)
    error = refusal(copy)
    assert isinstance(error, BundleTampered)
    signed = name in (MANIFEST, SIGNATURE)
    assert ("not signed by a trusted key" if signed else f"{name} is not the file") in str(error)


@pytest.mark.parametrize("name", FILES)
def test_a_removed_file_is_missed(copy: Path, name: str) -> None:
    rezip(copy, {n: content for n, content in contents(copy).items() if n != name})
    says = f"no {name} in it" if name in NEEDED else f"{name} was signed and is missing"
    assert says in str(refusal(copy))


def test_an_added_file_is_refused(copy: Path) -> None:
    rewrite(copy, "extra.bin", lambda _: b"x")
    assert "extra.bin is not covered by the signature" in str(refusal(copy))


@pytest.mark.parametrize("signature", [b"", bytes(64), b"x" * 5000])
def test_an_unsigned_bundle_is_refused(copy: Path, signature: bytes) -> None:
    rewrite(copy, SIGNATURE, lambda _: signature)
    assert "not signed by a trusted key" in str(refusal(copy))


def test_another_s_signature_is_refused(tmp_path: Path, copy: Path) -> None:
    strange = full(tmp_path / "strange.sluice", secret=OTHER_SECRET)
    assert "not signed by a trusted key" in str(refusal(strange))
    rewrite(copy, SIGNATURE, lambda _: contents(strange)[SIGNATURE])
    assert "not signed by a trusted key" in str(refusal(copy))
    with pytest.raises(BundleTampered, match="trusted key"):
        Bundle.load(copy, ())


@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_any_bit_of_any_file_counts(whole: Path, data: Any) -> None:
    folder = unfolded(whole, whole.parent / "folder")
    path = folder / data.draw(st.sampled_from(FILES))
    content = path.read_bytes()
    path.write_bytes(flip(content, data.draw(st.integers(0, 8 * len(content) - 1))))
    refusal(folder)


def refused_or_the_same(path: Path, whole: Path) -> None:
    """No more can be asked of a zip: it has bytes that say nothing, as its times."""
    try:
        found = Bundle.load(path, (PUBLIC,))
    except BundleError:
        refusal(path)
        return
    wanted = Bundle.load(whole, (PUBLIC,))
    assert found.digest == wanted.digest
    assert (found.onnx, found.npz, found.model_card) == (
        *(wanted.onnx, wanted.npz, wanted.model_card),
    )
    assert found.sizes == wanted.sizes


@settings(deadline=None, max_examples=400)
@given(data=st.data())
def test_a_bit_of_the_zip_changes_nothing_or_is_refused(whole: Path, data: Any) -> None:
    content = whole.read_bytes()
    # The directory at the end, where most of a zip's lies are told, as often as the rest.
    start = data.draw(st.sampled_from([0, content.index(b"PK\x01\x02")]))
    path = whole.parent / "flipped.sluice"
    path.write_bytes(flip(content, data.draw(st.integers(8 * start, 8 * len(content) - 1))))
    refused_or_the_same(path, whole)


@settings(deadline=None, max_examples=100)
@given(keep=st.floats(0, 1), tail=st.binary(max_size=100))
def test_a_zip_that_is_cut_or_continued_changes_nothing_or_is_refused(
    whole: Path, keep: float, tail: bytes
) -> None:
    content = whole.read_bytes()
    path = whole.parent / "cut.sluice"
    path.write_bytes(content[: int(keep * len(content))] + tail)
    refused_or_the_same(path, whole)
    if keep < 0.99:
        refusal(path)


@pytest.mark.parametrize("name", ["/etc/passwd", "../x", "a/b", "a\\b", "..", "C:x", "x\n", ".x"])
def test_names_that_lead_elsewhere_are_refused(copy: Path, name: str) -> None:
    rezip(copy, contents(copy) | {name: b""})
    assert "is no plain file name" in str(refusal(copy))


def test_a_name_that_is_there_twice_is_refused(copy: Path) -> None:
    with (
        zipfile.ZipFile(copy, "a") as archive,
        pytest.warns(UserWarning, match="Duplicate name"),
    ):
        archive.writestr(POLICY_ONNX, b"another network")
    assert f"{POLICY_ONNX} is in it twice" in str(refusal(copy))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions_are_refused(copy: Path, method: int) -> None:
    files = contents(copy)
    with zipfile.ZipFile(copy, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    assert "compressed in a way" in str(refusal(copy))


def declared(archive: bytes, name: str, size: int) -> bytes:
    """A zip whose directory says that a file has another size."""
    at = archive.index(b"PK\x01\x02")
    while archive[at + 46 :][: len(name)] != name.encode():
        at = archive.index(b"PK\x01\x02", at + 1)
    return archive[: at + 24] + struct.pack("<I", size) + archive[at + 28 :]


def test_a_file_that_says_it_is_huge_is_not_read(copy: Path) -> None:
    copy.write_bytes(declared(copy.read_bytes(), POLICY_ONNX, 3 << 30))
    assert f"{POLICY_ONNX} is larger than 256 MiB" in str(refusal(copy))
    rewritten = declared(copy.read_bytes(), POLICY_ONNX, 65 << 20)
    copy.write_bytes(rewritten)
    assert "larger than 65,536 KiB" in str(refusal(copy))


def test_a_bomb_that_says_it_is_small_is_not_inflated(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = contents(copy) | {MANIFEST: bytes(64 << 20)}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    copy.write_bytes(declared(buffer.getvalue(), MANIFEST, 1000))
    given_back: list[int] = []
    update = zipfile.ZipExtFile._update_crc

    def counting(stream: zipfile.ZipExtFile, data: bytes) -> None:
        given_back.append(len(data))
        update(stream, data)

    monkeypatch.setattr(zipfile.ZipExtFile, "_update_crc", counting)
    assert "whole .sluice zip" in str(refusal(copy))
    assert sum(given_back) <= 1000


def test_many_files_are_refused(copy: Path) -> None:
    rezip(copy, contents(copy) | {f"x{n}": b"" for n in range(40)})
    assert "more than 32 files" in str(refusal(copy))


def test_a_folder_has_files_only_and_none_that_is_too_large(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = unfolded(whole, tmp_path / "folder")
    Bundle.load(folder, (PUBLIC,))
    monkeypatch.setattr(bundle_files, "LARGEST", 999)
    assert "is larger than" in str(refusal(folder))
    monkeypatch.undo()
    (folder / "deeper").mkdir()
    assert "'deeper' is no file" in str(refusal(folder))


def test_nothing_but_the_manifest_is_read_before_the_signature(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    chunks = bundle_files.Files.chunks

    def watching(files: bundle_files.Files, name: str) -> Any:
        read.append(name)
        return chunks(files, name)

    monkeypatch.setattr(bundle_files.Files, "chunks", watching)
    rewrite(copy, MANIFEST, lambda text: text + b" ")
    refusal(copy)
    assert read == [MANIFEST, SIGNATURE]
