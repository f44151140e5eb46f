"""What a ticket says, once, as plain text in a structure: the page, Markdown and plain text are three ways to write it.

The first screen is for somebody who was woken: what changed, how bad, since when, whom it hits, who owns it, what to do
first. Then why it is not noise, what changed in detail with examples, and what happened so far.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final
from urllib.parse import quote

from alerting import runbook
from alerting.report import explained as explained_by
from alerting.report.deploys import Deploys
from alerting.report.impact import Impact
from alerting.report.series import Series
from alerting.report.ticket_report import TicketReport
from alerting.report.titles import EVENT_TITLES
from telltale.closed import TITLES, closed_as
from telltale.evidence.scores import Table, VoteShares
from telltale.records import Ticket
from telltale.store.tickets import TicketEvent
from telltale.web.pages import ABSENT, ago, number, percent, written

MAX_TENANTS: Final = 5
MAX_ACTIONS: Final = 3
MAX_CHANGES: Final = 3
MAX_ALERTS: Final = 50
_DETAILS: Final = ("alert", "summary", "reason", "words", "person", "label", "until", "other")
_REASONS: Final = (
    *("Series", "Effect", "Threshold", "Chance on unchanged traffic"),
    *("Rows", "Windows over it", "Window"),
)


@dataclass(frozen=True, slots=True)
class Fact:
    """A line of the first screen.

    `address` is where it leads to: a path on this site, or a whole URL, or nothing. `badge` is the state, if any, by
    whose colour a page shows it.
    """

    label: str
    text: str
    address: str = ""
    badge: str = ""

    def absolute(self, web_url: str) -> str:
        """The address for readers elsewhere."""
        return f"{web_url}{self.address}" if self.address.startswith("/") else self.address


@dataclass(frozen=True, slots=True)
class Grid:
    """A table of texts; the first column names the row."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Quote:
    """What somebody wrote or was told, redacted: only for those who may read it."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Part:
    """What one monitor found in one part of the traffic, in the order of the report's series."""

    title: str
    state: str
    grids: tuple[Grid, ...]
    quotes: tuple[Quote, ...]
    lead: str = ""
    """What changed, in a sentence or two, where it was explained."""
    typical: tuple[Quote, ...] = ()
    """Of each cluster of the texts that show it a few."""
    figures: tuple[Grid, ...] = ()
    """What the explanation says, in figures."""


@dataclass(frozen=True, slots=True)
class Summary:
    """A ticket in words. `sentence` says what changed."""

    title: str
    sentence: str
    facts: tuple[Fact, ...]
    command: str
    alerts: Grid
    reasons: Grid
    parts: tuple[Part, ...]
    timeline: Grid
    hidden: str
    """What is left out, and why; empty when nothing is."""


def summarise(report: TicketReport, now: float, may_read: bool) -> Summary:
    """A ticket's report in words, for somebody who may read prompts or may not."""
    ticket = report.ticket
    hidden = [
        "" if may_read else "Prompts, responses and comments are shown to reviewers.",
        f"{report.more_series} more series are not shown." if report.more_series else "",
        f"{report.more_events} earlier events are not shown." if report.more_events else "",
    ]
    return Summary(
        title=f"T-{ticket.id} {ticket.title}",
        sentence=sentence(report),
        facts=tuple(_facts(report, now, may_read)),
        command=report.export_command if ticket.lane == "retrain" else "",
        alerts=_alerts(report),
        reasons=_reasons(report.convincing),
        parts=tuple(_part(series, may_read) for series in report.series),
        timeline=_timeline(report.events),
        hidden=" ".join(filter(None, hidden)),
    )


