"""``sluice policy`` as an operator drives it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from agent.bundle import POLICY_ONNX, TEACHER_GGUF, Bundle, Gate
from agent.cli import app
from agent.errors import BundleError, BundleMisfit, BundleTampered, StoreError
from agent.keys import public_text
from tests.agent.bundles import (
    OTHER_SECRET,
    PUBLIC,
    contents,
    flip,
    full,
    make,
    rewrite,
    settings_file,
)
from tests.agent.command import sluice

KEY = public_text(PUBLIC)
GATES = (
    Gate(name="latency", unit="µs", limit=4000, found=1234.5, passed=True, note="on one core"),
    Gate(name="agreement", unit="share", limit=0.99, found=0.5, passed=False),
)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return settings_file(tmp_path)


def policy(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(app, ["policy", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result


def refused(error: type[Exception], *arguments: object) -> str:
    """Why the command fails: what is raised becomes one line and exit code 1."""
    result = policy(*arguments, code=1)
    assert isinstance(result.exception, error), result.exception
    assert "\n" not in str(result.exception)
    return str(result.exception)


def as_json(*arguments: object) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(policy(*arguments, "--json").stdout)
    return result


def test_install_use_replay_and_back(tmp_path: Path, config: Path, samples: Path) -> None:
    bundle = full(tmp_path / "ours.sluice", name="ours")
    done = sluice("policy", "install", bundle, "--config", config)
    assert done.stdout.startswith(f"installed: {tmp_path / 'store'}/ours-")
    assert done.stderr == ""
    digest = done.stdout.split()[-1]
    assert "in use: ours" in sluice("policy", "use", digest[:12], "--config", config).stdout

    def replayed() -> dict[str, Any]:
        done = sluice("replay", samples / "scan.pcap", "--config", config, "--json")
        result: dict[str, Any] = json.loads(done.stdout)["policy"]
        return result

    assert (replayed()["name"], replayed()["sha256"][:16]) == ("ours", digest)
    sluice("policy", "use", "--previous", "--config", config)
    assert replayed()["sha256"] == Bundle.default().digest


def test_all_of_it_as_json(tmp_path: Path, config: Path) -> None:
    bundle = full(tmp_path / "ours.sluice", name="ours")
    first, again = (as_json("install", bundle, "--config", config) for _ in range(2))
    assert (first.pop("installed"), again.pop("installed")) == (True, False)
    assert first == again
    assert set(first) == {"name", "sha256", "path"}
    assert as_json("use", "ours", "--config", config) == first
    listed = as_json("list", "--config", config)
    assert listed["store"] == str(tmp_path / "store")
    assert listed["policies"][0]["entry"] == "default"
    assert listed["policies"][1] == {
        "entry": Path(first["path"]).name, "name": "ours", "sha256": first["sha256"],
        "profile": "openwrt-256mb", "quantisation": "int8", "bytes": bundle.stat().st_size,
        "path": first["path"], "in_use": True, "previous": False, "problem": None,
    }  # fmt: skip
    assert as_json("use", "--previous", "--config", config)["sha256"] == Bundle.default().digest
    verified = as_json("verify", bundle, "--config", config)
    assert verified == {**first, "path": str(bundle), "verified": True, "key": KEY}


def test_the_list_for_people(tmp_path: Path, config: Path) -> None:
    policy("install", full(tmp_path / "1.sluice", name="one"), "--config", config)
    policy("use", "one", "--config", config)
    broken = tmp_path / "store" / "broken.sluice"
    broken.write_bytes(b"")
    rows = policy("list", "--config", config).stdout.splitlines()
    assert [row.split()[:3] for row in rows[1:4]] == [
        ["previous", "gateway", "(shipped)"],
        ["broken.sluice"],
        ["in", "use", "one"],
    ]
    assert rows[4].startswith("refused: broken.sluice: neither a folder nor a whole")


def test_verify_says_why_and_exits_with_1(tmp_path: Path, config: Path) -> None:
    bundle = full(tmp_path / "b.sluice")
    assert KEY in policy("verify", bundle, "--config", config).stdout
    rewrite(bundle, TEACHER_GGUF, flip)
    says = refused(BundleTampered, "verify", bundle, "--config", config)
    assert says == f"{bundle}: teacher.gguf is not the file that was signed"
    result = policy("verify", bundle, "--config", config, "--json", code=1)
    assert json.loads(result.stdout) == {"path": str(bundle), "verified": False, "reason": says}
    done = sluice("policy", "verify", bundle, "--config", config, code=1)
    assert (done.stdout, done.stderr) == ("", f"error: {says}\n")


def test_verify_takes_several_keys_and_other_playgrounds(tmp_path: Path) -> None:
    bundle = make(tmp_path / "b.sluice", playground="cage2")
    keys = []
    for number, raw in enumerate((bytes(31) + b"\x01", PUBLIC)):
        keys.append(tmp_path / f"{number}.pub")
        keys[-1].write_text(public_text(raw))
    assert "trusted key" in refused(BundleTampered, "verify", bundle, "--key", keys[0])
    assert KEY in policy("verify", bundle, "--key", keys[0], "--key", keys[1]).stdout
    assert "'cage2'" in refused(BundleError, "install", bundle, "--key", keys[1])


def test_a_key_beside_the_bundle_is_not_trusted(tmp_path: Path) -> None:
    bundle = make(tmp_path / "b.sluice")
    bundle.with_suffix(".pub").write_text(KEY)
    for command in ("verify", "install"):
        assert "not signed by a trusted key" in refused(BundleTampered, command, bundle)


def test_install_warns_of_a_key_that_is_not_configured(tmp_path: Path) -> None:
    key, bundle = tmp_path / "k.pub", make(tmp_path / "b.sluice")
    key.write_text(KEY)
    config = settings_file(tmp_path, keys=[])
    done = sluice("policy", "install", bundle, "--key", key, "--config", config)
    assert f"note: {KEY} is not under policy.keys" in done.stderr
    assert "trusted key" in refused(BundleTampered, "use", "linear", "--config", config)
    policy("use", "linear", "--key", key, "--config", config)


def test_a_profile_s_budget_is_kept(tmp_path: Path) -> None:
    config = settings_file(tmp_path, profile="openwrt-256mb")
    limits = {"memory_mib": 448, "bundle_kib": 4096, "latency_us": 200}
    bundle = make(tmp_path / "b.sluice", profile="x86-64-gateway", limits=limits)
    says = refused(BundleMisfit, "install", bundle, "--config", config)
    assert "448 MiB; on openwrt-256mb it may take 96; openwrt-256mb computes by numpy" in says
    assert as_json("inspect", bundle, "--config", config)["refusals"] == [
        "it was made for x86-64-gateway, where the agent may take 448 MiB; on openwrt-256mb it may"
        " take 96",
        "openwrt-256mb computes by numpy, and it has no policy.npz",
    ]


def test_inspect_shows_what_a_bundle_says(tmp_path: Path, config: Path) -> None:
    bundle = full(
        tmp_path / "b.sluice", gates=GATES, stages={"prune": {}, "quantise": {}},
        provenance={"seed": 7, "settings": {"x": list(range(50))}},
    )  # fmt: skip
    text = policy("inspect", bundle, "--card", "--config", config).stdout
    for line in (
        f"verified, signed by {KEY}",
        "this box refuses it: its gate agreement did not pass (0.5 share, the limit is 0.99)",
        "profile: openwrt-256mb (memory_mib 96, bundle_kib 256, latency_us 4,000)",
        "runners: onnxruntime and numpy",
        "export: prune, quantise",
        "provenance: seed 7; by --json also settings",
        "# card",
    ):
        assert line in text.splitlines()
    gates = [line.split() for line in text.splitlines() if line.startswith(("latency", "agreem"))]
    assert gates == [
        ["latency", "1,234.5", "4,000", "µs", "passed", "on", "one", "core"],
        ["agreement", "0.5", "0.99", "share", "FAILED"],
    ]
    assert "# card" not in policy("inspect", bundle, "--config", config).stdout


def test_inspect_says_plainly_what_is_not_verified(tmp_path: Path, config: Path) -> None:
    bundle = full(tmp_path / "b.sluice", name="evil\x1b[2J")
    rewrite(bundle, POLICY_ONNX, flip)
    text = policy("inspect", bundle, "--config", config).stdout
    assert "NOT VERIFIED: policy.onnx is not the file that was signed" in text
    assert "\x1b" not in text
    assert "evil\\x1b[2J" in text
    found = as_json("inspect", bundle, "--card", "--config", config)
    assert (found["verified"], found["key"], found["model_card"]) == (False, None, "# card\n")
    assert found["reason"] == "policy.onnx is not the file that was signed"
    assert found["files"] == {name: len(each) for name, each in contents(bundle).items()}
    strange = make(tmp_path / "s.sluice", secret=OTHER_SECRET)
    text = policy("inspect", strange, "--config", config).stdout
    assert "NOT VERIFIED: not signed by a trusted key" in text
    (tmp_path / "n").write_text("no bundle")
    assert "whole .sluice zip" in refused(BundleError, "inspect", tmp_path / "n")


def test_inspect_knows_another_playground(tmp_path: Path, config: Path) -> None:
    bundle = make(tmp_path / "b.sluice", playground="cage2")
    found = as_json("inspect", bundle, "--config", config)
    assert found["verified"]
    assert found["refusals"] == ["a policy for 'cage2'; this agent runs those for 'gateway'"]


def test_an_ambiguous_or_unknown_name(tmp_path: Path, config: Path) -> None:
    for seed in (1, 2):
        bundle = make(tmp_path / "b.sluice", provenance={"seed": seed})
        policy("install", bundle, "--config", config)
    says = refused(StoreError, "use", "linear", "--config", config)
    assert says.count("linear-") == 2
    assert "no installed policy" in refused(StoreError, "use", "nobody", "--config", config)
    assert "before this one" in refused(StoreError, "use", "--previous", "--config", config)


@pytest.mark.parametrize(
    "arguments", [["use"], ["use", "x", "--previous"], ["install"], ["frobnicate"]]
)
def test_bad_usage(arguments: list[str]) -> None:
    assert policy(*arguments, code=2).stdout == ""


def test_a_store_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    config = settings_file(tmp_path, store=str(tmp_path / "file" / "x"))
    bundle = make(tmp_path / "b.sluice")
    done = sluice("policy", "install", bundle, "--config", config, code=1)
    assert done.stderr.startswith(f"error: {tmp_path / 'file' / 'x'}: cannot be changed (Not a dir")
    assert "use sudo" in done.stderr
    assert done.stderr.count("\n") == 1
