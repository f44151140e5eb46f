"""Responses out of a gateway's own cache: calls of their own that cost nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from prometheus_client.parser import text_string_to_metric_families
from support import receiver_in_process
from support.receiver_in_process import InProcess

from exporters.traces.receive.receiver import ExportRequest
from telltale.settings import Price

NOW = 1_790_000_000.0
PRICES = [Price(model="m*", input=1.0, output=2.0)]
CALL = {
    "gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.response.id": "chatcmpl-7",
    "gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 50, "gen_ai.usage.total_tokens": 1050,
    "gen_ai.response.finish_reasons": ["stop"],
}  # fmt: skip
ACCOUNT = {"model_id": "x", "cache_key": None, "api_base": "http://127.0.0.1/v1", "response_cost": 0.002}
BOUGHT = {**CALL, "litellm.model_group": "m", "hidden_params": json.dumps(ACCOUNT)}
HIT = {**BOUGHT, "hidden_params": json.dumps({**ACCOUNT, "cache_key": "9f2c", "response_cost": 0.0})}


@pytest.fixture
def in_process(tmp_path: Path) -> Iterator[InProcess]:
    made = receiver_in_process.make(tmp_path, prices=PRICES)
    yield made
    made.store.close()


def any_value(value: object) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, list):
        return AnyValue(array_value=ArrayValue(values=[any_value(item) for item in value]))
    return AnyValue(string_value=str(value))


def send(in_process: InProcess, *spans: dict[str, Any], scope: str = "litellm") -> None:
    request = ExportTraceServiceRequest()
    scope_spans = request.resource_spans.add().scope_spans.add()
    scope_spans.scope.name = scope
    for number, attributes in enumerate(spans):
        start = int((NOW + number * 0.1) * 1e9)
        made = Span(
            trace_id=os.urandom(16), span_id=os.urandom(8), name="litellm_request", start_time_unix_nano=start,
            end_time_unix_nano=start + 20_000_000,
        )  # fmt: skip
        for key, value in attributes.items():
            made.attributes.add(key=key, value=any_value(value))
        scope_spans.spans.append(made)
    body = ExportRequest("traces", request.SerializeToString(), "", "application/x-protobuf", "")
    in_process.receiver.finish(in_process.receiver.ingest(body, None))


def counted(in_process: InProcess, name: str, **labels: str) -> float:
    return sum(
        sample.value
        for family in text_string_to_metric_families(in_process.pipeline.page(False))
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def test_the_same_response_out_of_the_cache_is_a_call_of_its_own_that_costs_nothing(in_process: InProcess) -> None:
    send(in_process, BOUGHT, HIT, HIT)
    assert counted(in_process, "telltale_requests_total", cache="") == 1
    assert counted(in_process, "telltale_requests_total", cache="gateway", status="ok") == 2
    for kind, tokens in (("input", 1000), ("output", 50)):
        assert counted(in_process, "telltale_tokens_total", kind=kind, cache="") == tokens
        assert counted(in_process, "telltale_tokens_total", kind=kind, cache="gateway") == 2 * tokens
    assert counted(in_process, "telltale_cost_usd_total") == pytest.approx(0.0011)
    assert counted(in_process, "telltale_unpriced_calls_total") == 0


def test_whichever_comes_first(in_process: InProcess) -> None:
    send(in_process, HIT)
    send(in_process, BOUGHT)
    assert counted(in_process, "telltale_requests_total") == 2
    assert counted(in_process, "telltale_cost_usd_total") == pytest.approx(0.0011)


def test_a_span_of_it_that_is_sent_again_is_the_same_call(in_process: InProcess) -> None:
    send(in_process, BOUGHT, BOUGHT)
    assert counted(in_process, "telltale_requests_total") == 1


TOLD = [
    ("hidden_params", str({**ACCOUNT, "cache_key": "9f2c", "response_cost": 0.0})),
    ("hidden_params", json.dumps({**ACCOUNT, "cache_hit": True})),
    ("litellm.cache_hit", True),
    ("metadata.cache_hit", "True"),
    ("cache_hit", "true"),
    ("gen_ai.cache.hit", True),
    ("gen_ai.cache_hit", True),
    ("llm.cache.hit", True),
    ("gen_ai.response.cached", True),
    ("kong.gen_ai.cache.status", "hit"),
    ("http.response.header.x-portkey-cache-status", ["SEMANTIC HIT"]),
    ("http.response.header.helicone-cache", ["HIT"]),
    ("http.response.header.cf-aig-cache-status", "HIT"),
]
NOT_TOLD = [
    # Put into the cache, or of a model without a price; a provider's cache, whose tokens are billed.
    ("hidden_params", json.dumps({**ACCOUNT, "cache_key": "9f2c"})),
    ("hidden_params", json.dumps({**ACCOUNT, "response_cost": 0.0})),
    ("hidden_params", json.dumps({**ACCOUNT, "cache_key": "9f2c", "response_cost": None})),
    ("hidden_params", "{"),
    ("litellm.cache_hit", False),
    ("metadata.cache_hit", "None"),
    ("gen_ai.cache.hit", "maybe"),
    ("kong.gen_ai.cache.status", "miss"),
    ("http.response.header.x-portkey-cache-status", ["MISS", 7, None]),
    ("http.response.header.cf-aig-cache-status", ""),
]


def each(marks: list[tuple[str, object]]) -> list[dict[str, Any]]:
    """A call with each mark, of a model with its number."""
    return [
        {**CALL, "gen_ai.request.model": f"m{number}", "gen_ai.response.id": f"chatcmpl-{number}", mark: value}
        for number, (mark, value) in enumerate(marks)
    ]


@pytest.mark.parametrize("scope", ["app", "litellm"])
def test_gateways_tell_it_in_many_ways_and_other_calls_are_bought(in_process: InProcess, scope: str) -> None:
    send(in_process, *each(TOLD + NOT_TOLD), scope=scope)
    for number, told in enumerate(TOLD + NOT_TOLD):
        cache = "gateway" if number < len(TOLD) else ""
        assert counted(in_process, "telltale_requests_total", model=f"m{number}", cache=cache) == 1, told
        cost = 0 if cache else pytest.approx(0.0011)
        assert counted(in_process, "telltale_cost_usd_total", model=f"m{number}") == cost, told


def test_a_hit_in_the_cache_of_a_provider_is_billed(in_process: InProcess) -> None:
    send(in_process, {**CALL, "gen_ai.cache.hit": True, "gen_ai.usage.cache_read.input_tokens": 800}, scope="app")
    assert counted(in_process, "telltale_requests_total", cache="") == 1
    assert counted(in_process, "telltale_cost_usd_total") > 0


def test_anthropics_api_through_litellm_is_a_chat(in_process: InProcess) -> None:
    send(in_process, {**BOUGHT, "gen_ai.operation.name": "anthropic_messages"})
    assert counted(in_process, "telltale_requests_total", operation="chat") == 1
