"""Damage ends the reading, never with an exception, and tells where it is."""

import contextlib
import gzip
import random
import struct
import tracemalloc
import zlib
from functools import partial

import pytest

from agent.capture.files import open_capture
from agent.errors import SluiceError
from tests.agent.capture import helpers as h

RECORD = len(h.pcap_record(h.FRAME))
BLOCK = len(h.enhanced(h.FRAME))
NG_START = len(h.section() + h.interface())


def damage_of(path):
    reader, _ = h.read_all(path)
    return reader.packets, reader.damage.offset, reader.damage.reason


@pytest.mark.parametrize("content", [b"", b"\xd4", b"\x1f", h.pcap([])[:12], h.section()[:9]])
def test_a_cut_header_is_damage(write, content):
    packets, offset, reason = damage_of(write(content))
    assert (packets, offset) == (0, 0)
    assert "empty" in reason or "ends inside" in reason


@pytest.mark.parametrize("content", [h.pcap([]), h.section(), h.section() + h.interface()])
def test_a_capture_without_packets_is_told(write, content):
    assert damage_of(write(content)) == (0, len(content), "the file holds no packet")


@pytest.mark.parametrize("left", range(1, RECORD))
def test_a_cut_pcap_record(write, left):
    content = h.pcap([h.FRAME] * 3)
    path = write(content[: 24 + 2 * RECORD + left])
    assert damage_of(path) == (2, 24 + 2 * RECORD, "the file ends inside a record")


@pytest.mark.parametrize("left", range(4, BLOCK, 4))
def test_a_cut_pcapng_block(write, left):
    path = write(h.pcapng([h.FRAME] * 3)[: NG_START + 2 * BLOCK + left])
    assert damage_of(path) == (2, NG_START + 2 * BLOCK, "the file ends inside a record")


def test_an_absurd_captured_length(write):
    for captured, snap in (
        (256 * 1024 + 1, 65535),
        (0xFFFFFFFF, 0xFFFFFFFF),
        (1 << 24 | 1, 1 << 25),
    ):
        bad = h.pcap_record(b"", captured=captured)
        path = write(h.pcap_header(snap=snap) + h.pcap_record(h.FRAME) + bad + bytes(1 << 10))
        assert damage_of(path) == (1, 24 + RECORD, "a record has an impossible length")


def test_a_long_packet_that_the_snapshot_length_promised(write):
    frame = h.FRAME + bytes(1 << 20)
    reader, _ = h.read_all(write(h.pcap_header(snap=2 << 20) + h.pcap_record(frame)))
    assert (reader.packets, reader.damage) == (1, None)


def lying(total: int, trailer: int) -> bytes:
    good = h.enhanced(h.FRAME)
    return good[:4] + struct.pack("<I", total) + good[8:-4] + struct.pack("<I", trailer)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (lying(0, 0), "impossible length"),
        (lying(8, 8), "impossible length"),
        (lying(BLOCK + 1, BLOCK), "impossible length"),
        (lying(0x7FFFFFFC, BLOCK), "impossible length"),
        (lying(BLOCK, BLOCK + 4), "lengths of a block differ"),
        (h.block(6, bytes(16)), "impossible length"),
        (h.block(3, b""), "impossible length"),
        (h.block(6, struct.pack("<IIIII", 0, 0, 0, 9, 9) + bytes(8)), "longer than its block"),
        (h.enhanced(h.FRAME, index=1), "not declared"),
        (h.block(1, bytes(4)), "impossible length"),
        (h.interface(options=struct.pack("<HH", 2, 400)), "option runs over"),
        (h.section(major=2), "version 2"),
        (h.block(0x0A0D0D0A, bytes(16)), "byte-order mark"),
    ],
)
def test_impossible_blocks(write, bad, reason):
    path = write(h.pcapng([h.FRAME]) + bad + h.enhanced(h.FRAME))
    packets, offset, text = damage_of(path)
    assert (packets, offset) == (1, NG_START + BLOCK)
    assert reason in text


def test_packets_of_an_interface_of_another_section(write):
    path = write(h.pcapng([h.FRAME]) + h.section() + h.enhanced(h.FRAME))
    assert "not declared" in damage_of(path)[2]


@pytest.mark.parametrize("block_bytes", [100, 5000, 1 << 20])
def test_cut_gzip_gives_what_is_before(write, block_bytes):
    frames = [h.ethernet(h.ipv4(h.udp(random.Random(i).randbytes(300)), 17)) for i in range(50)]
    content = h.pcap(frames)
    path = write(gzip.compress(content)[:-5000])
    whole = zlib.decompressobj(31).decompress(path.read_bytes())
    reader, _ = h.read_all(path, block_bytes=block_bytes)
    assert reader.packets == (len(whole) - 24) // (len(frames[0]) + 16)
    assert reader.damage.reason == "the gzip stream is cut short"


