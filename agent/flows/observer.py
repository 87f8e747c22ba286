"""Observer: decision points, and the tables' state in the order of ``observation.FEATURES``.

Compiled (types in ``observer.pxd``). Feature k of the observation is ``raw[k]`` here; the comments
give the names, and a test checks them one by one on a flow worked out by hand.
"""

import cython
import numpy as np
from cython.cimports.libc.math import log, sqrt

from agent import observation
from agent.flows.records import COUNTERS

MS = cython.declare(cython.double, 1e-6)  # of a ns
S = cython.declare(cython.double, 1e-9)

LOW32 = cython.declare(cython.ulonglong, 0xFFFFFFFF)

SMALL = cython.declare(cython.int, 256)  # whole numbers whose logarithm is kept

SHORT_FLOWS = cython.declare(cython.int, COUNTERS.index("short_flows"))
SHORT_PEERS = cython.declare(cython.int, COUNTERS.index("short_peers"))
SHORT_PORTS = cython.declare(cython.int, COUNTERS.index("short_ports"))
SHORT_ANSWERED = cython.declare(cython.int, COUNTERS.index("short_answered"))
SHORT_IN_FLOWS = cython.declare(cython.int, COUNTERS.index("short_in_flows"))
SHORT_IN_SOURCES = cython.declare(cython.int, COUNTERS.index("short_in_sources"))
SHORT_IN_SYNS = cython.declare(cython.int, COUNTERS.index("short_in_syns"))
SHORT_IN_ESTABLISHED = cython.declare(cython.int, COUNTERS.index("short_in_established"))
LONG_FLOWS = cython.declare(cython.int, COUNTERS.index("long_flows"))
LONG_PEERS = cython.declare(cython.int, COUNTERS.index("long_peers"))
LONG_PORTS = cython.declare(cython.int, COUNTERS.index("long_ports"))
LONG_ANSWERED = cython.declare(cython.int, COUNTERS.index("long_answered"))
LONG_REFUSED = cython.declare(cython.int, COUNTERS.index("long_refused"))
LONG_UPLOAD = cython.declare(cython.int, COUNTERS.index("long_upload"))
LONG_ALERTS = cython.declare(cython.int, COUNTERS.index("long_alerts"))
LONG_VERDICTS = cython.declare(cython.int, COUNTERS.index("long_verdicts"))

FIN = cython.declare(cython.int, 0x01)
RST = cython.declare(cython.int, 0x04)


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def ratio(part: cython.double, whole: cython.double) -> cython.double:
    """``part / whole``, 0 where there is no whole."""
    return part / whole if whole > 0 else 0.0


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def missing(part: cython.double, whole: cython.double) -> cython.double:
    """Share of ``whole`` that is not ``part``, within 0 to 1 (windows can hold a late part)."""
    return 1.0 - part / whole if whole > part else 0.0


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def regularity(mean: cython.double, m2: cython.double, n: cython.double) -> cython.double:
    """1 / (1 + coefficient of variation) of ``n`` gaps; 0 where two or fewer tell nothing."""
    if n < 3 or mean <= 0:
        return 0.0
    return 1.0 / (1.0 + sqrt(m2 / n) / mean)


