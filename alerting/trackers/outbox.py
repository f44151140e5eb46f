"""Delivers what is in the outbox: to each tracker on a thread of its own, at least once, in each ticket's order."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from alerting.trackers.protocol import Delivery, TicketChange, Tracker
from telltale.metrics import gauge_family
from telltale.store import Store, StoreUnavailable, ticket_outbox, tickets
from telltale.store.ticket_outbox import OutboxItem

log = logging.getLogger(__name__)

POLL_S = 1.0
# A claimed item falls due again after this long: by then whoever claimed it has settled it, or is dead.
CLAIM_S = 60.0
FIRST_RETRY_S = 1.0
LONGEST_RETRY_S = ticket_outbox.LONGEST_WAIT_S
MAX_ERROR = 500


def retry_delay(attempt: int) -> float:
    """Seconds to wait after a failed attempt, counted from 1: twice as long each time, up to five minutes."""
    return float(min(LONGEST_RETRY_S, FIRST_RETRY_S * 2 ** min(attempt - 1, 30)))


def deliver_next(store: Store, tracker: Tracker, clock: Callable[[], float]) -> bool:
    """Try once the change that has been due longest. Returns whether there was one. Raises StoreUnavailable."""
    now = clock()
    with store.read() as connection:
        if not ticket_outbox.is_due(connection, tracker.name, now):
            return False
    item = store.write(lambda connection: ticket_outbox.claim(connection, tracker.name, now, now + CLAIM_S))
    if item is None:
        # Another process was faster.
        return False
    _settle(store, item, _attempt(store, tracker, item), clock())
    return True


def _attempt(store: Store, tracker: Tracker, item: OutboxItem) -> Delivery:
    try:
        with store.read() as connection:
            ticket, event = tickets.get(connection, item.ticket_id), tickets.event(connection, item.event_id)
        if ticket is None or event is None:
            return Delivery(None, error="the store has no such ticket or event")
        return tracker.deliver(TicketChange(item.key, ticket, event, item.attempt, item.reference))
    except StoreUnavailable:
        raise
    except Exception as error:  # a fault in one tracker or one change must stop neither the others nor the thread
        log.exception("tracker %s: a delivery failed", item.tracker)
        return Delivery(None, retryable=True, error=type(error).__name__)


def _settle(store: Store, item: OutboxItem, delivery: Delivery, now: float) -> None:
    result, error = delivery.result, delivery.error[:MAX_ERROR]
    if result is not None:
        reference = result
        store.write(lambda connection: ticket_outbox.delivered(connection, item, reference))
    elif delivery.retryable:
        due_at = now + retry_delay(item.attempt)
        log.warning("tracker %s: T-%s is late: %s", item.tracker, item.ticket_id, error)
        store.write(lambda connection: ticket_outbox.postponed(connection, item, error, due_at))
    else:
        log.error("tracker %s: a change of T-%s was refused for good: %s", item.tracker, item.ticket_id, error)
        store.write(lambda connection: ticket_outbox.failed(connection, item, error))


class OutboxWorker:
    """Delivers to one tracker until stopped."""

    def __init__(self, store: Store, tracker: Tracker, clock: Callable[[], float]) -> None:
        self._store, self._tracker, self._clock = store, tracker, clock
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"outbox-{tracker.name}")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End after the delivery in work."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            if not self._deliver():
                self._stop.wait(POLL_S)

    def _deliver(self) -> bool:
        try:
            return deliver_next(self._store, self._tracker, self._clock)
        except StoreUnavailable as error:
            log.warning("tracker %s: nothing is delivered: %s", self._tracker.name, error)
        except Exception:  # the thread must outlive a fault, which the log and TicketOutboxStuck then show
            log.exception("tracker %s: deliveries failed", self._tracker.name)
        return False


class OutboxState(Collector):
    """Age and failures of the outbox by tracker, read at every scrape; absent while the store cannot be read."""

    def __init__(
        self,
        store: Store,
        trackers: Sequence[str],
        clock: Callable[[], float],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._trackers, self._clock, self._monotonic = store, trackers, clock, monotonic
        self._seen: dict[str, tuple[float, float]] = {}

    def describe(self) -> Iterator[GaugeMetricFamily]:
        yield gauge_family("telltale_ticket_outbox_oldest_age_seconds")
        yield gauge_family("telltale_ticket_outbox_failed")

    def collect(self) -> Iterator[GaugeMetricFamily]:
        age, failed = self.describe()
        try:
            with self._store.read() as connection:
                oldest, failures = ticket_outbox.oldest_pending(connection), ticket_outbox.count_failed(connection)
        except StoreUnavailable:
            return
        now = self._clock()
        for tracker in self._trackers:
            age.add_metric([tracker], self._age(tracker, oldest.get(tracker), now))
            failed.add_metric([tracker], failures.get(tracker, 0))
        yield from (age, failed)

    def _age(self, tracker: str, created_at: float | None, now: float) -> float:
        """How long the oldest item waits; at least for as long as it was seen, whatever the clock was set to since."""
        if created_at is None:
            self._seen.pop(tracker, None)
            return 0.0
        known, since = self._seen.get(tracker, (None, 0.0))
        if known != created_at:
            since = self._monotonic()
            self._seen[tracker] = created_at, since
        return max(0.0, now - created_at, self._monotonic() - since)
