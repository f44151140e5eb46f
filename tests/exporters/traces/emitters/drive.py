"""One emitter's real packages in a real application: `drive.py EMITTER`, sending to OTEL_EXPORTER_OTLP_ENDPOINT."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import calls
from opentelemetry import trace
from opentelemetry._logs import set_logger_provider
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor


def tracing() -> Callable[[], None]:
    """Sets up the SDK; the response flushes it."""
    tracer, logger = TracerProvider(), LoggerProvider()
    tracer.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    logger.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
    trace.set_tracer_provider(tracer)
    set_logger_provider(logger)

    def flush() -> None:
        tracer.shutdown()
        logger.shutdown()

    return flush


def openai_client(**options: Any) -> Any:
    import openai

    return openai.OpenAI(base_url=f"{calls.provider_address()}/v1", api_key="none", max_retries=0, **options)


def anthropic_client() -> Any:
    import anthropic

    return anthropic.Anthropic(base_url=calls.provider_address(), api_key="none", max_retries=0)


def genai_openai() -> None:
    from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor

    flush = tracing()
    OpenAIInstrumentor().instrument()
    calls.openai_calls(openai_client())
    flush()


def openllmetry_openai() -> None:
    from opentelemetry.instrumentation.openai import OpenAIInstrumentor

    flush = tracing()
    OpenAIInstrumentor().instrument()
    calls.openai_calls(openai_client())
    flush()


def openinference_openai() -> None:
    from openinference.instrumentation.openai import OpenAIInstrumentor

    flush = tracing()
    OpenAIInstrumentor().instrument()
    calls.openai_calls(openai_client())
    flush()


def openlit_openai() -> None:
    import openlit

    flush = tracing()
    # Prices from a file; otherwise it would download them.
    prices = Path("prices.json")
    prices.write_text("{}")
    openlit.init(disable_metrics=True, pricing_json=str(prices))
    calls.openai_calls(openai_client())
    flush()


def langfuse_openai() -> None:
    import langfuse
    from langfuse.openai import openai

    client = openai.OpenAI(base_url=f"{calls.provider_address()}/v1", api_key="none", max_retries=0)
    calls.openai_calls(client)
    langfuse.get_client().shutdown()


def litellm_sdk() -> None:
    import litellm
    from litellm.litellm_core_utils.thread_pool_executor import executor

    litellm.callbacks = ["otel"]
    litellm.suppress_debug_info = True
    asked = {"api_base": f"{calls.provider_address()}/v1", "api_key": "none", "num_retries": 0, "max_retries": 0}
    for case in calls.cases():
        try:
            calls.litellm_call(litellm, case, **asked)
        except Exception as error:  # noqa: BLE001 - its own classes, OpenAI's and httpx's, by how the stream ends
            calls.report_error(case, error)
    executor.shutdown(wait=True)
    # It records a broken stream in a separate thread, which nothing in it waits for.
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join(10)
    trace.get_tracer_provider().shutdown()


def logfire_openai() -> None:
    import logfire

    # Its exporter is configured by the environment.
    logfire.configure(send_to_logfire=False, console=False, inspect_arguments=False)
    logfire.instrument_openai()
    calls.openai_calls(openai_client())
    logfire.shutdown()


def pydantic_agent() -> None:
    from pydantic_ai import Agent, InstrumentationSettings

    flush = tracing()
    Agent.instrument_all(InstrumentationSettings())
    calls.agent_calls()
    flush()


def anthropic_native() -> None:
    flush = tracing()
    calls.anthropic_calls(anthropic_client())
    flush()


def anthropic_twice() -> None:
    from opentelemetry.instrumentation.anthropic import AnthropicInstrumentor

    flush = tracing()
    AnthropicInstrumentor().instrument()
    calls.anthropic_calls(anthropic_client())
    flush()


def anthropic_genai() -> None:
    from opentelemetry.instrumentation.genai.anthropic import AnthropicInstrumentor

    flush = tracing()
    AnthropicInstrumentor().instrument()
    calls.anthropic_calls(anthropic_client())
    flush()


if __name__ == "__main__":
    globals()[sys.argv[1]]()
