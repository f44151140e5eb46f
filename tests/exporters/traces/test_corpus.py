"""Payloads that real instrumentations sent, against what their provider knows it returned.

The payloads are not part of the project: TELLTALE_TEST_CORPUS names a folder with `manifest.json` (cases with their
truth, payloads with their headers) and the request bodies. Folders within it that have a manifest are corpora too.
"""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from exporters.traces.calls import fast_path, log_content, normalise
from exporters.traces.calls.call import Call
from exporters.traces.calls.grouping import by_call
from exporters.traces.calls.whole_call import joined
from exporters.traces.conventions import particulars
from exporters.traces.conventions.particulars import Particulars
from exporters.traces.decode import bodies, spans
from exporters.traces.messages import places
from exporters.traces.messages.joining import complete
from telltale.conversation import Conversation, Part, content_of, texts

CORPUS = Path(os.environ.get("TELLTALE_TEST_CORPUS", "/nonexistent"))
CORPORA = [path.parent for path in (*CORPUS.glob("manifest.json"), *sorted(CORPUS.glob("*/manifest.json")))]
needs_corpus = pytest.mark.skipif(not CORPORA, reason="set TELLTALE_TEST_CORPUS to a folder of captured payloads")
# Observations that the case's program made by hand, besides the calls that the provider saw.
BY_HAND = {"langfuse5-observe-agent": ["llm"]}
# Behind LiteLLM's proxy: what its client asked for; the upstream name is what it can know as served.
ALIASES = {"litellm_proxy-err429": "broken"}
UNKNOWABLE = {
    # The proxy records a whole response with its tokens, though its client left: nothing in the span shows it.
    ("litellm_proxy-client-cancel", "aborted"),
    # OpenLIT leaves out turns that are tool calls alone, and writes two answers as one text.
    ("openlit-tools", "turns"),
    ("openlit-n2", "answers"),
}
USER = "user-42"
LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
PARAMETERS = ("temperature", "top_p", "top_k", "seed", "frequency_penalty", "presence_penalty")
# How far a time to the first token may be off: what a clock tells twice, and an interpreter that loads modules then.
CLOCK_S, LATE_S = 0.005, 1.5
# More messages than an SDK's default of 128 attributes holds.
MANY = 60
CONTEXT = normalise.Context(None, ("tenant.id", "tenant", "langfuse.trace.metadata.tenant"), {})
TABLE = fast_path.attribute_table(CONTEXT.tenant_attributes)


@dataclass
class Decoded:
    """What the collector makes of one case."""

    calls: list[Call] = field(default_factory=list)
    said: dict[bytes, Conversation] = field(default_factory=dict)
    about: dict[bytes, Particulars] = field(default_factory=dict)
    duplicates: int = 0


def read_case(corpus: Path, manifest: dict[str, Any], case: str) -> Decoded:
    decoded = Decoded()
    found: list[tuple[Call, spans.Span]] = []
    from_logs: dict[tuple[bytes, bytes], Conversation] = defaultdict(Conversation)
    for payload in (payload for payload in manifest["payloads"] if payload["case_id"] == case):
        body = (corpus / payload["file"]).read_bytes()
        if payload["signal"] not in ("traces", "logs"):
            continue
        encoding = payload.get("content_encoding") or ""
        if payload["signal"] == "logs":
            plain = bodies.decompress(body, encoding, 1 << 26)
            for key, logged in log_content.read(ExportLogsServiceRequest.FromString(plain), CONTEXT):
                ids = (key.trace_id, key.span_id)
                from_logs[ids] = places.follow(from_logs[ids], logged.name, logged.said)
            continue
        groups, _ = bodies.spans(body, encoding, "application/x-protobuf", 1 << 26, 100_000)
        found.extend(
            (ref.call, span)
            for ref in normalise.read(groups, CONTEXT, TABLE).calls
            if (span := ref.group.span(ref.index)).name not in BY_HAND.get(case, [])
        )
    found.sort(key=lambda item: item[0].convention == "anthropic")
    calls = [call for call, _ in found]
    # In the order in which they came: emulated cases know no other.
    for spans_of_call in sorted(by_call(calls), key=lambda group: min(map(calls.index, group.calls))):
        call = joined(spans_of_call)
        decoded.calls.append(call)
        decoded.duplicates += len(spans_of_call.calls) - 1
        of_call = [span for one, span in found if one in spans_of_call.calls]
        said = [complete(normalise.read_conversation(span), from_logs[span.trace_id, span.span_id]) for span in of_call]
        # The span that tells most, if it tells of the conversation.
        order = sorted(range(len(of_call)), key=lambda place: of_call[place].span_id != call.span_id)
        at = max(order, key=lambda place: (said[place].is_answered, said[place].is_asked))
        decoded.said[call.span_id] = said[at]
        span = of_call[at]
        decoded.about[call.span_id] = particulars.read(span.resource, span.attributes, (), call.convention)
    if not case.startswith("emulated"):
        decoded.calls.sort(key=lambda call: call.start_unix_s)
    return decoded


