"""Every file format, from bytes made by hand."""

import gzip
import os
import struct
import threading

import numpy as np
import pytest

from agent.capture.files import Interface, open_capture
from agent.errors import CaptureUnreadable, NotACapture
from tests.agent.capture import helpers as h

SECOND = 1_000_000_000


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("magic", "tick_ns", "more"),
    [(0xA1B2C3D4, 1000, b""), (0xA1B23C4D, 1, b""), (0xA1B2CD34, 1000, bytes(8))],
)
def test_pcap_dialects(write, order, magic, tick_ns, more):
    records = [h.pcap_record(h.FRAME, s, 5, order, more=more, wire=900) for s in (1, 1 << 31)]
    reader, columns = h.read_all(write(h.pcap_header(order, magic) + b"".join(records)))
    assert columns["ts"].tolist() == [s * SECOND + 5 * tick_ns for s in (1, 1 << 31)]
    assert columns["length"].tolist() == [900, 900]
    assert columns["captured"].tolist() == [len(h.FRAME)] * 2
    assert columns["dport"].tolist() == [80, 80]
    assert (reader.damage, reader.packets, reader.bytes) == (None, 2, 1800)


def test_fcs_bits_do_not_hide_the_link_type(write):
    path = write(h.pcap_header(link=0x5400_0001) + h.pcap_record(h.FRAME))
    reader, columns = h.read_all(path)
    assert reader.interfaces == [Interface("", 1)]
    assert columns["status"].tolist() == [0]


def test_excess_microseconds_add_up(write):
    path = write(h.pcap_header() + h.pcap_record(h.FRAME, 1, 0xFFFFFFFF))
    assert h.read_all(path)[1]["ts"].tolist() == [SECOND + 0xFFFFFFFF * 1000]


@pytest.mark.parametrize("order", ["<", ">"])
def test_pcapng_packet_blocks(write, order):
    blocks = [
        h.section(order),
        h.interface(order=order, snap=40),
        h.enhanced(h.FRAME, 7, order=order),
        h.block(0x0BAD, b"skip me", order),
        h.simple(h.FRAME[:40], 1000, order),
        h.obsolete(h.FRAME, (1 << 32) + 9, order=order),
    ]
    reader, columns = h.read_all(write(b"".join(blocks)))
    assert columns["ts"].tolist() == [7000, 0, ((1 << 32) + 9) * 1000]
    assert columns["length"].tolist() == [len(h.FRAME), 1000, len(h.FRAME)]
    assert columns["captured"].tolist() == [len(h.FRAME), 40, len(h.FRAME)]
    assert reader.damage is None


def test_sections_have_their_own_order_and_interfaces(write):
    path = write(
        h.section("<")
        + h.interface(options=h.option(2, b"eth0") + h.option(0, b""))
        + h.enhanced(h.FRAME)
        + h.interface(link=101)
        + h.enhanced(h.FRAME[14:], index=1)
        + h.section(">")
        + h.interface(228, h.option(2, b"tun0", ">"), ">")
        + h.enhanced(h.FRAME[14:], order=">")
    )
    reader, columns = h.read_all(path)
    assert reader.interfaces == [Interface("eth0", 1), Interface("", 101), Interface("tun0", 228)]
    assert columns["interface"].tolist() == [0, 1, 2]
    assert columns["seq"].tolist() == [0xDEADBEEF] * 3


MOST = 2**63 - 1


