"""Fragments and tunnels, from frames made by hand."""

import struct

import pytest

from agent.capture.packets import Undecoded
from tests.agent.capture import helpers as h

IP4 = h.ipv4(h.tcp(b"hello"), 6)
IP6 = h.ipv6(h.udp(b"hey"), 17)
MAC = int.from_bytes(h.MAC)

# ── Fragments ────────────────────────────────────────────────────────────────────────────────────

FIRST = h.ethernet(h.ipv4(h.udp(bytes(24)), 17, fragment=0x2000))
TAIL = h.ethernet(h.ipv4(bytes(100), 17, fragment=4))


def test_tail_fragments_take_the_ports_of_the_first():
    rows = h.decode_all([TAIL, FIRST, TAIL, h.FRAME, TAIL])
    assert [row["dport"] for row in rows] == [0, 53, 53, 80, 53]
    assert [row["payload"] for row in rows] == [100, 24, 100, 5, 100]
    assert {row["status"] for row in rows} == {0}


def test_fragments_of_another_packet_do_not():
    others = [{"id": 8}, {"src": h.DST}, {"dst": h.SRC}]
    tails = [h.ethernet(h.ipv4(bytes(100), 17, fragment=4, **other)) for other in others]
    tails.append(h.ethernet(h.ipv4(bytes(100), 6, fragment=4)))
    assert [row["dport"] for row in h.decode_all([FIRST, *tails])] == [53, 0, 0, 0, 0]


def ipv6_fragment(payload: bytes, following: int, offset: int, more: int, ident: int = 5) -> bytes:
    head = struct.pack(">BBHI", following, 0, offset << 3 | more, ident)
    return h.ethernet(h.ipv6(head + payload, 44), 0x86DD)


def test_ipv6_fragments():
    first = ipv6_fragment(b"\x06" + bytes(7) + h.tcp(), 60, 0, 1)
    rows = h.decode_all(
        [first, ipv6_fragment(bytes(50), 60, 4, 0), ipv6_fragment(b"", 60, 4, 0, 6)]
    )
    assert [(row["proto"], row["dport"]) for row in rows] == [(6, 80), (6, 80), (60, 0)]
    assert [row["payload"] for row in rows] == [0, 50, 0]


def test_atomic_fragments_are_whole_packets():
    atomic = ipv6_fragment(h.tcp(b"hello"), 6, 0, 0)
    rows = h.decode_all([atomic, ipv6_fragment(bytes(9), 6, 4, 0)])
    assert [(row["dport"], row["payload"]) for row in rows] == [(80, 5), (0, 9)]


def test_the_cache_of_first_fragments_is_bounded():
    frames = [h.ethernet(h.ipv4(h.udp(), 17, fragment=0x2000, id=i)) for i in range(5000)]
    tails = [h.ethernet(h.ipv4(b"", 17, fragment=1, id=i)) for i in range(5000)]
    found = sum(row["dport"] == 53 for row in h.decode_all(frames + tails)[5000:])
    assert 1000 < found <= 4096


# ── Tunnels ───────────────────────────────────────────────────────────────────────────────────────

OUTER = {"src": bytes([192, 0, 2, 1]), "dst": bytes([192, 0, 2, 2])}
INNER_SRC = h.MAPPED | 0x0A000001


def vxlan(inside: bytes, port: int = 4789, flags: int = 8) -> bytes:
    return h.ipv4(h.udp(bytes([flags]) + bytes(7) + inside, dport=port), 17, **OUTER)


@pytest.mark.parametrize(
    "packet",
    [
        h.ipv4(IP4, 4, **OUTER),
        h.ipv6(IP4, 4),
        h.ipv4(struct.pack(">HH", 0, 0x0800) + IP4, 47, **OUTER),
        h.ipv4(struct.pack(">HH12x", 0xB000, 0x0800) + IP4, 47, **OUTER),
        h.ipv4(struct.pack(">HH4x", 0x2000, 0x6558) + h.FRAME, 47, **OUTER),
        h.ipv4(struct.pack(">HH12x", 0x3081, 0x880B) + b"\xff\x03\x00\x21" + IP4, 47, **OUTER),
        vxlan(h.FRAME),
        vxlan(h.FRAME, 8472),
        vxlan(h.ethernet(vxlan(h.FRAME))),
    ],
)
def test_tunnels_are_followed(packet):
    row = h.decode(packet, 101)
    assert (row["status"], row["src_lo"], row["proto"]) == (0, INNER_SRC, 6)
    assert (row["dport"], row["payload"], row["ip_bytes"]) == (80, 5, len(IP4))


def test_6in4():
    row = h.decode(h.ethernet(h.ipv4(IP6, 41, **OUTER)))
    assert (row["proto"], row["dport"], row["ttl"]) == (17, 53, 63)


def test_mac_and_vlan_are_those_of_the_innermost_ethernet():
    outer = b"\xff" * 6 + bytes.fromhex("0200000000ff") + b"\x81\x00"
    frame = outer + h.tag(vxlan(h.ethernet(h.tag(IP4, 7), 0x8100)), 9)
    row = h.decode(frame)
    assert (row["src_mac"], row["vlan"]) == (MAC, 7)
    row = h.decode(outer + h.tag(h.ipv4(IP4, 4), 9))
    assert (row["src_mac"], row["vlan"]) == (0x0200000000FF, 9)


@pytest.mark.parametrize(
    ("packet", "proto"),
    [
        (vxlan(h.ethernet(bytes(28), 0x0806)), 17),
        (vxlan(b"short"), 17),
        (vxlan(h.FRAME, flags=0), 17),
        (vxlan(h.ethernet(h.ipv4(b"", 6, first=0x41))), 17),
        (h.ipv4(b"", 4, **OUTER), 4),
        (h.ipv4(struct.pack(">HH", 0, 0x1234) + IP4, 47, **OUTER), 47),
        (h.ipv4(struct.pack(">HH", 0x4000, 0x0800) + IP4, 47, **OUTER), 47),
        (h.ipv4(b"\0\0", 47, **OUTER), 47),
    ],
)
def test_a_tunnel_around_something_else_counts_as_its_outer_packet(packet, proto):
    row = h.decode(packet, 101)
    assert (row["status"], row["proto"]) == (0, proto)
    assert row["src_lo"] == h.MAPPED | 0xC0000201
    assert row["ip_bytes"] == len(packet)


def nested(depth: int) -> bytes:
    packet = IP4
    for _ in range(depth):
        packet = h.ipv4(packet, 4, **OUTER)
    return packet


def test_eight_encapsulations_are_followed_and_no_more():
    assert h.decode(nested(8), 101)["src_lo"] == INNER_SRC
    row = h.decode(nested(9), 101)
    assert Undecoded(row["status"]) is Undecoded.TOO_DEEP
    assert row["src_lo"] == row["ip_bytes"] == row["proto"] == row["ttl"] == 0


def test_tail_fragments_of_a_tunnel_stay_outside():
    tail = h.ipv4(IP4, 4, fragment=4, **OUTER)
    assert h.decode(tail, 101)["proto"] == 4
