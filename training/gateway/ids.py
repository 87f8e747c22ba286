"""An intrusion detection system beside a capture: the alerts that it would have raised.

Headers seldom show an exploit, a web attack or malware; rules about contents do. What such a system
would have said follows from a capture's labels here, and is written as Suricata writes it, so that
the agent reads it as it reads any log.

An alert is raised at a packet with payload of a malicious flow's initiator, which is where rules
about requests match; of a flow without one, at its last packet. Real systems miss much and err at
times: what is measured with these alerts is what the policy does once it is told.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Literal, TypeAlias
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from agent.addresses import text
from agent.capture.files import CaptureReader, open_capture
from agent.capture.packets import PacketBatch, Undecoded
from agent.config import Settings
from agent.decision import protocol_text
from agent.enforce.record import Recorder
from agent.engine import Engine
from agent.flows.records import FLOW
from agent.labels import Labels, label_of
from agent.replay import steps
from training.gateway.record import AllowAll
from training.gateway.through import Through

Host: TypeAlias = tuple[int, int]
"""High and low word (`agent.addresses.words`)."""
Pair: TypeAlias = frozenset[Host]
"""Two hosts, whoever spoke first; a single one that talks with itself."""
Which: TypeAlias = Literal["pair", "flow"]
"""What is alerted on: the first malicious flow of each pair of hosts, or every one."""

_Key: TypeAlias = tuple[int, ...]
_SENDER: Final = ("src_hi", "src_lo", "sport", "dst_hi", "dst_lo", "dport", "proto", "vlan")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# Suricata's documentation, "rule management": 1,000,000 to 1,999,999 are for rules of one's own.
_LOCAL_SIGNATURES: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Raised:
    """An alert on a flow.

    Attributes:
        time_ns: when it is raised, ns since 1970.
        flow: `agent.flows.records.FLOW`.
        family: of the attack.
        until_ns: the last packet of a malicious flow between the two hosts.
    """

    time_ns: int
    flow: np.void
    family: str
    until_ns: int = 0

    @property
    def pair(self) -> Pair:
        """The hosts that it is about."""
        return pair_of(self.flow)


def pair_of(flow: np.void) -> Pair:
    """The two hosts of a flow."""
    return frozenset(
        {(int(flow["src_hi"]), int(flow["src_lo"])), (int(flow["dst_hi"]), int(flow["dst_lo"]))}
    )


def raised(
    capture: Path,
    labels: Labels,
    *,
    which: Which = "pair",
    payloads: int = 1,
    settings: Settings | None = None,
) -> list[Raised]:
    """The alerts on a capture's malicious flows, by time.

    Args:
        capture: a file.
        labels: of its flows.
        which: is alerted on: the first malicious flow of each pair of hosts, or every one.
        payloads: packets with payload that a flow's initiator has sent when the alert is raised.
        settings: of the agent, which tells flows apart; its defaults if left out.

    Raises:
        CaptureError: the file cannot be opened, or is no capture.
    """
    flows, sent = _followed(capture, settings or Settings())
    found: list[Raised] = []
    last_ns: dict[Pair, int] = {}
    for flow in flows:
        label = label_of(labels, flow)
        if label is None or not label.malicious:
            continue
        pair = pair_of(flow)
        if which == "flow" or pair not in last_ns:
            found.append(Raised(_alert_ns(flow, sent, payloads), flow, label.family))
        last_ns[pair] = max(last_ns.get(pair, 0), int(flow["last_ns"]))
    return sorted(
        (replace(alert, until_ns=last_ns[alert.pair]) for alert in found),
        key=lambda alert: alert.time_ns,
    )


def write_log(path: Path, alerts: Iterable[Raised], severity: int = 1) -> Path:
    """Write alerts as Suricata's ``eve.json``; times are cut to microseconds, as there.

    Args:
        path: of the file; it is replaced if it exists.
        alerts: to be written, one a line.
        severity: of all of them, from 1, the gravest, to 4.
    """
    lines = (json.dumps(_event(alert, severity)) + "\n" for alert in alerts)
    path.write_text("".join(lines), encoding="utf-8")
    return path


def counted_at(batch: PacketBatch, before_ns: int) -> NDArray[np.int64]:
    """When each packet of a batch counts ``(n,)``, as in the agent's flow table.

    Where time runs backwards it stands still; what was not decoded has the time before it.

    Args:
        batch: of packets.
        before_ns: when the last packet before them counted.
    """
    decoded = batch.status[: batch.n] == Undecoded.OK
    times = np.where(decoded, batch.ts[: batch.n], before_ns)
    return np.maximum.accumulate(np.maximum(times, before_ns))


class _Overheard(Through):
    """A reader of whose packets it is noted when who sent payload to whom."""

    def __init__(self, reader: CaptureReader) -> None:
        super().__init__(reader)
        self.sent: defaultdict[_Key, list[int]] = defaultdict(list)

    def batches(self) -> Iterator[PacketBatch]:
        """Packets in order; a batch is valid until the next is asked for."""
        before_ns = 0
        for batch in self._reader.batches():
            times = counted_at(batch, before_ns)
            before_ns = int(times.max(initial=before_ns))
            rows = np.flatnonzero(batch.payload[: batch.n])
            keys = zip(*(getattr(batch, name)[rows].tolist() for name in _SENDER), strict=True)
            for key, time_ns in zip(keys, times[rows].tolist(), strict=True):
                self.sent[key].append(time_ns)
            yield batch


def _followed(
    capture: Path, settings: Settings
) -> tuple[NDArray[np.void], Mapping[_Key, list[int]]]:
    """Flows in the order of their first packets, and the times of packets with payload."""
    engine = Engine(settings, AllowAll(), Recorder())
    ended = [np.zeros(0, FLOW)]
    with open_capture(capture) as reader:
        overheard = _Overheard(reader)
        for _ in steps(overheard, engine):
            ended.append(engine.table.ended[: engine.table.n_ended].copy())
    flows = np.concatenate(ended)
    return flows[np.argsort(flows["serial"])], overheard.sent


def _alert_ns(flow: np.void, sent: Mapping[_Key, list[int]], payloads: int) -> int:
    """The time of the initiator's packet number ``payloads`` with payload, or of the last one."""
    first_ns, last_ns = int(flow["first_ns"]), int(flow["last_ns"])
    times = sent.get(tuple(int(flow[name]) for name in _SENDER), [])
    at = bisect_left(times, first_ns) + payloads - 1
    return min(times[at], last_ns) if at < len(times) else last_ns


