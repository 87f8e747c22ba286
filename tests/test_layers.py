"""The arrows between the rooms run one way, and the box stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FORBIDDEN = {
    "agent": {"training", "export", "torch", "numba", "scapy", "llama_cpp"},
    "training": {"export"},
}


def imports(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("room", FORBIDDEN)
def test_no_room_imports_what_it_must_not(room: str) -> None:
    for path in (ROOT / room).rglob("*.py"):
        assert not imports(path) & FORBIDDEN[room], path


@pytest.mark.parametrize(
    ("command", "absent"),
    [
        ("agent.cli, agent.replay, agent.terminal", {"torch", "scapy", "training", "onnx"}),
        ("export.cli", {"torch", "onnxruntime"}),
    ],
)
def test_a_command_line_loads_no_lab(command: str, absent: set[str]) -> None:
    code = f"import sys, {command}; print(sorted({absent} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "[]", done.stderr
