"""Who stands behind a row of a data set, and how many rows one person or one API key may stand behind.

Whoever asks for a response and votes on it decides alone what a model learns from it: some hundred such votes teach a
model a falsehood (Hilton, "LLM Hypnosis: Exploiting User Feedback for Unauthorized Knowledge Injection to All Users",
2025). So every row says who supports it, and nobody supports more than some. Pure: the same rows in the same order give
the same selection.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, Literal, NamedTuple, TypeVar

from telltale.feedback import CALLER, is_callers
from telltale.records import Feedback, Sample

Row = TypeVar("Row")
Backing = Literal["reviewer", "several", "other", "own", "unknown", "none"]
"""`reviewer`: a reviewer supports the row; `several`: two people or more; `other`: somebody who did not make the call;
`own`: only whoever made the call; `unknown`: people of whom nobody knows whether they made it; `none`: it needs no
support."""
Reason = Literal["per_subject", "per_key"]
"""Of which limit a row was left out: everybody who supports it supports as many rows before it."""


class Support(NamedTuple):
    """An event that speaks for a row (a vote for its label, a correction that it holds), and the call it is about."""

    event: Feedback
    call: Sample


@dataclass(frozen=True, slots=True)
class Limits:
    """How many rows one person and one API key may support; 0: any number."""

    per_subject: int = 0
    per_key: int = 0


@dataclass(slots=True)
class Selection(Generic[Row]):
    """The rows that stay, each with who backs it, and those left out, each with its reason, in the order they came."""

    kept: list[tuple[Row, Backing]] = field(default_factory=list)
    left_out: list[tuple[Row, Reason]] = field(default_factory=list)

    @property
    def backing(self) -> Counter[Backing]:
        """How many of the rows that stay have each backing."""
        return Counter(backing for _, backing in self.kept)


def select(rows: Iterable[tuple[Row, Sequence[Support]]], limits: Limits) -> Selection[Row]:
    """The rows that stay: those with no need of support, and those that somebody within the limits supports.

    Each row that stays counts for everybody within the limits who supports it. Whoever is beyond them supports nothing
    more; what others support too stays, backed by them alone. Reviewers are not limited: their names are known.
    """
    chosen: Selection[Row] = Selection()
    of_people: Counter[tuple[str, str]] = Counter()
    of_keys: Counter[str] = Counter()
    for row, support in rows:
        within = [one for one in support if not _is_beyond(one, of_people, of_keys, limits)]
        if support and not within:
            chosen.left_out.append((row, _reason(support, of_people, limits)))
            continue
        of_people.update({person for one in within if (person := _limited(one))})
        of_keys.update({one.event.key_id for one in within if one.event.key_id and one.event.source != "reviewer"})
        chosen.kept.append((row, backing(within)))
    return chosen


def backing(support: Sequence[Support]) -> Backing:
    """Who supports a row, by the strongest that holds."""
    if not support:
        return "none"
    if any(one.event.source == "reviewer" for one in support):
        return "reviewer"
    people = {_person(one.event) for one in support} - {None}
    if len(people) > 1:
        return "several"
    own = {is_callers(one.event, one.call) for one in support}
    if False in own:
        return "other"
    return "own" if own == {True} else "unknown"


def _person(event: Feedback) -> tuple[str, str] | None:
    """The person that an event names; None for a reviewer, whom nothing limits, and for an anonymous one."""
    return None if event.subject is None or event.source == "reviewer" else (event.tenant, event.subject)


def _limited(one: Support) -> tuple[str, str] | None:
    """The person whose support counts: who is named, else whom the call served; None for a reviewer, and for nobody.

    Whoever does not say who they are must not be able to support more. What calls keep of a person is the beginning of
    what feedback keeps (`telltale.feedback.caller_hash`), so that both count as one.
    """
    event, call = one
    if event.source == "reviewer":
        return None
    if event.subject is None:
        return None if call.user is None else (call.tenant, call.user)
    return event.tenant, event.subject[:CALLER]


def _is_beyond(one: Support, of_people: Counter[tuple[str, str]], of_keys: Counter[str], limits: Limits) -> bool:
    if one.event.source == "reviewer":
        return False
    return _has_reached(one, of_people, limits) or 0 < limits.per_key <= of_keys[one.event.key_id or ""]


def _has_reached(one: Support, of_people: Counter[tuple[str, str]], limits: Limits) -> bool:
    person = _limited(one)
    return person is not None and 0 < limits.per_subject <= of_people[person]


def _reason(support: Sequence[Support], of_people: Counter[tuple[str, str]], limits: Limits) -> Reason:
    return "per_subject" if all(_has_reached(one, of_people, limits) for one in support) else "per_key"
