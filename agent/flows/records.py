"""The rows of the tables, as numpy dtypes.

``records.pxd`` declares the same rows as C structs for the kernels; Cython compares the two
whenever an array is handed over. Times are ns since 1970, addresses two 64-bit words as in
`agent.capture.packets`.
"""

from collections import namedtuple
from typing import TYPE_CHECKING, Any, Final

import numpy as np

_ENDPOINTS: Final = [
    ("src_hi", "u8"),  # the initiator
    ("src_lo", "u8"),
    ("dst_hi", "u8"),  # the responder
    ("dst_lo", "u8"),
    ("vlan", "u4"),
    ("sport", "u2"),
    ("dport", "u2"),
]

# Ordered by use: what every packet touches lies together at the front.
FLOW: Final = np.dtype(
    [
        ("src_hi", "u8"),  # the initiator
        ("src_lo", "u8"),
        ("last_ns", "i8"),
        ("last_fwd_ns", "i8"),  # latest packet of the initiator
        ("gap_mean", "f8"),  # between the initiator's packets, ns (Welford 1962)
        ("gap_m2", "f8"),  # sum of squared deviations, ns²
        ("gap_last", "f8"),  # ns before the latest packet of either direction
        ("ip_bytes", "i8"),  # both ways
        ("payload_fwd", "i8"),
        ("payload_bwd", "i8"),
        ("passed_bytes", "i8"),  # IP bytes seen while no block or isolation was in force
        ("first_ns", "i8"),
        ("decided_ns", "i8"),  # latest decision point
        ("packets_fwd", "u4"),
        ("packets_bwd", "u4"),
        ("passed_packets", "u4"),
        ("rules_seen", "u4"),  # of the rules on its ends when the verdict was looked up
        ("src_host", "i4"),
        ("dst_host", "i4"),
        ("src_generation", "u4"),  # of the rows below, when the flow took them
        ("dst_generation", "u4"),
        ("next_seq_fwd", "u4"),
        ("next_seq_bwd", "u4"),
        ("pair", "i4"),
        ("pair_generation", "u4"),
        ("sport", "u2"),
        ("dport", "u2"),
        ("interface", "u2"),
        ("proto", "u1"),
        ("tcp_fwd", "u1"),  # TCP flags seen, or-ed
        ("tcp_bwd", "u1"),
        ("answered", "u1"),
        ("established", "u1"),
        ("verdict", "u1"),  # strongest in force at the latest look-up
        ("src_verdict", "u1"),  # strongest in force on the initiator's host, likewise
        ("worst", "u1"),  # strongest that was ever in force
        ("context_seen", "u1"),  # the initiator's context at the latest decision point
        ("exempt", "u1"),  # something about it is on the allow-list: no rule applies
        ("window_fwd", "i4"),  # -1 before the first TCP packet of that direction
        ("window_bwd", "i4"),
        ("sizes", "i4", (6,)),  # payload of the first packets; negative from the responder
        ("until_ns", "i8"),  # and ends
        ("since_ns", "i8"),  # the verdict in force began
        ("dst_hi", "u8"),  # the responder
        ("dst_lo", "u8"),
        ("vlan", "u4"),
        ("syns", "u4"),
        ("retransmissions", "u4"),
        ("throttled_packets", "u4"),
        ("stopped_at", "u4"),  # passed_packets when it was first stopped
        ("serial", "u8"),  # 1, 2, 3 … in the order of first packets
        ("src_mac", "u8"),  # of the first packet
        ("syn_ns", "i8"),  # latest SYN
        ("rtt_ns", "i8"),  # SYN to SYN-ACK
        ("delay_ns", "i8"),  # latency that a throttle would have added, summed over packets
    ],
    align=True,
)

# Counters of a host over two sliding windows: the first eight places over the short one.
COUNTERS: Final = (
    "short_flows",
    "short_peers",
    "short_ports",
    "short_answered",
    "short_in_flows",
    "short_in_sources",
    "short_in_syns",
    "short_in_established",
    "long_flows",
    "long_peers",
    "long_ports",
    "long_answered",
    "long_refused",
    "long_upload",
    "long_alerts",
    "long_verdicts",
)

HOST: Final = np.dtype(
    [
        ("last_ns", "i8"),
        ("short_start_ns", "i8"),
        ("long_start_ns", "i8"),
        ("bucket_ns", "i8"),  # when the throttle's token bucket will be full again
        ("generation", "u4"),  # counts the uses of this row
        ("rules", "u4"),  # counts the rules that ever named the host
        ("context", "u1"),  # counts crossings of a context threshold, modulo 256
        ("level", "u1"),  # thresholds crossed within this long window
        ("local", "u1"),
        ("exempt", "u1"),  # on the allow-list
        ("current", "f8", (16,)),  # COUNTERS of the window that runs
        ("previous", "f8", (16,)),  # COUNTERS of the one before
        ("first_hi", "u8", (5,)),  # first peer, port, source; first peer, port of the long window
        ("first_lo", "u8", (5,)),
        ("first_ns", "i8"),
    ],
    align=True,
)

PAIR: Final = np.dtype(
    [
        ("first_ns", "i8"),
        ("last_ns", "i8"),  # latest start of a flow
        ("gap_mean", "f8"),  # between starts, ns (Welford 1962)
        ("gap_m2", "f8"),
        ("upload", "f8"),  # payload bytes from the initiator
        ("count", "u4"),  # flows
        ("generation", "u4"),
    ],
    align=True,
)

RULE: Final = np.dtype([("since_ns", "i8"), ("until_ns", "i8"), ("verdict", "u1")], align=True)

POINT: Final = np.dtype(
    [
        *_ENDPOINTS,
        ("ts_ns", "i8"),
        ("serial", "u8"),
        ("src_mac", "u8"),
        ("peer_hi", "u8"),  # what a block would name
        ("peer_lo", "u8"),
        ("host_hi", "u8"),  # what an isolation would name; zero where neither end is local
        ("host_lo", "u8"),
        ("source_hi", "u8"),  # what a throttle would name
        ("source_lo", "u8"),
        ("passed_bytes", "i8"),
        ("row", "i4"),  # of the flow table
        ("packets", "u4"),
        ("passed_packets", "u4"),
        ("interface", "u2"),
        ("proto", "u1"),
        ("in_force", "u1"),  # verdict in force on the flow
        ("exempt", "u1"),
    ],
    align=True,
)

# A row of POINT as plain Python numbers, ``PointRow(*row.item())``: reading np.void by field takes
# longer than the rest of a decision.
if TYPE_CHECKING:
    PointRow = Any
else:
    PointRow = namedtuple("PointRow", POINT.names)