@pytest.mark.parametrize("block_bytes", [100, 5000, 1 << 20])
def test_corrupt_gzip_gives_what_is_before(write, block_bytes):
    noise = random.Random(3).randbytes
    content = h.pcap([h.ethernet(h.ipv4(h.udp(noise(300)), 17)) for i in range(50)])
    squeezed = zlib.compressobj(wbits=31)
    half = squeezed.compress(content) + squeezed.flush(zlib.Z_FULL_FLUSH)
    path = write(half + b"\x07" * 100)  # 11 is no block type (RFC 1951, 3.2.3)
    reader, _ = h.read_all(path, block_bytes=block_bytes)
    assert (reader.packets, reader.damage.offset) == (50, len(content))
    assert "gzip stream is damaged" in reader.damage.reason


def test_a_wrong_gzip_checksum_comes_after_the_packets(write):
    squeezed = bytearray(gzip.compress(h.pcap([h.FRAME])))
    squeezed[-8] ^= 1
    reader, _ = h.read_all(write(bytes(squeezed)))
    assert reader.packets == 1
    assert "incorrect data check" in reader.damage.reason


@pytest.mark.parametrize("block_bytes", [1, 100, 1 << 20])
def test_junk_behind_a_gzip_stream(write, block_bytes):
    content = h.pcap([h.FRAME] * 5)
    reader, _ = h.read_all(write(gzip.compress(content) + b"junk"), block_bytes=block_bytes)
    assert (reader.packets, reader.damage.offset) == (5, len(content))
    assert reader.damage.reason == "something else follows the gzip stream"


def test_damage_is_a_line(write):
    reader, _ = h.read_all(write(h.pcap([h.FRAME])[:-1]))
    assert str(reader.damage).endswith("capture: byte 24: the file ends inside a record")


@pytest.mark.parametrize("compress", [bytes, partial(gzip.compress, compresslevel=1)])
def test_memory_does_not_grow_with_the_file(write, compress):
    zeros = h.pcap_record(bytes(1 << 18)) * 256  # 64 MiB, or as little as a bomb
    path = write(compress(h.pcap_header(snap=1 << 20) + zeros))
    tracemalloc.start()
    with open_capture(path, block_bytes=1 << 20) as reader:
        packets = sum(batch.n for batch in reader.batches())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert packets == 256
    assert peak < 8 << 20


def mutate(content: bytes, dice: random.Random) -> bytes:
    """Flip bits, plant lengths that lie, cut or repeat a part."""
    changed = bytearray(content)
    for _ in range(dice.randint(1, 8)):
        at = dice.randrange(len(changed))
        kind = dice.randrange(4)
        if kind == 0:
            changed[at] ^= 1 << dice.randrange(8)
        elif kind == 1:
            word = dice.choice([0, 1, 0xFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, dice.getrandbits(32)])
            changed[at : at + 4] = struct.pack("<I", word)
        elif kind == 2:
            del changed[at : at + dice.randint(1, 40)]
        else:
            changed[at:at] = changed[at : at + dice.randint(1, 40)]
        changed = changed or bytearray(1)
    return bytes(changed)


TUNNEL = h.ipv4(h.udp(b"\x08" + bytes(7) + h.FRAME, dport=4789), 17)
SEEDS = [
    h.FRAME,
    h.ethernet(h.tag(h.tag(TUNNEL, 5), 9, 0x8100), 0x88A8),
    h.ethernet(h.ipv6(b"\x2c\0" + bytes(6) + b"\x11\0\0\1\0\0\0\1" + h.udp(), 0), 0x86DD),
    h.ethernet(h.ipv4(struct.pack(">HHI", 0x2000, 0x6558, 5) + h.FRAME, 47)),
]


@pytest.mark.parametrize("make", [h.pcap, h.pcapng, lambda frames: gzip.compress(h.pcap(frames))])
def test_mutated_captures_raise_nothing_else(write, make):
    dice = random.Random(20)
    content = make(SEEDS * 2)
    for _ in range(1500):
        path = write(mutate(content, dice))
        with contextlib.suppress(SluiceError):
            reader, columns = h.read_all(path, block_bytes=dice.choice([64, 1 << 20]))
            assert len(columns["ts"]) == reader.packets
            assert sum(reader.undecoded.values()) == (columns["status"] != 0).sum()


def test_mutated_frames_keep_to_the_contract():
    dice = random.Random(21)
    for _ in range(300):
        frames = [mutate(dice.choice(SEEDS), dice) for _ in range(20)]
        for row in h.decode_all(frames, dice.choice([0, 1, 9, 12, 101, 104, 113, 228, 229, 276])):
            assert row["status"] == 0 or row["ip_bytes"] == row["src_lo"] == row["sport"] == 0
            assert row["payload"] <= row["ip_bytes"]


def test_nothing_behind_the_captured_bytes_is_looked_at():
    dice = random.Random(24)
    for _ in range(2000):
        frame = mutate(dice.choice(SEEDS), dice)
        behind_zeros, _ = h.decode_all([frame, bytes(200)])
        behind_ones, _ = h.decode_all([frame, b"\xff" * 200])
        assert behind_zeros == behind_ones
