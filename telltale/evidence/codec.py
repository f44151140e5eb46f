"""From a dataclass to what a JSON column holds, and back."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter

Record = TypeVar("Record")


def dump(form: type[Record], record: Record) -> Any:
    """What a JSON column holds of a record of that form."""
    return _adapter(form).dump_python(record, mode="json")


def load(form: type[Record], stored: object) -> Record:
    """The record that a JSON column holds. Raises pydantic.ValidationError where it is not of that form."""
    loaded: Record = _adapter(form).validate_python(stored)
    return loaded


# Building one takes milliseconds, using it microseconds.
_adapter: Callable[[Any], TypeAdapter[Any]] = cache(TypeAdapter)
