"""Reports for people at a terminal, or for a file that standard output goes to."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from agent.compare import Comparison
from agent.decision import VERDICTS, Verdict
from agent.explain import ExplainedFlow, Explanation, Influence, Step
from agent.flow_key import vlan_text
from agent.policy import Policy
from agent.replay import Replay
from agent.report import peak_rss_bytes
from agent.tally import Family
from agent.totals import Totals
from agent.words import (
    REASONS,
    bytes_text,
    count_text,
    moment_text,
    printable,
    seconds_text,
    value_text,
)

_WIDEST: Final = 110  # columns; longer lines are hard to follow
_STYLES: Final = {"allow": "", "throttle": "yellow", "block": "red", "isolate": "magenta"}
_HOSTS: Final = 6  # rows
_EXAMPLES: Final = 5


def print_report(replay: Replay) -> None:
    """Print a replay's report on standard output."""
    console, totals = _console(), Totals.of(replay)
    console.print(_headline(replay, totals))
    console.print(_policy_line(replay.policy))
    console.print(_speed(replay, totals))
    for name, counts in (("undecoded", totals.undecoded), ("evicted", totals.evictions)):
        if counts:
            console.print(Text(f"{name}: {_counts_text(counts)}"))
    if any(capture.alerts for capture in replay.captures):
        console.print(_alert_line(totals.alerts))
    _section(console, _verdict_table(totals))
    if totals.guarded:
        _section(console, _guard_table(totals))
    if totals.behind_rules:
        _section(console, _host_table(totals))
    families, benign = replay.families(), replay.benign()
    if families:
        _section(console, _family_table(families))
    if benign:
        _section(console, _benign_table(benign))


def print_comparison(comparison: Comparison) -> None:
    """Print which verdicts a second policy would change."""
    console = _console()
    first, second = (
        f"{printable(policy.bundle.manifest.name)} ({policy.bundle.digest[:16]})"
        for policy in (comparison.first, comparison.second)
    )
    console.print()
    console.print(_comparison_line(comparison))
    table = _table("in charge \\ asked", *VERDICTS)
    for name, row in zip(VERDICTS, comparison.points.tolist(), strict=True):
        if any(row):
            table.add_row(_verdict(name), *(f"{n:,}" if n else "" for n in row))
    console.print(Text(f"in charge: {first}; asked: {second}", style="dim"))
    _section(console, table)
    for example in comparison.examples[:_EXAMPLES]:
        line = Text(f"\n{moment_text(example.time_ns)}  {example.key}  ")
        line.append_text(_verdict(example.first.label)).append(" -> ")
        console.print(line.append_text(_verdict(example.second.label)))
        console.print(
            Padding(Text("; ".join(example.words), style="dim"), (0, 0, 0, 2), expand=False)
        )


def print_explanation(explanation: Explanation) -> None:
    """Print what the agent saw of a flow, step by step."""
    console = _console()
    console.print(_policy_line(explanation.policy))
    for flow in explanation.flows:
        console.print()
        console.print(_flow_line(flow))
        for number, step in enumerate(flow.steps, 1):
            _print_step(console, number, step, flow.first_ns)
        if not flow.steps:
            console.print("  no decision: a rule in force stopped it from its first packet")
    for count, noun in (
        (explanation.omitted, "further decision point"),
        (explanation.omitted_flows, "further flow"),
    ):
        if count:
            console.print(f"\n{count_text(count, noun)} of this key not shown")


def _console() -> Console:
    width = min(Console().width, _WIDEST) if sys.stdout.isatty() else _WIDEST
    # Names come from files: brackets in them are no markup, colons no emoji.
    return Console(width=width, highlight=False, markup=False, emoji=False)


def _section(console: Console, table: Table) -> None:
    console.print()
    console.print(table)


