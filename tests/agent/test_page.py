"""The page: complete, self-contained, and deaf to what strangers wrote into names."""

from __future__ import annotations

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from agent.bundle import Bundle
from agent.chart import Chart
from agent.compare import compare_policies
from agent.config import Settings
from agent.errors import OutputError
from agent.labels import FlowLabels
from agent.page import render_page, write_page
from agent.policy import Policy
from agent.replay import Replay, replay
from tests.agent.command import sluice
from tests.agent.toy_policy import write_toy

HOSTILE = "<script>alert(1)</script>\"'>&\x1b"


def load(path: Path) -> Policy:
    return Policy(Bundle.load(path, (path.with_suffix(".pub").read_bytes(),)))


@pytest.fixture(scope="module")
def office(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Replay:
    weights = {("tcp", "block"): 9.0, ("udp", "throttle"): 4.0}
    toy = write_toy(tmp_path_factory.mktemp("toy") / "toy.sluice", weights, {"allow": 1.0})
    labels = FlowLabels.read(samples / "office.labels.csv")
    return replay([(samples / "office.pcap", labels)], Settings(), load(toy))


class Tags(HTMLParser):
    """Collects tags and attributes, and whether they balance."""

    VOID = frozenset({"meta", "br", "line", "rect"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


def test_the_page_is_self_contained_and_well_formed(office: Replay) -> None:
    page = render_page(office, Settings())
    tags = Tags(page)
    assert tags.open == []
    assert not tags.names & {"script", "link", "img", "iframe"}
    assert not tags.attributes & {"src", "href", "srcset"}
    assert "url(" not in page
    assert not re.search(r"https?://", page)


def test_the_page_tells_the_story(office: Replay) -> None:
    page = render_page(office, Settings())
    for text in (
        "office.pcap", "syn flood", "infrastructure", "too many new verdicts", "arp",
        "Made for a test.", office.policy.bundle.digest, "# Toy",
        "new_verdicts_per_minute", "its host opened",
    ):  # fmt: skip
        assert text in page
    assert page.count('<code class="rule">') == len(office.captures[0].tally.notable)


def test_strangers_text_is_escaped(samples: Path, tmp_path: Path) -> None:
    capture = tmp_path / (HOSTILE.replace("/", "") + ".pcap")
    shutil.copy(samples / "home.pcap", capture)
    policy = load(write_toy(tmp_path / "toy.sluice", name=HOSTILE, provenance={HOSTILE: HOSTILE}))
    labels = FlowLabels.whole_capture(malicious=True, family=HOSTILE)
    result = replay([(capture, labels)], Settings(), policy)
    page = render_page(result, Settings(), compare_policies([capture], Settings(), policy, policy))
    assert "script" not in Tags(page).names
    assert "\x1b" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_settings_that_differ_are_told(office: Replay) -> None:
    page = render_page(office, Settings(tick_s=2.5))
    assert "<code>tick_s = 2.5</code>" in page
    assert "All settings have their defaults" in render_page(office, Settings())


def test_a_capture_without_decisions_still_makes_a_page(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pcap"
    empty.write_bytes(bytes.fromhex("d4c3b2a1020004000000000000000000ffff000001000000"))
    result = replay([(empty, None)], Settings(), Policy(Bundle.default()))
    page = render_page(result, Settings())
    assert "No flow came to a decision" in page
    assert "the file holds no packet" in page


def test_no_bar_leaves_its_panel(office: Replay) -> None:
    tally = office.captures[0].tally
    chart = Chart.of(tally.timeline, tally.notable)
    tops = [bar.bottom + bar.height for bin_ in chart.bins for bar in bin_.acted]
    assert max(tops) == pytest.approx(100)
    assert all(0 <= mark.at <= chart.used for mark in chart.marks)
    assert 2 <= len(chart.ticks) <= 9


def test_the_command_writes_the_page_and_writes_it_again(samples: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("old " * 1_000_000)
    toy = write_toy(tmp_path / "toy.sluice", bias={"block": 5})
    done = sluice("replay", samples / "home.pcap", "--html", page, "--compare", toy)
    assert str(page) in done.stdout
    text = page.read_text()
    assert text.startswith("<!DOCTYPE html>")
    assert text.rstrip().endswith("</html>")
    assert "Another policy on the same traffic" in text


@pytest.mark.parametrize("where", ["absent/page.html", "."])
def test_a_page_that_cannot_be_written_is_an_error(
    office: Replay, tmp_path: Path, where: str
) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        write_page(tmp_path / where, office, Settings())


def test_a_capture_is_never_overwritten(samples: Path, tmp_path: Path) -> None:
    capture = tmp_path / "mine.pcap"
    shutil.copy(samples / "home.pcap", capture)
    before = capture.read_bytes()
    done = sluice("replay", capture, "--html", tmp_path / "." / "mine.pcap", code=1)
    assert "is the capture itself" in done.stderr
    assert capture.read_bytes() == before
