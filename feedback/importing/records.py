"""Records of CSV and JSON files, read so that a broken one harms no other."""

from __future__ import annotations

import csv
import json
from collections.abc import Collection, Iterator
from typing import Any, Final, NamedTuple

from feedback.importing import json_array
from feedback.importing.lines import MOST_BYTES, Line, Lines, Unreadable

MOST_COLUMNS: Final = 1000
MOST_NAMED: Final = 20
MOST_DIGITS: Final = 400


class Record(NamedTuple):
    """One record and the line where it begins. `fields` is None where `fault` says why it cannot be read."""

    line: int
    fields: dict[str, Any] | None
    fault: str = ""


def read_csv(lines: Lines, needed: Collection[str] = ()) -> Iterator[Record]:
    """Each row by the header's names; empty cells are left out.

    Raises Unreadable without a header, and for one without a column that is `needed`.
    """
    header = _header(lines)
    if missing := [name for name in needed if not {name, name.partition(".")[0]} & set(header)]:
        known = ", ".join(header[:MOST_NAMED])
        raise Unreadable(f"it has no column {missing[0]!r} (it has {known}): --map FIELD=COLUMN names another")
    while True:
        rows = _csv_row(lines, header)
        if rows is None:
            return
        if rows.fields != {}:
            yield rows


def read_json(lines: Lines) -> Iterator[Record]:
    """Each object: one a line, or all in one array. A page of an API (`{"data": […]}`) on one line is its objects."""
    if lines.begins_with("["):
        yield from _of_array(lines)
        return
    for line in lines:
        if line.text is None:
            yield Record(line.number, None, line.fault)
        elif line.text.strip():
            yield from _of_line(line.number, line.text)


def _header(lines: Lines) -> list[str]:
    first = next((line for line in lines if line.text is None or line.text.strip()), None)
    if first is None:
        raise Unreadable("it is empty: its first line names the columns")
    if first.text is None:
        raise Unreadable(f"its first line {first.fault}")
    header = _parse(first.text)
    if header is None:
        raise Unreadable("its first line, which names the columns, has a quote that does not end")
    names = [name.strip() for name in header]
    twice = sorted({name for name in names if names.count(name) > 1 and name})
    if len(names) > MOST_COLUMNS or twice:
        raise Unreadable(f"it has two columns {twice[0]!r}" if twice else f"it has more than {MOST_COLUMNS} columns")
    return names


def _csv_row(lines: Lines, header: list[str]) -> Record | None:
    """The next row. Where the quotes of one over several lines do not fit, only its first line is refused."""
    taken: list[Line] = []
    text, quotes = "", 0
    for line in lines:
        if line.text is None:
            if not taken:
                return Record(line.number, None, line.fault)
            lines.push_back([line])
            break
        taken.append(line)
        text += line.text
        quotes += line.text.count('"')
        if quotes % 2 == 0 or len(text) > MOST_BYTES:
            break
    if not taken:
        return None
    cells = _parse(text) if quotes % 2 == 0 else None
    if cells is not None and len(cells) == len(header):
        return Record(taken[0].number, {name: cell for name, cell in zip(header, cells, strict=True) if cell})
    if len(taken) == 1 and not text.strip():
        return Record(taken[0].number, {})
    if cells is None:
        lines.push_back(taken[1:])
        return Record(taken[0].number, None, "has quotes that do not fit")
    until = f"with the lines up to {taken[-1].number} " if len(taken) > 1 else ""
    return Record(taken[0].number, None, f"{until}has {len(cells)} cells, and the header {len(header)}")


def _parse(text: str) -> list[str] | None:
    """The cells of one row; None where its quotes are wrong."""
    try:
        rows = list(csv.reader([text], strict=True))
    except csv.Error:
        return None
    return rows[0] if len(rows) == 1 else None


def _of_line(number: int, text: str) -> Iterator[Record]:
    try:
        value = _decoder.decode(text)
    except (ValueError, RecursionError) as error:
        yield Record(number, None, _json_fault(error))
        return
    page = value.get("data") if isinstance(value, dict) and value.keys() <= {"data", "meta"} else None
    for item in page if isinstance(page, list) else [value]:
        yield _of_value(number, item)


def _of_value(number: int, value: object) -> Record:
    return Record(number, value) if isinstance(value, dict) else Record(number, None, "is no JSON object")


def _of_array(lines: Lines) -> Iterator[Record]:
    """The objects of an array, which may all be on one line."""
    for element in json_array.split(lines.pieces(), MOST_BYTES):
        if element.text is None:
            yield Record(element.line, None, element.fault)
        else:
            yield from _of_line(element.line, element.text)


def _json_fault(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"is no valid JSON at character {error.pos + 1}"
    return "is nested too deep" if isinstance(error, RecursionError) else "has a number that is none"


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def _integer(digits: str) -> int | float:
    # Python refuses integers of thousands of digits, and takes its time for those it accepts.
    return int(digits) if len(digits) <= MOST_DIGITS else float(digits)


_decoder = json.JSONDecoder(parse_constant=_refuse_constant, parse_int=_integer)
