"""Which call each event of feedback is about, and which events still hold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from telltale.records import Feedback, Sample

# A call is often traced at several layers; the client's view has what the person saw.
LAYERS = ("client", "gateway", "server")
VOTES = ("thumb", "rating")


def match(events: Iterable[Feedback], found: Sequence[Sample]) -> dict[int | None, Sample]:
    """For each event's id the sample it is about; events without one are left out.

    That is the sample of the event's span. An event on a whole trace is about its last call, whose answer the person
    saw, as the layer nearest to the person recorded it.
    """
    by_trace: dict[str, list[Sample]] = defaultdict(list)
    for sample in found:
        by_trace[sample.trace_id].append(sample)
    matched: dict[int | None, Sample] = {}
    for event in events:
        candidates = by_trace.get(event.trace_id, [])
        if event.span_id is not None:
            candidates = [sample for sample in candidates if sample.span_id == event.span_id]
        if candidates:
            matched[event.id] = min(candidates, key=_distance)
    return matched


def current(events: Iterable[Feedback]) -> list[Feedback]:
    """The events that still hold, in their order.

    What a subject says later on the same call under the same name replaces what it said before: votes replace votes,
    words replace words of their kind. A retraction takes back all of it. Events without subject are taken as one
    person's, for a call has one user.
    """
    held: dict[tuple[object, ...], dict[str, Feedback]] = defaultdict(dict)
    for event in sorted(events, key=_number):
        place = (event.tenant, event.trace_id, event.span_id, event.name, event.subject, event.source)
        if event.kind == "retract":
            held.pop(place, None)
        else:
            held[place]["vote" if event.kind in VOTES else event.kind] = event
    return sorted((event for said in held.values() for event in said.values()), key=_number)


def _number(event: Feedback) -> int:
    return event.id or 0


def _distance(sample: Sample) -> tuple[int, float, int]:
    return LAYERS.index(sample.layer), -sample.observed_at, -(sample.id or 0)
