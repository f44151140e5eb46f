"""A ticket's series: the windows that monitors judged, near its beginning and the newest, with what changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from markupsafe import Markup
from sqlalchemy import Connection

from alerting.report.chart import draw
from alerting.rules.model import ADDED_UP, ALL
from telltale.evidence.alerts import TicketAlert
from telltale.evidence.explanation import Explanation
from telltale.evidence.scores import Examples, Table
from telltale.feedback import author, current, match, votes
from telltale.records import Direction, Feedback, Sample, Score, Ticket
from telltale.store import feedback, samples, scores

# So many windows before the ticket, after its beginning and before its end are looked at.
WINDOWS: Final = 120
# At most so many windows of a series are drawn, and so many are read in all.
MAX_DRAWN: Final = 2 * WINDOWS
MAX_READ: Final = 20_000
# Of a ticket of many parts of the traffic so many are looked at, and so many series are shown.
MAX_PARTS: Final = 40
MAX_SERIES: Final = 30
MAX_EXAMPLES: Final = 5
IN_SHORT: Final = 6

Key = tuple[str, str, Direction, str, str]


@dataclass(frozen=True, slots=True)
class NegativeVote:
    """A person's negative vote that stands, with the call that it is about and what the person wrote."""

    event: Feedback
    call: Sample
    comment: str | None


@dataclass(frozen=True, slots=True)
class Series:
    """One monitor's view of the ticket's version: its windows and those of the version before it, oldest first.

    `judged` is the window that speaks for the ticket; only of it there are details.
    """

    history: Sequence[Score]
    judged: Score
    report: Score | None
    alarming: bool
    chart: Markup
    current: Sequence[Sample]
    reference: Sequence[str]
    negative: Sequence[NegativeVote]
    typical: Mapping[int, Sample] = field(default_factory=dict)
    """Calls that an explanation names as typical, by id."""

    @property
    def explanation(self) -> Explanation | None:
        """What explains the window that speaks, where it was explained."""
        return self.judged.details.explanation if self.alarming else None

    @property
    def told(self) -> str:
        """What changed, in sentences, or in one line; empty when there is nothing to tell."""
        return self.explanation.sentence if self.explanation else self.in_short

    @property
    def name(self) -> str:
        return name_of(self.judged)

    @property
    def tables(self) -> tuple[Table, ...]:
        """What changed, the largest change first; empty when there is nothing to list."""
        finding = self.judged.details.finding
        table = finding.table(self.judged.direction) if finding else None
        return (table,) if table and table.changes else ()

    @property
    def in_short(self) -> str:
        """The largest changes in one line; empty when there is nothing to list."""
        changes = [change for table in self.tables for change in table.changes]
        sides = (("more", [c.name for c in changes if c.z > 0]), ("less", [c.name for c in changes if c.z < 0]))
        return "; ".join(f"{side} {', '.join(names[:IN_SHORT])}" for side, names in sides if names)

    @property
    def exceeded(self) -> bool:
        """Whether the window that speaks was over its threshold."""
        return _exceeds(self.judged)

    @property
    def since(self) -> float | None:
        """When the change began, or the start of the first window that showed it; None where none does."""
        if self.explanation and self.explanation.onset:
            return self.explanation.onset.at
        if self.judged.since is not None:
            return self.judged.since
        begun = None
        for score in reversed([score for score in self.history if score.window_end <= self.judged.window_end]):
            if score.state == "ok" or score.version != self.judged.version:
                break
            begun = score.window_start
        return begun


def load(connection: Connection, ticket: Ticket, since: float, now: float, window: float) -> tuple[list[Series], int]:
    """The series of the alerts' parts of the traffic, and of the whole, the most urgent first; and how many more.

    `since` is when the first alert began, `window` the least length of a window in seconds.
    """
    if not ticket.model:
        return [], 0
    wanted = _wanted(ticket)
    # Of the many parts that traffic may be split into: those of the alerts, and the whole.
    parts = {("", ""), *((labels["tenant"], labels["segment"]) for labels in wanted)}
    reach, until = WINDOWS * window, ticket.closed_at or now
    spans = [(since - reach, since + reach), (until - reach, until + window)]
    found = scores.around(connection, ticket.model, parts, spans, MAX_READ)
    histories = [_of_version(group, ticket.version)[-MAX_DRAWN:] for group in _grouped(found, ticket).values()]
    judged = [(history, _speaking(history, ticket)) for history in histories]
    alarming = [(any(_is_of(one, labels) for labels in wanted), history, one) for history, one in judged]
    ordered = sorted(alarming, key=lambda entry: _urgency(entry[0], entry[2]))
    shown = ordered[:MAX_SERIES]
    whole = scores.get(connection, [one.id for _, _, one in shown if one.id is not None])
    series = [
        _series(connection, history, whole.get(one.id or 0, one), ticket, is_alarming)
        for is_alarming, history, one in shown
    ]
    return series, len(ordered) - len(shown)


