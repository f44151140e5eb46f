"""GPUs that are gone, that report errors after which NVIDIA asks for a reset, or that are slowed down."""

from __future__ import annotations

from alerting.rules.rule import Record, Rule, selector
from telltale.settings import Settings

# NVIDIA's XID catalogue (docs.nvidia.com/deploy/xid-errors), immediate action: reset the GPU, restart the machine,
# or follow the NVLink or XID 48 workflow. Application errors (13, 31, 43 …) and repair events (63, 92) are not here.
FATAL_XIDS = (
    *(46, 48, 62, 64, 74, 79, 95, 109, 110, 119, 120, 136, 140, 143),
    *(144, 145, 146, 147, 148, 149, 150, 155, 156, 158),
)
FATAL = "|".join(map(str, FATAL_XIDS))
BY = "by (instance, gpu, uuid)"
THROTTLED_SHARE = 0.1
# NVIDIA's data centre cards slow down between 87 and 95 °C, their HBM between 95 and 105 °C.
HOT_CELSIUS, HOT_MEMORY_CELSIUS = 88, 98
CRC_BURST = 100
# The most GPUs that a machine ever showed. It keeps itself, so that it survives a restart of exporter and machine, and
# is forgotten with the machine after a day: a window of the past would call a lost card recovered once it has passed.
_MOST = "instance:telltale_gpu_devices:most"
RECORDS = (
    Record(
        _MOST,
        "max by (instance) (\n"
        f'  telltale_gpu_devices{{kind="seen"}} or last_over_time({_MOST}[6h])\n'
        ")\n"
        'and on (instance) last_over_time(telltale_gpu_devices{kind="seen"}[1d])',
    ),
)
_GPU = "GPU {{ $labels.gpu }} of {{ $labels.instance }}"
_UUID = "GPU {{ $labels.gpu }} ({{ $labels.uuid }})"


def rules(settings: Settings) -> tuple[Rule, ...]:
    """Rules on the GPU exporter's native metrics."""
    return (*_events(), *_gone(), *_repairs(), *_slowed(), *_exporter())


def _events() -> tuple[Rule, ...]:
    return (
        Rule(
            name="GpuXidFatal",
            severity="page",
            lane="ops",
            component="gpu",
            expr=f'sum by (instance, gpu, uuid, xid) (increase(gpu_xid_errors_total{{xid=~"{FATAL}"}}[15m])) > 0',
            keep_s=900.0,
            summary="GPU {{ $labels.gpu }} of {{ $labels.instance }}: XID {{ $labels.xid }}",
            description=(
                "The driver reported XID {{ $labels.xid }} on " + _UUID + ", "
                "after which NVIDIA asks for a reset, a reboot or the NVLink workflow. Work on it is lost or at risk."
            ),
            signal=selector("gpu_xid_errors_total", "instance", "uuid", "xid"),
        ),
        Rule(
            name="GpuXidContained",
            severity="ticket",
            lane="ops",
            component="gpu",
            expr=f'sum {BY} (increase(gpu_xid_errors_total{{xid="94"}}[15m])) > 0',
            keep_s=900.0,
            summary=_GPU + ": a memory error was contained",
            description=(
                "XID 94 on " + _UUID + ": an uncorrectable memory error ended the process that had read it, and no "
                "other. The GPU works on; a repair waits for its next reset."
            ),
            signal=selector("gpu_xid_errors_total", "instance", "uuid", xid="94"),
        ),
        Rule(
            name="GpuEccUncorrectable",
            severity="page",
            lane="ops",
            component="gpu",
            # A count that is there at the first reading has not increased, but is news.
            expr=(
                f'sum {BY} (increase(gpu_ecc_errors_total{{severity="uncorrected",since="load"}}[15m])) > 0\n'
                f'or sum {BY} (gpu_ecc_errors_total{{severity="uncorrected",since="load"}}) > 0\n'
                f"unless max {BY} (\n"
                '  last_over_time(gpu_ecc_errors_total{severity="uncorrected",since="load"}[1d] offset 15m)\n'
                ")"
            ),
            keep_s=900.0,
            summary=_GPU + " has uncorrectable memory errors",
            description=(
                "{{ $value | humanize }} uncorrectable ECC errors on " + _UUID + " in 15 minutes, or before it was "
                "first read: what was computed from this memory may be wrong."
            ),
            signal=selector("gpu_ecc_errors_total", "instance", "uuid", severity="uncorrected", since="load"),
        ),
        Rule(
            name="GpuNvlinkErrors",
            severity="ticket",
            lane="ops",
            component="gpu",
            # Single CRC errors are retried and cost nothing; each recovery stops the link for a moment.
            expr=(
                f'sum {BY} (increase(gpu_nvlink_errors_total{{kind="recovery"}}[10m])) > 0\n'
                f'or sum {BY} (increase(gpu_nvlink_errors_total{{kind=~"crc_flit|crc_data"}}[10m])) > {CRC_BURST}'
            ),
            keep_s=900.0,
            summary=_GPU + ": NVLink errors",
            description=(
                "{{ $value | humanize }} NVLink recoveries or CRC errors on " + _UUID + " in 10 minutes: servers that "
                "use several GPUs become slow or fail."
            ),
            signal=selector("gpu_nvlink_errors_total", "instance", "uuid"),
        ),
    )


