"""What is read from NVML and under which name it appears: one row per reading.

Tiers: 0 every reading, 1 every tenth, 2 every 300th.
"""

from __future__ import annotations

from ctypes import c_uint, c_ulonglong
from typing import Any, NamedTuple

from exporters.gpu.nvml.library import ALL_LINKS, MEMORY_V2
from exporters.gpu.series import Key, label

EVERY = (1, 10, 300)
"""How many readings apart a tier is read."""


class Getter(NamedTuple):
    """One function. `names`: newest first; `before`: arguments between the handle and the outputs; `outs`: C types
    of the outputs, filled with `init`; `keys`: one (key, scale) or None for each number in them, in order."""

    names: tuple[str, ...]
    tier: int
    before: tuple[int, ...]
    outs: tuple[Any, ...]
    keys: tuple[tuple[Key, float] | None, ...]
    init: int = 0


class Field(NamedTuple):
    """One entry of a batch of nvmlDeviceGetFieldValues. `unsigned`: read 32 bits whatever the value's type is.
    `since`: the driver that gave the id this meaning."""

    id: int
    tier: int
    key: Key
    scale: float = 1
    scope: int = 0
    since: tuple[int, int] = (0, 0)
    unsigned: bool = False


class Gpm(NamedTuple):
    """One metric of GPM (Hopper and newer). Tried one by one when the card first responds."""

    id: int
    key: Key
    scale: float = 0.01


def _key(family: str, **labels: object) -> Key:
    return family, "".join(label(name, value) for name, value in labels.items())


def _u32(name: str, tier: int, family: str, scale: float = 1, before: tuple[int, ...] = (), **labels: object) -> Getter:
    return Getter((name,), tier, before, (c_uint,), ((_key(family, **labels), scale),))


def _engine(name: str, family: str) -> Getter:
    return Getter((name,), 0, (), (c_uint, c_uint), ((_key(family), 0.01), None))


MHZ, MILLI, PERCENT, NANO = 1e6, 1e-3, 0.01, 1e-9
MIB = 1 << 20
CLOCKS = {"graphics": 0, "sm": 1, "memory": 2, "video": 3}
LIMITS = {"requested": 192, "current": 190, "default": 189, "min": 187, "max": 188}
# nvmlMemoryErrorType_t and nvmlEccCounterType_t by number; nvmlMemoryLocation_t.
SEVERITIES, SINCE = ("corrected", "uncorrected"), ("load", "life")
LOCATIONS = {"dram": 2, "sram": 7}
LINK_ERRORS = {"link_replay": 161, "link_recovery": 162, "link_crc": 163}
"""Errors that Hopper and newer count for each link only."""
REASON_BITS = {
    "gpu_idle": 0x1,
    "applications_clocks_setting": 0x2,
    "sw_power_cap": 0x4,
    "hw_slowdown": 0x8,
    "sync_boost": 0x10,
    "sw_thermal_slowdown": 0x20,
    "hw_thermal_slowdown": 0x40,
    "hw_power_brake_slowdown": 0x80,
    "display_clock_setting": 0x100,
}
"""Bits of nvmlDeviceGetCurrentClocksEventReasons."""
# 269 to 271 meant power smoothing before this driver, and 251 to 253 had their meaning: skipped below it.
_MOVED = (580, 82)

