"""The ``sluice`` command.

Heavy modules are imported by the commands that need them, so that ``--help`` is quick.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from agent.errors import SluiceError
from agent.policy_command import app as policy_app

if TYPE_CHECKING:
    from agent.alerts import Alerts
    from agent.config import RunnerChoice, Settings
    from agent.labels import FlowLabels
    from agent.policy import Policy

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

Captures = Annotated[list[Path], typer.Argument(help="pcap or pcapng files, plain or gzip")]
OneCapture = Annotated[Path, typer.Argument(help="a pcap or pcapng file, plain or gzip")]
Config = Annotated[Path | None, typer.Option(help="settings, as /etc/sluice/sluice.toml")]
PolicyBundle = Annotated[
    Path | None, typer.Option("--policy", help="a bundle; else the installed or the shipped one")
]
Key = Annotated[Path | None, typer.Option(help="public key of the bundle's maker (a .pub file)")]
Json = Annotated[bool, typer.Option("--json", help="the result as JSON on standard output")]
AlertLog = Annotated[
    Path | None, typer.Option("--alerts", help="Suricata's eve.json of the capture, plain or gzip")
]
Labels = Annotated[Path | None, typer.Option(help="label CSV; else X.labels.csv beside X.pcap")]


def _runner(name: str) -> RunnerChoice:
    from agent.policy import RUNNERS

    for runner in RUNNERS:
        if name == runner:
            return runner
    raise typer.BadParameter(f"{name!r} is none of {', '.join(RUNNERS)}")


Runner = Annotated[
    Literal["auto", "onnxruntime", "numpy"] | None,
    typer.Option(
        parser=_runner,
        metavar="auto|onnxruntime|numpy",
        help="what computes the policy; else the settings'",
    ),
]

app.add_typer(policy_app, name="policy")


@app.callback()
def _root() -> None:
    """A gateway defender that acts: allow, throttle, block or isolate, per flow."""


@app.command()
def replay(
    captures: Captures,
    labels: Labels = None,
    alerts: AlertLog = None,
    html: Annotated[Path | None, typer.Option(help="write a self-contained page")] = None,
    compare: Annotated[
        Path | None, typer.Option(help="a second bundle: show which verdicts it would change")
    ] = None,
    policy: PolicyBundle = None,
    key: Key = None,
    runner: Runner = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Replay captures and report what the agent would have done."""
    from agent.replay import replay as run

    settings = load_settings(config)
    chosen = load_policy(policy, key, settings, runner)
    other = None if compare is None else load_policy(compare, key, settings, runner)
    labelled = [(path, find_labels(path, labels, len(captures))) for path in captures]
    log = load_alerts(alerts, len(captures))
    with progress("replaying") as advance:
        result = run(labelled, settings, chosen, advance, log)
    for capture in result.captures:
        warn(capture.damage)
    comparison = None
    if other is not None:
        from agent.compare import compare_policies

        with progress("comparing") as advance:
            comparison = compare_policies(captures, settings, chosen, other, advance, log)
    if html is not None:
        from agent.page import write_page

        write_page(html, result, settings, comparison)
    if as_json:
        from agent.report import report_json

        report = report_json(result)
        if comparison is not None:
            report["comparison"] = comparison.as_json()
        print(json.dumps(report))
        return
    from agent.terminal import print_comparison, print_report

    print_report(result)
    if comparison is not None:
        print_comparison(comparison)
    if html is not None:
        from agent.words import printable

        print(f"\npage: {printable(html)}")


