"""``sluice-export keygen``: what it makes signs, and nobody else can read or replace it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import x25519
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typer.testing import CliRunner, Result

from agent.bundle import Bundle
from agent.config import Settings
from agent.errors import ConfigError, OutputError
from agent.keys import read_public_key
from export.cli import app
from export.keygen_command import load_private_key
from tests.agent.bundles import make

PEM = serialization.Encoding.PEM
PKCS8 = serialization.PrivateFormat.PKCS8


def keygen(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(app, ["keygen", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result


def pem_file(path: Path, key: Ed25519PrivateKey | x25519.X25519PrivateKey, secret: bytes) -> Path:
    lock = serialization.BestAvailableEncryption(secret) if secret else serialization.NoEncryption()
    path.write_bytes(key.private_bytes(PEM, PKCS8, lock))
    path.chmod(0o600)
    return path


def test_a_pair_signs_a_bundle_that_the_printed_settings_trust(tmp_path: Path) -> None:
    private = tmp_path / "maker.pem"
    text = keygen(private).stdout
    config = tmp_path / "sluice.toml"
    config.write_text(text[text.index("[policy]") :])
    public = read_public_key(tmp_path / "maker.pub")
    assert Settings.load(config).policy.trusted == (public,)
    bundle = make(tmp_path / "b.sluice", secret=load_private_key(private))
    assert Bundle.load(bundle, (public,)).key == public


def test_files_are_text_and_the_private_one_its_owner_s(tmp_path: Path) -> None:
    told = json.loads(keygen(tmp_path / "maker", "--json").stdout)
    private, public = Path(told["private"]), Path(told["public"])
    assert (private.name, public.name) == ("maker", "maker.pub")
    assert private.stat().st_mode & 0o777 == 0o600
    assert private.read_text().startswith("-----BEGIN PRIVATE KEY-----")
    assert public.read_text() == told["key"] + "\n"
    assert len(told["key"]) == 44


def test_no_two_keys_are_alike(tmp_path: Path) -> None:
    keys = {json.loads(keygen(tmp_path / name, "--json").stdout)["key"] for name in "abc"}
    assert len(keys) == 3


@pytest.mark.parametrize("there", ["maker", "maker.pub"])
def test_nothing_is_overwritten_and_nothing_half_made(tmp_path: Path, there: str) -> None:
    (tmp_path / there).write_text("precious")
    error = keygen(tmp_path / "maker", code=1).exception
    assert isinstance(error, OutputError)
    assert str(error) == f"{tmp_path / there}: is there already, and no key is overwritten"
    assert [path.name for path in tmp_path.iterdir()] == [there]
    assert (tmp_path / there).read_text() == "precious"


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "maker").symlink_to(tmp_path / "elsewhere")
    assert isinstance(keygen(tmp_path / "maker", code=1).exception, OutputError)
    assert not (tmp_path / "elsewhere").exists()


def test_bad_names(tmp_path: Path) -> None:
    keygen(tmp_path / "maker.pub", code=2)
    error = keygen(tmp_path / "absent" / "maker", code=1).exception
    assert "cannot be written (No such file or directory)" in str(error)


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "maker"
    keygen(path)
    for mode in (0o640, 0o604, 0o644):
        path.chmod(mode)
        with pytest.raises(ConfigError, match=f"mode {mode:o}.*chmod 600"):
            load_private_key(path)
    path.chmod(0o400)
    assert len(load_private_key(path)) == 32


def test_what_is_no_private_key_is_refused(tmp_path: Path) -> None:
    keygen(tmp_path / "maker")
    other = pem_file(tmp_path / "x25519", x25519.X25519PrivateKey.generate(), b"")
    locked = pem_file(tmp_path / "locked", Ed25519PrivateKey.generate(), b"secret")
    noise = tmp_path / "noise"
    noise.write_bytes(b"-----BEGIN PRIVATE KEY-----\nMC4=\n-----END PRIVATE KEY-----\n")
    noise.chmod(0o600)
    (tmp_path / "maker.pub").chmod(0o600)
    for path, says in (
        (other, "no Ed25519 key"),
        (locked, "is encrypted"),
        (noise, "no private key in PEM"),
        (tmp_path / "maker.pub", "no private key in PEM"),
        (tmp_path / "absent", "cannot be read .*`sluice-export keygen` makes one"),
    ):
        with pytest.raises(ConfigError, match=f"{path}: .*{says}") as caught:
            load_private_key(path)
        assert "\n" not in str(caught.value)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_keys_of_openssl_are_as_good(tmp_path: Path) -> None:
    path = tmp_path / "maker.pem"
    command = ["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(path)]
    subprocess.run(command, check=True, capture_output=True)
    path.chmod(0o600)
    assert len(load_private_key(path)) == 32
