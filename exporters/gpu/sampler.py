"""The process that reads the driver: one reading of all GPUs per interval, published as a finished page.

It may hang or die at any time; its parent sees that and carries on. It never returns: it ends the process.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import signal
import socket
import sys
import time
from typing import Any, NoReturn

from exporters.gpu.config import Config
from exporters.gpu.expose import dcgm
from exporters.gpu.expose.render import Renderer
from exporters.gpu.nvml.counters import Counters
from exporters.gpu.nvml.library import LIBRARY_NOT_FOUND, NvmlError
from exporters.gpu.nvml.source import Gpu, NvmlSource, Source
from exporters.gpu.series import Entity, label
from exporters.gpu.shared_page import NO_GPU, Page
from exporters.gpu.simulate import SimulatedSource

FAILED = 3
SIMULATED = label("simulated", "true")
_PR_SET_PDEATHSIG = 1


class _Stop(BaseException):
    """SIGTERM was received."""


def run(config: Config, page: Page, saved: dict[str, Any], parent: int, events: bool = True) -> NoReturn:
    """Read and publish until SIGTERM or until the driver fails; then end this process."""
    become_child(parent)
    counters = {uuid: Counters(state) for uuid, state in saved.items()}
    # Objects inherited from the fork live on, and readings are freed by reference counts, so cycle collection is rare.
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    code = FAILED
    try:
        _sample(open_source(config, page, counters, events), config, page, counters)
    except _Stop:
        code = 0
    except NvmlError as error:
        page.set_error(_explain(error))
    except Exception as error:  # noqa: BLE001  # nothing above this frame is ours to unwind into: the parent reports it
        page.set_error(f"{type(error).__name__}: {error}")
    finally:
        os._exit(code)


def probe(config: Config, page: Page, gpu: int, parent: int) -> NoReturn:
    """Read one GPU that hung before; end with 0 if it responds."""
    become_child(parent)
    code = FAILED
    try:
        for other in range(256):
            page.skip(other, other != gpu)
        found = NvmlSource(config.library, page, {}, events=False).gpus()
        for device in found:
            device.read(time.monotonic(), 0.0)
            code = 0 if device.state == "ok" else FAILED
    except NvmlError as error:
        page.set_error(_explain(error))
    finally:
        os._exit(code)


def become_child(parent: int) -> None:
    """Die with the parent, keep none of its sockets, react to SIGTERM only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)
    os.closerange(3, 4096)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _stop)
    signal.set_wakeup_fd(-1)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _stop(*_: object) -> None:
    raise _Stop


def _explain(error: NvmlError) -> str:
    hint = "; is the NVIDIA driver installed here?" if error.code == LIBRARY_NOT_FOUND else ""
    return f"{error}{hint}"


def open_source(config: Config, page: Page, counters: dict[str, Counters], events: bool) -> Source:
    if config.simulate:
        return SimulatedSource(config.simulate, counters)
    return NvmlSource(config.library, page, counters, events, config.kmsg)


def _sample(source: Source, config: Config, page: Page, counters: dict[str, Counters]) -> None:
    reading = Reading(source, config, counters)
    following = time.monotonic()
    try:
        while True:
            reading.publish(page)
            page.idle()
            following += config.interval
            now = time.monotonic()
            # A late reading shifts the schedule: two close together would give GPM less than its 100 ms.
            following = max(following, now + min(0.1, config.interval / 2))
            time.sleep(following - now)
    except _Stop:
        source.close()
        raise


class Reading:
    """Reads all GPUs of one source and publishes the page."""

    def __init__(self, source: Source, config: Config, counters: dict[str, Counters]) -> None:
        self._source, self._config, self._counters = source, config, counters
        self._renderer = Renderer(SIMULATED if config.simulate else "")
        self._host = socket.gethostname()

    def publish(self, page: Page) -> None:
        """Raises NvmlError when the driver as a whole fails."""
        began = time.monotonic()
        gpus = self._source.gpus()
        for gpu in gpus:
            gpu.read(time.monotonic(), 5 * self._config.interval)
            self._identify(gpu)
        page.step(NO_GPU, "rendering")
        native, compat = self._renderer.render([entity for gpu in gpus for entity in self._entities(gpu)])
        facts = json.dumps(
            {
                "driver": self._source.driver,
                "nvml": self._source.nvml,
                "gpus": [fact(gpu) for gpu in gpus],
                "missing": self._source.missing,
                "counters": {uuid: counters.dump() for uuid, counters in self._counters.items()},
            }
        )
        page.publish(native, compat, facts.encode(), time.monotonic() - began)

    def _identify(self, gpu: Gpu) -> None:
        """Add the constant values of a GPU that responds."""
        if gpu.state != "ok":
            return
        who = gpu.identity
        image, oem, ecc, power = who.inforom
        named = {"name": who.name, "pci_bus_id": who.pci_bus_id, "serial": who.serial, "vbios": who.vbios}
        named |= {"brand": who.brand, "driver": self._source.driver, "nvml": self._source.nvml}
        named["architecture"] = who.architecture
        gpu.values["gpu_info", "".join(label(name, value) for name, value in named.items())] = 1
        if any(who.inforom):
            versions = label("image", image) + label("oem", oem) + label("ecc", ecc) + label("power", power)
            gpu.values["gpu_inforom_info", versions] = 1
        gpu.values["_identity", dcgm.identity_labels(who, self._source.nvml)] = 1

    def _entities(self, gpu: Gpu) -> list[Entity]:
        whole = dcgm.labels(gpu.identity, self._host, self._source.driver)
        entities = [Entity(gpu.labels, f"{whole}{dcgm.OWNER_MARK}{gpu.index}{dcgm.OWNER_MARK}", gpu.values)]
        for instance in gpu.instances:
            ids = label("GPU_I_ID", instance.gpu_instance) + label("GPU_I_PROFILE", instance.profile)
            place = f"{dcgm.OWNER_MARK}{instance.uuid}{dcgm.OWNER_MARK}"
            entities.append(Entity(instance.labels, whole + ids + place, instance.values))
        return entities


def fact(gpu: Gpu) -> dict[str, Any]:
    """What the parent needs to know of a GPU beside its series."""
    values = gpu.values
    return {
        "index": gpu.index,
        "uuid": gpu.identity.uuid,
        "name": gpu.identity.name,
        "state": gpu.state,
        "slow": gpu.slow,
        "energy": values.get(("gpu_energy_joules_total", "")),
        "busy": values.get(("gpu_busy_seconds_total", "")),
        "processes": [list(process) for process in gpu.processes],
        "mig": [[i.uuid, i.gpu_instance, i.values.get(("gpu_memory_used_bytes", ""))] for i in gpu.instances],
    }
