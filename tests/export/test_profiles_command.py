"""``sluice-export profiles`` as a user drives it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from agent.profile import MIB, Profile, path_of, shipped
from export.profile_fields import plain, profile_fields
from tests.export.profiles_page import PAGE, page

ROOT = Path(__file__).parents[2]


def export(*arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    """``sluice-export ARGUMENTS``, which must exit with ``code`` and without a traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "export.cli", *map(str, arguments)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


def test_the_list_names_every_profile() -> None:
    rows = export("profiles").stdout.splitlines()
    assert [row.split()[0] for row in rows[1 : 1 + len(shipped())]] == list(shipped())
    assert "96 MiB" in next(row for row in rows if row.startswith("openwrt-256mb"))


def test_the_list_as_json_is_the_profiles() -> None:
    found = json.loads(export("profiles", "--json").stdout)["profiles"]
    assert [Profile.model_validate(each) for each in found] == list(map(Profile.named, shipped()))


def test_one_is_explained_field_by_field() -> None:
    shown = export("profiles", "nanopi-r5s").stdout
    for field in profile_fields():
        assert "." not in field.name or field.name in shown  # name and description are the title
    assert "eth1, eth2" in shown


def test_one_as_json_says_where_the_memory_goes() -> None:
    found = json.loads(export("profiles", "openwrt-256mb", "--json").stdout)
    assert found["profile"]["policy"] == {
        "runner": "numpy",
        "quantisation": "int8",
        "hidden": [64, 64],
        "pruned": 0.0,
    }
    memory = found["memory_bytes"]
    total, limit = memory.pop("total"), memory.pop("limit")
    assert sum(memory.values()) == total <= limit == 96 * MIB
    assert set(found["meanings"]) == {field.name for field in profile_fields()}
    assert all(found["meanings"].values())


def test_a_profile_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    text = path_of("container").read_text(encoding="utf-8")
    path.write_text(text.replace('name = "container"', 'name = "mine"'))
    found = json.loads(export("profiles", "--file", path, "--json").stdout)
    assert (found["path"], found["profile"]["name"]) == (str(path), "mine")
    path.write_text(text.replace("flows = 131072", "flows = 1048576"))
    error = export("profiles", "--file", path, code=1).stderr
    assert error.startswith(f"error: {path}: capacity: ")
    assert "more than limits.memory_mib = 208" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("toaster",), 1, "error: no profile is called toaster; there are container,"),
        (("--file", "absent.toml"), 1, "error: absent.toml: cannot be read"),
        (("container", "--file", "absent.toml"), 2, "not both"),
        (("--colour",), 2, "No such option"),
    ],
)
def test_mistakes(arguments: tuple[str, ...], code: int, says: str) -> None:
    done = export("profiles", *arguments, code=code)
    assert says in done.stderr
    assert done.stdout == ""


def test_values_are_written_as_in_the_file() -> None:
    assert [plain(v) for v in (True, (), ("a", "b"), 200.0, 0.5, 7, "x")] == [
        *("true", "none", "a, b", "200", "0.5", "7", "x")
    ]


def test_the_page_lists_the_fields() -> None:
    assert PAGE.read_text(encoding="utf-8") == page()
