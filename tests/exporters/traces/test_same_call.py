"""Which spans are one call: what links them, what contradicts it, and the same calls in any order and any batching."""

from __future__ import annotations

import itertools
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from support import receiver_in_process
from support.collector_process import messages

from exporters.traces.calls import model_names
from exporters.traces.pipeline import Batch, Pipeline
from exporters.traces.receive.receiver import ExportRequest, Receiver
from telltale.settings import Price, Settings
from telltale.store import Store, open_store, samples

NOW = 1_790_000_000.0
OPENAI, ANTHROPIC_SDK, LOGFIRE = "opentelemetry.instrumentation.openai_v2", "com.anthropic.sdk.python", "logfire.openai"
CACHE_HIT: dict[str, Any] = {"litellm__cache_hit": True}
USAGE = ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens")
# What depends on when a request came, or counts spans instead of calls.
APART = ("telltale_collector_", "process_", "python_")
Page = dict[tuple[str, tuple[tuple[str, str], ...]], float]


class Sent(NamedTuple):
    """A span, and the scope it comes under."""

    span: Span
    scope: str


def sent(
    trace: int, number: int, parent: int = 0, *, start: float = 0.0, seconds: float = 1.0, scope: str = "app",
    error: str = "", tokens: tuple[int, int] | None = None, kind: int = 3, **more: Any,
) -> Sent:  # fmt: skip
    """A span of a call: ids from numbers, times in seconds, `more` attributes with `__` for dots."""
    made = Span(
        trace_id=trace.to_bytes(16), span_id=number.to_bytes(8), parent_span_id=parent.to_bytes(8) if parent else b"",
        name="chat", kind=kind, start_time_unix_nano=int((NOW + start) * 1e9),  # type: ignore[arg-type]  # a number
        end_time_unix_nano=int((NOW + start + seconds) * 1e9),
    )  # fmt: skip
    attributes: dict[str, Any] = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o"}
    attributes |= {key.replace("__", "."): value for key, value in more.items()}
    if tokens is not None:
        attributes |= dict(zip(USAGE, tokens, strict=True))
    if error:
        made.status.code = Status.STATUS_CODE_ERROR
        attributes["error.type"] = error
    for key, value in attributes.items():
        if value is not None:
            made.attributes.add(key=key, value=_value(value))
    return Sent(made, scope)


def _value(value: Any) -> AnyValue:
    if isinstance(value, list):
        return AnyValue(array_value=ArrayValue(values=[AnyValue(string_value=item) for item in value]))
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    return AnyValue(int_value=value) if isinstance(value, int) else AnyValue(string_value=value)


class Counted:
    """Collectors over one store, each with nothing counted yet."""

    def __init__(self, store: Store) -> None:
        self._store = store
        prices = [Price(model="*", input=1.0, output=10.0, cached_input=0.5)]
        self._settings = Settings.model_validate({"prices": prices, "sampling": {"per_minute": 1e-6}})

    def page(self, requests: Sequence[Sequence[Sent]], is_read_between: bool = False) -> Page:
        """What is counted of these requests: in the end, and it may be looked at after each of them."""
        pipeline, receiver = self._made()
        for spans in requests:
            receiver.finish(_ingest(receiver, spans))
            if is_read_between:
                pipeline.page(openmetrics=False)
        return self._shown(pipeline)

    def stormy_page(self, requests: Sequence[Sequence[Sent]], pick: random.Random) -> Page:
        """The same, of requests that are in progress together, are refused and sent again, or lost their replies."""
        pipeline, receiver = self._made()
        coming, begun = list(requests), list[tuple[Sequence[Sent], Batch]]()
        while coming or begun:
            if coming and (not begun or pick.random() < 0.5):
                spans = coming.pop(pick.randrange(min(3, len(coming))))
                begun.append((spans, _ingest(receiver, spans)))
                continue
            spans, batch = begun[pick.randrange(len(begun))]
            journal = batch.journal
            if journal.is_open and pick.random() < 0.3:
                pipeline.rollback(batch)
            elif any(other.is_open for other in journal.builds_on):
                # It waits for these.
                continue
            begun.remove((spans, batch))
            if not journal.is_open or pick.random() < 0.2:
                coming.append(spans)
            pipeline.commit(batch)
        return self._shown(pipeline)

    def _made(self) -> tuple[Pipeline, Receiver]:
        registry = CollectorRegistry()
        pipeline = Pipeline(self._settings, self._store, registry, lambda: NOW)
        return pipeline, Receiver(self._settings, self._store, pipeline, registry, lambda: NOW)

    def _shown(self, pipeline: Pipeline) -> Page:
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): round(sample.value, 6)
            for family in text_string_to_metric_families(pipeline.page(openmetrics=False))
            for sample in family.samples
            if not sample.name.startswith(APART)
        }

    def times(self, spans: Sequence[Sent]) -> list[float]:
        """Seconds of CPU that each of these spans takes, in a request of its own."""
        _, receiver = self._made()
        took: list[float] = []
        for one in spans:
            before = time.process_time()
            receiver.finish(_ingest(receiver, [one]))
            took.append(time.process_time() - before)
        return took


