"""The registry of monitors: each one in it is judged, shown and alerted on, and is named nowhere else."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import get_args

from monitors import registry
from telltale.records import Direction

ROOT = Path(__file__).parents[2]
README = ROOT / "monitors" / "README.md"
# Exporters use these words in another sense.
PARTS = ("telltale", "monitors", "alerting", "dashboards", "feedback", "compose")
MEMBERS = {ROOT / f"{monitor.__module__.replace('.', '/')}.py" for monitor in registry.MONITORS}


def files(*endings: str) -> list[Path]:
    found = (path for part in PARTS for path in (ROOT / part).rglob("*") if path.suffix in endings)
    return [path for path in found if path not in MEMBERS and "migrations" not in path.parts]


def test_names_are_unique_and_so_are_series() -> None:
    assert len(set(registry.names())) == len(registry.MONITORS)
    for monitor in registry.MONITORS:
        assert monitor.signals
        assert set(monitor.directions) <= set(get_args(Direction))


def test_the_table_of_the_readme_is_the_registrys() -> None:
    assert registry.table() in README.read_text()


def test_no_rule_board_or_page_selects_a_monitor_by_its_name() -> None:
    selects = re.compile(r'\bmonitor\s*(?:=~|!~|!=|==?)\s*\\?["\']\w')
    wrong = [
        f"{path.relative_to(ROOT)}: {line.strip()[:100]}"
        for path in files(".py", ".yml", ".yaml", ".json", ".html", ".js")
        for line in path.read_text().splitlines()
        if selects.search(line)
    ]
    assert not wrong


def test_a_monitors_name_stands_nowhere_else() -> None:
    """A direction, or a field of stored evidence, may have the same name as a monitor; that is not a mention of it."""
    own = set(registry.names()) - set(get_args(Direction))
    evidence = ROOT / "telltale" / "evidence"
    assert own
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.value}"
        for path in files(".py")
        if not path.is_relative_to(evidence)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and node.value in own
    ]
    assert not wrong


def test_only_the_registry_imports_a_monitor() -> None:
    classes = {monitor.__name__: monitor.__module__ for monitor in registry.MONITORS}
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno} {alias.name}"
        for path in files(".py")
        if path.name != "registry.py"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if classes.get(alias.name) == node.module
    ]
    assert not wrong
