"""Sixteen ways in which drivers fail, against the real processes."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest
from fake import DRIVER_NOT_LOADED, LOST, MIB, NO_PERMISSION, NOT_SUPPORTED, build

import exporters.gpu
from exporters.gpu.config import Config, dump


class Scraper(threading.Thread):
    """Scrapes all the time; `worst` is the slowest response in seconds, `failures` counts those without 200."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.url, self.worst, self.failures, self.times = f"{url}/metrics", 0.0, 0, []
        self._over = threading.Event()
        self.start()

    def run(self) -> None:
        while not self._over.wait(0.02):
            began = time.monotonic()
            try:
                with urllib.request.urlopen(self.url, timeout=10) as response:
                    response.read()
            except OSError:
                self.failures += 1
            self.times.append(time.monotonic() - began)

    def stop(self) -> float:
        self._over.set()
        self.join()
        assert not self.failures
        return max(self.times)


def state(page, gpu: int) -> str | None:
    return next(
        (labels["state"] for labels, _ in page.samples["telltale_gpu_state"] if labels["gpu"] == str(gpu)), None
    )


def up(page, gpu: int) -> float | None:
    return page.one("telltale_gpu_up", gpu=str(gpu))


def fresh(page, gpu: int) -> bool:
    return page.one("gpu_temperature_celsius", gpu=str(gpu)) is not None


def test_1_a_lost_gpu_is_reported_as_lost_and_comes_back(start, fake) -> None:
    exporter = start(fake)
    exporter.healthy()
    fake[1].fault = LOST
    page = exporter.when(lambda page: state(page, 1) == "lost")
    assert up(page, 1) == 0
    assert not fresh(page, 1)
    assert fresh(page, 0)
    assert page.all("telltale_gpu_errors_total", gpu="1", reason="gpu_is_lost")
    fake[1].fault = 0
    exporter.healthy()


def test_2_a_hanging_gpu_is_named_and_left_alone_and_the_others_are_fresh_again(start, fake) -> None:
    exporter = start(fake)
    exporter.healthy()
    scraper = Scraper(exporter.url)
    fake[1].hang = 1
    page = exporter.when(lambda page: state(page, 1) == "hung" and up(page, 0) == 1, seconds=5)
    age = "telltale_gpu_sample_age_seconds"
    page = exporter.when(lambda page: page.all("telltale_gpu_quarantined") and (page.one(age) or 9) < 0.5, seconds=5)
    call = page.samples["telltale_gpu_quarantined"][0][0]["call"]
    assert call.startswith("nvml")
    assert page.one("telltale_gpu_quarantined", gpu="1", call=call) == 1
    assert not fresh(page, 1)
    fake[1].hang = 0
    page = exporter.healthy()
    assert not page.all("telltale_gpu_quarantined")
    scraper.stop()


def test_2b_a_driver_that_must_attach_all_gpus_at_once_serves_the_others_too(start, fake) -> None:
    fake.control.attach_rc = 2
    exporter = start(fake)
    exporter.healthy()
    fake[1].hang = 1
    exporter.when(lambda page: state(page, 1) == "hung")
    age = "telltale_gpu_sample_age_seconds"
    exporter.when(lambda page: up(page, 0) == 1 and (page.one(age) or 9) < 0.5, seconds=5)


def test_3_all_gpus_hang_and_the_page_still_responds(start, fake) -> None:
    exporter = start(fake)
    exporter.healthy()
    scraper = Scraper(exporter.url)
    fake[0].hang = fake[1].hang = 1
    exporter.when(lambda page: state(page, 0) == state(page, 1) == "hung")
    # Earlier readings disappear once they are too old to be shown.
    exporter.when(lambda page: not page.all("gpu_temperature_celsius"))
    fake[0].hang = fake[1].hang = 0
    exporter.when(lambda page: page.all("telltale_gpu_up") == [1.0, 1.0], seconds=40)
    scraper.stop()


