"""The studies of how a teacher guides PPO on CAGE-2, as data.

Every arm is ``BASE`` with what its study changes, so that arms of different studies which are the
same run are trained once. The teacher is the playbook unless an arm says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from training.cage2.codes import Red
from training.cage2.scenario import Variant
from training.cage2.settings import Blueprint, Plan
from training.cage2.study import Study, lasting
from training.errors import StudyError
from training.settings import Guidance, Settings

EPISODES: Final = 10_000  # as in arXiv 2509.05311
_SHORTER: Final = 5_000  # where it is not the end of the training that counts
# Small batches: with 8 episodes between updates the guidance of the paper (it is over after some
# sixty episodes) has updates to act on.
BASE: Final = Plan(
    network=Blueprint(hidden=[64, 64], variant=Variant.HEAD),
    ppo=Settings(num_envs=8, learning_rate=2.5e-3),
)
PLAYBOOK: Final = "playbook"
TRAINED: Final = "training/cage2/checkpoints/head.pt"

_UNGUIDED: Final = "unguided"


def plan(
    base: Plan = BASE,
    *,
    network: Mapping[str, Any] | None = None,
    ppo: Mapping[str, Any] | None = None,
    episodes: int = EPISODES,
    **changes: Any,
) -> Plan:
    """``base`` with changes of its network, its PPO and itself.

    A rollout is one episode in every environment.
    """
    changed = {**base.model_dump(), **changes}
    changed["network"] |= network or {}
    changed["ppo"] |= {"rollout": changed["horizon"]} | dict(ppo or {})
    return lasting(Plan.model_validate(changed), episodes)


def guided(base: Plan, teacher: str = PLAYBOOK, *, wrong: float = 0.0, **guidance: Any) -> Plan:
    """``base`` under a teacher."""
    advised = {"teacher": teacher, "wrong": wrong, "guidance": Guidance(**guidance)}
    return base.model_copy(update=advised)


_MIXED: Final = plan()
_B_LINE: Final = plan(red=(Red.B_LINE,), horizon=32)  # the paper's


def _parts(name: str, whom: str, base: Plan) -> Study:
    """What the mask and the auxiliary loss do, each alone and together."""
    return _against_unguided(
        name,
        f"Does a playbook's guidance speed up learning {whom}, and is it the mask or the "
        "auxiliary loss?",
        base,
        {
            "mask only": guided(base, auxiliary=0),
            "auxiliary only": guided(base, mask=0),
            "both": guided(base),
        },
    )


def _against_unguided(name: str, question: str, base: Plan, arms: Mapping[str, Plan]) -> Study:
    return Study(name, question, {_UNGUIDED: base, **arms}, dict.fromkeys(arms, _UNGUIDED))


def _both_ways(name: str, question: str, bases: Mapping[str, Plan], **more: Any) -> Study:
    """Every base with and without guidance, compared with itself."""
    arms: dict[str, Plan] = {}
    against: dict[str, str] = {}
    for what, base in bases.items():
        alone, taught = f"{what}, {_UNGUIDED}", f"{what}, guided"
        arms |= {alone: base, taught: guided(base)}
        against[taught] = alone
    return Study(name, question, arms, against, **more)


def _decay() -> Study:
    steps = {f"decay {d:g}": guided(_B_LINE, decay=d) for d in (0.1, 0.25, 0.5)}
    question = "How fast should guidance be withdrawn: 0.1, 0.25 or 0.5 every eight episodes?"
    return _against_unguided("decay", question, _B_LINE, steps)


def _divergence() -> Study:
    kinds = ("forward", "reverse", "jensen-shannon", "argmax")
    arms = {kind: guided(_B_LINE, divergence=kind) for kind in kinds}
    question = "Which divergence from the teacher should the auxiliary loss make small?"
    return _against_unguided("divergence", question, _B_LINE, arms)


def _fade() -> Study:
    arms = {fade: guided(_B_LINE, fade=fade) for fade in ("steps", "linear", "cosine", "agreement")}
    usual = Guidance().interval
    arms |= {f"steps, {n} × as long": guided(_B_LINE, interval=n * usual) for n in (8, 64)}
    question = "Should guidance fade by the clock, in which shape and how slowly, or by agreement?"
    return _against_unguided("fade", question, _B_LINE, arms)


def _teachers() -> Study:
    arms = {
        "random": guided(_B_LINE, "random"),
        "playbook": guided(_B_LINE),
        "trained policy": guided(_B_LINE, TRAINED),
        "playbook, 25 % wrong": guided(_B_LINE, wrong=0.25),
        "playbook, 50 % wrong": guided(_B_LINE, wrong=0.5),
    }
    question = "How much does the quality of the teacher matter, and what does a bad one do?"
    return _against_unguided("teachers", question, _B_LINE, arms)


def _readers() -> Study:
    arms = {
        "random": guided(_B_LINE, "random"),
        "playbook": guided(_B_LINE),
        "passages": guided(_B_LINE, "passages"),
        "language model": guided(_B_LINE, "lm"),
        "encoder": guided(_B_LINE, "encoder"),
    }
    question = "Is a small model that reads the playbook's passages a good teacher?"
    return _against_unguided("readers", question, _B_LINE, arms)


def _imitation() -> Study:
    arms = {f"{n} passes": guided(_B_LINE, passes=n) for n in (4, 12, 30)}
    arms["30 passes, corrected"] = guided(_B_LINE, correction=True)
    arms["mask only, corrected"] = guided(_B_LINE, auxiliary=0, correction=True)
    question = (
        "How much should be learned from the teacher in the few rollouts that it guides, and does"
        " it help to correct for the mask?"
    )
    return _against_unguided("imitation", question, _B_LINE, arms)


def _sensitivity() -> Study:
    rate = BASE.ppo.learning_rate
    changes: dict[str, dict[str, Any]] = {
        "as everywhere": {},
        "learning rate ÷ 3": {"ppo": {"learning_rate": rate / 3}},
        "learning rate × 3": {"ppo": {"learning_rate": rate * 3}},
        "32 environments": {"ppo": {"num_envs": 32}},
        "hidden 256, 256": {"network": {"hidden": [256, 256]}},
        "hidden 32": {"network": {"hidden": [32]}},
    }
    return _both_ways(
        "sensitivity",
        "Do other settings of PPO change what guidance is good for?",
        {name: plan(_B_LINE, episodes=_SHORTER, **change) for name, change in changes.items()},
    )


def _transfer() -> Study:
    networks = ("generated-5", "official", "generated-20")
    base = plan(network={"kind": "hostwise"}, ppo={"num_envs": 32}, episodes=_SHORTER)
    return _both_ways(
        "transfer",
        "What is a host-wise network worth on another scenario than that of its training?",
        {name: plan(base, network={"scenario": name}, episodes=_SHORTER) for name in networks},
        scored_on=networks,
    )


def _speed() -> Study:
    lb = plan(network={"variant": Variant.LB}, red=(Red.B_LINE,))
    batches = {f"{n} environments": plan(lb, ppo={"num_envs": n}) for n in (32, 128)}
    return _both_ways(
        "speed",
        "How long does it take until B_line takes no more than 20 in 100 steps, under `lb`?",
        batches,
        level=-20.0,
    )


def _baseline() -> Study:
    return Study(
        "baseline",
        "How well does unguided PPO learn in small batches against each red agent?",
        {
            "B_line": plan(red=(Red.B_LINE,)),
            "Meander": plan(red=(Red.MEANDER,)),
            "mixture": _MIXED,
        },
    )


STUDIES: Final = {
    made.name: made
    for made in (
        _baseline(),
        _parts("guided-32", "against B_line in 32 steps, as in the paper", _B_LINE),
        _parts("guided-100", "against B_line and Meander in 100 steps", _MIXED),
        _decay(),
        _divergence(),
        _fade(),
        _imitation(),
        _teachers(),
        _readers(),
        _sensitivity(),
        _transfer(),
        _speed(),
    )
}


def study_named(name: str) -> Study:
    """A study.

    Raises:
        StudyError: there is none of that name.
    """
    if name not in STUDIES:
        raise StudyError(f"no study {name!r}: there are {', '.join(STUDIES)}")
    return STUDIES[name]
