"""XID events: a thread that waits for them and survives any error while waiting."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from ctypes import byref, c_uint, c_ulonglong, c_void_p
from typing import NamedTuple

from exporters.gpu.nvml.device import Device
from exporters.gpu.nvml.library import EVENT_XID, TIMEOUT, EventData, Library, NvmlError, check
from exporters.gpu.shared_page import Page

WAIT_MS = 1000
LONGEST_PAUSE = 60.0


class Xid(NamedTuple):
    uuid: str
    code: int
    when: float


class XidWatch:
    """Events of `devices` since it began; `drain` returns each once. Unix seconds."""

    def __init__(self, library: Library, page: Page, clock: Callable[[], float] = time.time) -> None:
        self._library, self._page, self._clock = library, page, clock
        self._devices: Sequence[Device] = ()
        self._changed = threading.Event()
        self._seen: deque[Xid] = deque(maxlen=10_000)
        self._thread: threading.Thread | None = None

    def watch(self, devices: Sequence[Device]) -> None:
        """Watch these from now on."""
        self._devices = tuple(devices)
        self._changed.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="xid", daemon=True)
            self._thread.start()

    def drain(self) -> list[Xid]:
        drained = []
        while self._seen:
            drained.append(self._seen.popleft())
        return drained

    def _run(self) -> None:
        pause = 1.0
        while True:
            self._changed.clear()
            try:
                self._follow(self._devices)
                pause = 1.0
            except NvmlError:
                self._changed.wait(pause)
                pause = min(LONGEST_PAUSE, pause * 2)

    def _follow(self, devices: Sequence[Device]) -> None:
        """Wait for events of these devices until others are to be watched. Raises NvmlError."""
        events = c_void_p()
        self._library.call("nvmlEventSetCreate", byref(events))
        try:
            known = {device.handle.value: device for device in devices if self._register(device, events)}
            if not known:
                self._changed.wait(LONGEST_PAUSE)
            while known and not self._changed.is_set():
                self._wait(events, known)
        finally:
            self._library.function("nvmlEventSetFree")(events)

    def _register(self, device: Device, events: c_void_p) -> bool:
        code = self._library.function("nvmlDeviceRegisterEvents")(device.handle, c_ulonglong(EVENT_XID), events)
        device.xid_watched = code == 0
        return device.xid_watched

    def _wait(self, events: c_void_p, known: dict[int | None, Device]) -> None:
        data = EventData()
        self._page.wait_begins()
        code = self._library.function("nvmlEventSetWait_v2")(events, byref(data), c_uint(WAIT_MS))
        self._page.wait_ends()
        if code == TIMEOUT:
            return
        check("nvmlEventSetWait_v2", code)
        device = known.get(data.device)
        if device is not None and data.eventType & EVENT_XID:
            self._seen.append(Xid(device.identity.uuid, data.eventData, self._clock()))