def test_4_a_replaced_driver_is_loaded_anew(start, fake) -> None:
    exporter = start(fake)
    exporter.healthy()
    fake.control.driver = b"595.10.01"
    fake.control.generation += 1
    page = exporter.when(lambda page: page.all("gpu_info", driver="595.10.01"))
    assert up(page, 0) == 1
    assert page.one("telltale_gpu_sampler_restarts_total", reason="driver") == 1


def test_4b_a_driver_whose_library_stays_out_of_sight_ends_the_exporter(start, fake, tmp_path: Path) -> None:
    exporter = start(fake, mismatch_exit=1.0)
    exporter.healthy()
    fake.control.init_rc = 18
    fake.control.generation += 1
    assert exporter.process.wait(15) == 3


def test_5_gpus_come_and_go(start, fake) -> None:
    exporter = start(fake)
    exporter.healthy()
    fake.control.count = 3
    exporter.healthy(3)
    fake.control.count = 2
    page = exporter.when(lambda page: state(page, 2) == "gone")
    assert up(page, 2) == 0
    assert page.one("telltale_gpu_devices", kind="seen") == 2
    assert page.one("telltale_gpu_devices", kind="expected") == 3
    assert not fresh(page, 2)


def test_5b_an_index_that_means_another_gpu_afterwards_is_opened_anew(start, fake) -> None:
    fake.control.count = 3
    exporter = start(fake)
    exporter.healthy(3)
    fake[1].uuid, fake[2].uuid = bytes(fake[2].uuid), bytes(fake[1].uuid)
    fake.control.count = 2
    exporter.when(lambda page: page.all("gpu_temperature_celsius", gpu="1", uuid=fake[1].uuid.decode()))


def test_6_a_killed_sampler_is_replaced_and_counters_go_on(start, fake) -> None:
    exporter = start(fake)
    exporter.healthy()
    fake[0].raise_xid(79)
    exporter.when(lambda page: page.one("gpu_xid_errors_total", gpu="0", xid="79") == 1)
    (child,) = exporter.children()
    os.kill(child, signal.SIGKILL)
    page = exporter.when(lambda page: page.one("telltale_gpu_sampler_restarts_total", reason="died") == 1)
    page = exporter.when(lambda page: page.all("telltale_gpu_up") == [1.0, 1.0] and exporter.children() != [child])
    assert page.one("gpu_xid_errors_total", gpu="0", xid="79") == 1


def test_6b_a_killed_parent_leaves_no_orphan(start, fake) -> None:
    exporter = start(fake)
    exporter.healthy()
    fake[1].hang = 1
    children = exporter.children()
    exporter.process.kill()
    exporter.process.wait()
    for child in children:
        exporter.wait(lambda child=child: not Path(f"/proc/{child}").exists())


def test_7_slow_calls_slow_no_scrape_and_are_made_less_often(start, fake) -> None:
    fake.control.delay_us = 5000
    exporter = start(fake, interval=0.5)
    page = exporter.when(lambda page: page.all("telltale_gpu_slow_call", gpu="1"), seconds=40)
    assert page.all("telltale_gpu_up") == [1.0, 1.0]
    assert not page.all("telltale_gpu_slow_call", call="nvmlDeviceGetTemperature")
    assert not page.all("telltale_gpu_quarantined")


@pytest.mark.parametrize(("fault", "reason"), [(NOT_SUPPORTED, "not_supported"), (NO_PERMISSION, "no_permission")])
def test_8_and_9_what_is_refused_has_no_series(start, fake, fault: int, reason: str) -> None:
    exporter = start(fake)
    exporter.healthy()
    fake[1].fault = fault
    page = exporter.when(lambda page: up(page, 1) == 0)
    device = [name for name in page.samples if name.startswith("gpu_")]
    assert [name for name in device if page.all(name, gpu="1")] == []
    assert fresh(page, 0)
    assert page.all("telltale_gpu_errors_total", gpu="1", reason=reason)
    assert state(page, 1) == ("refused" if fault == NO_PERMISSION else "error")


def test_8b_a_failing_batch_leaves_no_old_values(start, fake) -> None:
    exporter = start(fake)
    exporter.healthy()
    fake[0].field_rc[83] = NOT_SUPPORTED
    page = exporter.when(lambda page: not page.all("gpu_energy_joules_total", gpu="0"))
    assert page.all("gpu_memory_temperature_celsius", gpu="0")
    assert page.all("gpu_energy_joules_total", gpu="1")


