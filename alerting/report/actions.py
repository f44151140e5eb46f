"""What people do with tickets, as forms of its page and as JSON: each action once, for both."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Literal, get_args

from fastapi import APIRouter, Depends, Form, HTTPException, Request
from fastapi import Path as InPath
from pydantic import BaseModel, Field
from starlette.responses import Response

from alerting.lifecycle import work
from alerting.report.changing import Change, apply, change
from alerting.report.serialise import brief
from telltale import pinning
from telltale.redaction import redact
from telltale.store import tickets
from telltale.web import Principal, require, state

Action = Literal["acknowledge", "assign", "snooze", "wake", "label", "unlabel", "link", "unlink", "merge"]
MAX_NAME: Final = 200
MAX_COMMENT: Final = 4000
NOBODY: Final = "-"
"""How a form says that nobody had it: what is empty counts as not sent."""
MORNING: Final = 9
"""The hour, in UTC, until which a snooze of "tomorrow" lasts."""
_TICKET = re.compile(r"(?:[tT]-)?(\d{1,18})")

Reviewer = Annotated[Principal, Depends(require("reviewer"))]
Number = Annotated[int, InPath(ge=1, lt=2**63)]
router = APIRouter()


class Work(BaseModel):
    """What an action needs; each takes its own of these.

    `person`: "" is nobody; `was` is who had it on the page that was read, "-" for nobody. `until`: "hour",
    "tomorrow" (9:00 UTC), or "time"; `at` in ISO 8601 wins. `other`: a ticket, as T-12 or 12.
    """

    person: str = Field("", max_length=MAX_NAME)
    was: str | None = Field(None, max_length=MAX_NAME)
    until: Literal["hour", "tomorrow", "time"] = "hour"
    at: str = Field("", max_length=40)
    label: str = Field("", max_length=MAX_NAME)
    other: str = Field("", max_length=40)
    words: str = Field("", max_length=MAX_COMMENT)


class Asked(Work):
    action: Action


def _form_of(action: Action) -> Callable[..., Response]:
    def by_form(request: Request, number: Number, principal: Reviewer, form: Annotated[Work, Form()]) -> Response:
        return change(request, number, _change(request, action, form, principal))

    return by_form


# Each by its name: a pattern would take what other routes serve.
for _action in get_args(Action):
    router.add_api_route(f"/tickets/{{number}}/{_action}", _form_of(_action), methods=["POST"], include_in_schema=False)


@router.post("/api/v1/tickets/{number}", tags=["tickets"])
def by_json(request: Request, number: Number, principal: Reviewer, asked: Asked) -> dict[str, object]:
    """Work on a ticket: acknowledge, assign, snooze, wake, label, unlabel, link, unlink or merge it. Answers it."""
    here = state(request)
    apply(request, number, _change(request, asked.action, asked, principal))
    with here.store.read() as connection:
        ticket = tickets.get(connection, number)
    if ticket is None:
        raise HTTPException(404)
    return brief(ticket, here.settings.web_url)


def snooze_end(until: str, at: str, now: float) -> float:
    """When a snooze ends, in Unix seconds; a time that is named wins. Raises ValueError for a time that is none."""
    if at.strip():
        return pinning.parse_time(at)
    if until == "hour":
        return now + 3600
    if until == "tomorrow":
        today = datetime.fromtimestamp(now, UTC).replace(hour=MORNING, minute=0, second=0, microsecond=0)
        return (today + timedelta(days=1)).timestamp()
    return pinning.parse_time(at)


def _change(request: Request, action: Action, form: Work, principal: Principal) -> Change:
    """The change that is asked for. Raises HTTPException for what cannot be read."""
    me, rules = principal.name, state(request).settings.redaction.rules
    if action == "acknowledge":
        return lambda c, t, now: work.acknowledge(c, t, me, now)
    if action == "assign":
        return lambda c, t, now: work.assign(c, t, form.person, me, now, "" if form.was == NOBODY else form.was)
    if action == "snooze":
        end = _snooze_end(form, state(request).clock())
        return lambda c, t, now: work.snooze(c, t, end, me, now)
    if action == "wake":
        return lambda c, t, now: work.wake(c, t, me, now)
    if action == "label":
        label = redact(form.label, rules)[0]
        return lambda c, t, now: work.label(c, t, label, me, now)
    if action == "unlabel":
        return lambda c, t, now: work.unlabel(c, t, form.label, me, now)
    other = _ticket(form.other)
    if action == "link":
        return lambda c, t, now: work.link(c, t, other, me, now)
    if action == "unlink":
        return lambda c, t, now: work.unlink(c, t, other, me, now)
    words = redact(form.words.strip(), rules)[0]
    return lambda c, t, now: work.merge(c, t, other, me, now, words)


def _snooze_end(form: Work, now: float) -> float:
    try:
        return snooze_end(form.until, form.at, now)
    except ValueError as error:
        raise HTTPException(422, f"{str(error)[0].upper()}{str(error)[1:]}.") from error


def _ticket(text: str) -> int:
    number = _TICKET.fullmatch(text.strip())
    if number is None:
        raise HTTPException(422, f"{text.strip()[:40] or 'Nothing'} is not a ticket: write T-12.")
    return int(number[1])
