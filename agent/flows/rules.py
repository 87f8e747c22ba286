"""RuleTable: the verdicts in force, as the firewall would hold them.

Compiled (types in ``rules.pxd``). A rule names a host to isolate, a peer's service or a whole peer
to block, or a source to throttle. Remote IPv6 addresses are named by their /64, since an attacker
owns at least that; local ones in full, or isolating one host would isolate its whole network.
"""

import cython
import numpy as np

from agent.flows.index import Index
from agent.flows.records import RULE

# As decision.RuleKind.
ISOLATE_HOST = cython.declare(cython.int, 1)
BLOCK_SERVICE = cython.declare(cython.int, 2)
BLOCK_PEER = cython.declare(cython.int, 3)
THROTTLE_SOURCE = cython.declare(cython.int, 4)

V4_MAPPED = cython.declare(cython.ulonglong, 0xFFFF)  # bits 32 to 47 of the low word, RFC 4291


class RuleTable:
    """Rows of `agent.flows.records.RULE`; ``flows`` is the table whose flows are looked up.

    ``version`` changes with every rule that may name several hosts, so that flows look again.
    """

    def __init__(self, capacity, seed, flows):
        self.index = Index(capacity, seed)
        self.table = np.zeros(capacity + 1, RULE)
        self.rows = self.table.view(np.recarray)
        self.flows = flows
        self.evictions = 0
        self.version = 1

    def name(self, flow, src_local, dst_local):
        """Set the words by which rules would name a flow's host, peer and source.

        The peer is the remote end; of two local or two remote ends, the initiator.
        """
        src_hi: cython.ulonglong = self.flows[flow].src_hi
        src_lo: cython.ulonglong = self.flows[flow].src_lo
        dst_hi: cython.ulonglong = self.flows[flow].dst_hi
        dst_lo: cython.ulonglong = self.flows[flow].dst_lo
        if not src_local and not (src_hi == 0 and src_lo >> 32 == V4_MAPPED):
            src_lo = 0
        if not dst_local and not (dst_hi == 0 and dst_lo >> 32 == V4_MAPPED):
            dst_lo = 0
        self.source_hi, self.source_lo = src_hi, src_lo
        self.peer_hi, self.peer_lo = src_hi, src_lo
        self.host_hi, self.host_lo = 0, 0
        if src_local:
            self.host_hi, self.host_lo = src_hi, src_lo
            if not dst_local:
                self.peer_hi, self.peer_lo = dst_hi, dst_lo
        elif dst_local:
            self.host_hi, self.host_lo = dst_hi, dst_lo

    def cover(self, flow, now):
        """Look up the strongest rule on a flow at ``now``; needs `name` of the same flow before.

        Sets ``verdict``, ``since_ns``, ``until_ns``, and ``src_verdict``: the strongest rule that
        names the initiator, be it through this service or not.
        """
        service: cython.ulonglong
        self.verdict = 0
        self.src_verdict = 0
        self.since_ns = 0
        self.until_ns = 0
        if self.index.size == 0:
            return
        service = cython.cast(cython.ulonglong, self.flows[flow].dport) << 8
        service |= cython.cast(cython.ulonglong, self.flows[flow].proto)
        self.consider(self.source_hi, self.source_lo, THROTTLE_SOURCE, 0, now)
        self.consider(self.source_hi, self.source_lo, BLOCK_PEER, 0, now)
        self.consider(self.source_hi, self.source_lo, ISOLATE_HOST, 0, now)
        self.src_verdict = self.verdict
        self.consider(self.peer_hi, self.peer_lo, BLOCK_PEER, 0, now)
        self.consider(self.peer_hi, self.peer_lo, BLOCK_SERVICE, service, now)
        self.consider(self.host_hi, self.host_lo, ISOLATE_HOST, 0, now)

    def consider(self, hi, lo, kind, service, now):
        """Take the rule of a key into account, if there is one and it has not expired."""
        row: cython.int = self.index.find(hi, lo, kind, service, 0)
        if not row:
            return
        if self.rows[row].until_ns <= now:
            self.index.remove(row)
            return
        if self.rows[row].verdict > self.verdict:
            self.verdict = self.rows[row].verdict
            self.since_ns = self.rows[row].since_ns
            self.until_ns = self.rows[row].until_ns

    def enforce(
        self,
        kind: int,
        hi: int,
        lo: int,
        proto: int,
        port: int,
        verdict: int,
        since: int,
        until: int,
    ) -> None:
        """Put a rule in force from ``since`` to ``until`` (ns); the oldest gives way when full.

        ``proto`` and ``port`` count for a service block only.
        """
        service = port << 8 | proto if kind == BLOCK_SERVICE else 0
        row: cython.int = self.index.find(hi, lo, kind, service, 0)
        if not row:
            if self.index.size == self.index.capacity:
                self.index.remove(self.index.oldest())
                self.evictions += 1
            row = self.index.insert(hi, lo, kind, service, 0)
        self.index.touch(row)
        self.rows[row].since_ns = since
        self.rows[row].until_ns = until
        self.rows[row].verdict = verdict

    def lift(self, kind: int, hi: int, lo: int, proto: int, port: int) -> bool:
        """Take a rule back; False where there is none."""
        service = port << 8 | proto if kind == BLOCK_SERVICE else 0
        row: cython.int = self.index.find(hi, lo, kind, service, 0)
        if not row:
            return False
        self.index.remove(row)
        self.version += 1
        return True
