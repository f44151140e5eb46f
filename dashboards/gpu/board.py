"""For the owners of the machines: load, memory, power, health and ownership of each GPU."""

from __future__ import annotations

from dashboards import style
from dashboards.gpu.exporter import exporter
from dashboards.gpu.health import health, memory_detail
from dashboards.gpu.inside import inside
from dashboards.gpu.inventory import inventory, mig
from dashboards.gpu.links import links
from dashboards.gpu.owners import owners
from dashboards.gpu.select import NAMED, ON, WHOLE
from dashboards.page import Row, Variable, dashboard
from dashboards.panels import About, Look, lines, stat
from dashboards.query import Query, share
from dashboards.style import Json

UID = "telltale-gpu"
NODE = Variable("instance", "Node", "telltale_gpu_up", "instance")
GPU = Variable("gpu", "GPU", "telltale_gpu_up", "gpu")
OWNER = Variable("tenant", "Tenant", "gpu_owner_info", "tenant", matches_absent=True)

HEALTH = {"0": ("healthy", style.GOOD), "10": ("warning", style.WARN), "20": ("failed", style.BAD)}
HOT_C = 85


def build(pages_url: str) -> Json:
    """The dashboard."""
    return dashboard(
        UID,
        "Telltale: GPUs",
        "Load, memory, power, health and ownership of each GPU, as Telltale's own exporter reads them.",
        (NODE, GPU, OWNER),
        (
            Row("", _headlines()),
            Row("Load", _load()),
            Row("Power and heat", _power()),
            Row("Who uses them", owners()),
            Row("Health", health()),
            Row("Memory errors and repair, in detail", memory_detail(), collapsed=True),
            Row("Inside the GPUs: bandwidth, pipes, clocks, engines", inside(), collapsed=True),
            Row("Links to host and peers", links(), collapsed=True),
            Row("MIG instances", mig(), collapsed=True),
            Row("What each GPU is", inventory(), collapsed=True),
            Row("The exporter itself", exporter(), collapsed=True),
        ),
        pages_url,
    )


def _headlines() -> list[Json]:
    return [
        stat(
            "Readable",
            About("GPUs whose last reading succeeded and is fresh.", "fewer than expected: GpuLost."),
            Look("none"),
            Query(f"sum(telltale_gpu_up{ON})"),
        ),
        stat(
            "Not readable",
            About("GPUs that are known and cannot be read.", "follow the runbook of GpuLost."),
            Look("none", style.any_is_bad()),
            Query(f"count(telltale_gpu_up{ON} == 0) or 0 * count(telltale_gpu_up{ON})"),
        ),
        stat(
            "Simulated",
            About(
                "GPUs that are made up to try Telltale without one; their numbers measure nothing.",
                "on a real node set gpu.simulate to 0.",
            ),
            Look("none", style.thresholds((None, style.GOOD), (1, style.WARN))),
            Query(
                'count(gpu_info{instance=~"$instance",gpu=~"$gpu",simulated="true"})\n  or 0 * count(telltale_gpu_up)'
            ),
        ),
        stat(
            "Busy",
            About("Mean share of time in which a kernel ran.", "low while calls queue: look at the servers."),
            Look("percentunit", high=1, decimals=0),
            Query(f"avg(gpu_utilization_ratio{ON})"),
        ),
        stat(
            "Memory",
            About(
                "Memory in use on all GPUs, as a share of what there is.",
                "near 100 % is usual for vLLM, which takes what it is given.",
            ),
            Look("percentunit", high=1, decimals=0),
            Query(share(f"sum(gpu_memory_used_bytes{WHOLE})", f"sum(gpu_memory_total_bytes{WHOLE})")),
        ),
        stat(
            "Power",
            About("Power drawn by all GPUs.", "compare with what the rack may draw."),
            Look("watt", decimals=0),
            Query(f"sum(gpu_power_watts{ON})"),
        ),
        stat(
            "Throttled",
            About(
                "GPUs whose clocks are throttled by heat or by a hardware limit.",
                "check cooling and power supply; see the reasons below.",
            ),
            Look("none", style.thresholds((None, style.GOOD), (1, style.WARN))),
            Query(
                'count(max by (instance, gpu) (gpu_throttle_active{instance=~"$instance",gpu=~"$gpu",'
                'reason=~".*(thermal|hw|brake).*"}) == 1)\n  or 0 * count(telltale_gpu_up)'
            ),
        ),
        stat(
            "Worst health",
            About(
                "The worst health among the GPUs, by remapped rows, recovery action, ECC errors, XIDs.",
                "warning: drain when convenient; failed: drain now and see Health below.",
            ),
            Look("none", style.plain(), style.values(HEALTH), none="not reported"),
            Query(f"max(gpu_health_status{ON})"),
        ),
    ]


