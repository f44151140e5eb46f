"""The list of feedback, each event beside the prompt and the response that it is about."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from sqlalchemy import Connection
from starlette.responses import Response

from telltale.feedback import current, is_negative, is_vote, match
from telltale.records import Feedback, Sample
from telltale.store import feedback, samples
from telltale.web import Nav, Principal, render, require, state

TEMPLATES = Path(__file__).parent / "templates"
NAV = (Nav("Feedback", "/feedback", "reviewer"), Nav("Review", "/review", "reviewer"))
PAGE_ROWS = 25

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Row:
    """One event, its call if that was sampled, and whether a later event of the same person replaced or withdrew it."""

    event: Feedback
    call: Sample | None
    is_superseded: bool

    @property
    def colour(self) -> str:
        """The class of its value's colour; empty for events that say neither good nor bad."""
        if not is_vote(self.event) or self.is_superseded:
            return ""
        return "alert" if is_negative(self.event) else "ok"


@router.get("/feedback")
def listing(
    request: Request,
    _: Annotated[Principal, Depends(require("reviewer"))],
    show: Literal["all", "negative", "comments"] = "all",
    before: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
) -> Response:
    with state(request).store.read() as connection:
        events = feedback.recent(connection, limit=PAGE_ROWS + 1, before_id=before, show=show)
        more, events = len(events) > PAGE_ROWS, events[:PAGE_ROWS]
        rows = _rows(connection, events)
    return render(
        request,
        "feedback_list.html",
        rows=rows,
        show=show,
        before=before,
        back=urlencode({"show": show} | ({"before": before} if before else {})),
        new_form_id=lambda: secrets.token_hex(16),
        older=events[-1].id if more else None,
    )


def _rows(connection: Connection, events: list[Feedback]) -> list[Row]:
    traces = {event.trace_id for event in events}
    # All events of these traces: the one that replaced another may be on another page.
    known = feedback.load(connection, trace_ids=traces)
    about = match(known, samples.load(connection, trace_ids=traces))
    standing = set(current(known, about))
    ids = {event: about[event].id for event in events if event in about}
    calls = {call.id: call for call in samples.load(connection, ids=[id for id in ids.values() if id], whole=True)}
    return [
        Row(event, calls.get(ids.get(event)), event.kind != "retract" and event not in standing) for event in events
    ]