GETTERS = (
    _u32("nvmlDeviceGetTemperature", 0, "gpu_temperature_celsius", before=(0,)),
    Getter(
        ("nvmlDeviceGetUtilizationRates",),
        0,
        (),
        (c_uint * 2,),
        (
            (_key("gpu_utilization_ratio"), PERCENT),
            (_key("gpu_memory_copy_utilization_ratio"), PERCENT),
        ),
    ),
    Getter(
        ("nvmlDeviceGetMemoryInfo_v2",),
        0,
        (),
        (c_ulonglong * 5,),
        (
            None,
            (_key("gpu_memory_total_bytes"), 1),
            (_key("gpu_memory_reserved_bytes"), 1),
            (_key("gpu_memory_free_bytes"), 1),
            (_key("gpu_memory_used_bytes"), 1),
        ),
        MEMORY_V2,
    ),
    _u32("nvmlDeviceGetPowerUsage", 0, "gpu_power_watts", MILLI),
    *(_u32("nvmlDeviceGetClockInfo", 0, "gpu_clock_hertz", MHZ, (id_,), clock=name) for name, id_ in CLOCKS.items()),
    Getter(
        ("nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons"),
        0,
        (),
        (c_ulonglong,),
        ((_key("_clocks_event_reasons"), 1),),
    ),
    _u32("nvmlDeviceGetPerformanceState", 0, "gpu_performance_state"),
    _engine("nvmlDeviceGetEncoderUtilization", "gpu_encoder_utilization_ratio"),
    _engine("nvmlDeviceGetDecoderUtilization", "gpu_decoder_utilization_ratio"),
    _engine("nvmlDeviceGetJpgUtilization", "gpu_jpeg_utilization_ratio"),
    _engine("nvmlDeviceGetOfaUtilization", "gpu_ofa_utilization_ratio"),
    _u32("nvmlDeviceGetFanSpeed", 1, "gpu_fan_speed_ratio", PERCENT),
    _u32("nvmlDeviceGetCurrPcieLinkGeneration", 1, "gpu_pcie_link_generation"),
    _u32("nvmlDeviceGetCurrPcieLinkWidth", 1, "gpu_pcie_link_width"),
    Getter(
        ("nvmlDeviceGetBAR1MemoryInfo",),
        1,
        (),
        (c_ulonglong * 3,),
        ((_key("gpu_bar1_total_bytes"), 1), None, (_key("gpu_bar1_used_bytes"), 1)),
    ),
    Getter(
        ("nvmlDeviceGetRowRemapperHistogram",),
        1,
        (),
        (c_uint * 5,),
        tuple((_key("gpu_row_remap_banks", spare=word), 1) for word in ("max", "high", "partial", "low", "none")),
    ),
    *(
        Getter(
            ("nvmlDeviceGetMemoryErrorCounter",),
            1,
            (severity, since, location),
            (c_ulonglong,),
            (
                (
                    _key(
                        "gpu_ecc_location_errors_total",
                        severity=SEVERITIES[severity],
                        since=SINCE[since],
                        location=name,
                    ),
                    1,
                ),
            ),
        )
        for severity in range(2)
        for since in range(2)
        for name, location in LOCATIONS.items()
    ),
    _u32("nvmlDeviceGetEnforcedPowerLimit", 2, "gpu_power_limit_watts", MILLI, limit="enforced"),
    _u32("nvmlDeviceGetMaxPcieLinkGeneration", 2, "gpu_pcie_link_generation_max"),
    _u32("nvmlDeviceGetMaxPcieLinkWidth", 2, "gpu_pcie_link_width_max"),
    *(
        _u32("nvmlDeviceGetMaxClockInfo", 2, "gpu_clock_max_hertz", MHZ, (id_,), clock=name)
        for name, id_ in CLOCKS.items()
    ),
    _u32("nvmlDeviceGetPersistenceMode", 2, "gpu_persistence_enabled"),
    Getter(("nvmlDeviceGetEccMode",), 2, (), (c_uint, c_uint), ((_key("gpu_ecc_enabled"), 1), None)),
)


def _policy(id_: int, policy: str) -> Field:
    return Field(id_, 1, _key("gpu_violation_seconds_total", policy=policy), NANO)


def _throttle(id_: int, reason: str, since: tuple[int, int] = (0, 0)) -> Field:
    return Field(id_, 1, _key("gpu_throttle_seconds_total", reason=reason), NANO, since=since)


