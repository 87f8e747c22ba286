from pathlib import Path

import pytest

from agent.addresses import words
from agent.errors import LabelError
from agent.labels import FlowLabels, Label, label_path

HEADER = "start_ts,src,sport,dst,dport,proto,label,family"
CLIENT, SERVER = words("192.168.1.20"), words("198.51.100.7")
SECOND = 1_000_000_000


def labels(tmp_path: Path, *rows: str, header: str = HEADER) -> FlowLabels:
    path = tmp_path / "x.labels.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return FlowLabels.read(path)


def row(start: str, label: str = "benign", family: str = "web") -> str:
    return f"{start},192.168.1.20,50000,198.51.100.7,443,6,{label},{family}"


def family_at(found: FlowLabels, seconds: float) -> str | None:
    label = found.match(CLIENT, 50000, SERVER, 443, 6, int(seconds * SECOND))
    return label.family if label else None


def test_a_flow_matches_its_row_in_either_direction(tmp_path: Path) -> None:
    found = labels(tmp_path, row("100", "malicious", "c2 beacon"))
    expected = Label(malicious=True, family="c2 beacon")
    assert found.match(CLIENT, 50000, SERVER, 443, 6, 100 * SECOND) == expected
    assert found.match(SERVER, 443, CLIENT, 50000, 6, 100 * SECOND) == expected


@pytest.mark.parametrize(
    "other",
    [
        (CLIENT, 50001, SERVER, 443, 6),
        (CLIENT, 443, SERVER, 50000, 6),
        (CLIENT, 50000, SERVER, 443, 17),
        (words("192.168.1.21"), 50000, SERVER, 443, 6),
    ],
)
def test_another_tuple_does_not_match(
    tmp_path: Path, other: tuple[tuple[int, int], int, tuple[int, int], int, int]
) -> None:
    assert labels(tmp_path, row("100")).match(*other, 100 * SECOND) is None


@pytest.mark.parametrize(
    ("seconds", "family"),
    [
        (98.9, None),
        (99.0, "first"),
        (100.0, "first"),
        (105.0, "first"),
        (109.9, "second"),
        (110.0, "second"),
        (9999.0, "second"),
    ],
)
def test_a_reused_tuple_goes_to_the_nearest_start(
    tmp_path: Path, seconds: float, family: str | None
) -> None:
    found = labels(tmp_path, row("110", family="second"), row("100", family="first"))
    assert family_at(found, seconds) == family


def test_starts_keep_their_nanoseconds(tmp_path: Path) -> None:
    rows = row("1700000000.000000001", family="a"), row("1700000000.000000003", family="b")
    found = labels(tmp_path, *rows)
    start = 1_700_000_000 * SECOND
    assert found.match(CLIENT, 50000, SERVER, 443, 6, start + 1) == Label(False, "a")
    assert found.match(CLIENT, 50000, SERVER, 443, 6, start + 3) == Label(False, "b")


@pytest.mark.parametrize("start", ["-0", "-0.000000", "0", "1e-7", "-0.5"])
def test_starts_around_the_epoch(tmp_path: Path, start: str) -> None:
    assert family_at(labels(tmp_path, row(start)), 0.0) == "web"


def test_ipv6_and_protocols_without_ports(tmp_path: Path) -> None:
    found = labels(tmp_path, "5,2001:db8::1,0,2001:db8::2,0,58,benign,infrastructure")
    here, there = words("2001:db8::1"), words("2001:db8::2")
    assert found.match(there, 0, here, 0, 58, 5 * SECOND) == Label(False, "infrastructure")


def test_columns_go_by_name_and_others_are_ignored(tmp_path: Path) -> None:
    header = "family,label,packets,proto,dport,dst,sport,src,start_ts"
    found = labels(
        tmp_path, "web,benign,9,6,443,198.51.100.7,50000,192.168.1.20,100", header=header
    )
    assert family_at(found, 100) == "web"


def test_a_byte_order_mark_blank_lines_and_quotes_are_no_obstacle(tmp_path: Path) -> None:
    found = labels(tmp_path, "", row("100", family='"web, mixed"'), header="\ufeff" + HEADER)
    assert len(found) == 1
    assert family_at(found, 100) == "web, mixed"


def test_a_whole_capture_has_one_label() -> None:
    found = FlowLabels.whole_capture(malicious=True, family="worm")
    assert found.match(CLIENT, 1, SERVER, 2, 17, 0) == Label(malicious=True, family="worm")
    assert len(found) == 0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (row("soon"), "start_ts is 'soon'"),
        (row("nan"), "start_ts is 'nan'"),
        (row("1e300"), "start_ts is '1e300'"),
        (row("1", label="bad"), "label is 'bad'; write benign or malicious"),
        ("1,192.168.1.300,1,198.51.100.7,2,6,benign,web", "192.168.1.300"),
        ("1,192.168.1.3,65536,198.51.100.7,2,6,benign,web", "sport is '65536'"),
        ("1,192.168.1.3,1,198.51.100.7,,6,benign,web", "dport is ''"),
        ("1,192.168.1.3,1,198.51.100.7,2,tcp,benign,web", "proto is 'tcp'"),
        ("1,192.168.1.3,1", "3 fields; write one for each of 8"),
    ],
)
def test_a_wrong_row_is_named_by_file_and_line(tmp_path: Path, wrong: str, message: str) -> None:
    with pytest.raises(LabelError, match=r"x\.labels\.csv, line 3: .*") as error:
        labels(tmp_path, row("1"), wrong)
    assert message in str(error.value)


@pytest.mark.parametrize("header", ["", "start_ts,src,sport,dst,dport,proto,label"])
def test_a_wrong_header_is_named(tmp_path: Path, header: str) -> None:
    with pytest.raises(LabelError, match=r"line 1: no column .*family"):
        labels(tmp_path, header=header)


def test_unreadable_files_are_label_errors(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match="cannot be read"):
        FlowLabels.read(tmp_path / "absent.labels.csv")
    (tmp_path / "binary.labels.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(LabelError, match="UTF-8"):
        FlowLabels.read(tmp_path / "binary.labels.csv")


@pytest.mark.parametrize("capture", ["x.pcap", "x.pcapng", "x.pcap.gz", "x.pcapng.gz"])
def test_the_label_file_lies_beside_its_capture(tmp_path: Path, capture: str) -> None:
    assert label_path(tmp_path / capture) is None
    (tmp_path / "x.labels.csv").touch()
    assert label_path(tmp_path / capture) == tmp_path / "x.labels.csv"


def test_a_hundred_thousand_rows_are_found_again(tmp_path: Path) -> None:
    rows = [f"{i},10.0.{i >> 8 & 255}.{i & 255},{i % 60000},192.0.2.1,53,17,benign,dns{i % 9}"
            for i in range(100_000)]  # fmt: skip
    found = labels(tmp_path, *rows)
    assert len(found) == len(rows)
    hit = found.match(
        words("10.0.255.7"), 65287 % 60000, words("192.0.2.1"), 53, 17, 65287 * SECOND
    )
    assert hit == Label(malicious=False, family=f"dns{65287 % 9}")
