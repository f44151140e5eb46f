"""Reading attributes as they come: numbers as strings, lists and objects as JSON or as Python's repr, words in quotes.

Every reader takes names in order of preference, and answers None for what is absent, empty or impossible.
"""

from __future__ import annotations

import ast
import hashlib
import json
import sys
from collections.abc import Mapping
from functools import lru_cache

from pydantic_core import from_json

from exporters.traces.decode.spans import Value
from telltale.redaction import redact

Attributes = Mapping[str, Value]

MAX_WORD = 256
# A repr longer than this is not parsed: it is content, not usage.
MAX_REPR = 20_000
# As many levels as the quick parser takes. Content and usage have a handful; reading them, a function calls itself.
MAX_LEVELS = 200
# A longer text is looked at before it is parsed: of objects and lists in it each takes a hundred times its two letters.
LONG = 1 << 20
MAX_OBJECTS = 100_000


def word(attributes: Attributes, *names: str) -> str | None:
    """A short text; without the quotes of those who send each attribute as JSON."""
    for name in names:
        if name in attributes and (found := short(attributes[name])) is not None:
            return found
    return None


def short(value: Value) -> str | None:
    """The short text that a value is."""
    if not isinstance(value, str) or not value:
        return None
    if value[0] == '"' and value[-1] == '"' and len(value) > 1:
        value = value[1:-1]
    if not value or value == "None" or value == "null":
        return None
    return _storable(value)


@lru_cache(maxsize=4096)
def label(word: str) -> str:
    """A name as labels may show it: what a sender calls a model or a tenant, without keys.

    Numbers of people stay: tenants are named by numbers that look so. Two keys stay two, by the beginning of a hash.
    """
    cleaned, found = redact(word)
    if "secret" not in found:
        return word
    apart = hashlib.sha256(word.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{cleaned}-{apart}"


def labels(words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple([label(word) for word in words])


def whole(value: Value) -> int | None:
    """The number of tokens that a value is: finite and not negative."""
    if type(value) is int:
        return value if value >= 0 else None
    found = number(value)
    return None if found is None else int(found)


def count(attributes: Attributes, *names: str) -> int | None:
    for name in names:
        if name in attributes and (found := whole(attributes[name])) is not None:
            return found
    return None


def seconds(attributes: Attributes, *names: str) -> float | None:
    for name in names:
        if name in attributes and (found := number(attributes[name])) is not None:
            return found
    return None


def number(value: Value) -> float | None:
    """A finite number that is not negative, out of a number or a string."""
    if isinstance(value, str):
        try:
            value = float(value.strip('"'))
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # JSON's whole numbers have no bound, and one that no float holds is an error.
    return float(value) if 0 <= value <= sys.float_info.max else None


def flag(attributes: Attributes, *names: str) -> bool | None:
    for name in names:
        if name in attributes and (found := truth(attributes[name])) is not None:
            return found
    return None


def truth(value: Value) -> bool | None:
    """Whether a value says yes or no."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    return None


def words(value: Value) -> tuple[str, ...] | None:
    """A list of short texts, out of a list, a JSON list or a single text; None for an empty one."""
    if isinstance(value, str):
        value = loose(value) if value[:1] in '["' else value
    items = value if isinstance(value, list) else [value]
    return tuple([_storable(item) for item in items if isinstance(item, str) and item]) or None


def _storable(word: str) -> str:
    """A word that every store takes: without NUL, and without half of a surrogate pair, which JSON may hold."""
    word = word[:MAX_WORD].replace("\0", "")
    return word if word.isascii() else word.encode("utf-8", "replace").decode()


def loose(value: Value) -> Value:
    """What a string holds as JSON or, failing that, as Python's repr; the value itself when it is neither."""
    if not isinstance(value, str) or value[:1] not in '[{"':
        return value
    if len(value) > LONG and value.count("{") + value.count("[") > MAX_OBJECTS:
        return value
    parsed: Value
    try:
        # Three times as fast as the standard library's, which takes lone surrogates too.
        parsed = from_json(value, cache_strings="keys")
    except ValueError:
        try:
            parsed = json.loads(value)
        except (ValueError, RecursionError):
            return _repr(value)
        if _is_deep(parsed):
            return value
    return parsed


def _is_deep(value: Value) -> bool:
    level = [value]
    for _ in range(MAX_LEVELS):
        inner = [list(held.values()) if isinstance(held, dict) else held for held in level]
        level = [item for held in inner if isinstance(held, list) for item in held]
        if not level:
            return False
    return True


def tree(value: Value) -> dict[str, Value]:
    """The object that a value is or holds as text; empty when it holds none."""
    parsed = loose(value)
    return parsed if isinstance(parsed, dict) else {}


def _repr(value: str) -> Value:
    if len(value) > MAX_REPR:
        return value
    try:
        parsed: Value = ast.literal_eval(value)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return value
    return parsed
