"""Everything that a ticket's page shows, gathered from the store: what, since when, what changed, why not noise."""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup
from sqlalchemy import Connection

from alerting.report.chart import draw
from alerting.rules.model import ADDED_UP, ALL
from telltale.evidence.alerts import TicketAlert
from telltale.evidence.scores import Examples, Table
from telltale.feedback import author, current, match, votes
from telltale.records import Feedback, Sample, Score, Ticket
from telltale.settings import Settings
from telltale.store import feedback, samples, scores, tickets
from telltale.store.tickets import TicketEvent

# So many windows before the ticket are looked at, and at most so many of a series are drawn.
WINDOWS_BEFORE = 120
MAX_DRAWN = 240
MAX_EXAMPLES = 5
IN_SHORT = 6

Key = tuple[str, str, str, str, str]
Row = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class NegativeVote:
    """A person's negative vote that stands, with the call that it is about and what the person wrote."""

    event: Feedback
    call: Sample
    comment: str | None


@dataclass(frozen=True, slots=True)
class Series:
    """One monitor's view of the ticket's version: its windows and those of the version before it, oldest first.

    `judged` is the window that speaks for the ticket.
    """

    history: Sequence[Score]
    judged: Score
    report: Score | None
    alarming: bool
    chart: Markup
    current: Sequence[Sample]
    reference: Sequence[str]
    negative: Sequence[NegativeVote]

    @property
    def name(self) -> str:
        return name_of(self.judged)

    @property
    def table(self) -> Table | None:
        """What changed, the largest change first; None when there is nothing to list."""
        finding = self.judged.details.finding
        return finding.table(self.judged.direction) if finding else None

    @property
    def in_short(self) -> str:
        """The largest changes in one line; empty when there is nothing to list."""
        changes = self.table.changes if self.table else ()
        sides = (("more", [c.name for c in changes if c.z > 0]), ("less", [c.name for c in changes if c.z < 0]))
        return "; ".join(f"{side} {', '.join(names[:IN_SHORT])}" for side, names in sides if names)


@dataclass(frozen=True, slots=True)
class TicketReport:
    """A ticket with its evidence. `since` is the start of the first window that showed the change."""

    ticket: Ticket
    events: Sequence[TicketEvent]
    series: Sequence[Series]
    since: float
    export_command: str

    @property
    def alarming(self) -> list[Series]:
        return [series for series in self.series if series.alarming]

    @property
    def panels(self) -> list[tuple[str, str]]:
        """(alert, address) of the panels; an alert's annotations come from outside, so only web addresses."""
        found = {alert.name: alert.dashboard_url for alert in self.ticket.alerts.values()}
        return [(name, url) for name, url in sorted(found.items()) if url.startswith(("http://", "https://"))]

    @property
    def names(self) -> list[str]:
        """The alerts' names, each once."""
        return sorted({alert.name for alert in self.ticket.alerts.values()})

    @property
    def evidence(self) -> list[tuple[int, Score]]:
        """Reports, each once, with the window that they are on."""
        reports = [series.report for series in self.series if series.report]
        found = {score.evidence_id: score for score in reports if score.evidence_id is not None}
        return sorted(found.items(), key=lambda item: item[0])

    @property
    def is_acknowledged(self) -> bool:
        """Whether somebody acknowledged the present episode."""
        latest = [event.kind for event in self.events if event.kind in ("opened", "reopened", "acknowledged")]
        return latest[-1:] == ["acknowledged"]


def build_report(connection: Connection, ticket: Ticket, settings: Settings) -> TicketReport:
    """Read from the store what belongs to a ticket."""
    events = tickets.events(connection, ticket.id or 0)
    since = min([ticket.opened_at, *(alert.starts_at for alert in ticket.alerts.values())])
    found: list[Score] = []
    if ticket.model:
        reach = since - WINDOWS_BEFORE * settings.monitor.window
        found = scores.load(connection, model=ticket.model, since=reach)
    wanted = [_series_labels(alert) for alert in ticket.alerts.values()]
    # Of the many parts that traffic may be split into: those of the alerts, and the whole.
    parts = {("", ""), *((labels["tenant"], labels["segment"]) for labels in wanted)}
    groups = _by_series((score for score in found if (score.tenant, score.segment) in parts), ticket)
    series = [
        _series(connection, group, ticket, any(_is_of(group[-1], labels) for labels in wanted))
        for group in groups.values()
    ]
    begun = [one.judged.since for one in series if one.alarming and one.judged.since is not None]
    command = export_command(ticket, settings)
    return TicketReport(ticket, events, sorted(series, key=_urgency), min([since, *begun]), command)


