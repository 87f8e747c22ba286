"""The gateway playground: the contract, its accounts, and the agent's own engine beside it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from agent.capture.files import open_capture
from agent.config import Settings
from agent.decision import Verdict
from agent.enforce.record import Recorder
from agent.engine import Engine
from agent.labels import FlowLabels
from agent.observation import NAMES
from agent.replay import steps
from training.env_check import check_env
from training.gateway.env import Gateway
from training.gateway.playbook_policy import advice_on
from training.gateway.record import record
from training.gateway.recording import Recording
from training.gateway.rewards import COMPONENTS, Rewards
from training.gateway.score import score
from training.gateway.surroundings import Surroundings
from training.gateway.tape import Tape

SAMPLES = Path(__file__).parents[2] / "captures"
CPU = torch.device("cpu")
TABLE = Rewards()


@cache
def _recording(name: str) -> Recording:
    return record(SAMPLES / f"{name}.pcap", FlowLabels.read(SAMPLES / f"{name}.labels.csv"))


@cache
def _tape(*names: str) -> Tape:
    return Tape([_recording(name) for name in names], CPU)


def _env(count: int, *names: str, **options: object) -> Gateway:
    world = options.pop("surroundings", Surroundings())
    generator = torch.Generator().manual_seed(1)
    return Gateway(count, generator, _tape(*names), rewards=TABLE, surroundings=world, **options)


def _always(verdict: Verdict) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda obs: torch.full((len(obs),), int(verdict))


def test_it_keeps_the_contract() -> None:
    def make(generator: torch.Generator) -> Gateway:
        return Gateway(
            6,
            generator,
            _tape("home", "beacon"),
            rewards=TABLE,
            surroundings=Surroundings(confirmed_after_s=60.0),
            window=40,
            noise=0.05,
        )

    check_env(make, steps=64)


def test_advance_stays_where_an_episode_ends_and_step_goes_on() -> None:
    env = _env(4, "home", "scan", window=8)
    for _ in range(8):  # decisions; points of stopped flows pass without one
        _, _, ended = env.advance(torch.zeros(4, dtype=torch.int64))
    assert ended.all()
    last = env.at.clone()
    _, _, ended = env.advance(torch.zeros(4, dtype=torch.int64))
    assert ended.all()
    assert torch.equal(env.at, last)
    assert torch.equal(env.at, env.end - 1)
    *_, truncated, _ = env.step(torch.zeros(4, dtype=torch.int64))
    assert truncated.all()
    assert (env.at < env.end - 1).all()


def test_an_episode_that_begins_forgets_its_own_and_nothing_else() -> None:
    env = _env(3, "home", "scan", window=64)
    for _ in range(40):
        env.step(torch.randint(4, (3,), generator=env.generator))
    before = {name: copy.deepcopy(env.state_dict()[name]) for name in ("firewall", "reactions")}
    env.begin(torch.tensor([False, True, False]))
    fresh = _env(3, "home", "scan", window=64).state_dict()
    for part, tables in before.items():
        for name, table in env.state_dict()[part].items():
            assert torch.equal(table[1], fresh[part][name][1]), name
            assert torch.equal(table[[0, 2]], tables[name][[0, 2]]), name
    assert (before["firewall"]["since"] > 0).any(1).all()
    assert (env.paid[1] == 0).all()


def test_components_sum_to_the_reward() -> None:
    world = Surroundings(confirmed_after_s=60.0)
    env = _env(16, "home", "office", "scan", window=64, surroundings=world)
    env.reset(3)
    for _ in range(80):
        action = torch.randint(4, (16,), generator=env.generator)
        _, reward, _, _, info = env.step(action)
        parts = torch.stack([info[name] for name in COMPONENTS]).sum(0)
        torch.testing.assert_close(parts, reward)
        assert (info["stop_malicious"] >= 0).all()
        assert all((info[name] <= 0).all() for name in COMPONENTS[1:])


@pytest.mark.parametrize("name", ["home", "office", "scan"])
def test_allowing_everything_costs_the_whole_harm(name: str) -> None:
    """All bytes of every malicious flow pass, once."""
    made = _recording(name)
    totals = score([made], _always(Verdict.ALLOW), TABLE)
    assert totals["harm"].item() == pytest.approx(TABLE.harm * (made.label == 1).sum(), rel=1e-4)
    assert totals["decisions"].item() == len(made.time_ns)
    for other in ("stop_malicious", "stop_legitimate", "latency"):
        assert totals[other].item() == 0


@pytest.mark.parametrize("name", ["home", "office", "scan"])
@pytest.mark.parametrize("verdict", [Verdict.BLOCK, Verdict.ISOLATE])
def test_stopping_everything_pays_once_for_each_flow(name: str, verdict: Verdict) -> None:
    made = _recording(name)
    guard = Settings().guard.model_copy(update={"new_verdicts_per_minute": 10**6})
    totals = score([made], _always(verdict), TABLE, guard=guard)
    assert totals["stop_malicious"].item() == 10 * (made.label == 1).sum()
    assert totals["stop_legitimate"].item() == -5 * (made.label == 0).sum()
    assert totals["harm"].item() == 0
    assert totals["decisions"].item() < len(made.time_ns)


def test_a_budget_of_verdicts_is_kept() -> None:
    guard = Settings().guard.model_copy(update={"new_verdicts_per_minute": 0})
    totals = score([_recording("home")], _always(Verdict.BLOCK), TABLE, guard=guard)
    assert totals["stop_malicious"].item() == totals["stop_legitimate"].item() == 0


def test_a_throttle_delays_legitimate_flows_up_to_what_stopping_them_costs() -> None:
    made = _recording("home")
    totals = score([made], _always(Verdict.THROTTLE), TABLE)
    benign = (made.label == 0).sum()
    assert TABLE.stop_legitimate * benign < totals["latency"].item() < 0
    assert TABLE.harm * (made.label == 1).sum() <= totals["harm"].item() < 0


class _Sharp:
    """The playbook's likeliest verdict, for certain."""

    def logits(self, observations: np.ndarray) -> np.ndarray:
        logits = np.full((len(observations), 4), -1e3, np.float32)
        logits[np.arange(len(observations)), advice_on(observations).argmax(axis=1)] = 1e3
        return logits


