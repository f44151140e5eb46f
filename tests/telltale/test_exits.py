"""Exit codes are defined in one place: no command and no part has numbers of its own."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from telltale import exits

ROOT = Path(__file__).parents[2]
FOLDERS = ("telltale", "exporters", "monitors", "alerting", "dashboards", "feedback")
# Functions whose return value is the exit code.
ENTRIES = {"main", "run", "serve", "once", "judge_once", "repeat", "_verify", "_act"}


def bare_numbers(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef) and node.name in ENTRIES:
            for inner in ast.walk(node):
                if isinstance(inner, ast.Return) and isinstance(inner.value, ast.Constant | ast.IfExp):
                    numbers = [n for n in ast.walk(inner.value) if isinstance(n, ast.Constant) and type(n.value) is int]
                    yield from (f"{path.relative_to(ROOT)}:{inner.lineno} {node.name}" for _ in numbers)
        if isinstance(node, ast.Name) and re.match(r"EXIT_|EXIT$", node.id):
            yield f"{path.relative_to(ROOT)}:{node.lineno} {node.id}"


def test_no_command_and_no_part_has_numbers_of_its_own() -> None:
    sources = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    assert ROOT / "telltale" / "cli" / "up.py" in sources
    assert [found for path in sources for found in bare_numbers(path)] == []


def test_every_code_has_a_meaning() -> None:
    codes = {value for name, value in vars(exits).items() if name.isupper() and isinstance(value, int)}
    assert codes == set(exits.MEANINGS)
    # The numbers of argparse, the supervisor and shells.
    assert (exits.OK, exits.USAGE, exits.INTERRUPTED) == (0, 2, 130)
