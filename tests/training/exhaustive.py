"""A teacher's distribution, computed the long way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from training.teacher.question import Question, choices
from training.teacher.teacher import StateText

llama_cpp = pytest.importorskip(
    "llama_cpp", reason="needs llama.cpp: pip install 'sluicegate[teacher]'"
)

HOSTS = ("host1", "host2", "host10", "host12")
KINDS = ("analyse", "restore", "decoy smss", "decoy sshd", "decoy")
ACTIONS = ("sleep", "monitor", *(f"{kind} {host}" for kind in KINDS for host in HOSTS))
ROLES = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def state(step: int, actions: tuple[str, ...] = ACTIONS) -> StateText:
    lines = (f"step {step} of 30", f"host{step % 3 + 1} (2 hops away): scanned; believed clean")
    return StateText({"step": float(step)}, lines, actions)


def ask(it: StateText, shortened: int = 0) -> Question:
    system = "You defend a network. Answer with one action."
    return Question(system, "\n".join(it.lines), "Best action: ", choices(it.actions))


class Exhaustive:
    """Every label by an evaluation of its own, of the whole text, with nothing kept."""

    def __init__(self, path: Path, template: str | None) -> None:
        self.llama = llama_cpp.Llama(
            str(path),
            n_ctx=512,
            logits_all=True,
            n_threads=1,
            n_threads_batch=1,
            verbose=False,
            type_k=0,
            type_v=0,
        )
        self.template = template

    def tokens(self, text: str) -> list[int]:
        adds = llama_cpp.llama_vocab_get_add_bos(self.llama._model.vocab)
        return list(self.llama.tokenize(text.encode(), add_bos=adds, special=True))

    def before(self, it: StateText) -> str:
        asked = ask(it)
        if self.template:
            head = f"<|system|>{asked.system}<|end|>\n<|user|>{asked.user}<|end|>\n<|assistant|>"
        else:
            head = f"{asked.system}\n\n{asked.user}\n\n"
        return head + asked.reply

    def log_probability(self, tokens: list[int], begin: int) -> float:
        self.llama.reset()
        self.llama.eval(tokens)
        rows = torch.from_numpy(self.llama.scores[: len(tokens)].astype(np.float64))
        logs = rows.log_softmax(1)
        return float(sum(logs[i - 1, tokens[i]] for i in range(begin, len(tokens))))

    def labels(self, before: str, labels: list[str], ends: list[list[str]]) -> torch.Tensor:
        """Probabilities of labels, each ended where another goes on from it."""
        both = list(zip(labels, ends, strict=True))
        own = [self.tokens(before + label) for label in labels]
        begin = min(i for i, column in enumerate(zip(*own, strict=False)) if len(set(column)) > 1)
        whole = [[tuple(self.tokens(before + label + end)) for end in its] for label, its in both]
        scores = []
        for tokens, mine in zip(own, whole, strict=True):
            rest = [one for its in whole if its is not mine for one in its]
            spelled = {self.apart(one, rest, len(tokens)) for one in mine}
            found = [self.log_probability(list(one), begin) for one in spelled]
            scores.append(np.logaddexp.reduce(found))
        return torch.tensor(np.array(scores)).softmax(0)

    def apart(self, tokens: tuple[int, ...], others: list[Any], own: int) -> tuple[int, ...]:
        while any(other[:own] == tokens[:own] for other in others):
            own += 1
        return tokens[:own]

    def distribution(self, it: StateText) -> torch.Tensor:
        asked, before = ask(it), self.before(it)
        found = asked.choices
        ends = [[f" {host}\n" for host in hosts] or ["\n"] for hosts in found.hosts]
        kinds = self.labels(before, list(found.kinds), ends)
        row = torch.zeros(len(it.actions), dtype=torch.float64)
        for kind, hosts, numbers, share in zip(
            found.kinds, found.hosts, found.numbers, kinds, strict=True
        ):
            ends = [["\n"]] * len(hosts)
            inner = self.labels(f"{before}{kind} ", list(hosts), ends) if hosts else 1
            row[list(numbers)] = share * inner
        return row
