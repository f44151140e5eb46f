"""The store: how full it is, how far back it goes, what is deleted, and whether anybody looks after it."""

from __future__ import annotations

from telltale.catalogue.metric import Metric

STORE = (
    Metric(
        "telltale_store_commits_total",
        "counter",
        "",
        (),
        "Transactions that a part committed to the store: what waits together is committed together.",
    ),
    Metric("telltale_store_writes_total", "counter", "", (), "Writes in these transactions."),
    Metric("telltale_store_writes_waiting", "gauge", "", (), "Writes that wait to be committed."),
    Metric("telltale_store_bytes", "gauge", "bytes", (), "Bytes of the store that are in use."),
    Metric("telltale_store_max_bytes", "gauge", "bytes", (), "The setting store.max_bytes; absent without a limit."),
    Metric(
        "telltale_store_oldest_sample_timestamp_seconds",
        "gauge",
        "seconds",
        (),
        "When the oldest kept call ended; absent while none is kept.",
    ),
    Metric(
        "telltale_store_deleted_samples_total",
        "counter",
        "",
        ("reason",),
        "Samples deleted by age (retention), or before that, because of the limit on the store's size (max_bytes).",
    ),
    Metric(
        "telltale_store_rows_to_move",
        "gauge",
        "",
        (),
        "Samples of older versions whose texts still have to be moved into compressed blocks.",
    ),
    Metric(
        "telltale_store_upkeep_last_success_timestamp_seconds",
        "gauge",
        "seconds",
        (),
        "Last time the collector finished the store's upkeep: retention, size limit, merging of blocks.",
    ),
)
