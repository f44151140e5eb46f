"""A small Model-as-a-Service: 3 models, 4 tenants, near-Poisson arrivals, spans by the real OpenTelemetry SDK.

Tenants send over OTLP, half of them by gRPC and half by HTTP, and post their users' votes to the feedback API.
The model `support` also runs on a server that sends its own spans, as vLLM does.
"""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.util.types import AttributeValue

from telltale.cli.demo import texts
from telltale.cli.demo.texts import Topic
from telltale.cli.demo.votes import VoteSender

CALLS_PER_SECOND = 30.0
VOTE_SHARE = 0.3
ERROR_SHARE = 0.01
THUMBS_DOWN = 0.08
EVASION_THUMBS_DOWN = 0.8
SERVER = "support-vllm"
TENANTS = ("atelier", "bazaar", "clinic", "depot")


@dataclass(frozen=True, slots=True)
class Model:
    """A model that tenants ask for by `name`, served now by `version`."""

    name: str
    version: str
    instructions: str
    topics: Sequence[Topic]
    new_topics: Sequence[Topic] = ()
    new_topic_share: float = 0.0
    evasive_share: float = 0.0


MODELS = (
    Model("support", "support-8b-2026-10", "You help the customers of a shop. Be brief and polite.", texts.SUPPORT),
    Model("coder", "coder-14b-2026-09", "You help programmers. Name the file and the line that you mean.", texts.CODE),
    Model("office", "office-8b-2026-08", "You help people at the office with their papers.", texts.OFFICE),
)


def worse(model: Model) -> Model:
    """The next version, rolled out while new topics come in: it evades, and people notice."""
    return replace(
        model,
        version="support-8b-2026-11",
        new_topics=texts.NEW_PRODUCT,
        new_topic_share=0.5,
        evasive_share=0.6,
    )