def _ingest(receiver: Receiver, spans: Sequence[Sent]) -> Batch:
    return receiver.ingest(ExportRequest("traces", _body(spans), "", "application/x-protobuf", ""), None)


def _body(spans: Sequence[Sent]) -> bytes:
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    for one in spans:
        scope = resource.scope_spans.add()
        scope.scope.name = one.scope
        scope.spans.append(one.span)
    return request.SerializeToString()


def total(page: Page, name: str, **labels: str) -> float:
    return sum(value for (found, its), value in page.items() if found == name and labels.items() <= dict(its).items())


def summary(page: Page) -> tuple[dict[str, float], float, float]:
    """Calls by status, and all input and output tokens."""
    statuses: Counter[str] = Counter()
    for (name, labels), value in page.items():
        if name == "telltale_requests_total" and value:
            statuses[dict(labels)["status"]] += int(value)
    tokens = [total(page, "telltale_tokens_total", kind=kind) for kind in ("input", "output")]
    return dict(statuses), tokens[0], tokens[1]


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counted]:
    store = open_store(f"sqlite:///{tmp_path_factory.mktemp('same') / 's.db'}", 5.0)
    yield Counted(store)
    store.close()


def orders(spans: Sequence[Sent]) -> Iterator[list[list[Sent]]]:
    """Batchings of spans: as they are, reversed, one a request, and some of their orders."""
    orders_of = (
        list(itertools.permutations(spans))
        if len(spans) <= 3
        else [random.Random(seed).sample(spans, len(spans)) for seed in range(3)]
    )
    for order in (list(spans), list(reversed(spans)), *map(list, orders_of)):
        yield [order]
        yield [[one] for one in order]
        yield [order[:2], order[2:]]


def in_any_order(counted: Counted, *spans: Sent) -> tuple[dict[str, float], float, float]:
    """What is counted of these spans, the same in whatever order they come."""
    pages = [counted.page(requests) for requests in orders(spans)]
    for page in pages[1:]:
        assert page == pages[0]
    return summary(pages[0])


def test_other_response_ids_are_other_calls(counted: Counted) -> None:
    outer = sent(1, 1, seconds=6, tokens=(100, 10), gen_ai__response__id="chatcmpl-A")
    first = sent(1, 2, 1, start=1, tokens=(40, 4), gen_ai__response__id="chatcmpl-B")
    second = sent(1, 3, 1, start=3, tokens=(50, 5), gen_ai__response__id="chatcmpl-C")
    assert in_any_order(counted, outer, first, second) == ({"ok": 3}, 190, 19)


def test_other_operations_are_other_calls(counted: Counted) -> None:
    outer = sent(1, 1, seconds=6, tokens=(100, 10))
    embedded = sent(1, 2, 1, start=1, gen_ai__operation__name="embeddings", gen_ai__usage__input_tokens=7)
    assert in_any_order(counted, outer, embedded) == ({"ok": 2}, 107, 10)


def test_two_words_for_the_same_operation_are_one_call(counted: Counted) -> None:
    outer = sent(1, 1, seconds=6, tokens=(100, 10))
    inner = sent(1, 2, 1, start=1, tokens=(100, 10), gen_ai__operation__name="generate_content")
    assert in_any_order(counted, outer, inner) == ({"ok": 1}, 100, 10)