def sentence(report: TicketReport) -> str:
    """What changed, in one sentence."""
    convincing = report.convincing
    if not convincing:
        first = min(report.alerts, key=lambda one: (one.starts_at, one.name), default=None)
        others = len(report.alerts) + report.ticket.more_alerts - 1
        more = f" ({others} more {'alert' if others == 1 else 'alerts'})" if others > 0 else ""
        return f"{_ended((first and (first.summary or first.name)) or report.ticket.title)}{more}"
    series, model = leading(convincing), report.ticket.model
    judged = series.judged
    subject = {"prompt": "What is asked of", "response": "What is answered by", "feedback": "What people say of"}
    version = f", version {judged.version}" if judged.version and judged.version != model else ""
    part = "".join(f", {text}" for text in (judged.tenant and f"tenant {judged.tenant}", judged.segment) if text)
    changes = f": {series.in_short}" if series.in_short else ""
    others = len(convincing) - 1
    more = f" ({others} more series changed too)" if others else ""
    if series.explanation:
        return f"{model}{version}{part}: {_ended(series.told)}{more}"
    return _ended(f"{subject[judged.direction]} {model}{version}{part} has changed{changes}{more}")


def leading(convincing: Sequence[Series]) -> Series:
    """The series that a person is told of first: the most urgent of those that say how many show the change."""

    def rank(series: Series) -> int:
        measure = series.explanation.measure if series.explanation else None
        return 2 if measure is None else 1 if measure.unit == "number" else 0

    return min(convincing, key=rank)


def _facts(report: TicketReport, now: float, may_read: bool) -> Iterable[Fact]:
    ticket = report.ticket
    yield Fact("Severity", ticket.severity, badge=ticket.severity)
    yield Fact("State", state_in_words(ticket, now), badge=ticket.state)
    yield Fact("Since", f"{written(report.since)} ({ago(report.since, now)})")
    yield Fact("Impact", impact_in_words(report.impact, ticket))
    yield Fact("Owner", report.owner or "no team is named for it")
    yield Fact("Assigned to", _assigned(ticket))
    yield from _first_actions(report.names)
    yield from _of_model(report, may_read)
    uncounted = [f"{ticket.more_alerts:,} more like them"] if ticket.more_alerts else []
    yield Fact("Alerts", "; ".join([*(_counted(*count) for count in report.counts), *uncounted]) or "none")
    if ticket.labels:
        yield Fact("Labels", ", ".join(ticket.labels))
    if ticket.merged_into:
        yield Fact("Merged into", f"T-{ticket.merged_into}", f"/tickets/{ticket.merged_into}")
    for label, others in (("Stands for", report.merged), ("Linked with", report.linked)):
        for other in others:
            yield Fact(label, f"T-{other.id} {other.title} ({other.state})", f"/tickets/{other.id}")
    for name, url in report.panels:
        yield Fact("Panel", name, url)


def _of_model(report: TicketReport, may_read: bool) -> Iterable[Fact]:
    ticket = report.ticket
    first = leading(report.convincing) if report.convincing else None
    others = [series for series in report.convincing if series is not first and series.told]
    for series in others[:MAX_CHANGES]:
        yield Fact("Changed too", f"{series.name}: {series.told}")
    if ticket.model:
        yield Fact("Feedback at the time", feedback_in_words(report.series))
        yield Fact("Deploys", deploys_in_words(report.deploys, report.since))
        yield Fact("Model", ticket.model, f"/models/{quote(ticket.model, safe='')}")
    if ticket.version:
        yield Fact("Version", ticket.version)
    yield Fact("Lane", f"{ticket.lane}, episode {ticket.episode}" if ticket.episode > 1 else ticket.lane)
    for number_, score in report.evidence if may_read else ():
        text = f"on {score.direction}s, window ending {written(score.window_end)}"
        yield Fact("Evidently report", text, f"/evidence/{number_}")


def state_in_words(ticket: Ticket, now: float) -> str:
    """The ticket's state, and what will become of it."""
    words: str = ticket.state
    if ticket.close_reason and ticket.closed_at is not None:
        words += f", {closed_as(ticket)}, {written(ticket.closed_at)}"
    if ticket.verified_since:
        words += f", over since {written(ticket.verified_since)}; closes if this holds"
    if ticket.snoozed_until is not None and ticket.snoozed_until > now:
        words += f", snoozed until {written(ticket.snoozed_until)}"
    return words