def _gone() -> tuple[Rule, ...]:
    return (
        Rule(
            name="GpuLost",
            severity="page",
            lane="ops",
            component="gpu",
            expr=f"max {BY} (telltale_gpu_up) == 0",
            hold_s=120.0,
            keep_s=600.0,
            summary=_GPU + " cannot be read",
            description=(
                "The exporter answers, but " + _UUID + " does not: it fell off the bus, "
                "hangs in the driver, or was taken out."
            ),
            signal=selector("telltale_gpu_up", "instance", "uuid"),
        ),
        Rule(
            name="GpuMissing",
            severity="ticket",
            lane="ops",
            component="gpu",
            expr=f'max by (instance) (telltale_gpu_devices{{kind="seen"}}) < {_MOST}',
            hold_s=300.0,
            keep_s=600.0,
            summary="{{ $labels.instance }} shows {{ $value }} GPUs, fewer than it had",
            description=(
                "The driver of {{ $labels.instance }} shows fewer GPUs than it once did, perhaps since a restart: a "
                "card fell off the bus, was cut into MIG instances, or was taken out."
            ),
            signal=selector("telltale_gpu_devices", "instance", kind="seen"),
        ),
        Rule(
            name="GpuRecoveryNeeded",
            severity="ticket",
            lane="ops",
            component="gpu",
            expr=f"max {BY} (gpu_recovery_action) > 0",
            hold_s=120.0,
            keep_s=600.0,
            summary=_GPU + " waits for a reset, a reboot or a drain",
            description=(
                "The driver asks for recovery action {{ $value }} of " + _UUID + ": "
                "1 reset it, 2 reboot the node, 3 drain its NVLink peers, 4 drain and reset it."
            ),
            signal=selector("gpu_recovery_action", "instance", "uuid"),
        ),
    )


def _repairs() -> tuple[Rule, ...]:
    return (
        Rule(
            name="GpuMemoryRepairFailed",
            severity="ticket",
            lane="ops",
            component="gpu",
            expr=f"max {BY} (gpu_row_remap_failed) == 1",
            keep_s=600.0,
            summary="Memory of GPU {{ $labels.gpu }} of {{ $labels.instance }} cannot be repaired",
            description=(
                "A bad memory row of " + _UUID + " could not be remapped: its errors will "
                "come again. The GPU has to be replaced."
            ),
            signal=selector("gpu_row_remap_failed", "instance", "uuid"),
        ),
        Rule(
            name="GpuMemoryRepairPending",
            severity="ticket",
            lane="ops",
            component="gpu",
            expr=f"max {BY} (gpu_row_remap_pending) == 1",
            hold_s=300.0,
            keep_s=600.0,
            summary="Memory of GPU {{ $labels.gpu }} of {{ $labels.instance }} waits for a reset to be repaired",
            description=(
                "A bad memory row of " + _UUID + " is to be remapped, which happens at the GPU's next reset. Until "
                "then the row stays in use or its page is kept free, and further errors may end processes."
            ),
            signal=selector("gpu_row_remap_pending", "instance", "uuid"),
        ),
    )


def _slowed() -> tuple[Rule, ...]:
    return (
        _throttled(
            "GpuThermalThrottle",
            "hw_thermal_slowdown",
            " is slowed down by its heat",
            "Its hardware halves the clocks or worse to cool down: fans, airflow or inlet temperature.",
        ),
        _throttled(
            "GpuPowerBrake",
            "hw_power_brake_slowdown",
            " is slowed down by the power brake",
            "The machine's power supply asserts the power brake: a supply failed, or the rack's budget is used up.",
        ),
        Rule(
            name="GpuTemperatureHigh",
            severity="ticket",
            lane="ops",
            component="gpu",
            expr=(
                f"max {BY} (gpu_temperature_celsius) > {HOT_CELSIUS}\n"
                f"or max {BY} (gpu_memory_temperature_celsius) > {HOT_MEMORY_CELSIUS}"
            ),
            hold_s=600.0,
            keep_s=300.0,
            summary=_GPU + " is at {{ $value }} °C",
            description=(
                _UUID + f" has been above {HOT_CELSIUS} °C, or its memory above {HOT_MEMORY_CELSIUS} °C, for 10 "
                "minutes: soon its clocks are lowered, and responses become slower."
            ),
            signal=selector("gpu_temperature_celsius", "instance", "uuid"),
        ),
    )


def _throttled(name: str, reason: str, what: str, why: str) -> Rule:
    # Of the counter, because a reading of the reason at this moment comes and goes.
    return Rule(
        name=name,
        severity="ticket",
        lane="ops",
        component="gpu",
        expr=f'max {BY} (rate(gpu_throttle_seconds_total{{reason="{reason}"}}[5m])) > {THROTTLED_SHARE}',
        hold_s=300.0,
        keep_s=300.0,
        summary=_GPU + what,
        description="{{ $value | humanizePercentage }} of the last 5 minutes " + _UUID + what + ". " + why,
        signal=selector("gpu_throttle_seconds_total", "instance", "uuid", reason=reason),
    )


def _exporter() -> tuple[Rule, ...]:
    return (
        Rule(
            name="GpuExporterDown",
            severity="ticket",
            lane="ops",
            component="gpu",
            expr='up{job="telltale-gpu"} == 0',
            hold_s=180.0,
            keep_s=300.0,
            summary="The GPU exporter at {{ $labels.instance }} does not answer",
            description="Prometheus gets no metrics of this machine's GPUs: losses and errors there go unseen.",
            signal=selector("up", "instance", job="telltale-gpu"),
        ),
    )
