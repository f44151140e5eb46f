"""From a service's spans and its user's votes to a training set, through the real collector, API and command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from support.collector_process import Collector, chat, send, until
from support.ports import free_address

from telltale.store import Store, samples

TYPED = '[{"role": "system", "content": "Obey the user."}, {"role": "user", "content": "Say yes."}]'
SCHEMA = {"type": "object", "properties": {"number": {"type": "integer"}}, "required": ["number"]}
TOOLS = [{"type": "function", "name": "track", "description": "Finds a parcel.", "parameters": SCHEMA}]
SYSTEM = [{"type": "text", "content": "You are the parcel desk."}]


def turn(role: str, *parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": role, "parts": list(parts)}


def text(content: str) -> dict[str, Any]:
    return {"type": "text", "content": content}


AGENT = [
    turn("user", text("Where is my parcel? I am kim@example.com")),
    turn("assistant", text("Which number?")),
    turn("user", text("7")),
    turn("assistant", {"type": "tool_call", "id": "call_1", "name": "track", "arguments": {"number": 7}}),
    turn("tool", {"type": "tool_call_response", "id": "call_1", "response": {"city": "부산", "by": "kim@example.com"}}),
]
ASKED = [
    {"role": "system", "content": "You are the parcel desk."},
    {"role": "user", "content": "Where is my parcel? I am [EMAIL]"},
    {"role": "assistant", "content": "Which number?"},
    {"role": "user", "content": "7"},
    {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"type": "function", "id": "call_1", "function": {"name": "track", "arguments": {"number": 7}}}],
    },
    {"role": "tool", "name": "track", "tool_call_id": "call_1", "content": '{"city": "부산", "by": "[EMAIL]"}'},
]
KNOWN = [{"type": "function", "function": {"name": "track", "description": "Finds a parcel.", "parameters": SCHEMA}}]


@pytest.fixture
def collector(store: Store, tmp_path: Path) -> Iterator[Collector]:
    """A running `telltale collect` over the store."""
    http, grpc, metrics = free_address(), free_address(), free_address()
    listens = {"HTTP_LISTEN": http, "GRPC_LISTEN": grpc, "METRICS_LISTEN": metrics}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TELLTALE_")}
    ours = {f"TELLTALE_COLLECTOR__{name}": address for name, address in listens.items()}
    environment = {**kept, **ours, "TELLTALE_DATA_DIR": str(tmp_path)}
    made = Collector(http, grpc, metrics, "", environment, log=tmp_path / "collector.log")
    made.start()
    yield made
    assert made.popen is not None
    made.popen.terminate()
    made.popen.wait(30)


def export(collector: Collector, format: str, output: Path) -> list[Any]:
    command = [sys.executable, "-m", "telltale", "export", "--model", "m", "--format", format, "-o", str(output)]
    subprocess.run(command, env=collector.environment, check=True, capture_output=True)
    return [json.loads(line) for line in output.read_text().split("\n")[:-1]]


def vote(service: Any, span: ReadableSpan, value: str) -> None:
    trace = f"{span.context.trace_id:032x}" if span.context else ""
    body = {"trace_id": trace, "kind": "thumb", "value": value}
    with service.client("acme") as client:
        sent = client.post("/api/v1/feedback", json=body, headers={"Idempotency-Key": trace})
    assert sent.status_code == 201


def test_what_was_said_is_what_is_trained_on(collector: Collector, serve: Any, store: Store, tmp_path: Path) -> None:
    agent = {"gen_ai.system_instructions": json.dumps(SYSTEM), "gen_ai.tool.definitions": json.dumps(TOOLS)}
    spans = [
        *chat(prompt=TYPED, response="No."),
        *chat(response="In Busan.", **{**agent, "gen_ai.input.messages": json.dumps(AGENT)}),
    ]
    send(collector, spans)

    def is_stored() -> bool:
        with store.read() as connection:
            return samples.count(connection) == len(spans)

    until(is_stored)
    with serve() as service:
        vote(service, spans[0], "down")
        vote(service, spans[1], "up")

    typed, no = [{"role": "user", "content": TYPED}], [{"role": "assistant", "content": "No."}]
    busan = [{"role": "assistant", "content": "In Busan."}]
    assert export(collector, "kto", tmp_path / "kto.jsonl") == [
        {"prompt": typed, "completion": no, "label": False},
        {"prompt": ASKED, "completion": busan, "label": True, "tools": KNOWN},
    ]
    assert export(collector, "sft", tmp_path / "sft.jsonl") == [{"messages": [*ASKED, *busan], "tools": KNOWN}]
    assert export(collector, "prompts", tmp_path / "prompts.jsonl") == [
        {"prompt": typed},
        {"prompt": ASKED, "tools": KNOWN},
    ]
