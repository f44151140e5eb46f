"""For Telltale's operators: whether its parts, its monitors and the path from alert to ticket work."""

from __future__ import annotations

from dashboards import style
from dashboards.page import Row, dashboard
from dashboards.panels import About, Look, lines, stat, states
from dashboards.query import Query, quantile, share
from dashboards.style import Json

UID = "telltale-stack"
SUBMIT = "telltale_feedback_submit_seconds{}"
RECONCILED = "time() - max(telltale_ticket_reconcile_last_success_timestamp_seconds)"
SINCE_RUN = "time() - max by (monitor) (telltale_monitor_last_success_timestamp_seconds)"
FAILED = "rate(alertmanager_notifications_failed_total[$__rate_interval])"
SENT = "rate(alertmanager_notifications_total[$__rate_interval])"


def build(pages_url: str) -> Json:
    """The dashboard."""
    return dashboard(
        UID,
        "Telltale: its own parts",
        "Whether every part of Telltale does its work.",
        (),
        (
            Row("", _headlines()),
            Row("Parts", _parts()),
            Row("Writing to the store", _writes()),
            Row("Monitors", _monitors()),
            Row("From alert to ticket", _tickets()),
        ),
        pages_url,
    )


def _headlines() -> list[Json]:
    return [
        stat(
            "Parts down",
            About("Scrape targets that cannot be scraped.", "see which below; TelltalePartDown's runbook."),
            Look("none", style.any_is_bad()),
            Query("count(up == 0) or vector(0)"),
            width=4,
        ),
        stat(
            "Monitors failing",
            About("Monitors whose last run did not finish.", "read the monitors' log."),
            Look("none", style.any_is_bad()),
            Query("count(telltale_monitor_success == 0) or 0 * count(telltale_monitor_success)"),
            width=4,
        ),
        stat(
            "Oldest run",
            About(
                "Time since the last good run of the monitor that lags most, in intervals.",
                "above 3 ModelMonitorStale opens a ticket.",
            ),
            Look("none", style.over(2, 3), decimals=1),
            Query(f"max(({SINCE_RUN})\n  / max by (monitor) (telltale_monitor_interval_seconds))"),
            width=4,
        ),
        stat(
            "Tickets compared",
            About(
                "Time since tickets were last compared with Alertmanager and Prometheus.",
                "above 15 minutes TicketReconcileStale opens a ticket.",
            ),
            Look("s", style.over(300, 900), decimals=0),
            Query(RECONCILED),
            width=4,
        ),
        stat(
            "Notifications failing",
            About(
                "Share of Alertmanager's notifications that failed.",
                "above 1 % AlertmanagerNotificationsFailing pages.",
            ),
            Look("percentunit", style.over(0.001, 0.01), none=style.NO_TRAFFIC, decimals=1),
            Query(share(f"sum({FAILED})", f"sum({SENT})")),
            width=4,
        ),
        stat(
            "Rules failing",
            About(
                "Rule evaluations that failed in five minutes.",
                "a rule that fails cannot fire: Prometheus' page of rules shows the error.",
            ),
            Look("none", style.any_is_bad(), decimals=0),
            Query("sum(increase(prometheus_rule_evaluation_failures_total[5m]))"),
            width=4,
        ),
    ]


def _parts() -> list[Json]:
    words = style.values({"0": ("down", style.BAD), "1": ("up", style.GOOD)})
    return [
        states(
            "Parts and servers",
            About("Whether each scrape target can be scraped.", "down: see the log of that part."),
            Look("none", style.thresholds((None, style.BAD), (1, style.GOOD)), words, low=None),
            Query("min by (job, instance) (up)", "{{job}} {{instance}}"),
            width=12,
            height=9,
        ),
        lines(
            "Requests to pages and API",
            About("Requests per second, by status.", "5xx: the store; 429: a key over its rate."),
            Look("reqps"),
            Query("sum by (status) (rate(telltale_web_requests_total[$__rate_interval]))", "{{status}}"),
            width=6,
            height=9,
        ),
        lines(
            "Series in Prometheus",
            About("Time series in Prometheus' head.", "climbs without new models: some label is not bounded."),
            Look("short"),
            Query("prometheus_tsdb_head_series", "{{instance}}"),
            width=6,
            height=9,
        ),
    ]


