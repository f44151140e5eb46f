"""The GPUs of this machine through NVML: found, opened, and followed as they come and go."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from typing import Protocol

from exporters.gpu.nvml.counters import Counters
from exporters.gpu.nvml.device import Device
from exporters.gpu.nvml.events import XidWatch
from exporters.gpu.nvml.identity import Identity
from exporters.gpu.nvml.kernel_log import Deduplicator, KernelLog, bus
from exporters.gpu.nvml.library import GPU_IS_LOST, NO_ATTACH, DriverGone, Library, NvmlError, reason
from exporters.gpu.nvml.mig import Instance
from exporters.gpu.nvml.processes import Process
from exporters.gpu.series import Values
from exporters.gpu.shared_page import NO_GPU, Page

log = logging.getLogger("telltale.gpu")

KERNEL_LIST = "/proc/driver/nvidia/gpus"
REOPEN = 10.0
REINIT = 300.0
"""Seconds after which a lost GPU is opened again, and after which the whole library is."""


class Gpu(Protocol):
    """What the sampler needs of a GPU, real or simulated."""

    index: int
    labels: str
    identity: Identity
    counters: Counters
    values: Values
    state: str
    processes: list[Process]

    @property
    def instances(self) -> list[Instance]: ...
    @property
    def slow(self) -> list[str]: ...
    def read(self, now: float, longest: float) -> None: ...


class Source(Protocol):
    """Where GPUs come from. `missing`: index to the reason why that GPU could not be opened."""

    driver: str
    nvml: str
    missing: dict[int, str]

    def gpus(self) -> list[Gpu]:
        """The GPUs now, without those to be left alone. Raises NvmlError, DriverGone."""
        ...

    def close(self) -> None: ...


class NvmlSource:
    """Raises NvmlError when the library cannot be loaded or initialised."""

    def __init__(self, path: str, page: Page, saved: dict[str, Counters], events: bool = True, kmsg: str = "") -> None:
        self._page, self._saved = page, saved
        page.step(NO_GPU, "loading libnvidia-ml")
        self._library = Library(path)
        self._begin()
        page.step(NO_GPU, "nvmlSystemGetDriverVersion")
        self.driver = self._library.text("nvmlSystemGetDriverVersion")
        self.nvml = self._library.text("nvmlSystemGetNVMLVersion")
        self.missing: dict[int, str] = {}
        self._devices: dict[int, Device] = {}
        self._lost_since: dict[int, float] = {}
        self._kernel = kernel_gpus()
        self._xids = XidWatch(self._library, page) if events else None
        self._kmsg = _kernel_log(kmsg)
        self._deduplicator = Deduplicator()

    def _begin(self) -> None:
        """Initialise, without attaching all GPUs if one of them must be left alone."""
        skipped = self._page.skipped()
        self._page.step(NO_GPU, "nvmlInit_v2")
        self._library.init(NO_ATTACH if skipped else 0)
        if skipped and not self._attaches(skipped):
            self._page.step(NO_GPU, "nvmlInit_v2")
            self._library.function("nvmlShutdown")()
            self._library.init()

    def _attaches(self, skipped: frozenset[int]) -> bool:
        """Whether this driver attaches a GPU when it is first asked for."""
        others = [index for index in range(self._library.count()) if index not in skipped]
        for index in others:
            self._page.step(index, "nvmlDeviceGetHandleByIndex_v2")
            with contextlib.suppress(NvmlError):
                self._library.handle(index)
                return True
        return not others

    def gpus(self) -> list[Gpu]:
        self._page.step(NO_GPU, "nvmlDeviceGetCount_v2")
        count, skipped = self._library.count(), self._page.skipped()
        if kernel_gpus() != self._kernel:
            raise DriverGone("the kernel's list of GPUs changed", 9)
        before = dict(self._devices)
        self.missing = {}
        self._devices = {index: device for index, device in before.items() if index < count and index not in skipped}
        for index in range(count):
            if index not in skipped and (index not in self._devices or self._reopen(index)):
                self._open(index)
        self._drop_moved(before, count)
        if self._xids is not None and list(self._devices.items()) != list(before.items()):
            self._xids.watch(list(self._devices.values()))
            self._peers()
        self._count_xids()
        return [self._devices[index] for index in sorted(self._devices)]

    def _open(self, index: int) -> None:
        def step(call: str) -> None:
            self._page.step(index, call)

        try:
            self._devices[index] = Device(self._library, index, version(self.driver), self._saved, step)
        except DriverGone:
            raise
        except NvmlError as error:
            self._devices.pop(index, None)
            self.missing[index] = "lost" if error.code == GPU_IS_LOST else reason(error.code)

    def _reopen(self, index: int) -> bool:
        """Whether a GPU has been lost long enough for its handle to be opened again."""
        now = time.monotonic()
        if self._devices[index].state not in ("lost", "reset_required"):
            self._lost_since.pop(index, None)
            return False
        since = self._lost_since.setdefault(index, now)
        if now - since > REINIT:
            raise DriverGone("a GPU stays lost, so the library begins anew", 9)
        return int(now - since) % int(REOPEN) == int(REOPEN) - 1

    def _drop_moved(self, before: dict[int, Device], count: int) -> None:
        """After a GPU came or went, an index may mean another GPU: open those whose UUID is not the known one."""
        if len(before) == count or not before:
            return
        for index, device in list(self._devices.items()):
            if before.get(index) is device:
                self._page.step(index, "nvmlDeviceGetUUID")
                uuid = self._library.text("nvmlDeviceGetUUID", self._library.handle(index))
                if uuid and uuid != device.identity.uuid:
                    self._open(index)

    def _peers(self) -> None:
        devices = list(self._devices.values())
        for device in devices:
            device.peers([other for other in devices if other is not device])

    def _count_xids(self) -> None:
        by_uuid = {device.identity.uuid: device for device in self._devices.values()}
        for xid in self._xids.drain() if self._xids is not None else ():
            if xid.uuid in by_uuid and self._deduplicator.is_new("nvml", *xid):
                by_uuid[xid.uuid].counters.xid(xid.code, xid.when)
        if self._kmsg is not None:
            self._count_kernel_xids(self._kmsg, time.time())

    def _count_kernel_xids(self, kernel: KernelLog, now: float) -> None:
        by_bus = {bus(device.identity.pci_bus_id): device for device in self._devices.values()}
        for pci, code in kernel.drain():
            device = by_bus.get(pci)
            if device is not None and self._deduplicator.is_new("kmsg", device.identity.uuid, code, now):
                device.counters.xid(code, now)

    def close(self) -> None:
        self._page.step(NO_GPU, "nvmlShutdown")
        self._library.function("nvmlShutdown")()


def _kernel_log(path: str) -> KernelLog | None:
    try:
        return KernelLog(path) if path else None
    except OSError as error:
        log.warning("gpu.kmsg: %s: %s; XIDs come from NVML alone", path, error.strerror)
        return None


def version(text: str) -> tuple[int, int]:
    """'580.82.07' to (580, 82); (0, 0) when it is none."""
    numbers = [int(part) for part in text.split(".")[:2] if part.isdigit()]
    return (numbers[0], numbers[1]) if len(numbers) == 2 else (0, 0)


def kernel_gpus(folder: str = KERNEL_LIST) -> list[str]:
    """PCI ids of the GPUs that the kernel driver has bound; empty where it lists none."""
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []
