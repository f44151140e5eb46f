"""The same calls with all that was said in columns of `samples`, as older versions kept texts: for comparison."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from pydantic_core import from_json, to_json
from sqlalchemy import Connection

from telltale.conversation import Conversation
from telltale.records import Sample
from telltale.store import sample_traces, samples

_APART = ("prompt", "response", "conversation", "parameters", "vectors", "id")
_FIELDS = [name for name in Sample._fields if name not in _APART]
_COLUMNS = ["user_hash" if name == "user" else name for name in _FIELDS]
_INSERT = (
    f"INSERT INTO samples ({', '.join(_COLUMNS)}, stored_at, prompt, response)"
    f" VALUES ({', '.join('?' * (len(_COLUMNS) + 3))})"
)
_IDS = ("trace_id", "span_id", "user")


def save(connection: Connection, rows: Sequence[Sample]) -> None:
    """A question and its answer as texts, a longer conversation as JSON."""
    before = samples.last_id(connection)
    connection.exec_driver_sql(_INSERT, [_values(row) for row in rows])
    connection.exec_driver_sql(f"{sample_traces.ADD} samples WHERE id > ?", (before,))


def conversations(connection: Connection, trace_ids: Sequence[str]) -> list[object]:
    """The conversations of these traces' calls."""
    found = samples.load(connection, trace_ids=trace_ids)
    return [(_read(row.prompt), _read(row.response)) for row in found]


def _values(row: Sample) -> tuple[object, ...]:
    fields = [_value(name, getattr(row, name)) for name in _FIELDS]
    said = row.conversation
    if said is None or _is_two_texts(said):
        return (*fields, 0.0, row.prompt, row.response)
    asked = {"system": said.system, "tools": said.tools, "messages": said.messages}
    return (*fields, 0.0, to_json(asked).decode(), to_json(said.choices).decode())


def _value(name: str, value: object) -> object:
    if isinstance(value, Mapping):
        return json.dumps(dict(value))
    return bytes.fromhex(value) if name in _IDS and isinstance(value, str) else value


def _is_two_texts(said: Conversation) -> bool:
    return len(said.messages) == 1 and not said.system and not said.tools


def _read(said: str) -> object:
    return from_json(said) if said[:2] in ('{"', "[{") else said
