"""Who uses the GPUs: work, power and memory by owner, and whose processes run where."""

from __future__ import annotations

from dashboards.gpu.select import OWNED
from dashboards.panels import About, Look, bars, lines, table
from dashboards.query import Query
from dashboards.style import Json

OWNERS = "{{tenant}} {{service}}{{pod}}{{container}}"


def owners() -> list[Json]:
    return [
        lines(
            "GPUs kept busy by owner",
            About(
                "GPU-seconds of work per second: how many GPUs the owner keeps busy.",
                "no owner named: map GPUs to owners in gpu.owners, or run on Kubernetes.",
            ),
            Look("short"),
            _owned(f"rate(gpu_owner_busy_seconds_total{OWNED}[$__rate_interval])"),
            width=8,
            stacked=True,
        ),
        lines(
            "Power by owner",
            About(
                "Energy per second of each owner; what no owner used is unnamed.",
                "use it to share the bill for power.",
            ),
            Look("watt"),
            _owned(f"rate(gpu_owner_energy_joules_total{OWNED}[$__rate_interval])"),
            width=8,
            stacked=True,
        ),
        bars(
            "Memory by owner",
            About(
                "GPU memory that the owner's processes use.",
                "memory without work: an idle server keeps a GPU from others.",
            ),
            Look("bytes"),
            _owned(f"gpu_owner_memory_used_bytes{OWNED}"),
            width=8,
        ),
        _places(),
    ]


def _places() -> Json:
    who = "instance, gpu, tenant, service, namespace, pod, container"
    return table(
        "Who is on which GPU",
        About(
            "The owners of each GPU or MIG instance, with pod and container on Kubernetes, and how many processes they"
            " run there.",
            "before a GPU is drained: inform these owners; no processes: a GPU that was given and is not used.",
        ),
        Look("none"),
        {
            "instance": "Node",
            "gpu": "GPU",
            "mig": "MIG instance",
            "tenant": "Tenant",
            "service": "Service",
            "namespace": "Namespace",
            "pod": "Pod",
            "container": "Container",
            "Value #B": "Processes",
        },
        Query(f"max by ({who}, mig) (gpu_owner_info{OWNED})", table=True),
        Query(f"sum by ({who}) (gpu_owner_processes{OWNED})", table=True),
        height=7,
        sort="GPU",
        ascending=True,
    )


def _owned(expr: str) -> Query:
    total = f"sum by (tenant, service, pod, container) ({expr})"
    # Unused shares have empty labels, but a series needs a name.
    return Query(f'label_replace({total}, "tenant", "nobody", "tenant", "")', OWNERS)
