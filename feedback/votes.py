"""Votes straight from a browser: a service requests a signed token for one response, its page votes with it.

So no API key is ever in a page. A token is for one call, one name and one person, and expires after some hours; with it
that person may vote, comment and change their mind a few times, and the page may tell of implicit signals.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from itsdangerous import BadData, URLSafeSerializer
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import Connection
from starlette.responses import JSONResponse, Response

from feedback import describing
from feedback.intake import Outcome, secret, store_event
from feedback.state import FeedbackState
from feedback.submission import Invalid, Submission, faults, fingerprint, to_event
from telltale.feedback import SUBJECT_KEY, author, subject_hash
from telltale.records import Feedback
from telltale.store import feedback as store_feedback
from telltale.web import Principal, State, require_scope, state
from telltale.web.problems import RETRY_AFTER_STORE_S, problem

VOTES_PATH = "/api/v1/votes"
SIGNING_KEY = "feedback.votes"
MAX_CHANGES = 20
HOUR_S = 3600.0
# The page that votes belongs to another site, so its browser sends a preflight. The token is the authorization. That
# the page may read responses, the guard says for all of them.
PREFLIGHT = {
    "Access-Control-Allow-Methods": "POST",
    "Access-Control-Allow-Headers": "content-type",
    "Access-Control-Max-Age": "86400",
}

router = APIRouter(tags=["feedback"])


class TokenRequest(BaseModel):
    """Which response may be voted on, under which name, by whom, and for how long (seconds)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    trace_id: str
    span_id: str | None = None
    name: str = "helpful"
    subject: str | None = Field(None, min_length=1, max_length=256)
    lifetime: float = Field(3 * HOUR_S, ge=60, le=7 * 24 * HOUR_S)


class Vote(BaseModel):
    """What the browser sends; the fields are those of a Submission. `signal` names an implicit one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    token: str = Field(max_length=2000)
    kind: Literal["thumb", "rating", "category", "comment", "implicit", "retract"] = "thumb"
    signal: str | None = None
    value: bool | float | str | None = None
    scale: tuple[float, float] = (0.0, 1.0)
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims of a signed token. `subject` is None for the call's anonymous person: the same by whatever token."""

    tenant: str
    trace_id: str
    span_id: str | None
    name: str
    subject: str | None
    expires_at: float
    key_id: str | None = None

    @property
    def voter(self) -> str:
        """Whose votes are limited in their rate."""
        return self.subject or f"{self.tenant}/{self.trace_id}"

    @property
    def keys(self) -> list[str]:
        """The idempotency keys of this person's successive votes on this call."""
        text = "\0".join((self.trace_id, self.span_id or "", self.name, self.subject or ""))
        digest = hashlib.sha256(text.encode()).hexdigest()[:32]
        return [f"vote:{digest}:{number}" for number in range(MAX_CHANGES)]


@router.post("/api/v1/feedback/tokens", status_code=201, **describing.TOKENS)
async def make_token(
    request: Request, wanted: TokenRequest, sender: Annotated[Principal, Depends(require_scope("feedback:write"))]
) -> Response:
    """A token for one response. Request it on your server and pass it to your page."""
    here = state(request)
    try:
        checked = Submission(
            kind="retract", trace_id=wanted.trace_id, span_id=wanted.span_id, name=wanted.name, subject=wanted.subject
        )
    except ValidationError as error:
        return problem(request, 422, str(Invalid(faults(error))))
    key = await secret(here, SUBJECT_KEY)
    # A new person for each token would let one who reloads the page vote again.
    subject = subject_hash(key, sender.tenant, wanted.subject) if wanted.subject else None
    expires_at = here.clock() + wanted.lifetime
    values = [sender.tenant, checked.trace_id, checked.span_id, checked.name, subject, expires_at, sender.key_id]
    token = (await _serializer(here)).dumps(values)
    body = {"token": token, "expires_at": expires_at, "url": here.settings.web_url + VOTES_PATH}
    return JSONResponse(body, 201)


@router.options(VOTES_PATH, include_in_schema=False)
async def preflight() -> Response:
    return Response(status_code=204, headers=PREFLIGHT)


async def vote(request: Request) -> Response:
    """Vote with a token. The body is a Vote as JSON, sent as application/json or, to spare a preflight, text/plain."""
    here = state(request)
    try:
        sent = Vote.model_validate_json(await request.body())
    except ValidationError as error:
        return problem(request, 422, str(Invalid(faults(error))))
    claims = await _verify(here, sent.token)
    if claims is None:
        return problem(request, 401, "The token is invalid or has expired.")
    if wait := here.part(FeedbackState).vote_rate.acquire(claims.voter, here.clock()):
        return problem(request, 429, "Too many votes.", {"Retry-After": str(math.ceil(wait))})
    if (sent.kind == "implicit") != (sent.signal is not None):
        return problem(request, 422, "signal: names an implicit signal, and nothing else")
    if sent.signal is not None:
        claims = replace(claims, name=sent.signal)
    try:
        fields = sent.model_dump(exclude={"token", "signal"})
        submission = Submission(trace_id=claims.trace_id, span_id=claims.span_id, name=claims.name, **fields)
    except ValidationError as error:
        return problem(request, 422, str(Invalid(faults(error))))
    outcome = await _store(here, claims, submission)
    if outcome.event is None:
        retry = {"Retry-After": str(RETRY_AFTER_STORE_S)} if outcome.status == 503 else None
        return problem(request, outcome.status, outcome.detail, retry)
    return JSONResponse({"status": outcome.status}, outcome.status)


async def _store(here: State, claims: Claims, submission: Submission) -> Outcome:
    key, keys, now = await secret(here, SUBJECT_KEY), claims.keys, here.clock()
    rules = here.settings.redaction.rules
    event = to_event(submission, tenant=claims.tenant, idempotency_key=keys[0], now=now, key=key, rules=rules)
    event = replace(event, subject=claims.subject, key_id=claims.key_id)
    body_hash = fingerprint(submission, key)

    def append(connection: Connection) -> Outcome:
        earlier = store_feedback.under_keys(connection, claims.tenant, keys)
        if earlier and earlier[-1][1] == body_hash and _still_stands(connection, earlier[-1][0]):
            return Outcome(200, earlier[-1][0])
        if len(earlier) == len(keys):
            return Outcome(409, detail="This vote was changed too often.")
        stored, _ = store_feedback.append(connection, replace(event, idempotency_key=keys[len(earlier)]), body_hash)
        return Outcome(201, stored)

    return await store_event(here, append)


def _still_stands(connection: Connection, event: Feedback) -> bool:
    """Whether nothing came since that could replace it: then the same vote again is a repetition, not a change."""
    later = store_feedback.load(connection, trace_ids=[event.trace_id], after_id=event.id)
    return not any((author(one), one.name) == (author(event), event.name) for one in later)


router.add_api_route(VOTES_PATH, vote, methods=["POST"], status_code=201, **describing.vote(Vote.model_json_schema()))


async def _verify(here: State, token: str) -> Claims | None:
    try:
        values: list[Any] = (await _serializer(here)).loads(token)
    except BadData:
        return None
    claims = Claims(*values)
    return claims if claims.expires_at > here.clock() else None


async def _serializer(here: State) -> URLSafeSerializer:
    return URLSafeSerializer(
        await secret(here, SIGNING_KEY), salt="vote", signer_kwargs={"digest_method": hashlib.sha256}
    )