def test_attempts_that_failed_are_calls_of_their_own(counted: Counted) -> None:
    outer = sent(1, 1, seconds=3, tokens=(100, 10))
    failed = sent(1, 2, 1, start=0.1, seconds=0.5, error="429")
    good = sent(1, 3, 1, start=1, tokens=(100, 10))
    assert in_any_order(counted, outer, failed, good) == ({"ok": 1, "error": 1}, 100, 10)
    assert in_any_order(counted, outer, failed) == ({"ok": 1, "error": 1}, 100, 10)


def test_a_call_whose_attempts_all_failed_is_the_last_of_them(counted: Counted) -> None:
    outer = sent(1, 1, seconds=3, error="429")
    failed = [sent(1, 2 + i, 1, start=0.1 + i, seconds=0.5, error="429") for i in range(2)]
    assert in_any_order(counted, outer, *failed) == ({"error": 2}, 0, 0)


def test_a_failure_around_an_answer_is_one_call_that_failed(counted: Counted) -> None:
    outer = sent(1, 1, seconds=3, error="timeout", tokens=(100, 10))
    inner = sent(1, 2, 1, start=0.1, seconds=0.5, tokens=(100, 10))
    assert in_any_order(counted, outer, inner) == ({"error": 1}, 100, 10)


def test_one_id_for_all_calls_of_a_run_is_no_proof(counted: Counted) -> None:
    run: dict[str, Any] = {"gen_ai__response__id": "run_1"}
    first = sent(1, 1, 9, seconds=5.984, tokens=(25, 70), **run)
    second = sent(1, 2, 9, start=5.986, seconds=6, tokens=(631, 35), **run)
    assert in_any_order(counted, first, second) == ({"ok": 2}, 656, 105)
    # Another instrumentation reports both as well.
    more = [
        sent(2, 1, seconds=5.98, tokens=(25, 70), **run),
        sent(2, 2, start=5.99, seconds=5, tokens=(631, 35), **run),
    ]
    assert in_any_order(counted, first, second, *more) == ({"ok": 2}, 656, 105)


def test_what_a_gateways_cache_held_is_a_call_of_its_own(counted: Counted) -> None:
    """It repeats the response's id, and an instrumentation around it does not know."""
    bought = sent(1, 1, tokens=(100, 10), gen_ai__response__id="r")
    held: dict[str, Any] = {"start": 1.1, "tokens": (100, 10), "gen_ai__response__id": "r"}
    cached = sent(2, 1, 7, seconds=0.1, **CACHE_HIT, **held)
    assert in_any_order(counted, bought, cached) == ({"ok": 2}, 200, 20)
    around = sent(2, 7, start=1.0, seconds=0.3, tokens=(100, 10))
    page = counted.page([[bought, around, cached]])
    assert summary(page) == ({"ok": 2}, 200, 20)
    assert total(page, "telltale_requests_total", cache="gateway") == 1
    assert total(page, "telltale_cost_usd_total") == pytest.approx(200e-6)


def test_several_calls_within_one_without_an_id_are_counted_once_each(counted: Counted) -> None:
    outer = sent(1, 1, seconds=6, tokens=(90, 9))
    within = [sent(1, 2 + i, 1, start=1 + 2 * i, tokens=(40 + 10 * i, 4 + i)) for i in range(2)]
    assert in_any_order(counted, outer, *within) == ({"ok": 2}, 90, 9)
    ids = [sent(1, 2 + i, 1, start=1, tokens=(40, 4), gen_ai__response__id=f"r-{i}") for i in range(3)]
    assert in_any_order(counted, outer, *ids) == ({"ok": 3}, 120, 12)


def test_tokens_that_one_lacks_come_from_another(counted: Counted) -> None:
    asked = sent(1, 1, seconds=3, gen_ai__usage__input_tokens=100)
    answered = sent(1, 2, 1, start=0.1, gen_ai__usage__output_tokens=10, gen_ai__usage__reasoning_tokens=4)
    cached = sent(1, 3, 2, start=0.1, gen_ai__usage__cache_read__input_tokens=80, gen_ai__usage__input_tokens=100)
    pages = [counted.page(requests) for requests in orders((asked, answered, cached))]
    assert all(page == pages[0] for page in pages)
    assert summary(pages[0]) == ({"ok": 1}, 100, 10)
    kinds = {kind: total(pages[0], "telltale_tokens_total", kind=kind) for kind in ("cached_input", "reasoning_output")}
    assert kinds == {"cached_input": 80, "reasoning_output": 4}
    assert total(pages[0], "telltale_cost_usd_total") == pytest.approx((20 + 80 * 0.5 + 10 * 10) / 1e6)
    assert total(pages[0], "telltale_unpriced_calls_total") == 0


