"""Public keys as text: one way to write each, and clear words for what is none."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.bundle import Bundle
from agent.config import PolicySettings, Settings
from agent.errors import ConfigError
from agent.keys import parse_public_key, public_text, read_public_key

# RFC 8032, section 7.1, test 1: the public key.
RFC = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
LINE = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="


def test_a_key_of_the_rfc() -> None:
    assert public_text(RFC) == LINE
    assert parse_public_key(f" {LINE}\n") == RFC


@given(st.binary(min_size=32, max_size=32))
def test_text_holds_the_whole_key(raw: bytes) -> None:
    assert len(public_text(raw)) == 44
    assert parse_public_key(public_text(raw)) == raw


@pytest.mark.parametrize("content", [RFC, LINE.encode(), f"{LINE}\r\n".encode()])
def test_files_new_and_old(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key.pub"
    path.write_bytes(content)
    assert read_public_key(path) == RFC


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "'' is no Ed25519 public key: that is 44 characters of base64"),
        (RFC[:31], "no public key"),
        (RFC + b"\n", "no public key"),
        (LINE[:-1].encode(), "44 characters"),
        (LINE.replace("+", "-").replace("/", "_").encode(), "44 characters"),
        (LINE.replace("Ro=", "Rp=").encode(), "44 characters"),  # bits beyond the 256 are set
        (f"{LINE}\n{LINE}".encode(), "44 characters"),
        (base64.b64encode(bytes(33)), "44 characters"),
        (b"-----BEGIN PRIVATE KEY-----\nMC4=\n", "keep this file to yourself"),
    ],
)
def test_what_is_no_key(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "key.pub"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=says) as caught:
        read_public_key(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_private_key_is_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("-----BEGIN PRIVATE KEY-----\nsecret\n")
    with pytest.raises(ConfigError) as caught:
        read_public_key(path)
    assert "secret" not in str(caught.value)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.pub: .* cannot be read \(No such file"):
        read_public_key(tmp_path / "absent.pub")


def test_the_shipped_key_is_read_by_the_same_function() -> None:
    bundle = Bundle.default()
    assert read_public_key(bundle.path.with_suffix(".pub")) == bundle.key


def test_settings_take_keys_and_refuse_what_is_none(tmp_path: Path) -> None:
    path = tmp_path / "sluice.toml"
    path.write_text(f'[policy]\nkeys = ["{LINE}"]\nrunner = "numpy"\n')
    policy = Settings.load(path).policy
    assert (policy.trusted, policy.runner) == ((RFC,), "numpy")
    path.write_text('[policy]\nkeys = ["abc"]\n')
    with pytest.raises(ConfigError, match=r"sluice\.toml: policy\.keys: .*'abc' is no Ed25519"):
        Settings.load(path)
    path.write_text('[policy]\nrunner = "torch"\n')
    with pytest.raises(ConfigError, match=r"policy\.runner: .*'auto', 'onnxruntime' or 'numpy'"):
        Settings.load(path)
    assert PolicySettings().trusted == ()
