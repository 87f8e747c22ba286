"""Families of attacks and kinds of benign traffic, and what data sets and tools call them.

Training and its reports go by family, so every source's names must come to the same few. The tables
say which; sources are named above each.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

FAMILIES: Final = (
    "scan",
    "flood",
    "brute force",
    "worm",
    "c2",
    "exfiltration",
    "lateral movement",
    "cryptomining",
    "exploit",
    "web attack",
    "malware",
)
"""Of malicious flows. The first eight are visible in headers; the others need a second witness."""

KINDS: Final = (
    "home",
    "office",
    "iot",
    "voip",
    "industrial",
    "mail",
    "web",
    "p2p",
    "vpn",
    "infrastructure",
    "other",
)
"""Of benign flows."""

# https://www.stratosphereips.org/datasets-iot23; "attack" there is the attempt on a service.
_IOT_23: Final = {
    "scan": (
        "partofahorizontalportscan",
        "partofahorizontalportscan-attack",
    ),
    "c2": (
        "c&c",
        "c&c-filedownload",
        "c&c-heartbeat",
        "c&c-heartbeat-attack",
        "c&c-heartbeat-filedownload",
        "c&c-mirai",
        "c&c-partofahorizontalportscan",
        "c&c-torii",
    ),
    "exploit": ("attack",),
    "malware": ("filedownload", "mirai", "okiru", "okiru-attack", "torii"),
}

# Sharafaldin, Lashkari, Ghorbani, ICISSP 2018, and CSE-CIC-IDS2018, spelled as in their files; and
# as in the corrected ones (Liu et al., CNS 2022). "Infilteration" is 2018's spelling.
_CIC: Final = {
    "scan": ("portscan", "infiltration - portscan", "infiltration - nmap portscan"),
    "flood": (
        "ddos",
        "ddos attack-hoic",
        "ddos attack-loic-udp",
        "ddos attacks-loic-http",
        "ddos-hoic",
        "ddos-loic-http",
        "ddos-loic-udp",
        "dos",
        "dos attacks-goldeneye",
        "dos attacks-hulk",
        "dos attacks-slowhttptest",
        "dos attacks-slowloris",
        "dos goldeneye",
        "dos hulk",
        "dos slowhttptest",
        "dos slowloris",
    ),
    "brute force": ("ftp-patator", "ssh-patator", "ftp-bruteforce", "ssh-bruteforce"),
    "exploit": ("heartbleed",),
    "web attack": (
        "brute force -web",
        "brute force -xss",
        "sql injection",
        "web attack - brute force",
        "web attack - sql",
        "web attack - sql injection",
        "web attack - xss",
    ),
    "c2": ("bot", "botnet", "botnet ares"),
    "lateral movement": ("infiltration", "infilteration"),
    "malware": (
        "infiltration - communication victim attacker",
        "infiltration - dropbox download",
    ),
}

# Categories: the descriptions of Suricata 8's etc/classification.config. Tactics: MITRE ATT&CK, as
# rules of Emerging Threats name them in their metadata.
_SURICATA: Final = {
    "scan": (
        "attempted information leak",
        "information leak",
        "large scale information leak",
        "detection of a network scan",
        "reconnaissance",
    ),
    "flood": (
        "attempted denial of service",
        "denial of service",
        "detection of a denial of service attack",
    ),
    "brute force": (
        "an attempted login using a suspicious username was detected",
        "attempt to login by a default username and password",
    ),
    "c2": (
        "domain observed used for c2 detected",
        "malware command and control activity detected",
        "command and control",
    ),
    "exfiltration": ("successful credential theft detected", "exfiltration"),
    "lateral movement": ("lateral movement",),
    "cryptomining": ("crypto currency mining activity detected",),
    "exploit": (
        "attempted user privilege gain",
        "unsuccessful user privilege gain",
        "successful user privilege gain",
        "attempted administrator privilege gain",
        "successful administrator privilege gain",
        "executable code was detected",
        "exploit kit activity detected",
        "misc attack",
        "initial access",
    ),
    "web attack": (
        "access to a potentially vulnerable web application",
        "web application attack",
    ),
    "malware": (
        "a network trojan was detected",
        "targeted malicious activity was detected",
        "possibly unwanted program detected",
    ),
}

# What lists of public captures say, as far as the words before a colon do not say it already.
_CAPTURES: Final = {
    "scan": ("bot/scanner http",),
    "exfiltration": ("tunnel", "tunnel/exfiltration"),
    "lateral movement": (
        "adversary emulation (empire/covenant, ad)",
        "apt29 emulation (host capture)",
        "credential access (ad)",
        "file move",
        "lateral movement (smb)",
        "lateral movement (smb/wmi/rpc)",
        "post-exploitation (ad/windows)",
    ),
    "cryptomining": ("cryptomining (policy)",),
    "c2": ("c2 upload", "reverse shell", "reverse shell over tls"),
    "exploit": (
        "exploit kit",
        "exploit poc (web/client side)",
        "exploit/malware (zeek detector test)",
        "fake modbus command",
    ),
    "web attack": ("session hijacking", "web attack (cic-ids2017)"),
    "malware": ("malicious http redirection", "malware file transfer (eicar/test)"),
    "home": ("android app traffic",),
    "office": (
        "office protocols (practical packet analysis)",
        "windows desktop traffic",
        "windows domain/smb traffic (lab)",
    ),
    "iot": ("iot device setup",),
    "voip": ("auth/voip protocol samples", "voip sip/rtp"),
    "industrial": ("ics/scada", "modbus scada"),
    "web": ("tls/http2/ssh/quic clients", "web/mixed traffic"),
    "vpn": ("tor browser",),
    "other": ("app/protocol", "protocol sample"),
}

_GAPS = re.compile(r"[\s_\-–—\x96\ufffd]+")  # a dash in a Windows code page arrives as the last two


def family_of(text: str) -> str:
    """The family, or the kind, that a name stands for; an unknown name itself, in small letters.

    Case and the sort of dash do not matter; of ``scan: nmap`` the part before the colon decides
    where the whole is not in the tables.
    """
    for part in (text, text.partition(":")[0]):
        if family := _FAMILY_OF.get(_normal(part)):
            return family
    return text.strip().lower()


def _normal(text: str) -> str:
    return _GAPS.sub(" ", text.lower()).strip()


def _pairs() -> Iterator[tuple[str, str]]:
    for name in (*FAMILIES, *KINDS):
        yield name, name
    for table in (_IOT_23, _CIC, _SURICATA, _CAPTURES):
        for family, names in table.items():
            for name in names:
                yield _normal(name), family


_FAMILY_OF: Final = dict(_pairs())
