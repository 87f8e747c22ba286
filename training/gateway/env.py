"""The gateway playground: B gateways at once, each going through a window of a recording.

One step is one decision about one flow, at the decision points that the agent's engine had when it
recorded, in order of time. What was recorded stays as it was; what verdicts change is worked out on
top: rules in force, which flows a rule stops, alerts of hosts, queues of throttled flows, and how
attackers and users react. Points of flows that a rule stops pass without a decision, as on the box.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import torch

from agent.config import GuardSettings
from agent.decision import Verdict
from agent.observation import FEATURES, LOG_SCALE, NAMES
from training.env import Info, Transition
from training.gateway.alert_windows import AlertWindows
from training.gateway.confirmation import Confirmation
from training.gateway.firewall import Cover, Firewall
from training.gateway.noise import Noise
from training.gateway.reactions import Reactions
from training.gateway.rewards import COMPONENTS, Rewards
from training.gateway.state import state_of
from training.gateway.surroundings import Surroundings
from training.gateway.tape import Tape
from training.gateway.throttle import throttle
from training.teacher.teacher import StateText

TICK_S: Final = 1.0
_AHEAD: Final = 16  # decision points that are looked at together
_LOOKS: Final = 4  # times; whoever is not through then decides about a stopped flow, to no effect
_SRC_ALERTS, _DST_ALERTS, _SRC, _FLOW, _TIME = (
    NAMES.index(name)
    for name in ("src_alerts", "dst_alerts", "in_force_src", "in_force_flow", "in_force_time")
)

_PARTS: Final = ("firewall", "reactions", "alerts", "verdicts", "confirmation")
_STATE: Final = ("recording", "at", "end", "ids", "stopped", "paid", "backlog", "_obs")


class Gateway:
    """A :class:`training.env.ResumableEnv`.

    ``info`` holds the reward's components (:data:`training.gateway.rewards.COMPONENTS`), ``(B,)``
    each; they sum to it.

    Args:
        num_envs: environments in the batch, ``B``.
        generator: the only source of chance, on the tape's device.
        tape: recordings.
        rewards: the table.
        surroundings: who reacts how.
        guard: settings of the guard that makes rules of actions.
        window: decision points of an episode; at the end of a recording it is shorter.
        noise: deviation of what is added to logarithms in observations.
    """

    num_actions = len(Verdict)
    num_features = len(FEATURES)

    def __init__(
        self,
        num_envs: int,
        generator: torch.Generator,
        tape: Tape,
        *,
        rewards: Rewards,
        surroundings: Surroundings,
        guard: GuardSettings | None = None,
        window: int = 512,
        noise: float = 0.0,
    ) -> None:
        device = self.device = generator.device
        self.num_envs, self.generator, self.tape = num_envs, generator, tape
        self.rewards, self.surroundings, self.window = rewards, surroundings, window
        self._noise = Noise(noise, generator)
        self._ahead = torch.arange(_AHEAD, device=device)
        self.firewall = Firewall(num_envs, tape.num_keys, guard or GuardSettings(), TICK_S, device)
        self.reactions = Reactions(num_envs, tape.num_keys, surroundings, generator)
        self.alerts = AlertWindows(num_envs, tape.num_hosts, device)
        self.verdicts = AlertWindows(num_envs, tape.num_hosts, device)
        self.confirmation = Confirmation(num_envs, surroundings.confirmed_after_s, device)
        # The last column of flows is nobody's.
        flows = num_envs, tape.num_flows + 1
        self.stopped = torch.zeros(flows, dtype=torch.bool, device=device)
        self.paid = torch.zeros(flows, device=device)
        self.backlog = torch.zeros(flows, device=device)
        self.ids = torch.zeros(num_envs, dtype=torch.bool, device=device)
        self.recording = torch.zeros(num_envs, dtype=torch.int64, device=device)
        self.at = torch.zeros_like(self.recording)
        self.end = torch.zeros_like(self.recording)
        self._cover: Cover
        self._obs: torch.Tensor
        self.begin(torch.ones_like(self.ids))

    def reset(self, seed: int | None = None) -> torch.Tensor:
        """Start new episodes everywhere; a seed restarts the generator."""
        if seed is not None:
            self.generator.manual_seed(seed)
        return self.begin(torch.ones_like(self.ids))

    def begin(self, which: torch.Tensor) -> torch.Tensor:
        """Draw new windows for the environments ``(B,)`` bool; returns all observations."""
        recording = torch.randint(
            len(self.tape), (self.num_envs,), generator=self.generator, device=self.device
        )
        chance = self._rand()
        first, last = self.tape.begin[recording], self.tape.end[recording]
        room = (last - first - self.window).clamp(min=0)
        start = first + (chance * (room + 1)).long().clamp(max=room)
        return self.place(which, recording, start, torch.minimum(start + self.window, last))

    def place(
        self, which: torch.Tensor, recording: torch.Tensor, start: torch.Tensor, end: torch.Tensor
    ) -> torch.Tensor:
        """Start episodes in the environments ``(B,)`` bool at points of one's choice.

        Args:
            which: environments; of others, nothing changes.
            recording: ``(B,)``.
            start: ``(B,)``, first point.
            end: ``(B,)``, the one after the last, beyond the first one.

        Returns:
            All observations ``(B, F)``.
        """
        self.recording = torch.where(which, recording, self.recording)
        self.at = torch.where(which, start, self.at)
        self.end = torch.where(which, end, self.end)
        self.ids = torch.where(which, self._rand() < self.surroundings.ids, self.ids)
        rows = which.nonzero()[:, 0]  # a mask would go through all of each table
        for part in _PARTS:
            getattr(self, part).reset(rows)
        self.stopped[rows] = False
        for table in (self.paid, self.backlog):
            table[rows] = 0
        self._cover = self._look(self.at[:, None])
        return self._observe()

    def step(self, action: torch.Tensor) -> Transition:
        """Decide about the flow at hand in every environment, and go on to the next decision."""
        last, gained, ended = self.advance(action)
        obs = last
        if ended.any():
            obs = self._obs = torch.where(ended[:, None], self.begin(ended), last)
        reward = torch.stack(list(gained.values())).sum(0)
        info: Info = {"final_obs": last, **gained}
        return obs, reward, torch.zeros_like(ended), ended, info

    def advance(
        self, action: torch.Tensor
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor], torch.Tensor]:
        """A step after which no episode begins: whoever is at the end of one stays there.

        Returns:
            All observations ``(B, F)``; the reward's components, ``(B,)`` each; and which
            environments ``(B,)`` bool are at an end.
        """
        if ((action < 0) | (action >= self.num_actions)).any():
            raise ValueError(f"actions are 0 to {self.num_actions - 1}")
        gained = dict.fromkeys(COMPONENTS, torch.zeros(self.num_envs, device=self.device))
        time = self.tape.time[self.at]
        self._decide(action, gained)
        self.at = self.at + 1
        self._seek(gained)
        ended = self.at >= self.end
        self.at = torch.minimum(self.at, self.end - 1)
        gained["stop_malicious"] = self.confirmation.paid(
            gained["stop_malicious"], self.tape.time[self.at] - time, ended
        )
        self._cover = self._look(self.at[:, None])
        return self._observe(), gained, ended

    def action_mask(self) -> torch.Tensor:
        """All actions, always: the guard makes the best of each."""
        return torch.ones(self.num_envs, self.num_actions, dtype=torch.bool, device=self.device)

    def describe(self, index: int) -> StateText:
        """The flow that environment ``index`` has to decide about."""
        return state_of(self._obs[index].cpu().numpy())

    def _rand(self) -> torch.Tensor:
        return torch.rand(self.num_envs, generator=self.generator, device=self.device)

    def _local(self, flow: torch.Tensor) -> torch.Tensor:
        """Numbers of flows ``(B, L)`` within their environments' recordings."""
        return flow - self.tape.first_flow[self.recording][:, None]

    def _look(self, points: torch.Tensor) -> Cover:
        """What is in force on the flows of points ``(B, L)``."""
        return self._in_force(self.tape.flow[points], self.tape.time[points])

    def _in_force(self, flow: torch.Tensor, time: torch.Tensor) -> Cover:
        keys = self.tape.keys[flow]
        escapes = self.reactions.escapes(keys, time) & self.tape.malicious[flow][..., None]
        return self.firewall.cover(keys, time, escapes)

    def _decide(self, action: torch.Tensor, gained: dict[str, torch.Tensor]) -> None:
        """Let the guard act on the flow at hand, and settle what happens until its next point."""
        tape, point = self.tape, self.at
        flow, time = tape.flow[point], tape.time[point]
        applied, key = self.firewall.decide(
            tape.keys[flow], time, action, self._cover.verdict[:, 0]
        )
        self.reactions.draw(key, time)
        self._alert(flow, time, torch.where(key < tape.num_keys, applied, 0), point)
        # What is in force holds, whatever is proposed.
        applied = torch.maximum(applied, self._cover.verdict[:, 0])
        local = self._local(flow[:, None])
        stops = applied >= Verdict.BLOCK
        newly = stops[:, None] & ~self.stopped.gather(1, local)
        if newly.any():
            self._reward_stops(newly, point[:, None], self._stopper(flow, time), gained)
        self.stopped.scatter_(1, local, self.stopped.gather(1, local) | stops[:, None])
        self._pass(point, flow, local, applied, gained)

    def _stopper(self, flow: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        """Keys ``(B, 1)`` of what stops flows as soon as rules made now hold, K for nothing."""
        soon = (time // TICK_S + 1) * TICK_S
        cover = self._in_force(flow[:, None], soon[:, None])
        return torch.where(cover.verdict >= Verdict.BLOCK, cover.stopper, self.tape.num_keys)

    def _reward_stops(
        self,
        newly: torch.Tensor,
        points: torch.Tensor,
        rule: torch.Tensor,
        gained: dict[str, torch.Tensor],
    ) -> None:
        """Pay for flows of which rules, by their keys, newly stop some at points ``(B, L)``."""
        tape, flow, time = self.tape, self.tape.flow[points], self.tape.time[points]
        right = self.reactions.attacks(newly & tape.malicious[flow], rule, time)
        until = self.firewall.until.gather(1, rule)
        wrong = self.reactions.tries(newly & tape.benign[flow], rule, time, until, points)
        gained["stop_malicious"] = gained["stop_malicious"] + self.rewards.stop_malicious * right
        gained["stop_legitimate"] = gained["stop_legitimate"] + self.rewards.stop_legitimate * wrong

    def _pass(
        self,
        point: torch.Tensor,
        flow: torch.Tensor,
        local: torch.Tensor,
        applied: torch.Tensor,
        gained: dict[str, torch.Tensor],
    ) -> None:
        """Harm and latency ``(B,)`` of what the flow does until its next decision point."""
        slowed = applied == Verdict.THROTTLE
        queued = throttle(self.backlog.gather(1, local)[:, 0], self.tape.segments[point])
        self.backlog.scatter_(1, local, (queued.backlog * slowed)[:, None])
        passed = torch.where(slowed, queued.passed, 1.0) * (applied <= Verdict.THROTTLE)
        harm = self.rewards.harm * passed * self.tape.share[point]
        gained["harm"] = harm * self.tape.malicious[flow]
        cost = self.rewards.latency_per_100_ms * queued.latency_s * 10
        before = self.paid.gather(1, local)[:, 0]
        after = (before + cost * slowed).clamp(min=self.rewards.stop_legitimate)
        self.paid.scatter_(1, local, after[:, None])
        gained["latency"] = (after - before) * self.tape.benign[flow]

    def _alert(
        self, flow: torch.Tensor, time: torch.Tensor, verdict: torch.Tensor, point: torch.Tensor
    ) -> None:
        """Count a new rule, on the initiator, and alerts of a detection system on both ends."""
        world, hosts = self.surroundings, self.tape.hosts[flow]
        chance = torch.where(self.tape.malicious[flow], world.ids_sees, world.ids_errs)
        seen = self.ids & (self._rand() < chance) & (self.tape.before[point] >= 0)
        weight = world.alert_weight * seen[:, None].repeat(1, 2)
        weight[:, 1] *= hosts[:, 0] != hosts[:, 1]
        first = self.tape.host_first[self.recording].gather(1, hosts)
        self.alerts.add(hosts, first, time, weight)
        self.verdicts.add(hosts[:, :1], first[:, :1], time, verdict[:, None].float())

    def _seek(self, gained: dict[str, torch.Tensor]) -> None:
        """Go on to the next point of a flow that no rule stops."""
        for _ in range(_LOOKS):
            ahead = self.at[:, None] + self._ahead
            inside = ahead < self.end[:, None]
            points = torch.minimum(ahead, self.end[:, None] - 1)
            cover, flow = self._look(points), self.tape.flow[points]
            held = inside & (cover.verdict >= Verdict.BLOCK)
            if not held[:, 0].any():
                return
            through = held.long().cumprod(1).bool()
            count = through.sum(1)
            # Of a flow with several points here the first one counts.
            first = self.tape.before[points] < self.at[:, None]
            local = self._local(flow)
            newly = through & first & ~self.stopped.gather(1, local)
            self._reward_stops(newly, points, cover.stopper, gained)
            local = torch.where(through, local, self.tape.num_flows)
            self.stopped.scatter_(1, local, True)
            self.at = self.at + count
            if not (count == _AHEAD).any():
                return

    def _observe(self) -> torch.Tensor:
        """``(B, F)``: what was recorded, and what is in force."""
        flow, time = self.tape.flow[self.at], self.tape.time[self.at]
        hosts = self.tape.hosts[flow]
        first = self.tape.host_first[self.recording].gather(1, hosts)
        recent = self.alerts.recent(hosts, first, time)
        recent[:, :1] += self.verdicts.recent(hosts[:, :1], first[:, :1], time)
        verdict = self._cover.verdict[:, 0]
        lasted = torch.where(verdict > 0, time - self._cover.since[:, 0], 0).float()
        obs = self._noise(self.tape.obs[self.at])
        obs[:, [_SRC_ALERTS, _DST_ALERTS]] = recent.log1p() / LOG_SCALE
        obs[:, _SRC] = self._cover.source[:, 0] / 3
        obs[:, _FLOW] = verdict / 3
        obs[:, _TIME] = lasted.log1p() / LOG_SCALE
        self._obs = obs
        return obs

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next steps depend on, but the generator and the tape."""
        return {
            **{name: getattr(self, name).state_dict() for name in _PARTS},
            **{name: getattr(self, name) for name in _STATE},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state that an equal playground gave."""
        for name in _PARTS:
            getattr(self, name).load_state_dict(state[name])
        for name in _STATE:
            setattr(self, name, state[name].to(self.device, copy=True))
        self._cover = self._look(self.at[:, None])
