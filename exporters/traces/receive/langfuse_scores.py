"""Feedback as Langfuse's SDKs send it, beside their spans: scores (5) and ingestion batches (3).

A boolean is a thumb, a number in [0, 1] a rating, a word a category. A number on another scale is refused: nothing
says what its best is.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from exporters.traces.decode.spans import Value
from telltale.records import Feedback, FeedbackKind
from telltale.redaction import redact, redact_within

SCORES = "/api/public/scores"
INGESTION = "/api/public/ingestion"
MAX_EVENTS = 1000
MAX_COMMENT = 8000
MAX_CATEGORY = 64
MAX_NAME = 64
MAX_ID = 119
# What Langfuse's SDKs tell of themselves; Langfuse answers nothing to it.
SDK_LOG = "sdk-log"
_TRACE = re.compile(r"[0-9a-f]{32}")
_SPAN = re.compile(r"[0-9a-f]{16}")
# SQLite takes no half of a surrogate pair, PostgreSQL no NUL.
_UNFIT = re.compile(r"[\0\ud800-\udfff]")
_NAME = re.compile(r"[^\w.:/ -]")

Refusal = tuple[str, str]
"""What its sender knows it by, and why it is not kept."""


@dataclass(frozen=True, slots=True)
class ReceivedScore:
    """A score as it came: `name` is what its sender looks for in the answer, `identity` what it calls the score."""

    name: str
    identity: str
    score: Mapping[str, Value]


def read(body: bytes, path: str) -> tuple[list[ReceivedScore], list[Refusal]]:
    """Every score in a body, and what in it is none. Raises ValueError, KeyError or TypeError for no such body."""
    parsed = json.loads(body)
    found = parsed["batch"] if path == INGESTION else parsed if isinstance(parsed, list) else [parsed]
    if not isinstance(found, list) or len(found) > MAX_EVENTS or not all(isinstance(item, dict) for item in found):
        raise ValueError(f"up to {MAX_EVENTS} objects")
    if path == INGESTION:
        return _from_events(found)
    identities = [str(score.get("id") or "") for score in found]
    return [ReceivedScore(name, name, score) for name, score in zip(identities, found, strict=True)], []


def _from_events(batch: list[dict[str, Value]]) -> tuple[list[ReceivedScore], list[Refusal]]:
    """Of a batch of Langfuse's events, which are answered by the event's id and not by that of its body."""
    told: list[ReceivedScore] = []
    refused: list[Refusal] = []
    for event in batch:
        kind, body, name = event.get("type"), event.get("body"), str(event.get("id") or "unknown")
        if kind == "score-create" and isinstance(body, dict):
            score = {"id": event.get("id"), **body}
            told.append(ReceivedScore(name, str(score["id"] or ""), score))
        elif kind == "score-create":
            refused.append((name, "needs a body"))
        elif kind != SDK_LOG:
            refused.append(
                (name, "is no score-create, and nothing else is kept here: spans go to /v1/traces over OTLP")
            )
    return told, refused


def events(
    scores: list[ReceivedScore], tenant: str, now: float, rules: Mapping[str, str]
) -> Iterator[tuple[str, Feedback] | Refusal]:
    """What each score is as feedback, or why it is none, behind what its sender knows it by."""
    for told in scores:
        score = told.score
        judged = _judged(score)
        trace, span = str(score.get("traceId", "")).lower(), str(score.get("observationId") or "").lower()
        if not _TRACE.fullmatch(trace) or judged is None:
            why = "needs a trace id of 32 hex digits, and a boolean, a number in [0, 1] or a word"
            yield told.name or "unknown", why
            continue
        kind, value, category = judged
        words = score.get("comment")
        comment: str | None = None
        if category:
            comment = redact_within(category, MAX_CATEGORY, rules)
        elif isinstance(words, str) and words:
            comment = redact_within(words, MAX_COMMENT, rules)
        event = Feedback(
            received_at=now,
            tenant=tenant,
            trace_id=trace,
            span_id=span if _SPAN.fullmatch(span) else None,
            kind=kind,
            name=_NAME.sub("_", redact_within(str(score.get("name") or "score"), MAX_NAME, rules))[:MAX_NAME],
            value=value,
            source="user",
            idempotency_key="",
            comment=comment,
        )
        # Of one that nobody named by what is stored of it: a hash of more would tell what was redacted.
        identity = told.identity or fingerprint(event)
        yield told.name or identity, replace(event, idempotency_key=_key(identity, rules))


def fingerprint(event: Feedback) -> str:
    """Equal for equal events, whenever they came."""
    told = [event.trace_id, event.span_id, event.kind, event.name, event.value, event.comment]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def _key(identity: str, rules: Mapping[str, str]) -> str:
    """An id that the store can and may hold as it is, and a hash of any other: cut short, two would be one."""
    if len(identity) > MAX_ID or _UNFIT.search(identity) or redact(identity, rules)[1]:
        identity = hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()
    return f"langfuse:{identity}"


def _judged(score: Mapping[str, Value]) -> tuple[FeedbackKind, float | None, str] | None:
    value, kind = score.get("value"), score.get("dataType")
    if isinstance(value, str):
        return "category", None, value
    if not isinstance(value, bool | int | float) or not 0 <= value <= 1:
        return None
    thumb = kind == "BOOLEAN" or isinstance(value, bool)
    return ("thumb" if thumb else "rating"), float(value), ""