def requests(truth: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The calls of a case: retries inside one call are one call, the last try."""
    kept: list[dict[str, Any]] = []
    for request in sorted(truth, key=lambda request: request.get("t_start_ns", 0)):
        again = kept and kept[-1].get("status") == 429 and "retry-me" in json.dumps(kept[-1].get("messages", ""))
        if again:
            kept.pop()
        kept.append(request)
    return kept


def verdicts(call: Call, said: Conversation, about: Particulars, truth: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(what, right | wrong | absent) for all that the sender knew."""
    failed = truth.get("status", 200) != 200
    ended_well = not failed and not truth.get("aborted")
    usage = truth.get("usage_sent_to_client") and ended_well
    yield "requested", _same(call.model_requested, truth.get("model_requested"))
    if ended_well:
        yield "served", _same(call.model_served, truth.get("model_served"))
    for what, mine, key in (
        ("in", call.input_tokens, "input_tokens_total"), ("out", call.output_tokens, "output_tokens"),
        ("cached", call.cached_input_tokens or None, "cache_read_tokens"),
        ("reasoning", call.reasoning_output_tokens or None, "reasoning_tokens"),
    ):  # fmt: skip
        if usage and truth.get(key):
            yield what, _same(mine, truth[key])
        elif not usage and mine and what in ("in", "out") and not truth.get("aborted"):
            yield what, "wrong"
    if truth.get("aborted") == "client_gone":
        yield "aborted", "right" if call.status == "aborted" else "wrong"
    elif truth.get("aborted"):
        yield "aborted", "right" if call.status != "ok" else "wrong"
    else:
        yield "status", "right" if (call.status == "error") == failed else "wrong"
    if truth.get("status") == 429:
        yield "error type", _same(call.error_type, "rate_limit")
    yield "ttft", _ttft(call, truth)
    if ended_well and truth.get("finish_reason"):
        yield "finish", _finish(call.finish_reasons or log_content.reasons(said), truth["finish_reason"])
    yield from _content(texts.of(said), truth, ended_well)
    yield from _messages(said, truth, ended_well)
    yield from _particulars(about, truth)


def _particulars(about: Particulars, truth: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The service and its environment, which each case has, and what the request was sent with."""
    yield "app", "absent" if not about.app else "right" if about.app.startswith(("svc-", "litellm-")) else "wrong"
    yield "environment", _same(about.environment, "lab")
    sent = truth.get("params")
    if sent is None:
        return
    limit = next((sent[name] for name in LIMITS if sent.get(name) is not None), None)
    asked = {name: sent.get(name) for name in PARAMETERS} | {"max_tokens": limit}
    for name, value in asked.items():
        mine = about.parameters.get(name)
        if value is not None or mine is not None:
            yield "parameters", "absent" if mine is None else "right" if mine == value else "wrong"
    if sent.get("user") or about.user:
        # Some cases name their user to the instrumentation, not in the request.
        yield "user", "absent" if about.user is None else "right" if about.user == USER else "wrong"


def _ttft(call: Call, truth: dict[str, Any]) -> str:
    if "server_ttft_s" not in truth:
        return "right" if call.ttft_s is None else "wrong"
    if call.ttft_s is None:
        return "absent"
    # The client waited from its own start to the first token that the provider sent, by the clock of both.
    sent = truth.get("t_start_ns", call.start_unix_s * 1e9) / 1e9 + truth["server_ttft_s"]
    waited = sent - call.start_unix_s
    return "right" if waited - CLOCK_S <= call.ttft_s <= waited + LATE_S else "wrong"


def _finish(told: tuple[str, ...], reason: str) -> str:
    if not told:
        return "absent"
    same = {
        # Strands says other providers' reasons in Bedrock's words.
        "stop": ("stop", "end_turn"),
        "tool_calls": ("tool_calls", "tool_call", "tool_use"),
        "end_turn": ("end_turn", "stop"),
        "tool_use": ("tool_use", "tool_call", "tool_calls"),
    }
    return "right" if told[0] in (reason, *same.get(reason, ())) else "wrong"


def _content(content: tuple[str, str], truth: dict[str, Any], ended_well: bool) -> Iterator[tuple[str, str]]:
    asked = _asked(truth)
    if asked:
        yield (
            "prompt",
            "absent"
            if not content[0]
            else "right"
            if asked.replace("\0", "") in content[0].replace("\0", "")
            else "wrong",
        )
    if ended_well and (truth.get("completion") or truth.get("tool_calls")):
        called = (truth.get("tool_calls") or [{}])[0]
        wanted = truth.get("completion") or called.get("name") or called["function"]["name"]
        yield "completion", "absent" if not content[1] else "right" if wanted.strip() in content[1] else "wrong"


def _messages(said: Conversation, truth: dict[str, Any], ended_well: bool) -> Iterator[tuple[str, str]]:
    """Every turn with its role, the system instructions, every answer and its tool calls."""
    written = truth.get("messages") or []
    turns = [_turn(message) for message in written if message.get("role") not in ("system", "developer")]
    if turns:
        mine = [(message["role"], _text(message["parts"])) for message in said.messages]
        # SDKs limit a span's attributes, and the oldest of very many messages are not sent.
        sent = turns[-len(mine) :] if len(turns) > MANY else turns
        yield "turns", "absent" if not mine else "right" if mine == sent else "wrong"
    system = truth.get("system") or [m["content"] for m in written if m.get("role") in ("system", "developer")]
    if system:
        yield "system", _same(_text(said.system) or None, _plain(system) if len(turns) <= MANY else None)
    if ended_well and truth.get("completion"):
        answers = {_text(choice["parts"]) for choice in said.choices} - {""}
        yield "answers", "absent" if not answers else "right" if answers == {truth["completion"]} else "wrong"
    if truth.get("tool_calls"):
        # Each case that calls a tool offers this one alone.
        right = [tool["name"] for tool in said.tools] == ["get_weather"] and "city" in str(
            said.tools[0].get("schema", "city")
        )
        yield "tools", "absent" if not said.tools else "right" if right else "wrong"
    if ended_well and truth.get("tool_calls"):
        calls = [
            (part["name"], part["arguments"])
            for choice in said.choices
            for part in choice["parts"]
            if part["type"] == "tool_call"
        ]
        functions = [called.get("function", called) for called in truth["tool_calls"]]
        real = [(f["name"], _json(f.get("arguments", f.get("input")))) for f in functions]
        yield "tool calls", "absent" if not calls else "right" if calls == real else "wrong"


def _turn(message: dict[str, Any]) -> tuple[str, str]:
    content = message.get("content")
    is_result = message["role"] == "tool" or (
        isinstance(content, list) and any(part.get("type") == "tool_result" for part in content)
    )
    # What a tool answered is no text of a turn, but a part of its own.
    return ("tool", "") if is_result else (message["role"], _plain(content))


def _plain(content: Any) -> str:
    parts = content if isinstance(content, list) else [content]
    return "\n".join(part if isinstance(part, str) else part.get("text") or "" for part in parts if part).strip("\n")


def _text(parts: list[Part]) -> str:
    return "\n".join(content_of(part) for part in parts if part["type"] == "text")


def _json(arguments: Any) -> Any:
    return json.loads(arguments) if isinstance(arguments, str) else arguments


def _asked(truth: dict[str, Any]) -> str:
    messages = [message for message in truth.get("messages") or [] if message.get("role") == "user"]
    if not messages:
        prompt = truth.get("prompt") or truth.get("input")
        return (
            prompt
            if isinstance(prompt, str)
            else prompt[-1]
            if isinstance(prompt, list) and isinstance(prompt[-1], str)
            else ""
        )
    content = messages[-1]["content"]
    if isinstance(content, str):
        return content
    return next((part["text"] for part in content if part.get("text")), "")


def _same(mine: object, truth: object) -> str:
    if truth is None:
        return "right"
    return "absent" if mine is None else "right" if mine == truth else "wrong"


def judge(corpus: Path) -> tuple[dict[str, dict[str, Counter[str]]], list[str]]:
    manifest = json.loads((corpus / "manifest.json").read_text())
    table: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    wrong: list[str] = []
    for case, about in manifest["cases"].items():
        decoded, truth = read_case(corpus, manifest, case), requests(about["truth"])
        if about["emitter"] == "litellm_proxy":
            truth = [_behind_proxy(case, one) for one in truth]
            # A call that the proxy itself refused is a failed call of the gateway; no provider saw it.
            decoded.calls = decoded.calls if truth else [call for call in decoded.calls if call.status != "error"]
        row = table[about["emitter"]]
        row["calls"]["right"] += min(len(decoded.calls), len(truth))
        row["calls"]["absent"] += max(0, len(truth) - len(decoded.calls))
        row["calls"]["wrong"] += max(0, len(decoded.calls) - len(truth))
        if len(decoded.calls) > len(truth):
            wrong.append(f"{case}: {len(decoded.calls)} calls for {len(truth)}")
        if len(decoded.calls) != len(truth):
            continue
        for call, one in zip(decoded.calls, truth, strict=True):
            about_it = decoded.about[call.span_id]
            for what, verdict in verdicts(call, decoded.said[call.span_id], about_it, one):
                if (case, what) in UNKNOWABLE:
                    continue
                row[what][verdict] += 1
                if verdict == "wrong":
                    wrong.append(f"{case}: {what}: {_brief(call, decoded.said[call.span_id])} {about_it}")
    return table, wrong


def _behind_proxy(case: str, truth: dict[str, Any]) -> dict[str, Any]:
    return {**truth, "model_served": truth["model_requested"], "model_requested": ALIASES.get(case, "gpt-alias")}


def _brief(call: Call, said: Conversation) -> str:
    content = texts.of(said)
    return (
        f"{call.model_requested}>{call.model_served} {call.status} {call.error_type} in={call.input_tokens} "
        f"out={call.output_tokens} stream={call.streaming} ttft={call.ttft_s} {call.finish_reasons} {content[0][:60]!r}"
        f" {content[1][:60]!r}"
    )


def show(table: dict[str, dict[str, Counter[str]]]) -> str:
    """right/all per emitter, and `w` where values are wrong."""
    whats = list(dict.fromkeys(what for row in table.values() for what in row))
    lines = ["emitter".ljust(30) + " ".join(what.rjust(10) for what in whats)]
    for emitter, row in sorted(table.items()):
        cells = []
        for what in whats:
            counts = row[what]
            mark = f" {counts['wrong']}w" if counts["wrong"] else ""
            cells.append((f"{counts['right']}/{counts.total()}{mark}" if counts.total() else "").rjust(10))
        lines.append(emitter.ljust(30) + " ".join(cells))
    return "\n".join(lines)


@needs_corpus
@pytest.mark.parametrize("corpus", CORPORA, ids=lambda corpus: corpus.name)
def test_nothing_is_wrong_where_the_sender_reported_enough(corpus: Path) -> None:
    table, wrong = judge(corpus)
    print("\n" + show(table))
    assert not wrong, "\n".join(wrong)
