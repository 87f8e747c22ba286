"""Alerts of an intrusion detection system, counted at the hosts that they are about.

Whom: the initiator of the alert's flow in full, as it is the attacker of what it attacks and the
victim of what it fetched; the responder by half. So what an exploited server does next is seen, yet
nobody makes a server as suspect as himself by attacking it. A group address is no host.

When: at the end of the tick of packet time that holds the alert, so that results do not depend on
how packets are cut into blocks. One about a host not seen yet waits for it for 10 minutes; one that
is learned of later than that is too old.

How often: a signature counts on a host `REPEATS` times in 10 minutes. One flow can raise an alert
hundreds of times, and a signature that errs does so again and again: to hear the same once more is
no further evidence, while other signatures that agree are.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from typing import Final, Protocol

from agent.alerts import Alert, Host
from agent.flows.hosts import HostTable
from agent.observation import LONG_WINDOW_S

REPEATS: Final = 3
RESPONDER_SHARE: Final = 0.5

_WINDOW_NS: Final = int(LONG_WINDOW_S * 1e9)
_MOST_WAITING: Final = 4096  # alerts' ends whose host has not been seen; the oldest give way
_MOST_REMEMBERED: Final = 16_384  # pairs of host and signature; those longest silent give way


class AlertSource(Protocol):
    """What alerts come from: a log that was read, or one that is being written."""

    def between(self, since_ns: int, until_ns: int) -> Iterable[Alert]:
        """The alerts of before ``until_ns`` that were not given yet, by time.

        ``since_ns`` is the ``until_ns`` of the call before, and 0 at first. A log that is being
        written gives older ones as well, if it had not learned of them by then.
        """


class AlertFeed:
    """Brings alerts to the hosts of one engine, in bounded memory.

    Args:
        source: of the alerts.
        weights: of one alert, by severity 1 to 4.
        tick_ns: the engine's tick.

    Attributes:
        used: alerts that came to count for a host.
        repeated: alerts held back as their signature had counted often enough on either host.
    """

    def __init__(self, source: AlertSource, weights: Sequence[float], tick_ns: int) -> None:
        self._source = source
        self._weights = weights
        self._tick_ns = tick_ns
        self._given_ns = 0
        self._waiting: deque[_End] = deque(maxlen=_MOST_WAITING)
        self._latest: OrderedDict[tuple[Host, int], tuple[int, ...]] = OrderedDict()
        self.used = 0
        self.repeated = 0

    def turn(self, hosts: HostTable, ended_ns: int, until_ns: int) -> None:
        """Count what became known: the tick that ended at ``ended_ns`` had the latest packets.

        Alerts of before ``until_ns``, the start of the next tick with packets, count from the end
        of their own ticks.
        """
        waiting, self._waiting = self._waiting, deque(maxlen=_MOST_WAITING)
        ends = chain(waiting, self._arrivals(until_ns))
        for time_ns, group in groupby(ends, lambda end: max(end.known_ns, ended_ns)):
            self._count(hosts, time_ns, group, ended_ns)
        self._given_ns = until_ns

    def account(self, read: int) -> Counter[str]:
        """What became of the ``read`` alerts of a log: its parts add up to ``read``."""
        unmatched = read - self.used - self.repeated
        return Counter(read=read, used=self.used, repeated=self.repeated, unmatched=unmatched)

    def _arrivals(self, until_ns: int) -> Iterator[_End]:
        for alert in self._source.between(self._given_ns, until_ns):
            weight = self._weights[alert.severity - 1]
            known_ns = (alert.time_ns // self._tick_ns + 1) * self._tick_ns
            news = [(h, share) for h, share in _shares(alert) if self._is_news(h, alert)]
            self.repeated += not news
            for host, share in news:
                yield _End(alert, host, weight * share, known_ns)

    def _is_news(self, host: Host, alert: Alert) -> bool:
        """Whether a signature has not counted on a host `REPEATS` times in 10 minutes."""
        key = (host, alert.signature)
        latest = self._latest.pop(key, ())
        news = len(latest) < REPEATS or alert.time_ns - latest[0] >= _WINDOW_NS
        self._latest[key] = (*latest, alert.time_ns)[-REPEATS:] if news else latest
        if len(self._latest) > _MOST_REMEMBERED:
            self._latest.popitem(last=False)
        return news

    def _count(self, hosts: HostTable, time_ns: int, ends: Iterable[_End], ended_ns: int) -> None:
        """Count alerts that are known from ``time_ns`` on, or let them wait for their host."""
        weights: dict[Host, float] = {}
        for end in ends:
            if ended_ns - end.known_ns > _WINDOW_NS:
                continue
            if not hosts.index_of(*end.host):
                self._waiting.append(end)
                continue
            weights[end.host] = weights.get(end.host, 0.0) + end.weight
            self.used += not end.alert.used
            end.alert.used = True
        for host, weight in weights.items():
            hosts.alert(*host, weight, time_ns)


@dataclass(frozen=True, slots=True)
class _End:
    """One host's part in an alert."""

    alert: Alert
    host: Host
    weight: float
    known_ns: int  # the end of the alert's tick


def _shares(alert: Alert) -> Iterator[tuple[Host, float]]:
    """The hosts that an alert counts for, with their shares of its weight."""
    yield alert.initiator, 1.0
    if alert.responder != alert.initiator and not _is_group(*alert.responder):
        yield alert.responder, RESPONDER_SHARE


def _is_group(hi: int, lo: int) -> bool:
    """Multicast or broadcast, as the observation has it: ff00::/8, 224.0.0.0/4, all ones."""
    return hi >> 56 == 0xFF or (hi == 0 and (lo >> 28 == 0xFFFFE or lo == 0xFFFF_FFFFFFFF))
