"""For Telltale's operators: what the trace collector accepts, refuses and keeps, and the store that it looks after."""

from __future__ import annotations

from dashboards import style
from dashboards.page import Row, dashboard
from dashboards.panels import About, Look, lines, stat
from dashboards.query import Query, quantile, share
from dashboards.style import Json

UID = "telltale-collector"
SPANS = "sum(rate(telltale_collector_spans_total[$__rate_interval]))"
KEPT = 'sum(rate(telltale_samples_total{outcome="kept"}[$__rate_interval]))'
# Zero, not nothing, while the collector can be scraped and has nothing to count.
REFUSED = f"sum(rate(telltale_collector_rejected_total[$__rate_interval])) or 0 * {SPANS}"
DROPPED = f"sum(rate(telltale_collector_dropped_total[$__rate_interval])) or 0 * {SPANS}"
LAG = "telltale_collector_lag_seconds{}"
STORED = "max(telltale_store_bytes)"
LIMIT = "max(telltale_store_max_bytes)"
TWICE = f"sum(rate(telltale_collector_duplicates_total[$__rate_interval])) or 0 * {SPANS}"


def build(pages_url: str) -> Json:
    """The dashboard."""
    return dashboard(
        UID,
        "Telltale: collector",
        "Traces received, refused and sampled, and how full the store is.",
        (),
        (Row("", _headlines()), Row("From span to sample", _lines()), Row("Store", [*_fill(), *_store()])),
        pages_url,
    )


def _headlines() -> list[Json]:
    return [
        stat(
            "Spans",
            About("Spans received per second.", "zero: nobody sends; check the senders' endpoint and key."),
            Look("cps"),
            Query(SPANS),
            width=4,
        ),
        stat(
            "Refused",
            About("Requests or spans refused per second.", "see the reason below; CollectorRejecting's runbook."),
            Look("cps", style.thresholds((None, style.GOOD), (0.001, style.BAD))),
            Query(REFUSED),
            width=4,
        ),
        stat(
            "Calls with content",
            About(
                "Share of recent good calls whose span carried the prompt or the response.",
                "low: the senders do not capture content; monitors of texts stay blind.",
            ),
            Look("percentunit", style.under(0.5, 0.1), none=style.NO_TRAFFIC, high=1, decimals=0),
            Query("min(telltale_collector_content_coverage_ratio)"),
            width=4,
        ),
        stat(
            "Samples kept",
            About("Calls kept with their redacted content, per second.", "see outcomes below."),
            Look("cps", decimals=2),
            Query(KEPT),
            width=4,
        ),
        stat(
            "Seen twice",
            About(
                "Share of spans of a call that was already counted.",
                "usual where a client and a gateway both trace; rates do not add them.",
            ),
            Look("percentunit", none=style.NO_TRAFFIC, decimals=1),
            Query(share(f"({TWICE})", SPANS)),
            width=4,
        ),
        stat(
            "In work",
            About(
                "Request bodies being decoded or waiting to be stored.",
                "near collector.max_in_flight_bytes: senders are asked to wait.",
            ),
            Look("bytes"),
            Query("max(telltale_collector_queue_bytes)"),
            width=4,
        ),
    ]