def export_command(ticket: Ticket, settings: Settings) -> str:
    """The command that writes the ticket's data set, for a shell on this machine."""
    command = f"telltale export --ticket T-{ticket.id} --format kto -o T-{ticket.id}-kto.jsonl"
    named = settings.store.url or settings.store.url_file
    if named or settings.data_dir == Settings.model_fields["data_dir"].default:
        return command
    return f"TELLTALE_DATA_DIR={shlex.quote(str(settings.data_dir.absolute()))} {command}"


def name_of(score: Score) -> str:
    """What a series is about, in words."""
    what = "votes" if score.direction == "feedback" else f"{score.monitor} of {score.direction}s"
    tenant = f", tenant {score.tenant}" if score.tenant else ""
    segment = f", {score.segment}" if score.segment else ""
    return f"{what}{tenant}{segment} ({score.signal.replace('_', ' ')})"


def _by_series(found: Iterable[Score], ticket: Ticket) -> dict[Key, list[Score]]:
    groups = defaultdict(list)
    for score in found:
        if ticket.closed_at is None or score.window_start <= ticket.closed_at:
            groups[(score.monitor, score.signal, score.direction, score.tenant, score.segment)].append(score)
    return {key: _of_version(group, ticket.version)[-MAX_DRAWN:] for key, group in groups.items()}


def _of_version(group: Sequence[Score], version: str) -> list[Score]:
    """The windows of one version, after those of the version that was judged before its first.

    Of a version that has no windows, those of the newest that has: two that are served at once are not mixed.
    """
    own = [score for score in group if score.version == version]
    if not own:
        return [score for score in group if score.version == group[-1].version]
    before = [score for score in group if score.version != version and score.window_end <= own[0].window_start]
    return [*(score for score in before if score.version == before[-1].version), *own]


def _series(connection: Connection, history: Sequence[Score], ticket: Ticket, alarming: bool) -> Series:
    judged = _speaking(history, ticket)
    examples = judged.details.examples or Examples()
    found = samples.load(connection, ids=list(examples.current)) if examples.current else []
    return Series(
        history=history,
        judged=judged,
        # A report is made once an alarm, for the window that raised it.
        report=next((s for s in reversed(history) if s.evidence_id is not None and s.version == judged.version), None),
        alarming=alarming,
        chart=draw(history, ticket.opened_at, name_of(judged)),
        current=[] if judged.direction == "feedback" else found[:MAX_EXAMPLES],
        reference=examples.reference[:MAX_EXAMPLES],
        negative=_negative(connection, found, judged.model) if judged.direction == "feedback" else [],
    )


def _speaking(history: Sequence[Score], ticket: Ticket) -> Score:
    """The window that shows the trouble best: the newest of this version in alert, else suspect, else any."""
    own = [score for score in history if score.version == ticket.version] or list(history)
    for state in ("alert", "suspect"):
        if hits := [score for score in own if score.state == state]:
            return hits[-1]
    return own[-1]


def _negative(connection: Connection, examples: Sequence[Sample], model: str) -> list[NegativeVote]:
    """Negative votes on these calls of the model, with a comment first, then the newest."""
    traces = {sample.trace_id for sample in examples}
    if not traces:
        return []
    events = feedback.load(connection, trace_ids=traces)
    about = match(events, samples.load(connection, trace_ids=traces))
    # A comment may be an event of its own, by the same person on the same call.
    comments = {
        (author(event), about[event].id): event.comment
        for event in current(events, about)
        if event in about and event.kind == "comment"
    }
    negative = [
        NegativeVote(vote.event, vote.call, vote.event.comment or comments.get((author(vote.event), vote.call.id)))
        for vote in votes(events, about)
        if vote.is_negative and vote.call.model == model
    ]
    shown = sorted(negative, key=lambda vote: (vote.comment is None, -vote.event.received_at))[:MAX_EXAMPLES]
    ids = [vote.call.id for vote in shown if vote.call.id]
    calls = {call.id: call for call in samples.load(connection, ids=ids, whole=True)}
    return [replace(vote, call=calls.get(vote.call.id, vote.call)) for vote in shown]


def _series_labels(alert: TicketAlert) -> Mapping[str, str]:
    """The labels that an alert's series have; of a rule that adds up all series of one direction, just that."""
    direction = ADDED_UP.get(alert.name)
    of_one = [name for name in ALL if name not in ("model", "version")]
    names = ("tenant", "segment") if direction else of_one
    known = {name: alert.labels.get(name, "") for name in names}
    return known | ({"direction": direction} if direction else {})


def _is_of(score: Score, labels: Mapping[str, str]) -> bool:
    return all(getattr(score, name) == value for name, value in labels.items())


def _urgency(series: Series) -> tuple[bool, float, str]:
    judged = series.judged
    excess = (judged.effect or 0.0) / judged.threshold if judged.threshold else 0.0
    return not series.alarming, -excess, series.name
