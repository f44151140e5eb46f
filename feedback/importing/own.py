"""Records in the fields of the feedback API: `trace_id`, `kind`, `value` and so on, from CSV or JSONL."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, get_args

from feedback import submission
from feedback.importing.plan import Plan, Row
from feedback.importing.values import Refused, boolean_of, number_of, time_of
from telltale.records import FeedbackSource
from telltale.redaction import pseudonym

FIELDS: Final = (
    "trace_id", "span_id", "kind", "name", "value", "scale", "comment", "subject", "source", "received_at",
    "idempotency_key",
)  # fmt: skip
NEEDED: Final = ("trace_id", "kind")
SOURCES: Final = get_args(FeedbackSource)
_NUMBERS: Final = ("rating", "implicit")
_AS_TEXT: Final = ("subject", "idempotency_key", "name")


def events(fields: Mapping[str, Any], plan: Plan) -> list[Row]:
    """The one event of a record, with its body as the API fingerprints it. Raises Refused."""
    given = {name: value for name in FIELDS if (value := plan.take(fields, name)[1]) is not None}
    key = _key(given, plan)
    at = given.pop("received_at", None)
    at = plan.now if at is None else time_of(at, plan.take(fields, "received_at")[0], plan.now)
    source = given.get("source", "user")
    if source not in SOURCES:
        raise Refused("source", f"is none of {', '.join(SOURCES)}")
    given["trace_id"], span = plan.trace(fields)
    if span:
        given.setdefault("span_id", span)
    item = _item(_typed(given, plan) | {"idempotency_key": key}, plan)
    event = submission.to_event(
        item, tenant=plan.tenant, idempotency_key=item.idempotency_key, now=at, key=plan.key, rules=plan.rules
    )
    return [(replace(event, source=source), submission.fingerprint(item, plan.key))]


def _key(given: dict[str, Any], plan: Plan) -> str:
    """The record's own idempotency key, else one made of what it says: two records that say the same are one."""
    if "idempotency_key" in given:
        return str(given.pop("idempotency_key"))
    # As a UUID, because redaction looks into any other key.
    return str(uuid.UUID(pseudonym(plan.key, json.dumps(given, sort_keys=True, default=str))[:32]))


def _item(given: dict[str, Any], plan: Plan) -> submission.Item:
    # Nobody may call themselves a reviewer over the API; whoever may import may say who was one.
    api = {**given, "source": "user"} if given.get("source") == "reviewer" else given
    try:
        return submission.read(api)
    except submission.Invalid as invalid:
        where, message = invalid.faults[0]
        raise Refused(plan.places.get(where, where), message) from None


def _typed(given: dict[str, Any], plan: Plan) -> dict[str, Any]:
    """The fields with the types that a submission has: in CSV everything is text."""
    typed = {name: str(value) if name in _AS_TEXT else value for name, value in given.items()}
    kind, value = typed.get("kind"), typed.get("value")
    if isinstance(value, str) and kind != "category":
        typed["value"] = _value(kind, value.strip())
    elif kind == "category" and isinstance(value, int | float):
        typed["value"] = str(value)
    scale = typed.get("scale")
    if isinstance(scale, str):
        typed["scale"] = _scale(scale)
    elif scale is None and kind == "rating" and (known := plan.scales.get(typed.get("name", "helpful"))):
        typed["scale"] = tuple(sorted(known))
        number = typed.get("value")
        if known[0] > known[1] and isinstance(number, int | float):
            typed["value"] = known[0] + known[1] - number
    return typed


def _value(kind: object, text: str) -> object:
    if (truth := boolean_of(text)) is not None:
        return truth
    number = number_of(text)
    is_thumb = kind == "thumb" and number in (0, 1)
    return number if number is not None and (kind in _NUMBERS or is_thumb) else text


def _scale(text: str) -> object:
    low, _, high = text.strip("[]() ").replace(",", ":").partition(":")
    return number_of(low), number_of(high)