def _event(alert: Raised, severity: int) -> dict[str, object]:
    """An event as Suricata writes it: docs.suricata.io, "Eve JSON Format"."""
    flow, proto = alert.flow, int(alert.flow["proto"])
    ends = {
        "src_ip": text(int(flow["src_hi"]), int(flow["src_lo"])),
        "src_port": int(flow["sport"]),
        "dest_ip": text(int(flow["dst_hi"]), int(flow["dst_lo"])),
        "dest_port": int(flow["dport"]),
    }
    return {
        "timestamp": _iso(alert.time_ns),
        "flow_id": int(flow["serial"]),
        "event_type": "alert",
        **ends,
        "proto": "IPv6-ICMP" if proto == 58 else protocol_text(proto).upper(),
        "direction": "to_server",
        "flow": {"start": _iso(int(flow["first_ns"])), **ends},
        "alert": {
            "action": "allowed",
            "gid": 1,
            "signature_id": _LOCAL_SIGNATURES + crc32(alert.family.encode()) % _LOCAL_SIGNATURES,
            "rev": 1,
            "signature": f"labelled as {alert.family}",
            "category": alert.family,
            "severity": severity,
        },
    }


def _iso(time_ns: int) -> str:
    moment = _EPOCH + timedelta(microseconds=time_ns // 1000)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f+0000")