FIELDS = (
    Field(82, 0, _key("gpu_memory_temperature_celsius"), unsigned=True),
    Field(83, 0, _key("gpu_energy_joules_total"), MILLI),
    Field(94, 1, _key("gpu_pcie_replays_total")),
    Field(197, 1, _key("gpu_pcie_transmitted_bytes_total")),
    Field(198, 1, _key("gpu_pcie_received_bytes_total")),
    *(
        Field(id_, 1, _key("gpu_pcie_errors_total", kind=kind))
        for id_, kind in (
            *((173, "correctable"), (176, "bad_tlp"), (179, "non_fatal"), (180, "fatal")),
            *((183, "lane"), (169, "l0_to_recovery")),
        )
    ),
    _policy(74, "power"),
    _policy(75, "thermal"),
    _policy(76, "sync_boost"),
    _policy(77, "board_limit"),
    _policy(78, "low_utilization"),
    _policy(79, "reliability"),
    _throttle(74, "sw_power_cap", (530, 0)),
    _throttle(76, "sync_boost", (530, 0)),
    _throttle(269, "sw_thermal_slowdown", _MOVED),
    _throttle(270, "hw_thermal_slowdown", _MOVED),
    _throttle(271, "hw_power_brake_slowdown", _MOVED),
    Field(3, 1, _key("gpu_ecc_errors_total", severity="corrected", since="load")),
    Field(4, 1, _key("gpu_ecc_errors_total", severity="uncorrected", since="load")),
    Field(5, 1, _key("gpu_ecc_errors_total", severity="corrected", since="life")),
    Field(6, 1, _key("gpu_ecc_errors_total", severity="uncorrected", since="life")),
    Field(29, 1, _key("gpu_retired_pages_total", severity="corrected")),
    Field(30, 1, _key("gpu_retired_pages_total", severity="uncorrected")),
    Field(31, 1, _key("gpu_retired_pages_pending")),
    Field(142, 1, _key("gpu_remapped_rows_total", severity="corrected")),
    Field(143, 1, _key("gpu_remapped_rows_total", severity="uncorrected")),
    Field(144, 1, _key("gpu_row_remap_pending")),
    Field(145, 1, _key("gpu_row_remap_failed")),
    Field(38, 1, _key("gpu_nvlink_errors_total", kind="crc_flit")),
    Field(45, 1, _key("gpu_nvlink_errors_total", kind="crc_data")),
    Field(52, 1, _key("gpu_nvlink_errors_total", kind="replay")),
    Field(59, 1, _key("gpu_nvlink_errors_total", kind="recovery")),
    Field(138, 1, _key("_nvlink_transmitted_kib"), scope=ALL_LINKS),
    Field(139, 1, _key("_nvlink_received_kib"), scope=ALL_LINKS),
    Field(297, 0, _key("gpu_mma_stall_ratio"), PERCENT, since=(615, 0)),
    Field(230, 1, _key("gpu_recovery_action"), since=(570, 0)),
    *(Field(id_, 2, _key("gpu_power_limit_watts", limit=name), MILLI) for name, id_ in LIMITS.items()),
)


def link_fields(link: int) -> tuple[Field, ...]:
    """The fields of one active NVLink."""
    return (
        Field(138, 1, _key("gpu_nvlink_transmitted_bytes_total", link=link), 1024, link),
        Field(139, 1, _key("gpu_nvlink_received_bytes_total", link=link), 1024, link),
        *(Field(id_, 1, link_error(kind, link), 1, link) for kind, id_ in LINK_ERRORS.items()),
    )


def link_error(kind: str, link: int) -> Key:
    """Where one link's errors of a kind are kept; the page shows their sum."""
    return f"_nvlink_{kind}", label("link", link)


GPM = (
    Gpm(1, _key("gpu_graphics_engine_active_ratio")),
    Gpm(2, _key("gpu_sm_active_ratio")),
    Gpm(3, _key("gpu_sm_occupancy_ratio")),
    Gpm(5, _key("gpu_tensor_active_ratio")),
    Gpm(6, _key("gpu_tensor_pipe_active_ratio", pipe="dfma")),
    Gpm(7, _key("gpu_tensor_pipe_active_ratio", pipe="hmma")),
    Gpm(9, _key("gpu_tensor_pipe_active_ratio", pipe="imma")),
    Gpm(10, _key("gpu_dram_active_ratio")),
    Gpm(4, _key("gpu_pipe_active_ratio", pipe="integer")),
    Gpm(11, _key("gpu_pipe_active_ratio", pipe="fp64")),
    Gpm(12, _key("gpu_pipe_active_ratio", pipe="fp32")),
    Gpm(13, _key("gpu_pipe_active_ratio", pipe="fp16")),
    Gpm(20, _key("gpu_pcie_transmit_bytes_per_second"), MIB),
    Gpm(21, _key("gpu_pcie_receive_bytes_per_second"), MIB),
    Gpm(60, _key("gpu_nvlink_receive_bytes_per_second"), MIB),
    Gpm(61, _key("gpu_nvlink_transmit_bytes_per_second"), MIB),
    Gpm(100, _key("gpu_c2c_transmit_bytes_per_second"), MIB),
    Gpm(101, _key("gpu_c2c_receive_bytes_per_second"), MIB),
    *(
        Gpm(id_, _key("gpu_pipe_cycles_total", pipe=pipe), 1)
        for id_, pipe in (
            *((250, "tensor"), (251, "dmma"), (252, "hmma"), (253, "imma"), (254, "dfma")),
            *((257, "integer"), (258, "fp64"), (259, "fp32"), (260, "fp16")),
        )
    ),
    Gpm(248, _key("gpu_sm_cycles_total", state="elapsed"), 1),
    Gpm(249, _key("gpu_sm_cycles_total", state="active"), 1),
)
