"""Reads attributes as senders write them: numbers as strings, lists and objects as JSON or Python's repr, quoted text.

Readers that take names try them in order; each returns None for what is absent, empty or impossible.
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
# As many levels as the fast parser accepts. Content and usage have a handful; the functions that read them recurse.
MAX_LEVELS = 200
# Of a longer text objects and lists are counted before it is parsed: each takes a hundred times its two characters.
LONG = 1 << 20
MAX_OBJECTS = 100_000


def word(attributes: Attributes, *names: str) -> str | None:
    """A short text, without the quotes that senders of JSON put around it."""
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
    if not value or value == "None" or value == "null" or value == "none":
        return None
    return _storable(value)


@lru_cache(maxsize=4096)
def label(name: str) -> str:
    """The name of a model or a tenant as labels may show it: without API keys.

    Digits that could be personal data are kept, as tenants have such names. Two keys differ by the prefix of a hash.
    """
    cleaned, found = redact(name)
    if "secret" not in found:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{cleaned}-{digest}"


def labels(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple([label(name) for name in names])


def whole(value: Value) -> int | None:
    """A number of tokens: finite and not negative."""
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
    # JSON's integers are unbounded, and one beyond a float's range is an error.
    return float(value) if 0 <= value <= sys.float_info.max else None


def flag(attributes: Attributes, *names: str) -> bool | None:
    for name in names:
        if name in attributes and (found := truth(attributes[name])) is not None:
            return found
    return None


def truth(value: Value) -> bool | None:
    """A flag, out of a boolean or its name."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    return None


def texts(value: Value) -> tuple[str, ...] | None:
    """A list of short texts, out of a list, a JSON list or a single text; None for an empty one.

    A text that is not short is left out: cut in two, a secret in it could not be recognised any more.
    """
    if isinstance(value, str):
        value = loose(value) if value[:1] in '["' else value
    items = value if isinstance(value, list) else [value]
    return tuple([_storable(item) for item in items if isinstance(item, str) and 0 < len(item) <= MAX_WORD]) or None


def _storable(text: str) -> str:
    """A text that every store accepts: without NUL, and without lone surrogates, which JSON may contain."""
    text = text[:MAX_WORD].replace("\0", "")
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def loose(value: Value) -> Value:
    """What a string holds as JSON or, failing that, as Python's repr; the value itself when it is neither."""
    if not isinstance(value, str) or value[:1] not in '[{"':
        return value
    if len(value) > LONG and value.count("{") + value.count("[") > MAX_OBJECTS:
        return value
    parsed: Value
    try:
        # Three times as fast as the standard library's, which accepts lone surrogates too.
        parsed = from_json(value, cache_strings="keys")
    except ValueError:
        try:
            parsed = json.loads(value)
        except (ValueError, RecursionError):
            return _repr(value)
        if is_deep(parsed):
            return value
    return parsed


def is_deep(root: Value, levels: int = MAX_LEVELS) -> bool:
    """Whether objects and lists are nested in more levels than that."""
    level = [root]
    for _ in range(levels):
        inner = [list(value.values()) if isinstance(value, dict) else value for value in level]
        level = [item for value in inner if isinstance(value, list) for item in value]
        if not level:
            return False
    return True


def tree(value: Value) -> dict[str, Value]:
    """The object that a value is or holds as text; empty when it holds none."""
    parsed = loose(value)
    return parsed if isinstance(parsed, dict) else {}


def written(value: Value) -> str:
    """A value as JSON."""
    return json.dumps(value, ensure_ascii=False, default=str)


def canonical(value: Value) -> str:
    """A value as JSON with its keys in order: equal values are written alike."""
    return json.dumps(value, default=str, sort_keys=True)


def _named(value: object) -> str:
    return "[media]" if isinstance(value, bytes) else str(value)


def _repr(value: str) -> Value:
    if len(value) > MAX_REPR:
        return value
    try:
        # Python has tuples, keys and integers that JSON has not: what nothing could write is no value.
        parsed: Value = json.loads(json.dumps(ast.literal_eval(value), default=_named))
    except (TypeError, ValueError, SyntaxError, MemoryError, RecursionError):
        return value
    return parsed
