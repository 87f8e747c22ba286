"""The examination's cases: what is refused, and what those that are shipped cover."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from training.cage2.brief import BRIEF as CAGE2
from training.errors import TeacherError
from training.gateway.state import BRIEF as GATEWAY
from training.teacher.cases import Case, read_cases
from training.teacher.playbook.reader import PassageTeacher
from training.teacher.playgrounds import passages_of
from training.teacher.prompt import Brief, Prompt

SHIPPED = read_cases()
PLAYGROUNDS = pytest.mark.parametrize("brief", [CAGE2, GATEWAY], ids=["cage2", "gateway"])
HOSTS = {"playground": "cage2", "lines": ["host1 core", "host4 cheap"], "best": ["remove host4"]}
FLOW = {"playground": "gateway", "lines": ["flow local web"], "best": ["allow"]}


def test_a_case_by_hand(tmp_path: Path) -> None:
    file = tmp_path / "cases.jsonl"
    file.write_text(f"{json.dumps(HOSTS)}\n{json.dumps(FLOW)}\n")
    hosts, flow = read_cases(file)
    kinds = ("analyse", "remove", "restore", "decoy")
    actions = ("sleep", *(f"{kind} {host}" for kind in kinds for host in ("host1", "host4")))
    assert hosts == Case(CAGE2, ("host1 core", "host4 cheap"), actions, ("remove host4",))
    assert (hosts.state.lines, hosts.state.actions) == (hosts.lines, actions)
    assert flow.actions == ("allow", "throttle", "block", "isolate")


@pytest.mark.parametrize(
    "row",
    [
        "",
        "no JSON",
        "3",
        "[]",
        *(json.dumps({k: v for k, v in HOSTS.items() if k != missing}) for missing in HOSTS),
        *(
            json.dumps(HOSTS | change)
            for change in (
                {"playground": "chess"},
                {"playground": ["cage2"]},
                {"lines": [], "best": ["sleep"]},
                {"lines": ["host1", ""]},
                {"lines": "abc", "best": ["sleep"]},
                {"lines": {"host4 cheap": 1}},
                {"lines": 4},
                {"lines": [4]},
                {"best": []},
                {"best": "sleep"},
                {"best": ["remove host2"]},
                {"best": ["remove"]},
                {"best": ["sleep", "doze"]},
                {"best": [["sleep"]]},
            )
        ),
        json.dumps(FLOW | {"lines": []}),
        json.dumps(FLOW | {"lines": [4]}),
    ],
)
def test_a_line_that_is_no_case_is_refused_by_its_number(tmp_path: Path, row: str) -> None:
    file = tmp_path / "cases.jsonl"
    file.write_text(f"{json.dumps(HOSTS)}\n{row}\n")
    with pytest.raises(TeacherError) as told:
        read_cases(file)
    assert str(told.value).startswith(f"{file}:2: ")


@pytest.mark.parametrize("content", [None, b"\xff\xfe{}\n"], ids=["missing", "no text"])
def test_a_file_that_cannot_be_read_is_refused_by_name(
    tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "cases.jsonl"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(TeacherError) as told:
        read_cases(file)
    assert str(told.value).startswith(f"{file}: cannot be read")


def test_shipped_cases_are_many_and_different() -> None:
    assert len(SHIPPED) >= 200
    assert len({(case.brief.name, case.lines) for case in SHIPPED}) == len(SHIPPED)
    sizes = {len(case.lines) for case in SHIPPED if case.brief.on_hosts}
    assert (min(sizes), max(sizes)) == (3, 31)
    assert {len(case.lines) for case in SHIPPED if not case.brief.on_hosts} == {1}


@PLAYGROUNDS
def test_of_each_playground_every_kind_of_action_is_best_somewhere(brief: Brief) -> None:
    best = {label for case in SHIPPED if case.brief == brief for label in case.best}
    assert {label.split()[0] for label in best} == {*brief.kinds}


@PLAYGROUNDS
def test_shipped_cases_can_be_asked_about(brief: Brief) -> None:
    ask = Prompt(brief, None)
    for case in SHIPPED:
        if case.brief == brief:
            assert ask(case.state).user == "\n".join(case.lines)


@PLAYGROUNDS
def test_what_was_kept_as_best_is_what_the_shipped_passages_prescribe(brief: Brief) -> None:
    teacher = PassageTeacher([rule for page in passages_of(brief) for rule in page.rules])
    for case in SHIPPED:
        if case.brief == brief:
            row = teacher.distribution([case.state])[0]
            likeliest = torch.nonzero(row >= 0.999 * row.max()).flatten().tolist()
            assert case.best == tuple(case.actions[i] for i in likeliest), case.lines
