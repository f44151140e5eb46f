"""Feedback beside the prompt and the answer that it is about."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from feedback.join import match
from telltale.store import feedback, samples
from telltale.web import Nav, Principal, render, require, state

TEMPLATES = Path(__file__).parent / "templates"
NAV = (Nav("Feedback", "/feedback", "reviewer"),)
PAGE_ROWS = 25

router = APIRouter(include_in_schema=False)


@router.get("/feedback")
def listing(
    request: Request,
    _: Annotated[Principal, Depends(require("reviewer"))],
    show: Literal["all", "negative", "words"] = "all",
    before: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
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
        back=urlencode({"show": show} | ({"before": before} if before else {})),
        new_form_id=lambda: secrets.token_hex(16),
        older=events[-1].id if more else None,
    )
