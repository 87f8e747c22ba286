"""Makes a big capture out of the sample captures: ``python -m tests.bench.mix FILE --packets N``.

A *slice* is all traffic of one family in one sample. Slices are drawn until each family has its
share of the packets; every instance moves to networks of its own and to a time of its own, so that
instances overlap as the machines of a large site do. Frames are padded with zeros to their length
on the wire. IP checksums are right; TCP's and UDP's are not, as on a host that leaves them to its
network card.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import dpkt
import numpy as np
from numpy.typing import NDArray

SAMPLES = [Path(__file__).parents[1] / "captures" / f"{name}.pcap" for name in ("home", "office")]
ATTACKS = {  # percent of the packets; with the habits, about 9 packets a flow, 384 bytes a frame
    "port scan": 4.5,
    "syn flood": 3.5,
    "ssh brute force": 3.5,
    "c2 beacon": 2.0,
    "slow exfiltration": 1.5,
}
HABITS = {
    "voip": 21.0,
    "web": 17.0,
    "iot": 14.0,
    "video": 8.0,
    "dns": 5.0,
    "mail": 5.0,
    "ssh": 5.0,
    "file sharing": 4.0,
    "infrastructure": 3.0,
    "backup": 2.0,
    "printing": 1.0,
}
SHARES = ATTACKS | HABITS
SECONDS = 1800
EPOCH = 1_760_000_000  # UNIX seconds of the first packet
SNAPLEN = 96  # of the samples; the rest of a frame is zeros
CHUNK = 32_768  # packets built at once: about 13 MB

_ENDS = (("src", "sport"), ("dst", "dport"))
_RECORD = 16  # bytes of a pcap record's header
_GATEWAY_MAC = bytes.fromhex("020000000001")

Column = NDArray[np.int64]
Endpoints = frozenset[tuple[object, int]]
Slice = tuple[Path, str]  # sample, family
Flow = tuple[Path, tuple[Endpoints, int]]  # sample, ends, protocol
Record = tuple[float, bytes, dpkt.Packet, Slice, Flow]


@dataclass
class Packets:
    """The samples' packets as columns, one row a packet."""

    at: Column  # µs
    frame: NDArray[np.uint8]  # (n, SNAPLEN), zeros behind the end
    length: Column  # bytes on the wire
    network: Column  # offset of the IP header
    places: Column  # (n, 4) offsets where an instance writes its number, two bytes each
    flow: Column  # number of the packet's flow
    slices: dict[str, list[Column]]  # family -> the rows of each of its slices


@dataclass
class Schedule:
    """Which sample packet goes out when, in time order."""

    at: Column  # µs after EPOCH
    row: Column  # into Packets
    instance: Column


def load(samples: list[Path]) -> Packets:
    """Read the samples; frames without IP are left out."""
    records: list[Record] = []
    for sample in samples:
        with sample.with_suffix(".labels.csv").open(newline="") as file:
            families = {_labelled_flow(row): row["family"] for row in csv.DictReader(file)}
        with sample.open("rb") as file:
            for at, frame in dpkt.pcap.Reader(file):
                ip = dpkt.ethernet.Ethernet(frame).data
                if isinstance(ip, dpkt.ip.IP | dpkt.ip6.IP6):
                    key = _parsed_flow(ip)
                    records.append((at, frame, ip, (sample, families[key]), (sample, key)))
    return _columns(records)


def _labelled_flow(row: dict[str, str]) -> tuple[Endpoints, int]:
    ends = ((ip_address(row[end]), int(row[port])) for end, port in _ENDS)
    return frozenset(ends), int(row["proto"])


def _parsed_flow(ip: dpkt.Packet) -> tuple[Endpoints, int]:
    ends = ((ip_address(getattr(ip, end)), getattr(ip.data, port, 0)) for end, port in _ENDS)
    return frozenset(ends), ip.p


def _columns(records: list[Record]) -> Packets:
    """From time, frame, IP packet, slice and flow of each packet."""
    frames = np.zeros((len(records), SNAPLEN), np.uint8)
    flows: dict[Flow, int] = {}
    slices: dict[Slice, list[int]] = {}
    columns = []
    for row, (at, frame, ip, piece, flow) in enumerate(records):
        network = 18 if frame[12:14] == b"\x81\x00" else 14
        frames[row, : len(frame)] = np.frombuffer(_in_ten(frame, network), np.uint8)
        length = network + (ip.plen + 40 if ip.v == 6 else ip.len)
        number = flows.setdefault(flow, len(flows))
        columns.append((round(at * 1e6), length, network, number, *_places(frame, network)))
        slices.setdefault(piece, []).append(row)
    by_family: dict[str, list[Column]] = {family: [] for family in SHARES}
    for (_, family), rows in slices.items():
        by_family[family].append(np.array(rows))
    at_us, lengths, networks, numbers, *places = np.array(columns, np.int64).T
    return Packets(at_us, frames, lengths, networks, np.array(places).T, numbers, by_family)


def _in_ten(frame: bytes, network: int) -> bytes:
    """The frame with private IPv4 addresses in 10.0.0.0/8."""
    if frame[network] >> 4 == 6:
        return frame
    changed = bytearray(frame)
    for offset in (network + 12, network + 16):
        if changed[offset : offset + 2] == b"\xc0\xa8":
            changed[offset] = 10
    return bytes(changed)


