"""TCP conversations, in which every number follows from what was sent before."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from training.gateway.synth.stack import STAMP_BYTES, stamp_option
from training.gateway.synth.wire import Host, Wire

FIN, SYN, RST, PUSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10
_WRAP = 1 << 32
_DELAYED_ACK = 0.04  # s that a receiver waits for data to carry its acknowledgement
_LEAST_RTO = 0.2  # s before Linux sends again what nobody acknowledged
_FIRST_RTO = 1.0  # s after a SYN, doubled each time (RFC 6298, 2.1 and 5.5)


class Tcp:
    """One connection; ``now`` is when its next speaker may speak.

    A message is cut into segments, each second one is acknowledged, a lone last one with the
    answer or after 40 ms.
    """

    def __init__(
        self, wire: Wire, at: float, client: Host, server: Host, port: int, family: str
    ) -> None:
        self.wire, self.client, self.server, self.family = wire, client, server, family
        self.now = at
        self._ports = {client: wire.port(client), server: port}
        self._seq = {host: wire.random.getrandbits(32) for host in (client, server)}
        self._window = {h: wire.random.randint(*h.stack.settled) for h in (client, server)}
        self._ipv6 = ":" in client.ip
        self._stamped = client.stack.stamps and server.stack.stamps
        self._mss = min(h.stack.segment_size(self._ipv6) for h in (client, server))
        self._mss -= STAMP_BYTES * self._stamped
        self._owed: Host | None = None  # who has an acknowledgement to send
        self._due = 0.0  # and until when

    def open(self) -> Self:
        """The three-way handshake."""
        self._segment(self.client, SYN)
        self._advance(self.client)
        self.now += self.wire.lag(self.server)
        self._segment(self.server, SYN | ACK)
        self._advance(self.server)
        self.now += self.wire.lag(self.client)
        self._segment(self.client, ACK)
        return self

    def unanswered(self, tries: int) -> Self:
        """A SYN, and again, that nobody answers."""
        begun = False
        for attempt in range(tries):
            self.wire.repeats += begun and self.wire.sees(self.now)
            begun = begun or self.wire.sees(self.now)
            self._segment(self.client, SYN)
            self.now += _FIRST_RTO * 2**attempt
        return self

    def refused(self) -> Self:
        """A SYN answered with RST."""
        self._segment(self.client, SYN)
        self._advance(self.client)
        self.now += self.wire.lag(self.server)
        self._window[self.server] = 0
        self._segment(self.server, RST | ACK, number=0)
        return self

    def half_open(self) -> Self:
        """A SYN that is answered, by which time its sender has gone."""
        self._segment(self.client, SYN)
        self._advance(self.client)
        self.now += self.wire.lag(self.server)
        self._segment(self.server, SYN | ACK)
        return self

    def send(self, sender: Host, size: int, head: bytes = b"", rate: float = 6e6) -> None:
        """A message of ``size`` bytes that begins with ``head``, at ``rate`` bytes/s."""
        receiver = self._peer(sender)
        lag = self.wire.lag(receiver)
        if self._owed is sender and self.now < self._due:
            self._owed = None  # the message carries it
        for offset in range(0, size, self._mss):
            self._overdue()
            chunk = min(self._mss, size - offset)
            push = ACK | PUSH if offset + chunk == size else ACK
            self._segment(sender, push, head if offset == 0 else b"", chunk)
            if sender.loss and self.wire.random.random() < sender.loss:
                self._repeat(sender, push, chunk, lag)
            self._advance(sender, chunk)
            if self._owed is receiver:
                self._segment(receiver, ACK, at=self.now + lag)
                self._owed = None
            else:
                self._owed, self._due = receiver, self.now + lag + _DELAYED_ACK
            self.now += chunk / rate * self.wire.random.uniform(0.8, 1.2)
        self.now += lag

    def converse(self, pairs: Iterable[tuple[int, int]], think: float = 0.0) -> Self:
        """Requests and responses of so many bytes, ``think`` seconds on average between them."""
        for request, response in pairs:
            if request:
                self.send(self.client, request)
            if think:
                self.pause(self.wire.random.expovariate(1 / think))
            if response:
                self.send(self.server, response)
        return self

    def pause(self, seconds: float) -> None:
        """Nobody has anything to say."""
        self.now += seconds
        self._overdue()

    def wait(self, until: float) -> None:
        """Nobody has, until then."""
        self.pause(max(0.0, until - self.now))

    def close(self, first: Host | None = None) -> None:
        """FIN from both sides, ``first`` (by default the client) before the other."""
        first = first or self.client
        second = self._peer(first)
        self.pause(0)
        self._segment(first, FIN | ACK)
        self._advance(first)
        self.now += self.wire.lag(second)
        self._segment(second, FIN | ACK)
        self._advance(second)
        self.now += self.wire.lag(first)
        self._segment(first, ACK)

    def reset(self, sender: Host) -> None:
        """RST from one side."""
        self.pause(0)
        self._segment(sender, RST | ACK)

    def _peer(self, host: Host) -> Host:
        return self.server if host is self.client else self.client

    def _advance(self, sender: Host, size: int = 1) -> None:
        """The next sequence number; SYN and FIN count as one byte."""
        self._seq[sender] = (self._seq[sender] + size) % _WRAP

    def _overdue(self) -> None:
        if self._owed is not None and self.now >= self._due:
            self._segment(self._owed, ACK, at=self._due)
            self._owed = None

    def _repeat(self, sender: Host, flags: int, size: int, lag: float) -> None:
        """The segment again, because it was lost behind the tap."""
        self.pause(max(_LEAST_RTO, 1.5 * lag))
        self.wire.repeats += self.wire.sees(self.now)
        self._segment(sender, flags, size=size)

    def _segment(
        self,
        sender: Host,
        flags: int,
        head: bytes = b"",
        size: int = 0,
        at: float | None = None,
        number: int | None = None,
    ) -> None:
        receiver = self._peer(sender)
        at = self.now if at is None else at
        ports = self._ports[sender], self._ports[receiver]
        ack = self._seq[receiver] if flags & ACK else 0
        seq = self._seq[sender] if number is None else number
        window, options = self._window[sender], b""
        if flags & SYN:
            stamps = self._stamped if flags & ACK else sender.stack.stamps
            stamp = int(at * 1000) + self.wire.epoch if stamps else None
            options, window = sender.stack.syn_options(self._ipv6, stamp), sender.stack.window
        elif self._stamped and not flags & RST:
            stamp = int(at * 1000) + self.wire.epoch
            options = stamp_option(stamp, stamp - int(receiver.delay * 1000))
        self.wire.segment(
            at, sender, receiver, ports, (seq, ack), flags, window, self.family,
            options, head, size,
        )  # fmt: skip
