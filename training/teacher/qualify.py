"""Whether a teacher of words can be trusted to guide: an examination, the same for any model.

Everything is measured through the teacher's own interface, so that any GGUF file, an encoder, or
the passages themselves can sit the examination.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from time import perf_counter
from typing import Final

import numpy as np
import torch

from training.teacher.cases import Case
from training.teacher.playbook.passages import Passage, rules_of
from training.teacher.playbook.reader import PassageTeacher, subjects
from training.teacher.playbook.retrieval import Shelf
from training.teacher.playbook.rule import Rule, followed
from training.teacher.playgrounds import passages_of
from training.teacher.prompt import Prompt
from training.teacher.question import Question, labels
from training.teacher.teacher import Examinee, StateText

FLIPS: Final = 100  # cases with a changed passage, at most
_QUIET: Final = 7  # hosts of no worth that are added, to see whether they matter
_NONE: Final = 1e-9  # probability that stands for none in a divergence


class Asking:
    """How an examinee asks: by a prompt that can be exchanged.

    Attributes:
        prompt: of the playground whose states are asked about.
    """

    prompt: Prompt

    def __call__(self, state: StateText, shortened: int) -> Question:
        """The question about a state."""
        return self.prompt(state, shortened)


@dataclass(frozen=True)
class Result:
    """What an examination found.

    Attributes:
        cases: states that were asked about.
        top1: share in which the likeliest action is one of the best.
        top3: share in which one of the three likeliest is.
        kl: mean divergence of the answers from what the passages prescribe, in nats.
        calibration: mean difference between the probability of the best actions and what the
            passages give them.
        flips: cases with a changed passage.
        flip_rate: share of those in which the likeliest action is what the changed passage says.
        permutation_tv: mean total variation when hosts change places, lines and labels.
        order_tv: the same when only their lines change places.
        size_tv: the same when hosts of no worth are added.
        without_passages_top1: ``top1`` when nothing is retrieved.
        latency_ms: median and 99th percentile of an answer's time: from nothing (``cold``), after a
            question of the same playground (``prefix``), and to the same state again (``state``).
    """

    cases: int
    top1: float
    top3: float
    kl: float
    calibration: float
    flips: int
    flip_rate: float
    permutation_tv: float
    order_tv: float
    size_tv: float
    without_passages_top1: float
    latency_ms: Mapping[str, Mapping[str, float]]


def examine(
    teacher: Examinee,
    asking: Asking,
    cases: Sequence[Case],
    *,
    seed: int = 0,
    advance: Callable[[], object] = lambda: None,
) -> Result:
    """Examine a teacher.

    Args:
        teacher: asks through ``asking``.
        asking: what its questions are made by.
        cases: of all playgrounds, at least one with hosts.
        seed: of the choice of changed passages and of permutations.
        advance: called after each answer that is not timed.

    Raises:
        TeacherError: it cannot answer.
        ValueError: no case has hosts.
    """
    if not any(case.brief.on_hosts for case in cases):
        raise ValueError("an examination without a case with hosts")
    room = Room(teacher, asking, advance)
    chance = random.Random(seed)
    wanted = [_prescribed(case, passages_of(case.brief)) for case in cases]
    answers = room.ask(cases)
    hosts = [i for i, case in enumerate(cases) if case.brief.on_hosts]
    moved = [_moved(cases[i], chance) for i in hosts]
    turned = [_turned(cases[i], chance) for i in hosts]
    grown = [_grown(cases[i]) for i in hosts]
    flipped = flips(cases, chance)
    return Result(
        cases=len(cases),
        top1=_share(_hits(cases, answers, 1)),
        top3=_share(_hits(cases, answers, 3)),
        kl=float(np.mean([divergence(p, q) for p, q in zip(wanted, answers, strict=True)])),
        calibration=_calibration(cases, wanted, answers),
        flips=len(flipped),
        flip_rate=_share(
            hit
            for case, passages in flipped
            for hit in _hits([case], room.ask([case], {case.brief.name: passages}), 1)
        ),
        permutation_tv=_tv(
            (answers[i], row[back])
            for i, row, (_, back) in zip(hosts, room.ask([m[0] for m in moved]), moved, strict=True)
        ),
        order_tv=_tv((answers[i], row) for i, row in zip(hosts, room.ask(turned), strict=True)),
        size_tv=_tv(
            (answers[i], row[_kept(cases[i], case)])
            for i, case, row in zip(hosts, grown, room.ask(grown), strict=True)
        ),
        without_passages_top1=_share(_hits(cases, room.ask(cases, {}), 1)),
        latency_ms=room.latency(cases),
    )


class Room:
    """Where a teacher is asked.

    Args:
        teacher: asks through ``asking``.
        asking: what its questions are made by.
        advance: called after each answer that is not timed.
    """

    def __init__(self, teacher: Examinee, asking: Asking, advance: Callable[[], object]) -> None:
        self.teacher, self.asking, self.advance = teacher, asking, advance

    def ask(
        self, cases: Sequence[Case], books: Mapping[str, Sequence[Passage]] | None = None
    ) -> list[torch.Tensor]:
        """Answers ``(actions,)``.

        Args:
            cases: those of a playground together.
            books: passages by playground; the shipped ones if left out, none where one is missing.
        """
        rows = []
        for brief, group in groupby(cases, lambda case: case.brief):
            book = passages_of(brief) if books is None else books.get(brief.name, ())
            self.asking.prompt = Prompt(brief, Shelf(book) if book else None)
            self.teacher.forget()
            for case in group:
                rows.append(self.teacher.distribution([case.state])[0])
                self.advance()
        return rows

    def latency(self, cases: Sequence[Case]) -> dict[str, dict[str, float]]:
        """As :class:`Result` has it, over the states with hosts, which are the long ones."""
        states = [case.state for case in cases if case.brief.on_hosts]
        brief = next(case.brief for case in cases if case.brief.on_hosts)
        self.asking.prompt = Prompt(brief, Shelf(passages_of(brief)))
        self._times(states[:1])  # what happens once only
        cold = self._times(states, before=self.teacher.forget)
        self.teacher.forget()
        self._times(states[-1:])
        return {
            "cold": cold,
            "prefix": self._times(states[:-1] or states),
            "state": self._times(states),
        }

    def _times(
        self, states: Sequence[StateText], before: Callable[[], None] = lambda: None
    ) -> dict[str, float]:
        times = []
        for state in states:
            before()
            began = perf_counter()
            self.teacher.distribution([state])
            times.append(1e3 * (perf_counter() - began))
        return {"p50": float(np.percentile(times, 50)), "p99": float(np.percentile(times, 99))}


def flips(cases: Sequence[Case], chance: random.Random) -> list[tuple[Case, list[Passage]]]:
    """Cases whose best action changes because a passage does, with the passages.

    The rule that the best action follows advises another action instead of its own.
    """
    found = []
    for case in chance.sample(cases, len(cases)):
        passages = passages_of(case.brief)
        rule = _decisive(case, passages)
        if rule is None:
            continue
        others = [kind for kind in case.brief.kinds[1:] if kind not in rule.kinds]
        changed = replace(rule, kinds=(chance.choice(others),))
        passages = [_edited(passage, rule, changed) for passage in passages]
        best = _best(case, _prescribed(case, passages))
        if not {*best} & {*case.best}:
            found.append((replace(case, best=best), passages))
        if len(found) == FLIPS:
            break
    return found


def _decisive(case: Case, passages: Sequence[Passage]) -> Rule | None:
    """The rule that the best action follows, if it is a single one."""
    said = subjects(case.lines)
    _, _, host = case.best[0].partition(" ")
    mine = followed(rules_of(passages), said[host] if host else next(iter(said.values())))
    return mine[0] if len(mine) == 1 else None


def _edited(passage: Passage, old: Rule, new: Rule) -> Passage:
    return replace(passage, rules=tuple(new if rule == old else rule for rule in passage.rules))


def _prescribed(case: Case, passages: Sequence[Passage]) -> torch.Tensor:
    """What passages prescribe ``(actions,)``."""
    return PassageTeacher(rules_of(passages)).distribution([case.state])[0]


def _best(case: Case, row: torch.Tensor) -> tuple[str, ...]:
    """Labels of the likeliest actions."""
    most = float(row.max()) * (1 - 1e-3)
    return tuple(a for a, p in zip(case.actions, row.tolist(), strict=True) if p >= most)


def _hits(cases: Sequence[Case], rows: Sequence[torch.Tensor], among: int) -> list[bool]:
    """Whether one of the best is among so many likeliest actions."""
    return [
        any(case.actions[i] in case.best for i in row.topk(min(among, len(row))).indices.tolist())
        for case, row in zip(cases, rows, strict=True)
    ]


def _calibration(
    cases: Sequence[Case], wanted: Sequence[torch.Tensor], answers: Sequence[torch.Tensor]
) -> float:
    differences = []
    for case, p, q in zip(cases, wanted, answers, strict=True):
        best = [case.actions.index(label) for label in case.best]
        differences.append(abs(float(p[best].sum() - q[best].sum())))
    return float(np.mean(differences))


def divergence(wanted: torch.Tensor, answer: torch.Tensor) -> float:
    """Divergence in nats of an answer from what was wanted."""
    p, q = wanted.double(), answer.double().clamp(min=_NONE)
    return float(torch.special.xlogy(p, p / q).sum())


def _tv(pairs: Iterable[tuple[torch.Tensor, torch.Tensor]]) -> float:
    """Mean total variation; what the second distribution has elsewhere counts as well."""
    each = [float(((p - q).abs().sum() + abs(p.sum() - q.sum())) / 2) for p, q in pairs]
    return float(np.mean(each))


def _share(hits: Iterable[bool]) -> float:
    counted = [*hits]
    return float(np.mean(counted)) if counted else 0.0


def _moved(case: Case, chance: random.Random) -> tuple[Case, list[int]]:
    """Hosts in other places with other labels; and where each old action is now."""
    new = chance.sample(range(len(case.lines)), len(case.lines))  # of the host in each old place
    hosts = [line.partition(" ")[0] for line in case.lines]
    lines = [""] * len(hosts)
    for line, place in zip(case.lines, new, strict=True):
        lines[place] = hosts[place] + line.removeprefix(line.partition(" ")[0])
    renamed = {old: hosts[place] for old, place in zip(hosts, new, strict=True)}
    number = {action: i for i, action in enumerate(case.actions)}
    back = []
    for action in case.actions:
        kind, _, host = action.partition(" ")
        back.append(number[f"{kind} {renamed[host]}" if host else kind])
    return replace(case, lines=tuple(lines)), back


def _turned(case: Case, chance: random.Random) -> Case:
    """The same hosts, told of in another order."""
    return replace(case, lines=tuple(chance.sample(case.lines, len(case.lines))))


def _grown(case: Case) -> Case:
    """More hosts, of no worth."""
    count = len(case.lines)
    more = [f"host{count + n + 1} spare" for n in range(_QUIET)]
    lines = (*case.lines, *more)
    hosts = [line.partition(" ")[0] for line in lines]
    return replace(case, lines=lines, actions=labels(case.brief.kinds, hosts))


def _kept(case: Case, grown: Case) -> list[int]:
    """Where the actions of a case are among those of a grown one."""
    return [grown.actions.index(action) for action in case.actions]
