"""The observation: THE contract between packets and policies.

A row is float32 of length ``len(FEATURES)``. Every feature is declared here, in order, with its
unit, its transform and where it comes from; ``agent/flows/observer.py`` computes the raw values in
this order and applies the transforms declared here. ``SCHEMA_HASH`` covers the declaration, and
a policy bundle carries it: a policy never runs on observations that it was not made for.

Only header fields, sizes, times and counts: no payload, no address, no name, no port number beyond
its service class, no absolute time. A policy cannot memorise a network, and a packet cannot speak
to a language model.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

LOG_SCALE: Final = 8.0  # ln(1 + x) / 8 keeps bytes, milliseconds and counts within about 0 to 3


class Transform(IntEnum):
    """How a raw value becomes a network's input. All are invertible, see `raw_values`."""

    IDENTITY = 0  # flags and shares, already within 0 to 1
    LOG = 1  # ln(1 + x) / LOG_SCALE, for x >= 0
    SIGNED_LOG = 2  # sign(x) ln(1 + |x|) / LOG_SCALE


@dataclass(frozen=True, slots=True)
class Feature:
    """One number that the policy sees; ``source`` says which state it is read from."""

    name: str
    unit: str
    transform: Transform
    source: str
    meaning: str


def _flags(source: str, **meanings: str) -> tuple[Feature, ...]:
    return tuple(Feature(n, "flag", Transform.IDENTITY, source, m) for n, m in meanings.items())


def _shares(source: str, **meanings: str) -> tuple[Feature, ...]:
    return tuple(Feature(n, "share", Transform.IDENTITY, source, m) for n, m in meanings.items())


def _logs(source: str, unit: str, **meanings: str) -> tuple[Feature, ...]:
    return tuple(Feature(n, unit, Transform.LOG, source, m) for n, m in meanings.items())


SHORT_WINDOW_S: Final = 10.0
LONG_WINDOW_S: Final = 600.0
FIRST_SIZES: Final = 6

FEATURES: Final[tuple[Feature, ...]] = (
    *_flags(
        "flow",
        tcp="TCP",
        udp="UDP",
        icmp="ICMP or ICMPv6",
        service_web="responder's port is HTTP, HTTPS or a usual alternative",
        service_name="responder's port is DNS, mDNS, LLMNR or NetBIOS names",
        service_login="responder's port is SSH, Telnet, RDP, VNC, WinRM or rlogin",
        service_file="responder's port is SMB, NFS, FTP, rsync or AFP",
        service_mail="responder's port is SMTP, POP or IMAP",
        service_infra="responder's port is DHCP, NTP, SSDP, SNMP, syslog or NAT-PMP",
        service_known="responder's port is another one below 1024",
        service_dynamic="responder's port is 49152 or above",
        initiator_local="the initiator is in a home network",
        responder_local="the responder is in a home network",
        responder_group="the responder is a multicast or broadcast address",
    ),
    *_logs("flow", "ms", duration="first to latest packet"),
    *_logs(
        "flow",
        "packets",
        packets_fwd="packets from the initiator",
        packets_bwd="packets from the responder",
    ),
    *_logs(
        "flow",
        "bytes",
        payload_fwd="payload bytes from the initiator",
        payload_bwd="payload bytes from the responder",
    ),
    *_logs(
        "flow",
        "bytes/packet",
        payload_mean_fwd="mean payload of the initiator's packets",
        payload_mean_bwd="mean payload of the responder's packets",
    ),
    *_logs("flow", "bytes/s", rate="IP bytes both ways over (duration + 1 s)"),
    *_logs("flow", "ms", gap_mean="mean gap between the initiator's packets"),
    *_shares("flow", gap_regularity="1 / (1 + deviation / mean) of those gaps; 0 before 3"),
    *_logs("flow", "ms", gap_last="gap before the latest packet"),
    *(
        Feature(
            f"size_{i + 1}",
            "bytes",
            Transform.SIGNED_LOG,
            "flow",
            f"payload of packet {i + 1}; negative from the responder",
        )
        for i in range(FIRST_SIZES)
    ),
    *_logs("flow", "packets", syns="SYN packets without ACK"),
    *_flags(
        "flow",
        answered="the responder sent anything but a reset",
        established="TCP handshake complete",
        reset_fwd="the initiator sent RST",
        reset_bwd="the responder sent RST",
        finished="a FIN was sent",
    ),
    *_logs("flow", "ms", handshake="SYN to SYN-ACK"),
    *_logs(
        "flow",
        "bytes",
        window_fwd="the initiator's first TCP window, unscaled",
        window_bwd="the responder's first TCP window, unscaled",
    ),
    *_logs("flow", "packets", retransmissions="TCP segments that carry no new sequence number"),
    *_logs(
        "initiator",
        "flows",
        src_flows_short="flows opened by the initiator's host in 10 s",
        src_flows_long="the same in 10 min",
    ),
    *_logs(
        "initiator",
        "hosts",
        src_peers_short="distinct responders of those in 10 s, up to 256 a window",
        src_peers_long="the same in 10 min",
    ),
    *_logs(
        "initiator",
        "ports",
        src_ports_short="distinct responder ports in 10 s, up to 256 a window",
        src_ports_long="the same in 10 min",
    ),
    *_shares(
        "initiator",
        src_unanswered_short="share of its flows of 10 s that nobody answered (yet)",
        src_unanswered_long="the same in 10 min",
        src_refused_long="share of its flows of 10 min refused by RST or ICMP unreachable",
    ),
    *_logs("initiator", "bytes", src_upload_long="payload that it sent on its flows in 10 min"),
    *_logs("responder", "flows", dst_flows_short="flows opened to the responder's host in 10 s"),
    *_logs("responder", "hosts", dst_sources_short="distinct initiators of those, up to 256"),
    *_logs("responder", "flows", dst_half_open_short="its SYNs of 10 s without a full handshake"),
    *_logs("pair", "flows", pair_flows="flows from this initiator to this service so far"),
    *_logs("pair", "s", pair_gap_mean="mean time between their starts"),
    *_shares("pair", pair_gap_regularity="1 / (1 + deviation / mean) of that time; 0 before 3"),
    *_logs("pair", "bytes", pair_upload="payload sent to this service so far"),
    *_logs("pair", "s", pair_age="time since the first flow to this service"),
    *_logs(
        "alerts",
        "alerts",
        src_alerts="alerts on the initiator's host in 10 min, weighted by severity",
        dst_alerts="alerts on the responder's host in 10 min, weighted by severity",
    ),
    *_shares(
        "rules",
        in_force_src="strongest verdict in force on the initiator's host, over 3",
        in_force_flow="strongest verdict in force on this flow, over 3",
    ),
    *_logs("rules", "s", in_force_time="time since that verdict came into force"),
)

