"""Settings and the allow-list: what they accept, and how they refuse."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest

from agent.allowlist import AllowList, networks
from agent.config import Settings
from agent.errors import ConfigError


def load(tmp_path: Path, text: str) -> Settings:
    path = tmp_path / "sluice.toml"
    path.write_text(text)
    return Settings.load(path)


def test_a_file_changes_what_it_names_and_nothing_else(tmp_path: Path) -> None:
    settings = load(tmp_path, "[guard]\nallow = ['10.0.0.1', 'port 22']\n[flows]\nidle_s = 60")
    assert settings.guard.allow == ("10.0.0.1", "port 22")
    assert settings.flows.idle_s == 60
    assert settings.guard.min_block == Settings().guard.min_block


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[guard]\nalow = []", "guard.alow"),
        ("[guard]\nallow = ['10.0.0.1/8']", "10.0.0.1/8"),
        ("[guard]\nallow = ['port 70000']", "70000"),
        ("[guard]\nmin_block = 2", "guard.min_block"),
        ("[flows]\nidle_s = 0", "flows.idle_s"),
        ("[flows]\nactive_s = 5", "flows.active_s"),
        ("home_networks = ['everything']", "everything"),
        ("not toml", "no TOML"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        load(tmp_path, text)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.toml"):
        Settings.load(tmp_path / "absent.toml")


def test_networks_are_words_and_masks() -> None:
    v4, v6 = networks(["192.168.0.0/16", "2001:db8::/32"]).tolist()
    assert v4 == [0, 0xFFFF_C0A8_0000, 2**64 - 1, 0xFFFF_FFFF_FFFF_0000]
    assert v6 == [0x2001_0DB8_0000_0000, 0, 0xFFFF_FFFF_0000_0000, 0]


def test_entries_are_sorted_by_kind() -> None:
    parsed = AllowList.parse(["10.0.0.1", "port 22", "AA-BB-CC-DD-EE-FF", "interface wan0"])
    assert np.flatnonzero(parsed.ports).tolist() == [22]
    assert parsed.macs.tolist() == [0xAABBCCDDEEFF]
    assert parsed.interfaces == {"wan0"}
    assert len(parsed.networks) == 1


def test_the_page_of_settings_shows_the_defaults() -> None:
    page = Path(__file__).parents[2] / "docs" / "settings.md"
    shown = page.read_text(encoding="utf-8").split("```toml")[1].split("```")[0]
    assert Settings.model_validate(tomllib.loads(shown)) == Settings()
