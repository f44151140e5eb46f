"""The demo's people vote: each vote is posted to the public feedback API, some seconds after the response."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Mapping

import httpx

_Vote = tuple[float, int, str, dict[str, object]]
"""(when it is due, number, tenant, body): a heap gives the next one due first."""


class VoteSender:
    """Posts votes after their delay; what is refused for the moment is sent again under the same key."""

    def __init__(self, web: str, keys: Mapping[str, str]) -> None:
        self._url = f"{web}/api/v1/feedback"
        self._keys = keys
        self._waiting: list[_Vote] = []
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="feedback", daemon=True)
        self.acknowledged = 0

    def start(self) -> None:
        self._thread.start()

    def add(self, tenant: str, trace_id: str, value: float, comment: str | None, delay: float) -> None:
        number = next(self._numbers)
        body: dict[str, object] = {
            "trace_id": trace_id,
            "kind": "thumb",
            "name": "helpful",
            "value": value,
            "comment": comment,
            "subject": f"user-{number}",
        }
        with self._lock:
            heapq.heappush(self._waiting, (time.monotonic() + delay, number, tenant, body))

    def stop(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        with httpx.Client(timeout=5.0) as client:
            while not self._stop.wait(0.05):
                for due in self._due():
                    self._post(client, due)

    def _due(self) -> list[_Vote]:
        with self._lock:
            ready = []
            while self._waiting and self._waiting[0][0] <= time.monotonic():
                ready.append(heapq.heappop(self._waiting))
            return ready

    def _post(self, client: httpx.Client, vote: _Vote) -> None:
        _, number, tenant, body = vote
        headers = {"Authorization": f"Bearer {self._keys[tenant]}", "Idempotency-Key": f"demo-{tenant}-{number}"}
        try:
            status = client.post(self._url, json=body, headers=headers).status_code
        except httpx.HTTPError:
            status = 503
        if status < 300:
            self.acknowledged += 1
        elif status in (429, 503):
            with self._lock:
                heapq.heappush(self._waiting, (time.monotonic() + 1.0, number, tenant, body))
