"""Compares the tickets with Alertmanager and Prometheus at intervals: notifications can be lost, and can mislead."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from prometheus_client import Gauge

from alerting.intake.account import Account
from alerting.intake.notification import Alert
from alerting.lifecycle import decisions
from alerting.lifecycle.sources import RuleState, SourceDown, Sources
from alerting.lifecycle.state import Observation, Verdict
from alerting.lifecycle.verify import NO_VERSIONS, Facts, is_of_monitors, moments, verdict
from telltale.records import Ticket
from telltale.settings import Settings
from telltale.store import Store, StoreUnavailable, tickets

log = logging.getLogger(__name__)

# After a failure the next try comes sooner: when everything starts together, the others are ready in seconds.
RETRY_S = 5.0
# The hold of a recovery begins anew after so many comparisons, and so many seconds, without one.
MISSED, GRACE_S = 3, 10.0


def reconcile(store: Store, sources: Sources, settings: Settings, clock: Callable[[], float]) -> str | None:
    """One comparison. Returns what kept it from being complete; None when it was.

    Without Alertmanager nothing is changed: nobody knows then what fires. Without Prometheus alerts are still opened,
    and tickets without a firing alert turn blind. What keeps one ticket from being compared keeps no other.
    """
    at = clock()
    try:
        active = sources.alerts()
        with store.read() as connection:
            known = decisions.watched(connection, at)
            groups = decisions.by_ticket(connection, decisions.by_key(active))
        rules, trouble = _rules(sources)
        by_key = {ticket.key: ticket for ticket in known}
        for key in [*by_key, *(key for key in groups if key not in by_key)]:
            ticket = by_key.get(key)
            try:
                _compare(store, sources, settings, clock, key, ticket, groups.get(key, []), rules, at)
            except (SourceDown, StoreUnavailable):
                raise
            except Exception as error:  # a fault in one ticket must not stop the others, of which nobody would be told
                log.exception("%s could not be compared", f"T-{ticket.id}" if ticket else "a new ticket")
                trouble = f"a ticket could not be compared ({type(error).__name__})"
        before = at - settings.store.retention
        store.write(lambda connection: tickets.prune_notifications(connection, before))
    except (SourceDown, StoreUnavailable) as error:
        return str(error)
    return trouble


def _rules(sources: Sources) -> tuple[Sequence[RuleState] | None, str | None]:
    try:
        return sources.rules(), None
    except SourceDown as error:
        return None, str(error)


def _compare(
    store: Store,
    sources: Sources,
    settings: Settings,
    clock: Callable[[], float],
    key: str,
    ticket: Ticket | None,
    active: Sequence[Alert],
    rules: Sequence[RuleState] | None,
    at: float,
) -> None:
    found = Verdict("firing") if active or ticket is None else _verdict(sources, ticket, rules, clock())
    own = settings.tickets
    observation, now = Observation(at, tuple(active), found, MISSED * own.reconcile + GRACE_S), clock()
    hold, window = own.close_hold, own.reopen_window
    changed = store.write(lambda c: decisions.apply_observation(c, key, observation, now, hold, window))
    if changed is not None:
        log.info("ticket T-%s is %s after a comparison", changed.id, changed.state)


def _verdict(sources: Sources, ticket: Ticket, rules: Sequence[RuleState] | None, now: float) -> Verdict:
    if rules is None:
        return Verdict("blind", "Prometheus does not answer")
    try:
        present = {moment for moment in moments(ticket, rules, now) if sources.has_series(*moment)}
        is_asked = any(is_of_monitors(alert) for alert in ticket.alerts.values())
        running = sources.running() if is_asked else None
        versions = sources.versions(ticket.model) if is_asked and ticket.model else NO_VERSIONS
    except SourceDown as error:
        return Verdict("blind", str(error))
    return verdict(ticket, Facts(rules, present, running, versions), now)


class Reconciler:
    """Runs comparisons on a thread of its own until stopped."""

    def __init__(
        self, store: Store, settings: Settings, last_success: Gauge, clock: Callable[[], float], account: Account
    ) -> None:
        self._store, self._settings, self._last_success, self._clock = store, settings, last_success, clock
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reconciler")
        self._sources = Sources(settings.prometheus_url, settings.alertmanager_url, account)
        self._trouble: str | None = None

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End after the comparison that is running."""
        self._stop.set()
        self._thread.join()
        self._sources.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            interval = self._settings.tickets.reconcile
            self._stop.wait(interval if self._once() else min(interval, RETRY_S))

    def _once(self) -> bool:
        try:
            trouble = reconcile(self._store, self._sources, self._settings, self._clock)
        except Exception:  # the thread must outlive a fault, which the log and TicketReconcileStale then show
            log.exception("a comparison failed")
            return False
        if trouble is None:
            self._last_success.set(self._clock())
        if trouble != self._trouble:
            log.warning("tickets are not compared: %s", trouble) if trouble else log.info("tickets are compared again")
        self._trouble = trouble
        return trouble is None
