"""An export of the journal: what a policy decided on a box, and what analysts said of it.

JSON Lines (https://jsonlines.org) in UTF-8. The first line says what follows, here broken for the
page::

    {"format": "sluice-journal", "version": 1, "schema_hash": "64a5b72bb01dc968",
     "policy": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}

Every other line is a decision point, in any order::

    {"time": 1700000000.25, "flow": "17", "observation": [0.0, 1.0, …], "logits": [2.1, …],
     "policy": "block", "applied": "block", "reason": "policy",
     "analyst": "legitimate", "family": null}

``schema_hash``
    `agent.observation.SCHEMA_HASH` of the agent that decided.
``policy``, in the first line
    SHA-256 of the bundle that decided, as `agent.bundle.Bundle.digest` has it.
``time``
    UNIX seconds.
``flow``
    A name that all points of one flow have and no other flow's; no address is needed.
``observation``, ``logits``
    What the policy saw, a number for each of `agent.observation.FEATURES`, and what it answered,
    one for each of `agent.decision.VERDICTS`.
``policy``, ``applied``
    The policy's verdict and the guard's, by name.
``reason``
    The guard's, for people.
``analyst``
    ``malicious`` or ``legitimate``, the same in all rows of a flow that have it: of an analyst who
    thought better of it, the last one. Null or absent where nobody looked.
``family``
    Of what is malicious, if it is known.

A decision is *confirmed* if the policy's verdict is allow and the flow legitimate, or anything else
and the flow malicious; *overruled* if not. Other fields are ignored, and so is an empty line.
"""

from __future__ import annotations

import hashlib
import reprlib
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, BinaryIO, Final, Literal, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.decision import VERDICTS, Verdict
from agent.observation import FEATURES, SCHEMA_HASH
from training.errors import JournalError

_LONGEST_LINE: Final = 1 << 20  # bytes; a row has about 2,000
_LARGEST: Final = float(np.finfo(np.float32).max)

_Single = Annotated[float, Field(ge=-_LARGEST, le=_LARGEST, allow_inf_nan=False)]
_VerdictName = Literal["allow", "throttle", "block", "isolate"]
L = TypeVar("L", bound=BaseModel)


class _Header(BaseModel):
    """The first line."""

    model_config = ConfigDict(strict=True)

    format: Literal["sluice-journal"]
    version: Literal[1]
    schema_hash: str
    policy: str = Field(pattern="^[0-9a-f]{64}$")


class _Row(BaseModel):
    """Any other line."""

    model_config = ConfigDict(strict=True)

    time: float = Field(allow_inf_nan=False)
    flow: str = Field(min_length=1)
    observation: list[_Single] = Field(min_length=len(FEATURES), max_length=len(FEATURES))
    logits: list[_Single] = Field(min_length=len(VERDICTS), max_length=len(VERDICTS))
    policy: _VerdictName
    applied: _VerdictName
    reason: str
    analyst: Literal["malicious", "legitimate"] | None = None
    family: str | None = None


