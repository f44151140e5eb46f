"""Upkeep of the store, by the part that fills it: a round a minute, and what it finds as metrics."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.registry import Collector

from telltale.metrics import Metrics, gauge_family
from telltale.settings import Settings
from telltale.store import Store, StoreUnavailable, moving, samples, size
from telltale.store.upkeep import Upkeep

log = logging.getLogger(__name__)

EVERY_S = 60.0
# Where a round left something to do, the next begins after this, so that others write in between.
PAUSE_S = 2.0


class StoreUpkeep(Collector):
    """Runs the upkeep of one store, and shows what its last round found: before the first, nothing is known."""

    def __init__(self, settings: Settings, store: Store, registry: CollectorRegistry) -> None:
        self._store = store
        self._upkeep = Upkeep(store, settings.store.retention, settings.store.max_bytes)
        self._deleted = Metrics(registry).counter("telltale_store_deleted_samples_total")
        for reason in ("retention", "max_bytes"):
            self._deleted.labels(reason)
        self._found: dict[str, float] = {}
        if settings.store.max_bytes:
            self._found["telltale_store_max_bytes"] = settings.store.max_bytes
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """What is known, for a scrape."""
        for name, value in self._found.copy().items():
            family = gauge_family(name)
            family.add_metric((), value)
            yield family

    def describe(self) -> Iterator[Metric]:
        """Nothing yet: registering must not ask."""
        return iter(())

    async def run(self) -> None:
        """Run until cancelled, even if a round fails."""
        pause = PAUSE_S
        while True:
            await asyncio.sleep(pause)
            pause = EVERY_S
            try:
                if not await asyncio.to_thread(self.round, time.time()):
                    pause = PAUSE_S
            except StoreUnavailable as error:
                log.warning("no upkeep of the store, tries again in a minute: %s", error)
            except Exception:
                # Whatever it was: without upkeep the disk fills.
                log.exception("upkeep of the store failed")

    def round(self, now: float) -> bool:
        """One round. Returns whether nothing is left to do now. Blocks. Raises StoreUnavailable."""
        report = self._upkeep.round(now)
        for reason, number in (("retention", report.expired), ("max_bytes", report.over_limit)):
            self._deleted.labels(reason).inc(number)
        if report.over_limit:
            log.warning("store.max_bytes is reached: %d samples deleted before store.retention", report.over_limit)
        with self._store.read() as connection:
            found: dict[str, float] = {
                "telltale_store_bytes": size.used(connection),
                "telltale_store_rows_to_move": moving.left(connection),
            }
            oldest = samples.first_end(connection)
        self._found.pop("telltale_store_oldest_sample_timestamp_seconds", None)
        if oldest is not None:
            found["telltale_store_oldest_sample_timestamp_seconds"] = oldest
        self._found |= found | {"telltale_store_upkeep_last_success_timestamp_seconds": now}
        return report.is_done

    def stop(self) -> None:
        """End what is under way soon."""
        self._upkeep.stop()