def impact_in_words(impact: Impact | None, ticket: Ticket) -> str:
    """Whom it hits. What is not known is named as such."""
    if impact is None:
        return "not known: no calls are kept of it" if ticket.model else "not known: the alert names no model"
    span = f"since {written(impact.since)}" if impact.complete else f"in the newest {impact.rows:,} calls kept"
    if not impact.hit:
        return f"none of the model's calls {span}, as far as they are kept"
    tenants = ", ".join(impact.tenants[:MAX_TENANTS])
    more = len(impact.tenants) - MAX_TENANTS
    named = f"{tenants} and {more} more" if more > 0 else tenants
    users = "users not named by the calls" if impact.users is None else f"at least {_several(impact.users, 'user')}"
    failed = f", {percent(impact.failed)} of them with an error" if impact.failed else ""
    return (
        f"{percent(impact.share)} of the model's calls (about {impact.hit:,.0f}) {span}{failed}; "
        f"{len(impact.tenants)} of {_several(impact.all_tenants, 'tenant')} ({named}); {users}"
    )


def feedback_in_words(series: Sequence[Series]) -> str:
    """What people said at the same time, of the whole traffic or of the alert's part."""
    for one in series:
        finding = one.judged.details.finding
        if isinstance(finding, VoteShares):
            bounds = f"{percent(finding.negative_ratio_lower)} to {percent(finding.negative_ratio_upper)}"
            before = f"{percent(finding.reference_ratio)} of {_several(finding.reference_votes, 'vote')} before"
            now = f"{percent(finding.negative_ratio)} of {_several(one.judged.samples, 'vote')} negative ({bounds})"
            return f"{now}; {before}"
    return "not known: no window of votes was judged"


def deploys_in_words(deploys: Deploys, since: float) -> str:
    """What was new when it began."""
    if not deploys.rows:
        return "not known: no calls are kept from that time"
    if not deploys.found:
        return f"nothing new among the {deploys.rows:,} calls kept from {written(deploys.since)} on"
    return "; ".join(f"{one.what} {one.name} first seen {_relative(one.at, since)}" for one in deploys.found)


def _relative(at: float, since: float) -> str:
    apart = f"{ago(min(at, since), max(at, since)).removesuffix(' ago')} {'before' if at <= since else 'after'}"
    return f"{written(at)}, {apart}"


def _first_actions(names: Sequence[str]) -> Iterable[Fact]:
    """What the alerts' runbooks say to do first, of a few alerts."""
    known = [(name, action) for name in names if (action := runbook.first_action(name))][:MAX_ACTIONS]
    for name, action in known:
        text = action if len(known) == 1 else f"{name}: {action}"
        yield Fact("First action", text, f"/runbooks/{name}")
    if not known:
        yield Fact("First action", "not known: no runbook of these alerts says it")


def _assigned(ticket: Ticket) -> str:
    if ticket.acknowledged_at is None:
        return f"{ticket.assignee or 'nobody'}; not acknowledged"
    by = f"acknowledged by {ticket.acknowledged_by}, {written(ticket.acknowledged_at)}"
    return f"{ticket.assignee or 'nobody'}; {by}"


def _counted(name: str, firing: int, silent: int) -> str:
    counts = [f"{count} {word}" for count, word in ((firing, "firing"), (silent, "silent")) if count]
    return f"{name}: {', '.join(counts)}"


def _alerts(report: TicketReport) -> Grid:
    shown = report.alerts[:MAX_ALERTS]
    left = len(report.alerts) - len(shown) + report.ticket.more_alerts
    title = f"Alerts, {left:,} more are not shown" if left else "Alerts"
    rows = tuple((one.name, one.status, one.summary or ABSENT, written(one.starts_at)) for one in shown)
    return Grid(title, ("Alert", "State", "What", "Since"), rows)


