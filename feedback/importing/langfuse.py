"""Scores of Langfuse, from its API, its batch export (CSV, JSON) or its database.

The export's `userId` is the person whom the trace served, not who scored it, so it is nobody's name here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from feedback.importing.plan import Plan, Row
from feedback.importing.values import Refused, boolean_of, number_of, time_of
from telltale.feedback import MAX_COMMENT, build, fingerprint
from telltale.langfuse import Judged, judge, score_key
from telltale.records import FeedbackSource

SOURCES: Final[Mapping[str, FeedbackSource]] = {"API": "user", "ANNOTATION": "reviewer", "EVAL": "judge"}
_IN_DATABASE: Final = {
    "trace_id": "traceId",
    "observation_id": "observationId",
    "session_id": "sessionId",
    "data_type": "dataType",
    "string_value": "stringValue",
    "author_user_id": "authorUserId",
    "created_at": "createdAt",
}
_NUMERIC: Final = ("NUMERIC", "BOOLEAN")


def events(fields: Mapping[str, Any], plan: Plan) -> list[Row]:
    """The score as an event, and its comment as another where the first has a text already. Raises Refused."""
    score = _score(fields)
    judged = judge(score)
    if judged is None:
        raise Refused("value", "is neither a boolean, a number nor a text, or does not fit dataType")
    name = str(score.get("name") or "score")
    trace, span = _trace(score, plan)
    comment = score.get("comment") if isinstance(score.get("comment"), str) else None
    source = _source(score, name, plan)
    event = build(
        received_at=time_of(score.get("timestamp") or score.get("createdAt"), "timestamp", plan.now),
        tenant=plan.tenant,
        trace_id=trace,
        span_id=plan.span(score, "observationId") or span,
        kind=judged.kind,
        name=name,
        value=_value(judged, name, plan),
        source=source,
        idempotency_key="",
        comment=judged.text or comment,
        subject=plan.subject(score, "") or (plan.subject(score, _author(score)) if source == "reviewer" else None),
        rules=plan.rules,
        max_comment=judged.most,
    )
    event = replace(event, idempotency_key=score_key(str(score.get("id") or fingerprint(event)), plan.rules))
    rows = [(event, fingerprint(event))]
    if judged.text and comment:
        said = build(
            received_at=event.received_at, tenant=event.tenant, trace_id=trace, span_id=event.span_id, kind="comment",
            name=name, value=None, source=source, idempotency_key=f"{event.idempotency_key}:comment", comment=comment,
            subject=event.subject, rules=plan.rules, max_comment=MAX_COMMENT,
        )  # fmt: skip
        rows.append((said, fingerprint(said)))
    return rows


def _score(fields: Mapping[str, Any]) -> dict[str, Any]:
    """A score as the API writes it, from whichever form."""
    score = {_IN_DATABASE.get(name, name): value for name, value in fields.items() if value != ""}
    if score.get("is_deleted") in (1, "1", True, "true"):
        raise Refused("is_deleted", "says that it was deleted")
    if long := score.get("long_string_value"):
        score["stringValue"] = long
    value = score.get("value")
    if isinstance(value, str) and score.get("dataType") in _NUMERIC:
        truth = boolean_of(value)
        score["value"] = number_of(value) if truth is None else truth
    elif isinstance(value, str) and isinstance(score.get("stringValue"), str):
        # In a CSV file the number that stands for a category is text.
        del score["value"]
    return score


def _trace(score: Mapping[str, Any], plan: Plan) -> tuple[str, str | None]:
    if score.get("traceId") is None and "trace_id" not in plan.places:
        whole = next((name for name in ("sessionId", "datasetRunId") if score.get(name)), None)
        raise Refused("traceId", "is missing" if whole is None else f"is missing: a {whole} is no single call")
    return plan.trace(score, "traceId")


def _source(score: Mapping[str, Any], name: str, plan: Plan) -> FeedbackSource:
    said = plan.sources.get(name) or SOURCES.get(str(score.get("source") or "API"))
    if said is None:
        raise Refused("source", f"is none of {', '.join(SOURCES)}")
    return said


def _value(judged: Judged, name: str, plan: Plan) -> float | None:
    if judged.kind == "rating" and judged.value is not None:
        return plan.rating(name, judged.value, "value", (0.0, 1.0))
    if judged.kind == "thumb" and judged.value not in (0.0, 1.0):
        raise Refused("value", "of a boolean is neither 0 nor 1")
    return (
        judged.value
        if judged.value is None or name not in plan.scales
        else plan.rating(name, judged.value, "value", None)
    )


def _author(score: Mapping[str, Any]) -> str:
    return "authorUserId" if score.get("authorUserId") else "authorUserName"
