"""MIG instances of a GPU: rediscovered with every slow reading, so that a reused id never mixes two instances."""

from __future__ import annotations

from collections.abc import Callable
from ctypes import byref, c_uint, c_ulonglong, c_void_p

from exporters.gpu.nvml.batch import GpmPair
from exporters.gpu.nvml.calls import raise_if_lost
from exporters.gpu.nvml.library import MEMORY_V2, DeviceAttributes, Library, NvmlError
from exporters.gpu.series import Values, label


class Instance:
    """One compute instance. `values` has the same keys as a whole GPU's, under `labels` with `mig` in them."""

    def __init__(self, library: Library, parent: c_void_p, handle: c_void_p, uuid: str, labels: str) -> None:
        self.uuid, self.labels = uuid, f"{labels}{label('mig', uuid)}"
        self._library, self._parent, self.handle = library, parent, handle
        self.gpu_instance = self._number("nvmlDeviceGetGpuInstanceId")
        self.compute_instance = self._number("nvmlDeviceGetComputeInstanceId")
        attributes = DeviceAttributes()
        library.call("nvmlDeviceGetAttributes_v2", handle, byref(attributes))
        self.profile = f"{attributes.gpuInstanceSliceCount}g.{round(attributes.memorySizeMB / 1024)}gb"
        self.values: Values = {("gpu_mig_multiprocessors", ""): attributes.multiprocessorCount}
        extra = label("instance", self.gpu_instance) + label("compute_instance", self.compute_instance)
        self.values["gpu_mig_info", extra + label("profile", self.profile)] = 1
        self._memory = (c_ulonglong * 5)()
        self._gpm: GpmPair | None = None
        if GpmPair.supported(library, parent):
            self._gpm = GpmPair(library, parent, self.gpu_instance)

    def _number(self, name: str) -> int:
        number = c_uint()
        self._library.call(name, self.handle, byref(number))
        return number.value

    def read(self) -> None:
        """Raises NvmlError when the instance is gone."""
        self._memory[0] = MEMORY_V2
        self._library.call("nvmlDeviceGetMemoryInfo_v2", self.handle, self._memory)
        _, total, reserved, free, used = self._memory
        for name, value in (("total", total), ("reserved", reserved), ("free", free), ("used", used)):
            self.values[f"gpu_memory_{name}_bytes", ""] = value
        if self._gpm is not None:
            self.values.update(self._gpm.read())

    def close(self) -> None:
        if self._gpm is not None:
            self._gpm.close()


class MigSet:
    """The instances of one GPU."""

    keys = (("gpu_mig_enabled", ""),)

    def __init__(self, library: Library, handle: c_void_p, labels: str, step: Callable[[str], None]) -> None:
        self._library, self._handle, self._labels, self._step = library, handle, labels, step
        self.instances: list[Instance] = []
        self._stale = False
        self._changed = False

    def pop_change(self) -> bool:
        """True once after the set of instances changed."""
        changed, self._changed = self._changed, False
        return changed

    def clear(self) -> None:
        for instance in self.instances:
            instance.close()
        self.instances = []

    def enumerate(self) -> Values:
        """Find the instances. Raises NvmlError on cards without MIG."""
        current, pending = c_uint(), c_uint()
        self._library.call("nvmlDeviceGetMigMode", self._handle, byref(current), byref(pending))
        found = self._found() if current.value else {}
        if list(found) != [instance.uuid for instance in self.instances] or self._stale:
            self.clear()
            self.instances = [
                Instance(self._library, self._handle, handle, uuid, self._labels) for uuid, handle in found.items()
            ]
            self._stale, self._changed = False, True
        return {("gpu_mig_enabled", ""): current.value}

    def _found(self) -> dict[str, c_void_p]:
        most = c_uint()
        self._library.call("nvmlDeviceGetMaxMigDeviceCount", self._handle, byref(most))
        found = {}
        for index in range(most.value):
            handle = c_void_p()
            function = self._library.function("nvmlDeviceGetMigDeviceHandleByIndex")
            if function(self._handle, c_uint(index), byref(handle)) == 0:
                found[self._library.text("nvmlDeviceGetUUID", handle)] = handle
        return found

    def read(self) -> Values:
        """Read every instance; a failing one is gone, and the set is rediscovered. Gives no values of the whole GPU."""
        try:
            if self._stale:
                self.enumerate()
            for instance in self.instances:
                instance.read()
        except NvmlError as error:
            self._stale = True
            self.clear()
            raise_if_lost(error)
        return {}
