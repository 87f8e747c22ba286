"""Tunnels: VXLAN in UDP; IP, GRE in IP.

Compiled (types in ``tunnel.pxd``). What is no tunnel ends the walk.
"""

import cython

from agent.capture.link import ethernet, ethertype
from agent.capture.packets import Undecoded

TRUNCATED = cython.declare(cython.int, -Undecoded.TRUNCATED)
MALFORMED = cython.declare(cython.int, -Undecoded.MALFORMED)


def udp_tunnel(frame):
    """VXLAN (RFC 7348, 5) on its port and on Linux's older one, with the I flag set."""
    port: cython.int = frame.dport[frame.row]
    if port not in (4789, 8472) or frame.end - frame.at < 16 or not frame.data[frame.at + 8] & 8:
        return 0
    frame.at += 16
    return ethernet(frame)


def ip_tunnel(frame, protocol):
    """IP in IP, and GRE."""
    if protocol == 4:  # RFC 2003
        return 0x0800
    if protocol == 41:  # RFC 4213
        return 0x86DD
    return gre(frame) if protocol == 47 else 0


def gre(frame):
    """RFC 2784 with RFC 2890's key and sequence number, and version 1 for PPTP (RFC 2637)."""
    if frame.end - frame.at < 4:
        return TRUNCATED
    bits: cython.int = frame.word16(frame.at)
    version: cython.int = bits & 7
    inside: cython.int = ethertype(frame, frame.at + 2)
    if version > 1 or bits & 0x4000:  # source routing was RFC 1701's
        return MALFORMED
    frame.at += 4
    if bits & 0x8000:  # checksum
        frame.at += 4
    if bits & 0x2000:  # key
        frame.at += 4
    if bits & 0x1000:  # sequence number
        frame.at += 4
    if version == 1 and bits & 0x80:  # acknowledgement
        frame.at += 4
    return ethernet(frame) if inside == 0x6558 else inside
