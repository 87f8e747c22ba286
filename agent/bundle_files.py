"""The files inside a bundle, none of them trusted: a folder of files, or a zip of it.

A bundle may come from anywhere, and is read before anyone knows who made it. So names are plain,
sizes are bounded before a byte is inflated, and whatever is wrong with a zip becomes one error.
"""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from agent.errors import BundleError

LARGEST: Final = 256 << 20  # bytes of one file; the shipped teacher, the largest, has a quarter
_MOST_FILES: Final = 32
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_CHUNK: Final = 1 << 20
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

# All zips alike: no time, made on Unix, a regular file that everyone may read.
_ZIP_TIME: Final = (1980, 1, 1, 0, 0, 0)
_UNIX: Final = 3
_MODE: Final = 0o100644 << 16

# What `zipfile` and `zlib` raise on damage, besides OSError (UnicodeDecodeError is a ValueError,
# NotImplementedError a RuntimeError).
_DAMAGE: Final = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, RuntimeError, LookupError,
    OverflowError,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Files:
    """What lies in a bundle that is open."""

    path: Path
    size: int  # bytes on disk: of the zip, or of the folder's files together
    sizes: Mapping[str, int]  # bytes by name, as the folder or the zip's directory has them
    _opened: Callable[[str], IO[bytes]]

    def read(self, name: str, most: int = LARGEST) -> bytes:
        """The content of a file of at most so many bytes.

        Raises:
            BundleError: it is larger, or cannot be read.
        """
        if self.sizes[name] > most:
            raise BundleError(f"{self.path}: {name} is larger than {most >> 10:,} KiB")
        return b"".join(self.chunks(name))

    def chunks(self, name: str) -> Iterator[bytes]:
        """The content of a file piece by piece, no more than its size.

        Raises:
            BundleError: it cannot be read, or is shorter.
        """
        left = self.sizes[name]
        with _refusing(self.path), self._opened(name) as stream:
            # A read of a given length bounds what is inflated, whatever the directory says.
            while left and (chunk := stream.read(min(left, _CHUNK))):
                left -= len(chunk)
                yield chunk
        if left:
            raise BundleError(f"{self.path}: {name} ends {left:,} bytes too early")


@contextmanager
def opened(path: Path) -> Iterator[Files]:
    """Open a bundle.

    Raises:
        BundleError: it is neither a folder nor a zip, or its files are not such as a bundle has.
    """
    with ExitStack() as stack:
        with _refusing(path):
            if path.is_dir():
                sizes = _in_folder(path)
                total = sum(sizes.values())
                files = Files(path, total, sizes, lambda name: (path / name).open("rb"))
            else:
                archive = stack.enter_context(zipfile.ZipFile(path))
                files = Files(path, path.stat().st_size, _in_zip(path, archive), archive.open)
        if len(files.sizes) > _MOST_FILES:
            raise BundleError(f"{path}: more than {_MOST_FILES} files; a bundle has no such number")
        for name, size in files.sizes.items():
            if size > LARGEST:
                raise BundleError(f"{path}: {name} is larger than {LARGEST >> 20} MiB")
        yield files


def zipped(contents: Mapping[str, bytes]) -> bytes:
    """A zip of some files; the same contents make the same bytes (by the same zlib)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(contents):
            info = zipfile.ZipInfo(checked_name(Path("bundle"), name), _ZIP_TIME)
            info.create_system, info.external_attr = _UNIX, _MODE
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, contents[name], compresslevel=9)
    return buffer.getvalue()


def checked_name(path: Path, name: str) -> str:
    """The name, which leads nowhere else.

    Raises:
        BundleError: it is absolute, in a folder, or has odd characters.
    """
    if not _NAME.fullmatch(name):
        raise BundleError(f"{path}: {name!r} is no plain file name; this is no policy bundle")
    return name


def _in_folder(path: Path) -> dict[str, int]:
    sizes = {}
    for entry in sorted(path.iterdir()):
        if not entry.is_file():
            raise BundleError(f"{path}: {entry.name!r} is no file; a bundle has files only")
        sizes[checked_name(path, entry.name)] = entry.stat().st_size
    return sizes


def _in_zip(path: Path, archive: zipfile.ZipFile) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for info in archive.infolist():
        name = checked_name(path, info.orig_filename)
        if name in sizes:
            raise BundleError(f"{path}: {name} is in it twice; this is no policy bundle")
        if info.compress_type not in _METHODS:
            raise BundleError(f"{path}: {name} is compressed in a way that bundles are not")
        sizes[name] = info.file_size
    return sizes


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    """Turn what reading can raise into one error."""
    try:
        yield
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror or error})") from error
    except _DAMAGE as error:
        raise BundleError(f"{path}: neither a folder nor a whole .sluice zip ({error})") from error
