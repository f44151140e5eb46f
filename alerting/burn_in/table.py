"""The report for a terminal: what would have fired, whom it would have told, what could not be judged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from alerting.burn_in.report import Line, Report
from alerting.intake.notification import TICKET_SEVERITIES
from alerting.rules.rule import Group
from telltale.settings import Settings

_HEAD = ("rule", "severity", "times", "alerts", "minutes", "first", "last", "told")
_RANK = {"page": 0, "ticket": 1, "info": 2}


def text(report: Report, told: Mapping[str, str]) -> str:
    """The report for a terminal; `told` says by rule who would hear of it."""
    fired = sorted((line for line in report.lines if line.times), key=lambda line: (_RANK[line.severity], -line.times))
    rows = [
        ("rule", "severity", "times", "alerts", "minutes", "first", "last", "told"),
        *(_row(x, told) for x in fired),
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    quiet = [line for line in report.lines if not line.times and not line.left_out]
    unknown = [line for line in report.lines if line.left_out]
    head = [f"{report.days:.1f} days, {len(report.lines)} rules, evaluated every {report.step:g} s", ""]
    return "\n".join([*head, *(lines if fired else ["no rule would have fired"]), "", *_foot(report, quiet, unknown)])


def _row(line: Line, told: Mapping[str, str]) -> tuple[str, ...]:
    def when(at: float | None) -> str:
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M") if at is not None else ""

    last = "still firing" if line.still_firing else when(line.last)
    counts = (str(line.times), str(line.alerts), f"{line.minutes:.0f}")
    return (line.rule, line.severity, *counts, when(line.first), last, told.get(line.rule, ""))


def _foot(report: Report, quiet: list[Line], unknown: list[Line]) -> Iterable[str]:
    for name in ("page", "ticket"):
        count = report.times(name)
        yield f"{name}s: {count} ({count / report.days:.2f} a day)"
    yield f"silent: {len(quiet)} rules"
    if unknown:
        yield f"not judged: {len(unknown)} rules"
    yield from (f"  {line.rule}: {line.left_out}" for line in unknown)


def told(groups: Iterable[Group], settings: Settings) -> dict[str, str]:
    """By rule, who would hear of it; a receiver of some models, tenants or teams only with `some`."""
    in_teams = {name for team in settings.teams for name in team.receivers}
    found: dict[str, str] = {}
    for rule in (rule for group in groups for rule in group.rules):
        people = ["tickets"] if rule.severity in TICKET_SEVERITIES else []
        for one in settings.receivers:
            if not one.deadman and rule.severity in one.told_of and (not one.lanes or rule.lane in one.lanes):
                some = bool(one.models or one.tenants or one.name in in_teams)
                people.append(f"{one.name} (some)" if some else one.name)
        found[rule.name] = ", ".join(people)
    return found
