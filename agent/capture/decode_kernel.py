# mypy: disable-error-code="import-untyped, valid-type, untyped-decorator, no-any-return"
# ruff: noqa: PLR0911 (returns are how a parser says what follows)
"""Decode frames: from the link's header down to the innermost IP packet and its transport header.

Every header's parser returns the EtherType of what follows it (IEEE 802 numbers, IANA registry), so
that one loop walks any nesting; 0 ends the walk well, a negative ``Undecoded`` ends it otherwise.
No byte beyond the captured ones is read. Compiled by Cython; the same file runs uncompiled.
"""

import cython
import numpy as np
from numpy.typing import NDArray

from agent.capture.packets import PacketBatch, Undecoded

MAX_ENCAPSULATIONS = 8
FRAGMENT_SLOTS = 4096

# C variables, not Python objects: what a parser returns when it gives up.
_OK = cython.declare(cython.int, int(Undecoded.OK))
_LINK_TYPE = cython.declare(cython.int, -Undecoded.LINK_TYPE)
_TRUNCATED = cython.declare(cython.int, -Undecoded.TRUNCATED)
_MALFORMED = cython.declare(cython.int, -Undecoded.MALFORMED)
_TOO_DEEP = cython.declare(cython.int, -Undecoded.TOO_DEEP)
_ARP = cython.declare(cython.int, -Undecoded.ARP)
_LLC = cython.declare(cython.int, -Undecoded.LLC)
_LLDP = cython.declare(cython.int, -Undecoded.LLDP)
_EAPOL = cython.declare(cython.int, -Undecoded.EAPOL)
_PPPOE_CONTROL = cython.declare(cython.int, -Undecoded.PPPOE_CONTROL)
_MPLS = cython.declare(cython.int, -Undecoded.MPLS)
_MACSEC = cython.declare(cython.int, -Undecoded.MACSEC)
_OTHER_ETHERTYPE = cython.declare(cython.int, -Undecoded.OTHER_ETHERTYPE)
_DEEPEST = cython.declare(cython.int, MAX_ENCAPSULATIONS)


