"""The list of feedback, each event beside the prompt and the response that it is about."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from sqlalchemy import Connection
from starlette.responses import Response

from telltale.feedback import current, is_negative, is_vote, match
from telltale.records import Feedback, Sample
from telltale.store import feedback, samples
from telltale.store.review import labels, queues
from telltale.store.review.queues import Item
from telltale.web import Nav, Principal, render, require, state

TEMPLATES = Path(__file__).parent / "templates"
NAV = (Nav("Feedback", "/feedback", "reviewer"), Nav("Review", "/review", "reviewer"))
PAGE_ROWS = 25

router = APIRouter(include_in_schema=False)


class Reviewed(NamedTuple):
    """An item of review on a call: what it came to, once that is decided, and whether this person labelled it."""

    item: Item
    is_mine: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One event, its call if that was sampled, and whether a later event of the same person replaced or withdrew it."""

    event: Feedback
    call: Sample | None
    is_superseded: bool
    reviews: tuple[Reviewed, ...] = ()

    @property
    def colour(self) -> str:
        """The class of its value's colour; empty for events that say neither good nor bad."""
        if not is_vote(self.event) or self.is_superseded:
            return ""
        return "alert" if is_negative(self.event) else "ok"


@router.get("/feedback")
def listing(
    request: Request,
    reader: Annotated[Principal, Depends(require("reviewer"))],
    show: Literal["all", "negative", "comments"] = "all",
    before: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
) -> Response:
    with state(request).store.read() as connection:
        events = feedback.recent(connection, limit=PAGE_ROWS + 1, before_id=before, show=show)
        more, events = len(events) > PAGE_ROWS, events[:PAGE_ROWS]
        rows = _rows(connection, events, reader.name)
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


def _rows(connection: Connection, events: list[Feedback], reader: str) -> list[Row]:
    traces = {event.trace_id for event in events}
    # All events of these traces: the one that replaced another may be on another page.
    known = feedback.load(connection, trace_ids=traces)
    about = match(known, samples.load(connection, trace_ids=traces))
    standing = set(current(known, about))
    ids = {event: about[event].id for event in events if event in about}
    calls = {call.id: call for call in samples.load(connection, ids=[id for id in ids.values() if id], whole=True)}
    reviews = _reviews(connection, traces, reader)
    return [
        Row(event, call, event.kind != "retract" and event not in standing, reviews.get(_place(call), ()))
        for event in events
        for call in [calls.get(ids.get(event))]
    ]


def _place(call: Sample | None) -> tuple[str, str, str] | None:
    return (call.tenant, call.trace_id, call.span_id) if call else None


def _reviews(connection: Connection, traces: set[str], reader: str) -> dict[Any, tuple[Reviewed, ...]]:
    """What review says of these traces' calls, by tenant, trace and span. What is not decided tells only one's own."""
    items = queues.items(connection, traces=traces)
    mine = {label.item_id for label in labels.current(connection, [one.id or 0 for one in items], reviewer=reader)}
    found: dict[Any, tuple[Reviewed, ...]] = {}
    for one in items:
        if one.other_trace_id or not (one.state == "decided" or one.id in mine):
            continue
        place = (one.tenant, one.trace_id, one.span_id)
        found[place] = (*found.get(place, ()), Reviewed(one, one.id in mine))
    return found
