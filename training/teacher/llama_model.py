"""A GGUF file in llama.cpp: tokens in, log-probabilities of ways to go on out.

All of it is the library's low-level interface, because its convenient one evaluates a token at a
time and keeps one sequence. Here the prompt stays in the key-value cache, with what the next one
has in common with it, and all ways to go on are evaluated together, as a tree.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from training.errors import TeacherError
from training.teacher.llama_library import library, said
from training.teacher.spelling import Tokens, branches, shared, tree

_MAGIC: Final = b"GGUF"
_CONTEXT: Final = 4096  # tokens, where the model was trained for as many and nothing else is said
_BRANCHES: Final = 63  # sequences beside the prompt; llama.cpp takes 256 in all
_NODES: Final = 512  # tokens of a tree, and of a part of a prompt, that are evaluated together
_BYTES: Final = 256
_FLOAT32: Final = 0  # ggml's number of the type


class LlamaModel:
    """A model that is loaded.

    Attributes:
        context: tokens that a prompt and an answer may have together.
        template: the file's chat template, if it has one.
        bos: text of the token that begins every text; empty if there is none.
        eos: text of the one that ends a text; empty if there is none.

    Args:
        path: of the GGUF file.
        threads: for evaluation; on busy cores, one is fastest.
        context: tokens; if left out, as many as the model was trained for, but at most 4096.

    Raises:
        TeacherError: the file cannot be used, or not with this context; or no llama.cpp is here.
    """

    def __init__(self, path: Path, *, threads: int = 1, context: int | None = None) -> None:
        _check_file(path)
        if threads < 1:
            raise TeacherError(f"{threads} threads cannot evaluate a model: take 1 or more")
        self._path, self._lib = path, library()
        self._past: list[int] = []  # tokens of the prompt in the key-value cache
        self._model = self._load()
        self._context: Any = None
        try:
            self._vocab = self._lib.llama_model_get_vocab(self._model)
            trained = self._check_kind()
            self.context = min(trained, _CONTEXT) if context is None else context
            if not 0 < self.context <= trained:
                raise TeacherError(
                    f"{path}: a context of {self.context} tokens was asked for, but the model was "
                    f"trained for {trained}: ask for at most that"
                )
            self._open(threads)
        except TeacherError:
            self.close()
            raise
        template = self._lib.llama_model_chat_template(self._model, None)
        self.template = template.decode() if template else None
        self.bos = self._special(self._lib.llama_vocab_bos(self._vocab))
        self.eos = self._special(self._lib.llama_vocab_eos(self._vocab))

    @property
    def closed(self) -> bool:
        """Whether the model was freed."""
        return self._context is None

    @property
    def parameters(self) -> int:
        """Weights."""
        return int(self._lib.llama_model_n_params(self._model))

    @property
    def begins(self) -> Tokens:
        """The token that the file wants before every text, if it wants one."""
        add = self._lib.llama_vocab_get_add_bos(self._vocab)
        return (self._lib.llama_vocab_bos(self._vocab),) if add else ()

    def tokenize(self, text: str) -> Tokens:
        """A text's tokens, without one that begins it; special tokens in it count as such."""
        data = text.encode()
        room = len(data) + 2  # no token is shorter than a byte, and a space may come before
        tokens = (ctypes.c_int32 * room)()
        count = self._lib.llama_tokenize(self._vocab, data, len(data), tokens, room, False, True)
        if count < 0:
            raise TeacherError(f"{self._path}: the vocabulary cannot cut a text into tokens")
        return tuple(tokens[:count])

    def text(self, tokens: Tokens) -> str:
        """The text that tokens stand for."""
        ids = (ctypes.c_int32 * len(tokens))(*tokens)
        size = 16
        while True:
            data = ctypes.create_string_buffer(size)
            count = self._lib.llama_detokenize(self._vocab, ids, len(ids), data, size, False, True)
            if count >= 0:
                return data.raw[:count].decode(errors="replace")
            size = -count

    def prefill(self, prompt: Sequence[int]) -> None:
        """Evaluate a prompt, but for what it begins with in common with the last one.

        Args:
            prompt: at least one token.

        Raises:
            TeacherError: the model or the library is damaged.
        """
        memory = self._lib.llama_get_memory(self._context)
        kept = shared(self._past, prompt[:-1])  # the last one is evaluated for its logits
        if kept < len(self._past) and not self._lib.llama_memory_seq_rm(memory, 0, kept, -1):
            kept = 0
            self.forget()
        self._past = list(prompt[:kept])
        for start in range(kept, len(prompt), _NODES):
            part = prompt[start : start + _NODES]
            last = start + len(part) == len(prompt)
            marks = [False] * (len(part) - 1) + [last]
            self._decode(part, range(start, start + len(part)), [(0,)] * len(part), marks)
            self._past += part
        self._root = self._logits(1)[0]
        if np.isnan(self._root).any():
            raise TeacherError(
                f"{self._path}: its probabilities are not numbers, so the weights are damaged; "
                "copy or make the file again"
            )

    def score(self, paths: Sequence[Tokens]) -> NDArray[np.float64]:
        """Log-probabilities ``(n,)``, over the whole vocabulary, of ways to go on from the prompt.

        Args:
            paths: tokens that may follow.
        """
        rows: dict[Tokens, NDArray[np.float32]] = {(): self._root}
        for ends in _together(branches(paths)):
            nodes = tree(ends)
            rows.update(zip(nodes, self._evaluate(nodes, len(ends)), strict=True))
        return np.array(
            [
                sum(float(rows[path[:depth]][token]) for depth, token in enumerate(path))
                for path in paths
            ]
        )

    def forget(self) -> None:
        """Keep nothing of the last prompt."""
        self._lib.llama_memory_clear(self._lib.llama_get_memory(self._context), False)
        self._past = []

    def close(self) -> None:
        """Free the model; it cannot be used any more."""
        if self._context:
            self._lib.llama_free(self._context)
        if self._model:
            self._lib.llama_model_free(self._model)
        self._context = self._model = None

    def _load(self) -> Any:
        said()  # of another file
        model = self._lib.llama_model_load_from_file(
            os.fsencode(self._path), self._lib.llama_model_default_params()
        )
        if not model:
            raise TeacherError(
                f"{self._path}: llama.cpp cannot load it ({said()}); "
                "if it is truncated, copy or make it again"
            )
        return model

    def _check_kind(self) -> int:
        """The number of tokens that the model was trained for, if it is of a kind that we read."""
        lib, model = self._lib, self._model
        if lib.llama_vocab_type(self._vocab) == lib.LLAMA_VOCAB_TYPE_NONE:
            raise TeacherError(f"{self._path}: holds no tokenizer; take a file that does")
        self._check_bytes()
        # Their states cannot be cut back to a common beginning, nor branch.
        if lib.llama_model_is_recurrent(model) or lib.llama_model_is_hybrid(model):
            raise TeacherError(f"{self._path}: a recurrent model; take a transformer")
        if lib.llama_model_has_encoder(model) or not lib.llama_model_has_decoder(model):
            raise TeacherError(f"{self._path}: has an encoder; take a decoder-only model")
        return int(lib.llama_model_n_ctx_train(model))

    def _check_bytes(self) -> None:
        """Make sure that pieces can fall back on bytes; llama.cpp ends the process otherwise."""
        lib = self._lib
        if lib.llama_vocab_type(self._vocab) != lib.LLAMA_VOCAB_TYPE_SPM:
            return
        tokens = range(lib.llama_vocab_n_tokens(self._vocab))
        marks = (lib.llama_vocab_get_attr(self._vocab, token) for token in tokens)
        if sum(bool(mark & lib.LLAMA_TOKEN_ATTR_BYTE) for mark in marks) < _BYTES:
            raise TeacherError(
                f"{self._path}: its vocabulary has no byte tokens, so it cannot express every "
                "label; take a file that has them"
            )

    def _open(self, threads: int) -> None:
        settings = self._lib.llama_context_default_params()
        settings.n_ctx = self.context + _NODES
        settings.n_batch = settings.n_ubatch = _NODES
        settings.n_seq_max = _BRANCHES + 1
        settings.kv_unified = True  # so that branches share the prompt's cells
        # Half precision and blocked attention would make a result depend on what was cached: by up
        # to 1e-3 of probability in models of random weights, instead of 1e-7.
        settings.type_k = settings.type_v = _FLOAT32
        settings.flash_attn_type = self._lib.LLAMA_FLASH_ATTN_TYPE_DISABLED
        settings.n_threads = settings.n_threads_batch = threads
        self._context = self._lib.llama_init_from_model(self._model, settings)
        if not self._context:
            raise TeacherError(
                f"{self._path}: no memory for a context of {self.context} tokens ({said()}); "
                "ask for a smaller one"
            )

    def _evaluate(self, nodes: dict[Tokens, list[int]], ends: int) -> NDArray[np.float32]:
        """Log-probabilities ``(nodes, V)`` after each node of a tree that grows from the prompt."""
        memory = self._lib.llama_get_memory(self._context)
        for branch in range(1, ends + 1):
            self._lib.llama_memory_seq_cp(memory, 0, branch, -1, -1)
        start = len(self._past) - 1
        self._decode(
            [path[-1] for path in nodes],
            [start + len(path) for path in nodes],
            [[branch + 1 for branch in beyond] for beyond in nodes.values()],
            [True] * len(nodes),
        )
        self._lib.llama_memory_seq_keep(memory, 0)
        return self._logits(len(nodes))

    def _decode(
        self,
        tokens: Sequence[int],
        positions: Sequence[int],
        sequences: Sequence[Sequence[int]],
        marks: Sequence[bool],
    ) -> None:
        """Evaluate tokens, each in its sequences; the logits after those marked are kept."""
        batch = self._lib.llama_batch_init(len(tokens), 0, _BRANCHES + 1)
        batch.n_tokens = len(tokens)
        for i, mine in enumerate(sequences):
            batch.token[i], batch.pos[i], batch.logits[i] = tokens[i], positions[i], marks[i]
            batch.n_seq_id[i] = len(mine)
            for j, sequence in enumerate(mine):
                batch.seq_id[i][j] = sequence
        failed = self._lib.llama_decode(self._context, batch)
        self._lib.llama_batch_free(batch)
        if failed:
            self.forget()
            raise TeacherError(
                f"{self._path}: llama.cpp could not evaluate {len(tokens)} tokens ({said()}); "
                "the file or the library is damaged: get both again"
            )

    def _logits(self, count: int) -> NDArray[np.float32]:
        """Log-probabilities ``(count, V)`` after the marked tokens of what was evaluated last."""
        size = self._lib.llama_vocab_n_tokens(self._vocab)
        raw = self._lib.llama_get_logits(self._context)
        logits: NDArray[np.float32] = np.ctypeslib.as_array(raw, (count, size)).copy()
        logits -= logits.max(1, keepdims=True)
        logits -= np.log(np.exp(logits).sum(1, keepdims=True, dtype=np.float64)).astype(np.float32)
        return logits

    def _special(self, token: int) -> str:
        if token < 0:
            return ""
        return str(self._lib.llama_vocab_get_text(self._vocab, token).decode(errors="replace"))


def _together(ends: list[Tokens]) -> Iterator[list[Tokens]]:
    """Branches of a tree in groups that can be evaluated together."""
    group: list[Tokens] = []
    for end in ends:
        if len(group) == _BRANCHES or sum(map(len, group)) + len(end) > _NODES:
            yield group
            group = []
        group.append(end)
    if group:
        yield group


def _check_file(path: Path) -> None:
    try:
        with path.open("rb") as file:
            magic = file.read(len(_MAGIC))
    except OSError as error:
        raise TeacherError(
            f"{path}: cannot be read ({error.strerror}); name a GGUF file"
        ) from error
    if magic != _MAGIC:
        raise TeacherError(f"{path}: is not a GGUF file; convert the model to one, or name another")