@pytest.mark.parametrize("name", ["home", "scan", "office"])
def test_it_stops_what_the_engine_stops(name: str) -> None:
    """The same rules in the same order; but for a second's delay, the same flows."""
    rules, stopped = _by_engine(name)
    env = _env(1, name, surroundings=Surroundings.still(), window=10**6)
    obs, mine, ended = env.reset(1), [], False
    while not ended:
        flow, made = int(env.tape.flow[env.at[0]]), env.firewall.strikes.sum()
        found = env.stopped[0].clone()
        action = torch.from_numpy(_Sharp().logits(obs.numpy()).argmax(axis=1))
        obs, _, _, truncated, _ = env.step(action)
        ended = bool(truncated[0])
        if not ended and env.firewall.strikes.sum() > made:
            mine.append((flow, int(action[0])))
    assert mine == rules
    differ = stopped ^ set(found[:-1].nonzero()[:, 0].tolist())
    # Flows that end before the rule's tick does are not stopped by the one, nor paid by the other.
    assert len(differ) <= 0.05 * len(stopped)


def _by_engine(name: str) -> tuple[list[tuple[int, int]], set[int]]:
    engine = Engine(Settings(), _Sharp(), Recorder())
    rules, stopped = [], set()
    with open_capture(SAMPLES / f"{name}.pcap") as reader:
        for step in steps(reader, engine):
            for row, rule in step.rules.items():
                rules.append((int(step.points["serial"][row]) - 1, int(rule.verdict)))
            for flow in engine.table.ended[: engine.table.n_ended]:
                if flow["worst"] >= Verdict.BLOCK:
                    stopped.add(int(flow["serial"]) - 1)
    return rules, stopped


