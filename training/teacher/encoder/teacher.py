"""EncoderTeacher: the distribution that an encoder gives in one pass, by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from agent.session import open_session
from training.errors import TeacherError
from training.teacher.encoder.about import KEY, About
from training.teacher.encoder.spelling import Spelled, spell
from training.teacher.lm.tokenizer import Tokenizer
from training.teacher.question import Question
from training.teacher.teacher import StateText
from training.teacher.word_teacher import WordTeacher


class EncoderTeacher(WordTeacher[Spelled]):
    """A teacher that asks an encoder, on one thread.

    Args:
        path: of an ONNX file that :mod:`training.teacher.encoder.export` wrote.
        ask: the question about a state, with so many of its lines shortened; nothing but the
            state's lines and actions may change it.
        remembered: states whose answers are kept in memory.

    Raises:
        TeacherError: the file cannot be used. When it is asked: a question does not fit, or has a
            kind of action that it was not trained on.
    """

    def __init__(
        self, path: Path, ask: Callable[[StateText, int], Question], *, remembered: int = 10_000
    ) -> None:
        super().__init__(path, ask, remembered)
        opened, self._about, self._tokenizer = _open(path)
        self._session: ort.InferenceSession | None = opened

    @property
    def parameters(self) -> int:
        """Weights of the encoder, before quantisation."""
        return self._about.parameters

    def close(self) -> None:
        """Free the network; the teacher cannot be asked any more."""
        self._session = None

    @property
    def _context(self) -> int:
        return self._about.context

    def _spelled(self, question: Question) -> tuple[Spelled, int]:
        spelled = spell(question, self._tokenizer, self._about.kinds)
        return spelled, len(spelled.tokens)

    def _answer(self, question: Question, spelled: Spelled) -> NDArray[np.float32]:
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
        session = open_session(str(path))
        about = About.model_validate_json(session.get_modelmeta().custom_metadata_map[KEY])
        tokenizer = Tokenizer.from_json(about.tokenizer)
    except Exception as error:  # the library raises many kinds
        reason = " ".join(str(error).split())[:200]
        raise TeacherError(
            f"{path}: not an encoder that can teach ({reason}); make one by"
            " `sluice-train teacher train-encoder`"
        ) from error
    return session, about, tokenizer
