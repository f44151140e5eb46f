"""Labelling: the next item, a label, a skip, a second thought, a dispute and its end. Works without JavaScript.

With it (`static/review.js`) the next items are fetched ahead and labels are sent in the background; the requests are
the same.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Form, HTTPException, Path, Query, Request
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from feedback.labelling import showing
from feedback.labelling.queue_pages import rubric_of
from feedback.labelling.showing import Shown
from telltale.feedback import MAX_COMMENT
from telltale.labels import InvalidLabel
from telltale.redaction import redact_within
from telltale.store import Conflict, audit
from telltale.store.review import labels, leases, queues
from telltale.store.review.labels import Label, NotYours
from telltale.store.review.leases import Lease
from telltale.store.review.queues import Queue
from telltale.web import Principal, State, render, require, state
from telltale.web.problems import problem, wants_page

MOST_HELD: Final = 6
"""Items that a person has at a time: one is shown, some are fetched ahead, labels of some are on their way."""
MAX_REASON: Final = 500
SWEPT_AT_ONCE: Final = 500
"""Items whose calls are gone that one transaction marks so: of many, none is asked for alone."""
MOST_OWN: Final = 100
FIELD: Final = "answer."
"""What the names of a form's fields begin with that are answers."""

router = APIRouter(include_in_schema=False)
Reviewer = Annotated[Principal, Depends(require("reviewer"))]
Adjudicator = Annotated[Principal, Depends(require("adjudicator"))]
Number = Annotated[int, Path(ge=1, lt=2**63)]
Token = Annotated[str, Form(pattern=r"^[0-9a-f]{32}$")]


@router.get("/review/{number}/next")
def following(
    request: Request, number: Number, reviewer: Reviewer,
    have: Annotated[str, Query(pattern=r"^[0-9a-f,]*$", max_length=400)] = "", fragment: bool = False,
) -> Response:  # fmt: skip
    """The item that this person has, or the next one; `fragment` without the page, of what the page does not `have`."""
    if not fragment:
        return _page(request, number, reviewer.name)
    lease, shown, queue = _following(request, number, reviewer.name, [token for token in have.split(",") if token])
    if shown is None or lease is None:
        return Response(status_code=204)
    part = state(request).templates.get_template("labelling_item.html")
    return HTMLResponse(part.render(queue=queue, lease=lease, shown=shown, form_key=secrets.token_hex(16)))


def _page(request: Request, number: int, reviewer: str, told: str = "", status_code: int = 200) -> Response:
    """The page with the next item; `told` is what became of the last one."""
    lease, shown, queue = _following(request, number, reviewer, [])
    return render(
        request, "labelling.html", status_code=status_code, queue=queue, lease=lease, shown=shown, told=told,
        form_key=secrets.token_hex(16), reviewer=reviewer,
    )  # fmt: skip


def _following(
    request: Request, number: int, reviewer: str, has: list[str]
) -> tuple[Lease | None, Shown | None, Queue]:
    """The next item whose words are still there; what is gone is marked so and passed over."""
    here = state(request)
    while True:
        now = here.clock()
        with here.store.read() as connection:
            queue = queues.get(connection, number)
            held = leases.held(connection, number, reviewer, now) if queue else []
        if queue is None:
            raise HTTPException(404, "There is no such queue.")
        lease = next((one for one in held if one.token not in has), None)
        if lease is None and len(held) < MOST_HELD:
            lease = here.store.write(partial(leases.take, queue_id=number, reviewer=reviewer, now=now))
        if lease is None:
            return None, None, queue
        with here.store.read() as connection:
            item = queues.item(connection, lease.item_id)
            shown = showing.show(connection, item, rubric_of(connection, queue), reviewer) if item else None
        if shown is not None and not shown.is_gone:
            return lease, shown, queue
        here.store.write(partial(_gone, lease=lease, queue_id=number))


def _gone(connection: Connection, lease: Lease, queue_id: int) -> None:
    leases.skip(connection, lease, "gone")
    queues.mark_gone(connection, lease.item_id)
    queues.sweep(connection, queue_id, SWEPT_AT_ONCE)


