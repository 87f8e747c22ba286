"""A teacher's certificate: what an examination found, kept beside its file.

A language model that was not examined, or failed, is refused as a guide: advice that nobody has
judged can cost more than no advice (docs/results.md, the study of teachers).
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from training.errors import TeacherError
from training.provenance import sha256
from training.teacher.qualify import Result

LEAST_TOP1: Final = 0.90
LEAST_TOP3: Final = 0.98
LEAST_FLIPS: Final = 0.90
MOST_PERMUTED: Final = 0.02
LEAST_FROM_PASSAGES: Final = 0.10
"""Of ``top1``, that must go when the passages go: else it recites and does not read."""


class Certificate(BaseModel):
    """What was found of a file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str
    parameters: int
    bytes: int
    commit: str
    machine: str
    result: Result

    @property
    def failed(self) -> list[str]:
        """Which requirements are not met, in words; none if the teacher may guide."""
        found = self.result
        lost = found.top1 - found.without_passages_top1
        requirements = {
            f"top1 {found.top1:.1%}, below {LEAST_TOP1:.0%}": found.top1 >= LEAST_TOP1,
            f"top3 {found.top3:.1%}, below {LEAST_TOP3:.0%}": found.top3 >= LEAST_TOP3,
            f"follows {found.flip_rate:.1%} of changed passages, below {LEAST_FLIPS:.0%}": (
                found.flip_rate >= LEAST_FLIPS
            ),
            f"moving hosts changes its advice by {found.permutation_tv:.3f},"
            f" above {MOST_PERMUTED}": found.permutation_tv <= MOST_PERMUTED,
            f"loses only {lost:.1%} of top1 without passages, below {LEAST_FROM_PASSAGES:.0%}": (
                round(lost, 6) >= LEAST_FROM_PASSAGES
            ),
        }
        return [what for what, met in requirements.items() if not met]

    def as_json(self) -> str:
        """What was found, on one level, and whether the teacher may guide."""
        return json.dumps(
            {
                **asdict(self.result),
                **self.model_dump(exclude={"result"}),
                "failed": self.failed,
            }
        )


def place_of(model: Path) -> Path:
    """Where the certificate of a file is kept."""
    return model.with_name(f"{model.name}.qualification.json")


def keep(model: Path, certificate: Certificate) -> None:
    """Put a certificate beside its file.

    Raises:
        TeacherError: it cannot be written there.
    """
    try:
        place_of(model).write_text(certificate.model_dump_json(indent=1) + "\n")
    except OSError as error:
        raise TeacherError(f"{place_of(model)}: cannot be written ({error.strerror})") from error


def require(model: Path) -> None:
    """Make sure that a file passed its examination.

    Raises:
        TeacherError: it did not, or was changed since; the message says how to examine it.
    """
    examine = f"`sluice-train teacher qualify {model}`"
    if not model.is_file():
        raise TeacherError(f"{model}: no such file; name a GGUF or an ONNX file")
    try:
        certificate = Certificate.model_validate_json(place_of(model).read_text())
    except FileNotFoundError:
        raise TeacherError(f"{model}: was never examined as a teacher; run {examine}") from None
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise TeacherError(
            f"{place_of(model)}: cannot be read ({' '.join(str(error).split())}); run {examine}"
        ) from error
    if certificate.sha256 != sha256(model):
        raise TeacherError(f"{model}: was changed since its examination; run {examine}")
    if certificate.failed:
        raise TeacherError(
            f"{model}: failed its examination as a teacher ({'; '.join(certificate.failed)});"
            " --unqualified takes it all the same"
        )
