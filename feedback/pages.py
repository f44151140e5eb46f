"""Feedback beside the prompt and the answer that it is about."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from telltale.records import Feedback, Sample
from telltale.store import feedback, samples
from telltale.web import Nav, Principal, render, require, state

TEMPLATES = Path(__file__).parent / "templates"
NAV = (Nav("Feedback", "/feedback", "reviewer"),)
PAGE_ROWS = 25
# A call is often traced at several layers; the client's view has what the person saw.
LAYERS = ("client", "gateway", "server")

router = APIRouter(include_in_schema=False)


@router.get("/feedback")
def listing(
    request: Request,
    _: Annotated[Principal, Depends(require("reviewer"))],
    show: Literal["all", "negative", "words"] = "all",
    before: Annotated[int | None, Query(ge=1)] = None,
) -> Response:
    with state(request).store.read() as connection:
        events = feedback.recent(connection, limit=PAGE_ROWS + 1, before_id=before, show=show)
        found = samples.load(connection, trace_ids={event.trace_id for event in events})
    more, events = len(events) > PAGE_ROWS, events[:PAGE_ROWS]
    beside = match(events, found)
    return render(
        request,
        "feedback_list.html",
        rows=[(event, beside.get(event.id)) for event in events],
        show=show,
        before=before,
        older=events[-1].id if more else None,
    )


def match(events: Sequence[Feedback], found: Sequence[Sample]) -> dict[int | None, Sample]:
    """For each event's id the sample it is about: that of its span, else the trace's first, client before server."""
    by_trace: dict[str, list[Sample]] = defaultdict(list)
    for sample in sorted(found, key=lambda s: (LAYERS.index(s.layer), s.observed_at, s.id or 0)):
        by_trace[sample.trace_id].append(sample)
    matched: dict[int | None, Sample] = {}
    for event in events:
        candidates = by_trace.get(event.trace_id, [])
        if event.span_id is not None:
            candidates = [sample for sample in candidates if sample.span_id == event.span_id]
        if candidates:
            matched[event.id] = candidates[0]
    return matched
