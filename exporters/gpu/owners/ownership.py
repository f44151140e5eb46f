"""Who uses which GPU, and how much: pods from kubelet, containers from cgroups, anything else from the settings.

Device values are never copied to owners: energy and busy time are split, so that sums over owners equal the GPU's.
"""

from __future__ import annotations

import fnmatch
import os
import re
import selectors
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from exporters.gpu.config import Config
from exporters.gpu.owners import cgroup
from exporters.gpu.owners.podresources import ContainerRef, Lister
from exporters.gpu.series import family, label
from telltale.catalogue.gpu import OWNER

_FAMILIES = {metric.name: metric for metric in OWNER}
_LOG_NAME = re.compile(r"(?P<pod>[^_]+)_(?P<namespace>[^_]+)_(?P<container>.+)-(?P<id>[0-9a-f]{64})\.log")
_MOST_OWNERS = 500
"""Owners per GPU; the counters of owners that left are dropped beyond it, oldest first."""


class Owner(NamedTuple):
    """Empty fields are unknown; if all are empty, the share is nobody's."""

    namespace: str = ""
    pod: str = ""
    container: str = ""
    tenant: str = ""
    service: str = ""

    def labels(self) -> str:
        return "".join(label(name, value) for name, value in zip(self._fields, self, strict=True))


NOBODY = Owner()


class Ledger:
    """What one GPU cost each owner since the exporter began."""

    def __init__(self) -> None:
        self.energy: dict[Owner, float] = {}
        self.busy: dict[Owner, float] = {}
        self._last: tuple[float | None, float | None] = (None, None)

    def book(self, energy: float | None, busy: float | None, shares: dict[Owner, float]) -> None:
        """Split what was added to the GPU's counters since the last booking. `shares` sum to at most 1."""
        before = self._last
        self._last = energy, busy
        parts = {**shares, NOBODY: max(0.0, 1 - sum(shares.values()))}
        for total, last, kept in ((energy, before[0], self.energy), (busy, before[1], self.busy)):
            # A counter that went down was reset: its value was added since then.
            added = 0.0 if total is None or last is None else total - last if total >= last else total
            for owner, share in parts.items():
                if share > 0:
                    kept[owner] = kept.pop(owner, 0.0) + added * share
            while len(kept) > _MOST_OWNERS:
                del kept[next(iter(kept))]


class Usage(NamedTuple):
    """One GPU's owners now. `shares` of the work, `memory` in bytes, `processes` counted; `mig` by MIG uuid."""

    shares: dict[Owner, float]
    memory: dict[Owner, int]
    processes: dict[Owner, int]
    owners: tuple[tuple[Owner, str], ...]


def usage(gpu: dict[str, Any], find: Callable[[int], Owner | None], allocated: dict[str, Owner]) -> Usage:
    """Fold a GPU's processes by owner. `find`: a process' owner by its id, None if not known; `allocated`: the owners
    to whom devices (the GPU, its MIG instances) were allocated, by uuid."""
    instances = {gi: uuid for uuid, gi, _ in gpu["mig"]}
    whole = allocated.get(gpu["uuid"])
    memory: dict[Owner, int] = {}
    processes: dict[Owner, int] = {}
    work: dict[Owner, float] = {}
    owners: dict[tuple[Owner, str], None] = {}
    for pid, used, sm, gi in gpu["processes"]:
        instance = instances.get(gi, "")
        owner = find(pid) or allocated.get(instance) or whole or NOBODY
        processes[owner] = processes.get(owner, 0) + 1
        if used is not None:
            memory[owner] = memory.get(owner, 0) + used
        work[owner] = work.get(owner, 0.0) + (sm or 0.0)
        owners[owner, instance] = None
    for uuid in ("", *instances.values()):
        allocatee = allocated.get(uuid) if uuid else whole
        if allocatee is not None:
            owners[allocatee, uuid] = None
    real = {owner: None for owner, _ in owners if owner != NOBODY}
    return Usage(_shares(list(real), work), memory, processes, tuple(key for key in owners if key[0] != NOBODY))


