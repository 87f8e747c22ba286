"""Gates: what an export measures of a gateway's policy, and holds to limits.

They are written into the bundle's manifest, passed or not; one that did not pass ends the export
(`check`). Limits of size, memory and latency are the profile's; those below hold everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from agent.bundle import POLICY_NPZ, POLICY_ONNX, Gate
from agent.int8 import Int8Network
from agent.profile import MIB, PROCESS_MIB, Profile
from export.errors import GateFailed
from export.kernels import int8_kernels
from export.likeness import Agreement, Reference, disagreements, logits_of, points_lost, points_of
from export.measure import MANY, Cost, Latency
from export.policy_onnx import OPERATORS, Form, operators, policy_onnx
from export.runners import runners_of

POLICY_KB: Final = 300
"""Largest size of each of the policy's own files, not compressed, kB."""
AGREEMENT: Final = 0.995
"""Least share of decision points at which the exported policy decides as the trained one."""
REWARD_LOSS: Final = 0.01
"""Largest share of the trained policy's points that the exported one may lose."""


def check(gates: Iterable[Gate], profile: str) -> None:
    """Let an export pass.

    Raises:
        GateFailed: not all gates did; names each that did not, and by how much.
    """
    if failed := [_failure(gate) for gate in gates if not gate.passed]:
        raise GateFailed(f"{profile}: {'; '.join(failed)}")


def recorded(name: str, unit: str, found: float, note: str = "") -> Gate:
    """What is measured, and held to nothing."""
    return Gate(name=name, unit=unit, limit=None, found=found, passed=True, note=note)


def at_most(name: str, unit: str, found: float, limit: float, note: str = "") -> Gate:
    """What must not exceed a limit."""
    return Gate(name=name, unit=unit, limit=limit, found=found, passed=found <= limit, note=note)


def size_gates(bundle: int, files: Mapping[str, int], profile: Profile | None) -> list[Gate]:
    """Gates of what lies on the disk.

    Args:
        bundle: bytes of the whole bundle.
        files: bytes of each file in it, not compressed.
        profile: of the box; none: the whole may be as large as it likes.
    """
    policy = [
        at_most(name, "kB", files[name] / 1000, POLICY_KB)
        for name in (POLICY_ONNX, POLICY_NPZ)
        if name in files
    ]
    if profile is None:
        return policy
    return [at_most("bundle", "KiB", bundle / 1024, profile.limits.bundle_kib), *policy]


def cost_gates(cost: Cost, profile: Profile) -> list[Gate]:
    """Gates of what was measured; the notes say where."""
    where = _where(cost, profile)
    quiet = f"the quietest of {cost.windows} windows; {where}"
    imports = f"{cost.import_ms:,.0f} ms of it for imports; {where}"
    return [
        recorded("load", "ms", cost.load_ms, imports),
        *_latency_gates(1, cost.alone, profile.limits.latency_us, quiet),
        *_latency_gates(MANY, cost.many, None, quiet),
        recorded("rss_load", "MiB", cost.rss_load_mib, where),
        recorded("rss_run", "MiB", cost.rss_run_mib, f"{_planned(cost)}; {where}"),
        _memory_gate(cost, profile, where),
        recorded("threads", "threads", cost.threads),
    ]


def policy_gates(network: Int8Network, form: Form, reference: Reference) -> list[Gate]:
    """Gates of what an exported policy decides, and of what its graph is made of.

    Args:
        network: that is exported.
        form: of its ``policy.onnx``.
        reference: the trained policy on the recordings of the validation captures.
    """
    runners = runners_of(network)
    found = {name: logits_of(each, reference.recordings) for name, each in runners.items()}
    return [
        *agreement_gates(Agreement.of(reference.logits, found[form])),
        reward_gate(reference.points, points_of(runners[form], reference.recordings)),
        *runner_gates(found),
        *graph_gates(policy_onnx(network, form), OPERATORS[form], form, len(network.layers)),
    ]


