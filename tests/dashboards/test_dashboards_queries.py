"""Every query: it parses, asks only for what is emitted, and means something."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest

from dashboards.build import PAGES
from dashboards.query import FOREIGN, RECORDED
from telltale.binaries import find, how_to_get
from telltale.catalogue import METRICS, Metric
from telltale.settings import Settings

Json = dict[str, Any]

CATALOGUE = {metric.name: metric for metric in METRICS}
# Labels that Prometheus adds at the scrape, and one that simulated GPUs have.
ADDED = {"instance", "job", "le", "__name__", "simulated", "mig"}
FILLED = {"__rate_interval": "1m", "__range": "1h"}


def expressions() -> Iterator[tuple[str, str]]:
    """(dashboard, PromQL) of panels, variables and annotations, with variables filled in."""
    for name, build in PAGES.items():
        board = build("http://pages")
        panels = [one for panel in board["panels"] for one in (panel, *(panel.get("panels") or []))]
        for panel in panels:
            for target in panel.get("targets") or []:
                yield name, fill(target["expr"])
        for event in board["annotations"]["list"]:
            yield name, fill(event["expr"])
        for variable in board["templating"]["list"]:
            if variable["type"] == "query":
                yield name, re.sub(r"label_values\((.+), (\w+)\)", r"count by (\2) (\1)", variable["definition"])


def fill(expr: str) -> str:
    """Fill variables in as Grafana would."""
    for name, value in FILLED.items():
        expr = expr.replace(f"${name}", value)
    return re.sub(r"\$(\w+)", "0.75", expr)


EXPRESSIONS = sorted(set(expressions()))


def nodes(expr: str) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """Every node of a query's tree, with its ancestors."""
    stack: list[tuple[Any, tuple[Any, ...]]] = [(promql_parser.parse(expr), ())]
    while stack:
        node, above = stack.pop()
        yield node, above
        children = [getattr(node, name, None) for name in ("expr", "lhs", "rhs", "vector_selector", "param")]
        stack += [(child, (*above, node)) for child in (*children, *(getattr(node, "args", None) or [])) if child]


def selectors(expr: str) -> Iterator[tuple[str, Any, tuple[Any, ...]]]:
    """(metric, selector, its ancestors); a selector by a pattern of names counts once for each name."""
    for node, above in nodes(expr):
        if isinstance(node, promql_parser.VectorSelector):
            pattern = next((m.value for m in node.matchers.matchers if m.name == "__name__"), None)
            names = [node.name] if node.name else [n for n in series() if re.fullmatch(pattern or "", n)]
            assert names, expr
            for name in names:
                yield name, node, above


def series() -> list[str]:
    """Every series name that the catalogue promises."""
    suffixes = ("_bucket", "_sum", "_count")
    return [
        *(metric.name for metric in METRICS if metric.kind != "histogram"),
        *(metric.name + suffix for metric in METRICS if metric.kind == "histogram" for suffix in suffixes),
    ]


def entry(name: str) -> Metric | None:
    return CATALOGUE.get(name) or CATALOGUE.get(re.sub(r"_(bucket|sum|count)$", "", name))


@pytest.mark.parametrize(("page", "expr"), EXPRESSIONS)
def test_a_query_asks_only_for_what_is_emitted(page: str, expr: str) -> None:
    for name, selector, _ in selectors(expr):
        assert name in series() or name in (*FOREIGN, *RECORDED), name
        metric = entry(name)
        if metric:
            asked = {matcher.name for matcher in selector.matchers.matchers}
            assert asked <= {*metric.labels, *ADDED}, name


@pytest.mark.parametrize(("page", "expr"), EXPRESSIONS)
def test_a_sum_groups_by_labels_that_exist(page: str, expr: str) -> None:
    made = {label for node, _ in nodes(expr) if _is_call(node, "label_replace") for label in [node.args[1].val]}
    for name, _, above in selectors(expr):
        metric = entry(name)
        inner = next((node for node in reversed(above) if isinstance(node, promql_parser.AggregateExpr)), None)
        if metric and inner is not None and inner.modifier:
            assert set(inner.modifier.labels) <= {*metric.labels, *ADDED, *made}, (name, expr)


@pytest.mark.parametrize(("page", "expr"), EXPRESSIONS)
def test_counters_are_read_as_rates_and_gauges_are_not(page: str, expr: str) -> None:
    for name, _, above in selectors(expr):
        metric = entry(name)
        rated = any(_is_call(node, "rate") or _is_call(node, "increase") for node in above)
        if metric and metric.kind == "gauge":
            assert not rated, name
        # Counts over a GPU's lifetime, and whether a series exists, need no rate.
        elif (
            metric
            and not name.startswith(("gpu_ecc", "gpu_xid", "gpu_remapped", "gpu_retired"))
            and "count by" not in expr
        ):
            assert rated, name


@pytest.mark.parametrize(("page", "expr"), [found for found in EXPRESSIONS if "histogram_quantile" in found[1]])
def test_a_quantile_keeps_the_buckets(page: str, expr: str) -> None:
    for name, _, above in selectors(expr):
        if any(_is_call(node, "histogram_quantile") for node in above):
            assert name.endswith("_bucket")
            inner = next(node for node in reversed(above) if isinstance(node, promql_parser.AggregateExpr))
            assert "le" in inner.modifier.labels


def test_every_goal_is_a_bound_of_its_histogram() -> None:
    board = PAGES["overview"]("http://pages")
    goals = {
        variable["name"]: [float(option["value"]) for option in variable["options"]]
        for variable in board["templating"]["list"]
        if variable["type"] == "custom"
    }
    for name, metrics in (
        (
            "ttft_slo",
            ("gen_ai_client_operation_time_to_first_chunk_seconds", "gen_ai_server_time_to_first_token_seconds"),
        ),
        ("tpot_slo", ("gen_ai_server_time_per_output_token_seconds",)),
    ):
        for metric in metrics:
            assert set(goals[name]) <= set(CATALOGUE[metric].buckets)


def test_prometheus_itself_accepts_every_query(tmp_path: Path, require: Callable[[object, str], None]) -> None:
    promtool = find(Settings(), "promtool")
    require(promtool, how_to_get("promtool"))
    assert promtool
    rules = "".join(f"  - record: page:query:n{i}\n    expr: {expr!r}\n" for i, (_, expr) in enumerate(EXPRESSIONS))
    rules = rules.replace("\\n", " ")
    file = tmp_path / "rules.yml"
    file.write_text("groups:\n- name: dashboards\n  rules:\n" + rules)
    done = subprocess.run([promtool, "check", "rules", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(EXPRESSIONS)} rules found" in done.stdout


def _is_call(node: Any, name: str) -> bool:
    return isinstance(node, promql_parser.Call) and node.func.name == name
