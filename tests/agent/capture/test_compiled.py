"""The compiled kernels and the same files run by Python give equal batches."""

import contextlib
import gzip
import inspect
import random
import sys
from importlib.machinery import ExtensionFileLoader, SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import agent.capture
from agent.capture import parser, records
from agent.errors import NotACapture
from tests.agent.capture import helpers as h
from tests.agent.capture.test_damage import SEEDS, mutate

# Each after those that it imports.
MODULES = (
    *("records", "frame", "link", "shim", "tunnel", "transport", "fragments", "network"),
    "parser",
)

pytestmark = pytest.mark.skipif(
    not isinstance(parser.__spec__.loader, ExtensionFileLoader),
    reason="the kernels are not compiled: python setup.py build_ext --inplace",
)


def uncompiled(monkeypatch) -> dict[str, ModuleType]:
    """The modules' sources, run by Python; those already imported stay compiled."""
    plain = {}
    with monkeypatch.context() as patch:
        for name in MODULES:
            full = f"agent.capture.{name}"
            assert isinstance(sys.modules[full].__spec__.loader, ExtensionFileLoader), full
            source = Path(agent.capture.__path__[0]) / f"{name}.py"
            loader = SourceFileLoader(full, str(source))
            plain[name] = module_from_spec(spec_from_loader(full, loader))
            patch.setitem(sys.modules, full, plain[name])
            loader.exec_module(plain[name])
    plain["records"].Stop = records.Stop  # the callers compare its members by identity
    return plain


@pytest.fixture
def read_uncompiled(monkeypatch):
    plain = uncompiled(monkeypatch)
    parser = plain["parser"].FrameParser
    walker = plain["records"].RecordWalker
    assert inspect.isfunction(parser.parse)
    assert inspect.isfunction(walker.walk_pcap)
    assert inspect.isfunction(plain["parser"].ipv4)

    def read(path, **kwargs):
        with monkeypatch.context() as patch:
            patch.setattr("agent.capture.decode.FrameParser", parser)
            patch.setattr("agent.capture.files.RecordWalker", walker)
            return h.read_all(path, **kwargs)

    return read


def assert_equal(path, read_uncompiled):
    compiled, expected = h.read_all(path)
    plain, columns = read_uncompiled(path)
    assert (plain.damage, plain.undecoded) == (compiled.damage, compiled.undecoded)
    assert (plain.interfaces, plain.bytes) == (compiled.interfaces, compiled.bytes)
    for name, column in columns.items():
        np.testing.assert_array_equal(column, expected[name], name)


@pytest.mark.parametrize("make", [h.pcap, h.pcapng, lambda frames: gzip.compress(h.pcap(frames))])
def test_mutated_captures(write, read_uncompiled, make):
    dice = random.Random(22)
    for _ in range(60):
        frames = [mutate(dice.choice(SEEDS), dice) for _ in range(10)]
        content = make([*SEEDS, *frames])
        if content[:2] != b"\x1f\x8b":
            content = content[:60] + mutate(content[60:], dice)
        assert_equal(write(content), read_uncompiled)


def test_fragments(write, read_uncompiled):
    firsts = [h.ethernet(h.ipv4(h.udp(), 17, fragment=0x2000, id=i * 7)) for i in range(300)]
    tails = [h.ethernet(h.ipv4(b"", 17, fragment=1, id=i)) for i in range(2100)]
    assert_equal(write(h.pcap(firsts + tails)), read_uncompiled)


def test_clocks(write, read_uncompiled):
    dice = random.Random(23)
    content = h.section()
    for index in range(256):
        content += h.interface(options=h.option(9, bytes([index])))
        content += h.enhanced(h.FRAME, dice.getrandbits(dice.choice([20, 40, 64])), index)
    assert_equal(write(content), read_uncompiled)


def test_odd_captures(corpus, read_uncompiled):
    odd = [path for path in corpus if path.parent.name == "odd" and path.stat().st_size < 20_000]
    for path in odd[::4]:
        with contextlib.suppress(NotACapture):
            assert_equal(path, read_uncompiled)
