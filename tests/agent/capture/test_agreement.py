"""Agreement with scapy, an independent reader and dissector, on the shared corpus.

Where the comparison steps aside it says why: what scapy does not know, or does wrong.
"""

from __future__ import annotations

import gzip
import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from scapy.config import conf
from scapy.contrib.mpls import MPLS, EoMCW
from scapy.layers.inet import GRE, ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrSegmentRouting, _IPv6ExtHdr
from scapy.layers.ipsec import AH
from scapy.layers.l2 import (
    GRE_PPTP,
    LLC,
    SNAP,
    CookedLinux,
    CookedLinuxV2,
    Dot1AD,
    Dot1Q,
    Dot3,
    Ether,
    Loopback,
    LoopbackOpenBSD,
)
from scapy.layers.ppp import HDLC, PPP, PPPoE
from scapy.layers.sctp import SCTP
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet, bind_layers
from scapy.utils import RawPcapNgReader, RawPcapReader

from agent.capture.packets import Undecoded
from agent.errors import NotACapture, SluiceError
from tests.agent.capture import helpers as h

SAMPLE = 60  # packets dissected in a file
# Between a link and the innermost IP packet.
FOLLOWED = (
    *(Ether, Dot3, LLC, SNAP, Dot1Q, Dot1AD, CookedLinux, CookedLinuxV2, Loopback),
    *(LoopbackOpenBSD, HDLC, PPP, PPPoE, MPLS, EoMCW, GRE, GRE_PPTP, VXLAN, AH, _IPv6ExtHdr),
)


@pytest.fixture(autouse=True, scope="module")
def taught_scapy():
    """What scapy does not bind by itself."""
    bind_layers(UDP, VXLAN, dport=8472)
    bind_layers(Ether, Dot1Q, type=0x9100)
    bind_layers(CookedLinuxV2, Dot1AD, proto=0x88A8)
    bind_layers(PPP, MPLS, proto=0x281)
    for family in (10, 24, 28, 30):
        bind_layers(Loopback, IPv6, type=family)
    logging.getLogger("scapy").setLevel(logging.CRITICAL)


def scapy_packets(path: Path) -> Iterator[tuple[bytes, int, int]]:
    """Captured bytes, length on the wire and time in ns, up to where scapy gives up."""
    with path.open("rb") as file:
        try:
            reader = RawPcapReader(file)
            while True:
                frame, meta = reader._read_packet(size=1 << 24)
                if isinstance(reader, RawPcapNgReader):
                    ticks = ((meta.tshigh or 0) << 32) + (meta.tslow or 0)
                    ns = ticks * 10**9 // (meta.tsresol or 10**6)
                    if meta.tshigh is None:  # a simple packet block
                        frame = b""  # scapy cuts it by another section's rule
                else:
                    ns = meta.sec * 10**9 + meta.usec * (1 if reader.nano else 1000)
                yield frame, meta.wirelen, ns
        except Exception:  # of whatever class, it says that the file has ended or is damaged
            return


def readable(corpus: list[Path]):
    for path in corpus:
        try:
            yield path, *h.read_all(path)
        except NotACapture:
            continue


def test_every_file_is_read_or_refused_by_name(corpus):
    refused = []
    for path in corpus:
        try:
            reader, columns = h.read_all(path)
        except SluiceError as error:
            refused.append(type(error))
        else:
            assert len(columns["ts"]) == reader.packets
            assert sum(reader.undecoded.values()) == np.count_nonzero(columns["status"])
    assert set(refused) == {NotACapture}
    assert len(refused) < len(corpus) / 50


def test_lengths_and_times_of_every_packet(corpus):
    for path, reader, columns in readable(corpus):
        theirs = list(scapy_packets(path))
        if b"\xa1\xb2\xcd\x34" in (path.read_bytes()[:4], path.read_bytes()[3::-1]):
            assert not theirs, "scapy does not read the modified dialect"
            continue
        if reader.damage is None:
            assert len(theirs) == reader.packets, path
        else:  # scapy hands out packets that the end of the file cuts
            assert len(theirs) >= reader.packets, path
        frames, lengths, times = zip(*theirs, strict=True) if theirs else ((), (), ())
        n = reader.packets
        assert columns["length"].tolist() == list(lengths[:n]), path
        assert columns["ts"].tolist() == list(times[:n]), path
        # Of simple packet blocks without a snapshot length scapy keeps no byte.
        for captured, frame in zip(columns["captured"].tolist(), frames, strict=False):
            assert captured == len(frame) or not frame, path


