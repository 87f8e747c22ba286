"""LlamaTeacher: a language model's own probabilities of the actions, from any GGUF file.

The model is asked a question and its answer is not generated but read: the probabilities of the
kinds of actions where its answer goes on, and, each likely kind given, those of the hosts. So the
joint distribution can say "isolate host 4 or patch host 2". How labels become tokens, and where
they end, is in :mod:`training.teacher.spelling`.

Of one state, llama.cpp evaluates what its prompt does not share with the last prompt, a tree of the
kinds and a tree of the likely kinds' hosts: three calls. The same file, library and sequence of
questions give the same bits; what was in the key-value cache before changes the last few of them.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from time import perf_counter
from typing import Final, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray

from training.errors import TeacherError
from training.provenance import sha256
from training.teacher.answer_cache import Disk
from training.teacher.chat import render
from training.teacher.llama_model import LlamaModel
from training.teacher.question import Choices, Question
from training.teacher.spelling import END, Answers, Label, Tokens, shared, spell
from training.teacher.teacher import StateText
from training.teacher.word_teacher import WordTeacher

_READING: Final = 1  # number of the way in which answers are read; a new one asks anew
_SPELLED: Final = 64  # sets of answers whose tokens are kept

_log = logging.getLogger(__name__)


class Spelled(NamedTuple):
    """A question as tokens."""

    tokens: Tokens  # up to where answers part
    answers: Answers

    @property
    def length(self) -> int:
        """Tokens that it takes with its longest answer."""
        return len(self.tokens) + self.answers.longest


class LlamaTeacher(WordTeacher[Spelled]):
    """A teacher that asks a language model.

    Attributes:
        read: states that the model itself was asked about.

    Args:
        path: of a GGUF file with a tokenizer; its chat template is used if it has one.
        ask: the question about a state, with so many of its lines shortened; nothing but the
            state's lines and actions may change it.
        threads: of llama.cpp; on busy cores, one is fastest.
        context: tokens; if left out, as many as the model was trained for, but at most 4096.
        least: probability of a kind below which its hosts are not asked for, and share it evenly.
        remembered: states whose answers are kept in memory.
        disk: file that keeps the answers of this model and of others, for later runs.

    Raises:
        TeacherError: the file cannot be used, or there is no llama.cpp.
    """

    def __init__(
        self,
        path: Path,
        ask: Callable[[StateText, int], Question],
        *,
        threads: int = 1,
        context: int | None = None,
        least: float = 1e-3,
        remembered: int = 10_000,
        disk: Path | None = None,
    ) -> None:
        super().__init__(path, ask, remembered)
        self._least = least
        self._answers = lru_cache(_SPELLED)(self._spell)
        self.read = 0
        self._model = LlamaModel(path, threads=threads, context=context)
        self._disk = None if disk is None else Disk(disk)
        # Of a large file this takes seconds, and is of no use without the disk.
        self._identity = "" if disk is None else f"{_READING} {least} {sha256(path)}"

    def distribution(self, states: Sequence[StateText]) -> torch.Tensor:
        """``(n, actions)`` float32, rows sum to 1.

        Args:
            states: at least one; all with as many actions.

        Raises:
            TeacherError: a question does not fit the model's context or vocabulary.
        """
        began, read = perf_counter(), self.read
        rows = super().distribution(states)
        if self.read > read:
            _log.debug(
                "asked about %d states, read %d in %.3f s; %.1f%% of all came from memory",
                *(len(rows), self.read - read, perf_counter() - began, 100 * self.hit_rate),
            )
        return rows

    @property
    def parameters(self) -> int:
        """Weights of the model."""
        return self._model.parameters

    def forget(self) -> None:
        """Keep nothing of what was asked and answered, but on disk."""
        super().forget()
        self._model.forget()

    def close(self) -> None:
        """Free the model; the teacher cannot be asked any more."""
        _log.info(
            "%s: asked about %d states, %.1f%% answered from memory; read %d",
            *(self._path, self._latest.asked, 100 * self.hit_rate, self.read),
        )
        self._model.close()
        if self._disk:
            self._disk.close()

    def __enter__(self) -> Self:
        """Use it in a ``with`` statement, which closes it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    @property
    def _context(self) -> int:
        if self._model.closed:
            raise TeacherError(f"{self._path}: was closed; open it again")
        return self._model.context

    def _spelled(self, question: Question) -> tuple[Spelled, int]:
        spelled = self._prompt(question)
        return spelled, spelled.length

    def _answer(self, question: Question, spelled: Spelled) -> NDArray[np.float32]:
        """The answer from disk, or else read, and then on disk."""
        if self._disk is None:
            return self._read(question, spelled)
        words = json.dumps(asdict(question)).encode()
        key = hashlib.sha256(self._identity.encode() + words).digest()
        row = self._disk.get(key)
        if row is None:
            row = self._read(question, spelled)
            self._disk.put(key, row)
        return row

    def _read(self, question: Question, prompt: Spelled) -> NDArray[np.float32]:
        """The model's own answer ``(actions,)``."""
        answers = prompt.answers
        self._model.prefill(prompt.tokens)
        kinds = _normalised(self._score(answers.kinds))
        likely = [
            kind
            for kind, hosts in enumerate(answers.hosts)
            if len(hosts) > 1 and kinds[kind] >= self._least
        ]
        scores = iter(self._score([label for kind in likely for label in answers.hosts[kind]]))
        row = np.zeros(sum(map(len, question.choices.numbers)))
        for kind, numbers in enumerate(question.choices.numbers):
            hosts = (
                _normalised(np.array([next(scores) for _ in numbers]))
                if kind in likely
                else 1 / len(numbers)
            )
            row[list(numbers)] = kinds[kind] * hosts
        self.read += 1
        return (row / row.sum()).astype(np.float32)

    def _score(self, labels: Sequence[Label]) -> NDArray[np.float64]:
        """Log-probabilities ``(labels,)`` after the prompt."""
        scores = iter(self._model.score([path for label in labels for path in label]))
        return np.array([np.logaddexp.reduce([next(scores) for _ in label]) for label in labels])

    def _prompt(self, question: Question) -> Spelled:
        """Tokens up to where answers part, and how each goes on."""
        model, choices = self._model, question.choices
        text = render(question, model.template, model.bos, model.eos)
        if model.begins:
            text = text.removeprefix(model.bos)  # some templates write it, too
        # What follows the user's words is the same for all states, and so are the answers after it.
        user = question.user.strip()
        stem = (text.rpartition(user)[2] if user else text) + question.reply
        answers = self._answers(stem, choices)
        tokens = model.tokenize(text + question.reply + _first(choices))
        cut = len(answers.first) - len(answers.lead)
        if shared(tokens[::-1], answers.first[::-1]) < cut:
            # Here the stem is not cut into tokens as it is alone: spell all that comes before, too.
            answers = self._answers(text + question.reply, choices)
            cut = len(answers.first) - len(answers.lead)
        return Spelled(model.begins + tokens[: len(tokens) - cut], answers)

    def _spell(self, stem: str, choices: Choices) -> Answers:
        """The answers after a stem, once it is sure that the vocabulary can express them."""
        model = self._model
        for kind, hosts in zip(choices.kinds, choices.hosts, strict=True):
            for label in [f"{kind} {host}" for host in hosts] or [kind]:
                if not model.text(model.tokenize(label + END)).endswith(label + END):
                    raise TeacherError(
                        f"{self._path}: its vocabulary cannot express {label!r}; take a model "
                        "with byte tokens, or other labels"
                    )
        return spell(stem, choices, model.tokenize)


def _first(choices: Choices) -> str:
    """The first action's label and end."""
    return " ".join((choices.kinds[0], *choices.hosts[0][:1])) + END


def _normalised(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities from log-probabilities of what alone is possible."""
    return np.exp(scores - np.logaddexp.reduce(scores))