def _lines() -> list[Json]:
    return [
        lines(
            "Spans by convention",
            About(
                "Spans received per second, by the convention that they follow.",
                "none: spans of no known convention; they carry no call.",
            ),
            Look("cps"),
            Query("sum by (convention) (rate(telltale_collector_spans_total[$__rate_interval]))", "{{convention}}"),
        ),
        lines(
            "Spans of other operations",
            About(
                "Spans received per second that are no calls of a model, by what they do: tools, agents, retrieval.",
                "none: they are not counted as calls, whatever usage they repeat.",
            ),
            Look("cps"),
            Query("sum by (operation) (rate(telltale_collector_operations_total[$__rate_interval]))", "{{operation}}"),
        ),
        lines(
            "Refused by reason",
            About(
                "Requests or spans refused per second.",
                "store_busy, store_unavailable: the store; probe: nobody; others: the sender's data.",
            ),
            Look("cps"),
            Query("sum by (reason) (rate(telltale_collector_rejected_total[$__rate_interval]))", "{{reason}}"),
            Query(REFUSED, "all"),
        ),
        lines(
            "Requests accepted",
            About(
                "Requests accepted per second, by what they carry.",
                "a signal is missing: its senders are down or send elsewhere.",
            ),
            Look("reqps"),
            Query("sum by (signal) (rate(telltale_collector_requests_total[$__rate_interval]))", "{{signal}}"),
        ),
        lines(
            "Calls counted under other",
            About(
                "Calls per second whose model, tenant or other label is new beyond collector.max_series: their labels"
                " are replaced by the word other.",
                "above 0: find the label without bounds; if all are wanted, raise collector.max_series.",
            ),
            Look("cps"),
            Query(f"sum(rate(telltale_collector_folded_total[$__rate_interval])) or 0 * {SPANS}", "calls"),
        ),
        lines(
            "Samples by outcome",
            About(
                "Sampling decisions per second: kept, promoted by feedback or error, not sampled, without content.",
                "nothing kept under traffic: see refusals.",
            ),
            Look("cps"),
            Query("sum by (outcome) (rate(telltale_samples_total[$__rate_interval]))", "{{outcome}}"),
        ),
        lines(
            "Bodies in work",
            About(
                "Bytes of request bodies that are being decoded or wait to be stored.",
                "stays high: the store is slow; see its disk.",
            ),
            Look("bytes"),
            Query("telltale_collector_queue_bytes", "{{instance}}"),
        ),
        lines(
            "Lag",
            About(
                "From the end of a request's newest call until it was accepted, at the 50th and 95th percentile.",
                "SDKs send every 5 s; much more: senders are asked to wait, or their clocks are behind.",
            ),
            Look("s", none=style.NO_TRAFFIC),
            Query(quantile(0.5, LAG), "p50"),
            Query(quantile(0.95, LAG), "p95"),
        ),
        lines(
            "Dropped by senders",
            About(
                "Attributes and events per second that senders' own limits dropped before they sent.",
                "above 0: raise OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT or OTEL_SPAN_EVENT_COUNT_LIMIT there.",
            ),
            Look("cps"),
            Query("sum by (kind) (rate(telltale_collector_dropped_total[$__rate_interval]))", "{{kind}}"),
            Query(DROPPED, "all"),
        ),
        lines(
            "Vectors in spans",
            About(
                "Vectors per second that sampled spans brought along, by what became of them.",
                "anything but `kept`: the sender's attribute holds no usable vector; the outcome says why.",
            ),
            Look("cps"),
            Query("sum by (outcome) (rate(telltale_collector_vectors_total[$__rate_interval]))", "{{outcome}}"),
        ),
    ]


def _fill() -> list[Json]:
    return [
        stat(
            "Part of the limit in use",
            About(
                "Bytes of the store in use, of store.max_bytes.", "at 100 % the oldest samples make room for new ones."
            ),
            Look("percentunit", none="No limit", decimals=0),
            Query(share(STORED, LIMIT)),
            width=5,
        ),
        stat(
            "Goes back",
            About("Age of the oldest kept call.", "less than you need: StoreLimitReached's runbook."),
            Look("s", none="No samples", decimals=1),
            Query("time() - min(telltale_store_oldest_sample_timestamp_seconds)"),
            width=5,
        ),
        stat(
            "Deleted for the limit",
            About(
                "Samples deleted in 6 hours because of store.max_bytes, before store.retention was over.",
                "above 0 StoreLimitReached opens a ticket.",
            ),
            Look("short", style.any_is_bad(), decimals=0),
            Query('sum(increase(telltale_store_deleted_samples_total{reason="max_bytes"}[6h]))'),
            width=5,
        ),
        stat(
            "Looked after",
            About(
                "Time since the store's last upkeep: retention, size limit, merging of blocks.",
                "above 15 minutes StoreUpkeepStale opens a ticket.",
            ),
            Look("s", style.over(300, 900), decimals=0),
            Query("time() - max(telltale_store_upkeep_last_success_timestamp_seconds)"),
            width=5,
        ),
        stat(
            "To move",
            About(
                "Samples of an older version whose texts are not in compressed blocks yet.",
                "falls to 0 by itself while the collector serves; stands still: see Looked after.",
            ),
            Look("short", decimals=0),
            Query("max(telltale_store_rows_to_move)"),
            width=4,
        ),
    ]


def _store() -> list[Json]:
    return [
        lines(
            "Size of the store",
            About(
                "Bytes of the store in use, and store.max_bytes where there is one.",
                "three days before it reaches the limit StoreFillsUp opens a ticket.",
            ),
            Look("bytes", overrides=[style.dashed("limit")]),
            Query(STORED, "in use"),
            Query(LIMIT, "limit"),
        ),
        lines(
            "Samples deleted",
            About(
                "Samples deleted per second, by age (retention) or for the limit on the store's size (max_bytes).",
                "max_bytes: StoreLimitReached's runbook.",
            ),
            Look("cps"),
            Query("sum by (reason) (rate(telltale_store_deleted_samples_total[$__rate_interval]))", "{{reason}}"),
        ),
    ]
