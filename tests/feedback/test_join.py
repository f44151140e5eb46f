"""Which call an event is about, and which events hold."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from feedback.join import current, match
from telltale.records import Feedback, Sample

EVENT = Feedback(0.0, "shop", "1" * 32, None, "thumb", "helpful", 1.0, "user", "k", None, "a")
SAMPLE = Sample("1" * 32, "1" * 16, 0.0, "shop", "chat", "chat-1", "client", "chat", "ok", "p", "r", 1.0)

events = st.lists(
    st.builds(
        lambda kind, subject, name: replace(EVENT, kind=kind, subject=subject, name=name),
        st.sampled_from(["thumb", "rating", "comment", "correction", "category", "retract"]),
        st.sampled_from(["a", "b", None]),
        st.sampled_from(["helpful", "tone"]),
    ),
    max_size=30,
).map(lambda found: [replace(event, id=number) for number, event in enumerate(found, 1)])


@given(events)
def test_what_holds_is_what_each_person_said_last(found: list[Feedback]) -> None:
    held = current(found)

    expected = []
    for event in found:
        later = [
            other
            for other in found
            if (other.id or 0) > (event.id or 0) and (other.subject, other.name) == (event.subject, event.name)
        ]
        group = {"thumb", "rating"} if event.kind in ("thumb", "rating") else {event.kind}
        if event.kind != "retract" and not any(other.kind in group | {"retract"} for other in later):
            expected.append(event)
    assert held == expected


@given(events)
def test_holding_twice_is_holding_once_in_any_order(found: list[Feedback]) -> None:
    assert current(current(found)) == current(found) == current(list(reversed(found)))


def test_an_event_finds_its_span_else_the_last_call_as_the_client_saw_it() -> None:
    first, last = SAMPLE._replace(id=1), SAMPLE._replace(id=2, span_id="2" * 16, observed_at=5.0)
    server = SAMPLE._replace(id=3, span_id="3" * 16, observed_at=9.0, layer="server")
    found = [server, first, last]

    assert match([replace(EVENT, id=7)], found) == {7: last}
    assert match([replace(EVENT, id=7, span_id="1" * 16)], found) == {7: first}
    assert match([replace(EVENT, id=7, span_id="9" * 16)], found) == {}
    assert match([replace(EVENT, id=7, trace_id="2" * 32)], found) == {}
