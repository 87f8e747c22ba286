"""What every machine does by itself: clock, discovery, pings, ARP."""

from __future__ import annotations

from scapy.layers.dns import DNS, DNSRR
from scapy.layers.inet import ICMP, UDP
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.layers.ntp import NTPHeader
from scapy.packet import Packet, Raw

from training.gateway.synth.wire import Host, Wire

MULTICAST_DNS = Host("01:00:5e:00:00:fb", "224.0.0.251")
MULTICAST_DNS6 = Host("33:33:00:00:00:fb", "ff02::fb")
MULTICAST_LLMNR = Host("01:00:5e:00:00:fc", "224.0.0.252")
MULTICAST_SSDP = Host("01:00:5e:7f:ff:fa", "239.255.255.250")


def ask(
    wire: Wire, at: float, client: Host, server: Host, pair: tuple[Packet, Packet], family: str
) -> None:
    """One packet there, one back."""
    wire.put(at, client, server, pair[0], family)
    wire.put(at + wire.lag(server), server, client, pair[1], family)


def clock(wire: Wire, at: float, client: Host, server: Host) -> None:
    """NTP, mode 3 and 4."""
    port = wire.port(client)
    request = UDP(sport=port, dport=123) / _ntp(wire, 3, at)
    answer = UDP(sport=123, dport=port) / _ntp(wire, 4, at)
    ask(wire, at, client, server, (request, answer), "infrastructure")


def _ntp(wire: Wire, mode: int, at: float) -> NTPHeader:
    moment = wire.epoch + at + 2_208_988_800  # seconds since 1900
    return NTPHeader(version=4, mode=mode, ref=moment, orig=moment, recv=moment, sent=moment)


def ping(wire: Wire, at: float, client: Host, server: Host, count: int) -> None:
    """ICMP or ICMPv6 echo, once a second."""
    number = wire.random.getrandbits(16)
    for seq in range(count):
        if ":" in client.ip:
            request: Packet = ICMPv6EchoRequest(id=number, seq=seq, data=bytes(56))
            reply: Packet = ICMPv6EchoReply(id=number, seq=seq, data=bytes(56))
        else:
            request = ICMP(type=8, id=number, seq=seq) / Raw(bytes(56))
            reply = ICMP(type=0, id=number, seq=seq) / Raw(bytes(56))
        ask(wire, at + seq, client, server, (request, reply), "infrastructure")


def announce(wire: Wire, at: float, host: Host, service: str) -> None:
    """A service found by multicast DNS (RFC 6762)."""
    group = MULTICAST_DNS6 if ":" in host.ip else MULTICAST_DNS
    record = DNSRR(rrname=service, type="PTR", ttl=4500, rdata=f"unit.{service}")
    upper = UDP(sport=5353, dport=5353) / DNS(qr=1, aa=1, qd=[], an=record)
    wire.put(at, host, group, upper, "infrastructure")


def discover(wire: Wire, at: float, host: Host, port: int) -> None:
    """SSDP: who is there?"""
    search = b"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\n".ljust(170)
    wire.datagram(at, host, MULTICAST_SSDP, (port, 1900), 170, "infrastructure", search)


def shout(wire: Wire, at: float, host: Host) -> None:
    """A name asked for by LLMNR, twice, that no neighbour has (RFC 4795, 2.7)."""
    ports, size = (wire.port(host), 5355), wire.random.randint(22, 40)
    for later in (0.0, 0.1):
        wire.datagram(at + later, host, MULTICAST_LLMNR, ports, size, "infrastructure")


def resolve_mac(wire: Wire, at: float, asker: Host, owner: Host) -> None:
    """ARP, who has and is at."""
    who_has(wire, at, asker, owner)
    frame = _tagged(owner, asker.mac, asker.vlan)
    frame /= ARP(op="is-at", hwsrc=owner.mac, psrc=owner.ip, hwdst=asker.mac, pdst=asker.ip)
    wire.link(at + 0.0004, frame)


def who_has(wire: Wire, at: float, asker: Host, owner: Host) -> None:
    """ARP's question alone, as when nobody has the address."""
    frame = _tagged(asker, "ff:ff:ff:ff:ff:ff", asker.vlan)
    nobody = "00:00:00:00:00:00"
    frame /= ARP(op="who-has", hwsrc=asker.mac, psrc=asker.ip, hwdst=nobody, pdst=owner.ip)
    wire.link(at, frame)


def _tagged(sender: Host, to: str, vlan: int) -> Packet:
    frame: Packet = Ether(src=sender.mac, dst=to)
    return frame / Dot1Q(vlan=vlan) if vlan else frame
