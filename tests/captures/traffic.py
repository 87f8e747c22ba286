"""What innocent machines do: one function a habit. Sizes and times are those of real programs."""

from __future__ import annotations

from scapy.layers.dns import DNS, DNSQR, DNSRR
from scapy.layers.inet import ICMP, UDP
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.layers.ntp import NTPHeader
from scapy.layers.rtp import RTP
from scapy.packet import Packet, Raw

from tests.captures.wire import Host, Tcp, Wire

TLS_HELLO = b"\x16\x03\x01\x02\x00\x01"
TLS_HANDSHAKE = b"\x16\x03\x03\x00\x7a\x02"
TLS_CHANGE_CIPHER = b"\x14\x03\x03\x00\x01\x01"
TLS_DATA = b"\x17\x03\x03"
MULTICAST_DNS = Host("01:00:5e:00:00:fb", "224.0.0.251")
MULTICAST_DNS6 = Host("33:33:00:00:00:fb", "ff02::fb")
MULTICAST_SSDP = Host("01:00:5e:7f:ff:fa", "239.255.255.250")


def tls(wire: Wire, at: float, client: Host, server: Host, family: str, port: int = 443) -> Tcp:
    """A connection with its TLS 1.3 handshake done."""
    tcp = Tcp(wire, at, client, server, port, family).open()
    tcp.send(client, 517, TLS_HELLO)
    tcp.send(server, wire.random.randint(2700, 4300), TLS_HANDSHAKE)
    tcp.send(client, 80, TLS_CHANGE_CIPHER)
    return tcp


def dns(wire: Wire, at: float, client: Host, resolver: Host, name: str, address: str) -> float:
    """A name looked up at the resolver; returns when the answer passes."""
    qtype = "AAAA" if ":" in address else "A"
    question = DNSQR(qname=name, qtype=qtype)
    number, port = wire.random.getrandbits(16), wire.port()
    query = DNS(id=number, rd=1, qd=question)
    wire.put(at, client, resolver, UDP(sport=port, dport=53) / query, "dns")
    answered = at + wire.random.uniform(0.004, 0.045)
    record = DNSRR(rrname=name, type=qtype, ttl=300, rdata=address)
    answer = DNS(id=number, qr=1, rd=1, ra=1, qd=question, an=record)
    wire.put(answered, resolver, client, UDP(sport=53, dport=port) / answer, "dns")
    return answered


def web_page(wire: Wire, at: float, client: Host, servers: list[Host]) -> None:
    """A page: a request to the first server, then objects from all of them."""
    tcp = tls(wire, at, client, servers[0], "web")
    tcp.send(client, wire.random.randint(420, 900), TLS_DATA)
    tcp.pause(wire.random.uniform(0.02, 0.15))
    tcp.send(servers[0], wire.random.randint(6_000, 24_000), TLS_DATA)
    _objects(wire, tcp, wire.random.randint(1, 4))
    for server in servers[1:]:
        other = tls(wire, tcp.now + wire.random.uniform(0, 0.2), client, server, "web")
        _objects(wire, other, wire.random.randint(1, 3))
        other.pause(wire.random.uniform(5, 30))
        other.close()
    tcp.pause(wire.random.uniform(5, 60))
    tcp.close()


def _objects(wire: Wire, tcp: Tcp, count: int) -> None:
    for _ in range(count):
        tcp.send(tcp.client, wire.random.randint(180, 520), TLS_DATA)
        tcp.pause(wire.random.expovariate(20))
        tcp.send(tcp.server, int(wire.random.lognormvariate(8.3, 1.0)) + 200, TLS_DATA)
        tcp.pause(wire.random.expovariate(4))


def video(wire: Wire, at: float, client: Host, server: Host, chunks: int) -> None:
    """A stream: a chunk fetched every five seconds, faster than it plays."""
    tcp = tls(wire, at, client, server, "video")
    for _ in range(chunks):
        tcp.send(client, wire.random.randint(480, 560), TLS_DATA)
        tcp.pause(0.008)
        begun = tcp.now
        tcp.send(server, wire.random.randint(55_000, 85_000), TLS_DATA, rate=2.5e6)
        tcp.pause(max(0.0, begun + wire.random.gauss(5.0, 0.2) - tcp.now))
    tcp.close()


