"""The benchmark's capture is ordered, of the stated mix, and the same for the same seed."""

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import dpkt
import pytest

PACKETS = 20_000


def made(path: Path, packets: int = PACKETS) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.bench.mix", str(path), "--packets", str(packets)]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[2], check=True, stdout=subprocess.PIPE
    )
    summary: dict[str, Any] = json.loads(done.stdout)
    return summary


@pytest.fixture(scope="module")
def mix(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    path = tmp_path_factory.mktemp("mix") / "mix.pcap"
    return path, made(path)


def records(path: Path) -> list[tuple[float, bytes]]:
    with path.open("rb") as file:
        return list(dpkt.pcap.Reader(file))


def test_the_summary_is_true(mix: tuple[Path, dict[str, Any]]) -> None:
    path, summary = mix
    frames = [frame for _, frame in records(path)]
    assert summary["packets"] == len(frames) == PACKETS
    assert summary["bytes"] == path.stat().st_size
    assert summary["mean_frame_bytes"] == pytest.approx(sum(map(len, frames)) / PACKETS, abs=0.1)
    assert sum(summary["percent"].values()) == 100


def test_packets_are_in_order_within_half_an_hour(mix: tuple[Path, dict[str, Any]]) -> None:
    times = [at for at, _ in records(mix[0])]
    assert all(a <= b for a, b in pairwise(times))
    assert times[-1] - times[0] < 1800


def test_frames_are_whole_and_their_ip_checksums_right(mix: tuple[Path, dict[str, Any]]) -> None:
    for _, frame in records(mix[0]):
        ip = dpkt.ethernet.Ethernet(frame).data
        assert ip.v == 6 or (ip.len == len(bytes(ip)) and not dpkt.in_cksum(ip.pack_hdr()))


def test_the_same_seed_gives_the_same_bytes(
    mix: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    made(tmp_path / "again.pcap")
    assert (tmp_path / "again.pcap").read_bytes() == mix[0].read_bytes()


def test_a_single_packet_is_a_mix_too(tmp_path: Path) -> None:
    assert made(tmp_path / "one.pcap", packets=1)["packets"] == 1