def innermost_ip(packet: Packet) -> Packet | None:
    found = None
    while isinstance(packet, (*FOLLOWED, IP, IPv6, UDP)):
        if isinstance(packet, (IP, IPv6)):
            found = packet
        elif isinstance(packet, UDP) and not isinstance(packet.payload, VXLAN):
            break
        packet = packet.payload
    return found


def expected_row(ip: Packet) -> dict[str, int]:
    """What scapy says of an IP packet and its transport header."""
    family, ttl = (socket.AF_INET, "ttl") if isinstance(ip, IP) else (socket.AF_INET6, "hlim")
    mapped = h.MAPPED if isinstance(ip, IP) else 0
    row = {
        "src": int.from_bytes(socket.inet_pton(family, ip.src)) | mapped,
        "dst": int.from_bytes(socket.inet_pton(family, ip.dst)) | mapped,
        "ttl": getattr(ip, ttl),
    }
    total, header = (ip.len, ip.ihl * 4) if isinstance(ip, IP) else (ip.plen and ip.plen + 40, 40)
    transport = ip.payload
    while isinstance(transport, _IPv6ExtHdr):
        header += len(transport) - len(transport.payload)
        transport = transport.payload
    if isinstance(transport, (TCP, UDP, SCTP)):
        row |= {"sport": transport.sport, "dport": transport.dport}
    if isinstance(transport, TCP):
        row |= {"flags": int(transport.flags) & 0xFF, "seq": transport.seq, "proto": 6}
        row |= {"window": transport.window}
        header += max(20, transport.dataofs * 4)
    if isinstance(transport, ICMP):
        row |= {"icmp": transport.type << 8 | transport.code, "proto": 1}
    if total:  # else the frame tells
        row |= {"ip_bytes": total}
        row |= {"payload": max(0, total - header)} if isinstance(transport, TCP) else {}
    return row


def our_row(columns: dict[str, np.ndarray], row: int) -> dict[str, int]:
    ours = {name: int(column[row]) for name, column in columns.items()}
    for side in ("src", "dst"):
        ours[side] = ours[f"{side}_hi"] << 64 | ours[f"{side}_lo"]
    return ours


def comparable(packet: Packet, frame: bytes, status: int) -> bool:
    """False where scapy is no judge."""
    return not (
        status == Undecoded.MALFORMED  # scapy reads on through a header that contradicts itself
        or not frame  # a simple packet block, see above
        or AH in packet  # opaque to scapy, which holds it for encrypted
        or IPv6ExtHdrSegmentRouting in packet  # read beyond its own length
        or any(isinstance(ip, IPv6) and ip.version != 6 for ip in packet.iterpayloads())
    )


def test_fields_of_a_sample_of_packets(corpus):
    compared = tripped = 0
    for path, reader, columns in readable(corpus):
        frames = [frame for frame, _, _ in scapy_packets(path)][: reader.packets]
        for row in range(0, len(frames), max(1, len(frames) // SAMPLE)):
            link = reader.interfaces[columns["interface"][row]].link_type
            layer = conf.l2types.num2layer.get(link)
            if layer is None:
                continue
            try:
                packet = layer(frames[row])
            except Exception:  # scapy's dissectors of what lies above trip over fuzzed packets
                tripped += 1
                continue
            if not comparable(packet, frames[row], columns["status"][row]):
                continue
            ip = innermost_ip(packet)
            assert (columns["status"][row] == 0) == (ip is not None), (path, row, packet.summary())
            ours = our_row(columns, row)
            theirs = expected_row(ip) if ip is not None else {}
            assert theirs.items() <= ours.items(), (path, row, packet.summary(), theirs, ours)
            compared += 1
    assert compared > 20_000
    assert tripped < compared / 1000


def test_gzip_of_every_tenth_file_gives_the_same_packets(corpus, write):
    for path, reader, columns in readable(corpus[::10]):
        squeezed, others = h.read_all(write(gzip.compress(path.read_bytes(), 1)), block_bytes=5000)
        assert squeezed.undecoded == reader.undecoded
        for name, column in columns.items():
            np.testing.assert_array_equal(column, others[name], f"{path} {name}")
