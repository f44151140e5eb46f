"""Tickets as pages and as JSON: the list, one ticket with its evidence, a person's actions on it, and runbooks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from anyio import CapacityLimiter, to_thread
from fastapi import Depends, Form, HTTPException, Request
from fastapi import Path as InPath
from starlette.responses import Response

from alerting import runbook
from alerting.lifecycle import decisions, work
from alerting.report import actions, closing, listing
from alerting.report.changing import change as _change
from alerting.report.markdown import markdown
from alerting.report.plain import plain
from alerting.report.serialise import as_json
from alerting.report.summary import Summary, summarise
from alerting.report.ticket_report import TicketReport, build_report
from telltale.redaction import redact
from telltale.store import audit, evidence, tickets
from telltale.web import Nav, Principal, Router, render, require, state
from telltale.web.people import everyone

router = Router(
    templates=Path(__file__).parent / "templates",
    nav=(Nav("Tickets", "/tickets"),),
    links={"ticket": "/tickets/{id}"},
)

MAX_COMMENT = 4000
# A report is a whole program with its own scripts. It runs in an origin of its own: it can read nothing of ours,
# send nothing anywhere, open nothing.
REPORT_POLICY = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:; frame-ancestors 'self'"
)
# Alone in a tab, a sandboxed document may still send the tab elsewhere, with what it holds in the address. So it is
# always inside this one, which has no script of its own: a frame inherits the policy, and may go where default-src
# allows it, nowhere.
REPORT_FRAME = (
    "<!doctype html><meta charset=utf-8><title>Evidently report</title><style>html,body,iframe{margin:0;border:0;"
    'width:100%;height:100%;display:block}</style><iframe sandbox="allow-scripts" srcdoc="'
)
# A report is megabytes, several times over while it is framed: one at a time.
REPORTS_AT_ONCE = CapacityLimiter(1)
# A sandboxed document may not ask for isolation from its opener (HTML, "cross-origin opener policies").
REPORT_HEADERS = {"Content-Security-Policy": REPORT_POLICY, "Cross-Origin-Opener-Policy": "unsafe-none"}

Viewer = Annotated[Principal, Depends(require("viewer"))]
Reviewer = Annotated[Principal, Depends(require("reviewer"))]
Number = Annotated[int, InPath(ge=1, lt=2**63)]
router.include_router(closing.router)
# Before /tickets/{number}, which would take any name for a number.
router.include_router(listing.router)
router.include_router(actions.router)


@router.get("/tickets/{number}.md", include_in_schema=False)
def one_markdown(request: Request, number: Number, principal: Viewer) -> Response:
    _, summary = _told(request, number, principal)
    return Response(markdown(summary, state(request).settings.web_url), media_type="text/markdown; charset=utf-8")


@router.get("/tickets/{number}.txt", include_in_schema=False)
def one_plain(request: Request, number: Number, principal: Viewer) -> Response:
    _, summary = _told(request, number, principal)
    return Response(plain(summary, state(request).settings.web_url), media_type="text/plain; charset=utf-8")


@router.get("/tickets/{number}", include_in_schema=False)
def one(request: Request, number: Number, principal: Viewer) -> Response:
    report, summary = _told(request, number, principal)
    return render(
        request,
        "ticket.html",
        report=report,
        summary=summary,
        ticket=report.ticket,
        closing=closing.form(report.ticket, state(request).clock()),
        people=_assignable(request),
        now=state(request).clock(),
        runbooks=[(name, page) for name in report.names if (page := runbook.page(name, level=3))],
        # Prompts, responses and comments are for those who review them.
        may_read=principal.allows("reviewer"),
    )


@router.get("/api/v1/tickets/{number}", tags=["tickets"])
def one_json(request: Request, number: Number, principal: Viewer) -> dict[str, object]:
    """One ticket: its alerts, timeline, monitors' scores, and the command that exports its data set."""
    report, summary = _told(request, number, principal)
    return as_json(report, summary, state(request).settings.web_url, may_read=principal.allows("reviewer"))


@router.post("/tickets/{number}/comment", include_in_schema=False)
def comment(
    request: Request, number: Number, principal: Reviewer, words: Annotated[str, Form(max_length=MAX_COMMENT)]
) -> Response:
    if not words.strip():
        raise HTTPException(422, "A comment needs text.")
    text = _redacted(request, words)
    return _change(request, number, lambda c, t, now: decisions.comment(c, t, principal.name, text, now))


@router.post("/tickets/{number}/reopen", include_in_schema=False)
def reopen(request: Request, number: Number, principal: Reviewer) -> Response:
    return _change(request, number, lambda c, t, now: work.reopen(c, t, principal.name, now), closed=True)


@router.get("/evidence/{number}", include_in_schema=False)
async def evidence_document(request: Request, number: Number, principal: Reviewer) -> Response:
    """A document kept as evidence, which may hold prompts: the audit log records each reading of it."""
    return await to_thread.run_sync(_evidence, request, number, principal, limiter=REPORTS_AT_ONCE)


def _evidence(request: Request, number: int, principal: Principal) -> Response:
    here = state(request)
    with here.store.read() as connection:
        found = evidence.get(connection, number)
    if found is None:
        raise HTTPException(404)
    now, subject = here.clock(), f"evidence {number}"
    here.store.write(lambda c: audit.record(c, actor=principal.name, action="evidence_read", subject=subject, now=now))
    framed = REPORT_FRAME.encode() + found.content.replace(b"&", b"&amp;").replace(b'"', b"&quot;") + b'"></iframe>'
    return Response(framed, media_type="text/html", headers=REPORT_HEADERS)


@router.get("/runbooks", include_in_schema=False)
def runbooks(request: Request, _: Viewer) -> Response:
    return render(request, "runbook_list.html", names=runbook.names())


@router.get("/runbooks/{name}", include_in_schema=False)
def one_runbook(request: Request, name: str, _: Viewer) -> Response:
    page = runbook.page(name)
    if page is None:
        raise HTTPException(404)
    return render(request, "runbook.html", name=name, page=page)


def _assignable(request: Request) -> list[str]:
    return [person.name for person in everyone(state(request).store) if person.disabled_at is None]


def _told(request: Request, number: int, principal: Principal) -> tuple[TicketReport, Summary]:
    """What the store holds of a ticket, and that in words for this person."""
    here = state(request)
    now = here.clock()
    with here.store.read() as connection:
        ticket = tickets.get(connection, number)
        if ticket is None:
            raise HTTPException(404)
        report = build_report(connection, ticket, here.settings, now)
    return report, summarise(report, now, may_read=principal.allows("reviewer"))


def _redacted(request: Request, text: str) -> str:
    return redact(text.strip(), state(request).settings.redaction.rules)[0]
