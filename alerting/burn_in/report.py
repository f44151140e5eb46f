"""What would have happened: every rule over a span of the past, and the sum of it for those who would be woken."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass

from alerting.burn_in.history import History, TooMuch
from alerting.burn_in.replay import Span, firing, merged
from alerting.rules.rule import Group, Rule

DAY_S = 86400.0
# What stands in parentheses or braces without being a metric, and words of PromQL that are no functions.
_NO_METRIC = re.compile(
    r'"[^"]*"|\{[^}]*\}|\[[^\]]*\]|\b(?:by|on|ignoring|without|group_left|group_right) \([^)]*\)|\boffset \w+'
)
_WORDS = {"and", "or", "unless", "bool", "offset", "by", "on"}
_NAME = re.compile(r"[a-zA-Z_][\w:]*(?!\w)(?!\s*\()")
_AGGREGATIONS = {"sum", "min", "max", "avg", "count", "group", "count_values", "topk", "quantile", "stddev"}


@dataclass(frozen=True, slots=True)
class Line:
    """What one rule would have done.

    `times` is how often it began to fire while none of its alerts did: what wakes somebody. `alerts` counts each series
    by itself. `left_out` says why a rule could not be judged; then all else is nothing known, not nothing found.
    """

    rule: str
    severity: str
    lane: str
    times: int = 0
    alerts: int = 0
    minutes: float = 0.0
    first: float | None = None
    last: float | None = None
    still_firing: bool = False
    left_out: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """All rules over the days between `start` and `end`, Unix seconds, evaluated every `step` seconds."""

    start: float
    end: float
    step: float
    lines: tuple[Line, ...]

    @property
    def days(self) -> float:
        return (self.end - self.start) / DAY_S

    def times(self, severity: str) -> int:
        """How often rules of this severity would have begun to fire."""
        return sum(line.times for line in self.lines if line.severity == severity)

    def table(self) -> dict[str, object]:
        """Ready for JSON."""
        per_day = {f"{name}s_a_day": round(self.times(name) / self.days, 3) for name in ("page", "ticket")}
        head = {"start": self.start, "end": self.end, "step": self.step, "days": round(self.days, 3)}
        totals = {f"{name}s": self.times(name) for name in ("page", "ticket")}
        return {**head, **totals, **per_day, "rules": [asdict(line) for line in self.lines]}


def metrics(expr: str) -> frozenset[str]:
    """Names of the series that an expression reads."""
    names = set(_NAME.findall(_NO_METRIC.sub("", expr)))
    return frozenset(name for name in names - _WORDS - _AGGREGATIONS if not name[0].isdigit())


def burn_in(
    groups: Iterable[Group], history: History, start: float, end: float, step: float, said: Callable[[str, float], None]
) -> Report:
    """Replay every alert; `said` is told the rule at work and its share of the whole. Raises HistoryError."""
    known, groups = history.names(start, end), tuple(groups)
    recorded = {record.name for group in groups for record in group.records} | {"ALERTS"}
    rules = [rule for group in groups for rule in group.rules]
    lines = []
    for place, rule in enumerate(rules):
        said(rule.name, place / len(rules))
        why = _left_out(rule, known, recorded)
        lines.append(_line(rule, history, (start, end), step) if not why else _blank(rule, why))
    return Report(start, end, step, tuple(lines))


def _left_out(rule: Rule, known: frozenset[str], recorded: set[str]) -> str:
    """Why nothing can be said of a rule: a rule without its series finds nothing, and that is no good news."""
    reads = metrics(rule.expr)
    if missing := sorted((reads & recorded) - known):
        return f"reads {', '.join(missing)}, which our rules record and this Prometheus does not have yet"
    if reads and not reads & known:
        return f"no series of {', '.join(sorted(reads))}"
    return ""


def _line(rule: Rule, history: History, span: tuple[float, float], step: float) -> Line:
    start, end = span
    try:
        held = history.held(rule.expr, start, end, step, lambda _: None)
    except TooMuch as error:
        return _blank(rule, str(error))
    alerts = [one for times in held.values() for one in firing(times, rule.hold_s, rule.keep_s, step)]
    together = merged(alerts, step)
    return Line(
        *(rule.name, rule.severity, rule.lane),
        times=len(together),
        alerts=len(alerts),
        minutes=round(sum(min(one.end, end) - one.start + step for one in together) / 60, 1),
        first=together[0].start if together else None,
        last=min(end, together[-1].end) if together else None,
        still_firing=_ends_at(together, end),
    )


def _ends_at(together: list[Span], end: float) -> bool:
    return bool(together) and together[-1].end >= end


def _blank(rule: Rule, why: str) -> Line:
    return Line(rule.name, rule.severity, rule.lane, left_out=why)
