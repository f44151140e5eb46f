"""The same values under the names, labels and units of NVIDIA's dcgm-exporter, so that its dashboards work unchanged.

Names as in its default-counters.csv. Where DCGM shows a rate or a window as a counter, the type here is what the value
is. Between two OWNER_MARKs stands the GPU's index or MIG uuid: the parent puts the pod's labels there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from exporters.gpu.nvml.identity import Identity
from exporters.gpu.series import Entity, Key, Values, label

OWNER_MARK = "\x01"
MIB, MICRO = 1 / (1 << 20), 1e-6


class Name(NamedTuple):
    """`keep`: the key's own labels are written too. `otherwise`: read where `key` is absent."""

    name: str
    kind: str
    key: Key
    scale: float = 1
    keep: bool = False
    otherwise: Key | None = None


def _simple(name: str, kind: str, family: str, scale: float = 1, /, **labels: str) -> Name:
    return Name(f"DCGM_FI_{name}", kind, (family, "".join(label(k, v) for k, v in labels.items())), scale)


def _ecc(name: str, severity: str, since: str) -> Name:
    return _simple(f"DEV_ECC_{name}_TOTAL", "counter", "gpu_ecc_errors_total", severity=severity, since=since)


NAMES = (
    _simple("DEV_SM_CLOCK", "gauge", "gpu_clock_hertz", MICRO, clock="sm"),
    _simple("DEV_MEM_CLOCK", "gauge", "gpu_clock_hertz", MICRO, clock="memory"),
    _simple("DEV_MEMORY_TEMP", "gauge", "gpu_memory_temperature_celsius"),
    _simple("DEV_GPU_TEMP", "gauge", "gpu_temperature_celsius"),
    _simple("DEV_POWER_USAGE", "gauge", "gpu_power_watts"),
    _simple("DEV_POWER_MGMT_LIMIT", "gauge", "gpu_power_limit_watts", limit="current"),
    _simple("DEV_ENFORCED_POWER_LIMIT", "gauge", "gpu_power_limit_watts", limit="enforced"),
    _simple("DEV_TOTAL_ENERGY_CONSUMPTION", "counter", "gpu_energy_joules_total", 1000),
    _simple("DEV_PCIE_REPLAY_COUNTER", "counter", "gpu_pcie_replays_total"),
    _simple("DEV_GPU_UTIL", "gauge", "gpu_utilization_ratio", 100),
    _simple("DEV_MEM_COPY_UTIL", "gauge", "gpu_memory_copy_utilization_ratio", 100),
    _simple("DEV_ENC_UTIL", "gauge", "gpu_encoder_utilization_ratio", 100),
    _simple("DEV_DEC_UTIL", "gauge", "gpu_decoder_utilization_ratio", 100),
    _simple("DEV_XID_ERRORS", "gauge", "_last_xid"),
    Name("DCGM_EXP_XID_ERRORS_COUNT", "counter", ("gpu_xid_errors_total", ""), keep=True),
    *(
        _simple(f"DEV_{name}_VIOLATION", "counter", "gpu_violation_seconds_total", 1e9, policy=policy)
        for name, policy in (
            *(("POWER", "power"), ("THERMAL", "thermal"), ("SYNC_BOOST", "sync_boost")),
            *(("BOARD_LIMIT", "board_limit"), ("LOW_UTIL", "low_utilization"), ("RELIABILITY", "reliability")),
        )
    ),
    _simple("DEV_CLOCKS_EVENT_REASONS", "gauge", "_clocks_event_reasons"),
    Name("DCGM_EXP_CLOCK_EVENTS_COUNT", "counter", ("_throttle_events", ""), keep=True),
    Name("DCGM_EXP_GPU_HEALTH_STATUS", "gauge", ("gpu_health_status", "")),
    Name("DCGM_EXP_P2P_STATUS", "gauge", ("gpu_p2p_status", ""), keep=True),
    _simple("DEV_FB_FREE", "gauge", "gpu_memory_free_bytes", MIB),
    _simple("DEV_FB_USED", "gauge", "gpu_memory_used_bytes", MIB),
    _simple("DEV_FB_RESERVED", "gauge", "gpu_memory_reserved_bytes", MIB),
    _simple("DEV_FB_TOTAL", "gauge", "gpu_memory_total_bytes", MIB),
    _ecc("SBE_VOL", "corrected", "load"),
    _ecc("DBE_VOL", "uncorrected", "load"),
    _ecc("SBE_AGG", "corrected", "life"),
    _ecc("DBE_AGG", "uncorrected", "life"),
    _simple("DEV_RETIRED_SBE", "counter", "gpu_retired_pages_total", severity="corrected"),
    _simple("DEV_RETIRED_DBE", "counter", "gpu_retired_pages_total", severity="uncorrected"),
    _simple("DEV_RETIRED_PENDING", "gauge", "gpu_retired_pages_pending"),
    _simple("DEV_UNCORRECTABLE_REMAPPED_ROWS", "counter", "gpu_remapped_rows_total", severity="uncorrected"),
    _simple("DEV_CORRECTABLE_REMAPPED_ROWS", "counter", "gpu_remapped_rows_total", severity="corrected"),
    _simple("DEV_ROW_REMAP_FAILURE", "gauge", "gpu_row_remap_failed"),
    _simple("DEV_ROW_REMAP_PENDING", "gauge", "gpu_row_remap_pending"),
    *(
        _simple(f"DEV_NVLINK_{kind.upper()}_ERROR_COUNT_TOTAL", "counter", "gpu_nvlink_errors_total", kind=kind)
        for kind in ("crc_flit", "crc_data", "replay", "recovery")
    ),
    _simple("DEV_NVLINK_BANDWIDTH_TOTAL", "gauge", "_nvlink_rate"),
    *(_simple(f"DEV_NVLINK_BANDWIDTH_L{link}", "gauge", "_nvlink_link_rate", link=str(link)) for link in range(18)),
    _simple("DEV_VGPU_LICENSE_STATUS", "gauge", "gpu_vgpu_licensed"),
    Name(
        *("DCGM_FI_PROF_PCIE_TX_BYTES", "gauge", ("gpu_pcie_transmit_bytes_per_second", "")),
        otherwise=("_pcie_transmit_rate", ""),
    ),
    Name(
        *("DCGM_FI_PROF_PCIE_RX_BYTES", "gauge", ("gpu_pcie_receive_bytes_per_second", "")),
        otherwise=("_pcie_receive_rate", ""),
    ),
    _simple("PROF_NVLINK_TX_BYTES", "gauge", "gpu_nvlink_transmit_bytes_per_second"),
    _simple("PROF_NVLINK_RX_BYTES", "gauge", "gpu_nvlink_receive_bytes_per_second"),
    _simple("PROF_GR_ENGINE_ACTIVE", "gauge", "gpu_graphics_engine_active_ratio"),
    _simple("PROF_SM_ACTIVE", "gauge", "gpu_sm_active_ratio"),
    _simple("PROF_SM_OCCUPANCY", "gauge", "gpu_sm_occupancy_ratio"),
    _simple("PROF_PIPE_TENSOR_ACTIVE", "gauge", "gpu_tensor_active_ratio"),
    _simple("PROF_PIPE_TENSOR_HMMA_ACTIVE", "gauge", "gpu_tensor_pipe_active_ratio", pipe="hmma"),
    _simple("PROF_PIPE_TENSOR_IMMA_ACTIVE", "gauge", "gpu_tensor_pipe_active_ratio", pipe="imma"),
    _simple("PROF_PIPE_TENSOR_DFMA_ACTIVE", "gauge", "gpu_tensor_pipe_active_ratio", pipe="dfma"),
    _simple("PROF_DRAM_ACTIVE", "gauge", "gpu_dram_active_ratio"),
    _simple("PROF_PIPE_FP64_ACTIVE", "gauge", "gpu_pipe_active_ratio", pipe="fp64"),
    _simple("PROF_PIPE_FP32_ACTIVE", "gauge", "gpu_pipe_active_ratio", pipe="fp32"),
    _simple("PROF_PIPE_FP16_ACTIVE", "gauge", "gpu_pipe_active_ratio", pipe="fp16"),
    _simple("PROF_PIPE_INT_ACTIVE", "gauge", "gpu_pipe_active_ratio", pipe="integer"),
)
IDENTITY = Name("DCGM_FI_DEV_IDENTITY", "gauge", ("_identity", ""), keep=True)
"""dcgm-exporter puts these on every series when asked to; here they stand on one, ours by name."""


