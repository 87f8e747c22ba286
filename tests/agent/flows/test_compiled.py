"""The compiled tables and the same source as plain Python do the same."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import random
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import agent.flows
from agent.decision import RuleKey, RuleKind
from agent.flows import table as compiled
from tests.agent.traffic import ACK, FIN, NEVER, RST, SYN, Packet, batch_of, table

MODULES = ("index", "hosts", "pairs", "rules", "counter", "observer", "table")


def plain_python() -> ModuleType:
    """``agent.flows.table`` and what it needs, from source; the imported modules stay compiled."""
    names = [f"agent.flows.{name}" for name in MODULES]
    kept = {name: sys.modules.pop(name) for name in names if name in sys.modules}
    try:
        for name, full in zip(MODULES, names, strict=True):
            path = Path(agent.flows.__path__[0]) / f"{name}.py"
            loader = importlib.machinery.SourceFileLoader(full, str(path))
            spec = importlib.util.spec_from_loader(full, loader)
            assert spec is not None
            sys.modules[full] = importlib.util.module_from_spec(spec)
            loader.exec_module(sys.modules[full])
        return sys.modules[names[-1]]
    finally:
        sys.modules.update(kept)


def mixed_traffic(seed: int) -> list[Packet]:
    """Packets that reach every branch: TCP in all states, ICMP errors, v6, VLANs, gaps, a scan."""
    draw = random.Random(seed)
    hosts = ["192.168.1.2", "10.0.0.9", "8.8.8.8", "203.0.113.5", "2001:db8::1", "224.0.0.1"]
    now, packets = 1000.0, []
    for _ in range(1500):
        now += draw.choice([0, 0.001, 0.3, 4, 40]) * draw.random()
        proto = draw.choice([6, 6, 6, 17, 1])
        packets.append(
            Packet(
                at=now - draw.choice([0, 0, 0, 1]),
                src=draw.choice(hosts),
                dst=draw.choice(hosts),
                sport=0 if proto == 1 else draw.randint(1, 3),
                dport=0 if proto == 1 else draw.choice([22, 53, 443, 445, 60000]),
                proto=proto,
                tcp=draw.choice([SYN, SYN | ACK, ACK, ACK, FIN | ACK, RST]),
                payload=draw.choice([0, 0, 100, 1460]),
                seq=draw.choice([0, 1, 100, 2**32 - 1]),
                vlan=draw.choice([0, 0, 7]),
                icmp=draw.choice([0x0800, 0x0301]) if proto == 1 else 0,
                src_mac=draw.choice([1, 2]),
            )
        )
    scan = [Packet(at=now, src=hosts[0], dst=hosts[2], sport=1, dport=p) for p in range(1, 301)]
    return packets + scan


@pytest.mark.skipif(
    not str(compiled.__file__).endswith(".so"), reason="the tables are not compiled here"
)
@pytest.mark.parametrize("seed", [1, 2])
def test_compiled_and_plain_python_agree(seed: int) -> None:
    batch = batch_of(mixed_traffic(seed))
    pair = [
        table(flows=32, hosts=16, allow=["aa:bb:cc:dd:ee:ff", "port 53"], kind=kind)
        for kind in (compiled.FlowTable, plain_python().FlowTable)
    ]
    for t in pair:
        t.bind(batch)
    for at in range(0, batch.n, 100):
        if at == 500:  # rules of every kind, found by later packets
            for t in pair:
                for kind in RuleKind:
                    key = RuleKey(kind, 0, 0xFFFF_0808_0808, 6, 443)
                    t.put_in_force(key, 4 - kind if kind < 4 else 1, 0, NEVER)
                t.hosts.alert(0, 0xFFFF_0808_0808, 2.0, t.now_ns)
        assert [t.update(at, at + 100, NEVER) for t in pair] == [at + 100] * 2
        points, ended = pair[0].n_points, pair[0].n_ended
        assert (pair[1].n_points, pair[1].n_ended) == (points, ended)
        assert np.array_equal(pair[0].observations[:points], pair[1].observations[:points])
        assert np.array_equal(pair[0].points[:points], pair[1].points[:points])
        assert np.array_equal(pair[0].ended[:ended], pair[1].ended[:ended])
    assert pair[0].evictions == pair[1].evictions > 0
    assert pair[0].hosts.evictions == pair[1].hosts.evictions
    assert pair[0].hosts.others.evictions == pair[1].hosts.others.evictions > 0