def backup(wire: Wire, at: float, client: Host, server: Host, size: int, port: int) -> None:
    """A night's changes, uploaded at line speed to a server that the machine knows."""
    tcp = tls(wire, at, client, server, "backup", port)
    remaining = size
    while remaining > 0:
        block = min(remaining, wire.random.randint(60_000, 130_000))
        tcp.send(client, block, TLS_DATA, rate=4e6)
        tcp.send(server, wire.random.randint(90, 140), TLS_DATA)
        tcp.pause(wire.random.uniform(0.05, 0.6))
        remaining -= block
    tcp.close()


def telemetry(
    wire: Wire, at: float, until: float, client: Host, server: Host, every: float
) -> None:
    """MQTT over TLS: a reading now and then, keep-alives between, one connection for all."""
    tcp = tls(wire, at, client, server, "iot", 8883)
    while tcp.now < until:
        report = wire.random.random() < 0.3
        tcp.send(client, wire.random.randint(110, 260) if report else 24, TLS_DATA)
        tcp.send(server, 26 if report else 24, TLS_DATA)
        tcp.pause(wire.random.gauss(every, 0.02))


def mail_fetch(wire: Wire, at: float, client: Host, server: Host) -> None:
    """IMAP over TLS: log in, list, fetch what is new."""
    tcp = tls(wire, at, client, server, "mail", 993)
    for request, response in ((70, 130), (45, 90), (60, 1_900), (52, 9_000), (33, 80)):
        tcp.send(client, request + wire.random.randint(0, 30), TLS_DATA)
        tcp.pause(wire.random.uniform(0.005, 0.05))
        tcp.send(server, response + wire.random.randint(0, response), TLS_DATA)
    tcp.close()


def mail_send(wire: Wire, at: float, client: Host, server: Host, size: int) -> None:
    """SMTP submission with STARTTLS."""
    tcp = Tcp(wire, at, client, server, 587, "mail").open()
    tcp.send(server, 42, b"220 mail.example ESMTP\r\n")
    for request, response in ((23, 150), (10, 30), (517, 3_100), (80, 60), (70, 40), (90, 44)):
        tcp.send(client, request)
        tcp.send(server, response)
    tcp.send(client, size, TLS_DATA)
    tcp.send(server, 60, TLS_DATA)
    tcp.close()


def ssh_open(wire: Wire, at: float, client: Host, server: Host, family: str) -> Tcp:
    """SSH up to the point where the client may try to log in."""
    tcp = Tcp(wire, at, client, server, 22, family).open()
    tcp.send(client, 41, b"SSH-2.0-OpenSSH_9.6p1\r\n")
    tcp.send(server, 41, b"SSH-2.0-OpenSSH_9.2p1\r\n")
    for request, response in ((1536, 1120), (48, 564), (16 + 44, 44), (60, 52)):
        tcp.send(client, request)
        tcp.send(server, response)
    return tcp


def ssh_session(wire: Wire, at: float, client: Host, server: Host, commands: int) -> None:
    """An administrator: one login with a key, commands typed, output read."""
    tcp = ssh_open(wire, at, client, server, "ssh")
    for request, response in ((500, 28), (112, 500), (460, 108)):
        tcp.send(client, request)
        tcp.send(server, response)
    for _ in range(commands):
        for _ in range(wire.random.randint(3, 7)):
            tcp.send(client, 36)
            tcp.send(server, 36)
            tcp.pause(wire.random.uniform(0.08, 0.3))
        tcp.send(server, wire.random.randint(120, 3_000))
        tcp.pause(wire.random.uniform(2, 15))
    tcp.close()


