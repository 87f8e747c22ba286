"""Counter: what one packet adds to its flow, its pair and its hosts.

Compiled (types in ``counter.pxd``).
"""

import cython

from agent.flows.records import COUNTERS

ICMP = cython.declare(cython.int, 1)
TCP = cython.declare(cython.int, 6)
ICMPV6 = cython.declare(cython.int, 58)
FIN = cython.declare(cython.int, 0x01)
SYN = cython.declare(cython.int, 0x02)
RST = cython.declare(cython.int, 0x04)
ACK = cython.declare(cython.int, 0x10)

# Sequence numbers are compared modulo 2^32 (RFC 9293, 3.4).
MASK32 = cython.declare(cython.uint, 0xFFFFFFFF)
HALF32 = cython.declare(cython.uint, 0x7FFFFFFF)

SHORT_ANSWERED = cython.declare(cython.int, COUNTERS.index("short_answered"))
SHORT_IN_ESTABLISHED = cython.declare(cython.int, COUNTERS.index("short_in_established"))
LONG_ANSWERED = cython.declare(cython.int, COUNTERS.index("long_answered"))
LONG_REFUSED = cython.declare(cython.int, COUNTERS.index("long_refused"))
LONG_UPLOAD = cython.declare(cython.int, COUNTERS.index("long_upload"))


class Counter:
    """Counts into the rows of flows (`records.FLOW`), a `HostTable` and a `PairTable`."""

    def __init__(self, flows, hosts, pairs):
        self.rows = flows
        self.hosts = hosts
        self.pairs = pairs

    def count(self, row, now, forward, ip_bytes, payload, flags, window, seq, icmp):
        """Add a packet, sent by the initiator if ``forward``, to its flow, its pair and its host.

        The fields are those of `agent.capture.packets.PacketBatch`.
        """
        src: cython.int = self.rows[row].src_host
        pair: cython.int = self.rows[row].pair
        nth: cython.uint = self.rows[row].packets_fwd + self.rows[row].packets_bwd
        signed: cython.int = payload if forward else -payload
        proto: cython.int = self.rows[row].proto
        gap: cython.double
        delta: cython.double
        self.rows[row].gap_last = now - self.rows[row].last_ns
        self.rows[row].last_ns = now
        self.rows[row].ip_bytes += ip_bytes
        if nth < 6:
            self.rows[row].sizes[nth] = signed
        if forward:
            if self.rows[row].packets_fwd:
                gap = now - self.rows[row].last_fwd_ns
                delta = gap - self.rows[row].gap_mean
                self.rows[row].gap_mean += delta / self.rows[row].packets_fwd
                self.rows[row].gap_m2 += delta * (gap - self.rows[row].gap_mean)
            self.rows[row].last_fwd_ns = now
            self.rows[row].packets_fwd += 1
            self.rows[row].payload_fwd += payload
            if payload:
                self.hosts.roll(src, now)
                self.hosts.rows[src].current[LONG_UPLOAD] += payload
                if self.pairs.rows[pair].generation == self.rows[row].pair_generation:
                    self.pairs.rows[pair].upload += payload
        else:
            self.rows[row].packets_bwd += 1
            self.rows[row].payload_bwd += payload
        if proto == TCP:
            self.count_tcp(row, now, forward, payload, flags, window, seq)
        elif not forward:
            self.answer(row, now, False)
        if (proto == ICMP and icmp >> 8 == 3) or (proto == ICMPV6 and icmp >> 8 == 1):
            # destination unreachable (RFC 792, RFC 4443): the receiver was refused something
            self.answer_unreachable(row, now, forward)

    def count_tcp(self, row, now, forward, payload, flags, window, seq):
        """The handshake, resets, first windows and retransmissions of a TCP packet."""
        following: cython.uint
        expected: cython.uint
        ahead: cython.uint
        dst: cython.int = self.rows[row].dst_host
        first: cython.bint
        is_first: cython.bint
        following = (seq + payload + ((flags & SYN) != 0) + ((flags & FIN) != 0)) & MASK32
        if forward:
            expected = cython.cast(cython.uint, self.rows[row].next_seq_fwd)
            first = self.rows[row].window_fwd < 0
            if first:
                self.rows[row].window_fwd = window
            self.rows[row].tcp_fwd |= flags
        else:
            expected = cython.cast(cython.uint, self.rows[row].next_seq_bwd)
            first = self.rows[row].window_bwd < 0
            if first:
                self.rows[row].window_bwd = window
            self.rows[row].tcp_bwd |= flags
        ahead = (following - expected) & MASK32
        if first or 0 < ahead < HALF32:
            if forward:
                self.rows[row].next_seq_fwd = following
            else:
                self.rows[row].next_seq_bwd = following
        elif following != seq:  # it carries data or a flag, but nothing that is new
            self.rows[row].retransmissions += 1
        if flags & (SYN | ACK) == SYN:
            self.rows[row].syns += 1
            self.rows[row].syn_ns = now
        if not forward:
            is_first = self.rows[row].syns and not self.rows[row].rtt_ns
            if is_first and flags & (SYN | ACK) == SYN | ACK:
                self.rows[row].rtt_ns = now - self.rows[row].syn_ns
            self.answer(row, now, (flags & RST) != 0)
        elif (
            not self.rows[row].established
            and self.rows[row].tcp_bwd & SYN
            and flags & (SYN | ACK | RST) == ACK
        ):
            self.rows[row].established = 1
            self.hosts.roll(dst, now)
            self.hosts.rows[dst].current[SHORT_IN_ESTABLISHED] += 1

    def answer(self, row, now, refused):
        """Count the responder's first word at the initiator's host: an answer or a refusal."""
        src: cython.int = self.rows[row].src_host
        if self.rows[row].answered or (refused and self.rows[row].packets_bwd > 1):
            return
        self.hosts.roll(src, now)
        if refused:
            self.hosts.rows[src].current[LONG_REFUSED] += 1
            return
        self.rows[row].answered = 1
        self.hosts.rows[src].current[SHORT_ANSWERED] += 1
        self.hosts.rows[src].current[LONG_ANSWERED] += 1

    def answer_unreachable(self, row, now, forward):
        """Count an ICMP destination unreachable as a refusal at the host that receives it."""
        receiver: cython.int = self.rows[row].dst_host if forward else self.rows[row].src_host
        self.hosts.roll(receiver, now)
        self.hosts.rows[receiver].current[LONG_REFUSED] += 1
