"""Rules as the YAML that Prometheus reads."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from urllib.parse import quote

import yaml

from alerting.rules.rule import Group, Record, Rule
from telltale.settings import Settings

# What can be chosen on a dashboard, by the labels of alerts; on the others a model at most.
CHOICES = {"serving": ("model", "layer"), "slo": ("slo", "model")}
HEAD = "# Made by `telltale rules` from alerting/rules/*.py; edit there.\n"


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks, so that expressions can be read."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)


def to_yaml(groups: Iterable[Group], settings: Settings) -> str:
    """The rule file."""
    table = {"groups": [_group(group, settings) for group in groups]}
    return HEAD + yaml.dump(table, Dumper=_Dumper, sort_keys=False, width=inf, allow_unicode=True)


def duration(seconds: float) -> str:
    """Seconds as Prometheus writes them: 90s, 1500ms."""
    return f"{seconds:.0f}s" if float(seconds).is_integer() else f"{seconds * 1000:.0f}ms"


def _group(group: Group, settings: Settings) -> dict[str, object]:
    return {
        "name": group.name,
        **({"interval": duration(group.interval_s)} if group.interval_s else {}),
        "rules": [*map(_record, group.records), *(_rule(rule, settings) for rule in group.rules)],
    }


def _record(record: Record) -> dict[str, object]:
    labels = {"labels": dict(record.labels)} if record.labels else {}
    return {"record": record.name, "expr": record.expr, **labels}


def _rule(rule: Rule, settings: Settings) -> dict[str, object]:
    timing = {"for": rule.hold_s, "keep_firing_for": rule.keep_s}
    return {
        "alert": rule.name,
        "expr": rule.expr,
        **{name: duration(seconds) for name, seconds in timing.items() if seconds},
        "labels": _labels(rule),
        "annotations": {
            "summary": rule.summary,
            "description": rule.description,
            "signal": rule.signal,
            "runbook_url": f"{settings.web_url}/runbooks/{rule.name}",
            "dashboard_url": _panel(rule, settings),
        },
    }


def _labels(rule: Rule) -> dict[str, str]:
    tickets = {"ticket_by": ", ".join(rule.ticket_by)} if rule.ticket_by else {}
    return {"severity": rule.severity, "lane": rule.lane, "component": rule.component, **tickets}


def _panel(rule: Rule, settings: Settings) -> str:
    """Where the signal can be seen: the part's Grafana dashboard, else Prometheus' own graph of the condition."""
    if settings.grafana.url:
        chosen = "&".join(
            f"var-{label}={{{{ $labels.{label} | urlquery }}}}"
            for label in CHOICES.get(rule.component, ("model",))
            if f"$labels.{label}" in rule.signal
        )
        return f"{settings.grafana.url.rstrip('/')}/d/telltale-{rule.component}{'?' if chosen else ''}{chosen}"
    # Prometheus 3 sends it on to /query, which Prometheus 2 does not have.
    return f"{settings.prometheus_url}/graph?g0.expr={quote(rule.expr)}&g0.tab=0"
