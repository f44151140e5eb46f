"""Feedback as Langfuse's SDKs send it, beside their spans: scores (5) and ingestion batches (3).

A boolean is a thumb, a number in [0, 1] a rating, a word a category. A number on another scale is refused: nothing
says what its best is.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping

from exporters.traces.spans import Value
from telltale.records import Feedback, FeedbackKind
from telltale.redaction import redact

SCORES = "/api/public/scores"
INGESTION = "/api/public/ingestion"
MAX_EVENTS = 1000
MAX_COMMENT = 8000
_TRACE = re.compile(r"[0-9a-f]{32}")
_SPAN = re.compile(r"[0-9a-f]{16}")
_NAME = re.compile(r"[^\w.:/ -]")

Refusal = tuple[str, str]


def read(body: bytes, path: str) -> list[tuple[str, Mapping[str, Value]]]:
    """(id, score) of every score in a body. Raises ValueError for one that is none of the two forms."""
    parsed = json.loads(body)
    if path == INGESTION:
        parsed = [
            {"id": event.get("id"), **event["body"]} for event in parsed["batch"] if event.get("type") == "score-create"
        ]
    found = parsed if isinstance(parsed, list) else [parsed]
    if len(found) > MAX_EVENTS or not all(isinstance(score, dict) for score in found):
        raise ValueError(f"up to {MAX_EVENTS} objects")
    return [(str(score.get("id") or _digest(score)), score) for score in found]


def events(
    scores: list[tuple[str, Mapping[str, Value]]], tenant: str, now: float, rules: Mapping[str, str]
) -> Iterator[Feedback | Refusal]:
    """What each score is as feedback, or its id and why it is none."""
    for identity, score in scores:
        judged = _judged(score)
        trace, span = str(score.get("traceId", "")).lower(), str(score.get("observationId") or "").lower()
        if not _TRACE.fullmatch(trace) or judged is None:
            yield identity, "needs a trace id of 32 hex digits, and a boolean, a number in [0, 1] or a word"
            continue
        kind, value, words = judged
        comment = score.get("comment")
        words = words or (comment if isinstance(comment, str) else "")
        yield Feedback(
            received_at=now,
            tenant=tenant,
            trace_id=trace,
            span_id=span if _SPAN.fullmatch(span) else None,
            kind=kind,
            name=_NAME.sub("_", str(score.get("name") or "score"))[:64],
            value=value,
            source="user",
            idempotency_key=f"langfuse:{identity}"[:128],
            comment=redact(words[:MAX_COMMENT], rules)[0] if words else None,
        )


def fingerprint(event: Feedback) -> str:
    """Equal for equal events, whenever they came."""
    return _digest([event.trace_id, event.span_id, event.kind, event.name, event.value, event.comment])


def _judged(score: Mapping[str, Value]) -> tuple[FeedbackKind, float | None, str] | None:
    value, kind = score.get("value"), score.get("dataType")
    if isinstance(value, str):
        return "category", None, value[:64]
    if not isinstance(value, bool | int | float) or not 0 <= value <= 1:
        return None
    thumb = kind == "BOOLEAN" or isinstance(value, bool)
    return ("thumb" if thumb else "rating"), float(value), ""


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
