"""The state of the loop on one screen, and the audit log."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Request
from sqlalchemy import Connection
from starlette.responses import Response

from telltale.closed import DECIDED, closed_as
from telltale.records import Score, SeriesState, Ticket
from telltale.store import audit, feedback, samples, scores, series_states, tickets
from telltale.store.review.audits import Audit
from telltale.store.series_states import SeriesStatus
from telltale.web import openapi
from telltale.web.model_view import GAPS, STATES, worst
from telltale.web.pages import render
from telltale.web.principal import require
from telltale.web.roles import Principal
from telltale.web.state import state

router = APIRouter(include_in_schema=False)

DAY_S = 86400.0
MOST_REASONS = 4
MOST_DECIDED = 500


@dataclass(slots=True)
class ModelRow:
    """One model: when it was last seen, what the monitors say of its series, which tickets are open for it.

    `decided` are tickets that a person closed though their alerts fire on, or may fire and open nothing; `scores` are
    the newest ones that show a change, `unjudged` why nothing is said, with how often.
    """

    model: str
    samples: int = 0
    last_sample: float | None = None
    last_window: float | None = None
    statuses: list[SeriesStatus] = field(default_factory=list)
    scores: list[Score] = field(default_factory=list)
    tickets: list[Ticket] = field(default_factory=list)
    decided: list[Ticket] = field(default_factory=list)
    audits: list[Audit] = field(default_factory=list)

    @property
    def unknown(self) -> list[SeriesStatus]:
        """What is not judged because its calls, beside those of known versions, tell only the model's name."""
        if all(status.version == self.model for status in self.statuses):
            return []
        return [status for status in self.statuses if status.version == self.model and status.state in GAPS]

    @property
    def known(self) -> list[SeriesStatus]:
        unknown = self.unknown
        return [status for status in self.statuses if status not in unknown]

    @property
    def others(self) -> str:
        """How many series are in each of the states that need no attention."""
        counts = Counter(status.state for status in self.known)
        quiet = [f"{counts[state]} {state.replace('_', ' ')}" for state in STATES[2:] if counts[state]]
        return f"series: {', '.join(quiet)}" if quiet else ""

    @property
    def unjudged(self) -> list[tuple[SeriesStatus, int]]:
        """Why nothing is judged: each reason with one of its series, and how many there are."""
        found: dict[tuple[str, str], list[SeriesStatus]] = defaultdict(list)
        for status in self.known:
            if status.reason:
                found[status.state, status.reason].append(status)
        return [(group[0], len(group)) for group in found.values()][:MOST_REASONS]

    @property
    def state(self) -> SeriesState | None:
        return worst(self.known) if self.known else None


@router.get("/api/v1/openapi.json")
def describe_api(request: Request, principal: Annotated[Principal, Depends(require("viewer"))]) -> dict[str, object]:
    """The API in OpenAPI's terms; like everything else it is closed until the first administrator exists."""
    app: FastAPI = request.app
    return openapi.describe(app)


@router.get("/")
def home(request: Request, principal: Annotated[Principal, Depends(require("viewer"))]) -> Response:
    here = state(request)
    since = here.clock() - DAY_S
    with here.store.read() as connection:
        rows = model_rows(connection, since)
        for audited in here.audits.newest(connection, here.clock()):
            for row in rows:
                if row.model == audited.model:
                    row.audits.append(audited)
        recent = feedback.recent(connection, limit=5)
        votes = feedback.count(connection, since)
    return render(
        request,
        "home.html",
        models=rows,
        closed_as=closed_as,
        recent=recent,
        votes=votes,
        waiting=here.store.waiting,
        may_read=principal.allows("reviewer"),
        otlp=here.settings.collector.http_listen,
        web_url=here.settings.web_url,
    )


@router.get("/audit")
def audit_log(request: Request, _: Annotated[Principal, Depends(require("admin"))]) -> Response:
    with state(request).store.read() as connection:
        entries, fault = audit.entries(connection, 200), audit.fault(connection, state(request).store.head)
    return render(request, "audit.html", entries=entries, fault=fault)


def model_rows(connection: Connection, since: float) -> list[ModelRow]:
    """Every model with samples or windows since then or with an open ticket, worst first."""
    rows: dict[str, ModelRow] = {}
    for model, number, last in samples.activity(connection, since):
        rows[model] = ModelRow(model, number, last)
    for ticket in tickets.load(connection, states=("open", "recovering", "blind")):
        rows.setdefault(ticket.model, ModelRow(ticket.model)).tickets.append(ticket)
    for status in series_states.load(connection):
        # A series that ended long ago is no news, unless somebody works on its ticket.
        if status.state != "stale" or status.changed_at >= since or status.model in rows:
            row = rows.setdefault(status.model, ModelRow(status.model))
            row.statuses.append(status)
            row.last_window = max(row.last_window or 0.0, status.judged_until or 0.0) or None
    for score in scores.latest(connection):
        if score.model in rows and score.state != "ok":
            rows[score.model].scores.append(score)
    for ticket in tickets.decided(connection, DECIDED, MOST_DECIDED):
        if ticket.model in rows and _says_why(ticket):
            rows[ticket.model].decided.append(ticket)
    return sorted(rows.values(), key=_urgency)


def _says_why(ticket: Ticket) -> bool:
    """Whether it says why an alert has no open ticket."""
    return ticket.close_reason == "wontfix" or any(alert.is_firing for alert in ticket.alerts.values())


def _urgency(row: ModelRow) -> tuple[bool, int, str]:
    worst = STATES.index(row.state) if row.state else len(STATES)
    return not row.tickets, worst, row.model
