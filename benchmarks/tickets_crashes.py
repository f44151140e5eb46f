"""Tickets under kill -9: is any lost, doubled, or in the wrong state at the end?

    python -m benchmarks.tickets_crashes --kills 320

`telltale tickets` is killed at named points in turn. Two senders tell it of the same alerts, as a pair of Alertmanagers
does: each repeats a notification until it has read a 200, and loses one reply in ten. A third process locks the store
again and again for longer than a write waits. A second tracker beside the embedded one has a database of its own, loses
replies too, and refuses some changes for a while. At the end every alert must have one ticket in the right state, and
the second tracker every change of every ticket, once and in order. The exit code is 0 when that is so.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from benchmarks.tickets_mortal import LOST_REPLIES, POINTS
from telltale.store import open_store, ticket_outbox, tickets

PAUSE_S = 0.05
# Longer than `store.busy_timeout` below: the notifications that come meanwhile are refused.
LOCKED_S, BUSY_TIMEOUT_S = 0.5, 0.3
DRAINED_S = 300.0


def alert(cause: int, status: str) -> dict[str, object]:
    labels = {"alertname": "GpuLost", "severity": "page", "lane": "ops", "instance": f"host-{cause}"}
    return {
        "status": status, "labels": labels, "annotations": {"summary": f"GPU lost on host-{cause}", "signal": "up"},
        "startsAt": "2026-11-23T20:00:00Z", "fingerprint": f"{cause:x}",
        "endsAt": "0001-01-01T00:00:00Z" if status == "firing" else "2026-11-23T21:00:00Z",
    }  # fmt: skip


def is_over(cause: int) -> bool:
    """Whether the alert of this cause is resolved at the end."""
    return cause % 3 == 0


class Sender:
    """One of a pair of Alertmanagers: sends every cause's notifications, each until it is acknowledged."""

    def __init__(self, url: str, seed: int) -> None:
        self.done = 0
        self.sent = Counter[str]()
        self._url, self._draw = url, random.Random(seed)
        self._client = httpx.Client(timeout=10, trust_env=False)

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self.next()
            stop.wait(PAUSE_S * self._draw.random() * 2)

    def next(self) -> None:
        for status in ("firing", "resolved") if is_over(self.done) else ("firing",):
            body = {"version": "4", "receiver": "tickets", "alerts": [alert(self.done, status)]}
            while not self._is_acknowledged(body):
                time.sleep(0.05)
        self.done += 1

    def _is_acknowledged(self, body: dict[str, object]) -> bool:
        try:
            status = self._client.post(self._url, json=body).status_code
        except httpx.TransportError:
            self.sent["no reply"] += 1
            return False
        if status == 200 and self._draw.random() < LOST_REPLIES:
            self.sent["lost reply"] += 1
            return False
        self.sent[str(status)] += 1
        return status == 200


def lock(file: Path, stop: threading.Event) -> None:
    """Lock the store for a while, again and again."""
    while not stop.wait(2.0):
        if not file.exists():
            continue
        with closing(sqlite3.connect(file, isolation_level=None, timeout=5)) as connection, suppress(sqlite3.Error):
            connection.execute("BEGIN IMMEDIATE")
            time.sleep(LOCKED_S)
            connection.execute("ROLLBACK")


@dataclass
class Found:
    """What the store and the second tracker hold at the end; each list names what is wrong."""

    tickets: int
    changes: int
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def judge(store_url: str, tracker_file: Path, causes: int) -> Found:
    """Compare what is there with what was sent."""
    store = open_store(store_url)
    with store.read() as connection:
        kept = tickets.load(connection, limit=1_000_000)
        timelines = {ticket.id: tickets.events(connection, ticket.id or 0) for ticket in kept}
    store.close()
    with closing(sqlite3.connect(tracker_file)) as database:
        rows = database.execute("SELECT ticket, event FROM changes ORDER BY id").fetchall()
    found = Found(len(kept), len(rows))
    by_host = Counter(alert.labels["instance"] for ticket in kept for alert in ticket.alerts.values())
    names = [f"host-{cause}" for cause in range(causes)]
    found.lost += [name for name in names if name not in by_host]
    found.doubled += [name for name, number in by_host.items() if number > 1]
    expected = {name: "recovering" if is_over(cause) else "open" for cause, name in enumerate(names)}
    for ticket in kept:
        (name,) = {alert.labels["instance"] for alert in ticket.alerts.values()}
        if ticket.state != expected[name]:
            found.wrong.append(f"{name} is {ticket.state}, not {expected[name]}")
        _compare(found, name, [event.id for event in timelines[ticket.id]], [e for t, e in rows if t == ticket.id])
    return found