@pytest.mark.parametrize("pages_between", [False, True])
def test_calls_and_tokens_stay_the_same_if_somebody_looks_between(counted: Counted, pages_between: bool) -> None:
    asked = sent(1, 1, seconds=3, gen_ai__usage__input_tokens=100)
    answered = sent(1, 2, 1, start=0.1, gen_ai__usage__output_tokens=10)
    for order in itertools.permutations((asked, answered, sent(1, 3, 2, start=0.1, tokens=(100, 10)))):
        page = counted.page([[one] for one in order], pages_between)
        if order[1] is not answered and order[2] is answered:
            # Linked by the last one alone, when both were counted.
            continue
        assert summary(page) == ({"ok": 1}, 100, 10)
        assert total(page, "telltale_cost_usd_total") == pytest.approx(200e-6)


def test_the_span_that_joins_two_may_come_last(counted: Counted) -> None:
    chain = [sent(1, 1 + i, i, start=i / 100, seconds=3 - i / 10, tokens=(100, 10)) for i in range(4)]
    assert in_any_order(counted, *chain) == ({"ok": 1}, 100, 10)


def test_what_tells_most_names_the_call(counted: Counted) -> None:
    bare = sent(1, 1, seconds=3, gen_ai__request__model=None, gen_ai__response__model="gpt-4o-2024-08-06")
    full = sent(
        *(1, 2, 1), start=0.1, tokens=(100, 10), gen_ai__response__model="gpt-4o-2024-08-06", gen_ai__system="openai",
        gen_ai__response__finish_reasons=["stop"],
    )  # fmt: skip
    pages = [counted.page(requests) for requests in orders((bare, full))]
    assert all(page == pages[0] for page in pages)
    labels = {"gen_ai_request_model": "gpt-4o", "gen_ai_response_model": "gpt-4o-2024-08-06"}
    assert total(pages[0], "gen_ai_client_operation_duration_seconds_count") == 1
    assert total(pages[0], "gen_ai_client_operation_duration_seconds_count", **labels) == 1


@pytest.mark.parametrize(
    ("first", "second", "may_be"),
    [
        ("gpt-4o", "gpt-4o-2024-08-06", True),
        ("gpt-4o-2024-05-13", "gpt-4o-2024-08-06", False),
        ("openai/gpt-4o-mini", "gpt-4o-mini", True),
        ("gpt-4o", "gpt-4o-mini", False),
        ("models/gemini-2.5-pro", "gemini-2.5-pro", True),
        ("publishers/google/models/gemini-2.0-flash-001", "gemini-2.0-flash", True),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5-20250929", True),
        ("arn:aws:bedrock:us-east-1:1:inference-profile/eu.anthropic.claude-opus-4-1-20250805-v1:0",
         "anthropic.claude-opus-4-1-20250805-v1:0", True),
        ("claude-sonnet-4-5@20250929", "claude-sonnet-4-5", True),
        ("claude-3-5-sonnet-latest", "claude-3-5-sonnet-20241022", True),
        ("claude-3-5-sonnet", "claude-3-5-haiku", False),
        ("gpt-4-0613", "gpt-4", True),
        ("llama3.2:latest", "llama3.2", True),
        ("llama3.2:3b", "llama3.2:1b", False),
        ("GPT-4o", "gpt-4o", True),
        ("anything", None, True),
        ("", "gpt-4o", False),
    ],
)  # fmt: skip
def test_one_model_under_two_names(first: str, second: str | None, may_be: bool) -> None:
    assert model_names.may_be_one(first, second) is model_names.may_be_one(second, first) is may_be


@pytest.mark.parametrize(
    ("outer", "inner", "calls"),
    [
        ("gpt-4o", "gpt-4o-2024-08-06", 1),
        ("openai/gpt-4o-mini", "gpt-4o-mini", 1),
        ("gpt-4o", None, 1),
        ("gpt-4o", "claude-sonnet-4-5", 2),
    ],
)
def test_nested_spans_of_one_model_are_one_call(counted: Counted, outer: str, inner: str | None, calls: int) -> None:
    around = sent(1, 1, seconds=3, gen_ai__request__model=outer, tokens=(100, 10))
    within = sent(1, 2, 1, start=0.1, gen_ai__request__model=inner, tokens=(100, 10))
    assert in_any_order(counted, around, within) == ({"ok": calls}, 100 * calls, 10 * calls)


