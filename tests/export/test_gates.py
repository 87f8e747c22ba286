"""Gates: each found by hand, each failing when it should, and by how much."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from agent.bundle import Bundle, Gate
from agent.decision import Verdict
from agent.int8 import Int8Network, Layer
from agent.profile import Profile, shipped
from export.errors import GateFailed
from export.gates import (
    agreement_gates,
    check,
    cost_gates,
    graph_gates,
    policy_gates,
    reward_gate,
    runner_gates,
    size_gates,
)
from export.likeness import Agreement, Reference, points_lost
from export.measure import Cost, Latency
from export.policy_onnx import OPERATORS, Form, policy_onnx
from export.runners import Session
from tests.agent.bundles import PUBLIC, F, make
from tests.agent.test_int8 import network
from tests.training.gateway.by_hand import BENIGN, MALICIOUS, recording
from training.gateway.recording import Recording

FORMS: tuple[Form, ...] = ("fp32", "int8")
ROUTER = Profile.named("openwrt-256mb")
ALLOW, THROTTLE, BLOCK, ISOLATE = (
    (np.eye(4)[verdict] * 10).astype(np.float32) for verdict in Verdict
)


class Said:
    """A judge whose logits are ten times what the first four features say, plus something."""

    def __init__(self, *plus: float) -> None:
        self._plus = np.array(plus or (0, 0, 0, 0), np.float32)

    def logits(self, observations: NDArray[np.float32]) -> NDArray[np.float32]:
        return 10 * observations[:, :4] + self._plus


def said() -> Int8Network:
    """The same in whole numbers."""
    weight = 64 * np.eye(4, F, dtype=np.int8)
    layer = Layer(weight, np.full(4, -64 * 128, np.int32), np.full(4, 10 / 8192, np.float32))
    return Int8Network(np.full(F, 1 / 128, np.float32), np.full(F, 128, np.float32), [layer])


def told(flows: Sequence[tuple[float, int, int]], *verdicts: Verdict) -> Recording:
    """Flows whose observations say what to do about them."""
    made = recording(flows)
    made.observations[np.arange(len(flows)), list(verdicts)] = 0.75
    return made


# Three attacks on three services and a legitimate flow to a fourth.
FLOWS = [(0.0, MALICIOUS, 0), (1.0, MALICIOUS, 1), (2.0, BENIGN, 2), (3.0, MALICIOUS, 3)]
RIGHT = told(FLOWS, Verdict.BLOCK, Verdict.BLOCK, Verdict.ALLOW, Verdict.BLOCK)


def cost(**changes: object) -> Cost:
    """A modest one."""
    usual = Cost(
        architecture="aarch64", runner="numpy", load_ms=120, import_ms=80,
        alone=Latency(p50_us=900, p99_us=3000), many=Latency(p50_us=5000, p99_us=9000),
        rss_load_mib=50, rss_run_mib=52, threads=1, windows=9,
    )  # fmt: skip
    return usual.model_copy(update=changes)


def named(gates: Sequence[Gate], name: str) -> Gate:
    (found,) = (gate for gate in gates if gate.name == name)
    return found


def failure(*gates: Gate) -> str:
    with pytest.raises(GateFailed) as caught:
        check(gates, "box")
    return str(caught.value).removeprefix("box: ")


def test_agreement_by_hand() -> None:
    wanted = np.stack([ALLOW, THROTTLE, BLOCK, ISOLATE, BLOCK])
    unsure = np.array([0, 0, 0.1, 0], np.float32)  # block is likeliest, and the floors throttle
    found = np.stack([ALLOW, unsure, ISOLATE, ISOLATE, BLOCK + 2])
    # All alike but the third; of the four that act, three.
    assert Agreement.of(wanted, found) == Agreement(5, 0.8, 4, 0.75, 10.0)
    assert Agreement.of(wanted[:1], wanted[:1]) == Agreement(1, 1.0, 0, 1.0, 0.0)


def test_agreement_has_to_be_nearly_whole() -> None:
    just, below = (Agreement(1000, share, 10, 0.5, 0.25) for share in (0.995, 0.994))
    assert all(gate.passed for gate in agreement_gates(just))
    gates = agreement_gates(below)
    assert failure(*gates) == (
        "agreement is 0.994 share, 0.001 less than 0.995 (of 1,000 decision points)"
    )
    acting, difference = named(gates, "agreement_acting"), named(gates, "logit_difference")
    assert (acting.found, acting.limit, acting.passed) == (0.5, None, True)
    assert (difference.found, difference.limit, difference.passed) == (0.25, None, True)


@pytest.mark.parametrize(
    ("wanted", "found", "loss"),
    [(200.0, 198.0, 0.01), (200.0, 250.0, -0.25), (-50.0, -51.0, 0.02), (-50.0, -25.0, -0.5)],
)
def test_reward_loss_by_hand(wanted: float, found: float, loss: float) -> None:
    assert points_lost(wanted, found) == pytest.approx(loss)
    assert reward_gate(wanted, found).passed == (loss <= 0.01)


def test_reward_loss_says_how_much() -> None:
    assert failure(reward_gate(2000, 1900)) == (
        "reward_loss is 0.05 share, 0.04 more than 0.01 (1,900.0 points, trained 2,000.0)"
    )


@pytest.mark.parametrize("found", [-3.0, 0.0, 3.0])
def test_captures_on_which_nothing_is_earned_prove_nothing(found: float) -> None:
    assert math.isnan(points_lost(0.0, found))
    assert failure(reward_gate(0.0, found)).endswith(
        "(the trained policy earns nothing on these captures, which therefore prove nothing)"
    )


def test_points_are_those_of_the_lab() -> None:
    # Three attacks that are stopped earn 30; those that pass cost 15.
    never = Said(0, 0, -20, 0)
    assert Reference.of(Said(), [RIGHT]).reward_loss(Said()) == 0
    assert Reference.of(Said(), [RIGHT]).reward_loss(never) == pytest.approx((30 + 15) / 30)
    assert Reference.of(never, [RIGHT]).reward_loss(Said()) == pytest.approx((-15 - 30) / 15)
    assert Reference.of(Said(), [RIGHT, RIGHT]).agreement(Said()).share == 1
    assert Reference.of(Said(), [RIGHT, RIGHT]).agreement(never).share == 0.25


@pytest.mark.parametrize("form", FORMS)
def test_a_faithful_export_passes_all_gates(form: Form, tmp_path: Path) -> None:
    gates = policy_gates(said(), form, Reference.of(Said(), [RIGHT, RIGHT]))
    check(gates, "box")
    assert named(gates, "agreement").found == 1
    assert named(gates, "reward_loss").found == 0
    assert named(gates, "runners_verdicts").note == "of 8, between int8, fp32, numpy"
    assert named(gates, "runners_logits").found == 0
    assert 0 <= named(gates, "logit_difference").found < 1e-4
    assert ("int8_missing" in {gate.name for gate in gates}) == (form == "int8")
    path = make(tmp_path / "b.sluice", gates=[gate.model_dump() for gate in gates])
    assert Bundle.load(path, (PUBLIC,)).manifest.gates == tuple(gates)


def test_another_policy_does_not_pass() -> None:
    says = failure(*policy_gates(said(), "int8", Reference.of(Said(20, 0, 0, 0), [RIGHT])))
    assert says == (  # of the reward it loses nothing: it earns more
        "agreement is 0.25 share, 0.745 less than 0.995 (of 4 decision points)"
    )
    says = failure(*policy_gates(said(), "int8", Reference.of(Said(0, 0, 0, 20), [RIGHT])))
    assert says.startswith("agreement is 0 share, 0.995 less than 0.995 (of 4 decision points)")


def test_runners_that_decide_otherwise_do_not_pass() -> None:
    made = network(1, F, 32, 4)
    first, last = made.layers
    obs = np.random.default_rng(2).random((50, F), np.float32)

    def leaning(*bias: int) -> Int8Network:
        changed = Layer(last.weight, np.array(bias, np.int32), last.scale)
        return Int8Network(made.step, made.offset, [first, changed])

    isolates = leaning(0, 0, 0, 1 << 19)
    found = {form: Session(policy_onnx(isolates, form)).logits(obs) for form in FORMS}
    same = runner_gates(found | {"numpy": isolates.logits(obs)})
    check(same, "box")
    assert named(same, "runners_logits").found == 0
    nearly = runner_gates(found | {"numpy": leaning(1, 0, 0, 1 << 19).logits(obs)})
    check(nearly, "box")
    assert named(nearly, "runners_logits").found == 50  # one of each point
    blocks = runner_gates(found | {"numpy": leaning(0, 0, 1 << 19, 0).logits(obs)})
    assert failure(*blocks) == (
        "runners_verdicts is 50 decision points, 50 more than 0 (of 50, between fp32, int8, numpy)"
    )


def altered(content: bytes, operator: str, domain: str = "") -> bytes:
    """A model whose logits go through one more operator."""
    model = onnx.load_from_string(content)
    before = f"before_{operator}"
    model.graph.node[-1].output[0] = before
    model.graph.node.append(helper.make_node(operator, [before], ["logits"], domain=domain))
    if domain:
        model.opset_import.append(helper.make_opsetid(domain, 1))
    return model.SerializeToString()


@pytest.mark.parametrize("form", FORMS)
def test_foreign_operators_do_not_pass(form: Form) -> None:
    content = policy_onnx(network(1, F, 16, 4), form)
    check(graph_gates(content, OPERATORS[form], form, 2), "box")
    assert failure(*graph_gates(altered(content, "Relu"), OPERATORS[form], form, 2)) == (
        "operators_foreign is 1 operators, 1 more than 0 (Relu)"
    )
    strange = altered(altered(content, "Relu"), "Gelu", "com.microsoft")
    assert graph_gates(strange, OPERATORS[form], form, 2)[0].note == "Relu, com.microsoft.Gelu"


def test_layers_that_are_not_computed_in_bytes_do_not_pass() -> None:
    made = network(1, F, 16, 8, 4)
    says = "int8_missing is {0} layers, {0} more than 0 (of 3, which onnxruntime does not compute"
    floats = graph_gates(policy_onnx(made, "fp32"), OPERATORS["int8"], "int8", 3)
    assert says.format(3) in failure(*floats)
    model = onnx.load_from_string(policy_onnx(made, "int8"))
    node = next(node for node in model.graph.node if node.output[0].startswith("gemm"))
    plain = np.ones((16, F), np.float32)  # weights that are floats from the start
    model.graph.initializer.append(numpy_helper.from_array(plain, "plain"))
    node.input[1] = "plain"
    assert says.format(1) in failure(
        *graph_gates(model.SerializeToString(), OPERATORS["int8"], "int8", 3)
    )


@pytest.mark.parametrize("name", shipped())
def test_every_profile_s_limits_are_held_to(name: str) -> None:
    profile = Profile.named(name)
    limits = profile.limits
    gates = cost_gates(cost(), profile) + size_gates(1024, {}, profile)
    found = {gate.name: gate.limit for gate in gates if gate.limit is not None}
    assert found == {
        "latency_p99_1": limits.latency_us,
        "memory": limits.memory_mib,
        "bundle": limits.bundle_kib,
    }


def test_each_failure_is_told_with_its_excess() -> None:
    slow = cost(alone=Latency(p50_us=5000, p99_us=4210))
    gates = cost_gates(slow, ROUTER) + size_gates(301 * 1024, {"policy.npz": 12_000}, ROUTER)
    with pytest.raises(GateFailed) as caught:
        check(gates, ROUTER.name)
    assert str(caught.value) == (
        "openwrt-256mb: latency_p99_1 is 4,210 µs, 210 more than 4,000 (the quietest of 9 windows;"
        " measured on aarch64, as the box is); bundle is 301 KiB, 45 more than 256"
    )


def test_sizes_on_the_disk() -> None:
    files = {"policy.onnx": 300_000, "policy.npz": 300_500, "teacher.gguf": 10**9}
    gates = size_gates(256 * 1024, files, ROUTER)
    assert [(gate.name, gate.found, gate.passed) for gate in gates] == [
        ("bundle", 256, True), ("policy.onnx", 300, True), ("policy.npz", 300.5, False),
    ]  # fmt: skip
    assert failure(*gates) == "policy.npz is 300.5 kB, 0.5 more than 300"


def test_memory_is_of_the_process_the_buffer_and_full_tables() -> None:
    tables = ROUTER.footprint.total / (1 << 20)
    room = 96 - 2 - tables
    fits = named(cost_gates(cost(rss_run_mib=room), ROUTER), "memory")
    assert (fits.found, fits.passed) == (pytest.approx(96), True)
    gates = cost_gates(cost(rss_run_mib=room + 5), ROUTER)
    assert failure(*gates) == (
        f"memory is 101 MiB, 5 more than 96 (process {room + 5:.1f}, capture buffer 2, tables"
        f" {tables:.1f}; measured on aarch64, as the box is)"
    )
    planned = named(gates, "rss_run").note
    assert planned.startswith("profiles reckon 64 for an idle agent with numpy; ")


def test_what_was_measured_elsewhere_says_so() -> None:
    elsewhere = cost_gates(cost(architecture="x86-64"), ROUTER)
    for gate in elsewhere:
        if gate.unit in ("ms", "µs", "MiB"):
            assert gate.note.endswith("measured on x86-64, not on the box, which is aarch64")
    assert named(elsewhere, "load").note.startswith("80 ms of it for imports; ")


def test_what_is_only_recorded_cannot_fail() -> None:
    huge = Latency(p50_us=1e9, p99_us=1e9)
    gates = cost_gates(cost(load_ms=1e9, many=huge, threads=99), ROUTER)
    check(gates, ROUTER.name)
    free = {gate.name for gate in gates if gate.limit is None}
    assert free == {
        "load", "latency_p50_1", "latency_p50_64", "latency_p99_64", "rss_load", "rss_run",
        "threads",
    }  # fmt: skip
