"""GPUs as NVIDIA's own exporter shows them (job `dcgm`), for clusters that run it instead of ours.

Its default counters leave out half of these series: `dcgm-counters.csv` beside this module has all that are read here,
`dcgm-exporter -f dcgm-counters.csv`. A rule whose series are not there cannot fire.
"""

from __future__ import annotations

from alerting.rules.gpu import CRC_BURST, FATAL, HOT_CELSIUS, HOT_MEMORY_CELSIUS
from alerting.rules.rule import Record, Rule, selector
from telltale.settings import Settings

BY = "by (instance, gpu, UUID)"
# dcgm_fields.h, DCGM_CLOCKS_EVENT_REASON_*: bits of one number, whose lowest says only that the GPU is idle.
HW_THERMAL, POWER_BRAKE = 64, 128
# Until DCGM 3.3 the field was called after throttling.
_REASONS = "DCGM_FI_DEV_CLOCKS_EVENT_REASONS or DCGM_FI_DEV_CLOCK_THROTTLE_REASONS"
_MOST = "Hostname:dcgm_gpus:most"
_NOW = "count by (Hostname) (group by (Hostname, UUID) (DCGM_FI_DEV_GPU_TEMP))"
_LAST_XID = "gpu:dcgm_xid:last"
RECORDS = (
    # The number becomes a label, which one pattern can be held against.
    Record(_LAST_XID, 'count_values by (instance, gpu, UUID) ("xid", DCGM_FI_DEV_XID_ERRORS > 0)'),
    # The most GPUs that a machine ever showed, forgotten with the machine after a day. A pod's address changes.
    Record(
        _MOST,
        "max by (Hostname) (\n"
        f'  label_replace({_NOW}, "now", "1", "Hostname", ".*") or last_over_time({_MOST}[6h])\n'
        ")\n"
        "and on (Hostname) last_over_time(DCGM_FI_DEV_GPU_TEMP[1d])",
    ),
)
_GPU = "GPU {{ $labels.gpu }} of {{ $labels.instance }}"
_UUID = "GPU {{ $labels.gpu }} ({{ $labels.UUID }})"


def rules(settings: Settings) -> tuple[Rule, ...]:
    """Rules on dcgm-exporter's series."""
    return (*_events(), *_gone(), *_memory(), *_slowed(), *_exporter())


def _events() -> tuple[Rule, ...]:
    return (
        Rule(
            name="DcgmXidFatal",
            severity="page",
            lane="ops",
            component="gpu",
            # A count over the exporter's own window, five minutes, where it is switched on: a code's series begins with
            # its first event. The gauge that everybody has keeps its last value, so only its change is news.
            expr=(
                f'max by (instance, gpu, UUID, xid) (DCGM_EXP_XID_ERRORS_COUNT{{xid=~"{FATAL}"}}) > 0\n'
                f'or {_LAST_XID}{{xid=~"{FATAL}"}}\n'
                f"and on (instance, gpu, UUID) max {BY} (changes(DCGM_FI_DEV_XID_ERRORS[15m])) > 0"
            ),
            keep_s=900.0,
            summary=_GPU + ": XID {{ $labels.xid }}",
            description=(
                "The driver reported XID {{ $labels.xid }} on " + _UUID + ", after which NVIDIA asks for a reset, a "
                "reboot or the NVLink workflow. Work on it is lost or at risk."
            ),
            signal=selector("DCGM_FI_DEV_XID_ERRORS", "instance", "UUID"),
        ),
        Rule(
            name="DcgmNvlinkErrors",
            severity="ticket",
            lane="ops",
            component="gpu",
            expr=(
                f"sum {BY} (increase(DCGM_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL[10m])) > 0\n"
                f"or sum {BY} (increase(DCGM_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL[10m])) > {CRC_BURST}"
            ),
            keep_s=900.0,
            summary=_GPU + ": NVLink errors",
            description=(
                "{{ $value | humanize }} NVLink recoveries or CRC errors on " + _UUID + " in 10 minutes: servers that "
                "use several GPUs become slow or fail."
            ),
            signal=selector("DCGM_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL", "instance", "UUID"),
        ),
    )


def _gone() -> tuple[Rule, ...]:
    return (
        Rule(
            name="DcgmGpuMissing",
            severity="page",
            lane="ops",
            component="gpu",
            expr=f"{_NOW} < {_MOST}",
            hold_s=300.0,
            keep_s=600.0,
            summary="{{ $labels.Hostname }} shows {{ $value }} GPUs, fewer than it had",
            description=(
                "NVIDIA's exporter on {{ $labels.Hostname }} shows fewer GPUs than it once did: a card fell off the "
                "bus, the driver hangs on it, or it was taken out."
            ),
            signal=selector("DCGM_FI_DEV_GPU_TEMP", "Hostname"),
        ),
    )


