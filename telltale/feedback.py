"""What feedback means: how an event is built, which call it is about, and what each person currently says of that call.

Pure: no store and no clock. Every intake builds events with `build`; whoever counts, shows or exports them asks `match`
and `current`. Of two events the one stored later is newer; the order in which they are read never matters.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Set
from functools import lru_cache
from typing import NamedTuple

from telltale.records import ANY_TENANT, NO_TENANT, Feedback, FeedbackKind, FeedbackSource, Sample
from telltale.redaction import pseudonym, redact_within

PEOPLE = frozenset({"user", "reviewer"})
"""Sources that are people. Judges and systems rate far more calls, each on a scale of its own."""
VOTE_KINDS = frozenset({"thumb", "rating"})
NEUTRAL = 0.5
"""The middle of every scale; a value below it is negative."""
LAYERS = ("client", "gateway", "server")
"""A call is often traced at several layers; the first one recorded what the person saw."""
MAX_NAME = 64
MAX_COMMENT = 16_384
SUBJECT_KEY = "feedback.subject"
"""The installation's secret with which hashes of people are made."""
CALLER = 24
"""Hex digits of `caller_hash`. Older versions made longer ones of another secret, with which nothing compares."""
_NOT_IN_NAMES = re.compile(r"[^\w.:/ -]")

About = Mapping[Feedback, Sample]
"""The call that each event is about."""


class Vote(NamedTuple):
    """A person's current vote, with the call that it is about."""

    event: Feedback
    call: Sample

    @property
    def is_negative(self) -> bool:
        return is_negative(self.event)


def build(
    *,
    received_at: float,
    tenant: str,
    trace_id: str,
    span_id: str | None,
    kind: FeedbackKind,
    name: str,
    value: float | None,
    source: FeedbackSource,
    idempotency_key: str,
    comment: str | None,
    subject: str | None,
    rules: Mapping[str, str],
    max_comment: int = MAX_COMMENT,
    key_id: str | None = None,
) -> Feedback:
    """An event as it may be stored: name and comment redacted and within their limits (characters).

    `value` is in [0, 1], `subject` a hash made by `subject_hash`, `key_id` that of the API key that brought it, and
    `rules` are redaction rules beyond the built-in.
    """
    return Feedback(
        received_at=received_at,
        tenant=tenant,
        trace_id=trace_id,
        span_id=span_id,
        kind=kind,
        name=_stored_name(name, tuple(sorted(rules.items()))),
        value=value,
        source=source,
        idempotency_key=idempotency_key,
        comment=redact_within(comment, max_comment, rules) if comment else None,
        subject=subject,
        key_id=key_id,
    )


@lru_cache(maxsize=1024)
def _stored_name(name: str, rules: tuple[tuple[str, str], ...]) -> str:
    # Kept, because names are few and come with every event.
    return _NOT_IN_NAMES.sub("_", redact_within(name, MAX_NAME, dict(rules)))[:MAX_NAME]


def subject_hash(key: bytes, tenant: str, subject: str) -> str:
    """The name under which a tenant's person is stored; only `key`, the secret SUBJECT_KEY, can make it."""
    return pseudonym(key, f"{tenant}\0{subject}")


def caller_hash(key: bytes, tenant: str, user: str) -> str:
    """The name under which a call keeps the person whom it served: the beginning of the same person's `subject_hash`.

    That is how a vote on one's own call is known for one.
    """
    return subject_hash(key, tenant, user)[:CALLER]


def fingerprint(event: Feedback) -> str:
    """SHA-256 of what an event says: equal for equal events, whenever they were received.

    Of redacted text only: a hash of the original would let somebody guess what was removed.
    """
    content = [event.trace_id, event.span_id, event.kind, event.name, event.value, event.comment]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def match(events: Iterable[Feedback], calls: Iterable[Sample]) -> dict[Feedback, Sample]:
    """The call that each event is about; events whose call is not among `calls` are left out.

    It is the call whose span the event names. An event without a span is about the response to the trace as a whole:
    the last call, as the layer nearest to the person recorded it. An event is never about another tenant's call
    (`_may_speak_of`), so `calls` has every call of the events' traces.
    """
    by_trace: dict[str, list[Sample]] = defaultdict(list)
    for call in calls:
        by_trace[call.trace_id].append(call)
    matched: dict[Feedback, Sample] = {}
    tenants = {trace: {call.tenant for call in found} for trace, found in by_trace.items()}
    for event in events:
        candidates = [
            call
            for call in by_trace.get(event.trace_id, ())
            if event.span_id in (None, call.span_id) and _may_speak_of(event, call, tenants[event.trace_id])
        ]
        if candidates:
            matched[event] = min(candidates, key=lambda call: _distance(event, call))
    return matched


