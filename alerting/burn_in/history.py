"""A Prometheus' past, asked for in pieces: small enough for its limits, bounded in time and size."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import httpx

from alerting.burn_in.replay import Span, spans

# Prometheus answers at most 11,000 points a series.
POINTS = 5000
TIMEOUT_S = 120.0
MAX_BYTES = 64 << 20
MAX_SERIES = 2000

Labels = tuple[tuple[str, str], ...]


class HistoryError(Exception):
    """The Prometheus cannot be reached, or refuses a query; the message says why."""


class TooMuch(HistoryError):
    """A response beyond what is read into memory."""


class History:
    """Reads a Prometheus over its HTTP API. Close it."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        # It is named by address; a proxy of the environment would only stand in the way of loopback.
        self._client = httpx.Client(timeout=TIMEOUT_S, trust_env=False)

    def close(self) -> None:
        self._client.close()

    def names(self, start: float, end: float) -> frozenset[str]:
        """Names of all metrics that had samples between two times. Raises HistoryError."""
        found = self._get("/api/v1/label/__name__/values", {"start": f"{start:.3f}", "end": f"{end:.3f}"})
        return frozenset(map(str, found)) if isinstance(found, list) else frozenset()

    def held(
        self, expr: str, start: float, end: float, step: float, read: Callable[[float], None]
    ) -> Mapping[Labels, list[Span]]:
        """When a condition held, by the labels of its series; `read` is told how far it came. Raises HistoryError."""
        found: dict[Labels, list[Span]] = defaultdict(list)
        at = start
        while at <= end:
            until = min(end, at + (POINTS - 1) * step)
            self._piece(expr, at, until, step, found)
            read(until)
            at = until + step
        return found

    def _piece(self, expr: str, start: float, end: float, step: float, found: dict[Labels, list[Span]]) -> None:
        asked = {"query": expr, "start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step:.3f}"}
        result = self._get("/api/v1/query_range", asked)
        for series in result["result"] if isinstance(result, dict) else ():
            labels = tuple(sorted((k, v) for k, v in series["metric"].items() if k != "__name__"))
            if labels not in found and len(found) >= MAX_SERIES:
                raise TooMuch(f"its condition has held for more than {MAX_SERIES} series")
            ours = found[labels]
            for span in spans((float(time) for time, _ in series["values"]), step):
                if ours and span.start - ours[-1].end <= 1.5 * step:
                    ours[-1] = Span(ours[-1].start, span.end)
                else:
                    ours.append(span)

    def _get(self, path: str, asked: Mapping[str, str]) -> Any:
        try:
            with self._client.stream("POST" if "query" in asked else "GET", self._url + path, **_sent(asked)) as reply:
                body = _bounded(reply)
        except httpx.HTTPError as error:
            raise HistoryError(f"{self._url}: {error or type(error).__name__}") from error
        try:
            table = json.loads(body)
        except ValueError as error:
            raise HistoryError(f"{self._url}{path} answered {reply.status_code} and no JSON") from error
        if not isinstance(table, dict) or table.get("status") != "success":
            why = table.get("error", "no reason given") if isinstance(table, dict) else "no object"
            raise HistoryError(f"{self._url}{path} answered {reply.status_code}: {why}")
        return table["data"]


def _sent(asked: Mapping[str, str]) -> dict[str, Any]:
    # An expression can be longer than an address may be.
    return {"data": dict(asked)} if "query" in asked else {"params": dict(asked)}


def _bounded(reply: httpx.Response) -> bytes:
    body = bytearray()
    for part in reply.iter_bytes():
        body += part
        if len(body) > MAX_BYTES:
            raise TooMuch(f"the answer is larger than {MAX_BYTES >> 20} MiB")
    return bytes(body)