@cython.final
@cython.cclass
class FrameParser:
    """Parses frames into the rows of one batch; remembers first fragments from batch to batch.

    Args:
        batch: whose rows to fill.
        counts: ``(len(Undecoded),)``, where packets are counted by status.
    """

    data: cython.const[cython.uchar][::1]
    row: cython.Py_ssize_t
    at: cython.Py_ssize_t  # next byte to parse
    end: cython.Py_ssize_t  # end of the bytes captured
    wire: cython.Py_ssize_t  # end of the bytes that were on the wire
    found: cython.bint  # an IP header is in the row
    mac: cython.ulonglong
    tags: cython.uint
    key: cython.ulonglong  # of the fragment in hand; 0 where there is none
    tail: cython.bint  # it is not the first one (IPv6)

    status: cython.uchar[::1]
    src_mac: cython.ulonglong[::1]
    src_hi: cython.ulonglong[::1]
    src_lo: cython.ulonglong[::1]
    dst_hi: cython.ulonglong[::1]
    dst_lo: cython.ulonglong[::1]
    vlan: cython.uint[::1]
    sport: cython.ushort[::1]
    dport: cython.ushort[::1]
    proto: cython.uchar[::1]
    ttl: cython.uchar[::1]
    ip_bytes: cython.uint[::1]
    payload: cython.uint[::1]
    flags: cython.uchar[::1]
    window: cython.ushort[::1]
    seq: cython.uint[::1]
    icmp: cython.ushort[::1]
    length: cython.uint[::1]
    captured: cython.uint[::1]
    interface: cython.ushort[::1]

    counted: cython.longlong[::1]

    # Direct-mapped, a row a first fragment: its addresses, its key, and its protocol and ports.
    fragments: cython.ulonglong[:, ::1]

    def __init__(self, batch: PacketBatch, counts: NDArray[np.int64]) -> None:
        self.counted = counts.data
        self.status = batch.status.data
        self.src_mac = batch.src_mac.data
        self.src_hi = batch.src_hi.data
        self.src_lo = batch.src_lo.data
        self.dst_hi = batch.dst_hi.data
        self.dst_lo = batch.dst_lo.data
        self.vlan = batch.vlan.data
        self.sport = batch.sport.data
        self.dport = batch.dport.data
        self.proto = batch.proto.data
        self.ttl = batch.ttl.data
        self.ip_bytes = batch.ip_bytes.data
        self.payload = batch.payload.data
        self.flags = batch.flags.data
        self.window = batch.window.data
        self.seq = batch.seq.data
        self.icmp = batch.icmp.data
        self.length = batch.length.data
        self.captured = batch.captured.data
        self.interface = batch.interface.data
        self.fragments = np.zeros((FRAGMENT_SLOTS, 6), np.uint64).data

    def parse(
        self,
        data: cython.const[cython.uchar][::1],
        offsets: cython.const[cython.longlong][::1],
        links: cython.const[cython.ushort][::1],
        n: cython.Py_ssize_t,
    ) -> None:
        """Fill ``status`` and the decoded columns of rows 0 to ``n``; they must hold zeros before.

        Args:
            data: bytes in which all frames lie, which is not checked.
            offsets: ``(n,)``, where each row's frame begins in ``data``.
            links: link type of each interface.
            n: rows to decode; their ``length``, ``captured`` and ``interface`` are set.
        """
        row: cython.Py_ssize_t
        status: cython.Py_ssize_t
        length: cython.Py_ssize_t
        captured: cython.Py_ssize_t
        self.data = data
        for row in range(n):
            length = self.length[row]
            captured = self.captured[row]
            self.row = row
            self.at = offsets[row]
            self.end = self.at + captured
            self.wire = self.at + max(length, captured)
            status = self._frame(links[self.interface[row]])
            self.status[row] = status
            self.counted[status] += 1
        self.data = memoryview(b"")  # let go of the caller's buffer

    @cython.cfunc
    @cython.exceptval(check=False)
    def _frame(self, link: cython.int) -> cython.int:
        """Decode the row's frame; returns its ``Undecoded`` status."""
        depth: cython.int = 0
        self.found = False
        self.mac = 0
        self.tags = 0
        following: cython.int = self._link(link)
        while following > 0:
            if depth > _DEEPEST:
                self._clear()
                return -_TOO_DEEP
            depth += 1
            following = self._header(following)
        # What a tunnel holds may be beyond us; the packet that carries it was decoded all the same.
        return _OK if self.found else -following

    @cython.cfunc
    @cython.inline
    @cython.exceptval(check=False)
    def _link(self, link: cython.int) -> cython.int:
        if link == 1:
            return self._ethernet()
        if link in (12, 14, 101):
            return self._ip_by_version(_MALFORMED)
        if link == 228:
            return 0x0800
        if link == 229:
            return 0x86DD
        if link == 113:
            return self._sll()
        if link == 276:
            return self._sll2()
        if link in (0, 108):
            return self._loopback()
        if link in (9, 50):
            return self._ppp()
        if link == 104:
            return self._cisco_hdlc()
        return _LINK_TYPE

    @cython.cfunc
    @cython.inline
    @cython.exceptval(check=False)
    def _header(self, ethertype: cython.int) -> cython.int:
        """Parse the header that an EtherType announces."""
        if ethertype == 0x0800:
            return self._ipv4()
        if ethertype == 0x86DD:
            return self._ipv6()
        return self._shim(ethertype)

    @cython.cfunc
    @cython.exceptval(check=False)
    def _shim(self, ethertype: cython.int) -> cython.int:
        """Everything between the link's header and IP, and what is no IP at all."""
        if ethertype in (0x8100, 0x88A8, 0x9100):
            return self._vlan()
        if ethertype in (0x8847, 0x8848):
            return self._mpls()
        if ethertype == 0x8864:
            return self._pppoe()
        if ethertype == 0x880B:
            return self._ppp()
        if ethertype == 0x0806:
            return _ARP
        if ethertype == 0x88CC:
            return _LLDP
        if ethertype == 0x888E:
            return _EAPOL
        if ethertype == 0x8863:
            return _PPPOE_CONTROL
        if ethertype == 0x88E5:
            return _MACSEC
        return _OTHER_ETHERTYPE

    # ── Link headers ──────────────────────────────────────────────────────────────────────────

    @cython.cfunc
    @cython.inline
    @cython.exceptval(check=False)
    def _ethernet(self) -> cython.int:
        """IEEE 802.3, 3.2: two addresses, then a type or a length."""
        if self.end - self.at < 14:
            return _TRUNCATED
        self.mac = self._mac_at(self.at + 6)
        self.tags = 0
        self.at += 12
        return self._type_or_length()

    @cython.cfunc
    @cython.inline
    @cython.exceptval(check=False)
    def _type_or_length(self) -> cython.int:
        """Below 1536 it is a length, and IEEE 802.2 LLC follows (IEEE 802.3, 3.2.6)."""
        value: cython.int = self._u16(self.at)
        self.at += 2
        return value if value >= 0x600 else self._llc()

    @cython.cfunc
    @cython.exceptval(check=False)
    def _llc(self) -> cython.int:
        """Only SNAP with an all-zero OUI carries an EtherType (RFC 1042)."""
        if self.end - self.at < 3:
            return _TRUNCATED
        if self._u16(self.at) != 0xAAAA or self.data[self.at + 2] != 3:
            return _LLC
        if self.end - self.at < 8:
            return _TRUNCATED
        if self._u16(self.at + 3) != 0 or self.data[self.at + 5] != 0:
            return _LLC
        self.at += 8
        return self._ethertype_at(self.at - 2)

    @cython.cfunc
    @cython.exceptval(check=False)
    def _sll(self) -> cython.int:
        """LINKTYPE_LINUX_SLL: packet type, ARPHRD, address length and bytes, protocol."""
        if self.end - self.at < 16:
            return _TRUNCATED
        if self._u16(self.at + 4) == 6:
            self.mac = self._mac_at(self.at + 6)
        self.at += 16
        return self._sll_protocol(self._u16(self.at - 2))

    @cython.cfunc
    @cython.exceptval(check=False)
    def _sll2(self) -> cython.int:
        """LINKTYPE_LINUX_SLL2: protocol, interface, ARPHRD, packet type, address."""
        if self.end - self.at < 20:
            return _TRUNCATED
        if self.data[self.at + 11] == 6:
            self.mac = self._mac_at(self.at + 12)
        self.at += 20
        return self._sll_protocol(self._u16(self.at - 20))

    @cython.cfunc
    @cython.exceptval(check=False)
    def _sll_protocol(self, protocol: cython.int) -> cython.int:
        if protocol >= 0x600:
            return protocol
        return self._llc() if protocol == 4 else _OTHER_ETHERTYPE

    @cython.cfunc
    @cython.exceptval(check=False)
    def _loopback(self) -> cython.int:
        """LINKTYPE_NULL and LOOP: an address family, in either byte order."""
        family: cython.int
        if self.end - self.at < 4:
            return _TRUNCATED
        if self._u16(self.at) == 0:
            family = self._u16(self.at + 2)
        elif self._u16(self.at + 2) == 0:
            family = self.data[self.at + 1] << 8 | self.data[self.at]
        else:
            return _OTHER_ETHERTYPE
        self.at += 4
        if family == 2:
            return 0x0800
        # AF_INET6 of Linux, NetBSD and OpenBSD, FreeBSD, Darwin.
        if family in (10, 24, 28, 30):
            return 0x86DD
        return _OTHER_ETHERTYPE

    @cython.cfunc
    @cython.exceptval(check=False)
    def _cisco_hdlc(self) -> cython.int:
        if self.end - self.at < 4:
            return _TRUNCATED
        self.at += 4
        return self._ethertype_at(self.at - 2)

    @cython.cfunc
    @cython.exceptval(check=False)
    def _ppp(self) -> cython.int:
        """RFC 1661: a protocol number of two bytes, or of one odd byte; RFC 1662 framing before."""
        protocol: cython.int
        if self.end - self.at < 2:
            return _TRUNCATED
        if self.data[self.at] == 0x0F or self.data[self.at] == 0x8F:
            return self._cisco_hdlc()  # the registry says that such links are marked PPP at times
        if self._u16(self.at) == 0xFF03:
            self.at += 2
        if self.end - self.at < 2:
            return _TRUNCATED
        if self.data[self.at] & 1:
            protocol = self.data[self.at]
            self.at += 1
        else:
            protocol = self._u16(self.at)
            self.at += 2
        if protocol == 0x21:
            return 0x0800
        if protocol == 0x57:
            return 0x86DD
        if protocol in (0x281, 0x283):
            return 0x8847
        return _PPPOE_CONTROL

    # ── Between link and IP ───────────────────────────────────────────────────────────────────

    @cython.cfunc
    @cython.exceptval(check=False)
    def _vlan(self) -> cython.int:
        """IEEE 802.1Q, 9.6: priority and VID, then a type or a length."""
        if self.end - self.at < 4:
            return _TRUNCATED
        self.tags = (self.tags & 0xFFF) << 12 | (self._u16(self.at) & 0xFFF)
        self.at += 2
        return self._type_or_length()

    @cython.cfunc
    @cython.exceptval(check=False)
    def _mpls(self) -> cython.int:
        """RFC 3032: labels to the stack's bottom; then IP, or a pseudowire (RFC 4385, 4448)."""
        bottom: cython.bint = False
        while not bottom:
            if self.end - self.at < 4:
                return _TRUNCATED
            bottom = self.data[self.at + 2] & 1
            self.at += 4
        if self.end - self.at < 4:
            return _TRUNCATED
        if self.data[self.at] >> 4 == 0:
            self.at += 4
            return self._ethernet()
        return self._ip_by_version(_MPLS)

    @cython.cfunc
    @cython.exceptval(check=False)
    def _pppoe(self) -> cython.int:
        """RFC 2516: version and type 1, code 0 for a session's data, session, length."""
        if self.end - self.at < 6:
            return _TRUNCATED
        if self.data[self.at] != 0x11:
            return _MALFORMED
        if self.data[self.at + 1] != 0:
            return _PPPOE_CONTROL
        self.at += 6
        return self._ppp()

    @cython.cfunc
    @cython.exceptval(check=False)
    def _ip_by_version(self, otherwise: cython.int) -> cython.int:
        if self.end - self.at < 1:
            return _TRUNCATED
        if self.data[self.at] >> 4 == 4:
            return 0x0800
        if self.data[self.at] >> 4 == 6:
            return 0x86DD
        return otherwise

    # ── IP ────────────────────────────────────────────────────────────────────────────────────

    @cython.cfunc
    @cython.inline
    @cython.exceptval(check=False)
    def _ipv4(self) -> cython.int:
        """RFC 791, 3.1."""
        at: cython.Py_ssize_t = self.at
        row: cython.Py_ssize_t = self.row
        if self.end - at < 20:
            return _TRUNCATED
        header: cython.Py_ssize_t = (self.data[at] & 15) * 4
        total: cython.Py_ssize_t = self._u16(at + 2)
        if total == 0:  # left to the network card by segmentation offload
            total = self.wire - at
        if self.data[at] >> 4 != 4 or header < 20 or total < header:
            return _MALFORMED
        mapped: cython.ulonglong = 0xFFFF
        self._begin_row(total, self.data[at + 8])
        self.src_lo[row] = mapped << 32 | self._u32(at + 12)
        self.dst_lo[row] = mapped << 32 | self._u32(at + 16)
        self.at = at + header
        protocol: cython.int = self.data[at + 9]
        fragment: cython.int = self._u16(at + 6) & 0x3FFF  # more fragments, and the offset
        if fragment != 0:
            self._begin_fragment(self._u16(at + 4), protocol)
            if fragment & 0x1FFF:
                return self._tail_fragment(protocol)
        return self._upper(protocol, False)

    @cython.cfunc
    @cython.inline
    @cython.exceptval(check=False)
    def _ipv6(self) -> cython.int:
        """RFC 8200, 3."""
        at: cython.Py_ssize_t = self.at
        row: cython.Py_ssize_t = self.row
        if self.end - at < 40:
            return _TRUNCATED
        if self.data[at] >> 4 != 6:
            return _MALFORMED
        total: cython.Py_ssize_t = 40 + self._u16(at + 4)
        protocol: cython.int = self.data[at + 6]
        if total == 40 and protocol != 59:  # a jumbogram (RFC 2675) or segmentation offload
            total = self.wire - at
        self._begin_row(total, self.data[at + 7])
        self.src_hi[row] = self._u64(at + 8)
        self.src_lo[row] = self._u64(at + 16)
        self.dst_hi[row] = self._u64(at + 24)
        self.dst_lo[row] = self._u64(at + 32)
        self.at = at + 40
        return self._upper(protocol, True)

    @cython.cfunc
    @cython.inline
    @cython.exceptval(check=False)
    def _begin_row(self, total: cython.Py_ssize_t, ttl: cython.int) -> cython.void:
        """Enter a valid IP header in the row, and narrow the walk to its ``total`` bytes."""
        if self.found:
            self._clear()
        self.found = True
        self.key = 0
        self.tail = False
        self.src_mac[self.row] = self.mac
        self.vlan[self.row] = self.tags
        self.ip_bytes[self.row] = total
        self.ttl[self.row] = ttl
        self.wire = self.at + total
        self.end = min(self.end, self.wire)

    @cython.cfunc
    @cython.exceptval(check=False)
    def _clear(self) -> cython.void:
        """Forget the outer packet: the inner one counts."""
        row: cython.Py_ssize_t = self.row
        self.src_mac[row] = 0
        self.src_hi[row] = 0
        self.src_lo[row] = 0
        self.dst_hi[row] = 0
        self.dst_lo[row] = 0
        self.vlan[row] = 0
        self.sport[row] = 0
        self.dport[row] = 0
        self.proto[row] = 0
        self.ttl[row] = 0
        self.ip_bytes[row] = 0
        self.payload[row] = 0
        self.flags[row] = 0
        self.window[row] = 0
        self.seq[row] = 0
        self.icmp[row] = 0

    @cython.cfunc
    @cython.inline
    @cython.exceptval(check=False)
    def _upper(self, protocol: cython.int, ipv6: cython.bint) -> cython.int:
        """Walk what follows the IP header: extension headers, then the transport header."""
        if protocol not in (6, 17):  # nearly every packet is TCP or UDP
            protocol = self._extensions(protocol, ipv6)
            if self.tail:
                return self._tail_fragment(protocol)
        following: cython.int = self._transport(protocol)
        if self.key != 0:
            self._remember()
        return following

    @cython.cfunc
    @cython.exceptval(check=False)
    def _extensions(self, protocol: cython.int, ipv6: cython.bint) -> cython.int:
        """Skip IPv6 extension headers (IANA's list), and AH (RFC 4302) in IPv4 too."""
        size: cython.int
        fragment: cython.int
        while self.end - self.at >= 8 and not self.tail:
            if protocol == 51:
                size = (self.data[self.at + 1] + 2) * 4
            elif not ipv6:
                break
            elif protocol == 44:  # RFC 8200, 4.5
                size = 8
                fragment = self._u16(self.at + 2) & 0xFFF9  # the offset, and more fragments
                if fragment != 0:  # else an atomic one (RFC 6946)
                    self._begin_fragment(self._u32(self.at + 4), self.data[self.at])
                    self.tail = fragment >> 3 != 0
            elif protocol in (0, 43, 60, 135, 139, 140):
                # hop-by-hop, routing, destination options, mobility, HIP, shim6
                size = (self.data[self.at + 1] + 1) * 8
            else:
                break
            protocol = self.data[self.at]
            self.at += size
        return protocol

    # ── Fragments ─────────────────────────────────────────────────────────────────────────────

    @cython.cfunc
    @cython.exceptval(check=False)
    def _begin_fragment(
        self, identification: cython.ulonglong, protocol: cython.int
    ) -> cython.void:
        """Key of the packet that the fragment belongs to, beside its addresses; never 0."""
        self.key = 1
        self.key = (self.key << 32 | identification) << 8 | protocol

    @cython.cfunc
    @cython.exceptval(check=False)
    def _remember(self) -> cython.void:
        """A first fragment leaves its protocol and ports for the others."""
        row: cython.Py_ssize_t = self.row
        slot: cython.Py_ssize_t = self._slot()
        value: cython.ulonglong = self.proto[row]
        value = value << 16 | self.sport[row]
        value = value << 16 | self.dport[row]
        self.fragments[slot, 0] = self.src_hi[row]
        self.fragments[slot, 1] = self.src_lo[row]
        self.fragments[slot, 2] = self.dst_hi[row]
        self.fragments[slot, 3] = self.dst_lo[row]
        self.fragments[slot, 4] = self.key
        self.fragments[slot, 5] = value

    @cython.cfunc
    @cython.exceptval(check=False)
    def _tail_fragment(self, protocol: cython.int) -> cython.int:
        """Another fragment takes them, unless a collision made the cache forget."""
        row: cython.Py_ssize_t = self.row
        slot: cython.Py_ssize_t = self._slot()
        value: cython.ulonglong
        self.proto[row] = protocol
        if (
            self.fragments[slot, 0] == self.src_hi[row]
            and self.fragments[slot, 1] == self.src_lo[row]
            and self.fragments[slot, 2] == self.dst_hi[row]
            and self.fragments[slot, 3] == self.dst_lo[row]
            and self.fragments[slot, 4] == self.key
        ):
            value = self.fragments[slot, 5]
            self.proto[row] = value >> 32
            self.sport[row] = value >> 16 & 0xFFFF
            self.dport[row] = value & 0xFFFF
        self.payload[row] = max(0, self.wire - self.at)
        return 0

    @cython.cfunc
    @cython.exceptval(check=False)
    def _slot(self) -> cython.Py_ssize_t:
        """Multiplicative hashing (Knuth, 6.4) of addresses and key to 12 bits."""
        row: cython.Py_ssize_t = self.row
        word: cython.ulonglong = self._mix(0, self.key)
        word = self._mix(word, self.src_hi[row])
        word = self._mix(word, self.src_lo[row])
        word = self._mix(word, self.dst_hi[row])
        word = self._mix(word, self.dst_lo[row])
        return word >> 20

    @cython.cfunc
    @cython.inline
    @cython.exceptval(check=False)
    def _mix(self, word: cython.ulonglong, more: cython.ulonglong) -> cython.ulonglong:
        """32 bits, kept so by masks: Python's integers do not wrap."""
        low: cython.ulonglong = 0xFFFFFFFF
        golden: cython.ulonglong = 0x9E3779B1
        return ((word ^ more ^ more >> 32) & low) * golden & low

    # ── Transport ─────────────────────────────────────────────────────────────────────────────

    @cython.cfunc
    @cython.inline
    @cython.exceptval(check=False)
    def _transport(self, protocol: cython.int) -> cython.int:
        """Take what was captured of the transport header; go on where the protocol is a tunnel."""
        row: cython.Py_ssize_t = self.row
        at: cython.Py_ssize_t = self.at
        have: cython.Py_ssize_t = self.end - at
        header: cython.Py_ssize_t = 0
        self.proto[row] = protocol
        if protocol == 6:  # RFC 9293, 3.1
            header = self._tcp(have)
        elif protocol in (17, 132):  # RFC 768; RFC 9260, 3.1
            header = 8 if protocol == 17 else 12
            self._ports(have)
        elif protocol in (1, 58):  # RFC 792; RFC 4443, 2.1
            header = 8
            if have >= 2:
                self.icmp[row] = self._u16(at)
        self.payload[row] = max(0, self.wire - at - header)
        if protocol == 17:
            return self._udp_tunnel(have) if have >= 8 else 0
        return self._ip_tunnel(protocol) if protocol != 6 else 0

    @cython.cfunc
    @cython.inline
    @cython.exceptval(check=False)
    def _tcp(self, have: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """Ports, sequence number, flags and window; returns the header's length."""
        row: cython.Py_ssize_t = self.row
        at: cython.Py_ssize_t = self.at
        header: cython.Py_ssize_t = 20
        self._ports(have)
        if have >= 8:
            self.seq[row] = self._u32(at + 4)
        if have >= 14:
            header = max(header, (self.data[at + 12] >> 4) * 4)
            self.flags[row] = self.data[at + 13]
        if have >= 16:
            self.window[row] = self._u16(at + 14)
        return header

    @cython.cfunc
    @cython.inline
    @cython.exceptval(check=False)
    def _ports(self, have: cython.Py_ssize_t) -> cython.void:
        if have >= 4:
            self.sport[self.row] = self._u16(self.at)
            self.dport[self.row] = self._u16(self.at + 2)

    # ── Tunnels ───────────────────────────────────────────────────────────────────────────────

    @cython.cfunc
    @cython.inline
    @cython.exceptval(check=False)
    def _udp_tunnel(self, have: cython.Py_ssize_t) -> cython.int:
        """VXLAN (RFC 7348, 5) on its port and on Linux's older one, with the I flag set."""
        port: cython.int = self.dport[self.row]
        if port not in (4789, 8472) or have < 16 or not self.data[self.at + 8] & 8:
            return 0
        self.at += 16
        return self._ethernet()

    @cython.cfunc
    @cython.exceptval(check=False)
    def _ip_tunnel(self, protocol: cython.int) -> cython.int:
        if protocol == 4:  # RFC 2003
            return 0x0800
        if protocol == 41:  # RFC 4213
            return 0x86DD
        return self._gre() if protocol == 47 else 0

    @cython.cfunc
    @cython.exceptval(check=False)
    def _gre(self) -> cython.int:
        """RFC 2784 with RFC 2890's key and sequence number, and version 1 for PPTP (RFC 2637)."""
        if self.end - self.at < 4:
            return _TRUNCATED
        bits: cython.int = self._u16(self.at)
        version: cython.int = bits & 7
        ethertype: cython.int = self._ethertype_at(self.at + 2)
        if version > 1 or bits & 0x4000:  # source routing was RFC 1701's
            return _MALFORMED
        self.at += 4
        if bits & 0x8000:  # checksum
            self.at += 4
        if bits & 0x2000:  # key
            self.at += 4
        if bits & 0x1000:  # sequence number
            self.at += 4
        if version == 1 and bits & 0x80:  # acknowledgement
            self.at += 4
        return self._ethernet() if ethertype == 0x6558 else ethertype

    # ── Bytes, big-endian ─────────────────────────────────────────────────────────────────────

    @cython.cfunc
    @cython.inline
    @cython.exceptval(check=False)
    def _ethertype_at(self, at: cython.Py_ssize_t) -> cython.int:
        value: cython.int = self._u16(at)
        return value if value >= 0x600 else _OTHER_ETHERTYPE

    @cython.cfunc
    @cython.inline
    @cython.exceptval(check=False)
    def _mac_at(self, at: cython.Py_ssize_t) -> cython.ulonglong:
        high: cython.ulonglong = self._u16(at)
        return high << 32 | self._u32(at + 2)

    @cython.cfunc
    @cython.inline
    @cython.exceptval(check=False)
    def _u16(self, at: cython.Py_ssize_t) -> cython.uint:
        return self.data[at] << 8 | self.data[at + 1]

    @cython.cfunc
    @cython.inline
    @cython.exceptval(check=False)
    def _u32(self, at: cython.Py_ssize_t) -> cython.uint:
        first: cython.uint = self.data[at]
        return first << 24 | self.data[at + 1] << 16 | self.data[at + 2] << 8 | self.data[at + 3]

    @cython.cfunc
    @cython.inline
    @cython.exceptval(check=False)
    def _u64(self, at: cython.Py_ssize_t) -> cython.ulonglong:
        high: cython.ulonglong = self._u32(at)
        return high << 32 | self._u32(at + 4)
