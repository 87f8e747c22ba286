"""A language model's distribution, against probabilities known by hand or computed the long way."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from training.errors import TeacherError
from training.teacher.answer_cache import Latest
from training.teacher.llama import LlamaTeacher
from training.teacher.question import Question, choices
from training.teacher.teacher import StateText

pytest.importorskip("llama_cpp", reason="needs llama.cpp: pip install 'sluicegate[teacher]'")
from tests.training import tiny_gguf
from tests.training.exhaustive import HOSTS, KINDS, ROLES, Exhaustive, ask, state

EXACT = 1e-6  # difference of probabilities


def close(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(found, expected, atol=EXACT, rtol=0)


@pytest.fixture(scope="module", params=["bytes", "pieces", "roles", "bytes, plain"])
def gguf_file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("gguf") / "model.gguf"
    if request.param == "pieces":
        return tiny_gguf.write(path, tiny_gguf.sentence_piece(700))
    template = ROLES if request.param == "roles" else None
    size = 262 if request.param == "bytes, plain" else 3000
    return tiny_gguf.write(path, tiny_gguf.byte_level(size), template=template)


@pytest.fixture
def teacher(gguf_file: Path) -> Iterator[LlamaTeacher]:
    with LlamaTeacher(gguf_file, ask, least=0.0) as it:
        yield it


def test_it_equals_separate_evaluations_of_every_label(
    teacher: LlamaTeacher, gguf_file: Path
) -> None:
    slow = Exhaustive(gguf_file, teacher._model.template)
    for step in (3, 4):
        found, expected = teacher.distribution([state(step)])[0], slow.distribution(state(step))
        assert found.dtype == torch.float32
        assert float(found.sum()) == pytest.approx(1, abs=1e-6)
        close(found.double(), expected)
        torch.testing.assert_close(found.double(), expected, rtol=1e-3, atol=1e-12)  # the rare, too


def test_a_reply_that_grows_together_with_the_state_is_cut_as_one_text(tmp_path: Path) -> None:
    template = "{{ messages[1].content }}"  # nothing between the user's words and the reply
    path = tiny_gguf.write(tmp_path / "m.gguf", tiny_gguf.byte_level(3000), template=template)
    actions = ("rn one", "rn two", "port")

    def question(it: StateText, shortened: int) -> Question:
        return Question("", "def retu", "", choices(it.actions))

    slow = Exhaustive(path, None)
    expected = slow.labels("def retu", list(actions), [["\n"]] * 3)
    with LlamaTeacher(path, question) as teacher:
        close(teacher.distribution([state(1, actions)])[0].double(), expected)


def test_what_was_asked_before_changes_nothing(teacher: LlamaTeacher, gguf_file: Path) -> None:
    states = [state(step) for step in range(6)]
    rows = teacher.distribution(states)
    assert teacher.read == 6
    assert torch.equal(teacher.distribution(states[::-1]), rows.flip(0))
    assert teacher.read == 6
    with LlamaTeacher(gguf_file, ask, least=0.0, remembered=0) as other:
        close(other.distribution(states[::-1]).flip(0), rows)
        close(other.distribution([states[2], states[2]]), rows[[2, 2]])
    assert len(set(map(tuple, rows.tolist()))) == 6


def test_the_same_questions_give_the_same_bits(gguf_file: Path) -> None:
    states = [state(step) for step in range(4)]
    with LlamaTeacher(gguf_file, ask) as one, LlamaTeacher(gguf_file, ask) as other:
        assert torch.equal(one.distribution(states), other.distribution(states))


def test_hosts_of_unlikely_kinds_share_evenly(gguf_file: Path, teacher: LlamaTeacher) -> None:
    exact = teacher.distribution([state(1)])[0][2:].view(len(KINDS), len(HOSTS))
    with LlamaTeacher(gguf_file, ask, least=2.0) as hasty:
        even = hasty.distribution([state(1)])[0][2:].view(len(KINDS), len(HOSTS))
    close(even.sum(1), exact.sum(1))
    torch.testing.assert_close(even, even.mean(1, keepdim=True).expand_as(even))


def test_many_hosts_take_several_trees(gguf_file: Path) -> None:
    all_ = tuple(f"{kind} host{n}" for kind in KINDS for n in range(1, 91))
    kept = torch.tensor(["host55" not in action for action in all_])
    with LlamaTeacher(gguf_file, ask, least=0.0) as teacher:
        most = teacher.distribution([state(1, tuple(a for a in all_ if "host55" not in a))])[0]
        rest = teacher.distribution([state(1, all_)])[0][kept]
    most, rest = most.view(len(KINDS), 89), rest.view(len(KINDS), 89)
    close(rest / rest.sum(1, keepdim=True), most / most.sum(1, keepdim=True))


# A controlled state: only the last character counts, and what may follow it is written here.
FOLLOWS = {
    ":": {"i": 0.75, "b": 0.25},
    "i": {"d": 1.0}, "d": {"l": 1.0}, "l": {"e": 1.0}, "e": {"Ċ": 1.0},
    "b": {"a": 1.0}, "a": {"n": 1.0}, "n": {"Ġ": 1.0},
    "Ġ": {"h": 1.0}, "h": {"o": 1.0}, "o": {"s": 1.0}, "s": {"t": 1.0},
    "t": {"1": 0.8, "2": 0.2}, "1": {"Ċ": 0.25, "2": 0.75}, "2": {"Ċ": 1.0},
}  # fmt: skip


def controlled(path: Path, actions: str, follows: dict[str, dict[str, float]]) -> list[float]:
    tiny_gguf.known(path, tiny_gguf.byte_level(262), follows)

    def question(it: StateText, shortened: int) -> Question:
        return Question("s", "u", "A:", choices(it.actions))

    with LlamaTeacher(path, question) as teacher:
        row = teacher.distribution([state(1, tuple(actions.split(",")))])[0]
    return [round(p, 4) for p in row.tolist()]


def test_known_logits_give_the_probabilities_worked_out_by_hand(tmp_path: Path) -> None:
    # P(ban) = 0.25; of its hosts, "1" then the end 0.8 · 0.25, "1" then "2" 0.8 · 0.75, "2" 0.2.
    found = controlled(tmp_path / "m.gguf", "idle,ban host1,ban host12,ban host2", FOLLOWS)
    assert found == [0.75, 0.05, 0.15, 0.05]


def test_probability_that_goes_to_no_label_is_shared_in_proportion(tmp_path: Path) -> None:
    follows = {**FOLLOWS, ":": {"i": 0.3, "b": 0.1, "x": 0.6}, "t": {"2": 0.1, "3": 0.1, "x": 0.8}}
    found = controlled(tmp_path / "m.gguf", "ban host3,idle,ban host2", follows)
    assert found == [0.125, 0.75, 0.125]


def test_a_kind_that_begins_another_ends_with_a_host(tmp_path: Path) -> None:
    # After "ban " comes an "h", and that is a host of "ban", or an "e".
    follows = {**FOLLOWS, "Ġ": {"h": 0.4, "e": 0.6}}
    found = controlled(tmp_path / "m.gguf", "idle,ban host2,ban e host2", follows)
    assert found == [0.75, 0.1, 0.15]


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return tiny_gguf.write(tmp_path / "m.gguf", tiny_gguf.byte_level(262), context=256)


def test_answers_are_kept_on_disk_by_model_and_question(small: Path, tmp_path: Path) -> None:
    disk = tmp_path / "answers.sqlite"
    with LlamaTeacher(small, ask, disk=disk) as first:
        row = first.distribution([state(1)])
    with LlamaTeacher(small, ask, disk=disk) as again:
        assert torch.equal(again.distribution([state(1)]), row)
        assert again.read == 0
        again.distribution([state(2)])
        assert again.read == 1
    with LlamaTeacher(small, ask, disk=disk, least=0.5) as other:
        other.distribution([state(1)])
        assert other.read == 1


def test_what_is_disk_but_no_cache_is_refused(small: Path, tmp_path: Path) -> None:
    (tmp_path / "not.sqlite").write_bytes(b"something else " * 100)
    with pytest.raises(TeacherError, match=r"not\.sqlite: cannot be used as a cache"):
        LlamaTeacher(small, ask, disk=tmp_path / "not.sqlite")


def test_memory_is_bounded_and_its_hit_rate_is_logged(
    small: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "training.teacher.llama")
    with LlamaTeacher(small, ask, remembered=2) as teacher:
        teacher.distribution([state(1), state(2), state(1), state(3)])  # 2 was used last of all
        teacher.distribution([state(1), state(2)])
        assert teacher.hit_rate == pytest.approx(2 / 6)
    assert "33.3% answered from memory; read 4" in caplog.text


def test_the_least_recently_used_is_forgotten() -> None:
    latest: Latest[str] = Latest(2)
    latest.put(1, "one")
    latest.put(2, "two")
    assert latest.get(1) == "one"
    latest.put(3, "three")
    assert [latest.get(key) for key in (1, 2, 3)] == ["one", None, "three"]


def test_as_few_lines_are_shortened_as_it_takes_to_fit(gguf_file: Path) -> None:
    lines = tuple(f"host{n} {'scanned ' * n}" for n in range(1, 30))
    asked: list[int] = []

    def ask_shorter(it: StateText, shortened: int) -> Question:
        asked.append(shortened)
        cut = [line[:6] if n < shortened else line for n, line in enumerate(it.lines)]
        return Question("s", "\n".join(cut), "Best action: ", choices(it.actions))

    with LlamaTeacher(gguf_file, ask_shorter, context=256) as teacher:
        teacher.distribution([StateText({}, lines, ("idle", "act"))])
        taken = asked[-1]
        lengths = [
            teacher._prompt(ask_shorter(StateText({}, lines, ("idle", "act")), cut)).length
            for cut in (taken - 1, taken)
        ]
    assert lengths[1] <= 256 < lengths[0]