def logfire_stream(trace: int, question: str, *, parent: int = 0, start: float = 0.0) -> list[Sent]:
    """As Logfire writes a stream: the wait for its headers, and a log at its end in another trace."""
    asked = f'[{{"role":"user","parts":[{{"type":"text","content":"{question}"}}]}}]'
    both: dict[str, Any] = {"scope": LOGFIRE, "request_data": '{"model":"gpt-4o","stream":true}'}
    wait = sent(
        trace, trace * 100 + 1, parent, start=start, seconds=0.4, logfire__span_type="span",
        gen_ai__input__messages=asked, **both,
    )  # fmt: skip
    log = sent(
        trace + 1000, trace * 100 + 2, start=start + 2.4, seconds=0.0, logfire__span_type="log", duration=2.0,
        tokens=(100, 10), gen_ai__input__messages=asked, **both,
        gen_ai__output__messages='[{"role":"assistant","parts":[{"type":"text","content":"so"}],"finish_reason":"stop"}]',
    )  # fmt: skip
    return [wait, log]


@pytest.mark.parametrize("is_outside", [False, True])
def test_a_stream_of_logfire_and_of_the_sdks_own_instrumentation(counted: Counted, is_outside: bool) -> None:
    trace = 5
    own = sent(
        trace, 77, 0 if is_outside else trace * 100 + 1, start=-0.01 if is_outside else 0.01, seconds=2.3,
        scope=OPENAI, tokens=(100, 10), gen_ai__response__id="chatcmpl-1", gen_ai__response__finish_reasons=["stop"],
    )  # fmt: skip
    wait, log = logfire_stream(trace, "one", parent=77 if is_outside else 0)
    other = logfire_stream(8, "two")
    assert in_any_order(counted, wait, log, own) == ({"ok": 1}, 100, 10)
    assert in_any_order(counted, wait, log, own, *other) == ({"ok": 2}, 200, 20)
    page = counted.page([[log], [wait]])
    assert total(page, "gen_ai_client_operation_duration_seconds_sum") == pytest.approx(2.4)


def test_the_same_question_streamed_twice_at_once_is_two_calls(counted: Counted) -> None:
    spans = logfire_stream(5, "one") + logfire_stream(6, "one", start=0.002)
    for requests in orders(spans):
        assert summary(counted.page(requests)) == ({"ok": 2}, 200, 20)


def test_failed_calls_of_anthropic_in_two_traces(counted: Counted) -> None:
    failed: dict[str, Any] = {"error": "429", "gen_ai__system": "anthropic"}
    pairs = [
        one
        for i in range(2)
        for one in (
            sent(10 + i, 1, start=5.0 * i, seconds=0.069, **failed),
            sent(20 + i, 1, start=5.0 * i + 0.002, seconds=0.066, scope=ANTHROPIC_SDK, **failed),
        )
    ]
    assert in_any_order(counted, *pairs) == ({"error": 2}, 0, 0)


def test_a_storm_of_failed_calls_of_anthropic(counted: Counted) -> None:
    """Many fail at once, so that each lies within others as well."""
    failed: dict[str, Any] = {"error": "429", "gen_ai__system": "anthropic"}
    pairs = []
    for i in range(150):
        start, lasted = i / 1000, 9.0 - i / 400
        pairs.append(sent(1000 + i, 1, start=start, seconds=lasted, **failed))
        pairs.append(sent(2000 + i, 1, start=start + 0.0002, seconds=lasted - 0.0004, scope=ANTHROPIC_SDK, **failed))
    mixed = random.Random(7).sample(pairs, len(pairs))
    for requests in ([pairs], [pairs[::-1]], [[one] for one in mixed]):
        assert summary(counted.page(requests)) == ({"error": 150}, 0, 0)


CANCELLED: dict[str, Any] = {"error": "CancelledError", "gen_ai__system": "anthropic"}
STREAMED: dict[str, Any] = {"gen_ai__request__stream": True, "gen_ai__system": "anthropic"}


