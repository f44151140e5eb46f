"""Our structures, numbers and names against NVIDIA's own Python bindings."""

from __future__ import annotations

import ctypes

import pynvml
import pytest

from exporters.gpu.nvml import library, table

STRUCTURES = {
    library.FieldValue: pynvml.c_nvmlFieldValue_t,
    library.PciInfo: pynvml.nvmlPciInfo_t,
    library.ProcessInfo: pynvml.c_nvmlProcessInfo_v3_t,
    library.ProcessUtilization: pynvml.c_nvmlProcessUtilizationSample_t,
    library.EventData: pynvml.c_nvmlEventData_t,
    library.DeviceAttributes: pynvml.c_nvmlDeviceAttributes,
    library.GpmMetric: pynvml.c_nvmlGpmMetric_t,
    library.GpmMetricsGet: pynvml.c_nvmlGpmMetricsGet_t,
    library.GpmSupport: pynvml.c_nvmlGpmSupport_t,
    library.FabricInfo: pynvml.c_nvmlGpuFabricInfo_v2_t,
    library.LicensableFeature: pynvml.c_nvmlGridLicensableFeature_v4_t,
    library.LicensableFeatures: pynvml.c_nvmlGridLicensableFeatures_v4_t,
}


@pytest.mark.parametrize("ours", STRUCTURES, ids=lambda structure: structure.__name__)
def test_structures_lie_in_memory_as_the_bindings_say(ours: type[ctypes.Structure]) -> None:
    theirs = STRUCTURES[ours]
    assert ctypes.sizeof(ours) == ctypes.sizeof(theirs)
    mine = [getattr(ours, field[0]).offset for field in ours._fields_]
    assert mine == [getattr(theirs, field[0]).offset for field in theirs._fields_]


def test_value_types_name_the_members_they_stand_for() -> None:
    kinds = ("DOUBLE", "UNSIGNED_INT", "UNSIGNED_LONG", "UNSIGNED_LONG_LONG", "SIGNED_LONG_LONG", "SIGNED_INT")
    assert [getattr(pynvml, f"NVML_VALUE_TYPE_{kind}") for kind in kinds] == [0, 1, 2, 3, 4, 5]
    assert {name for name, _ in pynvml.c_nvmlValue_t._fields_} >= set(library.VALUE_MEMBERS)


def test_return_codes() -> None:
    for code, word in library.REASONS.items():
        name = {"unknown": "UNKNOWN", "driver_library_mismatch": "LIB_RM_VERSION_MISMATCH"}.get(word, word.upper())
        name = {"VERSION_MISMATCH": "ARGUMENT_VERSION_MISMATCH"}.get(name, name)
        assert getattr(pynvml, f"NVML_ERROR_{name}") == code


def test_every_function_exists_in_the_bindings() -> None:
    without_version = ("nvmlDeviceGetMemoryInfo_v2",)
    for getter in table.GETTERS:
        for name in getter.names:
            assert hasattr(pynvml, name) or name in without_version, name


