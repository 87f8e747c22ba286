"""IPv4 and IPv6: addresses, lengths, extension headers and fragments.

Compiled (types in ``network.pxd``). What is found of a transport header is `transport`'s.
"""

import cython

from agent.capture.packets import Undecoded
from agent.capture.transport import transport

TRUNCATED = cython.declare(cython.int, -Undecoded.TRUNCATED)
MALFORMED = cython.declare(cython.int, -Undecoded.MALFORMED)
MAPPED = cython.declare(cython.ulonglong, 0xFFFF << 32)  # ::ffff:0:0/96 (RFC 4291, 2.5.5.2)


def ipv4(frame, fragments):
    """RFC 791, 3.1."""
    at: cython.Py_ssize_t = frame.at
    row: cython.Py_ssize_t = frame.row
    if frame.end - at < 20:
        return TRUNCATED
    header: cython.Py_ssize_t = (frame.data[at] & 15) * 4
    total: cython.Py_ssize_t = frame.word16(at + 2)
    if total == 0:  # left to the network card by segmentation offload
        total = frame.wire - at
    if frame.data[at] >> 4 != 4 or header < 20 or total < header:
        return MALFORMED
    begin_row(frame, total, frame.data[at + 8])
    frame.src_lo[row] = MAPPED | frame.word32(at + 12)
    frame.dst_lo[row] = MAPPED | frame.word32(at + 16)
    frame.at = at + header
    protocol: cython.int = frame.data[at + 9]
    fragment: cython.int = frame.word16(at + 6) & 0x3FFF  # more fragments, and the offset
    if fragment != 0:
        begin_fragment(frame, frame.word16(at + 4), protocol)
        if fragment & 0x1FFF:
            return tail_fragment(frame, fragments, protocol)
    return upper(frame, fragments, protocol, False)


def ipv6(frame, fragments):
    """RFC 8200, 3."""
    at: cython.Py_ssize_t = frame.at
    row: cython.Py_ssize_t = frame.row
    if frame.end - at < 40:
        return TRUNCATED
    if frame.data[at] >> 4 != 6:
        return MALFORMED
    total: cython.Py_ssize_t = 40 + frame.word16(at + 4)
    protocol: cython.int = frame.data[at + 6]
    if total == 40 and protocol != 59:  # a jumbogram (RFC 2675) or segmentation offload
        total = frame.wire - at
    begin_row(frame, total, frame.data[at + 7])
    frame.src_hi[row] = frame.word64(at + 8)
    frame.src_lo[row] = frame.word64(at + 16)
    frame.dst_hi[row] = frame.word64(at + 24)
    frame.dst_lo[row] = frame.word64(at + 32)
    frame.at = at + 40
    return upper(frame, fragments, protocol, True)


def begin_row(frame, total, ttl):
    """Enter a valid IP header in the row, and narrow the walk to its ``total`` bytes."""
    row: cython.Py_ssize_t = frame.row
    if frame.found:  # the inner packet counts, not the outer one
        frame.clear()
    frame.found = True
    frame.key = 0
    frame.tail = False
    frame.src_mac[row] = frame.mac
    frame.vlan[row] = frame.tags
    frame.ip_bytes[row] = total
    frame.ttl[row] = ttl
    frame.wire = frame.at + total
    frame.end = min(frame.end, frame.wire)


def upper(frame, fragments, protocol, v6):
    """Walk what follows the IP header: extension headers, then the transport header."""
    following: cython.int
    if protocol not in (6, 17):  # nearly every packet is TCP or UDP
        protocol = extensions(frame, protocol, v6)
        if frame.tail:
            return tail_fragment(frame, fragments, protocol)
    following = transport(frame, protocol)
    if frame.key != 0:
        fragments.remember(frame)
    return following


def extensions(frame, protocol, v6):
    """Skip IPv6 extension headers (IANA's list), and AH (RFC 4302) in IPv4 too."""
    size: cython.int
    fragment: cython.int
    while frame.end - frame.at >= 8 and not frame.tail:
        if protocol == 51:
            size = (frame.data[frame.at + 1] + 2) * 4
        elif not v6:
            break
        elif protocol == 44:  # RFC 8200, 4.5
            size = 8
            fragment = frame.word16(frame.at + 2) & 0xFFF9  # the offset, and more fragments
            if fragment != 0:  # else an atomic one (RFC 6946)
                begin_fragment(frame, frame.word32(frame.at + 4), frame.data[frame.at])
                frame.tail = fragment >> 3 != 0
        elif protocol in (0, 43, 60, 135, 139, 140):
            # hop-by-hop, routing, destination options, mobility, HIP, shim6
            size = (frame.data[frame.at + 1] + 1) * 8
        else:
            break
        protocol = frame.data[frame.at]
        frame.at += size
    return protocol


def begin_fragment(frame, identification, protocol):
    """Key of the packet that the fragment belongs to, beside its addresses; never 0."""
    key: cython.ulonglong = 1
    frame.key = (key << 32 | identification) << 8 | protocol


def tail_fragment(frame, fragments, protocol):
    """A fragment that is not the first takes the first one's protocol and ports."""
    frame.proto[frame.row] = protocol
    fragments.recall(frame)
    frame.payload[frame.row] = max(0, frame.wire - frame.at)
    return 0
