"""An observation in words: what a person, or a language model, is told of a flow.

Made from the observation alone, so nothing can be said here that the policy does not see; no
address, name or payload among it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from agent.observation import NAMES, raw_values

REASONS = {
    "allow-list": "the flow is on the allow-list",
    "no-local-host": "nothing local to isolate, so blocked instead",
    "in-force": "a rule that is at least as strong covers the flow already",
    "budget": "too many new verdicts in that minute, so recorded and not enforced",
    "confidence": "the policy was not sure enough, so a milder verdict or none",
    "policy": "as the policy said",
}

_SERVICES = {
    "service_web": "a web service",
    "service_name": "a name service",
    "service_login": "a remote login service",
    "service_file": "a file service",
    "service_mail": "a mail service",
    "service_infra": "an infrastructure service",
    "service_known": "another well-known port",
    "service_dynamic": "a dynamic port",
}


def describe(observation: NDArray[np.float32]) -> list[str]:
    """Short sentences about one observation, ``(F,)``; the flow first, then the context."""
    raw = raw_values(observation[None, :])[0]
    value = {name: float(x) for name, x in zip(NAMES, raw, strict=True)}
    return [s for s in (_flow(value), _volume(value), _tcp(value), *_context(value)) if s]


def _flow(v: Mapping[str, float]) -> str:
    protocol = next((p for p in ("tcp", "udp", "icmp") if v[p]), "other IP protocol")
    source = "a local host" if v["initiator_local"] else "a remote host"
    target = "a local host" if v["responder_local"] else "a remote host"
    if v["responder_group"]:
        target = "a group address"
    service = next((text for name, text in _SERVICES.items() if v[name]), "")
    if not service and protocol in ("tcp", "udp"):
        service = "a registered port"
    return f"{protocol.upper()} from {source} to {target}" + (f", {service}" if service else "")


def _volume(v: Mapping[str, float]) -> str:
    text = (
        f"{count_text(v['packets_fwd'], 'packet')} out with {bytes_text(v['payload_fwd'])}, "
        f"{v['packets_bwd']:,.0f} back with {bytes_text(v['payload_bwd'])}, "
        f"in {seconds_text(v['duration'] / 1e3)}"
    )
    if v["gap_regularity"] > 0.5:
        text += f", regularly every {seconds_text(v['gap_mean'] / 1e3)}"
    return text


def _tcp(v: Mapping[str, float]) -> str:
    if not v["answered"]:
        return "refused by reset" if v["reset_bwd"] else "nobody answered yet"
    if not v["tcp"]:
        return ""
    text = "handshake complete" if v["established"] else "handshake not seen"
    for name, what in (
        ("reset_fwd", "reset by the initiator"),
        ("reset_bwd", "reset by the responder"),
    ):
        if v[name]:
            text += f", {what}"
    return text + (", closed" if v["finished"] else "")


def _context(v: Mapping[str, float]) -> list[str]:
    # Counts come back from logarithms: 1 may be 1.0000001.
    texts = []
    if v["src_flows_long"] > 1.5:
        peers, ports = (
            count_text(v["src_peers_long"], "host"),
            count_text(v["src_ports_long"], "port"),
        )
        texts.append(
            f"its host opened {count_text(v['src_flows_short'], 'flow')} in 10 s and"
            f" {v['src_flows_long']:,.0f} in 10 min, to {peers} and {ports},"
            f" {v['src_unanswered_long']:.0%} unanswered, {v['src_refused_long']:.0%} refused"
        )
    if v["dst_flows_short"] > 1.5:
        sources = count_text(v["dst_sources_short"], "host")
        texts.append(
            f"the responder got {count_text(v['dst_flows_short'], 'flow')} in 10 s from {sources},"
            f" {v['dst_half_open_short']:.0f} half open"
        )
    if v["pair_flows"] > 1.5:
        text = f"flow {v['pair_flows']:,.0f} to this service in {seconds_text(v['pair_age'])}"
        if v["pair_gap_regularity"] > 0.5:
            text += f", regularly every {seconds_text(v['pair_gap_mean'])}"
        texts.append(text + f", {bytes_text(v['pair_upload'])} sent to it in all")
    if v["src_alerts"] or v["dst_alerts"]:
        texts.append(
            f"alerts: {v['src_alerts']:.0f} on its host, {v['dst_alerts']:.0f} on the other"
        )
    if v["in_force_flow"]:
        texts.append(f"throttled for {seconds_text(v['in_force_time'])}")
    return texts


def count_text(count: float, noun: str) -> str:
    """``1 packet``, ``2,500 packets``."""
    return f"{count:,.0f} {noun}" + ("" if round(count) == 1 else "s")


def bytes_text(count: float) -> str:
    """``1.2 MB``: decimal units, two figures or more."""
    for unit in ("B", "kB", "MB", "GB"):
        if round(count) < 1000 or unit == "GB":
            break
        count /= 1000
    if unit == "B":
        return f"{round(count)} B"
    return f"{count:.0f} {unit}" if count >= 10 else f"{count:.1f} {unit}"


def seconds_text(seconds: float) -> str:
    """``350 ms``, ``4.2 s``, ``60 s``, ``12 min`` or ``3.1 h``."""
    if seconds < 1:
        return f"{seconds * 1e3:.0f} ms"
    value, unit = seconds, "s"
    if seconds >= 120:
        value, unit = (seconds / 60, "min") if seconds < 7200 else (seconds / 3600, "h")
    return f"{value:.0f} {unit}" if value >= 10 or value == int(value) else f"{value:.1f} {unit}"


def value_text(value: float, unit: str) -> str:
    """A feature's value in its unit (`agent.observation`): ``yes``, ``82%``, ``3 hosts``."""
    if unit == "flag":
        # A baseline is a mean: how often the flag is set.
        return "no" if value == 0 else "yes" if value == 1 else f"{value:.0%}"
    if unit == "share":
        return f"{value:.0%}"
    if unit in {"s", "ms"}:
        return seconds_text(value / (1e3 if unit == "ms" else 1))
    if unit == "bytes":
        return bytes_text(value) if value >= 0 else f"-{bytes_text(-value)}"
    text = f"{value:,.0f}" if abs(value) >= 10 else f"{value:.1f}".removesuffix(".0")
    return f"{text} {unit}"


def moment_text(time_ns: int, pattern: str = "%Y-%m-%d %H:%M:%S.%f") -> str:
    """A packet's time, ns since 1970, in UTC; ``%f`` at the pattern's end gives milliseconds."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time_ns // 1000)
    text = moment.strftime(pattern)
    return text[:-3] if pattern.endswith("%f") else text


def printable(text: object) -> str:
    """Text from a file name or a label, with what could steer a terminal shown as escapes."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(text))