NAMES: Final = tuple(f.name for f in FEATURES)
TRANSFORMS: Final[NDArray[np.uint8]] = np.array([f.transform for f in FEATURES], np.uint8)


def _schema_hash() -> str:
    lines = [f"{f.name}|{f.unit}|{f.transform.name}|{f.source}|{f.meaning}" for f in FEATURES]
    lines.append(f"{LOG_SCALE}|{SHORT_WINDOW_S}|{LONG_WINDOW_S}|{FIRST_SIZES}")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


SCHEMA_HASH: Final = _schema_hash()


class Service(IntEnum):
    """Classes of responder ports; ``SERVICE_OF_PORT`` maps the numbers (IANA registry)."""

    REGISTERED = 0  # 1024 to 49151 and none of the below: all service flags are 0
    WEB = 1
    NAME = 2
    LOGIN = 3
    FILE = 4
    MAIL = 5
    INFRA = 6
    KNOWN = 7
    DYNAMIC = 8


_PORTS: Final[dict[Service, tuple[int, ...]]] = {
    Service.WEB: (80, 443, 3128, 8000, 8008, 8080, 8081, 8443, 8888),
    Service.NAME: (53, 137, 853, 5353, 5355),
    Service.LOGIN: (22, 23, 512, 513, 2222, 2323, 3389, 5900, 5901, 5985, 5986),
    Service.FILE: (20, 21, 111, 139, 445, 548, 873, 989, 990, 2049),
    Service.MAIL: (25, 110, 143, 465, 587, 993, 995),
    Service.INFRA: (67, 68, 123, 161, 162, 514, 546, 547, 1900, 3702, 5351),
}


def _service_of_port() -> NDArray[np.uint8]:
    table = np.zeros(65536, np.uint8)
    table[:1024] = Service.KNOWN
    table[49152:] = Service.DYNAMIC
    for service, ports in _PORTS.items():
        table[list(ports)] = service
    return table


SERVICE_OF_PORT: Final = _service_of_port()


def raw_values(observations: NDArray[np.float32]) -> NDArray[np.float64]:
    """Undo the transforms: ``(n, F)`` inputs of the policy to ``(n, F)`` values in their units."""
    scaled = observations.astype(np.float64)
    logs = np.expm1(np.abs(scaled) * LOG_SCALE)
    return np.where(
        TRANSFORMS == Transform.IDENTITY,
        scaled,
        np.where(TRANSFORMS == Transform.LOG, logs, np.copysign(logs, scaled)),
    )