def _reasons(convincing: Sequence[Series]) -> Grid:
    rows = []
    for series in convincing:
        judged, lasting = series.judged, series.judged.details.persistence
        windows = ABSENT
        if lasting:
            needed = "so large that one is enough" if lasting.at_once else f"{lasting.windows_needed} needed"
            windows = f"{lasting.windows_hit} of the last {lasting.windows_seen} ({needed})"
        numbers = (number(judged.effect), number(judged.threshold), number(judged.p_value), number(judged.samples))
        rows.append((series.name, *numbers, windows, f"{written(judged.window_start)} to {written(judged.window_end)}"))
    return Grid("Why this is not noise", _REASONS, tuple(rows))


def _part(series: Series, may_read: bool) -> Part:
    explained = series.explanation
    figures = explained_by.tables(explained, series.judged.direction, may_read) if explained else ()
    found = tuple(_grid(table) for table in series.tables) if series.alarming else ()
    return Part(
        title=series.name,
        state=series.judged.state,
        grids=found,
        quotes=tuple(_quotes(series)) if may_read else (),
        lead=explained.sentence if explained else "",
        typical=tuple(_typical(series)) if may_read else (),
        figures=tuple(Grid(*figure) for figure in figures),
    )


def _grid(table: Table) -> Grid:
    size = percent if table.unit == "percent" else number
    rows = tuple((one.name, size(one.current), size(one.reference), number(one.z)) for one in table.changes)
    return Grid(table.caption, (table.heading, "Now", "Reference", "z"), rows)


def _typical(series: Series) -> Iterable[Quote]:
    if series.explanation:
        told = explained_by.quotes(series.explanation, series.typical, series.judged.direction)
        yield from (Quote(*one) for one in told)


def _quotes(series: Series) -> Iterable[Quote]:
    for sample in series.current:
        yield Quote(f"Now, {written(sample.observed_at)}, trace {sample.trace_id}: prompt", sample.prompt)
        yield Quote("Response", sample.response)
    for text in series.reference if series.alarming else ():
        yield Quote(f"Reference {series.judged.direction}", text)
    for vote in series.negative:
        said = f": {vote.comment}" if vote.comment else ""
        yield Quote(f"Negative vote, {written(vote.event.received_at)}{said}; prompt", vote.call.prompt)
        yield Quote("Response", vote.call.response)


def _timeline(events: Sequence[TicketEvent]) -> Grid:
    rows = []
    # An alert of many series is many events at once, and one line.
    for _, same in groupby(events, key=_at_once):
        together = list(same)
        many = f" (and {len(together) - 1:,} more)" if len(together) > 1 else ""
        rows.append((written(together[0].at), event_in_words(together[0]) + many, together[0].actor))
    return Grid("Timeline", ("When", "What", "Who"), tuple(rows))


def _at_once(event: TicketEvent) -> tuple[object, ...]:
    alert = event.details.get("alert")
    return (event.at, event.kind, alert) if alert else (event.id,)


def event_in_words(event: TicketEvent) -> str:
    """A line of the timeline."""
    details = event.details
    told = [_detail(name, details[name]) for name in _DETAILS if details.get(name)]
    words = EVENT_TITLES.get(event.kind, event.kind) + (f": {', '.join(told)}" if told else "")
    if details.get("noticed"):
        words += " (noticed by a comparison, not by a notification)"
    return words + (f" (after T-{details['previous']})" if details.get("previous") else "")


def _detail(name: str, value: object) -> str:
    if name == "until" and isinstance(value, (int, float)):
        return written(value)
    if name == "reason":
        return TITLES.get(str(value), str(value))
    return f"T-{value}" if name == "other" else str(value)


def _several(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _ended(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."
