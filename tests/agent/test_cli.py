"""The command, driven as a user drives it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from agent.report import TABLES
from tests.agent.command import ARGV, ROOT, sluice
from tests.agent.toy_policy import write_toy

QUANTILES = {"p50", "p90", "p99", "max"}


@pytest.fixture(scope="module")
def scanner_blocker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A policy that throttles whoever opens some flows in 10 s, and blocks at many."""
    weights = {("src_flows_short", "throttle"): 20.0, ("src_flows_short", "block"): 40.0}
    bias = {"allow": 9.0, "throttle": 5.0}
    return write_toy(tmp_path_factory.mktemp("toy") / "toy.sluice", weights, bias)


@pytest.fixture(scope="module")
def report(samples: Path, scanner_blocker: Path) -> dict[str, Any]:
    done = sluice("replay", samples / "home.pcap", "--policy", scanner_blocker, "--json")
    assert done.stderr == ""
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def one_line(text: str) -> str:
    assert text.count("\n") == 1, text
    return text


def test_the_json_report_has_what_tools_read(report: dict[str, Any]) -> None:
    assert report["packets"] > 1000
    assert report["bytes"] > report["packets"]
    assert set(report["undecoded"]) == {"arp"}
    assert report["damaged"] == []
    assert report["flows"] > 100
    assert report["hosts"] > 10
    assert report["evictions"] == dict.fromkeys(TABLES, 0)
    assert set(report["verdicts"]) == {"allow", "throttle", "block", "isolate"}
    assert sum(report["verdicts"].values()) == report["decision_points"]
    assert report["guarded"]["in-force"] > 0
    assert report["packets_per_second"] == pytest.approx(report["packets"] / report["seconds"])
    assert 10e6 < report["peak_rss_bytes"] < 1e9
    assert {"name", "kind", "sha256", "path"} == set(report["policy"])


def test_labels_beside_the_capture_add_families(report: dict[str, Any]) -> None:
    scan = report["families"]["port scan"]
    assert 0 < scan["stopped"] + scan["throttled"] <= scan["flows"]
    assert set(scan["packets_before_verdict"]) == QUANTILES
    assert scan["bytes_passed"] <= scan["bytes"]
    benign = report["benign"]
    assert {"flows", "stopped", "throttled"} <= set(benign)
    assert set(benign["added_latency_ms"]) == QUANTILES


def test_the_terminal_report_fits_a_page_of_text(samples: Path, scanner_blocker: Path) -> None:
    done = sluice("replay", samples / "office.pcap", "--policy", scanner_blocker)
    for word in ("packets/s", "throttle", "in-force", "port scan", "undecoded: arp", "toy (toy)"):
        assert word in done.stdout
    assert done.stdout.count("\n") < 50
    assert "\x1b" not in done.stdout
    assert done.stderr == ""
    assert max(map(len, done.stdout.splitlines())) <= 110


def test_the_default_policy_says_what_it_is(samples: Path) -> None:
    text = sluice("replay", samples / "office.pcap").stdout
    assert "hindsight" in text
    assert "Trained on replayed traffic of composed" in " ".join(text.split())


def test_without_labels_no_families_are_told(samples: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone.pcap"
    alone.write_bytes((samples / "home.pcap").read_bytes())
    assert "families" not in json.loads(sluice("replay", alone, "--json").stdout)
    assert "malicious" not in sluice("replay", alone).stdout


def test_damage_is_one_warning_and_no_failure(samples: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.pcap"
    cut.write_bytes((samples / "home.pcap").read_bytes()[:100_001])
    done = sluice("replay", cut, "--json")
    assert one_line(done.stderr).startswith(f"warning: {cut}: byte ")
    result = json.loads(done.stdout)
    assert len(result["damaged"]) == 1
    assert result["packets"] > 100


@pytest.mark.parametrize("name", ["absent.pcap", ".", "notes.txt", "[/red].pcap"])
def test_what_is_no_capture_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "notes.txt").write_text("not a capture at all")
    done = sluice("replay", tmp_path / name, code=1)
    assert one_line(done.stderr).startswith(f"error: {tmp_path / name}")
    assert done.stdout == ""


@pytest.mark.parametrize(
    "arguments",
    [["replay"], ["replay", "x", "--nonsense"], ["observe", "x"], ["frobnicate"],
     ["replay", "x", "y", "--labels", "z"]],
)  # fmt: skip
def test_bad_usage_exits_with_2(arguments: list[str]) -> None:
    assert sluice(*arguments, code=2).stdout == ""


def test_an_unknown_setting_is_named(samples: Path, tmp_path: Path) -> None:
    config = tmp_path / "sluice.toml"
    config.write_text("[guard]\nalow = ['192.168.1.1']\n")
    done = sluice("replay", samples / "home.pcap", "--config", config, code=1)
    assert "guard.alow" in one_line(done.stderr)


def test_a_tampered_bundle_is_refused(samples: Path, tmp_path: Path) -> None:
    bundle = write_toy(tmp_path / "toy.sluice")
    bundle.with_suffix(".pub").write_bytes(bytes(32))
    done = sluice("replay", samples / "home.pcap", "--policy", bundle, code=1)
    assert "not signed by a trusted key" in one_line(done.stderr)


def test_an_interrupt_leaves_no_traceback(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.pcap"
    os.mkfifo(pipe)
    with (
        subprocess.Popen([*ARGV, "replay", pipe], stderr=subprocess.PIPE, cwd=ROOT) as process,
        pipe.open("wb"),  # returns once the command reads it
    ):
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=20)
    assert process.returncode == 130
    assert b"Traceback" not in stderr


def test_a_steering_label_reaches_no_terminal(samples: Path, tmp_path: Path) -> None:
    labels = tmp_path / "hostile.csv"
    rows = (samples / "home.labels.csv").read_text().replace("port scan", "\x1b[2J[red]scan")
    labels.write_text(rows)
    done = sluice("replay", samples / "home.pcap", "--labels", labels)
    assert "\x1b" not in done.stdout
    assert "\\x1b[2J[red]scan" in done.stdout


def test_help_tells_of_every_command() -> None:
    text = sluice("--help").stdout
    assert all(name in text for name in ("replay", "observe", "explain"))
    assert "in charge" in sluice("observe", "--help").stdout
