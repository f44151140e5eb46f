"""Evaluations in OTLP logs: a judge's result on a call, as feedback of the source `judge`.

OTel GenAI's event `gen_ai.evaluation.result`: a score, a label or both, on the span that is its parent or on the call
with that response id. Only a score in [0, 1] is a rating: nothing says which end of another scale is good, so of such a
score the label is stored as a category instead.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from exporters.traces.calls.log_content import event_name
from exporters.traces.decode import attributes
from exporters.traces.decode.spans import Value, plain
from telltale.feedback import build
from telltale.records import ANY_TENANT, NO_TENANT, Feedback

EVENT = "gen_ai.evaluation.result"
MAX_COMMENT = 8000
# Of idempotency keys; a hash of the evaluation follows.
PREFIX = "evaluation:"
WHY = f"{EVENT} needs a span or the response id of a recent call, and a score in [0, 1] or a label"

Ids = tuple[bytes, bytes]
"""Trace and span of a call; a trace alone has an empty span."""


class Judged(NamedTuple):
    """An evaluation, redacted and not placed yet: its own ids, or its call's response id, say where it belongs."""

    event: Feedback
    ids: Ids
    response: str | None
    time_ns: int


def read(
    request: ExportLogsServiceRequest,
    tenant_of: Callable[[Sequence[Mapping[str, Value]]], str],
    now: float,
    rules: Mapping[str, str],
) -> Iterator[Judged | None]:
    """Every evaluation; None for one without a result. `tenant_of` gives the tenant of resource and record.

    Nothing changes, so any thread may do it.
    """
    for resource_logs in request.resource_logs:
        resource = plain(resource_logs.resource.attributes)
        for record in (record for scope in resource_logs.scope_logs for record in scope.log_records):
            values = plain(record.attributes)
            if event_name(record, values) != EVENT:
                continue
            event = _feedback(values, tenant_of([resource, values]), now, rules)
            if event is None:
                yield None
                continue
            response = None if record.trace_id else attributes.word(values, "gen_ai.response.id")
            yield Judged(event, (record.trace_id, record.span_id), response, record.time_unix_nano)


def placed(judged: Judged, place_of: Callable[[str, str], Ids | None]) -> Feedback | None:
    """The feedback that an evaluation is; None for one that names no known call.

    `place_of` gives the trace and span of the call with a response id and tenant.
    """
    event = judged.event
    found = place_of(judged.response, event.tenant) if judged.response else judged.ids
    if found is None or (len(found[0]), len(found[1])) not in ((16, 8), (16, 0)):
        return None
    place = (found[0].hex(), found[1].hex())
    # Of redacted text only: whoever has the hash could otherwise guess what was removed.
    content = json.dumps([*place, event.name, event.value, event.comment, judged.time_ns])
    key = f"{PREFIX}{hashlib.sha256(content.encode()).hexdigest()}"
    return replace(event, trace_id=place[0], span_id=place[1] or None, idempotency_key=key)


def _feedback(values: Mapping[str, Value], tenant: str, now: float, rules: Mapping[str, str]) -> Feedback | None:
    score = attributes.number(values.get("gen_ai.evaluation.score.value"))
    label = attributes.word(values, "gen_ai.evaluation.score.label")
    if score is not None and score > 1:
        score = None
    if score is None and label is None:
        return None
    explanation = values.get("gen_ai.evaluation.explanation")
    return build(
        received_at=now,
        # That it is from the operator's own service only a key can say.
        tenant=NO_TENANT if tenant == ANY_TENANT else tenant,
        trace_id="",
        span_id=None,
        kind="category" if score is None else "rating",
        name=attributes.word(values, "gen_ai.evaluation.name") or "evaluation",
        value=score,
        source="judge",
        idempotency_key="",
        comment="\n".join(part for part in (label, explanation) if isinstance(part, str) and part) or None,
        subject=None,
        rules=rules,
        max_comment=MAX_COMMENT,
    )