@pytest.mark.parametrize(
    ("outer", "inner", "status"),
    [
        # The SDK leaves the status unset where its application stopped: before a response, and within a stream.
        (CANCELLED, {"gen_ai__system": "anthropic"}, "aborted"),
        (CANCELLED, {**STREAMED, "gen_ai__response__id": "msg_1", "tokens": (5, 1)}, "aborted"),
        (CANCELLED, CANCELLED, "aborted"),
        # Only the SDK has seen the id of a stream that broke.
        ({"error": "APIError", "gen_ai__system": "anthropic"},
         {**STREAMED, "error": "connection_error", "gen_ai__response__id": "msg_1", "tokens": (5, 1)}, "error"),
        ({"error": "APIError", "gen_ai__system": "anthropic"}, STREAMED, "error"),
    ],
)  # fmt: skip
def test_a_call_of_anthropic_that_was_broken_off_in_two_traces(
    counted: Counted, outer: dict[str, Any], inner: dict[str, Any], status: str
) -> None:
    used = inner.get("tokens", (0, 0))
    pairs = [
        one
        for i in range(2)
        for one in (
            sent(10 + i, 1, start=5.0 * i, seconds=0.069, **outer),
            sent(20 + i, 1, start=5.0 * i + 0.002, seconds=0.066, scope=ANTHROPIC_SDK,
                 **inner | ({"gen_ai__response__id": f"msg_{i}"} if "gen_ai__response__id" in inner else {})),
        )
    ]  # fmt: skip
    assert in_any_order(counted, *pairs) == ({status: 2}, 2 * used[0], 2 * used[1])


def test_layers_and_tenants_stay_apart(counted: Counted) -> None:
    client = sent(1, 1, seconds=3, tokens=(100, 10), gen_ai__response__id="r")
    gateway = sent(1, 2, 1, start=0.1, tokens=(100, 10), gen_ai__response__id="r", kind=2)
    assert in_any_order(counted, client, gateway) == ({"ok": 2}, 200, 20)
    tenants = [sent(1, i, 1, tenant__id=name, gen_ai__response__id="r") for i, name in enumerate("abc", 2)]
    assert in_any_order(counted, *tenants) == ({"ok": 3}, 0, 0)


def test_a_thousand_calls_within_one(counted: Counted) -> None:
    outer = sent(1, 1, seconds=2000, tokens=(1, 1))
    within = [sent(1, 2 + i, 1, start=i, seconds=0.5, tokens=(2, 1)) for i in range(1000)]
    for requests in ([[outer, *within]], [[*within, outer]]):
        assert summary(counted.page(requests)) == ({"ok": 1000}, 2000, 1000)


def test_a_thousand_spans_each_within_the_one_before(counted: Counted) -> None:
    chain = [sent(1, 1 + i, i, start=i / 1e5, seconds=3 - i / 1e4, tokens=(2, 1)) for i in range(1000)]
    for requests in ([chain], [chain[::-1]]):
        assert summary(counted.page(requests)) == ({"ok": 1}, 2, 1)


@pytest.mark.parametrize("is_chain", [True, False])
def test_a_span_of_a_large_family_costs_no_more_than_one_of_a_small(counted: Counted, is_chain: bool) -> None:
    """Each in a request of its own: all of a family for each of its spans would be seconds."""
    rid = None if is_chain else "r"
    spans = [
        sent(1 if is_chain else 1 + i, 1 + i, i if is_chain else 0, tokens=(2, 1), gen_ai__response__id=rid)
        for i in range(1200)
    ]
    few, many = [], []
    for place, one in enumerate(counted.times(spans)):
        (few if place < 200 else many if place >= 1000 else []).append(one)
    assert sorted(many)[100] < 5 * sorted(few)[100] + 0.001


