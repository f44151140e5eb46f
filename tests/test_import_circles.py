"""No module imports itself through others, not even for its types: modules in a circle cannot be read alone."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("telltale", "exporters", "monitors", "alerting", "dashboards", "feedback")


def name_of(path: Path, root: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def arrows(root: Path) -> dict[str, set[str]]:
    """Module to the modules that it imports at its top level, under `if TYPE_CHECKING` too.

    Imports inside functions do not count: that is how a package's entry point loads its modules late.
    """
    paths = {name_of(path, root): path for folder in FOLDERS for path in (root / folder).rglob("*.py")}
    return {name: {known for known in imported(path) if known in paths} - {name} for name, path in paths.items()}


def imported(path: Path) -> set[str]:
    found: set[str] = set()
    waiting: list[ast.AST] = [ast.parse(path.read_text())]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            below = {f"{node.module}.{alias.name}" for alias in node.names}
            # `from package import module` needs the module; of the package it needs only the name.
            modules = {name for name in below if (path_of(name)).exists() or (path_of(name, package=True)).exists()}
            found |= modules | ({node.module} if modules != below else set())
        waiting.extend(ast.iter_child_nodes(node))
    return found


def path_of(name: str, package: bool = False) -> Path:
    base = ROOT.joinpath(*name.split("."))
    return base / "__init__.py" if package else base.with_suffix(".py")


def circle(graph: dict[str, set[str]]) -> list[str]:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        found: list[str] = error.args[1]
        return found
    return []


def test_no_circles() -> None:
    assert circle(arrows(ROOT)) == []


@pytest.mark.parametrize("guard", ["", "if TYPE_CHECKING:\n    "])
def test_a_circle_is_found(tmp_path: Path, guard: str) -> None:
    (tmp_path / "telltale").mkdir()
    (tmp_path / "telltale" / "settings.py").write_text(f"{guard}from telltale.exits import OK\n")
    (tmp_path / "telltale" / "exits.py").write_text("import telltale.settings\n")
    assert set(circle(arrows(tmp_path))) == {"telltale.settings", "telltale.exits"}