def agreement_gates(found: Agreement) -> list[Gate]:
    """Gates of verdicts, exported against trained."""
    note = f"of {found.points:,} decision points"
    acting = f"of {found.acting:,} where the trained policy acts"
    return [
        _at_least("agreement", "share", found.share, AGREEMENT, note),
        recorded("agreement_acting", "share", found.share_acting, acting),
        recorded("logit_difference", "nats", found.largest_difference, "the largest"),
    ]


def reward_gate(wanted: float, found: float) -> Gate:
    """The gate of points that the trained and the exported policy earn.

    Where there is nothing to lose everything counts as lost: such captures prove nothing.
    """
    loss = points_lost(wanted, found)
    if math.isnan(loss):
        why = "the trained policy earns nothing on these captures, which therefore prove nothing"
        return at_most("reward_loss", "share", 1.0, REWARD_LOSS, why)
    note = f"{found:,.1f} points, trained {wanted:,.1f}"
    return at_most("reward_loss", "share", loss, REWARD_LOSS, note)


def runner_gates(found: Mapping[str, NDArray[np.float32]]) -> list[Gate]:
    """Gates of logits ``(N, 4)`` of the same decision points, by runner."""
    verdicts, logits = disagreements(list(found.values()))
    points = len(next(iter(found.values())))
    note = f"of {points:,}, between {', '.join(found)}"
    return [
        at_most("runners_verdicts", "decision points", verdicts, 0, note),
        recorded("runners_logits", "logits", logits, "of which any bit differs"),
    ]


def graph_gates(content: bytes, allowed: Collection[str], form: Form, layers: int) -> list[Gate]:
    """Gates of a ``policy.onnx``.

    Args:
        content: of the file.
        allowed: operators that it may be made of.
        form: in which its layers are computed.
        layers: how many there are.
    """
    foreign = sorted(operators(content) - set(allowed))
    gates = [at_most("operators_foreign", "operators", len(foreign), 0, ", ".join(foreign))]
    if form == "int8":
        missing = layers - int8_kernels(content)
        note = f"of {layers}, which onnxruntime does not compute in bytes"
        gates.append(at_most("int8_missing", "layers", missing, 0, note))
    return gates


def _latency_gates(rows: int, found: Latency, limit: float | None, note: str) -> list[Gate]:
    """Of calls with so many observations; the limit is of p99."""
    p99 = f"latency_p99_{rows}", "µs", found.p99_us
    return [
        recorded(f"latency_p50_{rows}", "µs", found.p50_us, note),
        recorded(*p99, note) if limit is None else at_most(*p99, limit, note),
    ]


def _memory_gate(cost: Cost, profile: Profile, where: str) -> Gate:
    """The agent with full tables: its process was measured, the rest is known."""
    process = max(cost.rss_load_mib, cost.rss_run_mib)
    buffer, tables = profile.capture.buffer_mib, profile.footprint.total / MIB
    note = f"process {process:,.1f}, capture buffer {buffer:,}, tables {tables:,.1f}; {where}"
    return at_most("memory", "MiB", process + buffer + tables, profile.limits.memory_mib, note)


def _planned(cost: Cost) -> str:
    planned = PROCESS_MIB[cost.runner]
    return f"profiles reckon {planned} for an idle agent with {cost.runner}"


def _where(cost: Cost, profile: Profile) -> str:
    """On what was measured, and whether that says anything about the box."""
    wanted = profile.machine.architecture
    if cost.architecture == wanted:
        return f"measured on {wanted}, as the box is"
    return f"measured on {cost.architecture}, not on the box, which is {wanted}"


def _at_least(name: str, unit: str, found: float, limit: float, note: str = "") -> Gate:
    return Gate(name=name, unit=unit, limit=limit, found=found, passed=found >= limit, note=note)


def _failure(gate: Gate) -> str:
    """``bundle is 301 KiB, 45 more than 256``, and the note."""
    limit = gate.limit or 0.0  # only what has one can fail
    more = "more" if gate.found > limit else "less"
    text = f"{gate.name} is {gate.found:,g} {gate.unit}, {abs(gate.found - limit):,g} {more} than"
    return f"{text} {limit:,g}" + (f" ({gate.note})" if gate.note else "")
