"""Metrics of calls under OTel GenAI names, with a guard that folds label sets beyond a bound into `other`."""

from __future__ import annotations

from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Counter, Histogram

from telltale.metrics import Metrics
from telltale.records import Call
from telltale.settings import Price

OTHER = "other"
MILLION = 1_000_000


class Measure:
    """Counts and observes calls."""

    def __init__(self, registry: CollectorRegistry, prices: tuple[Price, ...], max_series: int) -> None:
        metrics = Metrics(registry)
        self._prices = prices
        self._max_series = max_series
        self._label_sets: set[tuple[str, ...]] = set()
        self._client_duration = metrics.histogram("gen_ai_client_operation_duration_seconds")
        self._client_ttft = metrics.histogram("gen_ai_client_operation_time_to_first_chunk_seconds")
        self._server_duration = metrics.histogram("gen_ai_server_request_duration_seconds")
        self._server_ttft = metrics.histogram("gen_ai_server_time_to_first_token_seconds")
        self._server_tpot = metrics.histogram("gen_ai_server_time_per_output_token_seconds")
        self._requests = metrics.counter("telltale_requests_total")
        self._tokens = metrics.counter("telltale_tokens_total")
        self._cost = metrics.counter("telltale_cost_usd_total")

    def add(self, call: Call) -> None:
        served = call.layer == "server"
        labels = self._guard(
            (
                *(call.operation, call.provider or "", call.model_requested or "", call.model_served or ""),
                *(call.tenant, call.layer, call.error_type or ""),
            )
        )
        exemplar = {"trace_id": call.trace_id}
        _observe(self._server_duration if served else self._client_duration, labels, call.duration_s, exemplar)
        _observe(self._server_ttft if served else self._client_ttft, labels, call.ttft_s, exemplar)
        if served:
            _observe(self._server_tpot, labels, call.tpot_s, exemplar)
        self._count(call)

    def _count(self, call: Call) -> None:
        use = self._guard((call.tenant, call.model or "", call.layer, call.operation, call.status))
        self._requests.labels(*use).inc()
        for kind, tokens in _tokens(call).items():
            _add(self._tokens, (*use, kind), tokens)
        _add(self._cost, use, cost(call, self._prices))

    def _guard(self, labels: tuple[str, ...]) -> tuple[str, ...]:
        if labels in self._label_sets:
            return labels
        if len(self._label_sets) >= self._max_series:
            return tuple(OTHER for _ in labels)
        self._label_sets.add(labels)
        return labels


def cost(call: Call, prices: tuple[Price, ...]) -> float | None:
    """US dollars of a call by the newest price that was valid then; None without price or tokens."""
    if call.input_tokens is None or call.output_tokens is None:
        return None
    day = datetime.fromtimestamp(call.start_unix_s, UTC).date().isoformat()
    valid = [price for price in prices if price.since <= day and _matches(price.model, call)]
    if not valid:
        return None
    price = max(valid, key=lambda found: found.since)
    cached = min(call.cached_input_tokens or 0, call.input_tokens)
    cached_price = price.input if price.cached_input is None else price.cached_input
    fresh = call.input_tokens - cached
    return (fresh * price.input + cached * cached_price + call.output_tokens * price.output) / MILLION


def _matches(pattern: str, call: Call) -> bool:
    names = [name for name in (call.model_served, call.model_requested) if name]
    if pattern.endswith("*"):
        return any(name.startswith(pattern[:-1]) for name in names)
    return pattern in names


def _tokens(call: Call) -> dict[str, int | None]:
    return {
        "input": call.input_tokens,
        "output": call.output_tokens,
        "cached_input": call.cached_input_tokens,
        "reasoning_output": call.reasoning_output_tokens,
    }


def _observe(histogram: Histogram, labels: tuple[str, ...], value: float | None, exemplar: dict[str, str]) -> None:
    if value is not None:
        histogram.labels(*labels).observe(value, exemplar)


def _add(counter: Counter, labels: tuple[str, ...], value: float | None) -> None:
    if value is not None:
        counter.labels(*labels).inc(value)
