"""Every encapsulation, from frames made by hand."""

import struct

import pytest

from agent.capture.packets import Undecoded
from tests.agent.capture import helpers as h

IP4 = h.ipv4(h.tcp(b"hello"), 6)
IP6 = h.ipv6(h.udp(b"hey"), 17)
MAC = int.from_bytes(h.MAC)


def status(frame, link=1):
    return Undecoded(h.decode(frame, link)["status"])


def test_tcp_fields():
    row = h.decode(h.ethernet(h.ipv4(h.tcp(b"hello", options=bytes(8)), 6)))
    expected = {
        "status": 0,
        "src_mac": MAC,
        "src_hi": 0,
        "src_lo": h.MAPPED | 0x0A000001,
        "dst_lo": h.MAPPED | 0x0A000002,
        "vlan": 0,
        "sport": 1234,
        "dport": 80,
        "proto": 6,
        "ttl": 64,
        "ip_bytes": 53,
        "payload": 5,
        "flags": 0x12,
        "window": 4096,
        "seq": 0xDEADBEEF,
        "icmp": 0,
    }
    assert {name: row[name] for name in expected} == expected


def test_ipv6_fields():
    row = h.decode(h.ethernet(IP6, 0x86DD))
    assert (row["src_hi"] << 64 | row["src_lo"]).to_bytes(16) == h.SRC6
    assert (row["dst_hi"] << 64 | row["dst_lo"]).to_bytes(16) == h.DST6
    assert (row["sport"], row["dport"], row["proto"], row["ttl"]) == (5353, 53, 17, 63)
    assert (row["ip_bytes"], row["payload"]) == (51, 3)


@pytest.mark.parametrize(
    ("proto", "transport", "field", "value", "payload"),
    [
        (1, b"\x03\x01" + bytes(10), "icmp", 0x0301, 4),
        (58, b"\x80\x00" + bytes(10), "icmp", 0x8000, 4),
        (132, struct.pack(">HHII", 7, 9, 0, 0) + b"data", "dport", 9, 4),
        (50, b"encrypted", "dport", 0, 9),
        (253, b"", "proto", 253, 0),
    ],
)
def test_other_protocols(proto, transport, field, value, payload):
    row = h.decode(h.ethernet(h.ipv4(transport, proto)))
    assert (row[field], row["payload"], row["proto"]) == (value, payload, proto)


# ── Links ─────────────────────────────────────────────────────────────────────────────────────────

SLL = struct.pack(">HHH8s", 0, 1, 6, h.MAC)
SLL2 = struct.pack(">HIHBB8s", 0, 3, 1, 0, 6, h.MAC)


@pytest.mark.parametrize(
    ("link", "frame"),
    [
        *((link, ip) for link in (12, 14, 101) for ip in (IP4, IP6)),
        (228, IP4),
        (229, IP6),
        (113, SLL + b"\x08\x00" + IP4),
        (113, SLL + b"\x81\x00" + h.tag(IP6, 4, 0x86DD)),
        (113, SLL + b"\x00\x04\xaa\xaa\x03\0\0\0\x08\x00" + IP4),
        (276, b"\x86\xdd\0\0" + SLL2[2:] + IP6),
        (0, b"\x02\0\0\0" + IP4),
        (0, b"\0\0\0\x02" + IP4),
        *((0, bytes([family, 0, 0, 0]) + IP6) for family in (10, 24, 28, 30)),
        (108, b"\0\0\0\x18" + IP6),
        (9, b"\xff\x03\x00\x21" + IP4),
        (9, b"\x00\x57" + IP6),
        (9, b"\x21" + IP4),
        (9, b"\x02\x81\x00\x00\x11\x40" + IP4),
        (50, b"\x0f\x00\x08\x00" + IP4),
        (104, b"\x0f\x00\x86\xdd" + IP6),
    ],
)
def test_link_types(link, frame):
    row = h.decode(frame, link)
    assert row["status"] == 0
    assert row["dport"] in (80, 53)
    assert row["src_mac"] == (MAC if link in (113, 276) else 0)


