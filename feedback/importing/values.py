"""Values as files write them: times, booleans, numbers, places within a record."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

TRACE_ID: Final = re.compile(r"(?!0{32})[0-9a-f]{32}")
SPAN_ID: Final = re.compile(r"(?!0{16})[0-9a-f]{16}")
EARLIEST: Final = 946_684_800.0
"""2000-01-01; an earlier time is a mistake."""
TOLERANCE_S: Final = 300.0
"""So much may another clock be ahead."""
_MILLISECONDS_FROM: Final = 1e11
_BOOLEANS = {"true": True, "t": True, "false": False, "f": False}


class Refused(ValueError):
    """One record cannot be read; `where` is the column, the message says why, never with the value."""

    def __init__(self, where: str, message: str) -> None:
        super().__init__(message)
        self.where = where


def find(fields: Mapping[str, Any], place: str) -> Any:
    """What stands at a place: a column, or `tags.trace_id` within one; None where there is nothing."""
    if place in fields:
        return fields[place]
    column, _, rest = place.partition(".")
    inner = fields.get(column)
    if isinstance(inner, str) and inner.startswith("{"):
        inner = json_object(inner)
    return find(inner, rest) if rest and isinstance(inner, Mapping) else None


def json_object(text: str) -> Mapping[str, Any]:
    """The object that a cell holds as JSON; an empty one where it holds none."""
    import json

    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def time_of(value: object, where: str, now: float) -> float:
    """Unix seconds of an ISO 8601 time (UTC where it names no zone), Unix seconds or milliseconds.

    Raises Refused for what is none, or is before 2000 or in the future of `now`.
    """
    seconds = _seconds(value)
    if seconds is None:
        raise Refused(where, "is no time: write 2026-05-01T12:00:00Z, or Unix seconds")
    if seconds > now + TOLERANCE_S:
        raise Refused(where, "is in the future")
    if not seconds >= EARLIEST:
        raise Refused(where, "is before the year 2000")
    return min(seconds, now)


def number_of(value: object) -> float | None:
    """A number, also one written as text; None for what is none, for NaN and infinity."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if abs(number) < float("inf") else None


def boolean_of(value: object) -> bool | None:
    if isinstance(value, str):
        return _BOOLEANS.get(value.strip().lower())
    return value if isinstance(value, bool) else None


def uuid_of(value: object) -> uuid.UUID | None:
    try:
        return uuid.UUID(value) if isinstance(value, str) and len(value) <= 36 else None
    except ValueError:
        return None


def _seconds(value: object) -> float | None:
    number = number_of(value)
    if number is not None:
        return number / 1000 if abs(number) >= _MILLISECONDS_FROM else number
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value.strip())
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
