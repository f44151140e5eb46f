"""The pages over a healthy driver: every family, every unit, both sets of names."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import exporters.gpu
from exporters.gpu.config import Config
from telltale import binaries
from telltale.catalogue.gpu import DEVICE, GPU, OWNER
from telltale.settings import Settings

# The names in dcgm-exporter's default-counters.csv that a card can have, on or off there by default.
CSV = """
SM_CLOCK MEM_CLOCK MEMORY_TEMP GPU_TEMP POWER_USAGE TOTAL_ENERGY_CONSUMPTION PCIE_REPLAY_COUNTER GPU_UTIL
MEM_COPY_UTIL ENC_UTIL DEC_UTIL XID_ERRORS POWER_VIOLATION THERMAL_VIOLATION SYNC_BOOST_VIOLATION
BOARD_LIMIT_VIOLATION LOW_UTIL_VIOLATION RELIABILITY_VIOLATION FB_FREE FB_USED FB_RESERVED ECC_SBE_VOL_TOTAL
ECC_DBE_VOL_TOTAL ECC_SBE_AGG_TOTAL ECC_DBE_AGG_TOTAL RETIRED_SBE RETIRED_DBE RETIRED_PENDING
UNCORRECTABLE_REMAPPED_ROWS CORRECTABLE_REMAPPED_ROWS ROW_REMAP_FAILURE NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL
NVLINK_CRC_DATA_ERROR_COUNT_TOTAL NVLINK_REPLAY_ERROR_COUNT_TOTAL NVLINK_RECOVERY_ERROR_COUNT_TOTAL
NVLINK_BANDWIDTH_TOTAL NVLINK_BANDWIDTH_L0 VGPU_LICENSE_STATUS
""".split()  # noqa: SIM905
PROFILING = """
GR_ENGINE_ACTIVE SM_ACTIVE SM_OCCUPANCY PIPE_TENSOR_ACTIVE DRAM_ACTIVE PIPE_FP64_ACTIVE PIPE_FP32_ACTIVE
PIPE_FP16_ACTIVE PCIE_TX_BYTES PCIE_RX_BYTES
""".split()  # noqa: SIM905
EXPERIMENTAL = ("XID_ERRORS_COUNT", "CLOCK_EVENTS_COUNT", "GPU_HEALTH_STATUS", "P2P_STATUS")
LABELS = """
DCGM_FI_DRIVER_VERSION DCGM_FI_NVML_VERSION DCGM_FI_DEV_BRAND DCGM_FI_DEV_SERIAL DCGM_FI_DEV_OEM_INFOROM_VER
DCGM_FI_DEV_ECC_INFOROM_VER DCGM_FI_DEV_POWER_INFOROM_VER DCGM_FI_DEV_INFOROM_IMAGE_VER DCGM_FI_DEV_VBIOS_VERSION
""".split()  # noqa: SIM905


def test_every_family_of_the_catalogue_is_on_the_page_of_a_card_that_gives_all(start, fake) -> None:
    fake.control.driver = b"615.10.01"
    exporter = start(fake, owners={"0": {"tenant": "a"}})
    fake[0].run((1, 1 << 30, 50))
    fake[1].set(fan=40)
    fake[1].cut(("MIG-1", 1, 1))
    exporter.healthy()
    fake[0].raise_xid(31)
    names = {metric.name for metric in DEVICE + OWNER}
    page = exporter.when(lambda page: names <= page.samples.keys())
    emitted = set(page.samples)
    assert emitted <= {metric.name for metric in GPU}
    unseen = {metric.name for metric in GPU} - emitted
    assert unseen <= {
        *("telltale_gpu_quarantined", "telltale_gpu_errors_total", "telltale_gpu_slow_call"),
        "telltale_gpu_last_error_info",
    }


def test_series_carry_the_labels_that_the_catalogue_says(start, fake) -> None:
    fake[0].run((10, 1 << 30, 50))
    exporter = start(fake)
    exporter.healthy()
    fake[0].raise_xid(31)
    page = exporter.when(lambda page: page.all("gpu_xid_last_timestamp_seconds"))
    for metric in GPU:
        for found, _ in page.samples.get(metric.name, []):
            assert set(found) <= set(metric.labels), metric.name
            assert set(metric.labels) - {"mig"} <= set(found) | {"mig"}, metric.name


def test_types_are_as_the_catalogue_says(start, fake) -> None:
    page = start(fake).healthy()
    kinds = {metric.name: metric.kind for metric in GPU}
    for family in page.families.values():
        for name in {sample.name for sample in family.samples}:
            assert family.type == kinds[name]


def test_prometheus_own_parser_reads_both_pages(start, fake, require) -> None:
    promtool = binaries.find(Settings(), "promtool")
    require(promtool, "needs promtool: make demo fetches it, or apt install prometheus")
    exporter = start(fake)
    exporter.healthy()
    # 3: parsed, but not as promtool would name it; NVIDIA's names are not ours to choose.
    for path, accepted in (("/metrics", (0,)), ("/metrics/dcgm", (0, 3))):
        done = subprocess.run([promtool, "check", "metrics"], input=exporter.get(path), capture_output=True, text=True)
        assert done.returncode in accepted, done.stderr


def test_errors_by_place_and_link(start, fake) -> None:
    fake[0].set(memory_errors=1)
    for number, count in ((161, 18), (162, 36), (163, 54)):
        fake[0].set_field(number, count)
    page = start(fake).healthy()
    place = {"severity": "uncorrected", "since": "life", "location": "sram"}
    assert page.one("gpu_ecc_location_errors_total", gpu="0", **place) == 117
    kinds = {"link_replay": 18, "link_recovery": 36, "link_crc": 54}
    for kind, count in kinds.items():
        assert page.one("gpu_nvlink_errors_total", gpu="0", kind=kind) == count


def test_base_units(start, fake) -> None:
    fake[0].set(utilization=37, power_mw=345_678, clock_sm=1980)
    page = start(fake).healthy()
    assert page.one("gpu_utilization_ratio", gpu="0") == 0.37
    assert page.one("gpu_power_watts", gpu="0") == 345.678
    assert page.one("gpu_clock_hertz", gpu="0", clock="sm") == 1.98e9
    assert page.one("gpu_memory_total_bytes", gpu="0") == 81559 << 20
    assert page.one("gpu_energy_joules_total", gpu="1") == 5000.001


def test_every_name_of_dcgm_exporter_on_hopper(start, fake) -> None:
    exporter = start(fake)
    fake[0].raise_xid(48)
    exporter.when(lambda page: page.all("gpu_sm_active_ratio") and page.all("gpu_health_status"))
    page = exporter.page("/metrics/dcgm")
    wanted = {f"DCGM_FI_DEV_{name}" for name in CSV} | {f"DCGM_FI_PROF_{name}" for name in PROFILING}
    wanted |= {f"DCGM_EXP_{name}" for name in EXPERIMENTAL}
    # Rates need two readings of the slow tier, ten readings apart.
    later = {"DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL", "DCGM_FI_DEV_NVLINK_BANDWIDTH_L0"}
    assert wanted - later <= set(page.samples)
    labels = {name for found, _ in page.samples["DCGM_FI_DEV_IDENTITY"] for name in found}
    assert set(LABELS) <= labels
    assert len(wanted) + len(LABELS) >= 61


def test_nvlink_bandwidth_is_the_rate_that_dcgm_shows(start, fake) -> None:
    exporter = start(fake, interval=0.5)
    exporter.healthy()
    fake[0].set_field(138, 10_000_000)

    def rate() -> float | None:
        return exporter.page("/metrics/dcgm").one("DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL", gpu="0")

    assert 0 < exporter.wait(rate) <= 10_000_000 / 1000 / 5


def test_dcgm_units_and_labels(start, fake) -> None:
    fake[0].set(utilization=37, memory_used=1024 << 20, power_mw=345_678)
    exporter = start(fake)
    exporter.healthy()
    page = exporter.page("/metrics/dcgm")
    assert page.one("DCGM_FI_DEV_GPU_UTIL", gpu="0") == 37
    assert page.one("DCGM_FI_DEV_FB_USED", gpu="0") == 1024
    assert page.one("DCGM_FI_DEV_POWER_USAGE", gpu="0") == 345.678
    assert page.one("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", gpu="1") == 5_000_001
    labels = page.samples["DCGM_FI_DEV_GPU_TEMP"][0][0]
    assert labels.keys() >= {"gpu", "UUID", "pci_bus_id", "device", "modelName", "Hostname", "DCGM_FI_DRIVER_VERSION"}
    assert labels["device"] == "nvidia0"


def test_pre_hopper_without_gpm_still_has_pcie_rates_and_no_profiling(start, fake) -> None:
    for index in range(2):
        fake[index].gpm = 0
    exporter = start(fake, interval=0.5)
    exporter.healthy()
    for number in (197, 198):
        fake[0].set_field(number, 6_000_000)
    exporter.wait(lambda: exporter.page("/metrics/dcgm").one("DCGM_FI_PROF_PCIE_TX_BYTES", gpu="0"))
    page = exporter.page("/metrics/dcgm")
    assert not page.all("DCGM_FI_PROF_SM_ACTIVE")
    names = {f"DCGM_FI_DEV_{name}" for name in CSV} | {f"DCGM_EXP_{name}" for name in EXPERIMENTAL}
    names |= {"DCGM_FI_PROF_PCIE_TX_BYTES", "DCGM_FI_PROF_PCIE_RX_BYTES"}
    assert len(names & set(page.samples)) + len(LABELS) >= 51


@pytest.mark.parametrize(("driver", "read"), [(b"575.57.08", False), (b"580.65.06", False), (b"580.82.07", True)])
def test_moved_field_ids_are_read_only_where_they_mean_throttling(start, fake, driver: bytes, read: bool) -> None:
    fake.control.driver = driver
    for number in (269, 270, 271, 251, 252, 253):
        fake[0].set_field(number, 7_000_000_000)
    page = start(fake).healthy()
    value = page.one("gpu_throttle_seconds_total", gpu="0", reason="hw_thermal_slowdown")
    # Below that driver the samples are integrated instead: the card is not throttled here.
    assert value == (7.0 if read else 0.0)


def test_memory_temperature_ignores_the_wrong_type_that_one_driver_gives(start, fake) -> None:
    assert start(fake).healthy().one("gpu_memory_temperature_celsius", gpu="0") == 48


def test_busy_and_throttled_time_is_integrated(start, fake) -> None:
    fake[0].set(utilization=100, reasons=0x88)
    fake[1].set(utilization=0)
    exporter = start(fake)
    page = exporter.when(lambda page: (page.one("gpu_busy_seconds_total", gpu="0") or 0) > 0.5)
    assert page.one("gpu_busy_seconds_total", gpu="1") == 0
    assert page.one("gpu_throttle_active", gpu="0", reason="hw_slowdown") == 1
    assert (page.one("gpu_throttle_seconds_total", gpu="0", reason="hw_slowdown") or 0) > 0.4
    assert page.one("gpu_throttle_seconds_total", gpu="1", reason="hw_slowdown") == 0


def test_health_by_our_rules(start, fake) -> None:
    exporter = start(fake)
    assert exporter.healthy().one("gpu_health_status", gpu="0") == 0
    fake[0].set_field(144, 1)
    fake[1].set_field(230, 2)
    exporter.when(lambda page: page.one("gpu_health_status", gpu="0") == 10)
    exporter.when(lambda page: page.one("gpu_health_status", gpu="1") == 20)


def test_more_processes_than_the_first_buffer_holds(start, fake) -> None:
    fake[0].run(*((10_000_000 + number, 1 << 20, 1) for number in range(180)))
    page = start(fake).healthy()
    assert page.one("gpu_processes", gpu="0") == 180


def test_simulated_gpus_say_so_in_every_series_and_in_the_log(start) -> None:
    exporter = start(simulate=3)
    page = exporter.healthy(3)
    assert len(page.all("gpu_utilization_ratio")) == 3
    for name, samples in page.samples.items():
        for labels, _ in samples:
            assert labels.get("simulated") == "true", name
    for samples in exporter.page("/metrics/dcgm").samples.values():
        assert all(labels["simulated"] == "true" for labels, _ in samples)
    assert all("SIMULATED" in line or "stopped" in line for line in exporter.log().splitlines())
    exporter.stop()


def once(config: Config, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        exporters.gpu.arguments(config._replace(once=True)),
        env={**exporters.gpu.environment(), **environment},
        capture_output=True,
        text=True,
        timeout=30,
    )


def test_once_prints_a_table(fake) -> None:
    fake[0].set(utilization=37)
    done = once(Config(library=str(fake.library)), fake.environment)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0] == "driver 590.48.01, NVML 13.590.48"
    assert lines[2].split()[:5] == ["0", "NVIDIA", "H100", "80GB", "HBM3"]
    assert "37 %" in lines[2]
    assert "81559" not in done.stdout
    assert "/80 GiB" in lines[2]


def test_once_without_a_driver_says_why(tmp_path: Path) -> None:
    done = once(Config(library=str(tmp_path / "none.so")), {})
    assert done.returncode == 1
    assert "library_not_found" in done.stdout


def test_the_command_becomes_the_lean_process(fake) -> None:
    environment = {**exporters.gpu.environment(), **fake.environment, "TELLTALE_GPU__LIBRARY": str(fake.library)}
    command = [sys.executable, "-c", "import sys; from telltale.cli import main; sys.exit(main(sys.argv[1:]))"]
    done = subprocess.run([*command, "gpu", "--once"], env=environment, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    assert "NVIDIA H100" in done.stdout


def test_a_taken_port_names_the_setting(start, fake) -> None:
    taken = start(fake).url.rpartition("/")[2]
    config = Config(listen=taken, library=str(fake.library))
    done = subprocess.run(
        exporters.gpu.arguments(config), env=exporters.gpu.environment(), capture_output=True, text=True, timeout=10
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"gpu.listen = {taken}: Address already in use; ")


def test_neither_process_loads_what_it_does_not_need() -> None:
    heavy = ("pydantic", "prometheus_client", "pandas", "fastapi", "sqlalchemy", "pynvml", "ssl", "yaml", "dataclasses")
    code = f"import sys, exporters.gpu.__main__; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], env=exporters.gpu.environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def resident(exporter) -> float:
    """MiB of all processes, shared pages counted in each."""
    total = 0
    for pid in (exporter.process.pid, *exporter.children()):
        (line,) = (one for one in Path(f"/proc/{pid}/status").read_text().splitlines() if one.startswith("VmRSS"))
        total += int(line.split()[1])
    return total / 1024


def test_memory_of_all_processes_is_small_and_stays(start, fake) -> None:
    fake.control.count = 8
    exporter = start(fake)
    exporter.healthy(8)
    for _ in range(200):
        exporter.get()
    before = resident(exporter)
    for _ in range(1000):
        exporter.get()
    assert before <= 40
    assert resident(exporter) - before <= 1


def test_settings_reach_the_process() -> None:
    settings = Settings(gpu={"listen": "127.0.0.1:9", "owners": {"0": {"tenant": "a"}}, "interval": "2s"})
    config = exporters.gpu.from_settings(settings, simulate=4)
    assert config.simulate == 4
    assert config.interval == 2.0
    text = exporters.gpu.arguments(config)[-1]
    assert json.loads(text)["owners"] == {"0": {"tenant": "a"}}
