"""Storing an event and reporting the outcome: shared by the API of services and the votes of browsers."""

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


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one submission: an HTTP status, and the stored event or the reason for refusing it."""

    status: int
    event: Feedback | None = None
    detail: str = ""

    def body(self) -> dict[str, object]:
        if self.event is None:
            return {"status": self.status, "detail": self.detail}
        return {"status": self.status, "id": self.event.id, "received_at": self.event.received_at}


async def store_event(here: State, kind: str, append: Callable[[Connection], Outcome]) -> Outcome:
    """Run `append` in the store and wait until it is durable; count new events. 503 when the store cannot write."""
    try:
        outcome = await asyncio.wrap_future(here.store.submit(append))
    except StoreUnavailable:
        return Outcome(503, detail="The store cannot write now. Send the same request again.")
    if outcome.status == 201:
        here.part(FeedbackState).events.labels(kind).inc()
    return outcome


async def secret(here: State, name: str) -> bytes:
    """The installation's own key of that name. Raises StoreUnavailable at its first use."""
    cached = here.secrets.get(name)
    return cached if cached is not None else await asyncio.to_thread(here.secret, name)


def describe(error: ValidationError) -> str:
    """Which fields are invalid and why, never their values: they may be somebody's text."""
    faults = error.errors(include_input=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, fault['loc'])) or 'body'}: {fault['msg']}" for fault in faults)