def _places(frame: bytes, network: int) -> list[int]:
    """Where the instance's number goes: two bytes amid each address that is not a group's."""
    ipv6 = frame[network] >> 4 == 6
    source, target = (network + 12, network + 28) if ipv6 else (network + 13, network + 17)
    first = frame[network + 24] if ipv6 else frame[network + 16]
    places = [source, source if first in {224, 239, 255} else target]
    for mac in (0, 6):
        fixed = frame[mac] & 1 or frame[mac : mac + 6] == _GATEWAY_MAC
        places.append(source if fixed else mac + 2)
    return places


def schedule(packets: Packets, count: int, seed: int) -> Schedule:
    """``count`` packets, each family its share, in time order."""
    rng = np.random.default_rng(seed)
    bounds = np.round(np.cumsum([0.0, *SHARES.values()]) / 100 * count).astype(int)
    parts: list[tuple[Column, Column, Column]] = []
    for family, wanted in zip(SHARES, np.diff(bounds), strict=True):
        missing = int(wanted)
        while missing > 0:
            rows = packets.slices[family][rng.integers(len(packets.slices[family]))]
            at = packets.at[rows] - packets.at[rows[0]]
            at = at[:missing] + rng.integers(SECONDS * 1_000_000 - at[-1])
            parts.append((at, rows[:missing], np.full(len(at), len(parts) + 1)))
            missing -= len(at)
    at, row, instance = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(at, kind="stable")
    return Schedule(at[order], row[order], instance[order])


def chunks(packets: Packets, plan: Schedule) -> Iterator[bytes]:
    """The capture's bytes."""
    yield np.array([0xA1B2C3D4, 2 | 4 << 16, 0, 0, 262_144, 1], "<u4").tobytes()
    for start in range(0, len(plan.at), CHUNK):
        part = slice(start, start + CHUNK)
        row = plan.row[part]
        heads = np.zeros((len(row), _RECORD + SNAPLEN), np.uint8)
        heads[:, :_RECORD] = _record_headers(plan.at[part], packets.length[row])
        heads[:, _RECORD:] = _moved(packets, row, plan.instance[part])
        yield _padded(heads, packets.length[row]).tobytes()


def _record_headers(at: Column, length: Column) -> NDArray[np.uint8]:
    seconds, micros = np.divmod(EPOCH * 1_000_000 + at, 1_000_000)
    fields = np.stack([seconds, micros, length, length], axis=1).astype("<u4")
    return fields.view(np.uint8)


def _moved(packets: Packets, row: Column, instance: Column) -> NDArray[np.uint8]:
    """The frames' first bytes, in the instance's networks."""
    frames = packets.frame[row]
    for place in packets.places[row].T:
        for offset, byte in ((0, instance >> 8), (1, instance & 0xFF)):
            np.put_along_axis(frames, place[:, None] + offset, byte[:, None], axis=1)
    where = packets.network[row][:, None] + np.arange(20)
    header = np.take_along_axis(frames, where, axis=1).astype(np.int64)
    ipv4 = header[:, 0] >> 4 == 4
    header[:, 10:12] = 0
    total = (header[:, ::2] << 8 | header[:, 1::2]).sum(axis=1)
    total = (total & 0xFFFF) + (total >> 16)
    checksum = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
    rows = np.flatnonzero(ipv4)
    frames[rows, packets.network[row][rows] + 10] = checksum[rows] >> 8
    frames[rows, packets.network[row][rows] + 11] = checksum[rows] & 0xFF
    return frames


def _padded(heads: NDArray[np.uint8], length: Column) -> NDArray[np.uint8]:
    """Records of their full length, one behind the other."""
    ends = np.cumsum(_RECORD + length)
    out = np.zeros(ends[-1], np.uint8)
    columns = np.arange(heads.shape[1])
    present = columns < (_RECORD + length)[:, None]
    out[((ends - length - _RECORD)[:, None] + columns)[present]] = heads[present]
    return out


def summary(packets: Packets, plan: Schedule) -> dict[str, object]:
    """What is in the capture, to be stated with every figure."""
    flows = np.unique(plan.instance * (packets.flow.max() + 1) + packets.flow[plan.row])
    length = packets.length[plan.row]
    return {
        "packets": len(plan.row),
        "bytes": int(length.sum() + _RECORD * len(length) + 24),
        "seconds": round(float(plan.at[-1] - plan.at[0]) / 1e6, 1),
        "mean_frame_bytes": round(float(length.mean()), 1),
        "flows": len(flows),
        "instances": len(np.unique(plan.instance)),
        "attack_percent": sum(ATTACKS.values()),
        "percent": SHARES,
    }


def main() -> None:
    """Write the capture and print its summary as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--packets", type=int, default=2_000_000)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    packets = load(SAMPLES)
    plan = schedule(packets, arguments.packets, arguments.seed)
    with arguments.file.open("wb") as file:
        for chunk in chunks(packets, plan):
            file.write(chunk)
    print(json.dumps(summary(packets, plan)))


if __name__ == "__main__":
    main()
