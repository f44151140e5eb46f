"""The trunk names no part: it learns paths, filters and state from the routers that are mounted."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import alerting.report.pages
import feedback.routes
from telltale.catalogue import METRICS

ROOT = Path(__file__).parents[2]
TRUNK = ROOT / "telltale"
PARTS = ("exporters", "monitors", "alerting", "dashboards", "feedback")
# The command knows the parts; the catalogue has every metric, and the README's tables list them.
EXEMPT = ("cli", "catalogue")
OWN_METRICS = {
    "telltale_web_requests_total",
    # Two parts accept feedback, and several write to the store: each is counted the same.
    *("telltale_feedback_events_total", "telltale_store_commits_total", "telltale_store_writes_total"),
    "telltale_store_writes_waiting",
}
# The name of a secret in the store: not a module, and never changed, or people would be others than before.
SECRETS = {"feedback.subject"}
ROUTERS = (feedback.routes.router, alerting.report.pages.router)


def modules() -> list[Path]:
    found = [path for path in sorted(TRUNK.rglob("*.py")) if path.relative_to(TRUNK).parts[0] not in EXEMPT]
    assert TRUNK / "web" / "guard.py" in found
    return found


def literals(path: Path) -> Iterator[str]:
    """Every string of a module except docstrings; the whole text of a template."""
    if path.suffix == ".html":
        yield path.read_text()
        return
    tree = ast.parse(path.read_text())
    documentation = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node.value


def part_paths() -> set[str]:
    """The first steps of every path that a part serves: `/tickets`, `/api/v1/feedback`."""
    found: set[str] = set()
    for router in ROUTERS:
        found |= {entry.path for entry in router.nav} | set(router.cross_site)
        found |= {re.split(r"[{?#]", pattern)[0].rstrip("/") for pattern in router.links.values()}
    return found


def test_the_paths_of_parts_are_known() -> None:
    assert {"/feedback", "/tickets", "/api/v1/votes", "/api/v1/feedback"} <= part_paths()


@pytest.mark.parametrize("path", [*modules(), *sorted(TRUNK.rglob("*.html"))], ids=lambda p: str(p.relative_to(ROOT)))
def test_no_module_names_a_part(path: Path) -> None:
    metrics = {metric.name for metric in METRICS} - OWN_METRICS
    for text in literals(path):
        named = [] if text in SECRETS else re.findall(rf"\b(?:{'|'.join(PARTS)})\.[a-z_]+(?:\.[a-z_]+)*", text)
        paths = [known for known in part_paths() if re.search(rf"{re.escape(known)}(?![a-z])", text)]
        assert named == [], text
        assert paths == [], text
        assert [name for name in metrics if re.search(rf"\b{name}\b", text)] == [], text
