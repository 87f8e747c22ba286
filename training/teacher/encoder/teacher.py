"""EncoderTeacher: the distribution that an encoder gives in one pass, by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnxruntime as ort
import torch
from numpy.typing import NDArray

from agent.session import session_options
from training.errors import TeacherError
from training.teacher.answer_cache import Latest
from training.teacher.encoder.about import KEY, About
from training.teacher.encoder.spelling import Spelled, spell
from training.teacher.fitting import fitting
from training.teacher.lm.tokenizer import Tokenizer
from training.teacher.question import Question
from training.teacher.teacher import StateText


class EncoderTeacher:
    """A teacher that asks an encoder, on one thread.

    Attributes:
        parameters: weights of the encoder.

    Args:
        path: of an ONNX file that :mod:`training.teacher.encoder.export` wrote.
        ask: the question about a state, with so many of its lines shortened; nothing but the
            state's lines and actions may change it.
        remembered: states whose answers are kept in memory.

    Raises:
        TeacherError: the file cannot be used.
    """

    def __init__(
        self, path: Path, ask: Callable[[StateText, int], Question], *, remembered: int = 10_000
    ) -> None:
        self._path, self._ask = path, ask
        self._latest: Latest[torch.Tensor] = Latest(remembered)
        opened, about, self._tokenizer = _open(path)
        self._session: ort.InferenceSession | None = opened
        self._about, self.parameters = about, about.parameters

    def distribution(self, states: Sequence[StateText]) -> torch.Tensor:
        """``(n, actions)`` float32, rows sum to 1.

        Args:
            states: at least one; all with as many actions.

        Raises:
            TeacherError: a question does not fit, or has a kind of action that it was not trained
                on.
        """
        return torch.stack([self._row(state) for state in states])

    def forget(self) -> None:
        """Keep nothing of what was asked and answered."""
        self._latest.clear()

    def close(self) -> None:
        """Free the network; the teacher cannot be asked any more."""
        self._session = None

    def _row(self, state: StateText) -> torch.Tensor:
        key = state.lines, state.actions
        row = self._latest.get(key)
        if row is None:
            row = torch.from_numpy(self._read(self._fitting(state)))
            self._latest.put(key, row)
        return row

    def _fitting(self, state: StateText) -> Spelled:
        def asked(shortened: int) -> tuple[Spelled, int]:
            spelled = spell(self._ask(state, shortened), self._tokenizer, self._about.kinds)
            return spelled, len(spelled.tokens)

        return fitting(asked, len(state.lines), self._about.context, str(self._path))

    def _read(self, spelled: Spelled) -> NDArray[np.float32]:
        """The encoder's own answer ``(actions,)``."""
        if self._session is None:
            raise TeacherError(f"{self._path}: was closed; open it again")
        tokens = np.array([spelled.tokens], np.int64)
        scores = self._session.run(
            None, {"input_ids": tokens, "attention_mask": np.ones_like(tokens)}
        )[0][0]
        asked = scores[spelled.places, spelled.labels].astype(np.float64)
        share = np.exp(asked - asked.max())
        return (share / share.sum()).astype(np.float32)


def _open(path: Path) -> tuple[ort.InferenceSession, About, Tokenizer]:
    """The network, what its file says of it, and its tokeniser."""
    try:
        session = ort.InferenceSession(str(path), session_options(), ["CPUExecutionProvider"])
        about = About.model_validate_json(session.get_modelmeta().custom_metadata_map[KEY])
        tokenizer = Tokenizer.from_json(about.tokenizer)
    except Exception as error:  # the library raises many kinds
        reason = " ".join(str(error).split())[:200]
        raise TeacherError(
            f"{path}: not an encoder that can teach ({reason}); make one by"
            " `sluice-train teacher train-encoder`"
        ) from error
    return session, about, tokenizer