def file_share(wire: Wire, at: float, client: Host, server: Host, reads: list[int]) -> None:
    """SMB: negotiate, log in, list, then read (or, negative, write) files of so many bytes."""
    tcp = Tcp(wire, at, client, server, 445, "file sharing").open()
    for request, response in ((240, 330), (220, 360), (640, 150), (180, 140), (330, 1_200)):
        tcp.send(client, request, b"\0\0\0\xfeSMB")
        tcp.send(server, response, b"\0\0\0\xfeSMB")
    for size in reads:
        tcp.send(client, 117 if size > 0 else 112 - size, b"\0\0\0\xfeSMB")
        tcp.send(server, 84 + max(size, 0), b"\0\0\0\xfeSMB", rate=2e7)
        tcp.pause(wire.random.uniform(0.5, 8))
    tcp.close()


def printing(wire: Wire, at: float, client: Host, printer: Host, size: int) -> None:
    """IPP: ask for the printer's state, send the pages."""
    tcp = Tcp(wire, at, client, printer, 631, "printing").open()
    tcp.send(client, 480, b"POST /ipp/print HTTP/1.1\r\n")
    tcp.send(printer, 1_350, b"HTTP/1.1 200 OK\r\n")
    tcp.send(client, size, b"POST /ipp/print HTTP/1.1\r\n", rate=1e6)
    tcp.send(printer, 330, b"HTTP/1.1 200 OK\r\n")
    tcp.close()


def call(wire: Wire, at: float, phone: Host, peer: Host, seconds: float) -> None:
    """SIP around RTP both ways: a 50-byte iLBC frame every 30 ms."""
    ring, answer = at + 0.08, at + 3.5
    bye = answer + seconds
    for when, sender, size in (
        (at, phone, 860),
        (ring, peer, 380),
        (answer, peer, 790),
        (answer + 0.01, phone, 410),
        (bye, phone, 430),
        (bye + peer.delay, peer, 340),
    ):
        receiver = peer if sender is phone else phone
        sip = UDP(sport=5060, dport=5060) / Raw(b"SIP/2.0".ljust(size, b" "))
        wire.put(when, sender, receiver, sip, "voip")
    ports = {phone: wire.port() & ~1, peer: wire.port() & ~1}
    for sender, receiver in ((phone, peer), (peer, phone)):
        source = wire.random.getrandbits(32)
        for index in range(int(seconds / 0.03)):
            rtp = RTP(payload_type=97, sequence=index, timestamp=240 * index, sourcesync=source)
            datagram = UDP(sport=ports[sender], dport=ports[receiver]) / rtp / Raw(bytes(50))
            when = answer + 0.02 + index * 0.03 + abs(wire.random.gauss(0, sender.delay / 30))
            wire.put(when, sender, receiver, datagram, "voip")


def ask(
    wire: Wire, at: float, client: Host, server: Host, pair: tuple[Packet, Packet], family: str
) -> None:
    """One packet there, one back."""
    wire.put(at, client, server, pair[0], family)
    wire.put(at + server.delay, server, client, pair[1], family)


def clock(wire: Wire, at: float, client: Host, server: Host) -> None:
    """NTP, mode 3 and 4."""
    port = wire.port()
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
    search = b"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\n".ljust(170, b" ")
    upper = UDP(sport=port, dport=1900) / Raw(search)
    wire.put(at, host, MULTICAST_SSDP, upper, "infrastructure")


def resolve_mac(wire: Wire, at: float, asker: Host, owner: Host) -> None:
    """ARP, who has and is at."""
    tag = [Dot1Q(vlan=asker.vlan)] if asker.vlan else []
    for delay, sender, target, operation, to in (
        (0.0, asker, owner, "who-has", "ff:ff:ff:ff:ff:ff"),
        (0.0004, owner, asker, "is-at", asker.mac),
    ):
        frame: Packet = Ether(src=sender.mac, dst=to)
        for layer in tag:
            frame /= layer
        known = "00:00:00:00:00:00" if operation == "who-has" else target.mac
        frame /= ARP(op=operation, hwsrc=sender.mac, psrc=sender.ip, hwdst=known, pdst=target.ip)
        wire.link(at + delay, frame)