class Observer:
    """Writes rows of ``points`` (`records.POINT`) and ``out``, ``(points, features)`` float32."""

    def __init__(self, flows, hosts, pairs, rules, points, out):
        self.flows = flows
        self.hosts = hosts
        self.pairs = pairs
        self.rules = rules
        self.points = points
        self.service_of_port = observation.SERVICE_OF_PORT.copy()
        plain = observation.TRANSFORMS == observation.Transform.IDENTITY
        self.plain = memoryview(np.flatnonzero(plain).astype(np.int32))
        self.logs = memoryview(np.flatnonzero(~plain).astype(np.int32))
        self.scale = 1.0 / observation.LOG_SCALE
        self.small_logs = memoryview(np.array([log(1.0 + x) * self.scale for x in range(SMALL)]))
        self.raw = memoryview(np.zeros(len(observation.FEATURES)))
        self.out = out

    def write(self, flow, now, at):
        """A decision point of a flow at ``now``, as row ``at`` of ``points`` and of ``out``."""
        self.write_point(flow, now, at)
        self.write_observation(flow, now, at)

    def write_point(self, flow, now, at):
        """Which flow, how far it came, and by which words rules would name its ends."""
        self.rules.name(
            flow,
            self.hosts.rows[self.flows[flow].src_host].local,
            self.hosts.rows[self.flows[flow].dst_host].local,
        )
        self.points[at].src_hi = self.flows[flow].src_hi
        self.points[at].src_lo = self.flows[flow].src_lo
        self.points[at].dst_hi = self.flows[flow].dst_hi
        self.points[at].dst_lo = self.flows[flow].dst_lo
        self.points[at].vlan = self.flows[flow].vlan
        self.points[at].sport = self.flows[flow].sport
        self.points[at].dport = self.flows[flow].dport
        self.points[at].ts_ns = now
        self.points[at].serial = self.flows[flow].serial
        self.points[at].src_mac = self.flows[flow].src_mac
        self.points[at].peer_hi = self.rules.peer_hi
        self.points[at].peer_lo = self.rules.peer_lo
        self.points[at].host_hi = self.rules.host_hi
        self.points[at].host_lo = self.rules.host_lo
        self.points[at].source_hi = self.rules.source_hi
        self.points[at].source_lo = self.rules.source_lo
        self.points[at].passed_bytes = self.flows[flow].passed_bytes
        self.points[at].row = flow
        self.points[at].packets = self.flows[flow].packets_fwd + self.flows[flow].packets_bwd
        self.points[at].passed_packets = self.flows[flow].passed_packets
        self.points[at].interface = self.flows[flow].interface
        self.points[at].proto = self.flows[flow].proto
        self.points[at].in_force = self.flows[flow].verdict
        self.points[at].exempt = self.flows[flow].exempt

    def write_observation(self, flow, now, at):
        """What the policy is shown of it."""
        i: cython.Py_ssize_t
        k: cython.int
        src: cython.int = self.flows[flow].src_host
        dst: cython.int = self.flows[flow].dst_host
        self.hosts.roll(src, now)
        self.hosts.roll(dst, now)
        self.raw[11] = self.hosts.rows[src].local  # initiator_local
        self.raw[12] = self.hosts.rows[dst].local  # responder_local
        self.read_flow(flow, now)
        self.read_tcp(flow)
        self.read_hosts(src, dst, now)
        self.read_pair(flow, now)
        self.read_response(flow, src, dst, now)
        for i in range(self.plain.shape[0]):
            k = self.plain[i]
            self.out[at, k] = self.raw[k]
        for i in range(self.logs.shape[0]):
            k = self.logs[i]
            self.out[at, k] = self.scaled_log(self.raw[k])

    def scaled_log(self, x):
        """sign(x) ln(1 + |x|) / LOG_SCALE; small whole numbers, the most frequent, from a table."""
        whole: cython.int
        if 0.0 <= x < SMALL:
            whole = cython.cast(cython.int, x)
            if whole == x:
                return self.small_logs[whole]
        if x < 0.0:
            return -log(1.0 - x) * self.scale
        return log(1.0 + x) * self.scale

    def read_flow(self, flow, now):
        """Protocol, service, volume, gaps and first sizes."""
        k: cython.int
        service: cython.int = self.service_of_port[self.flows[flow].dport]
        proto: cython.int = self.flows[flow].proto
        fwd: cython.double = self.flows[flow].packets_fwd
        bwd: cython.double = self.flows[flow].packets_bwd
        lived: cython.double = now - self.flows[flow].first_ns
        self.raw[0] = proto == 6  # tcp
        self.raw[1] = proto == 17  # udp
        self.raw[2] = proto == 1 or proto == 58  # icmp
        for k in range(1, 9):  # service_web … service_dynamic
            self.raw[2 + k] = service == k and (proto == 6 or proto == 17)
        self.raw[13] = (  # responder_group: ff00::/8, 224.0.0.0/4, 255.255.255.255
            self.flows[flow].dst_hi >> 56 == 0xFF
            or (self.flows[flow].dst_hi == 0 and self.flows[flow].dst_lo >> 28 == 0xFFFFE)
            or (self.flows[flow].dst_hi == 0 and self.flows[flow].dst_lo & LOW32 == LOW32)
        )
        self.raw[14] = lived * MS  # duration
        self.raw[15] = fwd  # packets_fwd
        self.raw[16] = bwd  # packets_bwd
        self.raw[17] = self.flows[flow].payload_fwd  # payload_fwd
        self.raw[18] = self.flows[flow].payload_bwd  # payload_bwd
        self.raw[19] = ratio(self.raw[17], fwd)  # payload_mean_fwd
        self.raw[20] = ratio(self.raw[18], bwd)  # payload_mean_bwd
        self.raw[21] = self.flows[flow].ip_bytes / (lived * S + 1.0)  # rate
        self.raw[22] = self.flows[flow].gap_mean * MS  # gap_mean
        self.raw[23] = regularity(  # gap_regularity
            self.flows[flow].gap_mean, self.flows[flow].gap_m2, fwd - 1.0
        )
        self.raw[24] = self.flows[flow].gap_last * MS  # gap_last
        for k in range(6):  # size_1 … size_6
            self.raw[25 + k] = self.flows[flow].sizes[k]

    def read_tcp(self, flow):
        """Handshake, resets, windows."""
        fwd: cython.int = self.flows[flow].tcp_fwd
        bwd: cython.int = self.flows[flow].tcp_bwd
        window: cython.int = self.flows[flow].window_fwd
        self.raw[31] = self.flows[flow].syns  # syns
        self.raw[32] = self.flows[flow].answered  # answered
        self.raw[33] = self.flows[flow].established  # established
        self.raw[34] = (fwd & RST) != 0  # reset_fwd
        self.raw[35] = (bwd & RST) != 0  # reset_bwd
        self.raw[36] = ((fwd | bwd) & FIN) != 0  # finished
        self.raw[37] = self.flows[flow].rtt_ns * MS  # handshake
        self.raw[38] = window if window > 0 else 0  # window_fwd
        window = self.flows[flow].window_bwd
        self.raw[39] = window if window > 0 else 0  # window_bwd
        self.raw[40] = self.flows[flow].retransmissions  # retransmissions

    def read_hosts(self, src, dst, now):
        """What the two hosts have lately done."""
        established: cython.double
        self.raw[41] = self.hosts.recent(src, SHORT_FLOWS, now)  # src_flows_short
        self.raw[42] = self.hosts.recent(src, LONG_FLOWS, now)  # src_flows_long
        self.raw[43] = self.hosts.recent(src, SHORT_PEERS, now)  # src_peers_short
        self.raw[44] = self.hosts.recent(src, LONG_PEERS, now)  # src_peers_long
        self.raw[45] = self.hosts.recent(src, SHORT_PORTS, now)  # src_ports_short
        self.raw[46] = self.hosts.recent(src, LONG_PORTS, now)  # src_ports_long
        self.raw[47] = missing(
            self.hosts.recent(src, SHORT_ANSWERED, now), self.raw[41]
        )  # src_unanswered_short
        self.raw[48] = missing(
            self.hosts.recent(src, LONG_ANSWERED, now), self.raw[42]
        )  # src_unanswered_long
        self.raw[49] = ratio(
            self.hosts.recent(src, LONG_REFUSED, now), self.raw[42]
        )  # src_refused_long
        if self.raw[49] > 1.0:  # ICMP errors can outnumber flows
            self.raw[49] = 1.0
        self.raw[50] = self.hosts.recent(src, LONG_UPLOAD, now)  # src_upload_long
        self.raw[51] = self.hosts.recent(dst, SHORT_IN_FLOWS, now)  # dst_flows_short
        self.raw[52] = self.hosts.recent(dst, SHORT_IN_SOURCES, now)  # dst_sources_short
        established = self.hosts.recent(dst, SHORT_IN_ESTABLISHED, now)
        self.raw[53] = (
            self.hosts.recent(dst, SHORT_IN_SYNS, now) - established
        )  # dst_half_open_short
        if self.raw[53] < 0.0:
            self.raw[53] = 0.0

    def read_pair(self, flow, now):
        """The initiator's history with this service."""
        k: cython.int
        pair: cython.int = self.flows[flow].pair
        if self.pairs.rows[pair].generation != self.flows[flow].pair_generation:
            for k in range(54, 59):  # the pair was evicted while the flow lives on
                self.raw[k] = 0.0
            return
        self.raw[54] = self.pairs.rows[pair].count  # pair_flows
        self.raw[55] = self.pairs.rows[pair].gap_mean * S  # pair_gap_mean
        self.raw[56] = regularity(  # pair_gap_regularity
            self.pairs.rows[pair].gap_mean,
            self.pairs.rows[pair].gap_m2,
            self.pairs.rows[pair].count - 1.0,
        )
        self.raw[57] = self.pairs.rows[pair].upload  # pair_upload
        self.raw[58] = (now - self.pairs.rows[pair].first_ns) * S  # pair_age

    def read_response(self, flow, src, dst, now):
        """Alerts, and what the firewall is already doing."""
        alerts: cython.double = self.hosts.recent(src, LONG_ALERTS, now)
        self.raw[59] = alerts + self.hosts.recent(src, LONG_VERDICTS, now)  # src_alerts
        self.raw[60] = self.hosts.recent(dst, LONG_ALERTS, now)  # dst_alerts
        self.raw[61] = self.flows[flow].src_verdict / 3.0  # in_force_src
        self.raw[62] = self.flows[flow].verdict / 3.0  # in_force_flow
        self.raw[63] = 0.0  # in_force_time
        if self.flows[flow].verdict:
            self.raw[63] = (now - self.flows[flow].since_ns) * S
