"""What surrounds the comparison: mirrors, what is kept, the guest's CPU, what is missing."""

from __future__ import annotations

import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.aarch64.guest import cpuinfo_text, environment, features, said
from tests.aarch64.sources import source_lines
from tests.aarch64.staging import PROJECT, digest, kernel_files, package_files, stage
from tests.aarch64.tools import Failed, Missing, made, making, need_programs

DEB822 = """\
Types: deb deb-src
# a comment within
URIs: http://mirror.example/debian
Suites: bookworm
  bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/a.gpg

Types: deb
URIs: http://other.example/debian
Suites: bookworm
Components: main
Enabled: no

Types: deb
URIs: http://tools.example/apt
Suites: bookworm
Components: stable
"""


def apt(folder: Path, lines: str = "", stanzas: str = "") -> Path:
    (folder / "sources.list.d").mkdir()
    (folder / "sources.list").write_text(lines)
    (folder / "sources.list.d" / "debian.sources").write_text(stanzas)
    return folder


def test_mirrors_are_found_in_both_formats_and_each_once(tmp_path: Path) -> None:
    lines = (
        "# deb http://no.example bookworm main\n"
        "deb [arch=amd64 signed-by=/k] http://mirror.example/debian bookworm main # ours\n"
        "deb http://second.example/debian bookworm contrib main\n"
        "deb http://vendor.example vendor main\n"
        "deb-src http://third.example/debian bookworm main\n"
    )
    assert source_lines("bookworm", None, apt(tmp_path, lines, DEB822)) == [
        "deb http://mirror.example/debian bookworm main",
        "deb http://second.example/debian bookworm main",
    ]


def test_a_machine_without_the_release_is_told_how_to_name_a_mirror(tmp_path: Path) -> None:
    folder = apt(tmp_path, stanzas=DEB822)
    with pytest.raises(Missing, match=r"trixie main: set MIRROR=URL"):
        source_lines("trixie", None, folder)
    named = source_lines("trixie", "http://m.example", folder)
    assert named == ["deb http://m.example trixie main"]


def test_what_is_half_made_is_made_again(tmp_path: Path) -> None:
    stamp, result = tmp_path / "stamp", tmp_path / "result"
    assert not made(stamp, "1", result)
    with making(stamp, "1", result):
        result.mkdir()
        (result / "old").touch()
    assert made(stamp, "1", result)
    assert not made(stamp, "2", result)
    with suppress(Failed), making(stamp, "1", result):
        result.mkdir()
        raise Failed
    assert not made(stamp, "1", result)
    assert not (result / "old").exists()


def test_a_digest_changes_with_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    first = digest(tmp_path, [Path("a")])
    (tmp_path / "a").write_text("2")
    second = digest(tmp_path, [Path("a")])
    (tmp_path / "a").rename(tmp_path / "b")
    assert len({first, second, digest(tmp_path, [Path("b")])}) == 3


def test_what_is_built_is_the_package_and_nothing_that_was_built() -> None:
    files = package_files()
    assert {Path("setup.py"), Path("agent/cli.py"), Path("agent/policies/default.sluice")} <= {
        *files
    }
    assert not [path for path in files if path.suffix in {".so", ".c", ".pyc"}]
    assert not [path for path in files if path.parts[0] in {"tests", "out", "docs"}]


def test_every_module_that_setup_compiles_counts_as_a_kernel() -> None:
    kernels = kernel_files(package_files())
    for pxd in PROJECT.glob("agent/**/*.pxd"):
        assert {pxd.relative_to(PROJECT), pxd.relative_to(PROJECT).with_suffix(".py")} <= {*kernels}
    for package in re.findall(r'"(agent\.\w+)": \(', (PROJECT / "setup.py").read_text()):
        assert Path(package.replace(".", "/")) in {path.parent for path in kernels}
    assert Path("agent/engine.py") not in kernels


def test_a_copy_keeps_what_was_compiled_only_if_told_and_never_an_old_source(
    tmp_path: Path,
) -> None:
    copy = tmp_path / "copy"
    stage([Path("setup.py")], copy, keep_compiled=False)
    (copy / "build").mkdir()
    for name in ("old.py", "build/old.py", "build/kernel.so", "kernel.c"):
        (copy / name).touch()
    stage([Path("setup.py")], copy, keep_compiled=True)
    left = {str(path.relative_to(copy)) for path in copy.rglob("*") if path.is_file()}
    assert left == {"setup.py", "build/kernel.so", "kernel.c"}
    assert (copy / "setup.py").stat().st_mtime == (PROJECT / "setup.py").stat().st_mtime
    stage([Path("setup.py")], copy, keep_compiled=False)
    assert [path.name for path in copy.rglob("*")] == ["setup.py"]


def test_the_guest_is_shown_its_own_cpu() -> None:
    old, new = features(0x8FB), features(1 << 20 | 0b11)
    assert old == ["fp", "asimd", "aes", "pmull", "sha1", "sha2", "crc32", "cpuid"]
    assert new == ["fp", "asimd", "asimddp"]
    text = cpuinfo_text("cortex-a76", new, 2)
    assert text.count("Features\t: fp asimd asimddp\n") == 2
    assert text.count("CPU part\t: 0xd0b\n") == 2
    assert "processor\t: 1\n" in text


def test_programs_that_are_absent_are_named_with_their_packages(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    need_programs([])
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Missing) as missing:
        need_programs(["mmdebstrap", "qemu-aarch64-static"])
    assert str(missing.value) == (
        "no mmdebstrap, qemu-aarch64-static here: apt-get install mmdebstrap qemu-user-static"
    )


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import sys; sys.exit('no such capture')", r"exit 1\): 'no such capture'; see .*log"),
        ("print('no JSON')", "did not answer in JSON"),
        ("", "did not answer in JSON"),
    ],
)
def test_a_side_that_fails_is_not_taken_for_one_that_agrees(
    code: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(Failed, match=message):
        said("it", [sys.executable, "-c", code], environment(""), tmp_path / "log")


def test_a_machine_that_lacks_the_tools_gets_one_line_and_exit_code_1(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.aarch64.replay", "--folder", str(tmp_path / "made")],
        cwd=PROJECT, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: no mmdebstrap, ")
    assert done.stderr.count("\n") == 1
    assert "apt-get install" in done.stderr
