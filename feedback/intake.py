"""Storing an event and saying what became of it: shared by the API of services and the votes of browsers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import ValidationError
from sqlalchemy import Connection

from feedback.state import FeedbackState
from telltale.records import Feedback
from telltale.store import StoreUnavailable
from telltale.web import State

SUBJECT_KEY = "feedback.subject"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one submission: an HTTP status, and the stored event or the reason against it."""

    status: int
    event: Feedback | None = None
    detail: str = ""

    def body(self) -> dict[str, object]:
        if self.event is None:
            return {"status": self.status, "detail": self.detail}
        return {"status": self.status, "id": self.event.id, "received_at": self.event.received_at}


async def store_event(here: State, kind: str, append: Callable[[Connection], Outcome]) -> Outcome:
    """Run `append` in the store and wait until it is durable; counts what is new. 503 when the store cannot take it."""
    try:
        outcome = await asyncio.wrap_future(here.store.submit(append))
    except StoreUnavailable:
        return Outcome(503, detail="The store cannot take it now. Send it again, the same way.")
    if outcome.status == 201:
        here.part(FeedbackState).events.labels(kind).inc()
    return outcome


async def secret(here: State, name: str) -> bytes:
    """The installation's own key of that name. Raises StoreUnavailable at its first use."""
    known = here.secrets.get(name)
    return known if known is not None else await asyncio.to_thread(here.secret, name)


def where(error: ValidationError) -> str:
    """What does not fit, never repeating it: it may be somebody's words."""
    faults = error.errors(include_input=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, fault['loc'])) or 'body'}: {fault['msg']}" for fault in faults)
