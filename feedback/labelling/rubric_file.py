"""Rubrics as TOML: what `telltale rubric publish` reads and `telltale rubric show` writes.

name = "answer quality"
guidelines = "Good: correct and complete."

[[fields]]
name = "verdict"
question = "Is the answer good?"
kind = "choice"             # or "scale", the worst option first; or "comparison" of two answers
options = ["good", "bad"]
required = true
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from telltale.labels import FIRST, SECOND, TIE, Field, InvalidLabel, Rubric, check_rubric

_RUBRIC = {"name", "guidelines", "fields"}
_FIELD = {"name", "question", "kind", "options", "required"}


def read(text: str) -> Rubric:
    """Raises InvalidLabel, which says what is wrong and where."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidLabel(f"this is no TOML: {error}") from None
    _only(document, _RUBRIC, "the file")
    listed = document.get("fields", [])
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise InvalidLabel("fields: each begins with the line [[fields]]")
    fields = tuple(_field(one, place) for place, one in enumerate(listed, 1))
    rubric = Rubric(_text(document, "name"), 1, fields, _text(document, "guidelines", ""))
    check_rubric(rubric)
    return rubric


def write(rubric: Rubric) -> str:
    """The same as TOML; `read` gives it back."""
    return "\n".join(_lines(rubric)) + "\n"


def _lines(rubric: Rubric) -> Iterator[str]:
    # JSON's strings and lists of strings are TOML's, but for the character DEL.
    yield f"name = {_quoted(rubric.name)}"
    yield f"guidelines = {_quoted(rubric.guidelines)}"
    for field in rubric.fields:
        yield "\n[[fields]]"
        yield f"name = {_quoted(field.name)}"
        yield f"question = {_quoted(field.question)}"
        yield f"kind = {_quoted(field.kind)}"
        yield f"options = [{', '.join(map(_quoted, field.options))}]"
        yield f"required = {str(field.is_required).lower()}"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _field(one: Mapping[str, Any], place: int) -> Field:
    where = f"field {place}"
    _only(one, _FIELD, where)
    kind, options = _text(one, "kind", "choice"), one.get("options", [])
    if kind == "comparison" and "options" not in one:
        options = [FIRST, TIE, SECOND]
    if not isinstance(options, list) or not all(isinstance(option, str) for option in options):
        raise InvalidLabel(f"{where}: options is a list of texts")
    required = one.get("required", True)
    if not isinstance(required, bool):
        raise InvalidLabel(f"{where}: required is true or false")
    return Field(_text(one, "name"), _text(one, "question", ""), kind, tuple(options), required)  # type: ignore[arg-type]  # checked with the rubric


def _text(table: Mapping[str, Any], name: str, default: str | None = None) -> str:
    value = table.get(name, default)
    if not isinstance(value, str):
        raise InvalidLabel(f"{name}: a text in quotes" + (" is missing" if value is None else f", not {value!r}"))
    return value


def _only(table: Iterable[str], known: set[str], where: str) -> None:
    if unknown := sorted(set(table) - known):
        raise InvalidLabel(f"{where}: {unknown[0]!r} is not known; known are {', '.join(sorted(known))}")
