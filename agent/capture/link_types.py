"""Link types: the numbers that capture files use, and their names.

Numbers and names are those of the registry at https://www.tcpdump.org/linktypes.html (DLT names).
"""

from __future__ import annotations

from enum import IntEnum


class Link(IntEnum):
    """The link types that the decoder reads."""

    NULL = 0  # BSD loopback: address family in the capturing host's byte order
    ETHERNET = 1
    PPP = 9  # RFC 1661, with or without the RFC 1662 address and control bytes
    RAW_BSD = 12  # DLT_RAW as written by most systems
    RAW_OPENBSD = 14  # DLT_RAW as written by OpenBSD
    PPP_SERIAL = 50
    RAW = 101
    C_HDLC = 104
    LOOP = 108  # OpenBSD loopback: address family in network byte order
    LINUX_SLL = 113
    IPV4 = 228
    IPV6 = 229
    LINUX_SLL2 = 276


_NAMES = {
    0: "NULL",
    1: "EN10MB",
    2: "EN3MB",
    3: "AX25",
    6: "IEEE802",
    7: "ARCNET",
    8: "SLIP",
    9: "PPP",
    10: "FDDI",
    12: "RAW",
    14: "RAW",
    50: "PPP_SERIAL",
    51: "PPP_ETHER",
    99: "SYMANTEC_FIREWALL",
    100: "ATM_RFC1483",
    101: "RAW",
    104: "C_HDLC",
    105: "IEEE802_11",
    107: "FRELAY",
    108: "LOOP",
    109: "ENC",
    113: "LINUX_SLL",
    114: "LTALK",
    117: "PFLOG",
    119: "PRISM_HEADER",
    122: "IP_OVER_FC",
    123: "SUNATM",
    127: "IEEE802_11_RADIO",
    129: "ARCNET_LINUX",
    130: "JUNIPER_MLPPP",
    135: "JUNIPER_ATM2",
    137: "JUNIPER_ATM1",
    138: "APPLE_IP_OVER_IEEE1394",
    140: "MTP2",
    141: "MTP3",
    142: "SCCP",
    143: "DOCSIS",
    144: "LINUX_IRDA",
    163: "IEEE802_11_RADIO_AVS",
    166: "PPP_PPPD",
    177: "LINUX_LAPD",
    178: "JUNIPER_ETHER",
    187: "BLUETOOTH_HCI_H4",
    189: "USB_LINUX",
    192: "PPI",
    195: "IEEE802_15_4_WITHFCS",
    197: "ERF",
    201: "BLUETOOTH_HCI_H4_WITH_PHDR",
    204: "PPP_WITH_DIR",
    209: "IPMB_LINUX",
    220: "USB_LINUX_MMAPPED",
    227: "CAN_SOCKETCAN",
    228: "IPV4",
    229: "IPV6",
    230: "IEEE802_15_4_NOFCS",
    231: "DBUS",
    239: "NFLOG",
    240: "NETANALYZER",
    247: "INFINIBAND",
    248: "SCTP",
    249: "USBPCAP",
    251: "BLUETOOTH_LE_LL",
    252: "WIRESHARK_UPPER_PDU",
    253: "NETLINK",
    254: "BLUETOOTH_LINUX_MONITOR",
    256: "BLUETOOTH_LE_LL_WITH_PHDR",
    258: "PKTAP",
    272: "NORDIC_BLE",
    276: "LINUX_SLL2",
    283: "IEEE802_15_4_TAP",
}


def link_name(link_type: int) -> str:
    """The registry's name of a link type, without its prefix; the number where we know no name."""
    if 147 <= link_type <= 162:
        return f"USER{link_type - 147}"
    return _NAMES.get(link_type, str(link_type))
