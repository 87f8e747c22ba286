"""CICFlowMeter's files: their columns, and what time it was."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.errors import LabelError
from agent.labels import Labels
from tests.training.gateway.test_labelling import capture
from tests.training.gateway.wire import Talk, family_at, write_capture
from training.gateway.labelling import labels_of

MORNING = datetime(2017, 7, 4, 12, 0, 30, tzinfo=UTC)  # 9:00:30 where CIC-IDS2017 was recorded
HEADER_2017 = (
    " Source IP, Source Port, Destination IP, Destination Port, Protocol, Timestamp, Label"
)
HEADER_2018 = "Src IP,Src Port,Dst IP,Dst Port,Protocol,Timestamp,Label"
CLOCKS = ["%d/%m/%Y %H:%M:%S", "%d/%m/%Y %I:%M:%S %p", "%Y-%m-%d %H:%M:%S.%f", "%d/%m/%Y %H:%M"]
TALKS = [Talk((MORNING + timedelta(minutes=90 * i)).timestamp(), sport=50000 + i) for i in range(5)]
"""Of five flows one and a half hours apart, the third is an attack."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cic")
    write_capture(folder / "a.pcap", *TALKS)
    return folder


def row(talk: Talk, stamp: str, label: str) -> str:
    return f"{talk.src},{talk.sport},{talk.dst},{talk.dport},{talk.proto},{stamp},{label}"


def read(folder: Path, *rows: str, header: str = HEADER_2018) -> Labels:
    (folder / "labels").write_bytes("\n".join([header, *rows]).encode("cp1252"))
    return labels_of(capture(), folder)


def rows_by(clock: str, zone: timedelta) -> list[str]:
    stamps = [(datetime.fromtimestamp(t.at, UTC) + zone).strftime(clock) for t in TALKS]
    labels = ["BENIGN", "Benign", "FTP-Patator", "BENIGN", "BENIGN"]
    return [row(*each) for each in zip(TALKS, stamps, labels, strict=True)]


def is_right(labels: Labels) -> bool:
    found = [family_at(labels, talk) for talk in TALKS]
    return found == ["benign", "benign", "brute force", "benign", "benign"]


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(quarters=st.integers(-48, 56), clock=st.sampled_from(CLOCKS))
def test_any_zone_is_found(folder: Path, quarters: int, clock: str) -> None:
    assert is_right(read(folder, *rows_by(clock, timedelta(minutes=15 * quarters))))


def test_a_clock_of_twelve_hours_is_unrolled(folder: Path) -> None:
    rows = rows_by("%d/%m/%Y %I:%M", timedelta(hours=-3))
    assert "04/07/2017 01:30" in rows[3]  # half past one in the afternoon
    assert is_right(read(folder, *rows, header=HEADER_2017))


def test_files_of_an_afternoon_alone_are_read(folder: Path) -> None:
    rows = rows_by("%d/%m/%Y %I:%M", timedelta(hours=-3))[3:]
    labels = read(folder, *rows)
    assert [family_at(labels, talk) for talk in TALKS[2:]] == [None, "benign", "benign"]


def test_dashes_of_a_code_page_and_rows_of_commas_are_no_obstacle(folder: Path) -> None:
    rows = rows_by(CLOCKS[0], timedelta())
    labels = read(folder, rows[0].replace("BENIGN", "Web Attack – XSS"), ",,,,,,", *rows[1:])
    assert family_at(labels, TALKS[0]) == "web attack"


@pytest.mark.parametrize("label", ["NeedManualLabel", "No Label", "", "FTP-Patator - Attempted"])
def test_what_nobody_labelled_and_what_came_to_nothing_is_unlabelled(
    folder: Path, label: str
) -> None:
    rows = rows_by(CLOCKS[0], timedelta())
    labels = read(folder, rows[0].replace("BENIGN", label), *rows[1:])
    assert family_at(labels, TALKS[0]) is None
    assert family_at(labels, TALKS[1]) == "benign"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("04/07/2017 12:00:30", "noon"), "line 2: Timestamp is 'noon'"),
        (("04/07/2017 12:00:30", "04/17/2017 12:00:30"), "line 2: month must be in 1..12"),
        (("192.168.1.20", "nobody"), "line 2: 'nobody' does not appear to be"),
        (("192.168.1.20", "10.0.0.1"), "no flow of"),
    ],
)
def test_refusals_name_the_file_and_the_line(
    folder: Path, change: tuple[str, str], message: str
) -> None:
    with pytest.raises(LabelError, match="labels") as caught:
        read(folder, rows_by(CLOCKS[0], timedelta())[0].replace(*change))
    assert message in str(caught.value)