@app.command()
def observe(
    capture: OneCapture,
    alerts: AlertLog = None,
    csv: Annotated[Path | None, typer.Option(help="write observations as CSV")] = None,
    parquet: Annotated[Path | None, typer.Option(help="write them as Parquet (pyarrow)")] = None,
    raw: Annotated[bool, typer.Option("--raw", help="in the features' units, not scaled")] = False,
    policy: PolicyBundle = None,
    key: Key = None,
    runner: Runner = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Write the observation of every decision point, for anyone's notebook.

    The policy is in charge while they are taken: an observation tells what rules are in force, and
    a stopped flow has no further ones.
    """
    from agent.export_observations import write_observations

    if csv is None and parquet is None:
        raise typer.BadParameter("say where to: --csv FILE, --parquet FILE, or both")
    settings = load_settings(config)
    chosen = load_policy(policy, key, settings, runner)
    log = load_alerts(alerts)
    with progress("observing") as advance:
        result = write_observations(capture, settings, chosen, csv, parquet, raw, advance, log)
    warn(result.damage)
    if as_json:
        print(json.dumps(result.as_json()))
    else:
        print(f"{result.rows:,} observations of {result.flows:,} flows")


@app.command()
def explain(
    capture: OneCapture,
    flow: Annotated[
        str, typer.Option(help="SRC:PORT-DST:PORT/PROTO, either way round, as reports print it")
    ],
    alerts: AlertLog = None,
    policy: PolicyBundle = None,
    key: Key = None,
    runner: Runner = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Tell step by step what the agent saw of a flow, thought of it, and was allowed to do."""
    from agent.explain import explain_flow
    from agent.terminal import print_explanation

    settings = load_settings(config)
    chosen = load_policy(policy, key, settings, runner)
    log = load_alerts(alerts)
    with progress("explaining") as advance:
        explanation = explain_flow(capture, flow, settings, chosen, advance, log)
    warn(explanation.damage)
    if as_json:
        print(json.dumps(explanation.as_json()))
    else:
        print_explanation(explanation)


def load_settings(path: Path | None) -> Settings:
    """The settings of a file, or the defaults."""
    from agent.config import Settings

    return Settings() if path is None else Settings.load(path)


def load_policy(
    path: Path | None,
    key: Path | None,
    settings: Settings | None = None,
    runner: RunnerChoice | None = None,
) -> Policy:
    """A policy to run.

    Args:
        path: its bundle; else the installed one that is in use, else the shipped one.
        key: of its maker. Without it, and without keys in the settings, the one beside ``path``.
        settings: name further keys, the runner and where policies are installed; none: nothing is.
        runner: instead of the settings'.
    """
    from agent.bundle import Bundle
    from agent.keys import read_public_key
    from agent.policy import Policy
    from agent.policy_store import PolicyStore

    keys = settings.policy.trusted if settings else ()
    if key is None and path is not None and not keys:
        key = path.with_suffix(".pub")
    if key is not None:
        keys = (*keys, read_public_key(key))
    if path is not None:
        bundle = Bundle.load(path, keys)
    else:
        bundle = PolicyStore.of(settings, keys).in_use() if settings else Bundle.default()
    return Policy(bundle, runner or (settings.policy.runner if settings else "auto"))


def find_labels(capture: Path, given: Path | None, captures: int) -> FlowLabels | None:
    """The labels to use for a capture: those given, else those beside it, else none."""
    from agent.labels import FlowLabels, label_path

    if given is not None and captures > 1:
        raise typer.BadParameter("--labels is for one capture; put X.labels.csv beside each X.pcap")
    path = given or label_path(capture)
    return FlowLabels.read(path) if path else None


def load_alerts(path: Path | None, captures: int = 1) -> Alerts | None:
    """The alerts of a log, if one is given."""
    from agent.alerts import read_alerts

    if path is None:
        return None
    if captures > 1:
        raise typer.BadParameter("--alerts is for one capture; replay them one by one")
    return read_alerts(path)


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error, where that is a terminal; takes bytes done and bytes in all."""
    if not sys.stderr.isatty():
        yield lambda done, size: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, size: bar.update(task, completed=done, total=size or None)


def warn(damage: str | None) -> None:
    """Say on standard error where a capture could not be read on."""
    if damage:
        complain(f"warning: {damage}", "yellow")


def complain(line: str, style: str) -> None:
    """One line on standard error, whatever file names are in it."""
    from rich.console import Console

    from agent.words import printable

    Console(stderr=True).print(
        printable(line), style=style, markup=False, highlight=False, soft_wrap=True
    )


def run(command: typer.Typer) -> None:
    """Run a command; named errors become one line and exit code 1."""
    try:
        command()
    except SluiceError as error:
        complain(f"error: {error}", "red")
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        complain("interrupted", "red")
        raise SystemExit(130) from None


def main() -> None:
    """Run ``sluice``."""
    # A policy is small: threads of the linear algebra library would only spin and take memory.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # What start-up makes lives for ever; looking through it again and again takes a tenth of it.
    gc.set_threshold(100_000)
    run(app)


if __name__ == "__main__":
    main()
