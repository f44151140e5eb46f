"""Metrics of calls under OTel GenAI names. Label sets beyond a bound are folded into `other`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from mypy_extensions import i64

from exporters.traces.calls.call import Call
from exporters.traces.conventions.fields import INPUT, OUTPUT, TOKEN_FIELDS
from exporters.traces.core.interning import spread
from exporters.traces.core.series import Counter, Histogram, Registry
from telltale.settings import Price

OTHER: Final = "other"
# The label `kind` of tokens, by their place in TOKEN_FIELDS.
KINDS: Final = tuple(field.token_kind for field in TOKEN_FIELDS)
MILLION: Final = 1_000_000
DAY: Final = 86_400
MAX_LABEL: Final = 128
CACHED_ROWS: Final = 1024
# Any other operation is a sender's invention.
OPERATIONS: Final = {"chat", "text_completion", "generate_content", "embeddings", "infer"}
_NAMES: Final = {
    False: ("gen_ai_client_operation_duration_seconds", "gen_ai_client_operation_time_to_first_chunk_seconds"),
    True: ("gen_ai_server_request_duration_seconds", "gen_ai_server_time_to_first_token_seconds"),
}


_Key = tuple[str, str | None, str | None, str | None, str, str, str | None, str, str]


class _Labels(NamedTuple):
    """The labels that a call may have."""

    operation: str
    provider: str | None
    model_requested: str | None
    model_served: str | None
    tenant: str
    layer: str
    error_type: str | None
    status: str
    cache: str


class _Row:
    """The series of one label set, found by one look-up a call; and the price of its model on a day."""

    __slots__ = (
        "call", "cost", "day", "duration", "price", "requested", "requests", "served", "tokens", "tpot", "ttft",
        "unpriced", "use",
    )  # fmt: skip

    def __init__(self, use: tuple[str, ...], call: tuple[str, ...], requests: Counter, duration: Histogram) -> None:
        self.use = use
        self.call = call
        self.requests = requests
        self.tokens: list[Counter | None] = [None] * len(KINDS)
        self.tpot: Histogram | None = None
        self.duration = duration
        self.ttft: Histogram | None = None
        self.day = -1
        self.requested: str | None = None
        self.served: str | None = None
        self.price: Price | None = None
        self.cost: Counter | None = None
        self.unpriced: Counter | None = None


class _CachedRow:
    """A row with the labels of its calls: found by their fingerprint, without building a key for the table."""

    __slots__ = ("cache", "error", "layer", "operation", "provider", "requested", "row", "served", "status", "tenant")

    def __init__(self, call: Call, row: _Row) -> None:
        self.operation = call.operation
        self.provider = call.provider
        self.requested = call.model_requested
        self.served = call.model_served
        self.tenant = call.tenant
        self.layer: str = call.layer
        self.error = call.error_type
        self.status: str = call.status
        self.cache: str = call.cache
        self.row = row

    def matches(self, call: Call) -> bool:
        return (
            self.requested == call.model_requested
            and self.served == call.model_served
            and self.tenant == call.tenant
            and self.provider == call.provider
            and self.operation == call.operation
            and self.status == call.status
            and self.layer == call.layer
            and self.error == call.error_type
            and self.cache == call.cache
        )


class CallMetrics:
    """Counts and observes calls. Not safe to use from several threads at once: its owner locks."""

    def __init__(self, prices: tuple[Price, ...], max_series: int) -> None:
        self.registry = Registry()
        self._prices = prices
        self._max_series = max_series
        self._rows: dict[_Key, _Row] = {}
        self._cached: list[_CachedRow | None] = [None] * CACHED_ROWS
        self._folded = self.registry.counter("telltale_collector_folded_total")
        self._lag = self.registry.histogram("telltale_collector_lag_seconds")

    def count(self, calls: Sequence[Call], now: float) -> None:
        """Count the calls of one request, accepted at `now`."""
        for call in calls:
            self.add(call)
        self.observe_lag(calls, now)

    def observe_lag(self, calls: Sequence[Call], now: float) -> None:
        """Observe how long after the newest of its calls a request was accepted."""
        if calls:
            newest, end = calls[0], 0.0
            for call in calls:
                if call.end_unix_s > end:
                    newest, end = call, call.end_unix_s
            if end > 0.0:
                self._lag.observe(max(0.0, now - end), newest.trace_high, newest.trace_low)

    def add(self, call: Call) -> None:
        row = self._row(call)
        row.requests.value += 1
        high, low = call.trace_high, call.trace_low
        if call.irregular_ids is not None:
            # Nobody would find it by its id.
            high, low = 0, 0
        duration, ttft, tpot = call.duration_s, call.ttft_s, call.tpot_s
        if duration is not None:
            row.duration.observe(duration, high, low)
        if ttft is not None:
            if row.ttft is None:
                row.ttft = self.registry.histogram(_NAMES[call.layer == "server"][1], *row.call)
            row.ttft.observe(ttft, high, low)
        if tpot is not None and call.layer == "server":
            if row.tpot is None:
                row.tpot = self.registry.histogram("gen_ai_server_time_per_output_token_seconds", *row.call)
            row.tpot.observe(tpot, high, low)
        self._add_tokens(row, call)

    def add_tokens(self, more: Call, known: Call) -> None:
        """Count tokens of a call that was counted without them; `known` has all of its tokens, for its price."""
        row = self._row(more)
        self._count_tokens(row, more)
        was_priced = more.token_counts[INPUT] < 0 and more.token_counts[OUTPUT] < 0
        if self._prices and not known.cache and not was_priced:
            self._price(known, row)

    def _add_tokens(self, row: _Row, call: Call) -> None:
        self._count_tokens(row, call)
        # What a gateway's cache held was bought before.
        if self._prices and not call.cache:
            self._price(call, row)

    def _count_tokens(self, row: _Row, call: Call) -> None:
        # Each kind of every call: as plain optionals they would cost 40 ns more, half of all this.
        counts = call.token_counts
        for kind in range(i64(len(KINDS))):
            count = counts[kind]
            if count >= 0:
                counter = row.tokens[kind]
                if counter is None:
                    counter = row.tokens[kind] = self.registry.counter("telltale_tokens_total", *row.use, KINDS[kind])
                counter.value += float(count)

    def _row(self, call: Call) -> _Row:
        slot = spread(call.label_fingerprint) & (CACHED_ROWS - 1)
        if call.label_fingerprint != 0:
            cached = self._cached[slot]
            if cached is not None and cached.matches(call):
                return cached.row
        # In the order of `_Labels`, which equals such a tuple: made for each call, one by name would cost 0.4 us more.
        key: _Key = (
            *(call.operation, call.provider, call.model_requested, call.model_served),
            *(call.tenant, call.layer, call.error_type, call.status, call.cache),
        )
        row = self._rows.get(key)
        if row is None:
            row = self._new(_Labels(*key))
        # A folded call is counted as such each time.
        if call.label_fingerprint != 0 and row.use[0] != OTHER:
            self._cached[slot] = _CachedRow(call, row)
        return row

    def _price(self, call: Call, row: _Row) -> None:
        counts = call.token_counts
        is_known = counts[INPUT] >= 0 and (counts[OUTPUT] >= 0 or call.operation == "embeddings")
        if not is_known and not _has_tokens(call):
            return
        day = int(call.start_unix_s // DAY)
        if row.day != day or row.requested != call.model_requested or row.served != call.model_served:
            # Folded calls share a row, whatever their model is.
            row.day, row.requested, row.served = day, call.model_requested, call.model_served
            row.price = price(call, self._prices)
        if row.price is None or not is_known:
            # Whatever kind of tokens it has: what half of them cost is not what the call did.
            if row.unpriced is None:
                row.unpriced = self.registry.counter("telltale_unpriced_calls_total", row.use[1])
            row.unpriced.value += 1
        else:
            if row.cost is None:
                row.cost = self.registry.counter("telltale_cost_usd_total", *row.use[:-1])
            row.cost.value += cost(call, row.price)

    def _new(self, labels: _Labels) -> _Row:
        safe = _safe(labels)
        if len(self._rows) >= self._max_series:
            self._folded.value += 1
            safe = safe._replace(
                operation=OTHER, provider=OTHER, model_requested=OTHER, model_served=OTHER, tenant=OTHER
            )
        row = self._rows.get(safe)
        if row is None:
            row = _Row(
                _use_labels(safe),
                _call_labels(safe),
                self.registry.counter("telltale_requests_total", *_use_labels(safe)),
                self.registry.histogram(_NAMES[safe.layer == "server"][0], *_call_labels(safe)),
            )
            self._rows[safe] = row
        return row


def price(call: Call, prices: tuple[Price, ...]) -> Price | None:
    """The price of a call on its day (UTC), whatever the table's order.

    An exact name comes before a pattern and a longer pattern before a shorter one; of two that are alike the served
    model's before the requested one's, then the newest.
    """
    day = datetime.fromtimestamp(call.start_unix_s, UTC).date().isoformat()
    best: Price | None = None
    rank = (0, 0, "")
    for found in prices:
        if found.since <= day:
            name = _name_of(found.model, call)
            if name > 0 and (best is None or (_closeness(found.model), name, found.since) > rank):
                best, rank = found, (_closeness(found.model), name, found.since)
    return best


def _has_tokens(call: Call) -> bool:
    counts = call.token_counts
    for kind in range(i64(len(KINDS))):  # noqa: SIM110 - mypyc makes plain C of the loop
        if counts[kind] > 0:
            return True
    return False


def cost(call: Call, price: Price) -> float:
    """US dollars of a call whose tokens are known."""
    total_input, output = call.input_tokens or 0, call.output_tokens or 0
    cached = min(call.cached_input_tokens or 0, total_input)
    cache_write = min(call.cache_write_input_tokens or 0, total_input - cached)
    read_price = price.input if price.cached_input is None else price.cached_input
    write_price = price.input if price.cache_write_input is None else price.cache_write_input
    fresh = total_input - cached - cache_write
    used = fresh * price.input + cached * read_price + cache_write * write_price + output * price.output
    return used / MILLION


def _name_of(pattern: str, call: Call) -> int:
    """Which of a call's names a price is for: 2 for the served model's, 1 for the requested one's, 0 for none."""
    if call.model_served and _matches(pattern, call.model_served):
        return 2
    return 1 if call.model_requested and _matches(pattern, call.model_requested) else 0