class Traffic:
    """Runs until stopped, in threads of its own."""

    def __init__(self, otlp_http: str, otlp_grpc: str, web: str, keys: Mapping[str, str], seed: int) -> None:
        self._random = Random(seed)  # noqa: S311 - traffic needs no secrets
        self._models = list(MODELS)
        self._providers = {
            tenant: _provider(
                {"service.name": f"{tenant}-app", "tenant.id": tenant}, otlp_http if even else otlp_grpc, grpc=not even
            )
            for tenant, even in zip(TENANTS, itertools.cycle((True, False)), strict=False)
        }
        self._server = _provider({"service.name": SERVER, "tenant.id": "shared"}, otlp_grpc, grpc=True)
        self._feedback = VoteSender(web, keys)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="traffic", daemon=True)

    def start(self) -> None:
        self._thread.start()
        self._feedback.start()

    def roll_out(self) -> Model:
        """Put the worse version of the first model into service; returns it."""
        self._models[0] = worse(self._models[0])
        return self._models[0]

    def stop(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self._feedback.stop()
        for provider in (*self._providers.values(), self._server):
            provider.shutdown()

    @property
    def votes(self) -> int:
        """Votes that the feedback API has acknowledged."""
        return self._feedback.acknowledged

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            self._conversation()
            due += self._random.expovariate(CALLS_PER_SECOND / 2)

    def _conversation(self) -> None:
        # One to three turns, two on average: arrivals of conversations are half of those of calls.
        model = self._random.choice(self._models)
        tenant = self._random.choice(TENANTS)
        is_new = self._random.random() < model.new_topic_share
        topics = [self._random.choice(model.new_topics if is_new else model.topics)]
        conversation = f"{self._random.getrandbits(64):016x}"
        earlier: list[_Turn] = []
        for _ in range(self._random.randint(1, 3)):
            exchange = self._call(tenant, model, topics, conversation, earlier)
            if not exchange.failed:
                earlier = [*exchange.turns, _turn("assistant", exchange.response)]

    def _call(
        self, tenant: str, model: Model, topics: Sequence[Topic], conversation: str, earlier: list[_Turn]
    ) -> _Exchange:
        random = self._random
        evades = random.random() < model.evasive_share
        exchange = _Exchange.draw(model, topics, conversation, earlier, random, evades=evades)
        trace_id = _send(self._providers[tenant], self._server, exchange)
        if not exchange.failed and random.random() < VOTE_SHARE:
            down = random.random() < (EVASION_THUMBS_DOWN if evades else THUMBS_DOWN)
            comment = "It did not answer my question." if down and random.random() < 0.3 else None
            self._feedback.add(tenant, trace_id, 0.0 if down else 1.0, comment, delay=random.uniform(0.5, 4.0))
        return exchange


_Turn = dict[str, object]


def _turn(role: str, text: str) -> _Turn:
    return {"role": role, "parts": [{"type": "text", "content": text}]}


@dataclass(frozen=True, slots=True)
class _Exchange:
    """One prompt and its response, with the seconds that the model took. `turns` end with the prompt."""

    model: Model
    conversation: str
    turns: Sequence[_Turn]
    prompt: str
    response: str
    duration_s: float
    ttft_s: float
    failed: bool

    @classmethod
    def draw(
        cls,
        model: Model,
        topics: Sequence[Topic],
        conversation: str,
        earlier: Sequence[_Turn],
        random: Random,
        *,
        evades: bool,
    ) -> _Exchange:
        prompt = texts.prompt(topics, random)
        response = texts.evasive_response(topics, random) if evades else texts.response(topics, random)
        ttft = random.lognormvariate(-1.9, 0.5)
        return cls(
            model=model,
            conversation=conversation,
            turns=[*earlier, _turn("user", prompt)],
            prompt=prompt,
            response=response,
            duration_s=ttft + 0.012 * _tokens(response) * random.uniform(0.8, 1.3),
            ttft_s=ttft,
            failed=random.random() < ERROR_SHARE,
        )


def _send(tenant: TracerProvider, server: TracerProvider, exchange: _Exchange) -> str:
    """Trace a call that has just ended, as its client saw it and, for `support`, as its server did."""
    end = time.time_ns()
    start = end - int(exchange.duration_s * 1e9)
    span = tenant.get_tracer("demo.client", "1.0").start_span(
        f"chat {exchange.model.name}", kind=SpanKind.CLIENT, start_time=start, attributes=_request(exchange)
    )
    request_id = f"chatcmpl-{span.get_span_context().span_id:016x}"
    if exchange.failed:
        span.set_attribute("error.type", "503")
        span.set_status(Status(StatusCode.ERROR, "the server is overloaded"))
    else:
        span.set_attributes(_response(exchange, request_id))
        if exchange.model.name == MODELS[0].name:
            inner = server.get_tracer("vllm.llm_engine").start_span(
                "llm_request",
                set_span_in_context(span),
                kind=SpanKind.SERVER,
                start_time=start + 2_000_000,
                attributes=_server(exchange, request_id),
            )
            inner.end(end - 1_000_000)
    span.end(end)
    return f"{span.get_span_context().trace_id:032x}"


def _request(exchange: _Exchange) -> dict[str, AttributeValue]:
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "vllm",
        "gen_ai.request.model": exchange.model.name,
        "gen_ai.request.stream": True,
        "gen_ai.request.temperature": 0.2,
        "gen_ai.prompt.name": exchange.model.name,
        "gen_ai.conversation.id": exchange.conversation,
        "gen_ai.system_instructions": json.dumps([{"type": "text", "content": exchange.model.instructions}]),
        "gen_ai.input.messages": json.dumps(exchange.turns),
    }


def _response(exchange: _Exchange, request_id: str) -> dict[str, AttributeValue]:
    return {
        "gen_ai.response.model": exchange.model.version,
        "gen_ai.response.id": request_id,
        "gen_ai.response.finish_reasons": ["stop" if exchange.response.endswith(".") else "length"],
        "gen_ai.response.time_to_first_chunk": exchange.ttft_s,
        "gen_ai.usage.input_tokens": _tokens(exchange.prompt),
        "gen_ai.usage.output_tokens": _tokens(exchange.response),
        "gen_ai.output.messages": json.dumps([_turn("assistant", exchange.response)]),
    }


def _server(exchange: _Exchange, request_id: str) -> dict[str, AttributeValue]:
    """What vLLM's `llm_request` span carries: no model, no content."""
    return {
        "gen_ai.latency.time_to_first_token": exchange.ttft_s * 0.97,
        "gen_ai.latency.e2e": exchange.duration_s * 0.99,
        "gen_ai.usage.prompt_tokens": _tokens(exchange.prompt),
        "gen_ai.usage.completion_tokens": _tokens(exchange.response),
        "gen_ai.request.id": request_id,
    }


def _provider(resource: Mapping[str, str], endpoint: str, *, grpc: bool) -> TracerProvider:
    exporter = (
        GrpcExporter(endpoint=endpoint, insecure=True)
        if grpc
        else HttpExporter(endpoint=f"http://{endpoint}/v1/traces")
    )
    provider = TracerProvider(resource=Resource.create(resource))
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=500))
    return provider


def _tokens(text: str) -> int:
    # About three words in four tokens, the usual rule of thumb for English.
    return max(1, round(len(text.split()) * 4 / 3))