def _memory() -> tuple[Rule, ...]:
    return (
        Rule(
            name="DcgmEccUncorrectable",
            severity="page",
            lane="ops",
            component="gpu",
            # A count that is there at the first reading has not increased, but is news.
            expr=(
                f"sum {BY} (increase(DCGM_FI_DEV_ECC_DBE_VOL_TOTAL[15m])) > 0\n"
                f"or sum {BY} (DCGM_FI_DEV_ECC_DBE_VOL_TOTAL) > 0\n"
                f"unless max {BY} (last_over_time(DCGM_FI_DEV_ECC_DBE_VOL_TOTAL[1d] offset 15m))"
            ),
            keep_s=900.0,
            summary=_GPU + " has uncorrectable memory errors",
            description=(
                "{{ $value | humanize }} double-bit ECC errors on " + _UUID + " in 15 minutes, or before it was first "
                "read: what was computed from this memory may be wrong."
            ),
            signal=selector("DCGM_FI_DEV_ECC_DBE_VOL_TOTAL", "instance", "UUID"),
        ),
        Rule(
            name="DcgmMemoryRepairFailed",
            severity="ticket",
            lane="ops",
            component="gpu",
            expr=f"max {BY} (DCGM_FI_DEV_ROW_REMAP_FAILURE) == 1",
            keep_s=600.0,
            summary="Memory of GPU {{ $labels.gpu }} of {{ $labels.instance }} cannot be repaired",
            description=(
                "A bad memory row of " + _UUID + " could not be remapped: its errors will come again. The GPU has to "
                "be replaced."
            ),
            signal=selector("DCGM_FI_DEV_ROW_REMAP_FAILURE", "instance", "UUID"),
        ),
        Rule(
            name="DcgmMemoryRepairPending",
            severity="ticket",
            lane="ops",
            component="gpu",
            expr=f"max {BY} (DCGM_FI_DEV_ROW_REMAP_PENDING) == 1",
            hold_s=300.0,
            keep_s=600.0,
            summary="Memory of GPU {{ $labels.gpu }} of {{ $labels.instance }} waits for a reset to be repaired",
            description=(
                "A bad memory row of " + _UUID + " is to be remapped, which happens at the GPU's next reset. Until "
                "then further errors may end processes."
            ),
            signal=selector("DCGM_FI_DEV_ROW_REMAP_PENDING", "instance", "UUID"),
        ),
    )


def _slowed() -> tuple[Rule, ...]:
    return (
        _throttled(
            "DcgmThermalThrottle",
            HW_THERMAL,
            " is slowed down by its heat",
            "Its hardware halves the clocks or worse to cool down: fans, airflow or inlet temperature.",
        ),
        _throttled(
            "DcgmPowerBrake",
            POWER_BRAKE,
            " is slowed down by the power brake",
            "The machine's power supply asserts the power brake: a supply failed, or the rack's budget is used up.",
        ),
        Rule(
            name="DcgmTemperatureHigh",
            severity="ticket",
            lane="ops",
            component="gpu",
            expr=(
                f"max {BY} (DCGM_FI_DEV_GPU_TEMP) > {HOT_CELSIUS}\n"
                f"or max {BY} (DCGM_FI_DEV_MEMORY_TEMP) > {HOT_MEMORY_CELSIUS}"
            ),
            hold_s=600.0,
            keep_s=300.0,
            summary=_GPU + " is at {{ $value }} °C",
            description=(
                _UUID + f" has been above {HOT_CELSIUS} °C, or its memory above {HOT_MEMORY_CELSIUS} °C, for 10 "
                "minutes: soon its clocks are lowered, and responses become slower."
            ),
            signal=selector("DCGM_FI_DEV_GPU_TEMP", "instance", "UUID"),
        ),
    )


def _throttled(name: str, bit: int, what: str, why: str) -> Rule:
    return Rule(
        name=name,
        severity="ticket",
        lane="ops",
        component="gpu",
        # PromQL has no bitwise and: what is left of the bit is odd where the bit is set.
        expr=f"floor(max {BY} ({_REASONS}) / {bit}) % 2 == 1",
        hold_s=300.0,
        keep_s=300.0,
        summary=_GPU + what,
        description=_UUID + what + ", for 5 minutes at least. " + why,
        signal=selector("DCGM_FI_DEV_GPU_TEMP", "instance", "UUID"),
    )


def _exporter() -> tuple[Rule, ...]:
    return (
        Rule(
            name="DcgmExporterDown",
            severity="ticket",
            lane="ops",
            component="gpu",
            expr='up{job="dcgm"} == 0',
            hold_s=180.0,
            keep_s=300.0,
            summary="NVIDIA's GPU exporter at {{ $labels.instance }} does not answer",
            description="Prometheus gets no metrics of this machine's GPUs: losses and errors there go unseen.",
            signal=selector("up", "instance", job="dcgm"),
        ),
        Rule(
            name="DcgmExportersMostDown",
            severity="page",
            lane="ops",
            component="gpu",
            # A sum sees that all are down, too; one alone is no majority.
            expr=('sum(up{job="dcgm"}) / count(up{job="dcgm"}) < 0.5\nand count(up{job="dcgm"}) >= 2'),
            hold_s=300.0,
            keep_s=300.0,
            summary="Only {{ $value | humanizePercentage }} of NVIDIA's GPU exporters answer",
            description=(
                "More than half of them went away together, as with a failed roll-out, a driver's upgrade or a "
                "network that is cut: Prometheus is blind for most GPUs."
            ),
            signal=selector("up", job="dcgm"),
        ),
        Rule(
            name="DcgmMetricsFrozen",
            severity="ticket",
            lane="ops",
            component="gpu",
            # Even an idle GPU uses energy, so that a counter that stands still was not read.
            expr=f"max {BY} (changes(DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION[10m])) == 0",
            hold_s=600.0,
            keep_s=300.0,
            summary="Readings of GPU {{ $labels.gpu }} of {{ $labels.instance }} stand still",
            description=(
                "NVIDIA's exporter answers, but the energy counter of " + _UUID + " has not moved for 20 minutes: it "
                "shows old values, and what happens on this GPU goes unseen."
            ),
            signal=selector("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "instance", "UUID"),
        ),
    )