def test_what_is_in_force_is_observed() -> None:
    env = _env(1, "home", surroundings=Surroundings.still(), window=10**6)
    env.reset(1)
    obs = env.step(torch.tensor([int(Verdict.THROTTLE)]))[0]
    seen = [obs]
    for _ in range(200):
        seen.append(env.step(torch.tensor([0]))[0])
    columns = torch.cat(seen)[:, [NAMES.index(n) for n in ("in_force_flow", "src_alerts")]]
    assert set(columns[:, 0].mul(3).round().tolist()) == {0, 1}
    assert (columns[:, 1] > 0).any()


def test_an_attacker_who_gives_up_is_not_paid_for() -> None:
    """Who gives up at once leaves nothing to stop but the flow that was at hand."""
    gives_up = Surroundings(moves=0, gives_up=1, gives_up_after_s=1e-9, ids=0)
    earned = {}
    for world in (gives_up, Surroundings.still()):
        env = _env(1, "home", surroundings=world, window=10**6)
        env.reset(1)
        earned[world], ended = 0.0, False
        while not ended:
            _, _, _, truncated, info = env.step(torch.tensor([int(Verdict.ISOLATE)]))
            earned[world] += float(info["stop_malicious"])
            ended = bool(truncated[0])
    assert 0 < earned[gives_up] < earned[Surroundings.still()]


def test_an_attacker_who_moves_is_seen_again() -> None:
    """An address block that is got around at once covers no malicious flow."""
    moves = Surroundings(moves=1, moves_after_s=1e-9, gives_up=0, ids=0)
    env = _env(1, "scan", surroundings=moves, window=10**6)
    env.reset(1)
    points = 0
    ended = False
    while not ended:
        ended = bool(env.step(torch.tensor([int(Verdict.BLOCK)]))[3][0])
        points += 1
    still = score([_recording("scan")], _always(Verdict.BLOCK), TABLE)["decisions"].item()
    assert points > still


def test_a_delay_of_confirmation_changes_no_total() -> None:
    """The same actions earn the same in the end, and later."""
    course = {}
    for delay in (0.0, 30.0):
        world = Surroundings.still().model_copy(update={"confirmed_after_s": delay})
        env = _env(1, "scan", surroundings=world, window=10**6)
        obs, paid, ended = env.reset(1), [], False
        while not ended:
            action = torch.from_numpy(_Sharp().logits(obs.numpy()).argmax(axis=1))
            obs, reward, _, truncated, info = env.step(action)
            paid.append([info["stop_malicious"].item(), reward.item()])
            ended = bool(truncated[0])
        course[delay] = np.cumsum(paid, axis=0)
    assert course[30.0][-1] == pytest.approx(course[0.0][-1], rel=1e-5)
    assert (course[30.0][:, 0] <= course[0.0][:, 0] + 1e-3).all()
    assert course[30.0][:, 0].sum() < course[0.0][:, 0].sum()


def test_alerts_of_a_detection_system_are_observed() -> None:
    column = NAMES.index("src_alerts")
    seen = []
    for share in (0.0, 1.0):
        world = Surroundings(moves=0, gives_up=0, ids=share, ids_sees=1)
        env = _env(1, "beacon", surroundings=world, window=10**6)
        rows = [env.reset(1), *(env.step(torch.tensor([0]))[0] for _ in range(60))]
        seen.append(float(torch.cat(rows)[:, column].max()))
    assert seen[0] == 0
    assert seen[1] > 0


def test_it_goes_on_from_a_saved_state() -> None:
    world = Surroundings(confirmed_after_s=60.0)
    env, other = (_env(8, "home", "office", window=32, surroundings=world) for _ in range(2))
    env.reset(5)
    for _ in range(30):
        env.step(torch.randint(4, (8,), generator=env.generator))
    other.generator.set_state(env.generator.get_state())
    other.load_state_dict(env.state_dict())
    assert [other.describe(i) for i in range(8)] == [env.describe(i) for i in range(8)]
    for _ in range(30):
        action = torch.randint(4, (8,), generator=env.generator)
        other.generator.set_state(env.generator.get_state())
        for mine, its in zip(env.step(action)[:4], other.step(action)[:4], strict=True):
            assert torch.equal(mine, its)
