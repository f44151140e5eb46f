"""The same calls in plain columns of one table, for comparison."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic_core import from_json, to_json
from sqlalchemy import Connection

from telltale.conversation import Conversation
from telltale.records import Sample

_FIELDS = [name for name in Sample._fields if name not in ("prompt", "response", "conversation", "id")]
_INSERT = f"INSERT INTO plain VALUES (NULL, {', '.join('?' * (len(_FIELDS) + 2))})"
_IDS = ("trace_id", "span_id", "user")
_TAIL = 7


def create(connection: Connection) -> None:
    """The table, with the ways to a call that `samples` has: model and time, the end of its trace's id."""
    columns = ", ".join([*_FIELDS, "asked", "answered"])
    connection.exec_driver_sql(f"CREATE TABLE plain (id INTEGER PRIMARY KEY, {columns})")
    connection.exec_driver_sql("CREATE UNIQUE INDEX plain_call ON plain (model, observed_at, trace_id, span_id)")
    connection.exec_driver_sql(f"CREATE INDEX plain_trace ON plain (substr(trace_id, -{_TAIL}))")


def save(connection: Connection, rows: Sequence[Sample]) -> None:
    connection.exec_driver_sql(_INSERT, [_values(row) for row in rows])


def since(connection: Connection, model: str, observed_at: float) -> list[Any]:
    """A model's calls from then on."""
    found = connection.exec_driver_sql(
        "SELECT * FROM plain WHERE model = ? AND observed_at >= ? ORDER BY observed_at", (model, observed_at)
    )
    return list(found.all())


def of_traces(connection: Connection, trace_ids: Sequence[str]) -> list[Any]:
    """The conversations of these traces' calls."""
    tails = tuple(bytes.fromhex(trace_id)[-_TAIL:] for trace_id in trace_ids)
    found = connection.exec_driver_sql(
        f"SELECT asked, answered FROM plain WHERE substr(trace_id, -{_TAIL}) IN ({', '.join('?' * len(tails))})", tails
    )
    return [(from_json(asked), from_json(answered)) for asked, answered in found if asked[0] in "[{"]


def _values(row: Sample) -> tuple[object, ...]:
    fields = [_value(name, getattr(row, name)) for name in _FIELDS]
    said = row.conversation
    if said is None or _is_two_texts(said):
        return (*fields, row.prompt, row.response)
    asked = {"system": said.system, "tools": said.tools, "messages": said.messages}
    return (*fields, to_json(asked).decode(), to_json(said.choices).decode())


def _value(name: str, value: object) -> object:
    if isinstance(value, Mapping):
        return json.dumps(dict(value))
    return bytes.fromhex(value) if name in _IDS and isinstance(value, str) else value


def _is_two_texts(said: Conversation) -> bool:
    return len(said.messages) == 1 and not said.system and not said.tools
