"""One GPU in NVML: what is read from it, how often, and the names of its series."""

from __future__ import annotations

import time
from collections.abc import Callable
from ctypes import byref, c_uint, c_void_p
from functools import partial

from exporters.gpu.nvml.batch import Batch, GpmPair
from exporters.gpu.nvml.calls import RETRY_REFUSED, Calls, Lost, raise_if_lost, reader
from exporters.gpu.nvml.counters import Counters
from exporters.gpu.nvml.identity import Identity, identify
from exporters.gpu.nvml.library import (
    FABRIC_V2,
    MAX_LINKS,
    SUCCESS,
    WILL_NOT,
    FabricInfo,
    Library,
    LicensableFeatures,
    NvmlError,
    reason,
)
from exporters.gpu.nvml.mig import Instance, MigSet
from exporters.gpu.nvml.processes import Process, ProcessTable
from exporters.gpu.nvml.rates import Rates
from exporters.gpu.nvml.table import FIELDS, GETTERS, GPM, LINK_ERRORS, Field, link_error, link_fields
from exporters.gpu.series import Key, Values, label

Driver = tuple[int, int]
_CANARY = "nvmlDeviceGetTemperature"


class Device:
    """A GPU by its index. Opening it raises NvmlError; so does `read` when the driver itself is gone.

    `state` is ok, lost, reset_required, refused (no right to read it) or error.
    """

    def __init__(
        self, library: Library, index: int, driver: Driver, saved: dict[str, Counters], step: Callable[[str], None]
    ) -> None:
        self.index, self.step = index, step
        self._library, self._driver = library, driver
        step("nvmlDeviceGetHandleByIndex_v2")
        self.handle = library.handle(index)
        step("nvmlDeviceGetUUID")
        self.identity: Identity = identify(library, self.handle, index)
        self.labels = self.identity.labels
        self.counters = saved.setdefault(self.identity.uuid, Counters())
        self.values: Values = {}
        self.state = "unknown"
        self.xid_watched = False
        self.processes: list[Process] = []
        self.mig = MigSet(library, self.handle, self.labels, step)
        self._calls = Calls(self.values, step, self._failed)
        self._links: tuple[int, ...] = ()
        self._gpm: GpmPair | None = None
        self._rates = Rates()
        self._peers: Values = {}
        self._counted = {
            field.key for field in FIELDS if field.key[0] == "gpu_throttle_seconds_total" and self._known(field)
        }
        self._read_at: float | None = None
        self._tick = 0
        self._register_calls()

    @property
    def instances(self) -> list[Instance]:
        return self.mig.instances

    @property
    def slow(self) -> list[str]:
        return sorted({call.name for call in self._calls.all if call.demoted})

    def read(self, now: float, longest: float) -> None:
        """Make the readings that are due. `longest`: gaps of more seconds than this are not integrated over.

        Raises DriverGone.
        """
        try:
            done = self._calls.run(self._tick, now)
            if self.mig.pop_change():
                self._calls.retry_all()
        except Lost as lost:
            self._mark_lost("lost" if lost.code == 15 else "reset_required", lost)
            return
        self._tick += 1
        if not done:
            self._mark_failed()
            return
        elapsed = now - self._read_at if self._read_at is not None else 0.0
        self._derive(now, elapsed if elapsed <= longest else 0.0)
        self._read_at, self.state = now, "ok"

    def _mark_failed(self) -> None:
        """No call gave a value: earlier values from slower calls belong to a GPU that no longer responds."""
        self.values.clear()
        self._read_at = None
        if self.state in ("ok", "unknown"):
            self.state = "error"

    def _derive(self, now: float, elapsed: float) -> None:
        self.counters.elapse(self.values, elapsed, self._counted & self.values.keys())
        self._rates.update(self.values, now)
        self.values.update(self._peers)
        if self.xid_watched:
            self.counters.xid_values(self.values)
        self.counters.health(self.values, time.time())

    def _sum_links(self, links: Values) -> Values:
        """Readings of the links, and the sum over them for each kind of error."""
        for kind in LINK_ERRORS:
            known = [links[key] for link in self._links if (key := link_error(kind, link)) in links]
            if known:
                links["gpu_nvlink_errors_total", label("kind", kind)] = sum(known)
        return links

    def _known(self, field: Field) -> bool:
        return self._driver >= field.since

    def _mark_lost(self, state: str, error: NvmlError) -> None:
        self._failed(error.call, error.code)
        self.values.clear()
        self.processes = []
        self.mig.clear()
        self._read_at, self.state = None, state

    def _failed(self, call: str, code: int) -> None:
        if call == _CANARY:
            self.state = "refused" if code == 4 else "error"
        self.counters.failed(call, reason(code))

    def _register_calls(self) -> None:
        for getter in GETTERS:
            name, read = reader(self._library, self.handle, getter)
            keys = [key[0] for key in getter.keys if key]
            self._calls.add(name, getter.tier, read, keys, canary=name == _CANARY)
        for tier in (2, 1, 0):
            fields = [field for field in FIELDS if field.tier == tier and self._known(field)]
            self._calls.add(Batch.call, tier, self._batch(partial(list, fields)).read, [field.key for field in fields])
        self._calls.add("nvmlDeviceGetNvLinkState", 2, self._find_links)
        links = self._batch(lambda: [field for link in self._links for field in link_fields(link)])
        sums = [("gpu_nvlink_errors_total", label("kind", kind)) for kind in LINK_ERRORS]
        self._calls.add(Batch.call, 1, lambda: self._sum_links(links.read()), sums)
        if GpmPair.supported(self._library, self.handle):
            self._calls.add("nvmlGpmMetricsGet", 0, self._read_gpm, [metric.key for metric in GPM])
        self._calls.add("nvmlDeviceGetMigDeviceHandleByIndex", 1, self.mig.enumerate, self.mig.keys)
        self._calls.add("nvmlGpmMigSampleGet", 0, self.mig.read)
        table = ProcessTable(self._library, self.handle)
        self._calls.add("nvmlDeviceGetComputeRunningProcesses_v3", 1, lambda: self._read_processes(table))
        self._calls.add("nvmlDeviceGetGridLicensableFeatures_v4", 2, self._licence, [("gpu_vgpu_licensed", "")])
        self._calls.add("nvmlDeviceGetGpuFabricInfoV", 2, self._fabric, [("gpu_fabric_state", "")])

    def _batch(self, wanted: Callable[[], list[Field]]) -> FieldReader:
        source = FieldReader(self._library, self.handle, wanted, self._failed)
        source.forget = lambda keys: [self.values.pop(key, None) for key in keys]
        return source

    def _read_gpm(self) -> Values:
        if self._gpm is None:
            self._gpm = GpmPair(self._library, self.handle)
        return self._gpm.read()

    def _read_processes(self, table: ProcessTable) -> Values:
        self.processes = table.read()
        return {("gpu_processes", ""): len(self.processes)}

    def _find_links(self) -> Values:
        read = self._library.function("nvmlDeviceGetNvLinkState")
        active = c_uint()
        states: dict[int, int] = {}
        for link in range(MAX_LINKS):
            code = read(self.handle, c_uint(link), byref(active))
            if code == SUCCESS:
                states[link] = active.value
            elif code in WILL_NOT:
                # Links are numbered without gaps: the first unknown one ends the list.
                break
        self._links = tuple(link for link, up in states.items() if up)
        return {("gpu_nvlink_active", label("link", link)): up for link, up in states.items()}

    def _licence(self) -> Values:
        features = LicensableFeatures()
        self._library.call("nvmlDeviceGetGridLicensableFeatures_v4", self.handle, byref(features))
        if not features.isGridLicenseSupported:
            return {}
        count = min(3, features.licensableFeaturesCount)
        return {("gpu_vgpu_licensed", ""): int(any(f.featureState for f in features.features[:count]))}

    def _fabric(self) -> Values:
        info = FabricInfo(version=FABRIC_V2)
        self._library.call("nvmlDeviceGetGpuFabricInfoV", self.handle, byref(info))
        return {("gpu_fabric_state", ""): info.state}

    def peers(self, others: list[Device]) -> None:
        """Read the peer access over NVLink to `others`, which never changes, and show it from now on."""
        status = c_uint()
        for other in others:
            self.step("nvmlDeviceGetP2PStatus")
            code = self._library.function("nvmlDeviceGetP2PStatus")(self.handle, other.handle, c_uint(2), byref(status))
            key = ("gpu_p2p_status", label("peer", other.index))
            self.values.pop(key, None)
            self._peers.pop(key, None)
            if code == SUCCESS:
                self._peers[key] = status.value


class FieldReader:
    """A batch that leaves out what the card refuses, and asks for it again after an hour."""

    def __init__(
        self,
        library: Library,
        handle: c_void_p,
        wanted: Callable[[], list[Field]],
        failed: Callable[[str, int], None],
    ) -> None:
        self._library, self._handle, self._wanted, self._failed = library, handle, wanted, failed
        self._asked: list[Field] | None = None
        self._batch = Batch(library, ())
        self._until = 0.0
        self.forget: Callable[[list[Key]], object] = lambda keys: None

    def read(self) -> Values:
        wanted, now = self._wanted(), time.monotonic()
        if wanted != self._asked or now >= self._until:
            self._asked, self._until = wanted, now + RETRY_REFUSED
            self._batch = Batch(self._library, wanted)
        values, failed = self._batch.read(self._handle)
        for code in sorted(set(failed.values())):
            raise_if_lost(NvmlError(Batch.call, code))
            self._failed(Batch.call, code)
        self.forget([field.key for field in failed])
        refused = {field for field, code in failed.items() if code in WILL_NOT}
        if refused:
            self._batch = Batch(self._library, [field for field in self._batch.fields if field not in refused])
        return values
