"""Twenty calls of the real SDK to OTEL_EXPORTER_OTLP_ENDPOINT: `export.py http|grpc`. Prints the SDK's version."""

from __future__ import annotations

import sys

from opentelemetry.sdk import version
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

CALLS = 20


def main() -> None:
    if sys.argv[1] == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    else:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    tracer = provider.get_tracer("app")
    for _ in range(CALLS):
        # Long enough that all of them find no room.
        asked = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.input.messages": "x" * 2000}
        tracer.start_span("chat m", attributes=asked).end()
    provider.force_flush()
    print(version.__version__)


if __name__ == "__main__":
    main()
