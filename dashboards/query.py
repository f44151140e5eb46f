"""Queries: what a panel asks Prometheus."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from dashboards.style import Json
from telltale.catalogue import METRICS

SOURCE = {"type": "prometheus", "uid": "${datasource}"}

# Emitted by Prometheus and Alertmanager about themselves.
FOREIGN = (
    "ALERTS",
    "up",
    "scrape_duration_seconds",
    "prometheus_rule_evaluation_failures_total",
    "prometheus_tsdb_head_series",
    "alertmanager_notifications_failed_total",
    "alertmanager_notifications_total",
)
# Recorded by the GPU exporter's rules for Prometheus, and for objectives by ours.
RECORDED = (
    "tenant_model_layer:gpu_busy_seconds:rate5m",
    "tenant_model_layer:gpu_energy_joules:rate5m",
    "model_layer:gpu_seconds_per_1000_tokens:ratio5m",
    "model_layer:gpu_joules_per_1000_tokens:ratio5m",
    "telltale_slo:error_budget:ratio",
    "telltale_slo:error_budget_left:ratio",
    "telltale_slo:burn_rate:ratio1h",
    "telltale_slo:burn_rate:ratio6h",
    "telltale_slo:burn_rate:ratio3d",
    "telltale_slo:calls:increase5m",
    "telltale_slo:calls:increase1d",
    "telltale_slo:bad_calls:increase5m",
)
_KNOWN = {metric.name: metric.kind for metric in METRICS} | dict.fromkeys((*FOREIGN, *RECORDED), "gauge")


@dataclass(frozen=True, slots=True)
class Query:
    """One PromQL expression. `table` asks for the newest value of each series instead of its history."""

    expr: str
    legend: str = ""
    exemplars: bool = False
    table: bool = False

    def target(self, ref: str) -> Json:
        shape = (
            {"format": "table", "instant": True, "range": False} if self.table else {"instant": False, "range": True}
        )
        return {
            "refId": ref,
            "datasource": SOURCE,
            "editorMode": "code",
            "expr": self.expr,
            "legendFormat": self.legend or "__auto",
            "exemplar": self.exemplars,
            **shape,
        }


def targets(queries: Iterable[Query]) -> list[Json]:
    """Queries as Grafana writes them, named A, B, C…"""
    return [query.target(chr(ord("A") + index)) for index, query in enumerate(queries)]


def metrics(queries: Iterable[Query]) -> list[str]:
    """The metric families that the queries read, in order of first use."""
    words = (word for query in queries for word in re.findall(r"[A-Za-z_:][A-Za-z0-9_:]*", query.expr))
    families = (_family(word) for word in words)
    return list(dict.fromkeys(family for family in families if family))


def where(selector: str, matcher: str) -> str:
    """The selector with one more matcher, written as in PromQL."""
    return f"{selector.removesuffix('}')},{matcher}}}"


def share(part: str, whole: str) -> str:
    """`part` of `whole`, without value where the whole is zero."""
    return f"{part}\n  / ({whole} > 0)"


def quantile(level: float, *selectors: str, by: str = "") -> str:
    """A quantile over the buckets of one histogram, or of several that never hold the same call.

    Without calls it has no value: what Prometheus gives then is not a number, and no number is at least zero.
    """
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({level},\n  sum by ({labels}) ({_rates('bucket', selectors)})\n) >= 0"


def within(bound: str, *selectors: str) -> str:
    """The share of observations up to a bucket's bound. Takes selectors as `quantile` does."""
    bounded = [selector.replace("{", f'{{le="{bound}",') for selector in selectors]
    return share(f"sum({_rates('bucket', bounded)})", f"sum({_rates('count', selectors)})")


def _rates(suffix: str, selectors: Iterable[str]) -> str:
    named = (selector.replace("{", f"_{suffix}{{") for selector in selectors)
    return " or ".join(f"rate({selector}[$__rate_interval])" for selector in named)


def _family(word: str) -> str:
    stem = re.sub(r"_(bucket|sum|count)$", "", word)
    if _KNOWN.get(stem) == "histogram":
        return stem
    return word if word in _KNOWN else ""