def current(events: Iterable[Feedback], about: About) -> list[Feedback]:
    """The events that neither a later one replaces nor a retraction withdraws, oldest first.

    On one call and under one name, a person's newer vote replaces the older, and a newer comment, category or
    correction the older one of its kind; a retraction withdraws everything before it. Events without a subject are
    one anonymous person's, because a call has one user: that is how their retraction finds their vote.
    """
    newest: dict[tuple[object, ...], dict[str, Feedback]] = defaultdict(dict)
    for event in events:
        kinds = newest[_topic(event, about.get(event))]
        kind = "vote" if event.kind in VOTE_KINDS else event.kind
        if kind not in kinds or _order(kinds[kind]) < _order(event):
            kinds[kind] = event
    standing: list[Feedback] = []
    for kinds in newest.values():
        retraction = kinds.pop("retract", None)
        standing += [event for event in kinds.values() if retraction is None or _order(retraction) < _order(event)]
    return sorted(standing, key=_order)


def votes(events: Iterable[Feedback], about: About) -> list[Vote]:
    """People's current votes on calls that are known, oldest first: one for each person, call and name."""
    return [
        Vote(event, about[event])
        for event in current(events, about)
        if event in about and is_person(event) and is_vote(event)
    ]


def concerns_votes(event: Feedback) -> bool:
    """Whether `votes` depends on this event: a person's vote or retraction."""
    return is_person(event) and (event.kind in VOTE_KINDS or event.kind == "retract")


def is_person(event: Feedback) -> bool:
    return event.source in PEOPLE


def is_vote(event: Feedback) -> bool:
    return event.kind in VOTE_KINDS and event.value is not None


def is_judged(event: Feedback) -> bool:
    """Whether an automatic judge rated the call."""
    return event.source == "judge" and is_vote(event)


def is_negative(event: Feedback) -> bool:
    """Whether the value is in the lower half of its scale."""
    return event.value is not None and event.value < NEUTRAL


def is_positive(event: Feedback) -> bool:
    """Whether the value is in the upper half of its scale; the middle is neither."""
    return event.value is not None and event.value > NEUTRAL


def is_callers(event: Feedback, call: Sample) -> bool | None:
    """Whether it is from the person whom the call served.

    None where nobody can say: one of the two is not named, or they were named by different tenants.
    """
    if event.source == "reviewer":
        return False
    if event.subject is None or call.user is None or len(call.user) != CALLER or event.tenant != call.tenant:
        return None
    return event.subject.startswith(call.user)


def author(event: Feedback) -> tuple[str, str, str | None]:
    """Who speaks: the same for two events of one person. Without a subject, one anonymous person of each call."""
    return event.tenant, event.source, event.subject


def _may_speak_of(event: Feedback, call: Sample, tenants: Set[str]) -> bool:
    """Whether an event may be about a call, as far as tenants go; `tenants` are those of all calls of the trace.

    A call that names no tenant belongs to the one that its trace names: a gateway often names one where the application
    does not. Where nobody in the trace names one it is anybody's, where several are named it is nobody's. Likewise an
    event without a tenant is about calls without one, and about the others of a trace in which such a call took part.
    """
    if event.tenant in (call.tenant, ANY_TENANT):
        return True
    named = tenants - {NO_TENANT}
    if call.tenant == NO_TENANT:
        return named <= {event.tenant}
    return event.tenant == NO_TENANT and NO_TENANT in tenants and len(named) == 1


def _distance(event: Feedback, call: Sample) -> tuple[int, float, bool, str, int]:
    # The tenant decides last: a gateway often names one where the application, which the person used, names none.
    return LAYERS.index(call.layer), -call.observed_at, event.tenant != call.tenant, call.span_id, call.id or 0


def _topic(event: Feedback, call: Sample | None) -> tuple[object, ...]:
    """What an event speaks of, and who speaks: events that share it replace each other."""
    span = call.span_id if call else event.span_id
    return *author(event), event.trace_id, span, event.name


def _order(event: Feedback) -> tuple[int, float, str]:
    """Newer events have a greater one; no two events have the same.

    The store numbers events as they arrive. Their times are of several servers' clocks, which may disagree by more than
    a person needs to withdraw a vote, and may be set back.
    """
    return event.id or 0, event.received_at, event.idempotency_key