@pytest.mark.parametrize(
    ("link", "frame", "why"),
    [
        (105, h.FRAME, Undecoded.LINK_TYPE),
        (101, b"\x50", Undecoded.MALFORMED),
        (228, IP6, Undecoded.MALFORMED),
        (229, IP4 + bytes(20), Undecoded.MALFORMED),
        (0, b"\x07\0\0\0" + IP4, Undecoded.OTHER_ETHERTYPE),
        (0, b"\x07\x01\x01\0" + IP4, Undecoded.OTHER_ETHERTYPE),
        (113, SLL + b"\x00\x01" + IP4, Undecoded.OTHER_ETHERTYPE),
        (113, SLL + b"\x00\x04\x42\x42\x03", Undecoded.LLC),
        (9, b"\xff\x03\xc0\x21", Undecoded.PPPOE_CONTROL),
        (104, b"\x8f\x00\x20\x00", Undecoded.OTHER_ETHERTYPE),
        *((link, b"", Undecoded.TRUNCATED) for link in (0, 1, 9, 101, 104, 113, 228, 229, 276)),
    ],
)
def test_links_without_ip(link, frame, why):
    assert status(frame, link) is why


# ── Between link and IP ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("outer", [0x8100, 0x88A8, 0x9100])
def test_vlan_tags(outer):
    one = h.decode(h.ethernet(h.tag(IP4, 0xF005), outer))
    two = h.decode(h.ethernet(h.tag(h.tag(IP4, 6), 5, 0x8100), outer))
    assert (one["vlan"], two["vlan"]) == (5, 5 << 12 | 6)
    assert one["dport"] == two["dport"] == 80


def test_of_many_tags_the_innermost_two_are_kept():
    frame = IP4
    for vid, kind in ((1, 0x0800), (2, 0x8100), (3, 0x8100), (4, 0x8100)):
        frame = h.tag(frame, vid, kind)
    assert h.decode(h.ethernet(frame, 0x8100))["vlan"] == 2 << 12 | 1


@pytest.mark.parametrize("labels", [b"\0\1\x01\x40", b"\0\1\x00\x40\0\1\x01\x40"])
@pytest.mark.parametrize("inside", [IP4, IP6, bytes(4) + h.FRAME])
def test_mpls(labels, inside):
    assert h.decode(h.ethernet(labels + inside, 0x8847))["ip_bytes"] in (len(IP4), len(IP6))


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        (h.ethernet(b"\0\1\x01\x40\x10\0\0\0", 0x8847), Undecoded.MPLS),
        (h.ethernet(b"\0\1\x00\x40", 0x8847), Undecoded.TRUNCATED),
        (h.ethernet(b"\x42\x42\x03", 3), Undecoded.LLC),
        (h.ethernet(b"\xaa\xaa\x03\0\0\x0c\x20\0", 8), Undecoded.LLC),
        (h.ethernet(b"\xaa\xaa\x03\0\0", 5), Undecoded.TRUNCATED),
        (h.ethernet(bytes(28), 0x0806), Undecoded.ARP),
        (h.ethernet(h.tag(bytes(28), 1, 0x0806), 0x8100), Undecoded.ARP),
        (h.ethernet(b"", 0x88CC), Undecoded.LLDP),
        (h.ethernet(b"", 0x888E), Undecoded.EAPOL),
        (h.ethernet(b"", 0x88E5), Undecoded.MACSEC),
        (h.ethernet(b"", 0x8863), Undecoded.PPPOE_CONTROL),
        (h.ethernet(b"\x11\0\0\1\0\4\xc0\x21", 0x8864), Undecoded.PPPOE_CONTROL),
        (h.ethernet(b"\x11\7\0\1\0\4\x00\x21" + IP4, 0x8864), Undecoded.PPPOE_CONTROL),
        (h.ethernet(b"\x22\0\0\1\0\4\x00\x21" + IP4, 0x8864), Undecoded.MALFORMED),
        (h.ethernet(b"", 0x1234), Undecoded.OTHER_ETHERTYPE),
        (h.ethernet(b"\0\5", 0x8100), Undecoded.TRUNCATED),
    ],
)
def test_frames_without_ip(frame, why):
    row = h.decode(frame)
    assert Undecoded(row["status"]) is why
    assert row["src_mac"] == row["vlan"] == 0


@pytest.mark.parametrize("ppp", [b"\x00\x21" + IP4, b"\x00\x57" + IP6])
def test_pppoe_session(ppp):
    assert status(h.ethernet(b"\x11\0\0\1" + struct.pack(">H", len(ppp)) + ppp, 0x8864)) == 0


