"""Calls, as their spans show them: duration, time to first token, tokens, cost.

Names and buckets follow the OTel GenAI conventions (semantic-conventions 1.41, docs/gen-ai/gen-ai-metrics.md).
"""

from __future__ import annotations

from telltale.catalogue.metric import Metric

DURATION_BUCKETS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
TPOT_BUCKETS = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
# The convention's bounds plus vLLM's own above 10 s, so that queues show.
TTFT_BUCKETS = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
    *(20.0, 40.0, 80.0, 160.0),
)

_CALL = (
    *("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model", "gen_ai_response_model"),
    *("tenant", "layer", "error_type"),
)
_USE = ("tenant", "model", "layer", "operation", "status")

INFERENCE = (
    Metric(
        "gen_ai_client_operation_duration_seconds",
        "histogram",
        "seconds",
        _CALL,
        "Duration of calls as the client or gateway saw them.",
        DURATION_BUCKETS,
    ),
    Metric(
        "gen_ai_client_operation_time_to_first_chunk_seconds",
        "histogram",
        "seconds",
        _CALL,
        "Time to the first chunk of streamed responses, as the client or gateway saw it.",
        TTFT_BUCKETS,
    ),
    Metric(
        "gen_ai_server_request_duration_seconds",
        "histogram",
        "seconds",
        _CALL,
        "Duration of requests as the inference server saw them.",
        DURATION_BUCKETS,
    ),
    Metric(
        "gen_ai_server_time_to_first_token_seconds",
        "histogram",
        "seconds",
        _CALL,
        "Time to the first token, as the inference server saw it.",
        TTFT_BUCKETS,
    ),
    Metric(
        "gen_ai_server_time_per_output_token_seconds",
        "histogram",
        "seconds",
        _CALL,
        "Time per output token after the first.",
        TPOT_BUCKETS,
    ),
    Metric(
        "telltale_requests_total",
        "counter",
        "",
        (*_USE, "cache"),
        "Calls, by outcome: ok, error or aborted; `cache` is `gateway` where a gateway's own cache responded.",
    ),
    Metric(
        "telltale_tokens_total",
        "counter",
        "",
        (*_USE, "cache", "kind"),
        "Tokens by kind: input (with cached_input and cache_write_input), output (with reasoning_output). Those with "
        "`cache` `gateway` came out of a gateway's own cache: nobody bills them.",
    ),
    Metric(
        "telltale_cost_usd_total",
        "counter",
        "usd",
        _USE,
        "Cost in US dollars by the price table; calls without a price are not in it, nor what a gateway's cache held.",
    ),
)
