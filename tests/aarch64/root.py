"""An arm64 Debian root with Python in it: packages unpacked, no maintainer script ever run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.aarch64.tools import Failed, made, making, run_logged

# The interpreter and its library; what onnxruntime links to; headers for the kernels; /etc, /proc.
PACKAGES = ("python3-minimal", "libpython3-stdlib", "libstdc++6", "libpython3-dev", "base-files")


@dataclass(frozen=True, slots=True)
class Root:
    """A folder that holds a Debian root.

    Attributes:
        path: the folder.
        python: version of its Python, such as ``3.11``.
    """

    path: Path
    python: str

    @property
    def packages(self) -> Path:
        """Where what we install goes."""
        return self.path / "opt"


def make_root(folder: Path, suite: str, sources: list[str]) -> Root:
    """Unpack a root, or take the one that an earlier run made of the same.

    Raises:
        Failed: it cannot be made.
    """
    wanted = "\n".join([suite, *sources, *PACKAGES])
    path, stamp, listed = folder / "root", folder / "root.made", folder / "root.list"
    if not made(stamp, wanted, path):
        with making(stamp, wanted, path):
            listed.write_text("".join(f"{line}\n" for line in sources))
            options = ["--variant=extract", "--architectures=arm64"]
            options.append(f"--include={','.join(PACKAGES)}")
            command = ["mmdebstrap", *options, suite, path, listed]
            run_logged("mmdebstrap", command, folder / "root.log")
    return Root(path, _python_of(path))


def _python_of(path: Path) -> str:
    """``/usr/bin/python3`` is a link to ``python3.11``."""
    link = path / "usr" / "bin" / "python3"
    if not link.is_symlink():
        raise Failed(f"{path} has no /usr/bin/python3; remove that folder to make it again")
    return link.readlink().name.removeprefix("python")