def identity_labels(identity: Identity, nvml: str) -> str:
    image, oem, ecc, power = identity.inforom
    pairs = (
        *(("DCGM_FI_NVML_VERSION", nvml), ("DCGM_FI_DEV_BRAND", identity.brand)),
        *(("DCGM_FI_DEV_SERIAL", identity.serial), ("DCGM_FI_DEV_VBIOS_VERSION", identity.vbios)),
        *(("DCGM_FI_DEV_INFOROM_IMAGE_VER", image), ("DCGM_FI_DEV_OEM_INFOROM_VER", oem)),
        *(("DCGM_FI_DEV_ECC_INFOROM_VER", ecc), ("DCGM_FI_DEV_POWER_INFOROM_VER", power)),
    )
    return "".join(label(name, value) for name, value in pairs)


def labels(identity: Identity, host: str, driver: str) -> str:
    """The labels of a whole GPU's series, with the place for its owner."""
    index = identity.gpu
    return (
        f'gpu="{index}"{label("UUID", identity.uuid)}{label("pci_bus_id", identity.pci_bus_id)}'
        f',device="nvidia{index}"{label("modelName", identity.name)}{label("Hostname", host)}'
        f"{label('DCGM_FI_DRIVER_VERSION', driver)}"
    )


class Placeholder(NamedTuple):
    """Where a value comes from, and what it is multiplied by."""

    values: Values
    key: Key
    scale: float


def compile_page(entities: Sequence[Entity], extra: str = "") -> tuple[str, list[Placeholder]]:
    """The page's text with placeholders, for as long as no series comes or goes."""
    lines: list[str] = []
    placeholders: list[Placeholder] = []
    for name in (*NAMES, IDENTITY):
        found = [(entity, key) for entity in entities for key in _keys(name, entity.values)]
        if found:
            lines.append(f"# HELP {name.name} From {name.key[0].lstrip('_')}.\n# TYPE {name.name} {name.kind}\n")
        for entity, key in found:
            labels = entity.dcgm_labels + (key[1] if name.keep else "") + extra
            lines.append(f"{name.name}{{{labels.replace('%', '%%')}}} %s\n")
            placeholders.append(Placeholder(entity.values, key, name.scale))
    return "".join(lines), placeholders


def fill(text: str, placeholders: Sequence[Placeholder]) -> bytes:
    return (text % tuple([_number(values[key], scale) for values, key, scale in placeholders])).encode()


def _keys(name: Name, values: Values) -> list[Key]:
    if name.keep:
        return [key for key in values if key[0] == name.key[0]]
    return [key for key in (name.key, name.otherwise) if key in values][:1]


def _number(value: float, scale: float) -> float:
    """Scaled, without the digits that scaling invents; whole numbers as such."""
    if scale == 1:
        return value
    short = round(value * scale, 6)
    return int(short) if short == int(short) else short
