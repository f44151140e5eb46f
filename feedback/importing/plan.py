"""How the records of one import are read: whose they are, and what its files do not say themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from feedback.importing.values import SPAN_ID, TRACE_ID, Refused, find, uuid_of
from telltale.feedback import subject_hash
from telltale.records import Feedback, FeedbackSource

Scale = tuple[float, float]
"""What is worst and what is best; the worst may be the greater number."""
Named = tuple[str, str | None]
"""A trace's id and, where one is meant, a span's."""
Row = tuple[Feedback, str]
"""An event and its body's fingerprint, as the store takes them."""


@dataclass(frozen=True, slots=True)
class Plan:
    """`places` names the column of a field, `constants` a field's value for all records.

    `scales` and `sources` are by the names of scores and metrics. `traces` knows the trace of another tool's id. `key`
    is the secret SUBJECT_KEY.
    """

    tenant: str
    key: bytes
    rules: Mapping[str, str]
    now: float
    places: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    scales: Mapping[str, Scale] = field(default_factory=dict)
    sources: Mapping[str, FeedbackSource] = field(default_factory=dict)
    traces: Callable[[str], Named | None] | None = None

    def take(self, fields: Mapping[str, Any], name: str, usual: str = "") -> tuple[str, Any]:
        """Where a field stands, and what it is there; None where there is nothing."""
        if name in self.constants:
            return name, self.constants[name]
        place = self.places.get(name, usual or name)
        found = find(fields, place)
        return place, None if found == "" else found

    def trace(self, fields: Mapping[str, Any], usual: str = "trace_id") -> Named:
        """The trace, and the span where `traces` names one. Raises Refused."""
        where, value = self.take(fields, "trace_id", usual)
        if value is None:
            raise Refused(where, "is missing")
        text = str(value).strip().lower()
        if self.traces and (named := self.traces(text)):
            return named
        if "trace_id" in self.places and (number := uuid_of(text)):
            # Whoever says that this column is the trace's id means it, also with hyphens.
            text = number.hex
        if TRACE_ID.fullmatch(text):
            return text, None
        more = "; --traces has none for it" if self.traces else "; --traces FILE says which trace an id means"
        raise Refused(where, f"is no trace id of 32 hex digits{more}")

    def span(self, fields: Mapping[str, Any], usual: str = "span_id") -> str | None:
        """Raises Refused for what is no span's id."""
        where, value = self.take(fields, "span_id", usual)
        if value is None:
            return None
        text = str(value).strip().lower()
        if not SPAN_ID.fullmatch(text):
            raise Refused(where, "is no span id of 16 hex digits")
        return text

    def subject(self, fields: Mapping[str, Any], usual: str = "subject") -> str | None:
        """The hash of who says it."""
        _, value = self.take(fields, "subject", usual)
        return None if value is None else subject_hash(self.key, self.tenant, str(value)[:256])

    def rating(self, name: str, value: float, where: str, usual: Scale | None) -> float:
        """A number on the scale of its name, as one in [0, 1]. Raises Refused without a scale, or beyond it."""
        scale = self.scales.get(name, usual)
        if scale is None:
            raise Refused(where, "is a number of which nothing says what is good: --scale NAME=WORST:BEST does")
        worst, best = scale
        if not min(worst, best) <= value <= max(worst, best):
            raise Refused(
                where, f"is not between {worst:g} and {best:g}: --scale NAME=WORST:BEST says what its scale is"
            )
        return (value - worst) / (best - worst)