def test_10_xids_are_counted_by_code_from_zero(start, fake) -> None:
    exporter = start(fake)
    assert exporter.healthy().one("gpu_xid_errors_total", gpu="0", xid="31") == 0
    for code in (31, 31, 79, 4242):
        fake[0].raise_xid(code)
    page = exporter.when(lambda page: page.one("gpu_xid_errors_total", gpu="0", xid="4242") == 1)
    assert page.one("gpu_xid_errors_total", gpu="0", xid="31") == 2
    assert page.one("gpu_xid_errors_total", gpu="0", xid="79") == 1
    assert page.one("gpu_xid_errors_total", gpu="1", xid="31") == 0
    assert abs((page.one("gpu_xid_last_timestamp_seconds", gpu="0", xid="79") or 0) - time.time()) < 60
    assert exporter.page("/metrics/dcgm").one("DCGM_FI_DEV_XID_ERRORS", gpu="0") == 4242


def test_11_many_scrapers_and_half_open_clients(start, fake) -> None:
    exporter = start(fake)
    exporter.healthy()
    host, port = exporter.url.rpartition("/")[2].split(":")
    half_open = [socket.create_connection((host, int(port))) for _ in range(20)]
    for client in half_open[:10]:
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost:")
    scrapers = [Scraper(exporter.url) for _ in range(30)]
    exporter.wait(lambda: all(len(scraper.times) >= 10 for scraper in scrapers))
    worst = [scraper.stop() for scraper in scrapers]
    assert statistics.median(worst) < 5
    for client in half_open:
        client.close()


def test_12_a_driver_that_comes_later_is_found(start, fake, tmp_path: Path) -> None:
    late = tmp_path / "late.so"
    exporter = start(fake, library=str(late))
    page = exporter.when(lambda page: page.samples.get("telltale_gpu_last_error_info"))
    exporter.wait(lambda: "library_not_found" in exporter.get())
    assert page.one("telltale_gpu_sampler_up") == 0
    assert not page.all("gpu_temperature_celsius")
    fake.control.init_rc = DRIVER_NOT_LOADED
    late.symlink_to(fake.library)
    exporter.wait(lambda: "driver_not_loaded" in exporter.get())
    fake.control.init_rc = 0
    page = exporter.healthy()
    assert not page.samples.get("telltale_gpu_last_error_info")


def test_12b_a_hanging_init_is_no_gpus_fault(start, fake) -> None:
    fake.control.init_hang = 1
    exporter = start(fake)
    exporter.wait(lambda: "nvmlInit_v2 hangs" in exporter.get())
    assert not exporter.page().all("telltale_gpu_quarantined")
    fake.control.init_hang = 0
    exporter.healthy()


def test_13_a_sampler_that_cannot_be_killed_is_given_up(start, fake) -> None:
    """A process that somebody else traces stays a zombie for its parent, like one stuck in the driver."""
    exporter = start(fake)
    exporter.healthy()
    (child,) = exporter.children()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(0x4206, child, None, None):  # PTRACE_SEIZE
        pytest.skip(f"may not trace here: {os.strerror(ctypes.get_errno())}")
    fake[1].hang = 1
    exporter.when(lambda page: state(page, 1) == "hung" and page.one("telltale_gpu_abandoned_processes") == 1)
    exporter.when(lambda page: up(page, 0) == 1 and exporter.children() != [child])
    fake[1].hang = 0
    os.waitpid(child, 0)
    exporter.when(lambda page: page.one("telltale_gpu_abandoned_processes") == 0)


