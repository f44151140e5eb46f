"""Everything that a ticket's page shows, gathered from the store: what, since when, what changed, why not noise."""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup
from sqlalchemy import Connection

from alerting.report.chart import draw
from telltale.evidence.alerts import TicketAlert
from telltale.records import Feedback, Sample, Score, Ticket
from telltale.settings import Settings
from telltale.store import feedback, samples, scores, tickets
from telltale.store.tickets import TicketEvent

# So many windows before the ticket are looked at, and at most so many of a series are drawn.
WINDOWS_BEFORE = 120
MAX_DRAWN = 240
NEGATIVE = 0.5
MAX_WORDS = 12
MAX_EXAMPLES = 5
IN_SHORT = 6

Key = tuple[str, str, str, str]
Row = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Bad:
    """A negative vote with its answer."""

    event: Feedback
    sample: Sample | None


@dataclass(frozen=True, slots=True)
class Series:
    """One monitor's view of the model: its windows, oldest first, and the one that speaks for the ticket."""

    history: Sequence[Score]
    judged: Score
    report: Score | None
    alarming: bool
    chart: Markup
    current: Sequence[Sample]
    reference: Sequence[str]
    negative: Sequence[Bad]

    @property
    def name(self) -> str:
        return name_of(self.judged)

    @property
    def words(self) -> list[Row]:
        """Words that became more or less frequent, the largest change first."""
        return _rows(self.judged.details.get("words"), ("word", "z", "current_share", "reference_share"))

    @property
    def in_short(self) -> str:
        """The largest changes in one line; empty when this monitor names none."""
        if self.words:
            return _moved([(str(row["word"]), row["z"]) for row in self.words])
        return _moved([(str(row["name"]).replace("_", " "), row["z"]) for row in self.descriptors])

    @property
    def descriptors(self) -> list[Row]:
        """Properties of the texts by size of change."""
        return _rows(self.judged.details.get("descriptors"), ("name", "z", "current_mean", "reference_mean"))


@dataclass(frozen=True, slots=True)
class TicketReport:
    """A ticket with its evidence."""

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
    wanted = {_series_key(alert) for alert in ticket.alerts.values()}
    groups = _by_series(found, ticket)
    series = [_series(connection, group, ticket, key in wanted) for key, group in groups.items()]
    return TicketReport(ticket, events, sorted(series, key=_urgency), since, export_command(ticket, settings))


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
    return f"{what}{tenant} ({score.signal.replace('_', ' ')})"


def _by_series(found: Iterable[Score], ticket: Ticket) -> dict[Key, list[Score]]:
    groups = defaultdict(list)
    for score in found:
        if ticket.closed_at is None or score.window_start <= ticket.closed_at:
            groups[(score.monitor, score.signal, score.direction, score.tenant)].append(score)
    return {key: group[-MAX_DRAWN:] for key, group in groups.items()}


def _series(connection: Connection, history: Sequence[Score], ticket: Ticket, alarming: bool) -> Series:
    judged = _speaking(history, ticket)
    examples = judged.details.get("examples")
    ids = [key for key in _list(examples, "current") if isinstance(key, int)]
    texts = [text for text in _list(examples, "reference") if isinstance(text, str)]
    found = samples.load(connection, ids=ids) if ids else []
    return Series(
        history=history,
        judged=judged,
        # A report is made once an alarm, for the window that raised it.
        report=next((s for s in reversed(history) if s.evidence_id is not None and s.version == judged.version), None),
        alarming=alarming,
        chart=draw(history, ticket.opened_at, name_of(judged)),
        current=[] if judged.direction == "feedback" else found[:MAX_EXAMPLES],
        reference=texts[:MAX_EXAMPLES],
        negative=_negative(connection, found) if judged.direction == "feedback" else [],
    )


def _speaking(history: Sequence[Score], ticket: Ticket) -> Score:
    """The window that shows the trouble best: the newest of this version in alert, else suspect, else any."""
    own = [score for score in history if score.version == ticket.version] or list(history)
    for state in ("alert", "suspect"):
        if hits := [score for score in own if score.state == state]:
            return hits[-1]
    return own[-1]


def _negative(connection: Connection, found: Sequence[Sample]) -> list[Bad]:
    by_trace = {sample.trace_id: sample for sample in found}
    events = feedback.load(connection, trace_ids=list(by_trace)) if by_trace else []
    bad = [Bad(e, by_trace.get(e.trace_id)) for e in events if (e.value is not None and e.value < NEGATIVE)]
    words = {event.trace_id: event for event in events if event.comment}
    # Somebody who wrote why comes first; the words may be an event of their own.
    told = [Bad(words.get(b.event.trace_id, b.event), b.sample) for b in bad]
    return sorted(told, key=lambda b: (b.event.comment is None, -b.event.received_at))[:MAX_EXAMPLES]


def _series_key(alert: TicketAlert) -> Key:
    """The series that an alert judges."""
    label = defaultdict(str, alert.labels)
    if alert.name == "NegativeFeedbackHigh":
        return "feedback", "negative_ratio", "feedback", label["tenant"]
    return label["monitor"], label["signal"], label["direction"], label["tenant"]


def _urgency(series: Series) -> tuple[bool, float, str]:
    judged = series.judged
    excess = (judged.effect or 0.0) / judged.threshold if judged.threshold else 0.0
    return not series.alarming, -excess, series.name


def _moved(changes: Sequence[tuple[str, object]]) -> str:
    known = [(name, z) for name, z in changes if isinstance(z, int | float)]
    sides = (("more", [name for name, z in known if z > 0]), ("less", [name for name, z in known if z < 0]))
    return "; ".join(f"{side} {', '.join(names[:IN_SHORT])}" for side, names in sides if names)


def _list(value: object, name: str) -> list[object]:
    inner = value.get(name) if isinstance(value, Mapping) else None
    return list(inner) if isinstance(inner, list) else []


def _rows(value: object, needed: Sequence[str]) -> list[Row]:
    """Rows that have all that a table needs: what a monitor tells beside is its own."""
    rows = value if isinstance(value, list) else []
    return [row for row in rows if isinstance(row, Mapping) and all(name in row for name in needed)][:MAX_WORDS]
