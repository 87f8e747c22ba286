"""Frames are those that scapy would build."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw

from training.gateway.synth import wire as wires
from training.gateway.synth.icmp import echo
from training.gateway.synth.stack import Stack
from training.gateway.synth.wire import Host, Wire

ENDS = {
    4: (Host("02:00:00:00:00:01", "192.168.1.2"), Host("02:00:00:00:00:02", "203.0.113.9")),
    6: (Host("02:00:00:00:00:01", "fd00::2"), Host("02:00:00:00:00:02", "2001:db8::9")),
}
PORTS = st.integers(1, 65535)
WORDS = st.integers(0, 2**32 - 1)


@pytest.fixture(autouse=True, scope="module")
def whole() -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wires, "SNAPLEN", 65535)
        yield


def built(version: int, upper: Packet) -> bytes:
    one, other = ENDS[version]
    wire = Wire(1, 0)
    wire.put(0, one, other, upper, "")
    return wire._frames[0][2]


def only(wire: Wire) -> bytes:
    (_, size, frame), *_ = wire._frames
    assert len(frame) == size
    return frame


@settings(max_examples=40)
@given(st.sampled_from((4, 6)), PORTS, PORTS, WORDS, WORDS, st.binary(max_size=40), PORTS)
def test_a_segment(
    version: int, sport: int, dport: int, seq: int, ack: int, head: bytes, window: int
) -> None:
    wire, (one, other) = Wire(1, 0), ENDS[version]
    stack = Stack()
    size = len(head) + 31
    numbers, options = (seq, ack), stack.syn_options(version == 6)
    wire.segment(0, one, other, (sport, dport), numbers, 0x18, window, "", options, head, size)
    header = TCP(sport=sport, dport=dport, seq=seq, ack=ack, flags="PA", window=window)
    mss = 1440 if version == 6 else 1460
    header.options = [("MSS", mss), ("NOP", None), ("WScale", 7), ("SAckOK", b"")]
    assert only(wire) == built(version, header / Raw(head.ljust(size, b"\0")))


@settings(max_examples=40)
@given(st.sampled_from((4, 6)), PORTS, PORTS, st.binary(max_size=40))
def test_a_datagram(version: int, sport: int, dport: int, head: bytes) -> None:
    wire, (one, other) = Wire(1, 0), ENDS[version]
    wire.datagram(0, one, other, (sport, dport), len(head) + 3, "", head)
    upper = UDP(sport=sport, dport=dport) / Raw(head + bytes(3))
    assert only(wire) == built(version, upper)


def test_an_echo() -> None:
    for version, layer in ((4, ICMP), (6, ICMPv6EchoRequest)):
        wire, (one, other) = Wire(1, 0), ENDS[version]
        echo(wire, 0, one, other, 20, "")
        frame = Ether(only(wire))
        assert len(frame) == 14 + (20 if version == 4 else 40) + 8 + 20
        assert layer in frame
        sent = frame[layer].chksum if version == 4 else frame[layer].cksum
        again = frame[IP if version == 4 else IPv6].copy()
        if version == 4:
            del again[layer].chksum
            assert IP(bytes(again))[layer].chksum == sent
        else:
            del again[layer].cksum
            assert IPv6(bytes(again))[layer].cksum == sent


def test_options_by_hand() -> None:
    assert Stack().syn_options(False).hex() == "020405b4" + "01030307" + "04020000"
    raw = Stack(mss=1400, scale=None, sack=False)
    assert raw.syn_options(False).hex() == "02040578"
    assert raw.syn_options(True).hex() == "02040564"
    stamped = raw.syn_options(False, stamp=258)
    assert stamped.hex() == "02040578" + "0101080a" + "00000102" + "00000000"


def test_ports_are_of_the_stacks_range_and_never_twice() -> None:
    wire, host = Wire(1, 0), Host("", "10.0.0.1", stack=Stack(ports=(100, 139)))
    assert sorted(wire.port(host) for _ in range(40)) == list(range(100, 140))
