"""Passages as files: well-formed ones, what is refused, and those that are shipped."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.decision import VERDICTS
from training.cage2.brief import BRIEF as CAGE2
from training.cage2.short_actions import KINDS
from training.errors import TeacherError
from training.gateway.state import BRIEF as GATEWAY
from training.teacher.playbook.passages import FOLDER, Passage, read, read_all
from training.teacher.playbook.rule import Rule
from training.teacher.prompt import Brief

FRONT = "---\ntitle: a scan\nreason: An attack: it follows --- soon.\n---\n"
SCAN = Rule(("scanned",), 2, ("decoy",))
PLAYGROUNDS = pytest.mark.parametrize(
    ("brief", "kinds"), [(CAGE2, KINDS), (GATEWAY, VERDICTS)], ids=["cage2", "gateway"]
)


def test_a_passage_by_hand(tmp_path: Path) -> None:
    file = tmp_path / "a.md"
    file.write_text(f"{FRONT}\nmust  decoy if scanned\n\nmay decoy or analyse if vital and bare\n")
    found = read(file)
    rules = (SCAN, Rule(("vital", "bare"), 0, ("decoy", "analyse")))
    assert found == Passage("a scan", "An attack: it follows --- soon.", rules)
    assert str(found) == "must decoy if scanned\nmay decoy or analyse if vital and bare"


def test_passages_come_in_the_order_of_their_files(tmp_path: Path) -> None:
    for name in ("b.md", "c.md", "a.md", "d.txt"):
        (tmp_path / name).write_text(FRONT.replace("a scan", name) + "must decoy if scanned")
    assert [passage.title for passage in read_all(tmp_path)] == ["a.md", "b.md", "c.md"]


def test_line_ends_of_windows_do_no_harm(tmp_path: Path) -> None:
    file = tmp_path / "a.md"
    file.write_bytes(f"{FRONT}must decoy if scanned\n".replace("\n", "\r\n").encode())
    assert read(file).rules == (SCAN,)


KEYS = "front matter is a line each of title and reason"
FENCE = "begin with front matter between two lines of ---"
RULE = b"must decoy if scanned\n"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", FENCE),
        (RULE, FENCE),
        (b"---\ntitle: a\nreason: b\n" + RULE, FENCE),
        (b"\n---\ntitle: a\nreason: b\n---\n" + RULE, FENCE),
        (b"---\n---\n" + RULE, KEYS),
        (b"---\ntitle: a\n---\n" + RULE, KEYS),
        (b"---\nreason: b\n---\n" + RULE, KEYS),
        (b"---\ntitle: a\nreason: b\nauthor: c\n---\n" + RULE, KEYS),
        (b"---\ntitle: a\ntitle: a\nreason: b\n---\n" + RULE, KEYS),
        (b"---\ntitle:\nreason: b\n---\n" + RULE, KEYS),
        (b"---\ntitle: a\nreason:  \n---\n" + RULE, KEYS),
        (FRONT.encode(), "says nothing after its front matter; write a rule a line"),
        (FRONT.encode() + b" \n\n", "says nothing after its front matter; write a rule a line"),
        (FRONT.encode() + RULE + b"Decoys help.\n", "'Decoys help.' is no rule; write 'must"),
        (FRONT.encode() + b"must decoy if \xff\n", "cannot be read"),
    ],
)
def test_what_is_no_passage_is_refused_by_name(tmp_path: Path, content: bytes, says: str) -> None:
    file = tmp_path / "broken.md"
    file.write_bytes(content)
    with pytest.raises(TeacherError) as told:
        read_all(tmp_path)
    assert str(told.value).startswith(f"{file}: {says}")


@pytest.mark.parametrize("name", ["missing.md", "folder.md"])
def test_what_is_no_file_is_refused_by_name(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.md").mkdir()
    with pytest.raises(TeacherError) as told:
        read(tmp_path / name)
    assert str(told.value).startswith(f"{tmp_path / name}: cannot be read")


@pytest.mark.parametrize("name", ["", "missing"])
def test_a_folder_without_passages_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "notes.txt").write_text(FRONT)
    with pytest.raises(TeacherError) as told:
        read_all(tmp_path / name)
    assert str(told.value) == f"{tmp_path / name}: no passages (*.md) there"


@PLAYGROUNDS
def test_shipped_passages_have_titles_and_reasons(brief: Brief, kinds: tuple[str, ...]) -> None:
    passages = read_all(FOLDER / brief.name)
    assert len({passage.title for passage in passages}) == len(passages)
    for passage in passages:
        assert len(passage.reason) > 30
        assert passage.reason[0].isupper()
        assert passage.reason.endswith(".")


@PLAYGROUNDS
def test_shipped_rules_can_hold_and_be_followed(brief: Brief, kinds: tuple[str, ...]) -> None:
    rules = [rule for passage in read_all(FOLDER / brief.name) for rule in passage.rules]
    for rule in rules:
        assert brief.words.issuperset(rule.words), rule
        assert set(kinds).issuperset(rule.kinds), rule
    assert len(set(rules)) == len(rules)
