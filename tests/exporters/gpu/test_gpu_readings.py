"""What nvidia-smi showed on real cards, fed through the fake driver, must appear on our page in base units."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fake import MIB, NOT_SUPPORTED, Gpu

READINGS = json.loads(Path(__file__).with_name("readings.json").read_text())["readings"]
BRANDS, ARCHITECTURES = {"NVIDIA": 14}, {"Hopper": 9, "Ada": 8}
THROTTLE_FIELDS = {
    **{"sw_power_cap": 74, "sync_boost": 76, "sw_thermal_slowdown": 269},
    **{"hw_thermal_slowdown": 270, "hw_power_brake_slowdown": 271},
}
LIMIT_FIELDS = {"requested": 192, "current": 190, "default": 189, "min": 187, "max": 188}


def times(value: float | None, factor: float) -> float | None:
    return None if value is None else round(value * factor)


def become(gpu: Gpu, seen: dict[str, Any]) -> None:
    """Make the fake card return what nvidia-smi read."""
    gpu.name, gpu.vbios, gpu.pci = seen["name"].encode(), seen["vbios"].encode(), seen["pci"].encode()
    gpu.image, gpu.oem, gpu.ecc, gpu.power = (part.encode() for part in seen["inforom"])
    gpu.gpm = int(seen["architecture"] == "Hopper")
    gpu.set(brand=BRANDS[seen["brand"]], architecture=ARCHITECTURES[seen["architecture"]])
    gpu.set(persistence=seen["persistence"], ecc_mode=seen["ecc"], fabric=seen["fabric"], reasons=seen["reasons"])
    gpu.set(pstate=seen["performance_state"], fan=seen["fan_percent"], temperature=seen["celsius"]["gpu"])
    gpu.set(power_mw=times(seen["watts"]["average"], 1000), enforced_mw=times(seen["limit_watts"]["current"], 1000))
    gpu.set(**{f"clock_{name}": mhz for name, mhz in seen["mhz"].items()})
    gpu.set(**{f"clock_max_{name}": mhz for name, mhz in seen["max_mhz"].items()})
    gpu.set(**{f"memory_{name}": times(mib, MIB) for name, mib in seen["mib"].items()})
    gpu.set(**{f"bar1_{name}": times(mib, MIB) for name, mib in seen["bar1_mib"].items()})
    gpu.set(**{f"remap_{name}": count for name, count in seen["banks"].items()})
    percent, pcie = seen["percent"], seen["pcie"]
    gpu.set(utilization=percent["gpu"], memory_utilization=percent["memory"], encoder=percent["encoder"])
    gpu.set(decoder=percent["decoder"], jpeg=percent["jpeg"], ofa=percent["ofa"])
    gpu.set(pcie_gen=pcie["generation"], pcie_gen_max=pcie["generation_max"])
    gpu.set(pcie_width=pcie["width"], pcie_width_max=pcie["width_max"])
    fields = {82: seen["celsius"]["memory"], 186: times(seen["watts"]["instant"], 1000), 94: pcie["replays"]}
    fields |= {LIMIT_FIELDS[name]: times(watts, 1000) for name, watts in seen["limit_watts"].items()}
    fields |= {THROTTLE_FIELDS[name]: times(us, 1000) for name, us in seen["throttled_us"].items()}
    fields |= {29: seen["retired"]["single"], 30: seen["retired"]["double"], 31: seen["retired"]["pending"]}
    remapped = seen["remapped"]
    fields |= {142: remapped["corrected"], 143: remapped["uncorrected"]}
    fields |= {144: remapped["pending"], 145: remapped["failed"]}
    for number, value in fields.items():
        gpu.set_field(number, value)
    gpu.run(*((one["pid"], one["mib"] * MIB, one["sm_percent"] or 0) for one in seen["processes"]))


def expected(seen: dict[str, Any]) -> dict[tuple[str, str, str], float | None]:
    """(family, label, its value) to the value in base units; None where there must be no series."""
    page: dict[tuple[str, str, str], float | None] = {}

    def put(family: str, value: float | None, factor: float = 1, name: str = "", of: str = "") -> None:
        page[family, name, of] = None if value is None else value * factor

    put("gpu_temperature_celsius", seen["celsius"]["gpu"])
    put("gpu_memory_temperature_celsius", seen["celsius"]["memory"])
    put("gpu_power_watts", seen["watts"]["average"])
    put("gpu_performance_state", seen["performance_state"])
    put("gpu_fan_speed_ratio", seen["fan_percent"], 0.01)
    put("gpu_ecc_enabled", seen["ecc"])
    put("gpu_persistence_enabled", seen["persistence"])
    put("gpu_mig_enabled", seen["mig"])
    put("gpu_fabric_state", seen["fabric"])
    put("gpu_pcie_replays_total", seen["pcie"]["replays"])
    put("gpu_retired_pages_total", seen["retired"]["single"], 1, "severity", "corrected")
    put("gpu_retired_pages_pending", seen["retired"]["pending"])
    put("gpu_row_remap_pending", seen["remapped"]["pending"])
    put("gpu_row_remap_failed", seen["remapped"]["failed"])
    put("gpu_processes", len(seen["processes"]))
    put("gpu_utilization_ratio", seen["percent"]["gpu"], 0.01)
    put("gpu_memory_copy_utilization_ratio", seen["percent"]["memory"], 0.01)
    for engine in ("encoder", "decoder", "jpeg", "ofa"):
        put(f"gpu_{engine}_utilization_ratio", seen["percent"][engine], 0.01)
    for name in ("generation", "generation_max", "width", "width_max"):
        put(f"gpu_pcie_link_{name}", seen["pcie"][name])
    for name, mib in seen["mib"].items():
        put(f"gpu_memory_{name}_bytes", mib, MIB)
    for name, mib in seen["bar1_mib"].items():
        put(f"gpu_bar1_{name}_bytes", mib, MIB)
    for family, label, group, factor in (
        ("gpu_clock_hertz", "clock", "mhz", 1e6),
        ("gpu_clock_max_hertz", "clock", "max_mhz", 1e6),
        ("gpu_power_limit_watts", "limit", "limit_watts", 1),
        ("gpu_throttle_seconds_total", "reason", "throttled_us", 1e-6),
        ("gpu_row_remap_banks", "spare", "banks", 1),
    ):
        for name, value in seen[group].items():
            put(family, value, factor, label, name)
    for severity in ("corrected", "uncorrected"):
        put("gpu_remapped_rows_total", seen["remapped"][severity], 1, "severity", severity)
    return page


@pytest.mark.parametrize("seen", READINGS, ids=[seen["case"] for seen in READINGS])
def test_the_page_shows_what_nvidia_smi_showed(start, fake, seen: dict[str, Any]) -> None:
    fake.control.count, fake.control.driver = 1, seen["driver"].encode()
    become(fake[0], seen)
    page = start(fake).healthy(1)
    wanted = expected(seen)
    found = {(family, name, of): page.one(family, **({name: of} if name else {})) for family, name, of in wanted}
    assert found == {key: value if value is None else pytest.approx(value) for key, value in wanted.items()}
    (info,) = page.samples["gpu_info"]
    for label in ("name", "driver", "vbios", "brand", "architecture"):
        assert info[0][label] == seen[label]
    bits = {"sw_power_cap": 4, "hw_slowdown": 8, "sw_thermal_slowdown": 32}
    for reason, bit in bits.items():
        assert page.one("gpu_throttle_active", reason=reason) == bool(seen["reasons"] & bit)


def test_a_card_without_an_energy_counter_has_no_energy(start, fake) -> None:
    fake[0].field_rc[83] = NOT_SUPPORTED
    page = start(fake, owners={"0": {"tenant": "a"}}).healthy()
    assert not page.all("gpu_energy_joules_total", gpu="0")
