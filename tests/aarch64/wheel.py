"""What is installed in the root: our wheel, cross-compiled, and the wheels that it depends on.

The build is the package's own (``setup.py`` through setuptools, as pip does it) with Debian's cross
compiler and the build variables of the root's Python, which CPython's own cross builds hand over in
``_PYTHON_SYSCONFIGDATA_NAME`` and ``_PYTHON_HOST_PLATFORM``. Cython's C is the same everywhere.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.aarch64.root import Root
from tests.aarch64.staging import PROJECT, digest, kernel_files, package_files, pyproject, stage
from tests.aarch64.tools import Failed, made, making, run_logged

COMPILER = "aarch64-linux-gnu-gcc"
SYSCONFIG = "_sysconfigdata__aarch64-linux-gnu"
# Tags of wheels that run on glibc 2.28, the newest that any of ours asks for (PEP 600).
PLATFORMS = tuple(f"manylinux{tag}_aarch64" for tag in ("_2_28", "_2_27", "_2_17", "2014"))
_PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
_BUILD = "from setuptools import build_meta; import sys; build_meta.build_wheel(sys.argv[1])"


def install_dependencies(root: Root, folder: Path) -> None:
    """Put the package's dependencies into the root, in the versions that constraints.txt pins.

    Raises:
        Failed: pip finds no wheel.
    """
    wanted = [*pyproject()["project"]["dependencies"]]
    constraints = PROJECT / "constraints.txt"
    state = "\n".join([root.python, *wanted, constraints.read_text()])
    stamp, target = folder / "dependencies.made", root.packages / "dependencies"
    if made(stamp, state, target):
        return
    options = [option for tag in PLATFORMS for option in ("--platform", tag)]
    options += ["--constraint", str(constraints), *wanted]
    with making(stamp, state, target):
        run_logged("pip", _install(root, target, options), folder / "dependencies.log")


def install_ours(root: Root, folder: Path) -> str:
    """Build the package as it is here and put it into the root; the wheel's name.

    Raises:
        Failed: it does not build, or this Python is not the root's.
    """
    if root.python != (ours := f"{sys.version_info.major}.{sys.version_info.minor}"):
        raise Failed(
            f"the root has Python {root.python} and this is {ours}, but a wheel is built by the"
            " Python that it is for: choose the Debian release that has yours (--suite)"
        )
    files = package_files()
    state = "\n".join([root.python, compiler(), digest(PROJECT, files)])
    dist, stamp, target = folder / "dist", folder / "wheel.made", root.packages / "sluicegate"
    if not made(stamp, state, target):
        with making(stamp, state, target):
            _build(root, folder, files, dist)
            options = ["--no-deps", "--platform", "linux_aarch64", str(_only(dist))]
            run_logged("pip", _install(root, target, options), folder / "wheel-install.log")
    return _only(dist).name


def _build(root: Root, folder: Path, files: list[Path], dist: Path) -> None:
    """A wheel of the files in ``dist``."""
    source, stamp = folder / "source", folder / "kernels.made"
    kernels = "\n".join([root.python, compiler(), digest(PROJECT, kernel_files(files))])
    stage(files, source, keep_compiled=made(stamp, kernels, source))
    stamp.unlink(missing_ok=True)
    shutil.rmtree(dist, ignore_errors=True)
    dist.mkdir(parents=True)
    command = [sys.executable, "-c", _BUILD, dist]
    run_logged("the build", command, folder / "wheel.log", _build_variables(root, folder), source)
    stamp.write_text(kernels)


def _build_variables(root: Root, folder: Path) -> dict[str, str]:
    """The environment in which setuptools builds for the root's Python."""
    variables = folder / "build-variables"
    variables.mkdir(exist_ok=True)
    library = root.path / "usr" / "lib" / f"python{root.python}"
    shutil.copy(library / f"{SYSCONFIG}.py", variables)
    headers = root.path / "usr" / "include" / f"python{root.python}"
    sysroot = f"--sysroot={root.path}"
    return os.environ | {
        "PYTHONPATH": f"{_build_tools(folder)}:{variables}",
        "_PYTHON_SYSCONFIGDATA_NAME": SYSCONFIG,
        "_PYTHON_HOST_PLATFORM": "linux-aarch64",
        "CC": f"{COMPILER} {sysroot} -I{headers}",
        "LDSHARED": f"{COMPILER} {sysroot} -shared",
    }


def _build_tools(folder: Path) -> Path:
    """What pyproject.toml wants for a build, in a folder of its own."""
    wanted: list[str] = pyproject()["build-system"]["requires"]
    tools, stamp = folder / "build-tools", folder / "build-tools.made"
    if not made(stamp, state := "\n".join(wanted), tools):
        with making(stamp, state, tools):
            command = [*_PIP, "--target", str(tools), *wanted]
            run_logged("pip", command, folder / "build-tools.log")
    return tools


def compiler() -> str:
    """Which compiler makes the kernels."""
    done = subprocess.run([COMPILER, "-dumpfullversion"], capture_output=True, check=True)
    return f"{COMPILER} {done.stdout.decode().strip()}"


def _only(dist: Path) -> Path:
    (wheel,) = dist.glob("*.whl")
    return wheel


def _install(root: Root, target: Path, options: list[str]) -> list[str]:
    """Wheels for the root's Python only: nothing is ever compiled for it on the way."""
    wheels = ["--only-binary", ":all:", "--implementation", "cp", "--python-version", root.python]
    return [*_PIP, "--target", str(target), *wheels, *options]
