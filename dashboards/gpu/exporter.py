"""The exporter itself: whether it reads the driver, how fast, and which GPUs and calls it skips."""

from __future__ import annotations

from dashboards import style
from dashboards.gpu.select import NODES, ON, WIDTHS
from dashboards.panels import About, Look, lines, states, table
from dashboards.query import Query
from dashboards.style import Json


def exporter() -> list[Json]:
    return [_nodes(), _sources(), _left_alone(), *_readings(), _restarts(), _failures()]


def _nodes() -> Json:
    def of(metric: str, matcher: str = "") -> Query:
        selector = NODES.replace("}", f",{matcher}}}") if matcher else NODES
        return Query(f"max by (instance) ({metric}{selector})", table=True)

    return table(
        "Nodes",
        About(
            "GPUs that the driver shows now and those known from before, and why there are no readings, if so.",
            "seen is less than expected: GpuLost; an error that names the driver: install it or restart the exporter.",
        ),
        Look("none", overrides=[style.by_name("Error", custom__width=420)]),
        {"instance": "Node", "Value #A": "GPUs seen", "Value #B": "GPUs expected", "error": "Error"},
        of("telltale_gpu_devices", 'kind="seen"'),
        of("telltale_gpu_devices", 'kind="expected"'),
        Query(f"max by (instance, error) (telltale_gpu_last_error_info{NODES})", table=True),
        width=12,
        height=7,
        sort="Node",
        ascending=True,
    )


def _sources() -> Json:
    words = style.values({"0": ("down", style.BAD), "1": ("up", style.GOOD)})
    return states(
        "Sampler and sources of owners",
        About(
            "Whether the process that reads the driver works, and whether each source of owners responds.",
            "sampler down: see Nodes; pod_resources: kubelet's socket; processes: give the exporter the host's PIDs.",
        ),
        Look("none", style.thresholds((None, style.BAD), (1, style.GOOD)), words, low=None),
        Query(f"min by (instance) (telltale_gpu_sampler_up{NODES})", "{{instance}} sampler"),
        Query(f"min by (instance, source) (telltale_gpu_owners_up{NODES})", "{{instance}} {{source}}"),
        width=12,
        height=7,
    )


def _left_alone() -> Json:
    def of(metric: str, what: str) -> str:
        return f'label_replace(max by (instance, gpu, call) ({metric}{ON}), "what", "{what}", "", "")'

    return table(
        "Driver calls that hang or are slow",
        About(
            "Calls in which a GPU hung, for which it is left alone, and calls that take over 2 ms and are made less"
            " often.",
            "hangs: drain the node and reset the GPU.",
        ),
        Look("none", overrides=[*WIDTHS, style.by_name("What", custom__width=80)]),
        {"instance": "Node", "gpu": "GPU", "what": "What", "call": "Call"},
        Query(
            f"{of('telltale_gpu_quarantined', 'hangs')}\n  or {of('telltale_gpu_slow_call', 'slow')}",
            table=True,
        ),
        width=12,
        height=7,
    )


def _readings() -> list[Json]:
    return [
        lines(
            "Age of readings",
            About(
                "How old the numbers were when they were scraped, and how long one reading takes.",
                "grows: the driver hangs; see the state of each GPU.",
            ),
            Look("s"),
            Query(f"telltale_gpu_sample_age_seconds{NODES}", "{{instance}} age"),
            Query(f"telltale_gpu_sample_duration_seconds{NODES}", "{{instance}} reading"),
            width=12,
            height=7,
        ),
        lines(
            "Readings and scrapes",
            About(
                "Readings of all GPUs and scrapes of each page, per second.",
                "readings rarer than gpu.interval asks: the driver is slow; nobody scrapes /metrics/dcgm: its users are"
                " gone.",
            ),
            Look("cps", decimals=2),
            Query(f"rate(telltale_gpu_samples_total{NODES}[$__rate_interval])", "{{instance}} readings"),
            Query(
                f"sum by (instance, path) (rate(telltale_gpu_scrapes_total{NODES}[$__rate_interval]))",
                "{{instance}} scrapes of {{path}}",
            ),
            width=8,
            height=7,
        ),
    ]


def _restarts() -> Json:
    return lines(
        "Restarts of the sampler",
        About(
            "Starts after the first, by reason, and samplers that were killed and do not end.",
            "hung: see the state of each GPU; samplers that do not end: only a reboot frees the driver.",
        ),
        Look("none", decimals=0),
        Query(
            f"sum by (instance, reason) (increase(telltale_gpu_sampler_restarts_total{NODES}[$__rate_interval])) > 0",
            "{{instance}} {{reason}}",
        ),
        Query(f"telltale_gpu_abandoned_processes{NODES} > 0", "{{instance}} do not end"),
        width=8,
        height=7,
    )


def _failures() -> Json:
    return lines(
        "Driver calls that failed",
        About("Failed calls per second, by reason.", "not_supported is harmless; others: see the exporter's log."),
        Look("cps"),
        Query(
            f"sum by (call, reason) (rate(telltale_gpu_errors_total{ON}[$__rate_interval]))",
            "{{call}}: {{reason}}",
        ),
        width=8,
        height=7,
    )
