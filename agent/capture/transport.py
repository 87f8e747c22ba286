"""TCP, UDP, SCTP and ICMP: ports, flags, and how much payload follows.

Compiled (types in ``transport.pxd``).
"""

import cython

from agent.capture.tunnel import ip_tunnel, udp_tunnel


def transport(frame, protocol):
    """Take what was captured of the transport header; go on where the protocol is a tunnel."""
    row: cython.Py_ssize_t = frame.row
    header: cython.Py_ssize_t = 0
    frame.proto[row] = protocol
    if protocol == 6:  # RFC 9293, 3.1
        header = tcp(frame)
    elif protocol in (17, 132):  # RFC 768; RFC 9260, 3.1
        header = 8 if protocol == 17 else 12
        ports(frame)
    elif protocol in (1, 58):  # RFC 792; RFC 4443, 2.1
        header = 8
        if frame.end - frame.at >= 2:
            frame.icmp[row] = frame.word16(frame.at)
    frame.payload[row] = max(0, frame.wire - frame.at - header)
    if protocol == 6:
        return 0
    return udp_tunnel(frame) if protocol == 17 else ip_tunnel(frame, protocol)


def tcp(frame):
    """Ports, sequence number, flags and window; returns the header's length."""
    row: cython.Py_ssize_t = frame.row
    at: cython.Py_ssize_t = frame.at
    have: cython.Py_ssize_t = frame.end - at
    header: cython.Py_ssize_t = 20
    ports(frame)
    if have >= 8:
        frame.seq[row] = frame.word32(at + 4)
    if have >= 14:
        header = max(header, (frame.data[at + 12] >> 4) * 4)
        frame.flags[row] = frame.data[at + 13]
    if have >= 16:
        frame.window[row] = frame.word16(at + 14)
    return header


def ports(frame):
    """Source and destination, which stand first in every protocol that has them."""
    if frame.end - frame.at >= 4:
        frame.sport[frame.row] = frame.word16(frame.at)
        frame.dport[frame.row] = frame.word16(frame.at + 2)
