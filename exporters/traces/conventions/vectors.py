"""Vectors of texts that spans bring along: that of the prompt, that of the response, and which model made them.

OTel's conventions name how many dimensions an embedding has (`gen_ai.embeddings.dimension.count`), but nowhere the
embedding. OpenInference has it in spans of embeddings; on spans of any other call it stands in attributes of our own.
Only the direction of a vector counts: each is kept with the length 1, because half a float ends at 65,504.
"""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from exporters.traces.decode import attributes
from exporters.traces.decode.spans import Value
from telltale.records import Direction, Vector

PROMPT: Final = "telltale.embedding.prompt"
RESPONSE: Final = "telltale.embedding.response"
MODEL: Final = "telltale.embedding.model"
# OpenInference's, by the places of the texts that were embedded; a sample of several has one prompt, and none of them
# is the vector of that.
FIRST: Final = "embedding.embeddings.0.embedding.vector"
SECOND: Final = "embedding.embeddings.1.embedding.vector"
NAMES: Final = (PROMPT, RESPONSE, MODEL, FIRST, SECOND, "embedding.model_name")
"""Every attribute that is read here."""

LEAST_NUMBERS: Final = 2
MOST_NUMBERS: Final = 4096
# As long as the store's names of spaces.
LONGEST_SPACE: Final = 64


class Vectors(NamedTuple):
    """Those that can be used, and why others cannot: `length`, `not_numbers`, `not_finite`, `zero`, `no_model`,
    `several`.
    """

    kept: Mapping[Direction, Vector] = MappingProxyType({})
    refused: tuple[str, ...] = ()


NONE: Final = Vectors()


def read(span: Mapping[str, Value]) -> Vectors:
    """The vectors that a span's attributes hold."""
    if PROMPT not in span and RESPONSE not in span and FIRST not in span:
        return NONE
    kept: dict[Direction, Vector] = {}
    refused: list[str] = []
    for direction, name in _places(span):
        found: Vector | str = "several"
        if name != FIRST or SECOND not in span:
            model = attributes.word(span, "embedding.model_name" if name == FIRST else MODEL)
            found = _vector(span[name], model)
        if isinstance(found, str):
            refused.append(found)
        else:
            kept[direction] = found
    return Vectors(kept, tuple(refused))


def joined(first: Vectors, second: Vectors) -> Vectors:
    """Those of two spans of one call, the first's where both have one."""
    if first is NONE or second is NONE:
        return second if first is NONE else first
    return Vectors({**second.kept, **first.kept}, first.refused + second.refused)


def _places(span: Mapping[str, Value]) -> list[tuple[Direction, str]]:
    """Of each direction the attribute that holds its vector."""
    found: list[tuple[Direction, str]] = []
    prompt = next((name for name in (PROMPT, FIRST) if name in span), None)
    if prompt is not None:
        found.append(("prompt", prompt))
    if RESPONSE in span:
        found.append(("response", RESPONSE))
    return found


def _vector(value: Value, model: str | None) -> Vector | str:
    """A vector, or why it is none."""
    if not isinstance(value, list):
        return "not_numbers"
    if not LEAST_NUMBERS <= len(value) <= MOST_NUMBERS:
        return "length"
    if not all(type(number) is float or type(number) is int for number in value):
        return "not_numbers"
    try:
        numbers = [float(number) for number in value]  # type: ignore[arg-type]  # all of them are numbers
    except OverflowError:
        return "not_finite"
    length = math.hypot(*numbers)
    if not math.isfinite(length):
        return "not_finite"
    if length == 0.0:
        return "zero"
    if model is None:
        return "no_model"
    packed = struct.pack(f"<{len(numbers)}e", *[number / length for number in numbers])
    return Vector(_space(attributes.label(model), len(numbers)), packed)


def _space(model: str, dimensions: int) -> str:
    """What vectors that can be compared have in common: the model that made them, and their length."""
    name = f"spans {dimensions} {model}"
    if len(name) <= LONGEST_SPACE:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{name[: LONGEST_SPACE - 9]} {digest}"