def _shares(owners: list[Owner], work: dict[Owner, float]) -> dict[Owner, float]:
    """All to a sole owner; else by SM time, which can sum to more than the whole when processes overlap."""
    if len(owners) == 1:
        return {owners[0]: 1.0}
    total = max(1.0, sum(work.values()))
    return {owner: work.get(owner, 0.0) / total for owner in owners}


class Owners:
    """The owners of every GPU. `tick` asks kubelet anew, `account` books a reading, `text` renders everything."""

    def __init__(self, config: Config, selector: selectors.BaseSelector, proc: str = "/proc") -> None:
        self._config, self._proc = config, proc
        self._lister: Lister | None = None
        if config.pod_resources_socket and os.path.exists(os.path.dirname(config.pod_resources_socket)):
            self._lister = Lister(config.pod_resources_socket, selector)
        self._ledgers: dict[str, Ledger] = {}
        self._usages: dict[str, tuple[str, Usage]] = {}
        self._containers: dict[str, ContainerRef] = {}
        self._processes: dict[int, cgroup.Place] = {}
        self._hidden = False

    def tick(self, now: float) -> None:
        if self._lister is not None:
            self._lister.tick(now)

    def close(self) -> None:
        if self._lister is not None:
            self._lister.close()

    def account(self, gpus: list[dict[str, Any]], now: float) -> None:
        """Book one reading; `gpus` as the sampler describes them."""
        pids = {process[0] for gpu in gpus for process in gpu["processes"]}
        self._places(pids)
        self._usages = {}
        for gpu in gpus:
            if gpu["state"] != "ok":
                continue
            found = usage(gpu, self._find, self._allocated(gpu))
            self._ledgers.setdefault(gpu["uuid"], Ledger()).book(gpu["energy"], gpu["busy"], found.shares)
            self._usages[gpu["uuid"]] = f'gpu="{gpu["index"]}"{label("uuid", gpu["uuid"])}', found

    def _places(self, pids: set[int]) -> None:
        """Look up new processes; container names are read only if there is a new one."""
        fresh = pids - self._processes.keys()
        self._processes = {pid: place for pid, place in self._processes.items() if pid in pids}
        found = {pid: cgroup.of_process(pid, self._proc) for pid in fresh}
        self._processes |= {pid: place for pid, place in found.items() if place is not None}
        if fresh:
            self._hidden = any(place is None for place in found.values())
            self._containers = container_names(self._config.container_logs)

    def _find(self, pid: int) -> Owner | None:
        place = self._processes.get(pid)
        if place is None or not place.container:
            return None
        named = self._containers.get(place.container)
        if named is not None:
            return self._named(named)
        for pattern in (f"container:{place.container}", f"container:{place.container[:12]}"):
            if pattern in self._config.owners:
                return _owner(self._config.owners[pattern], ContainerRef("", "", place.container[:12]))
        return None

    def _named(self, ref: ContainerRef) -> Owner:
        """A pod's owner: tenant and service by the first `namespace/pod` pattern that fits, else tenant = namespace."""
        name = f"{ref.namespace}/{ref.pod}"
        for pattern, who in self._config.owners.items():
            if "/" in pattern and fnmatch.fnmatchcase(name, pattern):
                return _owner({"tenant": ref.namespace, **who}, ref)
        return _owner({"tenant": ref.namespace}, ref)

    def _allocated(self, gpu: dict[str, Any]) -> dict[str, Owner]:
        """Devices of this GPU that were allocated to somebody, by uuid."""
        uuids = [gpu["uuid"], *(uuid for uuid, _, _ in gpu["mig"])]
        found = {}
        for uuid in uuids:
            who = self._config.owners.get(uuid) or (
                self._config.owners.get(str(gpu["index"])) if uuid == gpu["uuid"] else None
            )
            if who is not None:
                found[uuid] = _owner(who, ContainerRef("", "", ""))
        if self._lister is not None:
            found |= self._allocated_by_kubelet(gpu, uuids)
        return found

    def _allocated_by_kubelet(self, gpu: dict[str, Any], uuids: list[str]) -> dict[str, Owner]:
        found: dict[str, set[ContainerRef]] = {}
        by_gi = {f"nvidia{gpu['index']}/gi{gi}": uuid for uuid, gi, _ in gpu["mig"]}
        assert self._lister is not None
        for device, ref in self._lister.allocations.items():
            plain = device.partition("::")[0]
            uuid = plain if plain in uuids else by_gi.get(plain, "")
            if plain == f"nvidia{gpu['index']}" or plain.startswith(f"nvidia{gpu['index']}/vgpu"):
                uuid = gpu["uuid"]
            if uuid:
                found.setdefault(uuid, set()).add(ref)
        # Shared by several containers: only the processes show who did what.
        return {uuid: self._named(next(iter(one))) for uuid, one in found.items() if len(one) == 1}

    def sources(self) -> Iterator[tuple[str, int]]:
        """Sources of owners and whether each responds."""
        if self._lister is not None:
            yield "pod_resources", int(self._lister.up)
        if self._processes or self._hidden:
            yield "processes", int(not self._hidden)
        if self._config.owners:
            yield "settings", 1

    def text(self, extra: str) -> str:
        """The owner families in exposition text."""
        usages = list(self._usages.values())
        info = [
            (f"{gpu}{owner.labels()}{label('mig', mig)}{extra}", 1.0)
            for gpu, found in usages
            for owner, mig in found.owners
        ]
        memory = [(gpu, found.memory) for gpu, found in usages]
        processes = [(gpu, found.processes) for gpu, found in usages]
        ledgers = [(gpu, self._ledgers[uuid]) for uuid, (gpu, _) in self._usages.items()]
        families: tuple[tuple[str, Iterable[tuple[str, float]]], ...] = (
            ("gpu_owner_info", info),
            ("gpu_owner_energy_joules_total", _flat(((gpu, ledger.energy) for gpu, ledger in ledgers), extra)),
            ("gpu_owner_busy_seconds_total", _flat(((gpu, ledger.busy) for gpu, ledger in ledgers), extra)),
            ("gpu_owner_memory_used_bytes", _flat(memory, extra)),
            ("gpu_owner_processes", _flat(processes, extra)),
        )
        return "".join(family(_FAMILIES[name], samples) for name, samples in families)

    def places(self, gpus: Iterable[dict[str, Any]]) -> dict[bytes, bytes]:
        """For the DCGM page: the pod labels of each GPU index or MIG uuid; none where several share the device."""
        texts = {}
        for gpu in gpus:
            found = self._usages.get(gpu["uuid"])
            by_mig: dict[str, list[Owner]] = {}
            for owner, mig in found[1].owners if found is not None else ():
                by_mig.setdefault(mig, []).append(owner)
            for place, mig in ((str(gpu["index"]), ""), *((uuid, uuid) for uuid, _, _ in gpu["mig"])):
                here = by_mig.get(mig, [])
                texts[place.encode()] = _pod_labels(here[0]).encode() if len(here) == 1 else b""
        return texts


def _flat(by_gpu: Iterable[tuple[str, Any]], extra: str) -> list[tuple[str, float]]:
    return [
        (f"{gpu}{owner.labels()}{extra}", round(value, 6)) for gpu, found in by_gpu for owner, value in found.items()
    ]


def _pod_labels(owner: Owner) -> str:
    return label("namespace", owner.namespace) + label("pod", owner.pod) + label("container", owner.container)


def _owner(who: dict[str, str], ref: ContainerRef) -> Owner:
    return Owner(
        ref.namespace,
        ref.pod,
        who.get("container", ref.container),
        who.get("tenant", ""),
        who.get("service", ""),
    )


def container_names(folder: str) -> dict[str, ContainerRef]:
    """Container id to its pod, by the names of kubelet's log links; {} where there are none."""
    if not folder:
        return {}
    try:
        names = os.listdir(folder)
    except OSError:
        return {}
    matches = (_LOG_NAME.fullmatch(name) for name in names)
    return {m["id"]: ContainerRef(m["namespace"], m["pod"], m["container"]) for m in matches if m}
