"""What attackers do: one function a family of labels."""

from __future__ import annotations

from scapy.layers.inet import TCP
from scapy.packet import Packet

from tests.captures.traffic import TLS_DATA, ssh_open, tls
from tests.captures.wire import Host, Tcp, Wire

_DOCUMENTATION = ("192.0.2", "198.51.100", "203.0.113")  # RFC 5737
_OPEN = (22, 443, 445)


def port_scan(
    wire: Wire, at: float, scanner: Host, target: Host, ports: int, answering: float
) -> None:
    """SYNs to many ports of one machine; a share of them is answered with RST, three are open."""
    family, source = "port scan", wire.port()
    tried = sorted({*wire.random.sample(range(1, 10_000), ports), *_OPEN})
    wire.random.shuffle(tried)
    for port in tried:
        at += wire.random.expovariate(25)
        seq = wire.random.getrandbits(32)
        syn = TCP(sport=source, dport=port, seq=seq, flags="S", window=1024)
        syn.options = [("MSS", 1460)]
        wire.put(at, scanner, target, syn, family)
        if port in _OPEN:
            _knock(wire, at, scanner, target, syn, seq)
        elif wire.random.random() < answering:
            refusal = TCP(sport=port, dport=source, ack=(seq + 1) % 2**32, flags="RA", window=0)
            wire.put(at + target.delay, target, scanner, refusal, family)


def _knock(wire: Wire, at: float, scanner: Host, target: Host, syn: TCP, seq: int) -> None:
    """An open port answers, and the scanner hangs up."""
    isn = wire.random.getrandbits(32)
    ends = {"sport": syn.dport, "dport": syn.sport}
    answer = TCP(**ends, seq=isn, ack=(seq + 1) % 2**32, flags="SA", window=64240)
    answer.options = [("MSS", 1460)]
    wire.put(at + target.delay, target, scanner, answer, "port scan")
    hang_up = TCP(sport=syn.sport, dport=syn.dport, seq=(seq + 1) % 2**32, flags="R", window=0)
    wire.put(at + target.delay + scanner.delay, scanner, target, hang_up, "port scan")


def ssh_brute_force(wire: Wire, at: float, attacker: Host, server: Host, sessions: int) -> None:
    """Short sessions, each with passwords refused until one side hangs up."""
    for _ in range(sessions):
        tcp = ssh_open(wire, at, attacker, server, "ssh brute force")
        for _ in range(wire.random.randint(1, 3)):
            tcp.send(attacker, 148)
            tcp.pause(wire.random.uniform(1.2, 2.4))  # the server's delay after a failure
            tcp.send(server, 52)
        tcp.close(wire.random.choice((attacker, server)))
        at += wire.random.uniform(1.5, 5.0)


def c2_beacon(wire: Wire, at: float, until: float, bot: Host, controller: Host) -> None:
    """A check-in every 30 s, give or take 10 %: a small request, mostly nothing to do."""
    while at < until:
        tcp = tls(wire, at, bot, controller, "c2 beacon", 8443)
        tcp.send(bot, wire.random.randint(210, 240), TLS_DATA)
        order = wire.random.random() < 0.08
        tcp.send(controller, wire.random.randint(900, 2_500) if order else 150, TLS_DATA)
        tcp.close()
        at += 30 * wire.random.uniform(0.9, 1.1)


def syn_flood(wire: Wire, at: float, gateway_mac: str, target: Host, count: int) -> None:
    """SYNs from spoofed addresses; the target answers until its backlog of 128 is full."""
    for index in range(count):
        at += wire.random.expovariate(400)
        address = f"{wire.random.choice(_DOCUMENTATION)}.{wire.random.randint(1, 254)}"
        source = Host(gateway_mac, address, ttl=wire.random.randint(30, 250))
        seq, port = wire.random.getrandbits(32), 1024 + index * 37 % 64_000
        syn: Packet = TCP(sport=port, dport=443, seq=seq, flags="S", window=512)
        wire.put(at, source, target, syn, "syn flood")
        if index < 128:
            isn = wire.random.getrandbits(32)
            answer = TCP(sport=443, dport=port, seq=isn, ack=(seq + 1) % 2**32, flags="SA")
            answer.window, answer.options = 64240, [("MSS", 1460)]
            wire.put(at + target.delay, target, source, answer, "syn flood")


def slow_exfiltration(
    wire: Wire, at: float, until: float, thief: Host, drop: Host, every: float
) -> None:
    """A little up, all the time, and hardly anything back."""
    tcp: Tcp = tls(wire, at, thief, drop, "slow exfiltration")
    while tcp.now < until:
        tcp.send(thief, wire.random.randint(2_300, 2_900), TLS_DATA, rate=4e5)
        tcp.pause(wire.random.gauss(every, every / 20))
    tcp.reset(thief)
