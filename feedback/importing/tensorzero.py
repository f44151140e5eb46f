"""Feedback of TensorZero: rows of its four tables, from ClickHouse or PostgreSQL.

Its rows name inferences and episodes, which are no traces: `Plan.traces` or a tag says which trace is meant. A row's
time is in its id (UUIDv7, RFC 9562 §5.7).
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any, Final

from feedback.importing.plan import Plan, Row
from feedback.importing.values import Refused, boolean_of, json_object, number_of, time_of, uuid_of
from telltale.feedback import MAX_COMMENT, MAX_NAME, build, fingerprint
from telltale.records import FeedbackKind, FeedbackSource

_OF_A_PERSON: Final = "tensorzero::human_feedback"
_OF_A_JUDGE: Final = "tensorzero::evaluator_inference_id"
_EVALUATION: Final = "tensorzero::evaluation_name::"
_EVALUATOR: Final = "::evaluator_name::"
_TIME_BITS: Final = 80


def events(fields: Mapping[str, Any], plan: Plan) -> list[Row]:
    """The one event of a row. Raises Refused."""
    number = uuid_of(fields.get("id"))
    if number is None:
        raise Refused("id", "is no UUID")
    kind, name, value, text = _said(fields, plan)
    if text is not None and len(text) > MAX_COMMENT:
        raise Refused("value", f"has more than {MAX_COMMENT:,} characters")
    short = name.removeprefix(_EVALUATION).replace(_EVALUATOR, "/")
    if len(short) > MAX_NAME:
        raise Refused("metric_name", f"has more than {MAX_NAME} characters")
    trace, span = plan.trace(fields, "inference_id" if "inference_id" in fields else "target_id")
    event = build(
        received_at=_time(number, fields, plan.now),
        tenant=plan.tenant,
        trace_id=trace,
        span_id=plan.span(fields) or span,
        kind=kind,
        name=short,
        value=value,
        source=_source(fields, name, plan),
        idempotency_key=f"tensorzero:{number}",
        comment=text,
        subject=plan.subject(fields),
        rules=plan.rules,
    )
    return [(event, fingerprint(event))]


def _said(fields: Mapping[str, Any], plan: Plan) -> tuple[FeedbackKind, str, float | None, str | None]:
    """Kind, name, value and text. The tables tell themselves apart by their columns."""
    value = fields.get("value")
    if "metric_name" in fields:
        name = str(fields["metric_name"])
        truth = boolean_of(value)
        if truth is not None:
            return "thumb", name, plan.rating(name, float(truth), "value", (0.0, 1.0)), None
        number = number_of(value)
        if number is None:
            raise Refused("value", "of a metric is neither a boolean nor a number")
        return "rating", name, plan.rating(name, number, "value", None), None
    if "inference_id" in fields:
        return "correction", "demonstration", None, _demonstration(value)
    if not isinstance(value, str) or not value.strip():
        raise Refused("value", "of a comment is no text")
    return "comment", "comment", None, value


def _demonstration(value: object) -> str:
    """The text of a demonstrated answer: content blocks of a chat, or the raw output of a JSON function."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise Refused("value", "of a demonstration is no JSON") from None
    if isinstance(value, dict):
        value = [{"type": "text", "text": value.get("raw")}]
    blocks = value if isinstance(value, list) else []
    texts = [block.get("text") for block in blocks if isinstance(block, dict) and block.get("type") == "text"]
    if len(texts) < len(blocks):
        raise Refused("value", "demonstrates more than text, such as a tool's call, and a correction is text")
    written = [text for text in texts if isinstance(text, str) and text.strip()]
    if not written:
        raise Refused("value", "of a demonstration has no text")
    return "\n".join(written)


def _time(number: uuid.UUID, fields: Mapping[str, Any], now: float) -> float:
    if number.version == 7:
        return time_of((number.int >> _TIME_BITS) / 1000, "id", now)
    return time_of(fields.get("created_at") or fields.get("timestamp"), "timestamp", now)


def _source(fields: Mapping[str, Any], name: str, plan: Plan) -> FeedbackSource:
    if name in plan.sources:
        return plan.sources[name]
    tags = _tags(fields.get("tags"))
    if tags.get(_OF_A_PERSON) == "true":
        return "reviewer"
    return "judge" if _OF_A_JUDGE in tags or name.startswith(_EVALUATION) else "user"


def _tags(value: object) -> Mapping[str, Any]:
    if isinstance(value, str):
        found = json_object(value)
        if not found and value.strip() not in ("", "{}"):
            # They say whether a person or a judge speaks.
            raise Refused("tags", "is no JSON object: export with FORMAT JSONEachRow")
        return found
    return value if isinstance(value, Mapping) else {}