FIELDS = {
    **{82: "MEMORY_TEMP", 83: "TOTAL_ENERGY_CONSUMPTION", 94: "PCIE_REPLAY_COUNTER"},
    **{197: "PCIE_COUNT_TX_BYTES", 198: "PCIE_COUNT_RX_BYTES", 173: "PCIE_COUNT_CORRECTABLE_ERRORS"},
    **{176: "PCIE_COUNT_BAD_TLP", 179: "PCIE_COUNT_NON_FATAL_ERROR", 180: "PCIE_COUNT_FATAL_ERROR"},
    **{183: "PCIE_COUNT_LANE_ERROR", 169: "PCIE_L0_TO_RECOVERY_COUNTER"},
    **{74: "PERF_POLICY_POWER", 75: "PERF_POLICY_THERMAL", 76: "PERF_POLICY_SYNC_BOOST"},
    **{77: "PERF_POLICY_BOARD_LIMIT", 78: "PERF_POLICY_LOW_UTILIZATION", 79: "PERF_POLICY_RELIABILITY"},
    **{269: "CLOCKS_EVENT_REASON_SW_THERM_SLOWDOWN", 270: "CLOCKS_EVENT_REASON_HW_THERM_SLOWDOWN"},
    271: "CLOCKS_EVENT_REASON_HW_POWER_BRAKE_SLOWDOWN",
    **{3: "ECC_SBE_VOL_TOTAL", 4: "ECC_DBE_VOL_TOTAL", 5: "ECC_SBE_AGG_TOTAL", 6: "ECC_DBE_AGG_TOTAL"},
    **{29: "RETIRED_SBE", 30: "RETIRED_DBE", 31: "RETIRED_PENDING"},
    **{142: "REMAPPED_COR", 143: "REMAPPED_UNC", 144: "REMAPPED_PENDING", 145: "REMAPPED_FAILURE"},
    **{38: "NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL", 45: "NVLINK_CRC_DATA_ERROR_COUNT_TOTAL"},
    **{52: "NVLINK_REPLAY_ERROR_COUNT_TOTAL", 59: "NVLINK_RECOVERY_ERROR_COUNT_TOTAL"},
    **{138: "NVLINK_THROUGHPUT_DATA_TX", 139: "NVLINK_THROUGHPUT_DATA_RX", 230: "GET_GPU_RECOVERY_ACTION"},
    **{187: "POWER_MIN_LIMIT", 188: "POWER_MAX_LIMIT", 189: "POWER_DEFAULT_LIMIT"},
    **{297: "MMA_STALL_PERCENT", 190: "POWER_CURRENT_LIMIT", 192: "POWER_REQUESTED_LIMIT"},
}
GPM = {
    **{1: "GRAPHICS_UTIL", 2: "SM_UTIL", 3: "SM_OCCUPANCY", 4: "INTEGER_UTIL", 5: "ANY_TENSOR_UTIL"},
    **{6: "DFMA_TENSOR_UTIL", 7: "HMMA_TENSOR_UTIL", 9: "IMMA_TENSOR_UTIL", 10: "DRAM_BW_UTIL", 11: "FP64_UTIL"},
    **{12: "FP32_UTIL", 13: "FP16_UTIL", 20: "PCIE_TX_PER_SEC", 21: "PCIE_RX_PER_SEC"},
    **{60: "NVLINK_TOTAL_RX_PER_SEC", 61: "NVLINK_TOTAL_TX_PER_SEC", 100: "C2C_TOTAL_TX_PER_SEC"},
    **{250: "MMA_CYCLES_ACTIVE", 251: "DMMA_CYCLES_ACTIVE", 252: "HMMA_CYCLES_ACTIVE", 253: "IMMA_CYCLES_ACTIVE"},
    **{254: "DFMA_CYCLES_ACTIVE", 257: "INTEGER_CYCLES_ACTIVE", 258: "FP64_CYCLES_ACTIVE"},
    **{259: "FP32_CYCLES_ACTIVE", 260: "FP16_CYCLES_ACTIVE"},
    **{101: "C2C_TOTAL_RX_PER_SEC", 248: "SM_CYCLES_ELAPSED", 249: "SM_CYCLES_ACTIVE"},
}


def test_field_ids() -> None:
    assert {field.id for field in table.FIELDS} == FIELDS.keys()
    assert {name: getattr(pynvml, f"NVML_FI_DEV_{name}") for name in FIELDS.values()} == {
        name: number for number, name in FIELDS.items()
    }


def test_link_errors_and_memory_locations() -> None:
    names = {"link_replay": "REPLAY", "link_recovery": "RECOVERY", "link_crc": "CRC"}
    for kind, number in table.LINK_ERRORS.items():
        assert getattr(pynvml, f"NVML_FI_DEV_NVLINK_ERROR_DL_{names[kind]}") == number
    assert table.LOCATIONS == {"dram": pynvml.NVML_MEMORY_LOCATION_DRAM, "sram": pynvml.NVML_MEMORY_LOCATION_SRAM}
    severities = pynvml.NVML_MEMORY_ERROR_TYPE_CORRECTED, pynvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED
    assert [table.SEVERITIES[number] for number in severities] == ["corrected", "uncorrected"]
    assert [table.SINCE[number] for number in (pynvml.NVML_VOLATILE_ECC, pynvml.NVML_AGGREGATE_ECC)] == ["load", "life"]


def test_gpm_ids() -> None:
    assert {metric.id for metric in table.GPM} == GPM.keys()
    assert all(getattr(pynvml, f"NVML_GPM_METRIC_{name}") == number for number, name in GPM.items())
    assert pynvml.NVML_GPM_METRIC_MAX == library.GPM_METRICS_MAX


def test_clock_event_reasons() -> None:
    names = {"gpu_idle": "GpuIdle", "applications_clocks_setting": "ApplicationsClocksSetting"}
    for ours, bit in table.REASON_BITS.items():
        name = names.get(ours, "".join(word.capitalize() for word in ours.split("_")))
        assert getattr(pynvml, f"nvmlClocksEventReason{name}") == bit


def test_other_numbers() -> None:
    assert pynvml.nvmlMemory_v2 == library.MEMORY_V2
    assert pynvml.nvmlGpuFabricInfo_v2 == library.FABRIC_V2
    assert pynvml.NVML_INIT_FLAG_NO_ATTACH == library.NO_ATTACH
    assert pynvml.NVML_NVLINK_MAX_LINKS == library.MAX_LINKS
    assert pynvml.nvmlEventTypeXidCriticalError == library.EVENT_XID
    assert pynvml.NVML_P2P_CAPS_INDEX_NVLINK == 2
    clocks = [pynvml.NVML_CLOCK_GRAPHICS, pynvml.NVML_CLOCK_SM, pynvml.NVML_CLOCK_MEM, pynvml.NVML_CLOCK_VIDEO]
    assert list(table.CLOCKS.values()) == clocks
