"""Whatever stands in a record, it becomes events that any store takes, or is refused with its place."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from feedback.importing import langfuse, own, tensorzero
from feedback.importing.plan import Plan, Row
from feedback.importing.values import Refused, time_of

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
NOW = 1_780_000_000.0
PLAN = Plan("shop", b"key", {}, NOW, scales={"stars": (5.0, 1.0)})
ODD = st.sampled_from(
    [TRACE, "00f067aa0ba902b7", "stars", "thumb", "rating", "category", "correction", "implicit", "retract", "copy",
     "1", "0.5", "1e999", "nan", "-0", "true", "", " ", "1:5", "5:1", "[1,", "\0", "\ud800", "9" * 5000, "NUMERIC",
     "BOOLEAN", "CATEGORICAL", "TEXT", "CORRECTION", "API", "EVAL", "ANNOTATION", "2026-05-01",
     "0001-01-01T00:00:00+14:00",
     '{"a": 1}', "{" * 3000, '[{"type": "text", "text": "x"}]', str(uuid.uuid4()), 10**400, 1.5e308, 3, 1, 0, 0.5, -1]
)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text() | ODD,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "text", "raw"]), inner),
    max_leaves=4,
)  # fmt: skip
NAMES = (
    *own.FIELDS, "id", "traceId", "observationId", "dataType", "stringValue", "timestamp", "createdAt", "authorUserId",
    "sessionId", "long_string_value", "is_deleted", "target_id", "inference_id", "metric_name", "tags", "created_at",
)  # fmt: skip
GOOD: Mapping[Callable[[Mapping[str, Any], Plan], list[Row]], dict[str, Any]] = {
    own.events: {"trace_id": TRACE, "kind": "rating", "value": 1},
    langfuse.events: {"id": "a", "traceId": TRACE, "value": 1, "timestamp": "2026-05-01T12:00:00Z"},
    tensorzero.events: {"id": str(uuid.UUID(int=0)), "target_id": TRACE, "metric_name": "m", "value": True,
                        "created_at": "2026-05-01T12:00:00Z"},
}  # fmt: skip


@pytest.mark.parametrize("events", GOOD, ids=["own", "langfuse", "tensorzero"])
@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4))
@example({})
def test_any_record_is_an_event_or_refused(
    events: Callable[[Mapping[str, Any], Plan], list[Row]], odd: dict[str, Any]
) -> None:
    rows: list[Row] = []
    with contextlib.suppress(Refused):
        rows = events({**GOOD[events], **odd}, PLAN)
    for event, body in rows:
        assert event.value is None or 0 <= event.value <= 1
        assert 946_684_800 <= event.received_at <= NOW
        assert len(event.trace_id) == 32
        assert event.span_id is None or len(event.span_id) == 16
        assert 0 < len(event.idempotency_key) <= 255
        for text in (event.name, event.comment or "", event.idempotency_key, body):
            assert "\0" not in text
            text.encode()


@pytest.mark.parametrize("events", GOOD, ids=["own", "langfuse", "tensorzero"])
def test_the_good_record_is_an_event(events: Callable[[Mapping[str, Any], Plan], list[Row]]) -> None:
    assert len(events(GOOD[events], PLAN)) == 1


def test_a_reversed_scale_turns_ratings_round() -> None:
    [(event, _)] = own.events({"trace_id": TRACE, "kind": "rating", "name": "stars", "value": "2"}, PLAN)
    assert event.value == 0.75


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-05-01T12:00:00Z", 1_777_636_800.0),
        ("2026-05-01 12:00:00.250", 1_777_636_800.25),
        ("2026-05-01T21:00:00+09:00", 1_777_636_800.0),
        ("1777636800", 1_777_636_800.0),
        (1_777_636_800_500, 1_777_636_800.5),
        (NOW + 60, NOW),
    ],
)
def test_times_are_read_as_they_are_meant(written: object, meant: float) -> None:
    assert time_of(written, "at", NOW) == meant


@pytest.mark.parametrize("written", [None, "", "soon", True, [], "2027-01-01T00:00:00Z", 0, "1999-12-31", float("nan")])
def test_times_that_are_none_are_refused(written: object) -> None:
    with pytest.raises(Refused):
        time_of(written, "at", NOW)


def test_the_key_of_a_record_hides_what_it_says() -> None:
    record = {"trace_id": TRACE, "kind": "comment", "comment": "x"}
    [(event, _)] = own.events(record, PLAN)
    [(other, _)] = own.events(record, Plan("shop", b"other", {}, time.time()))
    assert event.idempotency_key != other.idempotency_key
