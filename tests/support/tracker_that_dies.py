"""Opens two tickets and delivers their changes to a tracker with a database of its own, killed again and again.

python tracker_that_dies.py STORE_URL REMOTE_FILE
"""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

from alerting import trackers
from alerting.intake.notification import Alert
from alerting.lifecycle import decisions
from alerting.trackers.outbox import CLAIM_S, deliver_next
from alerting.trackers.protocol import Delivery, TicketChange
from telltale.store import Store, open_store

NOW = 1000.0
MODELS = ("model-0", "model-1")
# Where each process dies, and at which pass: in a decision, a claim, a delivery or its completion, before and after
# the commit.
DEATHS = (
    *(("in_write", 1), ("after_write", 1), ("in_write", 2), ("in_write", 3), ("after_write", 3)),
    *(("before_effect", 1), ("after_effect", 1), ("in_write", 4), ("after_write", 4), ("after_effect", 2)),
    ("in_write", 6),
)


class Death:
    """Kills this process, at one point."""

    def __init__(self, point: str, nth: int) -> None:
        self._point, self._nth = point, nth
        self._passed = Counter[str]()

    def passes(self, point: str) -> None:
        self._passed[point] += 1
        if (point, self._passed[point]) == (self._point, self._nth):
            os.kill(os.getpid(), signal.SIGKILL)


class Remote:
    """Idempotent by key, as a tracker must be."""

    name = "remote"

    def __init__(self, file: str, death: Death) -> None:
        self._death = death
        self._database = sqlite3.connect(file, isolation_level=None)
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS changes (id INTEGER PRIMARY KEY, key TEXT UNIQUE, model TEXT, kind TEXT)"
        )

    def deliver(self, change: TicketChange) -> Delivery:
        self._death.passes("before_effect")
        row = (change.key, change.ticket.model, change.event.kind)
        self._database.execute("INSERT OR IGNORE INTO changes (key, model, kind) VALUES (?, ?, ?)", row)
        self._death.passes("after_effect")
        return Delivery("R-1")


class MortalStore(Store):
    """The store, with a death in each transaction before its commit, and one after it."""

    death: Death

    def write(self, write: Callable[[Any], Any]) -> Any:
        def mortal(connection: Any) -> Any:
            result = write(connection)
            self.death.passes("in_write")
            return result

        result = super().write(mortal)
        self.death.passes("after_write")
        return result


def live(url: str, remote_file: str, now: float, death: Death) -> None:
    """One process: decide on both tickets, as after a repeated notification, then deliver what is due."""
    trackers.MEMBERS = (Remote(remote_file, death), *trackers.MEMBERS)
    store = open_store(url)
    store.__class__, store.death = MortalStore, death  # type: ignore[assignment, attr-defined]  # only its writes differ
    for model in MODELS:
        labels = {"alertname": "ModelDriftPersistent", "severity": "ticket", "lane": "retrain", "model": model}
        alert = Alert("ab", True, labels, {"summary": "drift"}, 900.0)
        store.write(lambda c, alert=alert: decisions.apply_notification(c, [alert], now, 3600.0))  # type: ignore[misc]  # mypy infers no type for a lambda's default
    for tracker in trackers.MEMBERS:
        while deliver_next(store, tracker, lambda: now):
            pass
    store.close()


def main(url: str, remote_file: str) -> None:
    for life, (point, nth) in enumerate([*DEATHS, ("nowhere", 0)]):
        # Forked, because importing everything again would take longer than one process lives.
        if (child := os.fork()) == 0:
            live(url, remote_file, NOW + life * 2 * CLAIM_S, Death(point, nth))
            os._exit(0)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code != (0 if point == "nowhere" else -signal.SIGKILL):
            sys.exit(f"{point} {nth}: ended with {code}")


if __name__ == "__main__":
    main(*sys.argv[1:])