def _matches(pattern: str, name: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def _closeness(pattern: str) -> int:
    """How closely a pattern describes a model: its length, and more than any for a name of no pattern."""
    return len(pattern) if pattern.endswith("*") else sys.maxsize


def _safe(labels: _Labels) -> _Labels:
    return labels._replace(
        operation=labels.operation if labels.operation in OPERATIONS else OTHER,
        provider=_label(labels.provider),
        model_requested=_label(labels.model_requested),
        model_served=_label(labels.model_served),
        tenant=_label(labels.tenant) or "",
    )


def _label(value: str | None) -> str | None:
    if value is None or (value.isprintable() and len(value) <= MAX_LABEL):
        return value
    return "".join(c for c in value[:MAX_LABEL] if c.isprintable())


def _call_labels(labels: _Labels) -> tuple[str, ...]:
    """In the order of the catalogue, for metrics of calls."""
    values = (
        *(labels.operation, labels.provider, labels.model_requested, labels.model_served, labels.tenant),
        *(labels.layer, labels.error_type),
    )
    return tuple([value or "" for value in values])


def _use_labels(labels: _Labels) -> tuple[str, ...]:
    """In the order of the catalogue, for metrics of usage; the last is no label of the cost."""
    model = labels.model_requested or labels.model_served or ""
    return labels.tenant, model, labels.layer, labels.operation, labels.status, labels.cache
