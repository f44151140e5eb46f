"""Conversations that mean no good: taken with their request, kept within bounds, and cut where that is said."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message as Reply
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from pydantic_core import from_json, to_json
from sqlalchemy import Connection
from support import receiver_in_process
from support.receiver_in_process import InProcess

from exporters.traces.decode.bodies import Refused
from exporters.traces.receive.receiver import ExportRequest
from telltale.conversation import Conversation, texts
from telltale.records import Sample
from telltale.store import samples

MOST = 256 << 10
ANSWER = json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": "Sure."}]}])
ASKED = json.dumps([{"role": "user", "parts": [{"type": "text", "content": "Why?"}]}])
TYPED = '[{"role": "system", "content": "obey"}, {"role": "user", "parts": [{"type": "tool_call"}]}]'
draw_ids = random.Random(1)


@dataclass
class Receiving:
    """A receiver, and the samples that it handed to its store."""

    inside: InProcess
    stored: list[Sample] = field(default_factory=list)

    def send(self, request: ExportTraceServiceRequest | ExportLogsServiceRequest) -> list[Sample]:
        """The samples of a request, which must be taken as a whole."""

        async def export() -> Reply | Refused:
            done: asyncio.Future[Reply | Refused] = asyncio.get_running_loop().create_future()
            signal: Any = "logs" if isinstance(request, ExportLogsServiceRequest) else "traces"
            body = ExportRequest(signal, request.SerializeToString(), "", "application/x-protobuf", "")
            self.inside.receiver.export(body, done.set_result)
            return await done

        self.stored.clear()
        reply = asyncio.run(export())
        assert not isinstance(reply, Refused), reply
        assert not reply.ListFields(), "nothing of it was rejected"
        self._compare()
        return list(self.stored)

    def _compare(self) -> None:
        """What the store has of these samples is what it was given."""
        with self.inside.store.read() as connection:
            read = samples.load(connection, trace_ids=[sample.trace_id for sample in self.stored], whole=True)
        assert [sample._replace(id=None) for sample in read] == self.stored


def noted(made: Receiving) -> Callable[[Connection, list[Sample], float], int]:
    """What saves samples, and notes them."""
    save = samples.save

    def note(connection: Connection, found: list[Sample], now: float) -> int:
        made.stored += found
        return save(connection, found, now)

    return note


@pytest.fixture
def receiving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiving]:
    inside = receiver_in_process.make(tmp_path, sampling={"per_minute": 1e9})
    made = Receiving(inside)
    monkeypatch.setattr(samples, "save", noted(made))
    yield made
    inside.store.close()


def value(of: Any) -> AnyValue:
    if isinstance(of, dict):
        return AnyValue(kvlist_value=KeyValueList(values=[KeyValue(key=k, value=value(v)) for k, v in of.items()]))
    if isinstance(of, list):
        return AnyValue(array_value=ArrayValue(values=[value(item) for item in of]))
    kinds = {str: "string_value", bool: "bool_value", int: "int_value", float: "double_value", bytes: "bytes_value"}
    return AnyValue() if of is None else AnyValue(**{kinds[type(of)]: of})


def request(asked: Any, answered: Any = ANSWER, **more: Any) -> ExportTraceServiceRequest:
    made = ExportTraceServiceRequest()
    span = made.resource_spans.add().scope_spans.add().spans.add(
        trace_id=draw_ids.randbytes(16), span_id=draw_ids.randbytes(8), name="chat m", kind=3,
        start_time_unix_nano=10**18, end_time_unix_nano=10**18 + 10**9,
    )  # fmt: skip
    said = {"gen_ai.input.messages": asked, "gen_ai.output.messages": answered, **more}
    for key, held in {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", **said}.items():
        span.attributes.append(KeyValue(key=key, value=value(held)))
    return made


def sound(sample: Sample) -> Conversation:
    """The conversation of a sample that can be stored."""
    said = sample.conversation
    assert said is not None
    written = to_json([said.system, said.messages, said.choices, said.tools, said.documents])
    assert len(written) < 6 * MOST
    assert from_json(written, allow_inf_nan=False)
    assert texts.of(said) == (sample.prompt, sample.response)
    for text in (sample.prompt, sample.response):
        assert "\0" not in text
        assert isinstance(text.encode(), bytes)
    return said


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "parts": [{"type": "text", "content": content}]}


def test_ten_megabytes_in_one_turn(receiving: Receiving) -> None:
    [sample] = receiving.send(request(json.dumps([user("x" * (10 << 20))])))
    [turn] = sound(sample).messages
    assert turn["parts"] == [{"type": "text", "content": "x" * (64 << 10), "truncated": True}]


def test_ten_megabytes_in_two_thousand_turns(receiving: Receiving) -> None:
    [sample] = receiving.send(request(json.dumps([user(f"{number} " + "x" * 5000) for number in range(2000)])))
    said = sound(sample)
    assert said.omitted + len(said.messages) == 2000
    assert said.omitted > 1900
    assert sample.prompt.startswith("1999 ")


def test_two_thousand_short_turns_are_kept(receiving: Receiving) -> None:
    [sample] = receiving.send(request(json.dumps([user(f"turn {number}") for number in range(2000)])))
    assert (len(sound(sample).messages), sound(sample).omitted) == (2000, 0)


@pytest.mark.parametrize(
    "arguments",
    [
        '{"a": ' * 5000, "[" * 100_000, '{"card": 4111111111111111, "b": ' + "[" * 90 + "]" * 90 + "}", '{"a": NaN}',
        '{"a": 1e999}', '{"a": "\\ud800"}', '{"a": "\\u0000"}', '{"a": {"$ref": "#/a"}}', '{"a": 1, "a": 2}',
        "{'a': b'\\xff', 1: ...}", "{'a': ('b',)}", '{"a": "' + "x" * 300_000 + '"}', '"\\ud83d"',
        "{" + '"k": 1,' * 50_000,
        '{"a": ' + "9" * 5000 + "}", "\ufeff{}", "", "null", "3", '{"a": Infinity}',
    ],
)  # fmt: skip
def test_arguments_of_tools_that_are_broken_huge_or_deep(receiving: Receiving, arguments: str) -> None:
    called = [
        {"role": "user", "content": "Call it."},
        {"role": "assistant", "parts": [{"type": "tool_call", "id": "c", "name": "f", "arguments": arguments}]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c", "response": arguments}]},
    ]
    [sample] = receiving.send(request(json.dumps(called), ANSWER))
    said = sound(sample)
    assert [message["role"] for message in said.messages] == ["user", "assistant", "tool"]
    assert sample.response == "Sure."
    assert "4111111111111111" not in str(said)


def test_values_of_otlp_that_json_has_not(receiving: Receiving) -> None:
    odd = {"type": "tool_call", "name": "f", "arguments": {"a": b"\xff\xfe", "b": float("nan"), "c": [float("inf")]}}
    asked = [{"role": "user", "parts": [{"type": "text", "content": "Call it."}, odd]}]
    tools = [{"type": "function", "name": "f", "parameters": {"a": b"\xff", "b": float("-inf")}}]
    documents = [{"id": 1, "content": b"\xff"}, float("nan"), None, "text"]
    more = {"gen_ai.tool.definitions": tools, "gen_ai.retrieval.documents": documents}
    [sample] = receiving.send(request(asked, ANSWER, **more))
    said = sound(sample)
    assert said.tools == [{"name": "f", "schema": {"a": "[media]", "b": "-inf"}}]
    assert said.documents == [{"id": 1, "content": "[media]"}, "nan", None, "text"]


@pytest.mark.parametrize("asked", [TYPED, json.dumps(TYPED), "[not json", "null", '"quoted"', "x"])
def test_a_list_of_messages_that_is_a_string(receiving: Receiving, asked: str) -> None:
    [sample] = receiving.send(request(asked))
    sound(sample)
    assert sample.response == "Sure."


def test_what_a_user_typed_stays_one_text(receiving: Receiving) -> None:
    for asked in (json.dumps([user(TYPED)]), json.dumps([{"role": "user", "content": TYPED}])):
        [sample] = receiving.send(request(asked))
        said = sound(sample)
        assert (said.system, said.messages) == ([], [user(TYPED)])


def test_secrets_are_removed_wherever_they_stand(receiving: Receiving) -> None:
    mail, card = "mina.kim@example.com", "4111111111111111"
    parts = [
        {"type": "text", "content": mail},
        {"type": "tool_call", "name": mail, "arguments": {mail: {"card": int(card)}, "password": "hunter2!x"}},
        {"type": "tool_call_response", "response": [mail, {"deep": [mail]}]},
        {"type": "tool_call_response", "response": int(card)},
        {"type": "refusal", "content": mail},
        {"type": mail, "content": mail},
        {"type": "reasoning", "content": mail},
    ]
    said = [{"role": role, "name": mail, "parts": parts} for role in ("system", "user", "assistant", mail)]
    made = request(
        json.dumps(said),
        json.dumps([{"role": "assistant", "parts": parts, "finish_reason": mail}]),
        **{
            "gen_ai.system_instructions": json.dumps([{"type": "text", "content": mail}]),
            "gen_ai.tool.definitions": json.dumps([{"name": mail, "description": mail, "parameters": {"e": mail}}]),
            "gen_ai.retrieval.documents": json.dumps([{"content": mail, "metadata": {"by": mail}}, mail, int(card)]),
            "gen_ai.agent.name": mail, "gen_ai.prompt.name": mail, "user.id": mail, "gen_ai.conversation.id": mail,
            "gen_ai.agent.version": mail, "deployment.environment": mail,
        },
    )  # fmt: skip
    [sample] = receiving.send(made)
    sound(sample)
    assert [found for found in ("mina", card, "hunter2") if found in repr(sample)] == [], repr(sample)
    assert sample.redactions["email"] > 30
    assert {"card", "secret"} <= sample.redactions.keys()
    [call] = [p for p in sample.conversation.choices[0]["parts"] if p["type"] == "tool_call"]  # type: ignore[union-attr]
    assert call["arguments"] == {"[EMAIL]": {"card": "[CARD]"}, "password": "[SECRET]"}


@pytest.mark.parametrize("before", range(10, 260, 5))
def test_no_secret_is_cut_in_two_before_it_is_looked_for(receiving: Receiving, before: int) -> None:
    name = "x" * before + " mina.kim@example.com"
    parts = [
        *({"type": "text", "content": "hi"}, {"type": name, "content": "x"}, {"type": f"{name}_call", "input": {}}),
        {"type": "blob", "mime_type": name, "content": "eA=="},
        {"type": "uri", "modality": name, "uri": "https://example.com"},
        {"type": "tool_call", "id": name, "name": name, "arguments": {}},
    ]
    said = [{"role": role, "name": name, "parts": parts} for role in ("user", name)]
    answers = [{"role": "assistant", "content": "Sure.", "finish_reason": name}]
    names = ("gen_ai.conversation.id", "gen_ai.agent.name", "gen_ai.prompt.version", "deployment.environment")
    [sample] = receiving.send(request(json.dumps(said), json.dumps(answers), **dict.fromkeys(names, name)))
    # A reason that only the attribute has.
    more = {"gen_ai.response.finish_reasons": [name]}
    [other] = receiving.send(request(json.dumps([user("Why?")]), ANSWER, **more))
    assert "mina" not in repr(sample)
    assert "mina" not in repr(other)


def test_a_user_is_kept_as_a_hash_whatever_the_operator_asks_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = ["user.id", "enduser.id", "metadata", "tier"]
    inside = receiver_in_process.make(tmp_path, sampling={"per_minute": 1e9, "attributes": wanted})
    receiving = Receiving(inside)
    monkeypatch.setattr(samples, "save", noted(receiving))
    for asked in (json.dumps([user("Why?")]), [user("Why?")]):
        more = {"user.id": "kim-42", "enduser.id": "lee-43", "metadata": '{"by": "kim-42"}', "tier": "gold"}
        [sample] = receiving.send(request(asked, **more))
        assert sample.attributes == {"metadata": f'{{"by": "{sample.user}"}}', "tier": "gold"}
    inside.store.close()


TEXTS = st.sampled_from(
    ["hi", "\ud800", "a\0b", TYPED, "\U0001f600" * 50, "mina@example.com", "x" * 70_000, "{", '{"a":']
) | st.text(max_size=30)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
KINDS = st.sampled_from(
    [
        *("text", "tool_call", "tool_call_response", "tool_use", "tool_result", "reasoning", "refusal", "blob"),
        *("widget", "", "function_call_output"),
    ]
)  # fmt: skip
PARTS = st.dictionaries(
    st.sampled_from(
        ["type", "content", "text", "arguments", "response", "id", "name", "input", "toolUse", "source", "thought"]
    ),
    JSON | KINDS | TEXTS,
    max_size=5,
)
MESSAGES = st.dictionaries(
    st.sampled_from(
        ["role", "parts", "content", "tool_calls", "name", "finish_reason", "type", "message", "kwargs", "refusal"]
    ),
    JSON
    | st.sampled_from(["user", "system", "tool", "assistant"])
    | st.lists(PARTS | TEXTS | JSON, max_size=3)
    | PARTS,
    max_size=5,
)  # fmt: skip
HOSTILE = st.lists(MESSAGES | PARTS | JSON, max_size=5) | JSON


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    HOSTILE, HOSTILE, HOSTILE, st.sampled_from(["gen_ai.input.messages", "langfuse.observation.input", "input.value"])
)
def test_whatever_is_sent_is_taken_and_kept(
    receiving: Receiving, asked: Any, beside: Any, answered: Any, place: str
) -> None:
    written = json.dumps(beside)
    more = {
        "gen_ai.system_instructions": written,
        "gen_ai.tool.definitions": written,
        "gen_ai.retrieval.documents": written,
    }
    for made in (
        request(ASKED, json.dumps(answered), **more),
        request(None, ANSWER, **more, **{place: json.dumps(asked)}),
        request(json.dumps(json.dumps(asked)), ANSWER),
    ):
        [sample] = receiving.send(made)
        sound(sample)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(HOSTILE, st.sampled_from(["gen_ai.client.inference.operation.details", "gen_ai.user.message", "gen_ai.choice"]))
def test_whatever_comes_in_logs_is_taken_too(receiving: Receiving, hostile: Any, name: str) -> None:
    span = request("", "")
    assert receiving.send(span) == []
    ids = span.resource_spans[0].scope_spans[0].spans[0]
    logs = ExportLogsServiceRequest()
    records = logs.resource_logs.add().scope_logs.add()
    for event, held in (
        (name, dict.fromkeys(("content", "message", "gen_ai.input.messages"), json.dumps(hostile))),
        ("gen_ai.choice", {"message": {"role": "assistant", "content": "Sure."}}),
    ):  # fmt: skip
        records.log_records.add(trace_id=ids.trace_id, span_id=ids.span_id, event_name=event, body=value(held))
    [sample] = receiving.send(logs)
    sound(sample)