@router.post("/review/{number}/label")
async def label(request: Request, number: Number, reviewer: Reviewer) -> Response:
    """Store a label once, however often it is sent. 303 to the next item; programs get 201, or 200 for a repetition."""
    form = await request.form()
    here = state(request)
    token, key = _hex(form, "token"), _hex(form, "key")
    revision = _text(form, "replaces")
    replaces = int(revision) if revision.isascii() and revision.isdigit() and len(revision) < 10 else None
    rules = here.settings.redaction.rules
    comment, correction = (
        redact_within(_text(form, name).replace("\r\n", "\n"), MAX_COMMENT, rules) for name in ("comment", "correction")
    )

    def write(connection: Connection) -> tuple[Label, bool]:
        queue = queues.get(connection, number)
        lease = leases.find(connection, token)
        item = queues.item(connection, lease.item_id) if lease else None
        if queue is None or lease is None or item is None or item.queue_id != number:
            raise NotYours("This item is not yours to label.")
        rubric = rubric_of(connection, queue)
        shown = Shown(
            item, rubric, None, None, bool(item.other_trace_id) and showing.swapped(lease.item_id, reviewer.name)
        )
        answers = shown.as_meant(_answers(form))
        better = "" if correction and showing.is_own(connection, item, correction) else correction
        made = Label(lease.item_id, reviewer.name, answers, key, here.clock(), comment, better, _seconds(form))
        stored, was_there = labels.submit(connection, made, token, rubric, replaces=replaces)
        if not was_there and queues.gone(connection, [item]):
            # What people write of a call may quote it: nothing of it is kept once the call is erased.
            raise NotYours("What was said here was deleted meanwhile: your label of it is not kept.")
        return stored, was_there

    try:
        stored, was_there = await asyncio.wrap_future(here.store.submit(write))
    except (NotYours, Conflict) as error:
        if wants_page(request):
            # People go on with the next item and read it there.
            return await run_in_threadpool(_page, request, number, reviewer.name, str(error), 409)
        return problem(request, 409, str(error))
    except InvalidLabel as error:
        return problem(request, 422, str(error))
    if wants_page(request):
        return RedirectResponse(f"/review/{number}/next", 303)
    return JSONResponse({"item": stored.item_id, "revision": stored.revision}, 200 if was_there else 201)


@router.post("/review/{number}/skip")
def skip(
    request: Request, number: Number, reviewer: Reviewer, token: Token,
    reason: Annotated[str, Form(max_length=MAX_REASON)] = "",
) -> Response:  # fmt: skip
    """Give the item to somebody else."""
    here = state(request)
    words = _redacted(here, reason)

    def write(connection: Connection) -> None:
        lease = leases.find(connection, token)
        if lease is not None and lease.reviewer == reviewer.name:
            leases.skip(connection, lease, words)

    here.store.write(write)
    return RedirectResponse(f"/review/{number}/next", 303) if wants_page(request) else Response(status_code=204)


@router.post("/review/{number}/renew")
def renew(request: Request, number: Number, reviewer: Reviewer, token: Token) -> Response:
    """The item is still looked at. 409 when it is somebody else's by now."""
    here = state(request)
    lease = here.store.write(lambda c: leases.renew(c, token, reviewer.name, here.clock()))
    if lease is None:
        return problem(request, 409, "Your time for this item is over.")
    return JSONResponse({"until": lease.lease_until})


@router.get("/review/{number}/mine")
def mine(request: Request, number: Number, reviewer: Reviewer) -> Response:
    """What this person labelled in this queue, the newest first: to look at it again."""
    with state(request).store.read() as connection:
        queue = queues.get(connection, number)
        if queue is None:
            raise HTTPException(404, "There is no such queue.")
        own = labels.of_reviewer(connection, reviewer.name, number, limit=MOST_OWN)
        found = {item.id: item for item in queues.items(connection, ids=[one.item_id for one in own])}
    lines = [(one, found[one.item_id]) for one in own]
    return render(request, "labelled.html", queue=queue, lines=lines)


@router.get("/review/{number}/last")
def last(request: Request, number: Number, reviewer: Reviewer) -> Response:
    """To the item that this person labelled last in this queue: undoing is labelling it again."""
    with state(request).store.read() as connection:
        own = labels.of_reviewer(connection, reviewer.name, number, limit=1)
    return RedirectResponse(f"/review/items/{own[0].item_id}" if own else f"/review/{number}/mine", 303)


