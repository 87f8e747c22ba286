"""A copy of what the package is made of, so that nothing is built among the project's own files.

Compiling takes minutes and most edits change no kernel, so what was compiled stays in the copy for
as long as no file beside the kernels changes.
"""

from __future__ import annotations

import hashlib
import shutil
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[2]
_COMPILED = {".c", ".o", ".so"}


def pyproject() -> dict[str, Any]:
    """The project's own description."""
    return tomllib.loads((PROJECT / "pyproject.toml").read_text())


def package_files() -> list[Path]:
    """Whatever may get into a wheel, relative to the project."""
    folders = [
        folder
        for pattern in pyproject()["tool"]["setuptools"]["packages"]["find"]["include"]
        for folder in PROJECT.glob(pattern)
        if folder.is_dir() and folder.suffix != ".egg-info"
    ]
    files = [path for path in PROJECT.iterdir() if path.is_file()]
    files += [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return sorted(
        path.relative_to(PROJECT)
        for path in files
        if path.suffix not in _COMPILED and "__pycache__" not in path.parts
    )


def kernel_files(files: Iterable[Path]) -> list[Path]:
    """Of those, what compiled modules depend on: their folders have declarations in them."""
    files = list(files)
    folders = {path.parent for path in files if path.suffix == ".pxd"}
    compiled = [path for path in files if path.parent in folders]
    return [*compiled, Path("setup.py"), Path("pyproject.toml")]


def digest(folder: Path, files: Iterable[Path]) -> str:
    """SHA-256 over names and contents."""
    total = hashlib.sha256()
    for path in files:
        content = hashlib.sha256((folder / path).read_bytes()).hexdigest()
        total.update(f"{path} {content}\n".encode())
    return total.hexdigest()


def stage(files: Iterable[Path], copy: Path, keep_compiled: bool) -> None:
    """Make a folder a copy of the files, times too; beside them only what was compiled stays."""
    if not keep_compiled:
        shutil.rmtree(copy, ignore_errors=True)
    for path in copy.rglob("*"):
        if path.is_file() and path.suffix not in _COMPILED:
            path.unlink()
    for path in files:
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(PROJECT / path, copy / path)
