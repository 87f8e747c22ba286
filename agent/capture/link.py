"""The header that a link type begins with: Ethernet and LLC, Linux's SLL, loopback, PPP, raw IP.

Compiled (types in ``link.pxd``). Ethernet and PPP stand inside tunnels and shims as well.
"""

import cython

from agent.capture.packets import Undecoded

LINK_TYPE = cython.declare(cython.int, -Undecoded.LINK_TYPE)
TRUNCATED = cython.declare(cython.int, -Undecoded.TRUNCATED)
MALFORMED = cython.declare(cython.int, -Undecoded.MALFORMED)
LLC = cython.declare(cython.int, -Undecoded.LLC)
PPPOE_CONTROL = cython.declare(cython.int, -Undecoded.PPPOE_CONTROL)
OTHER_ETHERTYPE = cython.declare(cython.int, -Undecoded.OTHER_ETHERTYPE)


def link_header(frame, link_type):
    """Parse the header of a `agent.capture.link_types.Link`."""
    if link_type == 1:
        return ethernet(frame)
    if link_type in (12, 14, 101):
        return ip_by_version(frame, MALFORMED)
    if link_type == 228:
        return 0x0800
    if link_type == 229:
        return 0x86DD
    if link_type == 113:
        return sll(frame)
    if link_type == 276:
        return sll2(frame)
    if link_type in (0, 108):
        return loopback(frame)
    if link_type in (9, 50):
        return ppp(frame)
    if link_type == 104:
        return cisco_hdlc(frame)
    return LINK_TYPE


# ── Ethernet ──────────────────────────────────────────────────────────────────────────────────────


def ethernet(frame):
    """IEEE 802.3, 3.2: two addresses, then a type or a length."""
    if frame.end - frame.at < 14:
        return TRUNCATED
    frame.mac = frame.word48(frame.at + 6)
    frame.tags = 0
    frame.at += 12
    return type_or_length(frame)


def type_or_length(frame):
    """Below 1536 it is a length, and IEEE 802.2 LLC follows (IEEE 802.3, 3.2.6)."""
    value: cython.int = frame.word16(frame.at)
    frame.at += 2
    return value if value >= 0x600 else llc(frame)


def llc(frame):
    """Only SNAP with an all-zero OUI carries an EtherType (RFC 1042)."""
    if frame.end - frame.at < 3:
        return TRUNCATED
    if frame.word16(frame.at) != 0xAAAA or frame.data[frame.at + 2] != 3:
        return LLC
    if frame.end - frame.at < 8:
        return TRUNCATED
    if frame.word16(frame.at + 3) != 0 or frame.data[frame.at + 5] != 0:
        return LLC
    frame.at += 8
    return ethertype(frame, frame.at - 2)


def ethertype(frame, at):
    """A type where no length may stand."""
    value: cython.int = frame.word16(at)
    return value if value >= 0x600 else OTHER_ETHERTYPE


# ── Linux's cooked captures ───────────────────────────────────────────────────────────────────────


def sll(frame):
    """LINKTYPE_LINUX_SLL: packet type, ARPHRD, address length and bytes, protocol."""
    if frame.end - frame.at < 16:
        return TRUNCATED
    if frame.word16(frame.at + 4) == 6:
        frame.mac = frame.word48(frame.at + 6)
    frame.at += 16
    return sll_protocol(frame, frame.word16(frame.at - 2))


def sll2(frame):
    """LINKTYPE_LINUX_SLL2: protocol, interface, ARPHRD, packet type, address."""
    if frame.end - frame.at < 20:
        return TRUNCATED
    if frame.data[frame.at + 11] == 6:
        frame.mac = frame.word48(frame.at + 12)
    frame.at += 20
    return sll_protocol(frame, frame.word16(frame.at - 20))


def sll_protocol(frame, protocol):
    """An EtherType, or 4 for LLC."""
    if protocol >= 0x600:
        return protocol
    return llc(frame) if protocol == 4 else OTHER_ETHERTYPE


# ── Links of two ends ─────────────────────────────────────────────────────────────────────────────


def loopback(frame):
    """LINKTYPE_NULL and LOOP: an address family, in either byte order."""
    family: cython.int
    if frame.end - frame.at < 4:
        return TRUNCATED
    if frame.word16(frame.at) == 0:
        family = frame.word16(frame.at + 2)
    elif frame.word16(frame.at + 2) == 0:
        family = frame.data[frame.at + 1] << 8 | frame.data[frame.at]
    else:
        return OTHER_ETHERTYPE
    frame.at += 4
    if family == 2:
        return 0x0800
    # AF_INET6 of Linux, NetBSD and OpenBSD, FreeBSD, Darwin.
    if family in (10, 24, 28, 30):
        return 0x86DD
    return OTHER_ETHERTYPE


def cisco_hdlc(frame):
    """LINKTYPE_C_HDLC: address, control, EtherType."""
    if frame.end - frame.at < 4:
        return TRUNCATED
    frame.at += 4
    return ethertype(frame, frame.at - 2)


def ppp(frame):
    """RFC 1661: a protocol number of two bytes, or of one odd byte; RFC 1662 framing before."""
    protocol: cython.int
    if frame.end - frame.at < 2:
        return TRUNCATED
    if frame.data[frame.at] == 0x0F or frame.data[frame.at] == 0x8F:
        return cisco_hdlc(frame)  # the registry says that such links are marked PPP at times
    if frame.word16(frame.at) == 0xFF03:
        frame.at += 2
    if frame.end - frame.at < 2:
        return TRUNCATED
    if frame.data[frame.at] & 1:
        protocol = frame.data[frame.at]
        frame.at += 1
    else:
        protocol = frame.word16(frame.at)
        frame.at += 2
    if protocol == 0x21:
        return 0x0800
    if protocol == 0x57:
        return 0x86DD
    if protocol in (0x281, 0x283):
        return 0x8847
    return PPPOE_CONTROL


def ip_by_version(frame, otherwise):
    """IP without a header before it, known by its first four bits; else ``otherwise``."""
    if frame.end - frame.at < 1:
        return TRUNCATED
    if frame.data[frame.at] >> 4 == 4:
        return 0x0800
    if frame.data[frame.at] >> 4 == 6:
        return 0x86DD
    return otherwise
