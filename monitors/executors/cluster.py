"""Judge on a Ray cluster: the one at an address, else one that is started on this machine.

Its nodes need this version of Telltale installed.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, Final

from monitors import work
from monitors.executors.executor import Lost
from monitors.work import Outcome, Task
from telltale import exits

if TYPE_CHECKING:
    from collections.abc import Callable

MISSING: Final = 'monitor.executor = "ray" needs Ray: install telltale-llm[ray]'


class Cluster:
    """`workers` tasks at once, 0 for one a core of the cluster; each has `patience` seconds for a window.

    Raises UsageError without Ray, or without a cluster at the address.
    """

    def __init__(self, address: str, workers: int, patience: float) -> None:
        try:
            import ray
        except ImportError:
            raise exits.UsageError(MISSING) from None
        self._ray = ray
        self._own = not ray.is_initialized()
        if self._own:
            try:
                ray.init(
                    address=address or "local", num_cpus=None if address else workers or None, log_to_driver=False,
                    include_dashboard=None if address else False, logging_level=logging.WARNING,
                    configure_logging=False,
                )  # fmt: skip
            except ConnectionError as error:
                raise exits.UsageError(f"monitor.ray_address {address!r}: {type(error).__name__}") from None
        # What ends or hangs is told to whoever drives, who tries again.
        self._judge: Callable[..., Any] = ray.remote(max_retries=0)(work.judge).remote
        self.room = workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
        self._patience = patience
        self._under_way: dict[Any, tuple[int, float]] = {}

    def submit(self, number: int, task: Task) -> None:
        self._under_way[self._judge(task)] = number, time.monotonic() + self._patience

    def collect(self) -> tuple[int, Outcome | Lost]:
        first = min(self._under_way, key=lambda one: self._under_way[one][1])
        left = max(0.0, self._under_way[first][1] - time.monotonic())
        ready, _ = self._ray.wait(list(self._under_way), num_returns=1, timeout=left)
        place = ready[0] if ready else first
        number, _ = self._under_way.pop(place)
        if not ready:
            self._ray.cancel(place, force=True)
            return number, Lost(f"not judged within {self._patience:g} s")
        try:
            outcome: Outcome = self._ray.get(place)
        except self._ray.exceptions.RayError as error:
            return number, Lost(f"the worker ended: {type(error).__name__}")
        return number, outcome

    def drop(self) -> None:
        for place in self._under_way:
            self._ray.cancel(place, force=True)
        self._under_way.clear()

    def close(self) -> None:
        self.drop()
        if self._own:
            self._ray.shutdown()
