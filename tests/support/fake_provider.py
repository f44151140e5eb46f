"""A model provider on a free port that responds as a case's name says, over OpenAI's and Anthropic's APIs.

Each case is requested by its name as the model, so that traces of the call can be checked against what was sent.
Standard library only: programs in another environment import it too.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

FIRST_S = 0.12
"""From the request to the first token of a stream."""
PAUSE_S = 0.4
"""In the middle of a stream, so that the first token is distinguishable from the whole response."""
UPSTREAM = "up-"
"""The prefix of a gateway's deployments, before the case's name."""

Json = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One call and its truth. Tokens are as OTel counts them: input includes cached and written, output reasoning.

    `usage` is whether the application requests a stream's usage; the provider sends it only on request.
    """

    name: str
    operation: str = "chat"
    api: str = "openai"
    stream: bool = False
    usage: bool = True
    code: int = 200
    cut: bool = False
    tool: bool = False
    input: int = 23
    output: int = 17
    cached: int = 0
    written: int = 0
    reasoning: int = 0

    @property
    def served(self) -> str:
        return f"{self.name}-2026-11-01"

    @property
    def prompt(self) -> str:
        return f"Which way to the {self.name} harbour?"

    @property
    def response(self) -> str:
        return f"Past the {self.name} lighthouse, then left."

    @property
    def status(self) -> str:
        return "error" if self.code != 200 else "aborted" if self.cut else "ok"

    @property
    def finish(self) -> str:
        if self.api == "anthropic":
            return "end_turn"
        return "tool_calls" if self.tool else "stop"


CASES = {
    case.name: case
    for case in (
        Case("plain"),
        Case("thrifty", input=96, output=40, cached=64, reasoning=24),
        Case("tools", tool=True),
        Case("limited", code=429),
        Case("stream", stream=True),
        Case("bare", stream=True, usage=False),
        Case("cut", stream=True, cut=True),
        Case("vectors", operation="embeddings", output=0),
        Case("message", api="anthropic"),
        Case("message-thrifty", api="anthropic", input=96, cached=64, written=20),
        Case("message-stream", api="anthropic", stream=True),
        Case("message-limited", api="anthropic", code=429),
    )
}
TOOL = {"name": "find_way", "arguments": '{"to": "harbour"}'}


@contextmanager
def provider() -> Iterator[str]:
    """The address of a running provider, `http://host:port`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *arguments: object) -> None:
        """Quiet."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        case = CASES[asked["model"].removeprefix(UPSTREAM)]
        if case.code != 200:
            self._respond(case.code, _refusal(case))
        elif case.operation == "embeddings":
            self._respond(200, _embedding(case))
        elif not asked.get("stream"):
            self._respond(200, _message(case) if case.api == "anthropic" else _completion(case))
        else:
            wanted = (asked.get("stream_options") or {}).get("include_usage", False)
            self._stream(case, list(_events(case) if case.api == "anthropic" else _chunks(case, wanted)))

    def _respond(self, code: int, body: Json) -> None:
        raw = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def _stream(self, case: Case, events: list[str]) -> None:
        time.sleep(FIRST_S)
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for number, event in enumerate(events):
            if number == len(events) // 2:
                time.sleep(PAUSE_S)
                if case.cut:
                    self.close_connection = True
                    return
            raw = event.encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(raw), raw))
        self.wfile.write(b"0\r\n\r\n")


def _identity(case: Case, kind: str) -> str:
    return f"{kind}{case.name}{time.time_ns():x}"


def _pieces(text: str) -> list[str]:
    return [f"{word} " for word in text.split(" ")[:-1]] + text.split(" ")[-1:]


def _refusal(case: Case) -> Json:
    if case.api == "anthropic":
        return {"type": "error", "error": {"type": "rate_limit_error", "message": "Slow down."}}
    return {"error": {"message": "Slow down.", "type": "rate_limit_exceeded", "param": None, "code": None}}


def _openai_usage(case: Case) -> Json:
    used: Json = {
        "prompt_tokens": case.input,
        "completion_tokens": case.output,
        "total_tokens": case.input + case.output,
    }
    if case.cached:
        used["prompt_tokens_details"] = {"cached_tokens": case.cached, "audio_tokens": 0}
    if case.reasoning:
        used["completion_tokens_details"] = {"reasoning_tokens": case.reasoning, "audio_tokens": 0}
    return used


def _embedding(case: Case) -> Json:
    return {
        "object": "list",
        "model": case.served,
        "data": [{"object": "embedding", "index": 0, "embedding": [0.1, 0.2, 0.3]}],
        "usage": {"prompt_tokens": case.input, "total_tokens": case.input},
    }


def _completion(case: Case) -> Json:
    message: Json = {"role": "assistant", "content": case.response, "refusal": None}
    if case.tool:
        message |= {"content": None, "tool_calls": [{"id": "call_1", "type": "function", "function": TOOL}]}
    return {
        "id": _identity(case, "chatcmpl-"),
        "object": "chat.completion",
        "created": int(time.time()),
        "model": case.served,
        "choices": [{"index": 0, "message": message, "finish_reason": case.finish, "logprobs": None}],
        "usage": _openai_usage(case),
    }


def _chunks(case: Case, usage_wanted: bool) -> Iterator[str]:
    head: Json = {
        "id": _identity(case, "chatcmpl-"),
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": case.served,
    }
    deltas: list[Json] = [{"content": piece} for piece in _pieces(case.response)]
    deltas[0]["role"] = "assistant"
    for delta in deltas:
        yield _data({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    yield _data({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": case.finish}]})
    if usage_wanted:
        yield _data({**head, "choices": [], "usage": _openai_usage(case)})
    yield "data: [DONE]\n\n"


def _anthropic_usage(case: Case) -> Json:
    return {
        "input_tokens": case.input - case.cached - case.written,
        "cache_read_input_tokens": case.cached,
        "cache_creation_input_tokens": case.written,
        "output_tokens": case.output,
    }


def _message(case: Case) -> Json:
    return {
        "id": _identity(case, "msg_"),
        "type": "message",
        "role": "assistant",
        "model": case.served,
        "content": [{"type": "text", "text": case.response}],
        "stop_reason": case.finish,
        "stop_sequence": None,
        "usage": _anthropic_usage(case),
    }


def _events(case: Case) -> Iterator[str]:
    begun = {
        **_message(case),
        "content": [],
        "stop_reason": None,
        "usage": {**_anthropic_usage(case), "output_tokens": 1},
    }
    events: list[Json] = [
        {"type": "message_start", "message": begun},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *(
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}
            for piece in _pieces(case.response)
        ),
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": case.finish, "stop_sequence": None},
            "usage": {"output_tokens": case.output},
        },
        {"type": "message_stop"},
    ]
    for event in events:
        yield f"event: {event['type']}\n{_data(event)}"


def _data(event: Json) -> str:
    return f"data: {json.dumps(event)}\n\n"
