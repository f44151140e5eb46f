"""The feedback API. A 201 or 200 means durable; 503 means that the store cannot write now.

Every event carries an idempotency key, so that a retry after a lost response stores nothing twice.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from feedback import describing, pages, review, script, votes
from feedback.data_sets import api as data_sets_api
from feedback.data_sets import pages as data_set_pages
from feedback.intake import Outcome, event_of, event_of_item, secret, store_one
from feedback.labelling import item_pages, queue_pages, rubric_pages
from feedback.labelling.changes import changed
from feedback.labelling.prose import prose
from feedback.state import make_state
from feedback.submission import IS_KEY, Fault, Invalid, Submission, faults, read
from telltale.feedback import SUBJECT_KEY
from telltale.records import Feedback
from telltale.web import Principal, Router, State, require_scope, state
from telltale.web.problems import RETRY_AFTER_STORE_S, problem

MAX_BATCH = 200
# As much as the longest comments of a whole batch have in UTF-8.
MAX_BATCH_BYTES = 10 << 20
# Reading and redacting more than this takes so long that other requests must not wait for it.
LONG = 64 << 10
# More than any number of ours has; Python refuses to read thousands.
MOST_DIGITS = 400
RETRY = {"Retry-After": str(RETRY_AFTER_STORE_S)}
MISFIT = "The request does not fit; `errors` says where."

api = APIRouter(prefix="/api/v1/feedback", tags=["feedback"])
authorize = require_scope("feedback:write")


class Batch(BaseModel):
    """Up to 200 submissions, each with its own `idempotency_key` beside its other fields."""

    model_config = ConfigDict(extra="forbid")

    # Each item is checked by itself: an invalid one must not keep its neighbours out.
    items: Annotated[list[object], Field(min_length=1, max_length=MAX_BATCH)]


async def submit(request: Request) -> Response:
    """Store one event. 201 when it is new, 200 when it is stored already; 422 when the key came with another body."""
    sender = await authorize(request)
    here, body = state(request), await request.body()
    key = await secret(here, SUBJECT_KEY)
    try:
        idempotency_key = _idempotency_key(request)
        prepared = event_of(here, sender, Submission.model_validate_json(body), idempotency_key, key)
    except Invalid as invalid:
        return refusal(request, invalid.faults)
    except ValidationError as error:
        return refusal(request, faults(error))
    outcome = await store_one(here, *prepared)
    return acknowledged(outcome) if outcome.event else refusal_of(request, outcome)


async def submit_batch(request: Request) -> Response:
    """Store many events; `results` has one outcome for each, in their order. An invalid item keeps no other out.

    503 when any of them must be retried: the whole batch can be, because each item is stored once.
    """
    sender = await authorize(request)
    here, body = state(request), await request.body()
    key = await secret(here, SUBJECT_KEY)
    try:
        batch = _read_batch(body)
    except ValidationError as error:
        return refusal(request, faults(error))
    if len(body) > LONG:
        prepared = await run_in_threadpool(_prepare, here, sender, batch, key)
    else:
        prepared = _prepare(here, sender, batch, key)
    # Each waits for the store before the next begins to, so they are stored in their order.
    outcomes = await asyncio.gather(*(_store_item(here, item) for item in prepared))
    retry = any(outcome.status == 503 for outcome in outcomes)
    results = {"results": [{"index": index, **outcome.body()} for index, outcome in enumerate(outcomes)]}
    return Response(json.dumps(results), 503 if retry else 200, RETRY if retry else None, "application/json")


def acknowledged(outcome: Outcome) -> Response:
    """The response to a stored event."""
    event = outcome.event
    assert event is not None
    # Written by hand, as it is the most frequent of all: an id, a time and hexadecimal digits need no escaping.
    body = (
        f'{{"status":{outcome.status},"id":{event.id},"received_at":{event.received_at!r},'
        f'"trace_id":"{event.trace_id}"}}'
    )
    headers = {"Idempotent-Replayed": "true"} if outcome.status == 200 else None
    return Response(body, outcome.status, headers, "application/json")


def refusal_of(request: Request, outcome: Outcome) -> Response:
    return problem(request, outcome.status, outcome.detail, RETRY if outcome.status == 503 else None)


def refusal(request: Request, found: list[Fault]) -> Response:
    return problem(request, 422, MISFIT, errors=[fault._asdict() for fault in found])


def _idempotency_key(request: Request) -> str:
    """The key in the header. Raises Invalid."""
    sent = request.headers.get("idempotency-key")
    if sent is None:
        raise Invalid([Fault("Idempotency-Key", "is missing: send a new UUID, and the same one when you retry")])
    if not IS_KEY.fullmatch(sent):
        raise Invalid([Fault("Idempotency-Key", "has 1 to 255 visible ASCII characters")])
    return sent


def _read_batch(body: bytes) -> Batch:
    """Raises ValidationError."""
    try:
        return Batch.model_validate_json(body)
    except ValidationError as error:
        # Half a surrogate pair, deep nesting or an endless number: of one item, which is refused for it by itself.
        with suppress(ValueError, RecursionError):
            return Batch.model_validate(json.loads(body, parse_int=lambda digits: int(digits[:MOST_DIGITS])))
        raise error from None


def _prepare(here: State, sender: Principal, batch: Batch, key: bytes) -> list[tuple[Feedback, str] | Outcome]:
    """The event of each item, or why it is refused."""
    return [_prepare_item(here, sender, index, item, key) for index, item in enumerate(batch.items)]


def _prepare_item(
    here: State, sender: Principal, index: int, item: object, key: bytes
) -> tuple[Feedback, str] | Outcome:
    try:
        return event_of_item(here, sender, read(item), key)
    except Invalid as invalid:
        found = [Fault(f"items.{index}.{fault.where}", fault.message) for fault in invalid.faults]
        return Outcome(422, detail=str(Invalid(found)), faults=found)


async def _store_item(here: State, item: tuple[Feedback, str] | Outcome) -> Outcome:
    return item if isinstance(item, Outcome) else await store_one(here, *item)


api.add_api_route("", submit, methods=["POST"], status_code=201, **describing.SUBMIT)
api.add_api_route("/batch", submit_batch, methods=["POST"], **describing.BATCH)

router = Router(
    templates=pages.TEMPLATES,
    nav=(*pages.NAV, *data_set_pages.NAV),
    filters={"prose": prose, "changed": changed},
    links={
        "feedback": "/feedback#f{id}",
        "submit feedback": api.prefix,
        "data set of ticket": data_set_pages.PATH + "?ticket={ticket}",
        "review": "/review",
        "review queue": "/review/{id}",
        "review score": "/review/new?kind=score&score={id}&count=1",
        "review model": "/review/new?model={model}&count=1",
    },
    # Other sites' pages vote here. A signed token in the body says who they are; cookies count for nothing.
    cross_site=(votes.VOTES_PATH, script.PATH),
    direct={api.prefix: submit, f"{api.prefix}/batch": submit_batch, votes.VOTES_PATH: votes.vote},
    body_limits={f"{api.prefix}/batch": MAX_BATCH_BYTES},
    make_state=make_state,
)
router.include_router(api)
router.include_router(votes.router)
router.include_router(script.router)
router.include_router(pages.router)
router.include_router(review.router)
# Before queues, whose numbers stand in the same place.
router.include_router(rubric_pages.router)
router.include_router(queue_pages.router)
router.include_router(item_pages.router)
router.include_router(data_sets_api.router)
router.include_router(data_set_pages.router)
