"""Feedback in the forms of Langfuse's SDKs: scores (version 5) and ingestion batches (version 3).

What a score says is in `telltale.langfuse`. A number beyond [0, 1] is refused: nothing says which end of it is good.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from exporters.traces.decode.spans import Value
from telltale.feedback import build, fingerprint
from telltale.langfuse import judge, score_key
from telltale.records import Feedback

SCORES = "/api/public/scores"
INGESTION = "/api/public/ingestion"
MAX_EVENTS = 1000
# Events of the SDK about itself; Langfuse does not acknowledge them either.
SDK_LOG = "sdk-log"
_TRACE = re.compile(r"[0-9a-f]{32}")
_SPAN = re.compile(r"[0-9a-f]{16}")

Refusal = tuple[str, str]
"""The id under which its sender knows it, and why it is not stored."""


@dataclass(frozen=True, slots=True)
class ReceivedScore:
    """A score as received: `reply_id` is the id that its sender expects in the response, `score_id` the score's own."""

    reply_id: str
    score_id: str
    score: Mapping[str, Value]


def read(body: bytes, path: str) -> tuple[list[ReceivedScore], list[Refusal]]:
    """Every score in a body, and what else is in it. Raises ValueError, KeyError or TypeError for another form."""
    # As UTF-8, as in `otlp_json`.
    parsed = json.loads(body.decode("utf-8-sig", "surrogatepass"))
    found = parsed["batch"] if path == INGESTION else parsed if isinstance(parsed, list) else [parsed]
    if not isinstance(found, list) or len(found) > MAX_EVENTS or not all(isinstance(item, dict) for item in found):
        raise ValueError(f"up to {MAX_EVENTS} objects")
    if path == INGESTION:
        return _from_events(found)
    ids = [str(score.get("id") or "") for score in found]
    return [ReceivedScore(id, id, score) for id, score in zip(ids, found, strict=True)], []


def _from_events(batch: list[dict[str, Value]]) -> tuple[list[ReceivedScore], list[Refusal]]:
    """The scores in a batch of Langfuse's events, which are acknowledged by the event's id, not by its body's."""
    scores: list[ReceivedScore] = []
    refused: list[Refusal] = []
    for event in batch:
        kind, body, reply_id = event.get("type"), event.get("body"), str(event.get("id") or "unknown")
        if kind == "score-create" and isinstance(body, dict):
            score = {"id": event.get("id"), **body}
            scores.append(ReceivedScore(reply_id, str(score["id"] or ""), score))
        elif kind == "score-create":
            refused.append((reply_id, "needs a body"))
        elif kind != SDK_LOG:
            refused.append(
                (reply_id, "is no score-create, and nothing else is stored here: spans go to /v1/traces over OTLP")
            )
    return scores, refused


def events(
    scores: list[ReceivedScore], tenant: str, key_id: str, now: float, rules: Mapping[str, str]
) -> Iterator[tuple[str, Feedback] | Refusal]:
    """Each score as feedback, or why it is refused, after the id under which its sender knows it."""
    for received in scores:
        score = received.score
        judged = judge(score)
        trace, span = str(score.get("traceId", "")).lower(), str(score.get("observationId") or "").lower()
        if not _TRACE.fullmatch(trace) or judged is None or not 0 <= (judged.value or 0.0) <= 1:
            why = "needs a trace id of 32 hex digits, and a boolean, a number in [0, 1] or a string"
            yield received.reply_id or "unknown", why
            continue
        comment = score.get("comment")
        event = build(
            received_at=now,
            tenant=tenant,
            trace_id=trace,
            span_id=span if _SPAN.fullmatch(span) else None,
            kind=judged.kind,
            name=str(score.get("name") or "score"),
            value=judged.value,
            source="user",
            idempotency_key="",
            comment=judged.text or (comment if isinstance(comment, str) else None),
            subject=None,
            key_id=key_id,
            rules=rules,
            max_comment=judged.most,
        )
        # A score without an id is identified by what is stored of it: a hash of more would reveal what was redacted.
        score_id = received.score_id or fingerprint(event)
        yield received.reply_id or score_id, replace(event, idempotency_key=score_key(score_id, rules))