def beginnings(alarming: Sequence[Series]) -> list[float]:
    """When each series began to change: the start of a window is no news where a moment in it is known of another."""
    moments = [one.explanation.onset.at for one in alarming if one.explanation and one.explanation.onset]

    def is_known(series: Series, since: float) -> bool:
        length = series.judged.window_end - series.judged.window_start
        return any(since <= moment < since + length for moment in moments)

    starts = [(one, one.since) for one in alarming]
    return [since for one, since in starts if since is not None and (since in moments or not is_known(one, since))]


def name_of(score: Score) -> str:
    """What a series is about, in words."""
    what = "votes" if score.direction == "feedback" else f"{score.monitor} of {score.direction}s"
    tenant = f", tenant {score.tenant}" if score.tenant else ""
    segment = f", {score.segment}" if score.segment else ""
    return f"{what}{tenant}{segment} ({score.signal.replace('_', ' ')})"


def of_model(ticket: Ticket) -> list[TicketAlert]:
    """The alerts that speak of the ticket's model: one that stands for duplicates has others' too."""
    return [alert for alert in ticket.alerts.values() if alert.labels.get("model", ticket.model) == ticket.model]


def _wanted(ticket: Ticket) -> list[Mapping[str, str]]:
    """The labels of the series that alerts are about, each once, those that fire now or fired last first."""
    newest_first = sorted(of_model(ticket), key=lambda alert: (not alert.is_firing, -alert.starts_at))
    return list({tuple(sorted(one.items())): one for one in map(_series_labels, newest_first)}.values())[:MAX_PARTS]


def _grouped(found: Iterable[Score], ticket: Ticket) -> dict[Key, list[Score]]:
    groups: dict[Key, list[Score]] = defaultdict(list)
    for score in found:
        if ticket.closed_at is None or score.window_start <= ticket.closed_at:
            groups[(score.monitor, score.signal, score.direction, score.tenant, score.segment)].append(score)
    return groups


def _of_version(group: Sequence[Score], version: str) -> list[Score]:
    """The windows of one version, after those of the version that was judged before its first.

    Of a version that has no windows, those of the newest that has: two that are served at once are not mixed.
    """
    own = [score for score in group if score.version == version]
    if not own:
        return [score for score in group if score.version == group[-1].version]
    before = [score for score in group if score.version != version and score.window_end <= own[0].window_start]
    return [*(score for score in before if score.version == before[-1].version), *own]


def _series(connection: Connection, history: Sequence[Score], judged: Score, ticket: Ticket, alarming: bool) -> Series:
    examples = judged.details.examples or Examples()
    of_votes = judged.direction == "feedback"
    ids = list(examples.current) if of_votes else list(examples.current[:MAX_EXAMPLES])
    found = samples.load(connection, ids=ids, whole=not of_votes) if ids and (alarming or of_votes) else []
    explained = judged.details.explanation if alarming else None
    typical = [number for theme in explained.themes for number in theme.ids] if explained else []
    return Series(
        history=history,
        judged=judged,
        # A report is made once an alarm, for the window that raised it.
        report=next((s for s in reversed(history) if s.evidence_id is not None and s.version == judged.version), None),
        alarming=alarming,
        chart=draw(history, ticket.opened_at, name_of(judged)),
        current=[] if of_votes else found,
        reference=examples.reference[:MAX_EXAMPLES],
        negative=_negative(connection, found, judged.model) if of_votes else [],
        typical={one.id or 0: one for one in samples.load(connection, ids=typical)} if typical else {},
    )


def _speaking(history: Sequence[Score], ticket: Ticket) -> Score:
    """The window that shows the trouble best: the newest of this version in alert and over its threshold.

    Else the newest suspect one over it, else one in alert, else suspect, else any: an alert holds for a while after
    its value went down.
    """
    own = [score for score in history if score.version == ticket.version] or list(history)
    for is_over in (True, False):
        for state in ("alert", "suspect"):
            if hits := [score for score in own if score.state == state and (_exceeds(score) or not is_over)]:
                return hits[-1]
    return own[-1]


def _exceeds(score: Score) -> bool:
    return score.effect is not None and score.threshold is not None and score.effect > score.threshold


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


def _urgency(alarming: bool, judged: Score) -> tuple[bool, float, str]:
    excess = (judged.effect or 0.0) / judged.threshold if judged.threshold else 0.0
    return not alarming, -excess, name_of(judged)
