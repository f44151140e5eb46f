"""Which rows belong together: those of one conversation, else of one user, else of one trace or nearly the same text.

Rows of a group are not independent of each other, so tests permute groups. What holds more than a fifth of all rows is
no group but what the service does: a conversation id that is a constant, a template that all prompts are made of.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from monitors import near_identical
from telltale.feedback import Vote
from telltale.records import Sample

MOST_OF_ROWS: Final = 0.2
# A handful of rows is no constant.
LEAST_ROWS: Final = 20


def of_calls(calls: Sequence[Sample]) -> list[str]:
    """The group of each call. A conversation or user is one tenant's."""
    conversations = _common_left_out([_key("c", call.tenant, call.conversation_id) for call in calls])
    users = _common_left_out([_key("u", call.tenant, call.user) for call in calls])
    found = [conversation or user for conversation, user in zip(conversations, users, strict=True)]
    rest = [place for place, group in enumerate(found) if not group]
    traces = _joined([f"t\0{calls[place].trace_id}" for place in rest], [calls[place].prompt for place in rest])
    # A template is no group, but the calls of one trace are.
    alike = _common_left_out(traces)
    for place, group in zip(rest, alike, strict=True):
        found[place] = group or f"t\0{calls[place].trace_id}"
    return found


def of_votes(votes: Sequence[Vote]) -> list[str]:
    """The voter of each vote; without a subject, one of the call."""
    return [
        f"v\0{vote.event.tenant}\0{vote.event.source}\0{vote.event.subject}"
        if vote.event.subject
        else f"a\0{vote.event.tenant}\0{vote.call.trace_id}\0{vote.call.span_id}"
        for vote in votes
    ]


def _key(kind: str, tenant: str, name: str | None) -> str:
    return f"{kind}\0{tenant}\0{name}" if name else ""


def _common_left_out(groups: list[str]) -> list[str]:
    """Empty for what holds too many rows to be a group."""
    most = max(LEAST_ROWS, MOST_OF_ROWS * len(groups))
    counts = Counter(groups)
    return ["" if counts[group] > most else group for group in groups]


def _joined(traces: Sequence[str], prompts: Sequence[str]) -> list[str]:
    """One name for all that hang together by trace or nearly identical prompts; empty prompts join nothing."""
    named = list(traces)
    asked = [place for place, prompt in enumerate(prompts) if prompt]
    first = near_identical.clusters([prompts[place] for place in asked])
    by_trace: dict[str, str] = {}
    for place, other in zip(asked, first, strict=True):
        leader = by_trace.get(traces[asked[other]], traces[asked[other]])
        by_trace.setdefault(traces[place], leader)
    for place, trace in enumerate(traces):
        named[place] = by_trace.get(trace, trace)
    return named