def _compare(found: Found, name: str, told: list[int | None], taken: list[int | None]) -> None:
    """A ticket's timeline with what the second tracker took of it."""
    found.lost += [f"change {event} of {name}" for event in told if event not in taken]
    found.doubled += [f"change {event} of {name}" for event, times in Counter(taken).items() if times > 1]
    if sorted(taken, key=str) == sorted(told, key=str) and taken != told:
        found.wrong.append(f"changes of {name} came in another order")


def run(folder: Path, kills: int, seed: int) -> tuple[Found, list[Sender], Counter[tuple[str, int]]]:
    """Kill it so often, then let it finish."""
    port, store_file, tracker_file = _free_port(), folder / "telltale.db", folder / "tracker.db"
    settings = folder / "telltale.toml"
    settings.write_text(
        f'data_dir = "{folder}"\n[tickets]\nlisten = "127.0.0.1:{port}"\nreconcile = 1\n'
        f'[store]\nurl = "sqlite:///{store_file}"\nbusy_timeout = {BUSY_TIMEOUT_S}\n'
        '[alertmanager]\nlisten = "127.0.0.1:9"\n'
    )
    command = [sys.executable, "-m", "benchmarks.tickets_mortal", settings, tracker_file, str(kills), str(seed)]
    with (folder / "tickets.log").open("wb") as log:
        mortal = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True)
    senders = [Sender(f"http://127.0.0.1:{port}/api/v1/alerts", seed + number) for number in range(2)]
    stop = threading.Event()
    threads = [threading.Thread(target=sender.run, args=(stop,)) for sender in senders]
    threads.append(threading.Thread(target=lock, args=(store_file, stop)))
    try:
        for thread in threads:
            thread.start()
        deaths = _watch(mortal, kills)
    finally:
        stop.set()
    for thread in threads:
        thread.join()
    causes = max(sender.done for sender in senders)
    for sender in senders:
        while sender.done < causes:
            sender.next()
    _drain(f"sqlite:///{store_file}")
    os.killpg(mortal.pid, signal.SIGTERM)
    mortal.wait()
    return judge(f"sqlite:///{store_file}", tracker_file, causes), senders, deaths


def _watch(mortal: subprocess.Popen[str], kills: int) -> Counter[tuple[str, int]]:
    """How often each point ended with which code."""
    deaths, lines = Counter[tuple[str, int]](), mortal.stdout or ()
    for number, line in enumerate(lines, 1):
        point, code = line.split()
        deaths[point, int(code)] += 1
        if sys.stderr.isatty():
            print(f"\r{number} of {kills}", end="", file=sys.stderr, flush=True)
        if number == kills:
            break
    return deaths


def _drain(url: str) -> None:
    """Wait until the outbox is empty."""
    store, deadline = open_store(url), time.monotonic() + DRAINED_S
    while time.monotonic() < deadline:
        with store.read() as connection:
            if not ticket_outbox.oldest_pending(connection):
                break
        time.sleep(0.2)
    store.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=320, help="how often it is killed (320)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found, senders, deaths = run(Path(folder), options.kills, options.seed)
    print(f"{'killed':<16} {'kill -9':>8} {'not reached':>12}")
    for point in POINTS:
        missed = sum(number for (name, code), number in deaths.items() if name == point and code != -signal.SIGKILL)
        print(f"{point:<16} {deaths[point, -signal.SIGKILL]:>8} {missed:>12}")
    sent = sum((sender.sent for sender in senders), Counter[str]())
    print("notifications: " + ", ".join(f"{number} {what}" for what, number in sorted(sent.items())))
    print(f"{found.tickets} tickets, {found.changes} changes at the second tracker")
    for what in ("lost", "doubled", "wrong"):
        faults = getattr(found, what)
        print(f"{what}: {len(faults)}" + "".join(f"\n  {fault}" for fault in faults[:20]))
    return int(bool(found.lost or found.doubled or found.wrong))


if __name__ == "__main__":
    sys.exit(main())
