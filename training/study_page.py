"""What the pages and the JSON of studies have in common, whatever their playground."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any, Final

from agent.errors import OutputError

_WIDTH: Final = 105  # of the results page's lines


def origin(command: str, seeds: Iterable[int], results: Sequence[Mapping[str, Any]]) -> str:
    """Where a study's figures come from.

    Args:
        command: what makes them.
        seeds: of every arm.
        results: of all runs.
    """
    return wrapped(
        f"`{command}`, seeds {', '.join(map(str, seeds))}, commit {_several(results, 'commit')}, "
        f"{_several(results, 'machine')}."
    )


def _several(results: Sequence[Mapping[str, Any]], name: str) -> str:
    return " and ".join(dict.fromkeys(str(result[name]) for result in results))


def wrapped(text: str) -> str:
    """A paragraph in lines as long as the results page's."""
    return textwrap.fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False)


def put(page: str, name: str, content: str) -> str:
    """A page with a study's section between its markers, replaced there or added at the end."""
    begin, end = f"<!-- study {name} -->", f"<!-- end of study {name} -->"
    block = f"{begin}\n{content}\n{end}"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if pattern.search(page):
        return pattern.sub(lambda _: block, page, count=1)
    return f"{page.rstrip()}\n\n{block}\n" if page.strip() else f"{block}\n"


def put_into(file: Path, sections: Mapping[str, str]) -> None:
    """Put sections, by their names, into a page, which is made if absent.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        page = file.read_text() if file.exists() else ""
        for name, content in sections.items():
            page = put(page, name, content)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(page)
    except OSError as error:
        raise OutputError(f"{file}: cannot be written ({error.strerror})") from error


def plain(value: Any) -> Any:
    """As JSON can hold it: null for what was not measured."""
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, Mapping):
        return {name: plain(content) for name, content in value.items()}
    if isinstance(value, list | tuple):
        return [plain(content) for content in value]
    return None if isinstance(value, float) and math.isnan(value) else value