def test_14_mig_instances_come_go_and_change(start, fake) -> None:
    exporter = start(fake)
    exporter.healthy()
    fake[0].cut(("MIG-a", 1, 3), ("MIG-b", 2, 4))
    page = exporter.when(lambda page: len(page.all("gpu_mig_info", gpu="0")) == 2)
    assert page.one("gpu_memory_total_bytes", gpu="0", mig="MIG-b") == 40960 * MIB
    assert page.one("gpu_mig_info", mig="MIG-a", profile="3g.30gb", instance="1") == 1
    page = exporter.when(lambda page: page.all("gpu_sm_active_ratio", mig="MIG-a"))
    assert page.one("gpu_sm_active_ratio", mig="MIG-a") == 0.25
    # The same instance id, another instance.
    fake[0].cut(("MIG-c", 1, 7))
    page = exporter.when(lambda page: page.all("gpu_mig_info", mig="MIG-c"))
    assert not page.all("gpu_memory_used_bytes", mig="MIG-a")
    compat = exporter.page("/metrics/dcgm")
    assert compat.one("DCGM_FI_DEV_FB_USED", gpu="0", GPU_I_ID="1", GPU_I_PROFILE="7g.70gb") == 7168
    fake[0].cut()
    exporter.when(lambda page: not page.all("gpu_mig_info"))


def test_16_xids_that_only_the_kernel_reports_are_counted_once(start, fake, tmp_path: Path) -> None:
    kernel = tmp_path / "kmsg"
    kernel.touch()
    exporter = start(fake, kmsg=str(kernel))
    exporter.healthy()
    fake[0].raise_xid(79)
    with kernel.open("a") as log:
        log.write("3,1,1,-;NVRM: Xid (PCI:0000:10:00): 79, pid=1, GPU has fallen off the bus.\n")
        log.write("3,2,1,-;NVRM: Xid (PCI:0000:11:00): 119, pid=2, Timeout waiting for RPC from GSP!\n")
    page = exporter.when(lambda page: page.one("gpu_xid_errors_total", gpu="1", xid="119") == 1)
    page = exporter.when(lambda page: page.one("gpu_xid_errors_total", gpu="0", xid="79") == 1)
    samples = page.one("telltale_gpu_samples_total") or 0
    page = exporter.when(lambda page: (page.one("telltale_gpu_samples_total") or 0) > samples + 3)
    assert page.one("gpu_xid_errors_total", gpu="0", xid="79") == 1


def test_an_old_driver_that_lacks_functions(start, fake, tmp_path: Path, require) -> None:
    folder = tmp_path / "old"
    folder.mkdir()
    exporter = start(fake, library=str(build(folder, "-DOLD_DRIVER")))
    page = exporter.healthy()
    # The reasons come from the function's older name, and profiling is not there.
    assert page.one("gpu_throttle_active", gpu="0", reason="hw_slowdown") == 0
    assert not page.all("gpu_sm_active_ratio")


def test_the_event_wait_may_hang_too(start, fake) -> None:
    exporter = start(fake, watchdog=0.5)
    exporter.healthy()
    fake.control.event_hang = 1
    exporter.when(lambda page: page.one("telltale_gpu_sampler_restarts_total", reason="hung") == 1)
    fake.control.event_hang = 0
    exporter.healthy()


def test_the_driver_can_be_released_and_taken_again(start, fake) -> None:
    exporter = start(fake)
    exporter.healthy()
    exporter.process.send_signal(signal.SIGUSR1)
    exporter.wait(lambda: not exporter.children())
    assert "released" in exporter.get()
    exporter.process.send_signal(signal.SIGUSR1)
    exporter.healthy()


def test_an_ordinary_user_without_capabilities_is_enough(fake, tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("already an ordinary user")
    tmp_path.chmod(0o755)
    for path in (*tmp_path.parents, fake.library.parent):
        if path.stat().st_uid == os.getuid() and path != Path("/"):
            path.chmod(path.stat().st_mode | 0o055)
    fake.file.chmod(0o666)
    code = "import os, sys; from exporters.gpu import config, exporter; os.setgroups([]); "
    code += "os.setgid(65534); os.setuid(65534); sys.exit(exporter.run(config.parse(sys.argv[1])))"
    settings = dump(Config(library=str(fake.library), once=True))
    done = subprocess.run(
        [sys.executable, "-S", "-c", code, settings],
        env={**exporters.gpu.environment(), **fake.environment},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    assert "NVIDIA H100" in done.stdout
