"""Storing an event and reporting the outcome: shared by the API of services and the votes of browsers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from feedback.state import FeedbackState
from feedback.submission import Fault, Item, Submission, fingerprint, to_event
from telltale.records import Feedback
from telltale.store import Conflict, StoreUnavailable
from telltale.web import Principal, State

LOCKED = "The store cannot write now. Send the same request again."
CONFLICT = "This Idempotency-Key was used for another body."


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one submission: an HTTP status, and the stored event or the reason for refusing it."""

    status: int
    event: Feedback | None = None
    detail: str = ""
    faults: Sequence[Fault] = ()

    def body(self) -> dict[str, object]:
        if self.event is None:
            errors = {"errors": [fault._asdict() for fault in self.faults]} if self.faults else {}
            return {"status": self.status, "detail": self.detail, **errors}
        return {"status": self.status, "id": self.event.id, "received_at": self.event.received_at}


def event_of(
    here: State, sender: Principal, submission: Submission, idempotency_key: str, key: bytes
) -> tuple[Feedback, str]:
    """The event to store and its body's fingerprint."""
    event = to_event(
        submission,
        tenant=sender.tenant,
        idempotency_key=idempotency_key,
        now=here.clock(),
        key=key,
        rules=here.settings.redaction.rules,
        key_id=sender.key_id,
    )
    return event, fingerprint(submission, key)


def event_of_item(here: State, sender: Principal, item: Item, key: bytes) -> tuple[Feedback, str]:
    return event_of(here, sender, item, item.idempotency_key, key)


async def store_one(here: State, event: Feedback, body_sha256: str) -> Outcome:
    """Store one event, together with what else arrives now, and wait until it is durable; count it if it is new."""
    part = here.part(FeedbackState)
    try:
        with part.submit_seconds.time():
            result = await part.gathering.add(event, body_sha256)
    except StoreUnavailable:
        return Outcome(503, detail=LOCKED)
    if isinstance(result, Conflict):
        return Outcome(422, detail=CONFLICT)
    stored, replayed = result
    if not replayed:
        part.events.add(stored)
    return Outcome(200 if replayed else 201, stored)


async def store_event(here: State, append: Callable[[Connection], Outcome]) -> Outcome:
    """Run `append` in the store and wait until it is durable; count new events. 503 when the store cannot write."""
    part = here.part(FeedbackState)
    try:
        with part.submit_seconds.time():
            outcome = await asyncio.wrap_future(here.store.submit(append))
    except StoreUnavailable:
        return Outcome(503, detail=LOCKED)
    if outcome.status == 201 and outcome.event is not None:
        part.events.add(outcome.event)
    return outcome


async def secret(here: State, name: str) -> bytes:
    """The installation's own key of that name. Raises StoreUnavailable at its first use."""
    cached = here.secrets.get(name)
    return cached if cached is not None else await asyncio.to_thread(here.secret, name)
