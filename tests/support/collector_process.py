"""A real collector process on free ports, and senders made of the real OpenTelemetry SDK."""

from __future__ import annotations

import json
import select
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, Status, StatusCode
from prometheus_client.parser import text_string_to_metric_families

from telltale.records import Sample
from telltale.store import Store, open_store, samples

ROOT = Path(__file__).parents[2]
NS = 1_000_000_000


def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        select.select([], [], [], 0.05)


@dataclass
class Collector:
    """A running `telltale collect`."""

    http: str
    grpc: str
    metrics: str
    url: str
    environment: dict[str, str]
    popen: subprocess.Popen[bytes] | None = None
    log: Path = field(default_factory=Path)

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "telltale", "collect"], cwd=ROOT, env=self.environment, stderr=log, stdout=log
            )
        until(lambda: self.is_ready() or self.popen is None or self.popen.poll() is not None)
        assert self.is_ready(), self.log.read_text()

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"http://{self.metrics}/-/ready").status_code == 200
        except httpx.HTTPError:
            return False

    def peak_memory(self) -> int:
        """The process's peak memory so far, in bytes."""
        assert self.popen is not None
        status = Path(f"/proc/{self.popen.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) << 10

    def stop(self) -> int:
        assert self.popen is not None
        self.popen.terminate()
        return self.popen.wait(timeout=20)

    def post(self, body: bytes, **headers: str) -> httpx.Response:
        sent = {
            "Content-Type": "application/x-protobuf",
            **{name.replace("_", "-"): text for name, text in headers.items()},
        }
        return httpx.post(f"http://{self.http}/v1/traces", content=body, headers=sent)

    def page(self) -> str:
        return httpx.get(f"http://{self.metrics}/metrics").text

    def value(self, name: str, **labels: str) -> float:
        """The sum of the samples of that name whose labels include these."""
        return sum(
            sample.value
            for family in text_string_to_metric_families(self.page())
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def samples(self) -> list[Sample]:
        store = open_store(self.url)
        try:
            with store.read() as connection:
                return samples.load(connection)
        finally:
            store.close()

    def store(self) -> Store:
        return open_store(self.url)


def exporter(collector: Collector, protocol: str) -> SpanExporter:
    if protocol == "grpc":
        return GrpcExporter(endpoint=collector.grpc, insecure=True)
    return HttpExporter(endpoint=f"http://{collector.http}/v1/traces")


def chat(
    *, prompt: str = "How do I reset it?", response: str = "Press the button.", seconds: float = 2.0,
    resource: dict[str, str] | None = None, count: int = 1, failed: bool = False, **attributes: object,
) -> list[ReadableSpan]:  # fmt: skip
    """Finished client spans of the real SDK, in the current OTel GenAI convention."""
    memory = InMemorySpanExporter()
    provider = TracerProvider(
        resource=Resource.create({"service.name": "app", "tenant.id": "acme", **(resource or {})})
    )
    provider.add_span_processor(SimpleSpanProcessor(memory))
    for _ in range(count):
        end = time.time_ns()
        span = provider.get_tracer("test").start_span(
            "chat m", kind=SpanKind.CLIENT, start_time=end - int(seconds * NS)
        )
        span.set_attributes(
            {
                "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "m",
                "gen_ai.response.model": "m-2", "gen_ai.response.id": f"r{span.get_span_context().span_id:x}",
                "gen_ai.usage.input_tokens": 20, "gen_ai.usage.output_tokens": 11,
                "gen_ai.response.finish_reasons": ["stop"],
                "gen_ai.input.messages": messages("user", prompt),
                "gen_ai.output.messages": messages("assistant", response),
                **attributes,
            }  # type: ignore[dict-item]
        )  # fmt: skip
        if failed:
            span.set_status(Status(StatusCode.ERROR, "boom"))
            span.set_attribute("error.type", "500")
        span.end(end)
    return list(memory.get_finished_spans())


def send(collector: Collector, spans: list[ReadableSpan], protocol: str = "http") -> SpanExportResult:
    sender = exporter(collector, protocol)
    try:
        return sender.export(spans)
    finally:
        sender.shutdown()


def messages(role: str, text: str) -> str:
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": text}]}])
