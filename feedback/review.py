"""A reviewer's verdict on a response, from the form beside it: good or bad, and perhaps a better response."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, HTTPException, Path, Request
from pydantic import ValidationError
from sqlalchemy import Connection
from starlette.responses import RedirectResponse, Response

from feedback.state import FeedbackState
from feedback.submission import Submission, fingerprint, to_event
from telltale.feedback import MAX_COMMENT, SUBJECT_KEY, match
from telltale.records import Feedback, Sample
from telltale.store import Conflict, feedback, samples
from telltale.web import Principal, State, require, state

NAME = "review"

router = APIRouter(include_in_schema=False)


@router.post("/feedback/{event_id}/review")
def review(
    request: Request,
    reviewer: Annotated[Principal, Depends(require("reviewer"))],
    event_id: Annotated[int, Path(ge=1, lt=2**63)],
    form_id: Annotated[str, Form(pattern=r"^[0-9a-f]{32}$")],
    verdict: Annotated[Literal["good", "bad", ""], Form()] = "",
    correction: Annotated[str, Form(max_length=MAX_COMMENT)] = "",
    back: Annotated[str, Form(pattern=r"^[a-z0-9=&]*$", max_length=100)] = "",
) -> Response:
    """Store the form once, however often it is sent, and redirect to the list."""
    here = state(request)
    sample = _sample(here, event_id)
    events = [
        _event(here, reviewer, sample, form_id, submission) for submission in _submissions(sample, verdict, correction)
    ]
    if not events:
        raise HTTPException(422, "Choose good or bad, or write a better response.")

    def append(connection: Connection) -> list[bool]:
        return [feedback.append(connection, event, body)[1] for event, body in events]

    try:
        replayed = here.store.write(append)
    except Conflict as error:
        raise HTTPException(409, "This form was sent before with other content. Reload the page.") from error
    for (event, _), was_stored in zip(events, replayed, strict=True):
        if not was_stored:
            here.part(FeedbackState).events.add(event)
    return RedirectResponse(f"/feedback?{back}#f{event_id}", 303)


def _sample(here: State, event_id: int) -> Sample:
    with here.store.read() as connection:
        event = feedback.get(connection, event_id)
        found = samples.load(connection, trace_ids=[event.trace_id]) if event else []
    sample = match([event], found).get(event) if event else None
    if sample is None:
        raise HTTPException(404, "There is no response to review here.")
    return sample


def _submissions(sample: Sample, verdict: str, correction: str) -> list[Submission]:
    call = {"trace_id": sample.trace_id, "span_id": sample.span_id, "name": NAME}
    try:
        thumb = [Submission(**call, kind="thumb", value=verdict == "good")] if verdict else []
        return thumb + ([Submission(**call, kind="correction", comment=correction)] if correction.strip() else [])
    except ValidationError as error:
        raise HTTPException(422, "The better response cannot be stored as it is.") from error


def _event(
    here: State, reviewer: Principal, sample: Sample, form_id: str, submission: Submission
) -> tuple[Feedback, str]:
    key = here.secret(SUBJECT_KEY)
    event = to_event(
        submission.model_copy(update={"subject": f"reviewer {reviewer.name}"}),
        tenant=sample.tenant,
        idempotency_key=f"review:{form_id}:{submission.kind}",
        now=here.clock(),
        key=key,
        rules=here.settings.redaction.rules,
    )
    return replace(event, source="reviewer"), fingerprint(submission, key)
