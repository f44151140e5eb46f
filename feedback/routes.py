"""The feedback API. A 201 or 200 means durable; 503 means that the store cannot write now.

Every event carries an idempotency key, so that a retry after a lost response stores nothing twice.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from sqlalchemy import Connection
from starlette.responses import JSONResponse, Response

from feedback import pages, review, votes
from feedback.intake import Outcome, describe, secret, store_event
from feedback.labelling import item_pages, queue_pages
from feedback.labelling.prose import prose
from feedback.state import make_state
from feedback.submission import IdempotencyKey, Submission, fingerprint, to_event
from telltale.feedback import SUBJECT_KEY
from telltale.store import Conflict
from telltale.store import feedback as store_feedback
from telltale.web import Principal, Router, State, require_scope, state
from telltale.web.problems import RETRY_AFTER_STORE_S, problem

MAX_BATCH = 200
RETRY = {"Retry-After": str(RETRY_AFTER_STORE_S)}

api = APIRouter(prefix="/api/v1/feedback", tags=["feedback"])
Sender = Annotated[Principal, Depends(require_scope("feedback:write"))]


class Batch(BaseModel):
    """Up to 200 submissions, each with its own `idempotency_key` beside its other fields."""

    model_config = ConfigDict(extra="forbid")

    items: list[dict[str, Any]] = Field(min_length=1, max_length=MAX_BATCH)


@api.post("", status_code=201)
async def submit(
    request: Request,
    submission: Submission,
    sender: Sender,
    idempotency_key: Annotated[IdempotencyKey, Header(description="Send the same key when you retry.")],
) -> Response:
    """Store one event. 201 when it is new, 200 when it is stored already; 422 when the key came with another body."""
    here = state(request)
    outcome = await _store(here, sender, submission, idempotency_key, await secret(here, SUBJECT_KEY))
    if outcome.event is None:
        return problem(request, outcome.status, outcome.detail, RETRY if outcome.status == 503 else None)
    headers = {"Idempotent-Replayed": "true"} if outcome.status == 200 else None
    return JSONResponse({**outcome.body(), "trace_id": outcome.event.trace_id}, outcome.status, headers)


@api.post("/batch")
async def submit_batch(request: Request, batch: Batch, sender: Sender) -> Response:
    """Store many events; `results` has one outcome for each, in their order.

    503 when any of them must be retried: the whole batch can be, because each item is stored once.
    """
    here = state(request)
    key = await secret(here, SUBJECT_KEY)
    # Each is queued at the writer before the next begins, so they are stored in their order.
    outcomes = await asyncio.gather(*(_store_item(here, sender, item, key) for item in batch.items))
    retry = any(outcome.status == 503 for outcome in outcomes)
    results = {"results": [outcome.body() for outcome in outcomes]}
    return JSONResponse(results, 503 if retry else 200, RETRY if retry else None)


async def _store_item(here: State, sender: Principal, item: dict[str, Any], key: bytes) -> Outcome:
    fields = dict(item)
    try:
        idempotency_key = _KEY.validate_python(fields.pop("idempotency_key", None))
        submission = Submission.model_validate(fields)
    except ValidationError as error:
        return Outcome(422, detail=describe(error))
    return await _store(here, sender, submission, idempotency_key, key)


async def _store(here: State, sender: Principal, submission: Submission, idempotency_key: str, key: bytes) -> Outcome:
    """Store one event and wait until it is durable."""
    event = to_event(
        submission,
        tenant=sender.tenant,
        idempotency_key=idempotency_key,
        now=here.clock(),
        key=key,
        rules=here.settings.redaction.rules,
        key_id=sender.key_id,
    )
    body_hash = fingerprint(submission, key)

    def append(connection: Connection) -> Outcome:
        try:
            stored, replayed = store_feedback.append(connection, event, body_hash)
        except Conflict:
            # Returned, not raised: an exception would make the writer redo the whole group.
            return Outcome(422, detail="This Idempotency-Key was used for another body.")
        return Outcome(200 if replayed else 201, stored)

    return await store_event(here, event.kind, append)


_KEY: TypeAdapter[str] = TypeAdapter(IdempotencyKey)

router = Router(
    templates=pages.TEMPLATES,
    nav=pages.NAV,
    filters={"prose": prose},
    links={
        "feedback": "/feedback#f{id}",
        "submit feedback": api.prefix,
        "review": "/review",
        "review queue": "/review/{id}",
        "review score": "/review/new?kind=score&score={id}&count=1",
        "review model": "/review/new?model={model}&count=1",
    },
    # Other sites' pages vote here. A signed token in the body says who they are; cookies count for nothing.
    cross_site=(votes.VOTES_PATH,),
    make_state=make_state,
)
router.include_router(api)
router.include_router(votes.router)
router.include_router(pages.router)
router.include_router(review.router)
router.include_router(queue_pages.router)
router.include_router(item_pages.router)
