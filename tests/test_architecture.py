"""The rules that keep the project simple, each as a test."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from telltale.catalogue import METRICS, Metric

ROOT = Path(__file__).parents[1]
PARTS = ("exporters", "monitors", "alerting", "dashboards", "feedback")
SOURCES = sorted(path for part in ("telltale", *PARTS) for path in (ROOT / part).rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Top-level and dotted names that a module imports, anywhere in it."""
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
        ("alerting.report.pages", ("yaml", "pandas", "sklearn", "evidently", "grpc")),
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
def test_metric_follows_the_naming_rules(metric: Metric) -> None:
    assert re.fullmatch(r"[a-z_][a-z0-9_]*", metric.name)
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert bool(metric.buckets) == (metric.kind == "histogram")
    assert metric.help.endswith(".")
    if metric.unit in ("seconds", "bytes", "ratio"):
        assert metric.unit in metric.name


def test_every_metric_of_the_catalogue_is_emitted() -> None:
    """Every metric in the catalogue is written by some part."""
    elsewhere = (ROOT / "dashboards", ROOT / "alerting" / "rules", ROOT / "telltale" / "catalogue")
    emitters = [path for path in SOURCES if not any(path.is_relative_to(folder) for folder in elsewhere)]
    text = "\n".join(path.read_text() for path in emitters)
    missing = [metric.name for metric in METRICS if not re.search(rf"\b{metric.name}\b", text)]
    assert not missing


RULES = [
    (f"{path.relative_to(ROOT)}: {rule.get('alert') or rule['record']}", rule["expr"])
    for path in (ROOT / "alerting" / "rules" / "telltale.yml", ROOT / "exporters" / "gpu" / "recording.yml")
    for group in yaml.safe_load(path.read_text())["groups"]
    for rule in group["rules"]
]
RECORDED = {
    rule["record"]
    for path in (ROOT / "alerting" / "rules" / "telltale.yml", *ROOT.glob("*/**/recording.yml"))
    if ".venv" not in path.parts
    for group in yaml.safe_load(path.read_text())["groups"]
    for rule in group["rules"]
    if "record" in rule
}
# Expected of models that a file of objectives names; without one there are none.
RECORDED_BY_CHOICE = "telltale_slo:expected:info"


def panels() -> Iterator[tuple[str, str]]:
    """(dashboard and panel, PromQL) of every query that a panel asks, with Grafana's variables filled in."""
    for path in sorted((ROOT / "dashboards" / "json").glob("*.json")):
        board = json.loads(path.read_text())
        for panel in (one for outer in board["panels"] for one in (outer, *(outer.get("panels") or []))):
            for target in panel.get("targets") or []:
                expr = re.sub(r"\$__(?:rate_interval|range)\b", "5m", target["expr"])
                yield f"{path.name}: {panel['title']}", re.sub(r"\$\w+", "1", expr)


def series_read(expr: str) -> set[str]:
    """The names of the series that a PromQL expression reads."""
    found: set[str] = set()
    nodes: list[Any] = [promql_parser.parse(expr)]
    while nodes:
        node = nodes.pop()
        if isinstance(node, promql_parser.VectorSelector):
            assert node.name, f"a selector without a name hides what it reads: {expr}"
            found.add(node.name)
        inner = [getattr(node, name, None) for name in ("expr", "lhs", "rhs", "vector_selector", "param")]
        nodes += [child for child in (*inner, *(getattr(node, "args", None) or [])) if child is not None]
    return found


def series_of(metric: Metric) -> set[str]:
    """The series names of a family: a histogram has three."""
    if metric.kind == "histogram":
        return {f"{metric.name}_{suffix}" for suffix in ("bucket", "sum", "count")}
    return {metric.name}


def test_every_rule_and_panel_is_seen() -> None:
    """The inputs of the two tests below: none may be skipped."""
    assert len(RULES) == sum(
        len(re.findall(r"^\s*- (?:alert|record):", path.read_text(), re.M))
        # The resource for Kubernetes holds the same rules.
        for path in (*(ROOT / "alerting" / "rules").glob("telltale*.yml"), *ROOT.glob("exporters/**/recording.yml"))
    )
    queries = sum(path.read_text().count('"expr": ') for path in (ROOT / "dashboards" / "json").glob("*.json"))
    annotations = 3 * len(list((ROOT / "dashboards" / "json").glob("*.json")))
    assert len(list(panels())) == queries - annotations


def test_every_metric_that_is_used_exists() -> None:
    """A rule or panel over a name that nobody emits stays silent forever."""
    known = {name for metric in METRICS for name in series_of(metric)} | RECORDED | {RECORDED_BY_CHOICE}
    # Of which these are, `test_rules` says name by name.
    foreign = re.compile(
        r"up|ALERTS|scrape_\w+|prometheus_\w+|alertmanager_\w+|otelcol_\w+|vllm:\w+|sglang:\w+|DCGM_\w+"
    )
    unknown = {
        (where, name)
        for where, expr in (*RULES, *panels())
        for name in series_read(expr) - known
        if not foreign.fullmatch(name)
    }
    assert unknown == set()


def test_every_recorded_series_is_used() -> None:
    used = {name for _, expr in (*RULES, *panels()) for name in series_read(expr)}
    assert RECORDED - used == set()


def test_every_metric_of_the_catalogue_is_used() -> None:
    """A metric that no rule, recording rule or panel reads costs every scrape for nothing.

    Other people's dashboards do not count: what they read is on a separate page, under names that are not in the
    catalogue (`exporters/gpu/expose/dcgm.py`).
    """
    used = {name for _, expr in (*RULES, *panels()) for name in series_read(expr)}
    assert [metric.name for metric in METRICS if not series_of(metric) & used] == []


EMITTERS = "tests/exporters/traces/emitters"


@pytest.mark.parametrize("path", ["requirements.lock", f"{EMITTERS}/requirements.lock", f"{EMITTERS}/sdk-1.44.lock"])
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