@pytest.mark.parametrize(
    ("resolution", "origin_s", "ticks", "ns"),
    [
        (0, 0, 3, 3 * SECOND),
        (3, 0, 3, 3_000_000),
        (9, 0, 3, 3),
        (12, 0, 3999, 3),
        (29, 0, 1 << 63, 0),
        (127, 0, 1 << 63, 0),
        (6, 5, 1, 5 * SECOND + 1000),
        (6, -5, 1, -5 * SECOND + 1000),
        (0, 0, 1 << 63, MOST),
        (9, 0, (1 << 64) - 1, MOST),
        (9, 1 << 62, 1, MOST),
        (9, -(1 << 63), 0, -MOST),
        (0x80, 0, 3, 3 * SECOND),
        (0x80 | 10, 0, 1024 + 512, SECOND + SECOND // 2),
        (0x80 | 32, 0, (1 << 32) + (1 << 31), SECOND + SECOND // 2),
        (0x80 | 40, 0, (1 << 40) + (1 << 39), SECOND + SECOND // 2),
        (0x80 | 64, 0, 1 << 63, SECOND // 2),
        (0x80 | 95, 0, (1 << 64) - 1, 0),
        (0x80 | 127, 0, (1 << 64) - 1, 0),
        (0x80, 0, (1 << 64) - 1, MOST),
    ],
)
def test_pcapng_clocks(write, resolution, origin_s, ticks, ns):
    options = h.option(9, bytes([resolution])) + h.option(14, struct.pack("<q", origin_s))
    path = write(h.section() + h.interface(options=options) + h.enhanced(h.FRAME, ticks))
    assert h.read_all(path)[1]["ts"].tolist() == [ns]


@pytest.mark.parametrize("members", [1, 2])
@pytest.mark.parametrize("padding", [b"", bytes(100)])
@pytest.mark.parametrize("block_bytes", [1, 7, 100, 1 << 20])
def test_gzip_is_known_by_its_magic(write, members, padding, block_bytes):
    content = h.pcapng([h.FRAME] * 10)
    cut = len(content) // members
    parts = [content[:cut], content[cut:]] if members == 2 else [content]
    path = write(b"".join(map(gzip.compress, parts)) + padding)
    reader, columns = h.read_all(path, block_bytes=block_bytes)
    assert columns["ts"].tolist() == [s * SECOND for s in range(10)]
    assert reader.damage is None


def test_pipe(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(h.pcap([h.FRAME] * 9),))
    writer.start()
    reader, columns = h.read_all(path)
    writer.join()
    assert len(columns["ts"]) == 9
    assert reader.size == 0


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
@pytest.mark.parametrize("make", [h.pcap, h.pcapng])
@pytest.mark.parametrize("sizes", [(1, 1), (7, 33), (8192, 100), (3, 1 << 20)])
def test_blocks_and_batches_do_not_change_the_packets(write, compress, make, sizes):
    frames = [h.ethernet(h.ipv4(h.udp(bytes(n)), 17)) for n in (0, 9, 1400, 3, 700, 1, 2)]
    path = write(compress(make(frames)))
    _, expected = h.read_all(path)
    reader, columns = h.read_all(path, batch_packets=sizes[0], block_bytes=sizes[1])
    assert reader.damage is None
    for name, column in columns.items():
        np.testing.assert_array_equal(column, expected[name], name)


def test_undecoded_packets_are_counted_by_name(write):
    frames = [h.ethernet(bytes(28), 0x0806), h.ethernet(b"\x42\x42\x03", 3), h.FRAME, b"\0"]
    reader, columns = h.read_all(write(h.pcap(frames)))
    assert reader.undecoded == {"arp": 1, "llc": 1, "truncated": 1}
    assert len(columns["status"]) == reader.packets == 4
    reader, _ = h.read_all(write(h.pcap(frames, link=127)))
    assert reader.undecoded == {"link-type IEEE802_11_RADIO": 4}


def test_progress_reaches_the_size(write):
    with open_capture(write(h.pcap([h.FRAME] * 100)), block_bytes=500) as reader:
        seen = [reader.position for _ in reader.batches()]
    assert seen == sorted(seen)
    assert seen[-1] == reader.size == reader.position


def test_closing_ends_the_iteration(write):
    reader = open_capture(write(h.pcap([h.FRAME] * 10)), batch_packets=2)
    batches = reader.batches()
    next(batches)
    reader.close()
    assert list(batches) == []


@pytest.mark.parametrize(
    "content", [b"this is text, not a capture", b"\0" * 64, b"PK\3\4", b"\x0a\x0b"]
)
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_what_is_no_capture_is_named_so(write, content, compress):
    path = write(compress(content))
    with pytest.raises(NotACapture, match="pcap and pcapng") as error:
        open_capture(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_what_cannot_be_opened_is_named_so(tmp_path):
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(CaptureUnreadable, match=str(path)):
            open_capture(path)