def test_a_sample_is_made_of_the_span_that_tells_most(tmp_path: Path) -> None:
    """Of those of one request: the conversation of one, and what another knows of the call."""
    asked: dict[str, Any] = {"gen_ai__input__messages": messages("user", "Capital of France?")}
    answered = {"gen_ai__output__messages": messages("assistant", "Paris.")}
    outer = sent(
        1, 1, seconds=3, gen_ai__request__model=None, gen_ai__response__model="gpt-4o-2024-08-06", **asked, **answered
    )
    inner = sent(1, 2, 1, start=0.1, tokens=(100, 10), gen_ai__response__finish_reasons=["stop"], **asked)
    for number, order in enumerate(itertools.permutations((outer, inner, sent(1, 3, 2, start=0.1)))):
        folder = tmp_path / str(number)
        folder.mkdir()
        made = receiver_in_process.make(folder)
        request = ExportRequest("traces", _body(order), "", "application/x-protobuf", "")
        made.receiver.finish(made.receiver.ingest(request, None))
        with made.store.read() as connection:
            [stored] = samples.load(connection)
        assert (stored.prompt, stored.response) == ("Capital of France?", "Paris.")
        assert (stored.span_id, stored.model, stored.version) == ("0000000000000002", "gpt-4o", "gpt-4o-2024-08-06")
        assert (stored.input_tokens, stored.output_tokens, stored.finish_reason) == (100, 10, "stop")
        made.store.close()


@dataclass
class World:
    """Spans of calls that are known: how many ended how, and their tokens."""

    spans: list[Sent] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    tokens: list[int] = field(default_factory=lambda: [0, 0])

    def add(self, spans: Sequence[Sent], tokens: tuple[int, int], **calls: int) -> None:
        self.spans += spans
        self.calls.update(calls)
        self.tokens = [a + b for a, b in zip(self.tokens, tokens, strict=True)]


NAMES = ("gpt-4o", "gpt-4o-2024-08-06", "openai/gpt-4o", None)
KINDS = ("nested", "traces", "attempts", "embedded", "run", "wrapper", "gateway", "logfire", "resent", "halves")


def _build(world: World, kind: str, trace: int, pick: random.Random) -> None:
    """Add a call, or a few that belong together, in a trace of its own."""
    used = pick.randint(1, 500), pick.randint(1, 500)
    start = trace * 50.0
    rid: dict[str, Any] = {"gen_ai__response__id": f"r-{trace}"}
    span: dict[str, Any] = {"start": start}
    if kind == "nested":
        depth = pick.randint(1, 4)
        who = pick.randrange(depth)
        spans = [
            sent(
                trace, 1 + i, i, start=start + i / 100, seconds=3 - i / 10, tokens=used if i == who else None,
                gen_ai__request__model=pick.choice(NAMES), tenant__id=pick.choice([None, "acme"]),
                **(rid if pick.random() < 0.5 else {}),
            )
            for i in range(depth)
        ]  # fmt: skip
        world.add(spans, used, ok=1)
    elif kind == "traces":
        both = [sent(trace + 10_000 * i, 1, tokens=used if i else None, **span, **rid) for i in range(2)]
        world.add(both, used, ok=1)
    elif kind == "attempts":
        failed = [sent(trace, 2 + i, 1, start=start + i, seconds=0.5, error="429") for i in range(pick.randint(0, 3))]
        good = sent(trace, 9, 1, start=start + 5, seconds=1, tokens=used)
        outer = sent(trace, 1, seconds=7, tokens=pick.choice([None, used]), **span)
        world.add([outer, *failed, good], used, ok=1, error=len(failed))
    elif kind == "embedded":
        vectors = sent(trace, 2, 1, gen_ai__operation__name="embeddings", gen_ai__usage__input_tokens=7, **span)
        world.add([sent(trace, 1, seconds=7, tokens=used, **span), vectors], (used[0] + 7, used[1]), ok=2)
    elif kind == "run":
        other = used[0] + 1, used[1] + 1
        first = sent(trace, 2, 1, seconds=1, tokens=used, **span, **rid)
        second = sent(trace, 3, 1, start=start + 1.002, seconds=1, tokens=other, **rid)
        world.add([first, second], (used[0] + other[0], used[1] + other[1]), ok=2)
    elif kind == "wrapper":
        count = pick.randint(2, 4)
        ids: list[dict[str, Any]] = [
            {"gen_ai__response__id": f"r-{trace}-{i}"} if pick.random() < 0.5 else {} for i in range(count)
        ]
        within = [sent(trace, 2 + i, 1, start=start + i, seconds=0.9, tokens=used, **ids[i]) for i in range(count)]
        outer = sent(trace, 1, seconds=8, tokens=pick.choice([None, (used[0] * count, used[1] * count)]), **span)
        world.add([outer, *within], (used[0] * count, used[1] * count), ok=count)
    elif kind == "gateway":
        gateway = sent(trace, 2, 1, kind=2, tokens=used, **span, **rid)
        world.add([sent(trace, 1, seconds=3, tokens=used, **span, **rid), gateway], (used[0] * 2, used[1] * 2), ok=2)
    elif kind == "logfire":
        waits = logfire_stream(trace, f"q-{trace}", start=start)
        own = sent(trace, 77, trace * 100 + 1, start=start + 0.01, seconds=2.3, tokens=(100, 10), **rid)
        world.add([*waits, own][: pick.randint(2, 3)], (100, 10), ok=1)
    elif kind == "resent":
        one = sent(trace, 1, tokens=used, **span)
        world.add([one] * pick.randint(2, 3), used, ok=1)
    else:
        failure: dict[str, Any] = {"error": "429", "gen_ai__system": "anthropic"}
        inner = sent(trace + 10_000, 1, start=start + 0.002, seconds=0.06, scope=ANTHROPIC_SDK, **failure)
        world.add([sent(trace, 1, seconds=0.069, **span, **failure), inner], (0, 0), error=1)


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=6), seed=st.integers(0, 1 << 30))
def test_any_order_and_any_batching_gives_the_same_calls(counted: Counted, kinds: list[str], seed: int) -> None:
    pick = random.Random(seed)
    world = World()
    for trace, kind in enumerate(kinds, 1):
        _build(world, kind, trace, pick)
    spans = world.spans
    mixed = pick.sample(spans, len(spans))
    cut = pick.randint(0, len(mixed))
    pages = [
        counted.page(requests)
        for requests in (
            [spans], [spans[::-1]], [[one] for one in spans], [[one] for one in reversed(spans)],
            [mixed], [[one] for one in mixed], [mixed[:cut], mixed[cut:]],
        )
    ]  # fmt: skip
    assert summary(pages[0]) == (dict(+world.calls), *world.tokens)
    for page in pages[1:]:
        assert page == pages[0]


