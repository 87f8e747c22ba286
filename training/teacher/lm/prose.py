"""What the language model is pre-trained on: security prose of ours, and incidents in words."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from training.cage2.playbook import PLAYBOOK as CAGE2_RULES
from training.gateway.playbook import PLAYBOOK as GATEWAY_RULES
from training.teacher.chat import render
from training.teacher.lm.exercises import MOST, Exercise, draw
from training.teacher.lm.gguf_file import CHAT_TEMPLATE
from training.teacher.playgrounds import BRIEFS, passages_of

HANDBOOK: Final = Path(__file__).parent.parent / "data" / "handbook.md"
_QUIET: Final = "quiet"


def prose() -> list[str]:
    """Documents: the handbook's sections, and what both playbooks say and why.

    Raises:
        TeacherError: a passage is none.
    """
    sections = HANDBOOK.read_text(encoding="utf-8").split("\n## ")
    reasons = [f"{rule.name}: {rule.reason}" for rule in CAGE2_RULES]
    reasons += [f"{rule.name}: {rule.reason}" for rule in GATEWAY_RULES]
    passages = [
        f"{passage.title}. {passage.reason}\n{passage}"
        for brief in BRIEFS.values()
        for passage in passages_of(brief)
    ]
    return [" ".join(section.split()) for section in sections] + reasons + passages


def incident(exercise: Exercise, chance: random.Random) -> str:
    """A state told as what happened: each subject, what the playbook says of it, what was done."""
    told = []
    for line, rules in zip(exercise.lines, exercise.told, strict=True):
        label, *words = line.split()
        said = "".join(f" The playbook says: {rule}." for rule in rules)
        told.append(f"{label} is {' and '.join(words) or _QUIET}.{said}")
    advice = exercise.advice
    (kind, host), _ = max(advice.items(), key=lambda pair: (pair[1], chance.random()))
    label = f"{kind} {host}" if f"{kind} {host}" in exercise.actions else kind
    return f"{' '.join(told)} Nothing is more urgent than this: {label}."


def documents(seed: int, count: int) -> Iterator[str]:
    """Prose and incidents, mixed; the same ones for the same seed.

    Args:
        seed: of the incidents and the order.
        count: of documents.
    """
    chance, known = random.Random(f"prose {seed}"), prose()
    for _ in range(count):
        if chance.random() < 0.25:
            yield chance.choice(known)
        else:
            yield incident(draw(chance), chance)


def vocabulary(seed: int) -> list[str]:
    """Texts that a tokeniser must know: prose, incidents, prompts with answers, hosts' numbers."""
    chance = random.Random(f"vocabulary {seed}")
    asked = []
    for exercise in (draw(chance) for _ in range(2000)):
        question = exercise.question
        answer = chance.choice(exercise.actions)
        asked.append(render(question, CHAT_TEMPLATE) + question.reply + answer + "\n")
    numbers = [f"host{n + 1} " for n in range(MOST)]
    return [*prose(), *documents(seed, 2000), *asked, *(numbers * len(asked[:20]))]