def _table(first: str, *numbers: str) -> Table:
    """A table of one column of names and some of numbers."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column(first, overflow="fold")
    for name in numbers:
        table.add_column(name, justify="right")
    return table


def _verdict(name: str) -> Text:
    return Text(name, style=_STYLES[name])


def _headline(replay: Replay, totals: Totals) -> Text:
    captures = replay.captures
    title = printable(captures[0].path) if len(captures) == 1 else f"{len(captures)} captures"
    text = Text(title, style="bold").append(
        f"\n{count_text(totals.packets, 'packet')}, {bytes_text(totals.bytes)},"
        f" {count_text(totals.flows, 'flow')}, {count_text(totals.hosts, 'host')}",
        style="not bold",
    )
    first = captures[0]
    if len(captures) == 1 and first.flows:
        start = moment_text(first.first_ns, "%Y-%m-%d %H:%M:%S")
        length = seconds_text((first.last_ns - first.first_ns) / 1e9)
        text.append(f", {length} from {start} UTC", style="not bold")
    return text


def _policy_line(policy: Policy) -> Text:
    manifest = policy.bundle.manifest
    return Text(
        f"policy: {printable(manifest.name)} ({printable(manifest.kind)}),"
        f" SHA-256 {policy.bundle.digest[:16]}"
    ).append(f"\n{printable(manifest.description)}", style="dim")


def _speed(replay: Replay, totals: Totals) -> Text:
    rate = totals.packets / replay.seconds if replay.seconds else 0.0
    return Text(
        f"speed: {rate:,.0f} packets/s, {seconds_text(replay.seconds)},"
        f" {bytes_text(peak_rss_bytes())} of memory at most"
    )


def _counts_text(counts: Counter[str]) -> str:
    return ", ".join(f"{printable(name)} {n:,}" for name, n in counts.most_common())


def _alert_line(alerts: Counter[str]) -> Text:
    return Text(
        f"alerts: {alerts['read']:,} read, {alerts['used']:,} used, {alerts['repeated']:,} repeated"
        f" too often, {alerts['unmatched']:,} about no host seen by then"
    )


def _verdict_table(totals: Totals) -> Table:
    table = _table("verdict", "proposed", "applied", "new rules")
    for row in totals.verdicts:
        if row.proposed or row.applied:
            rules = f"{row.rules:,}" if row.rules else ""
            table.add_row(_verdict(row.name), f"{row.proposed:,}", f"{row.applied:,}", rules)
    return table


def _guard_table(totals: Totals) -> Table:
    table = _table("guard", "points")
    table.add_column("because")
    for name, count in totals.guarded.most_common():
        table.add_row(name, f"{count:,}", Text(REASONS[name], style="dim"))
    return table


def _host_table(totals: Totals) -> Table:
    columns = [name for name in VERDICTS[1:] if any(h.rules[name] for h in totals.behind_rules)]
    table = _table("host behind rules", *columns)
    for host in totals.behind_rules[:_HOSTS]:
        table.add_row(
            host.address, *(f"{host.rules[n]:,}" if host.rules[n] else "" for n in columns)
        )
    rest = totals.behind_rules[_HOSTS:]
    if rest:
        sums = [sum(host.rules[name] for host in rest) for name in columns]
        table.add_row(f"{len(rest):,} more", *(f"{n:,}" if n else "" for n in sums), style="dim")
    return table


def _family_table(families: Mapping[str, Family]) -> Table:
    table = _table("malicious", "flows", "stopped", "throttled", "packets until", "bytes passed")
    for name, family in sorted(families.items()):
        before = family.packets_before_verdict
        table.add_row(
            printable(name),
            f"{family.flows:,}",
            _of(family.stopped, family.flows),
            _of(family.throttled, family.flows),
            f"{np.median(before):,.0f}" if before else "",
            f"{family.bytes_passed / family.bytes:.0%}" if family.bytes else "",
        )
    return table


def _benign_table(families: Mapping[str, Family]) -> Table:
    harmed = {n: f for n, f in sorted(families.items()) if f.stopped or f.throttled}
    if not harmed:
        flows = sum(f.flows for f in families.values())
        return _table(f"no harm to {count_text(flows, 'benign flow')}")
    table = _table("benign, harmed", "flows", "stopped", "throttled", "latency p50", "p99")
    for name, family in harmed.items():
        waits = np.quantile(family.latency_ms, (0.5, 0.99)) / 1e3 if family.latency_ms else ()
        table.add_row(
            printable(name),
            f"{family.flows:,}",
            _of(family.stopped, family.flows),
            _of(family.throttled, family.flows),
            *(seconds_text(wait) for wait in waits),
        )
    untouched = len(families) - len(harmed)
    if untouched:
        table.add_row(f"{untouched} more families unharmed", style="dim")
    return table


def _of(part: int, whole: int) -> str:
    return f"{part:,} ({part / whole:.0%})" if part else ""


def _comparison_line(comparison: Comparison) -> Text:
    total, changed = int(comparison.points.sum()), comparison.changed_points
    flows = comparison.milder + comparison.stricter
    return Text("comparison", style="bold").append(
        f": {changed:,} of {count_text(total, 'decision point')} change;"
        f" the strongest verdict on {flows:,} of {count_text(comparison.flows, 'flow')}"
        f" ({comparison.stricter:,} stricter, {comparison.milder:,} milder)",
        style="not bold",
    )


def _flow_line(flow: ExplainedFlow) -> Text:
    vlan = vlan_text(flow.vlan)
    text = Text(str(flow.key), style="bold").append(
        (f", VLAN {vlan}" if vlan else "") + f": {count_text(flow.packets, 'packet')} in"
        f" {seconds_text((flow.last_ns - flow.first_ns) / 1e9)}"
        f" from {moment_text(flow.first_ns)} UTC",
        style="not bold",
    )
    if flow.worst >= Verdict.BLOCK:
        text.append(f"; stopped after {count_text(flow.stopped_at, 'packet')}", style="not bold")
    elif flow.worst:
        text.append("; throttled", style="not bold")
    return text


def _print_step(console: Console, number: int, step: Step, first_ns: int) -> None:
    after = seconds_text((step.time_ns - first_ns) / 1e9)
    head = Text(f"\n  {number}. after {after} and {count_text(step.packets, 'packet')}: proposes ")
    head.append_text(_verdict(step.proposed.label))
    console.print(head.append(f" ({_shares(step)})"))
    for sentence in step.words:
        console.print(Padding(Text(sentence, style="dim"), (0, 0, 0, 5), expand=False))
    if step.influences:
        console.print(Padding(_influence_table(step), (0, 0, 0, 5), expand=False))
    if step.proposed or step.rule:
        console.print(Padding(_guard_line(step), (0, 0, 0, 5), expand=False))


def _shares(step: Step) -> str:
    """Probabilities and logits of the verdicts."""
    return ", ".join(
        f"{name} {share:.1%} [{logit:+.1f}]"
        for name, share, logit in zip(VERDICTS, step.probabilities, step.logits, strict=True)
    )


def _influence_table(step: Step) -> Table:
    table = _table(
        f"for {step.proposed.label} over {step.against.label}", "value", "typical", "logits"
    )
    for influence in step.influences:
        table.add_row(influence.name, *_influence_cells(influence))
    return table


def _influence_cells(influence: Influence) -> Iterable[str]:
    for value in (influence.value, influence.baseline):
        yield value_text(value, influence.unit)
    yield f"{influence.effect:+.2f}"


def _guard_line(step: Step) -> Text:
    text = Text("guard: ").append_text(_verdict(step.applied.label))
    text.append(f", {REASONS[step.reason.label]}")
    if step.rule is not None:
        lasts = seconds_text((step.rule.until_ns - step.rule.since_ns) / 1e9)
        text.append(f"; new rule: {step.rule.key} for {lasts}")
    return text
