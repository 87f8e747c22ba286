"""A byte-level BPE tokeniser that llama.cpp reproduces token for token.

It splits text as GPT-2 does before merging bytes (Radford et al. 2019), which llama.cpp calls
"gpt-2": a word with the space before it, a whole number, a run of signs. So the number of a host
can be a single token. Any text can be encoded, whatever it was trained on.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from tokenizers import Tokenizer as Bpe  # type: ignore[import-untyped]
from tokenizers import decoders, models, pre_tokenizers, trainers

from training.errors import TeacherError

END_OF_TEXT: Final = "<|endoftext|>"
TURN: Final = "<|im_start|>"
END_OF_TURN: Final = "<|im_end|>"
SPECIAL: Final = (END_OF_TEXT, TURN, END_OF_TURN)
"""What ends a document and fills up batches; what begins and what ends a chat's turn."""

_BYTES: Final = 256


class Tokenizer:
    """Text to numbers and back.

    Args:
        bpe: as :meth:`train` or :meth:`load` makes it.
    """

    def __init__(self, bpe: Bpe) -> None:
        self._bpe = bpe
        self._bpe.encode_special_tokens = True

    @classmethod
    def train(cls, texts: Iterable[str], size: int, special: Sequence[str] = SPECIAL) -> Tokenizer:
        """Learn which bytes to merge; the same texts give the same tokeniser.

        Args:
            texts: what it will have to encode, or the like of it.
            size: tokens in all; fewer if the texts do not have so many pairs.
            special: tokens that stand for no text; they get the first numbers.

        Raises:
            TeacherError: the size leaves no room for single bytes.
        """
        if size < _BYTES + len(special):
            raise TeacherError(
                f"a vocabulary of {size} has no room for all bytes and special tokens;"
                f" say {_BYTES + len(special)} or more"
            )
        bpe = Bpe(models.BPE())
        bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        bpe.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=size,
            special_tokens=list(special),
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        )
        bpe.train_from_iterator(texts, trainer)
        return cls(bpe)

    @classmethod
    def load(cls, path: Path) -> Tokenizer:
        """What was saved there.

        Raises:
            TeacherError: it cannot be read.
        """
        try:
            return cls.from_json(path.read_text())
        except (OSError, UnicodeDecodeError) as error:
            raise TeacherError(f"{path}: not a tokeniser ({error}); train one anew") from error
        except TeacherError as error:
            raise TeacherError(f"{path}: {error}; train one anew") from error

    @classmethod
    def from_json(cls, text: str) -> Tokenizer:
        """What :meth:`as_json` gave.

        Raises:
            TeacherError: it is none.
        """
        try:
            return cls(Bpe.from_str(text))
        except Exception as error:  # the library raises nothing narrower
            raise TeacherError(f"not a tokeniser ({error})") from error

    def as_json(self) -> str:
        """All of it, in the library's own format."""
        text: str = self._bpe.to_str()
        return text

    def save(self, path: Path) -> None:
        """Write a tokenizer.json."""
        self._bpe.save(str(path))

    def __len__(self) -> int:
        """Tokens in all."""
        return self._bpe.get_vocab_size()

    def encode(self, text: str, special: bool = False) -> list[int]:
        """Numbers of the text's tokens.

        Args:
            text: anything.
            special: whether special tokens that are written out in it count as such. For text
                from outside they must not.
        """
        self._bpe.encode_special_tokens = not special
        return self._bpe.encode(text, add_special_tokens=False).ids

    def decode(self, tokens: Sequence[int]) -> str:
        """The text; bytes that are no UTF-8 become replacement characters."""
        return self._bpe.decode(tokens, skip_special_tokens=False)

    def number(self, token: str) -> int:
        """The number of a special token.

        Raises:
            TeacherError: it has none.
        """
        number = self._bpe.token_to_id(token)
        if number is None:
            raise TeacherError(f"the tokeniser has no token {token}; train one with it")
        return number

    @property
    def special(self) -> frozenset[int]:
        """Numbers of the special tokens."""
        return frozenset(self._bpe.get_added_tokens_decoder())

    @property
    def tokens(self) -> list[str]:
        """All tokens by number, in GPT-2's letters for bytes."""
        return [self._bpe.id_to_token(number) for number in range(len(self))]

    @property
    def merges(self) -> list[str]:
        """Pairs to merge, a space between the two, most urgent first."""
        model: dict[str, Any] = json.loads(self._bpe.to_str())["model"]
        return [" ".join(pair) for pair in model["merges"]]
