"""What stands between the link's header and IP: VLAN tags, MPLS labels, PPPoE; and what is no IP.

Compiled (types in ``shim.pxd``).
"""

import cython

from agent.capture.link import ethernet, ip_by_version, ppp, type_or_length
from agent.capture.packets import Undecoded

TRUNCATED = cython.declare(cython.int, -Undecoded.TRUNCATED)
MALFORMED = cython.declare(cython.int, -Undecoded.MALFORMED)
ARP = cython.declare(cython.int, -Undecoded.ARP)
LLDP = cython.declare(cython.int, -Undecoded.LLDP)
EAPOL = cython.declare(cython.int, -Undecoded.EAPOL)
PPPOE_CONTROL = cython.declare(cython.int, -Undecoded.PPPOE_CONTROL)
MPLS = cython.declare(cython.int, -Undecoded.MPLS)
MACSEC = cython.declare(cython.int, -Undecoded.MACSEC)
OTHER_ETHERTYPE = cython.declare(cython.int, -Undecoded.OTHER_ETHERTYPE)


def shim(frame, kind):
    """Parse the header that an EtherType other than IP's announces, or name what it is."""
    if kind in (0x8100, 0x88A8, 0x9100):
        return vlan(frame)
    if kind in (0x8847, 0x8848):
        return mpls(frame)
    if kind == 0x8864:
        return pppoe(frame)
    if kind == 0x880B:
        return ppp(frame)
    if kind == 0x0806:
        return ARP
    if kind == 0x88CC:
        return LLDP
    if kind == 0x888E:
        return EAPOL
    if kind == 0x8863:
        return PPPOE_CONTROL
    if kind == 0x88E5:
        return MACSEC
    return OTHER_ETHERTYPE


def vlan(frame):
    """IEEE 802.1Q, 9.6: priority and VID, then a type or a length."""
    if frame.end - frame.at < 4:
        return TRUNCATED
    frame.tags = (frame.tags & 0xFFF) << 12 | (frame.word16(frame.at) & 0xFFF)
    frame.at += 2
    return type_or_length(frame)


def mpls(frame):
    """RFC 3032: labels to the stack's bottom; then IP, or a pseudowire (RFC 4385, 4448)."""
    bottom: cython.bint = False
    while not bottom:
        if frame.end - frame.at < 4:
            return TRUNCATED
        bottom = frame.data[frame.at + 2] & 1
        frame.at += 4
    if frame.end - frame.at < 4:
        return TRUNCATED
    if frame.data[frame.at] >> 4 == 0:
        frame.at += 4
        return ethernet(frame)
    return ip_by_version(frame, MPLS)


def pppoe(frame):
    """RFC 2516: version and type 1, code 0 for a session's data, session, length."""
    if frame.end - frame.at < 6:
        return TRUNCATED
    if frame.data[frame.at] != 0x11:
        return MALFORMED
    if frame.data[frame.at + 1] != 0:
        return PPPOE_CONTROL
    frame.at += 6
    return ppp(frame)
