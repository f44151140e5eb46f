"""The paths of OTLP/HTTP and of Langfuse's API, and which of them a wrong one was meant to be."""

from __future__ import annotations

import re
from typing import Final

from exporters.traces.receive.langfuse_scores import INGESTION, SCORES
from exporters.traces.receive.receiver import Signal

TRACES: Final = "/v1/traces"
LOGS: Final = "/v1/logs"
METRICS: Final = "/v1/metrics"
LANGFUSE: Final = "/api/public/otel"
SIGNALS: Final[dict[str, Signal]] = {
    TRACES: "traces",
    LANGFUSE + TRACES: "traces",
    LOGS: "logs",
    METRICS: "metrics",
    SCORES: "scores",
    INGESTION: "scores",
}
WHERE: Final = f"POST to {TRACES} or {LOGS}"
_TRACES: Final = ("trace", "traces", "tracing", "span", "spans", "otlp", "otel", "opentelemetry")
# What a path's words mean: the first that it has.
_WORDS: Final = (
    (frozenset(("log", "logs")), LOGS),
    (frozenset(("metric", "metrics")), METRICS),
    (frozenset(_TRACES), TRACES),
)
_SEPARATORS: Final = re.compile(r"[/._-]+")
# A longer path was meant to be none of ours.
_MOST: Final = 128


def meant(path: str) -> str | None:
    """The path of ours that a sender most likely meant by one that nobody serves."""
    path = path.lower().rstrip("/")
    if path in ("", "/v1"):
        return TRACES
    # What ends in a file's name is a scanner's.
    if len(path) > _MOST or "." in path.rpartition("/")[2]:
        return None
    for beginning, found in (("/api/public/ingest", INGESTION), ("/api/public/score", SCORES)):
        if path.startswith(beginning):
            return found
    words = set(_SEPARATORS.split(path))
    for hints, found in _WORDS:
        if words & hints:
            return LANGFUSE + TRACES if found == TRACES and path.startswith(LANGFUSE) else found
    return None


def refusal(path: str) -> str:
    """What the sender of a request to such a path is told."""
    found = meant(path)
    return WHERE if found is None else f"{WHERE}: did you mean {found}? Exporters append it to a base URL themselves"
