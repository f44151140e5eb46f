"""The pages of queues: all of them, a new one, and one with its progress, its people and how far they agree."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Form, HTTPException, Path, Query, Request
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError
from starlette.responses import RedirectResponse, Response

from feedback.labelling import filling, trust
from feedback.labelling.choosing import Wanted
from feedback.labelling.filling import Found, Kind, Source
from telltale.labels import COMPARISON, DEFAULT, Rubric
from telltale.pinning import CannotAsk, parse_time
from telltale.store import access, audit, samples
from telltale.store.review import leases, queues, rubrics
from telltale.store.review.queues import Progress, Queue
from telltale.web import Principal, State, render, require, state

MONTH_S: Final = 30 * 86400.0
MOST_SHOWN: Final = 50
DEFAULT_ITEMS: Final = 200
LEASE_S: Final = 30 * 60.0

router = APIRouter(include_in_schema=False)
Reviewer = Annotated[Principal, Depends(require("reviewer"))]
Number = Annotated[int, Path(ge=1, lt=2**63)]
Text = Annotated[str, Query(max_length=2000)]


@dataclass(frozen=True, slots=True)
class Line:
    """A queue in the list."""

    queue: Queue
    rubric: Rubric
    progress: Progress


@dataclass(frozen=True, slots=True)
class Asked:
    """The form of a new queue as it was sent."""

    kind: Kind = "audit"
    model: str = ""
    version: str = ""
    tenant: str = ""
    app: str = ""
    since: str = ""
    until: str = ""
    score: int | None = None
    most: int = DEFAULT_ITEMS
    overlap: int = 1
    rubric: str = DEFAULT.name
    name: str = ""
    gold: int = 0
    people: str = ""
    other: str = ""

    def names(self) -> list[str]:
        """Who may label; empty for everybody."""
        return sorted({name.strip() for name in self.people.split(",") if name.strip()})

    def source(self) -> Source:
        """Raises CannotAsk for a time that cannot be read."""
        begin, end = (parse_time(text) if text else None for text in (self.since, self.until))
        if self.kind == "compare" and not (self.version and self.other and self.version != self.other):
            raise CannotAsk("name the two versions whose answers are compared")
        wanted = Wanted(self.model, self.version, self.tenant, self.app, begin, end)
        return Source(self.kind, wanted, self.score, self.other)

    @property
    def unwritten(self) -> Rubric:
        """What is asked where nobody wrote a rubric of that name."""
        return COMPARISON if self.kind == "compare" else DEFAULT

    def check(self, rubric: Rubric) -> None:
        """Raises CannotAsk for a rubric that asks of two answers where one is shown, or of one where two are."""
        if any(field.kind == "comparison" for field in rubric.fields) != (self.kind == "compare"):
            shown = "two answers" if self.kind == "compare" else "one answer"
            raise CannotAsk(f"the rubric {rubric.name!r} cannot be asked of {shown}; choose another")

    def told(self) -> dict[str, Any]:
        """What the queue keeps of it, for people."""
        names = ("kind", "model", "version", "tenant", "app", "since", "until", "other", "score", "most", "gold")
        told = {name: value for name in names if (value := getattr(self, name))}
        return {**told, "people": self.names()} if self.names() else told


@router.get("/review")
def listing(request: Request, _: Reviewer, closed: bool = False) -> Response:
    with state(request).store.read() as connection:
        found = queues.load(connection, include_closed=closed)
        known = rubrics.get(connection, {queue.rubric_id for queue in found})
        done = queues.progress(connection, [queue.id or 0 for queue in found])
    lines = [Line(queue, known[queue.rubric_id], done[queue.id or 0]) for queue in found]
    return render(request, "queues.html", lines=lines, closed=closed)


@router.get("/review/new")
def new(
    request: Request, _: Reviewer, kind: Kind = "audit", model: Text = "", version: Text = "", tenant: Text = "",
    app: Text = "", since: Text = "", until: Text = "", score: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
    most: Annotated[int, Query(ge=1, le=200_000)] = DEFAULT_ITEMS, overlap: Annotated[int, Query(ge=1, le=9)] = 1,
    rubric: Text = DEFAULT.name, name: Text = "", gold: Annotated[int, Query(ge=0, le=1000)] = 0, people: Text = "",
    other: Text = "", count: bool = False,
) -> Response:  # fmt: skip
    """The form; with `count`, how many calls it would find. Nothing is written."""
    asked = Asked(
        kind, model, version, tenant, app, since, until, score, most, overlap, rubric, name, gold, people, other
    )
    return _form(request, asked, count=count)


@router.post("/review/new")
def make(
    request: Request, reviewer: Reviewer, name: Annotated[str, Form(max_length=128)],
    kind: Annotated[Kind, Form()] = "audit", model: Annotated[str, Form(max_length=2000)] = "",
    version: Annotated[str, Form(max_length=2000)] = "", tenant: Annotated[str, Form(max_length=2000)] = "",
    app: Annotated[str, Form(max_length=2000)] = "", since: Annotated[str, Form(max_length=40)] = "",
    until: Annotated[str, Form(max_length=40)] = "", score: Annotated[str, Form(pattern=r"^\d{0,18}$")] = "",
    most: Annotated[int, Form(ge=1, le=200_000)] = DEFAULT_ITEMS, overlap: Annotated[int, Form(ge=1, le=9)] = 1,
    rubric: Annotated[str, Form(max_length=64)] = DEFAULT.name, gold: Annotated[int, Form(ge=0, le=1000)] = 0,
    people: Annotated[str, Form(max_length=2000)] = "", other: Annotated[str, Form(max_length=2000)] = "",
) -> Response:  # fmt: skip
    """A new queue with its items. 422 with the form where it cannot be made."""
    here = state(request)
    number = int(score) if score else None
    asked = Asked(
        kind,
        model,
        version,
        tenant,
        app,
        since,
        until,
        number,
        most,
        overlap,
        rubric,
        name.strip(),
        gold,
        people,
        other,
    )
    try:
        if not asked.name:
            raise CannotAsk("give the queue a name")
        if any("\0" in text for text in (asked.name, model, version, tenant, app, other)):
            raise CannotAsk("no text holds NUL")
        source = asked.source()
        with here.store.read() as connection:
            _check_people(connection, asked)
            found = filling.find(connection, source, most, seed=secrets.randbits(31))
        if not found.chosen:
            raise CannotAsk("no call fits: nothing would be in the queue")
        made = here.store.write(lambda c: _make(c, here, asked, found, reviewer.name))
    except CannotAsk as error:
        return _form(request, asked, error=str(error), status_code=422)
    except IntegrityError:
        return _form(request, asked, error=f"a queue named {asked.name!r} exists", status_code=422)
    return RedirectResponse(f"/review/{made}", 303)


def _make(connection: Connection, here: State, asked: Asked, found: Found, actor: str) -> int:
    now = here.clock()
    # Of two answers the form's own choice, which is for one, cannot be meant.
    name = asked.unwritten.name if asked.rubric == DEFAULT.name else asked.rubric
    known = rubrics.newest(connection, name)
    if known is None:
        if name != asked.unwritten.name:
            raise CannotAsk(f"no rubric is named {name!r}")
        known = rubrics.publish(connection, asked.unwritten, actor=actor, now=now)
    asked.check(known)
    queue = Queue(asked.name, known.id or 0, asked.overlap, LEASE_S, now, actor, asked.told())
    number = queues.make(connection, queue)
    added = queues.add(connection, filling.items(found.chosen, number, asked.overlap))
    if asked.gold:
        mixed_in = filling.gold(connection, number, known.id or 0, asked.model, asked.gold, among=added)
        queues.add(connection, mixed_in)
    details = {"items": added, "overlap": asked.overlap, **asked.told()}
    audit.record(
        connection, actor=actor, action="review.queue.make", subject=f"queue {number}", now=now, details=details
    )
    return number


def _form(request: Request, asked: Asked, *, count: bool = False, error: str = "", status_code: int = 200) -> Response:
    here, found = state(request), None
    with here.store.read() as connection:
        models = samples.models(connection, here.clock() - MONTH_S)
        names = sorted({DEFAULT.name, *(one.name for one in rubrics.all_newest(connection))})
        if count and (asked.model or asked.score):
            try:
                found = filling.find(connection, asked.source(), asked.most, seed=0)
            except CannotAsk as problem:
                error, status_code = str(problem), 422
    strata = _strata(found) if found else {}
    return render(
        request, "queue_new.html", status_code=status_code, asked=asked, models=models, rubrics=names, found=found,
        strata=strata, error=error,
    )  # fmt: skip


def _check_people(connection: Connection, asked: Asked) -> None:
    """Raises CannotAsk for whoever cannot label, and where they are fewer than an item needs."""
    able = {one.name for one in access.all_people(connection) if one.disabled_at is None and one.role != "viewer"}
    names = asked.names()
    if unable := [name for name in names if name not in able]:
        raise CannotAsk(f"{unable[0]!r} is no reviewer here")
    if names and len(names) < asked.overlap:
        raise CannotAsk(f"an item needs {asked.overlap} people, and only {len(names)} may label")


def _strata(found: Found) -> dict[str, int]:
    counts: dict[str, int] = {}
    for one in found.chosen:
        counts[one.stratum] = counts.get(one.stratum, 0) + 1
    return counts


@router.get("/review/{number}")
def one(request: Request, number: Number, reviewer: Reviewer) -> Response:
    """A queue: how far it is, by whom, how far people agree, and what is disputed."""
    with state(request).store.read() as connection:
        queue = _queue(connection, number)
        rubric = rubrics.get(connection, [queue.rubric_id])[queue.rubric_id]
        done = queues.progress(connection, [number])[number]
        people = leases.by_person(connection, number)
        disputed = queues.items(connection, queue_id=number, state="disputed", limit=MOST_SHOWN)
        told = trust.of_queue(connection, number, rubric)
    return render(
        request, "queue.html", queue=queue, rubric=rubric, progress=done, people=people, disputed=disputed,
        trust=told, me=reviewer.name, may_decide=reviewer.allows("adjudicator"),
    )  # fmt: skip


@router.post("/review/{number}/close")
def close(request: Request, number: Number, reviewer: Reviewer) -> Response:
    """Give out nothing of the queue any more."""
    return _switch(request, number, reviewer, is_open=False)


@router.post("/review/{number}/open")
def reopen(request: Request, number: Number, reviewer: Reviewer) -> Response:
    """Give out what is left of a closed queue."""
    return _switch(request, number, reviewer, is_open=True)


def _switch(request: Request, number: int, reviewer: Principal, *, is_open: bool) -> Response:
    here = state(request)

    def write(connection: Connection) -> None:
        _queue(connection, number)
        now, action = here.clock(), "review.queue.open" if is_open else "review.queue.close"
        queues.close(connection, number, None if is_open else now)
        audit.record(connection, actor=reviewer.name, action=action, subject=f"queue {number}", now=now)

    here.store.write(write)
    return RedirectResponse(f"/review/{number}", 303)


def _queue(connection: Connection, number: int) -> Queue:
    queue = queues.get(connection, number)
    if queue is None:
        raise HTTPException(404, "There is no such queue.")
    return queue


def rubric_of(connection: Connection, queue: Queue) -> Rubric:
    return rubrics.get(connection, [queue.rubric_id])[queue.rubric_id]
