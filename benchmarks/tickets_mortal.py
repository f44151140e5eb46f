"""`telltale tickets`, killed at a named point, again and again; `benchmarks.tickets_crashes` starts this program.

    python -m benchmarks.tickets_mortal SETTINGS TRACKER_FILE LIVES SEED

Each life is a fork of this process, because importing everything again takes longer than one life lasts. It ends by
`kill -9` at its point; the last one has none, and lives until SIGTERM. A line for each says how it ended.
"""

from __future__ import annotations

import hashlib
import os
import random
import signal
import sqlite3
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ParamSpec, TypeVar

from alerting import serve, trackers
from alerting.lifecycle import decisions
from alerting.trackers.outbox import CLAIM_S
from alerting.trackers.protocol import Delivery, TicketChange
from telltale.settings import Settings, load
from telltale.store import StoreUnavailable, ticket_outbox
from telltale.store.writer import Writer

POINTS = (
    "before_decision", "in_decision", "after_commit", "in_claim", "before_effect", "after_effect", "in_settlement",
    "any_time",
)  # fmt: skip
LOST_REPLIES, REFUSALS = 0.10, 0.08
PATIENCE_S = 30.0
NOT_STARTED = 3

P = ParamSpec("P")
R = TypeVar("R")


class Death:
    """Kills this process when it passes its point for the nth time."""

    def __init__(self, point: str, nth: int) -> None:
        self._point, self._nth = point, nth
        self._passed = Counter[str]()

    def passes(self, point: str) -> None:
        self._passed[point] += 1
        if (point, self._passed[point]) == (self._point, self._nth):
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, function: Callable[P, R], before: str = "", after: str = "") -> Callable[P, R]:
        """The function, with a point before or after it."""

        @wraps(function)
        def mortal(*args: P.args, **named: P.kwargs) -> R:
            if before:
                self.passes(before)
            result = function(*args, **named)
            if after:
                self.passes(after)
            return result

        return mortal


class Remote:
    """A tracker with a database of its own. It is idempotent by key; replies are lost, and it has bad moments."""

    name = "remote"

    def __init__(self, file: str, death: Death) -> None:
        self._file, self._death = file, death
        self._of_thread = threading.local()

    def deliver(self, change: TicketChange) -> Delivery:
        self._death.passes("before_effect")
        luck = int(hashlib.sha256(f"{change.key} {change.attempt}".encode()).hexdigest()[:8], 16) / 0x1_0000_0000
        if luck < REFUSALS:
            return Delivery(None, retryable=True, error="503")
        row = (change.key, change.ticket.id, change.event.kind, change.event.id)
        with self._database() as database:
            database.execute("INSERT OR IGNORE INTO changes (key, ticket, kind, event) VALUES (?, ?, ?, ?)", row)
        self._death.passes("after_effect")
        if luck < REFUSALS + LOST_REPLIES:
            return Delivery(None, retryable=True, error="the reply was lost")
        return Delivery(f"R-{change.ticket.id}")

    def _database(self) -> sqlite3.Connection:
        if not hasattr(self._of_thread, "database"):
            self._of_thread.database = sqlite3.connect(self._file, timeout=30)
            self._of_thread.database.execute(
                "CREATE TABLE IF NOT EXISTS changes (id INTEGER PRIMARY KEY, key TEXT UNIQUE, ticket, kind, event)"
            )
        found: sqlite3.Connection = self._of_thread.database
        return found


def live(settings: Settings, tracker_file: str, life: int, death: Death) -> None:
    """One process. Its clock is that of the life before and two claims more: what was claimed then is due again."""
    trackers.MEMBERS = (*trackers.MEMBERS, Remote(tracker_file, death))
    patch: Any = Writer
    patch._transaction = death.around(Writer._transaction, after="after_commit")
    decided = death.around(decisions.apply_notification, before="before_decision", after="in_decision")
    decisions.apply_notification = decided
    ticket_outbox.claim = death.around(ticket_outbox.claim, after="in_claim")
    ticket_outbox.delivered = death.around(ticket_outbox.delivered, after="in_settlement")
    own: Any = serve
    own.time = SimpleNamespace(time=lambda: time.time() + life * 2 * CLAIM_S)
    serve.serve(settings)


def main(settings_file: str, tracker_file: str, lives: int, seed: int) -> None:
    draw, settings = random.Random(seed), load(Path(settings_file))
    for life in range(lives + 1):
        point, nth = (POINTS[life % len(POINTS)], draw.randint(1, 4)) if life < lives else ("nowhere", 0)
        # It does not start while the store is locked: whoever supervises it starts it again.
        while (code := _life(settings, tracker_file, life, point, nth, draw.uniform(0.1, 1.0))) == NOT_STARTED:
            pass
        print(point, code, flush=True)


def _life(settings: Settings, tracker_file: str, life: int, point: str, nth: int, after: float) -> int:
    """Start it, and wait for its end. Returns its exit code."""
    if (child := os.fork()) == 0:
        code = NOT_STARTED
        try:
            live(settings, tracker_file, life, Death(point, nth))
            code = 0
        except StoreUnavailable as error:
            print(f"life {life}: {error}", file=sys.stderr)
        finally:
            os._exit(code)
    if point == "any_time":
        time.sleep(after)
        os.kill(child, signal.SIGKILL)
    return _ended(child, PATIENCE_S if point != "nowhere" else 1e9)


def _ended(child: int, patience: float) -> int:
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return 1


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