@dataclass(frozen=True, slots=True)
class Journal:
    """N decision points that an analyst judged, of M flows.

    Attributes:
        path: of the export.
        sha256: of its bytes.
        policy: SHA-256 of the bundle that decided.
        rows: decision points in the export, those that nobody judged among them.
        observations: ``(N, F)`` float32.
        verdict: ``(N,)`` int8, the policy's.
        flow: ``(N,)`` int32, whose point it is, 0 to M - 1.
        malicious: ``(M,)`` bool, as the analyst says.
    """

    path: Path
    sha256: str
    policy: str
    rows: int
    observations: NDArray[np.float32]
    verdict: NDArray[np.int8]
    flow: NDArray[np.int32]
    malicious: NDArray[np.bool_]

    @property
    def confirmed(self) -> NDArray[np.bool_]:
        """``(N,)``: whether the analyst agrees with the policy; if not, it was overruled."""
        return (self.verdict != Verdict.ALLOW) == self.malicious[self.flow]

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read an export, line by line.

        Raises:
            JournalError: it cannot be read; a line, which it names, is not what the format says; it
                was made with other observations; or no row is judged.
        """
        columns, hasher = _Columns(), hashlib.sha256()
        try:
            with path.open("rb") as file:
                lines = _lines(path, file, hasher.update)
                header = _header(path, lines)
                for where, line in lines:
                    columns.add(where, _parsed(where, line, _Row))
        except OSError as error:
            raise JournalError(
                f"{path}: cannot be read ({error.strerror}); check the path"
            ) from error
        if not columns.malicious:
            raise JournalError(
                f"{path}: no analyst judged any of its {columns.rows} rows; nothing can be learned"
            )
        return cls(
            path=path,
            sha256=hasher.hexdigest(),
            policy=header.policy,
            rows=columns.rows,
            observations=np.frombuffer(columns.observations, np.float32).reshape(-1, len(FEATURES)),
            verdict=np.array(columns.verdict, np.int8),
            flow=np.array(columns.flow, np.int32),
            malicious=np.array(columns.malicious, np.bool_),
        )

    def held_out(self, share: float, seed: int) -> NDArray[np.bool_]:
        """Draw flows that are not to be learned from.

        Args:
            share: of the malicious flows, and of the legitimate ones.
            seed: of the draw.

        Returns:
            ``(N,)``, whether the point is one of such a flow.

        Raises:
            JournalError: there are too few flows for some to be held out and some to be left.
        """
        generator = np.random.default_rng(seed)
        chosen = np.zeros(len(self.malicious), np.bool_)
        for side in (False, True):
            flows = generator.permutation(np.flatnonzero(self.malicious == side))
            chosen[flows[: int(share * len(flows) + 0.5)]] = True
        if chosen.all() or not chosen.any():
            raise JournalError(
                f"{self.path}: {len(chosen)} judged flows are too few to hold out {share:.0%} of;"
                " judge more"
            )
        return chosen[self.flow]


@dataclass(slots=True)
class _Columns:
    """Judged rows as they are read, and how many rows there are in all."""

    rows: int = 0
    observations: array[float] = field(default_factory=lambda: array("f"))
    verdict: array[int] = field(default_factory=lambda: array("b"))
    flow: array[int] = field(default_factory=lambda: array("i"))
    numbers: dict[str, int] = field(default_factory=dict)  # of flows
    malicious: list[bool] = field(default_factory=list)  # by a flow's number

    def add(self, where: str, row: _Row) -> None:
        """Keep a row, if it is judged.

        Raises:
            JournalError: its flow was judged otherwise before.
        """
        self.rows += 1
        if row.analyst is None:
            return
        malicious = row.analyst == "malicious"
        number = self.numbers.setdefault(row.flow, len(self.numbers))
        if number == len(self.malicious):
            self.malicious.append(malicious)
        elif self.malicious[number] != malicious:
            raise JournalError(
                f"{where}: flow {reprlib.repr(row.flow)} is {row.analyst} here, but not in a row"
                " before; export the analyst's last judgement with all of its rows"
            )
        self.observations.extend(row.observation)
        self.verdict.append(Verdict[row.policy.upper()])
        self.flow.append(number)


def _lines(
    path: Path, file: BinaryIO, take: Callable[[bytes], object]
) -> Iterator[tuple[str, bytes]]:
    """Lines that are not empty, each with its file and number; all bytes are taken."""
    for number, line in enumerate(iter(lambda: file.readline(_LONGEST_LINE), b""), 1):
        take(line)
        where = f"{path}, line {number}"
        if len(line) == _LONGEST_LINE:
            raise JournalError(f"{where}: is longer than 1 MiB; this is no export of a journal")
        if line.strip():
            yield where, line


def _header(path: Path, lines: Iterator[tuple[str, bytes]]) -> _Header:
    first = next(lines, None)
    if first is None:
        raise JournalError(f"{path}: is empty; export the journal anew")
    where, line = first
    header = _parsed(where, line, _Header)
    if header.schema_hash != SCHEMA_HASH:
        raise JournalError(
            f"{where}: made with observations {header.schema_hash}, this version has {SCHEMA_HASH};"
            " fine-tune with the version that the journal comes from"
        )
    return header


def _parsed(where: str, line: bytes, kind: type[L]) -> L:
    try:
        return kind.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        if first["type"] == "json_invalid":
            raise JournalError(f"{where}: no JSON object; write one a line") from None
        name = ".".join(map(str, first["loc"]))
        raise JournalError(": ".join(filter(None, (where, name, first["msg"])))) from None
