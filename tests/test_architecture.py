"""The rules that keep the project simple, each as a test."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from telltale.catalogue import METRICS

ROOT = Path(__file__).parents[1]
PARTS = ("exporters", "monitors", "alerting", "dashboards", "feedback")
SOURCES = sorted(path for part in ("telltale", *PARTS) for path in (ROOT / part).rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Top-level and dotted names that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def owner(path: Path) -> str:
    return path.relative_to(ROOT).parts[0]


def test_parts_import_the_trunk_and_never_each_other() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in SOURCES
        for name in imports(path)
        if owner(path) in PARTS and name.partition(".")[0] in set(PARTS) - {owner(path)}
    ]
    assert not wrong


def test_traces_and_gpu_exporters_do_not_know_each_other() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in SOURCES
        for name in imports(path)
        for mine, other in (("traces", "exporters.gpu"), ("gpu", "exporters.traces"))
        if path.is_relative_to(ROOT / "exporters" / mine) and name.startswith(other)
    ]
    assert not wrong


def test_only_the_edge_of_the_command_knows_the_parts() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in SOURCES
        for name in imports(path)
        if owner(path) == "telltale"
        and not path.is_relative_to(ROOT / "telltale" / "cli")
        and name.partition(".")[0] in PARTS
    ]
    assert not wrong


@pytest.mark.parametrize(
    ("module", "forbidden"),
    [
        ("telltale.cli", ("pydantic", "sqlalchemy", "fastapi", "numpy", "grpc")),
        ("exporters.gpu", ("sqlalchemy", "fastapi", "pandas", "numpy", "grpc", "prometheus_client")),
        ("exporters.traces", ("fastapi", "pandas", "sklearn", "evidently")),
        ("monitors", ("evidently", "pandas", "fastapi", "grpc")),
        ("alerting", ("pandas", "sklearn", "evidently", "grpc")),
        ("feedback", ("pandas", "sklearn", "evidently", "grpc")),
        ("dashboards", ("pandas", "fastapi", "sqlalchemy", "grpc")),
    ],
)
def test_importing_a_part_stays_light(module: str, forbidden: tuple[str, ...]) -> None:
    code = f"import sys, {module}; print([n for n in {forbidden!r} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_metric_names_are_unique() -> None:
    names = [metric.name for metric in METRICS]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_metric_follows_the_naming_rules(metric: object) -> None:
    from telltale.catalogue import Metric

    assert isinstance(metric, Metric)
    assert re.fullmatch(r"[a-z_][a-z0-9_]*", metric.name)
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert bool(metric.buckets) == (metric.kind == "histogram")
    assert metric.help.endswith(".")
    if metric.unit in ("seconds", "bytes", "ratio"):
        assert metric.unit in metric.name


def test_every_metric_of_the_catalogue_is_emitted() -> None:
    """A name that no part writes is a promise nobody keeps."""
    emitters = [path for path in SOURCES if owner(path) != "dashboards" and "rules" not in path.parts]
    text = "\n".join(path.read_text() for path in emitters if not path.name.startswith("catalogue"))
    missing = [metric.name for metric in METRICS if metric.name not in text]
    assert not missing


def test_every_metric_of_ours_that_is_used_is_in_the_catalogue() -> None:
    known = {metric.name for metric in METRICS}
    known |= {
        f"{metric.name}_{suffix}"
        for metric in METRICS
        if metric.kind == "histogram"
        for suffix in ("bucket", "sum", "count")
    }
    pattern = re.compile(r"\b(?:telltale|gen_ai|gpu)_[a-z0-9_]+(?=[{\[) ])")
    used = {
        (str(path.relative_to(ROOT)), name)
        for path in [*(ROOT / "alerting" / "rules").glob("*.yml"), *(ROOT / "dashboards" / "json").glob("*.json")]
        for expression in re.findall(r'(?:expr"?:\s*)(.+)', path.read_text())
        for name in pattern.findall(expression)
    }
    labels = {label for metric in METRICS for label in metric.labels}
    assert {pair for pair in used if pair[1] not in known | labels} == set()


@pytest.mark.parametrize("path", ["requirements.lock", "tests/exporters/traces/emitters/requirements.lock"])
def test_no_index_address_in_a_lock(path: str) -> None:
    lock = (ROOT / path).read_text()
    assert "://" not in lock
    assert "--index" not in lock


def test_broad_excepts_and_ignores_give_their_reason() -> None:
    wrong = []
    for path in [*SOURCES, *(ROOT / "tests").rglob("*.py")]:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            ignored = re.search(r"#\s*(?:type: ignore\[[\w, -]+\]|noqa: BLE001)(.*)", line)
            if ignored and path.is_relative_to(ROOT / "tests") is False and len(ignored[1].strip(" #-")) < 8:
                wrong.append(f"{path.relative_to(ROOT)}:{number}")
    assert not wrong
