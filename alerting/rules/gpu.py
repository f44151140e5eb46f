"""GPUs that are gone, that report errors after which NVIDIA asks for a reset, or that the driver wants recovered."""

from __future__ import annotations

from alerting.rules.rule import Rule, selector
from telltale.settings import Settings

# NVIDIA's XID catalogue (docs.nvidia.com/deploy/xid-errors), immediate action: reset the GPU, restart the machine,
# or follow the NVLink or XID 48 workflow. Application errors (13, 31, 43 …) and repair events (63, 92) are not here.
FATAL_XIDS = (
    *(46, 48, 62, 64, 74, 79, 95, 109, 110, 119, 120, 136, 140, 143),
    *(144, 145, 146, 147, 148, 149, 150, 155, 156, 158),
)


def rules(settings: Settings) -> tuple[Rule, ...]:
    """Rules on the GPU exporter's native metrics."""
    codes = "|".join(map(str, FATAL_XIDS))
    return (
        Rule(
            name="GpuXidFatal",
            severity="page",
            lane="ops",
            component="gpu",
            expr=f'sum by (instance, gpu, uuid, xid) (increase(gpu_xid_errors_total{{xid=~"{codes}"}}[15m])) > 0',
            keep_s=900.0,
            summary="GPU {{ $labels.gpu }} of {{ $labels.instance }}: XID {{ $labels.xid }}",
            description=(
                "The driver reported XID {{ $labels.xid }} on GPU {{ $labels.gpu }} ({{ $labels.uuid }}), "
                "after which NVIDIA asks for a reset, a reboot or the NVLink workflow. Work on it is lost or at risk."
            ),
            signal=selector("gpu_xid_errors_total", "instance", "uuid", "xid"),
        ),
        Rule(
            name="GpuLost",
            severity="page",
            lane="ops",
            component="gpu",
            expr="max by (instance, gpu, uuid) (telltale_gpu_up) == 0",
            hold_s=120.0,
            keep_s=600.0,
            summary="GPU {{ $labels.gpu }} of {{ $labels.instance }} cannot be read",
            description=(
                "The exporter answers, but GPU {{ $labels.gpu }} ({{ $labels.uuid }}) does not: it fell off the bus, "
                "hangs in the driver, or was taken out."
            ),
            signal=selector("telltale_gpu_up", "instance", "uuid"),
        ),
        Rule(
            name="GpuRecoveryNeeded",
            severity="ticket",
            lane="ops",
            component="gpu",
            expr="max by (instance, gpu, uuid) (gpu_recovery_action) > 0",
            hold_s=120.0,
            keep_s=600.0,
            summary="GPU {{ $labels.gpu }} of {{ $labels.instance }} waits for a reset, a reboot or a drain",
            description=(
                "The driver asks for recovery action {{ $value }} of GPU {{ $labels.gpu }} ({{ $labels.uuid }}): "
                "1 reset it, 2 reboot the node, 3 drain its NVLink peers, 4 drain and reset it."
            ),
            signal=selector("gpu_recovery_action", "instance", "uuid"),
        ),
        Rule(
            name="GpuMemoryRepairFailed",
            severity="ticket",
            lane="ops",
            component="gpu",
            expr="max by (instance, gpu, uuid) (gpu_row_remap_failed) == 1",
            keep_s=600.0,
            summary="Memory of GPU {{ $labels.gpu }} of {{ $labels.instance }} cannot be repaired",
            description=(
                "A bad memory row of GPU {{ $labels.gpu }} ({{ $labels.uuid }}) could not be remapped: its errors will "
                "come again. The GPU has to be replaced."
            ),
            signal=selector("gpu_row_remap_failed", "instance", "uuid"),
        ),
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
