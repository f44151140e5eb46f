"""What one rule says: an alert, or a series that is recorded for alerts and dashboards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from telltale.settings.people import Lane, Severity


@dataclass(frozen=True, slots=True)
class Rule:
    """One alert. `hold_s` is Prometheus' `for`, `keep_s` its `keep_firing_for`, both in seconds.

    `signal` is the PromQL of what the alert judges, whether or not its condition holds: a ticket closes only while it
    has series, because an alert that fell silent together with its source has not recovered. Label values may be
    quoted into it with `{{ $labels.x | printf "%q" }}`.
    """

    name: str
    severity: Severity
    lane: Lane
    component: str
    expr: str
    summary: str
    description: str
    signal: str
    hold_s: float = 0.0
    keep_s: float = 0.0
    # Labels that tell the tickets of its alerts apart, where those that the alert is about by their names say too much.
    ticket_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Record:
    """A series that Prometheus writes at each evaluation: level:metric:operation, with `labels` added to its own."""

    name: str
    expr: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that Prometheus evaluates together, in order, and the series that they read, recorded before them.

    `interval_s` is the time between two evaluations; 0 takes Prometheus' own.
    """

    name: str
    rules: tuple[Rule, ...]
    records: tuple[Record, ...] = ()
    interval_s: float = 0.0


def selector(metric: str, *labels: str, **fixed: str) -> str:
    """A selector of the alert's own series: `labels` take the alert's values, quoted as PromQL strings."""
    own = [f'{label}={{{{ $labels.{label} | printf "%q" }}}}' for label in labels]
    given = [f'{name}="{value}"' for name, value in fixed.items()]
    return f"{metric}{{{','.join([*own, *given])}}}"