@st.composite
def strangers(draw: st.DrawFn) -> list[Sent]:
    """Spans whose ids, times, names and ends were drawn without a thought for what they mean together."""
    some = st.sampled_from
    made: list[Sent] = []
    for number in range(draw(st.integers(2, 7))):
        usage = draw(some([None, None, (20, 2), (30, 3)]))
        made.append(
            sent(
                draw(some([1, 1, 1, 2])), number + 1, draw(some([0, 1, 2, 3, 4])),
                start=draw(some([0.0, 0.5, 1.0, 2.0])), seconds=draw(some([0.0, 0.4, 1.0, 3.0])),
                error=draw(some(["", "", "429"])), tokens=usage, kind=draw(some([3, 3, 3, 2])),
                scope=draw(some(["app", "app", ANTHROPIC_SDK])), gen_ai__system=draw(some(["anthropic", None])),
                gen_ai__operation__name=draw(some(["chat", "chat", "generate_content", "embeddings"])),
                gen_ai__request__model=draw(some(["m", "m", "m-2024-08-06", "n", None])),
                gen_ai__response__id=draw(some([None, None, "r-1", "r-2"])),
                tenant__id=draw(some([None, None, "acme", "globex"])),
            )
        )  # fmt: skip
    return made


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=4), seed=st.integers(0, 1 << 30))
def test_requests_that_are_refused_and_sent_again_give_the_same_calls(
    counted: Counted, kinds: list[str], seed: int
) -> None:
    pick = random.Random(seed)
    world = World()
    for trace, kind in enumerate(kinds, 1):
        _build(world, kind, trace, pick)
    mixed = pick.sample(world.spans, len(world.spans))
    for requests in ([[one] for one in mixed], [mixed[place : place + 2] for place in range(0, len(mixed), 2)]):
        assert counted.stormy_page(requests, pick) == counted.page([world.spans])


@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spans=strangers(), seed=st.integers(0, 1 << 30))
def test_whatever_spans_have_in_common_their_order_does_not_matter(
    counted: Counted, spans: list[Sent], seed: int
) -> None:
    mixed = random.Random(seed).sample(spans, len(spans))
    pages = [
        counted.page(requests) for requests in ([spans], [[one] for one in reversed(spans)], [mixed[:3], mixed[3:]])
    ]
    assert pages[1] == pages[0]
    assert pages[2] == pages[0]