def test_llc_snap():
    assert h.decode(h.ethernet(b"\xaa\xaa\x03\0\0\0\x08\x00" + IP4, 60))["dport"] == 80


# ── IP ────────────────────────────────────────────────────────────────────────────────────────────


def test_ethernet_padding_is_no_payload():
    assert h.decode(h.ethernet(h.ipv4(h.tcp(), 6)) + bytes(6))["payload"] == 0


def test_total_length_zero_takes_the_length_on_the_wire():
    row = h.decode(h.ethernet(h.ipv4(h.tcp(b"hello"), 6, total=0)), wire=9000)
    assert (row["ip_bytes"], row["payload"]) == (8986, 8946)
    row = h.decode(h.ethernet(h.ipv6(h.tcp(b"hello"), 6, length=0), 0x86DD), wire=9000)
    assert (row["ip_bytes"], row["payload"]) == (8986, 8926)


def test_total_length_beyond_the_frame_is_believed():
    row = h.decode(h.ethernet(h.ipv4(h.tcp(b"hello"), 6, total=1500)))
    assert (row["ip_bytes"], row["payload"]) == (1500, 1460)


@pytest.mark.parametrize(
    "change", [{"first": 0x44}, {"first": 0x55}, {"total": 19}, {"first": 0x46, "total": 20}]
)
def test_contradictions_are_malformed(change):
    assert status(h.ethernet(h.ipv4(h.tcp(), 6, **change))) is Undecoded.MALFORMED


def test_a_cut_ip_header_is_truncated():
    assert status(h.ethernet(IP4[:19])) is Undecoded.TRUNCATED
    assert status(h.ethernet(IP6[:39], 0x86DD)) is Undecoded.TRUNCATED


@pytest.mark.parametrize("left", range(21))
def test_a_cut_tcp_header_gives_what_is_there(left):
    row = h.decode(h.ethernet(IP4)[: 34 + left], wire=len(IP4) + 14)
    assert (row["status"], row["proto"], row["ip_bytes"]) == (0, 6, len(IP4))
    assert row["sport"] == (1234 if left >= 4 else 0)
    assert row["seq"] == (0xDEADBEEF if left >= 8 else 0)
    assert row["flags"] == (0x12 if left >= 14 else 0)
    assert row["window"] == (4096 if left >= 16 else 0)
    assert row["payload"] == 5


@pytest.mark.parametrize(("offset", "payload"), [(0, 5), (4, 5), (15, 0)])
def test_a_tcp_header_length_that_lies(offset, payload):
    segment = bytearray(h.tcp(b"hello"))
    segment[12] = offset << 4
    assert h.decode(h.ethernet(h.ipv4(bytes(segment), 6)))["payload"] == payload


def extension(kind: int, following: int, words: int = 0) -> bytes:
    """AH counts its length in other units."""
    return bytes([following, words * 2 if kind == 51 else words]) + bytes(6 + 8 * words)


@pytest.mark.parametrize("kind", [0, 43, 51, 60, 135, 139, 140])
@pytest.mark.parametrize("words", [0, 2])
def test_ipv6_extension_headers(kind, words):
    row = h.decode(h.ethernet(h.ipv6(extension(kind, 17, words) + h.udp(b"hey"), kind), 0x86DD))
    assert (row["proto"], row["dport"], row["payload"]) == (17, 53, 3)


def test_a_long_chain_of_extension_headers():
    chain = b"".join(extension(60, 60) for _ in range(5000)) + b"\x06\0" + bytes(6)
    row = h.decode(h.ethernet(h.ipv6(chain + h.tcp(), 60), 0x86DD))
    assert (row["proto"], row["dport"]) == (6, 80)


def test_an_extension_header_that_lies_about_its_length():
    row = h.decode(h.ethernet(h.ipv6(b"\x06\xff" + bytes(6) + h.tcp(), 0), 0x86DD))
    assert (row["status"], row["proto"], row["dport"], row["payload"]) == (0, 6, 0, 0)


def test_no_next_header():
    row = h.decode(h.ethernet(h.ipv6(b"", 59) + bytes(10), 0x86DD))
    assert (row["status"], row["proto"], row["ip_bytes"]) == (0, 59, 40)


def test_authentication_header_in_ipv4():
    assert h.decode(h.ethernet(h.ipv4(extension(51, 6, 2) + h.tcp(), 51)))["dport"] == 80