@router.get("/review/items/{number}")
def item(request: Request, number: Number, reviewer: Reviewer) -> Response:
    """One item: to label it again, or to decide it. Others' labels are shown once they cannot sway this person."""
    here = state(request)
    with here.store.read() as connection:
        found = queues.item(connection, number)
        queue = queues.get(connection, found.queue_id) if found else None
        if found is None or queue is None:
            raise HTTPException(404, "There is no such item.")
        shown = showing.show(connection, found, rubric_of(connection, queue), reviewer.name)
        said = labels.current(connection, [number])
        lease = leases.of(connection, number, reviewer.name)
    own = next((one for one in said if one.reviewer == reviewer.name), None)
    may_decide = reviewer.allows("adjudicator") and own is None and found.state == "disputed"
    is_open_to = may_decide or (own is not None and found.state == "decided")
    return render(
        request, "review_item.html", queue=queue, item=found, shown=shown, own=own, may_decide=may_decide,
        is_adjudicator=reviewer.allows("adjudicator"),
        said=said if is_open_to else [], lease=lease if own else None, form_key=secrets.token_hex(16),
        seen=shown.as_seen(own) if own else {},
    )  # fmt: skip


@router.post("/review/items/{number}/dispute")
def dispute(
    request: Request, number: Number, reviewer: Reviewer,
    why: Annotated[str, Form(min_length=1, max_length=MAX_REASON)], on: Annotated[int | None, Form(ge=1)] = None,
) -> Response:  # fmt: skip
    """Say that an item's verdict is wrong, or that the guidelines do not decide it; then go `on` with a queue."""
    here = state(request)
    words = _redacted(here, why)

    def write(connection: Connection) -> None:
        if queues.item(connection, number) is None:
            raise HTTPException(404, "There is no such item.")
        labels.dispute(connection, number, by=reviewer.name, why=words, now=here.clock())
        _record(connection, reviewer.name, "review.item.dispute", number, here.clock(), {"why": words})

    try:
        here.store.write(write)
    except NotYours as error:
        return problem(request, 409, str(error))
    if on is not None:
        return RedirectResponse(f"/review/{on}/next", 303) if wants_page(request) else Response(status_code=204)
    return RedirectResponse(f"/review/items/{number}", 303)


@router.post("/review/items/{number}/decide")
async def decide(request: Request, number: Number, adjudicator: Adjudicator) -> Response:
    """An adjudicator's verdict, with its reason."""
    form = await request.form()
    here = state(request)
    why = _redacted(here, _text(form, "why")).strip()
    rules, better = here.settings.redaction.rules, _text(form, "correction").replace("\r\n", "\n")
    correction = redact_within(better, MAX_COMMENT, rules)
    if not why:
        return problem(request, 422, "Give a reason: those who labelled it will read it.")

    def write(connection: Connection) -> None:
        found = queues.item(connection, number)
        queue = queues.get(connection, found.queue_id) if found else None
        if found is None or queue is None:
            raise HTTPException(404, "There is no such item.")
        rubric, by, now = rubric_of(connection, queue), adjudicator.name, here.clock()
        shown = Shown(found, rubric, None, None, bool(found.other_trace_id) and showing.swapped(number, by))
        answers = shown.as_meant(_answers(form))
        if queues.gone(connection, [found]):
            raise NotYours("What was said here was deleted: there is nothing to decide on.")
        own = "" if correction and showing.is_own(connection, found, correction) else correction
        labels.adjudicate(connection, number, answers, rubric, by=by, why=why, now=now, correction=own)
        _record(connection, by, "review.item.decide", number, now, {"verdict": answers, "why": why})

    try:
        await asyncio.wrap_future(here.store.submit(write))
    except NotYours as error:
        return problem(request, 409, str(error))
    except InvalidLabel as error:
        return problem(request, 422, str(error))
    return RedirectResponse(f"/review/items/{number}", 303)


def _redacted(here: State, words: str) -> str:
    """A reason as it is kept. PostgreSQL keeps no NUL."""
    return redact_within(words.replace("\0", ""), MAX_REASON, here.settings.redaction.rules)


def _record(
    connection: Connection, actor: str, action: str, item_id: int, now: float, details: Mapping[str, object]
) -> None:
    audit.record(connection, actor=actor, action=action, subject=f"review item {item_id}", now=now, details=details)


def _answers(form: FormData) -> dict[str, str]:
    return {
        name.removeprefix(FIELD): value
        for name, value in form.multi_items()
        if name.startswith(FIELD) and isinstance(value, str) and value
    }


def _text(form: FormData, name: str) -> str:
    value = form.get(name, "")
    return value if isinstance(value, str) else ""


def _hex(form: FormData, name: str) -> str:
    value = _text(form, name)
    if len(value) != 32 or set(value) - set("0123456789abcdef"):
        raise HTTPException(422, f"{name}: 32 hexadecimal digits, as the page had them")
    return value


def _seconds(form: FormData) -> float | None:
    try:
        found = float(_text(form, "seen_ms")) / 1000
    except ValueError:
        return None
    return found if 0 <= found < 86400 else None