def _writes() -> list[Json]:
    commits = "sum by (job) (rate(telltale_store_commits_total[$__rate_interval]))"
    return [
        lines(
            "Writes per commit",
            About(
                "How many writes a part commits together, on average: what waits during one commit shares the next.",
                "climbs under load, as it should; at 1 under load senders wait for each other.",
            ),
            Look("short", decimals=1, none="no writes"),
            Query(f"sum by (job) (rate(telltale_store_writes_total[$__rate_interval]))\n/ ({commits} > 0)", "{{job}}"),
            width=6,
        ),
        lines(
            "Commits",
            About("Transactions per second, by part.", "zero while calls or feedback come: the store takes no write."),
            Look("cps", decimals=2),
            Query(commits, "{{job}}"),
            width=6,
        ),
        lines(
            "Writes waiting",
            About(
                "Writes that wait to be committed, by part.",
                "stays high: the store's disk or database is slow; at store.queue_rows senders are refused (503).",
            ),
            Look("short", decimals=0),
            Query("max by (job) (telltale_store_writes_waiting)", "{{job}}"),
            width=6,
        ),
        lines(
            "Time until feedback is stored",
            About(
                "From its acceptance to its commit; half and 99 % are faster.",
                "climbs: the store's disk or database is slow, or more comes than it takes.",
            ),
            Look("s", none="no feedback"),
            Query(quantile(0.5, SUBMIT), "p50"),
            Query(quantile(0.99, SUBMIT), "p99"),
            width=6,
        ),
    ]


def _monitors() -> list[Json]:
    return [
        lines(
            "Time since the last good run",
            About("In intervals of each monitor.", "above 3: ModelMonitorStale."),
            Look("none", style.limit(3), decimals=1),
            Query(f"({SINCE_RUN})\n  / max by (monitor) (telltale_monitor_interval_seconds)", "{{monitor}}"),
            width=6,
        ),
        lines(
            "Duration of runs",
            About(
                "CPU time of each monitor's last run.",
                "near its interval: lower monitor.max_rows or lengthen monitor.interval.",
            ),
            Look("s"),
            Query("max by (monitor) (telltale_monitor_duration_seconds)", "{{monitor}}"),
            width=6,
        ),
        lines(
            "False alarms on unchanged traffic",
            About(
                "Share of parts of references that a monitor takes for changed, and what it is allowed.",
                "above what is allowed: that monitor's alarms mean less than they say; `telltale monitor calibrate`.",
            ),
            Look("percentunit", decimals=2),
            Query("max by (monitor) (telltale_monitor_null_alarm_ratio)", "{{monitor}}"),
            Query("max by (monitor) (telltale_monitor_alpha)", "{{monitor}}, allowed"),
            width=6,
        ),
        lines(
            "Rows without a series of their own",
            About(
                "Rows per second whose tenant or attributes are judged only together with others, as `other`, because"
                " there are too many of them.",
                "raise `most` of that entry of monitor.series or monitor.max_series, or split by fewer attributes.",
            ),
            Look("cps", decimals=2),
            Query("sum by (model) (rate(telltale_monitor_rows_without_series_total[$__rate_interval]))", "{{model}}"),
            width=6,
        ),
    ]


def _tickets() -> list[Json]:
    return [
        lines(
            "Notifications received",
            About(
                "Notifications from Alertmanager per second, by what became of them.",
                "unavailable: the store; others refused: Alertmanager's configuration.",
            ),
            Look("cps"),
            Query("sum by (outcome) (rate(telltale_webhook_notifications_total[$__rate_interval]))", "{{outcome}}"),
            width=8,
        ),
        lines(
            "Alerts that were cut or left out",
            About(
                "Alerts in the last hour of which a field was cut, or that were left out because of one.",
                "left out: the log of `telltale tickets` names alert and field; mend the rule that sends them.",
            ),
            Look("none", decimals=0),
            Query("sum by (reason) (increase(telltale_alerts_refused_total[1h]))", "left out: {{reason}}"),
            Query("sum by (field) (increase(telltale_alerts_cut_total[1h]))", "cut: {{field}}"),
            width=8,
        ),
        lines(
            "Tickets",
            About("Tickets by lane and state.", "open ones grow: decide on them on Telltale's pages."),
            Look("none", decimals=0),
            Query('sum by (lane, state) (telltale_tickets{state!="closed"})', "{{lane}} {{state}}"),
            width=8,
        ),
    ]
