"""The page about CAGE-2 says what the scenario says."""

from tests.training.cage2.page import PAGE, page


def test_the_committed_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page()