def _load() -> list[Json]:
    share_of = Look("percentunit", high=1)
    return [
        lines(
            "Busy",
            About(
                "Share of time in which a kernel ran: how often, not how hard the GPU works.",
                "low on one of several replicas: requests are not spread evenly.",
            ),
            share_of,
            Query(f"rate(gpu_busy_seconds_total{ON}[$__rate_interval])", NAMED),
            width=8,
            height=9,
        ),
        lines(
            "Multiprocessors and tensor cores",
            About(
                "Share of cycles in which multiprocessors had work and, dashed, tensor cores computed; from Hopper on.",
                "high busy with low tensor use: small batches; raise concurrency.",
            ),
            Look("percentunit", high=1, overrides=[style.twin("/tensor$/")]),
            Query(f"avg by (instance, gpu) (gpu_sm_active_ratio{ON})", NAMED),
            Query(f"avg by (instance, gpu) (gpu_tensor_active_ratio{ON})", f"{NAMED} tensor"),
            width=8,
            height=9,
        ),
        lines(
            "Memory used",
            About(
                "Memory in use, without what the driver reserves.",
                "a steady climb of one process: a leak; it ends in XID 31 or a killed server.",
            ),
            Look("bytes"),
            Query(f"gpu_memory_used_bytes{ON}", f"{NAMED} {{{{mig}}}}"),
            width=8,
            height=9,
        ),
    ]


def _power() -> list[Json]:
    limit = 'max by (instance, gpu) (gpu_power_limit_watts{instance=~"$instance",gpu=~"$gpu",limit="enforced"})'
    return [
        lines(
            "Power",
            About(
                "Power drawn, as a share of the limit in force.",
                "at 100 % the limit slows the GPU: expected under full load.",
            ),
            Look("percentunit", style.limit(1)),
            Query(f"max by (instance, gpu) (gpu_power_watts{ON}) / {limit}", NAMED),
            width=8,
            height=9,
        ),
        lines(
            "Temperature",
            About(
                "Temperature of the die and, dashed, of the memory where it is measured.",
                f"above {HOT_C} °C clocks fall: check fans and air flow.",
            ),
            Look("celsius", style.limit(HOT_C), low=None, overrides=[style.twin("/memory$/")]),
            Query(f"gpu_temperature_celsius{ON}", NAMED),
            Query(f"gpu_memory_temperature_celsius{ON}", f"{NAMED} memory"),
            width=8,
            height=9,
        ),
        lines(
            "Clocks throttled",
            About(
                "Share of time in which the clocks were throttled, by reason, over all chosen GPUs.",
                "thermal or brake: cooling or power supply; idle reasons are harmless.",
            ),
            Look("percentunit"),
            Query(
                'avg by (reason) (rate(gpu_throttle_seconds_total{instance=~"$instance",gpu=~"$gpu",'
                'reason!~".*idle.*"}[$__rate_interval]))',
                "{{reason}}",
            ),
            width=8,
            height=9,
        ),
    ]
