"""The teacher in a bundle: only one that passed its examination."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from agent.bundle import TEACHER_GGUF, TEACHER_REPORT
from export.teacher_gguf import teacher_files
from training.errors import TeacherError
from training.provenance import sha256
from training.teacher.models import SHIPPED
from training.teacher.qualification import Certificate, place_of


def test_the_shipped_teacher_goes_with_its_certificate() -> None:
    files = teacher_files()
    assert files.keys() == {TEACHER_GGUF, TEACHER_REPORT}
    assert files[TEACHER_GGUF].startswith(b"GGUF")
    certificate = Certificate.model_validate_json(files[TEACHER_REPORT])
    assert certificate.sha256 == sha256(SHIPPED["lm"])
    assert not certificate.failed


def test_what_was_changed_or_never_examined_stays_home(tmp_path: Path) -> None:
    model = tmp_path / "teacher.gguf"
    shutil.copy(SHIPPED["lm"], model)
    with pytest.raises(TeacherError, match="never examined"):
        teacher_files(model)
    shutil.copy(place_of(SHIPPED["lm"]), place_of(model))
    assert teacher_files(model) == teacher_files()
    with model.open("ab") as file:
        file.write(b"\0")
    with pytest.raises(TeacherError, match="changed since"):
        teacher_files(model)


def test_an_encoder_is_not_for_boxes() -> None:
    with pytest.raises(TeacherError, match="GGUF only"):
        teacher_files(SHIPPED["encoder"])
