"""Sources that fall silent while a condition holds: does any ticket close that should not?

    python -m benchmarks.tickets_silent --runs 20

Six cases, each with its own Prometheus, Alertmanager and `telltale tickets`, side by side. In each run drift opens a
ticket, then the monitors, the traffic, Prometheus, Alertmanager, the store or the clock fails in such a way that the
alert is no longer heard of, for more than twice as long as a recovery has to be verified. A ticket that closes
meanwhile is a false close. Then everything works again, the drift ends, and the ticket has to close: otherwise nothing
that was found says anything. The exit code is 0 when both hold.
"""

from __future__ import annotations

import argparse
import json
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple, get_args

from benchmarks.chain import PARTS, Chain, free_addresses, installed, running_chain
from telltale.records import SeriesState

HOLD_S = 3.0
SILENCE_S = 2 * HOLD_S + 2
PATIENCE_S = 90.0
SERIES = 'monitor="text",signal="words",direction="prompt",model="m",version="v2",tenant="",segment="",lane="retrain"'


class Late(Exception):
    """Something did not happen in time."""


def page(now: SeriesState | None) -> str:
    """What a monitor that runs says of its series; None: the series is gone, as without rows."""
    states = get_args(SeriesState) if now else ()
    return (
        f'telltale_monitor_last_success_timestamp_seconds{{monitor="text"}} {time.time()}\n'
        'telltale_monitor_interval_seconds{monitor="text"} 3600\n'
    ) + "".join(
        f'telltale_monitor_state{{{SERIES},state="{state}"}} {int(state == now)}\n' for state in states
    )  # fmt: skip


class Newest(NamedTuple):
    """The newest ticket of the model: its state, and the labels of its alerts."""

    state: str
    labels: list[dict[str, str]]


def ticket(chain: Chain) -> Newest | None:
    """Read past the program, which the store may refuse now."""
    try:
        with closing(sqlite3.connect(f"file:{chain.folder}/telltale.db?mode=ro", uri=True, timeout=5)) as connection:
            # After two minutes there are others, of the parts that do not run here.
            row = connection.execute(
                "SELECT state, alerts FROM tickets WHERE model = 'm' ORDER BY id DESC LIMIT 1"
            ).fetchone()
    except sqlite3.OperationalError:
        # The store, or its tables, are being made.
        return None
    return Newest(row[0], [alert["labels"] for alert in json.loads(row[1]).values()]) if row else None


def wait(chain: Chain, what: str, *states: str) -> None:
    """Until the ticket is in one of these states. Raises Late."""
    deadline = time.monotonic() + PATIENCE_S
    while (found := ticket(chain)) is None or found.state not in states:
        if time.monotonic() > deadline:
            raise Late(f"{what}: the ticket is {found.state if found else 'not there'}")
        time.sleep(0.2)


@contextmanager
def monitors(chain: Chain) -> Iterator[None]:
    """They respond no more."""
    chain.page.text = None
    yield


@contextmanager
def traffic(chain: Chain) -> Iterator[None]:
    """No rows come: the monitors run, and have nothing to judge."""
    chain.page.text = page("stale" if int(time.time()) % 2 else None)
    yield


@contextmanager
def prometheus(chain: Chain) -> Iterator[None]:
    """It is killed, and Alertmanager, which would wait four minutes, is told that the alert is over."""
    found = ticket(chain)
    chain.kill("prometheus")
    ends = [
        {"labels": labels, "startsAt": "2026-01-01T00:00:00Z", "endsAt": "2026-01-01T00:00:01Z"}
        for labels in (found.labels if found else ())
    ]
    url = f"{chain.settings.alertmanager_url}/api/v2/alerts"
    chain.client.post(url, content=json.dumps(ends), headers={"Content-Type": "application/json"}).raise_for_status()
    try:
        yield
    finally:
        chain.start("prometheus")


@contextmanager
def alertmanager(chain: Chain) -> Iterator[None]:
    """It is killed, stays away for a while, and comes back knowing nothing."""
    chain.kill("alertmanager")
    time.sleep(HOLD_S)
    for file in (chain.folder / "alertmanager").glob("*"):
        file.unlink()
    chain.start("alertmanager")
    yield


@contextmanager
def store(chain: Chain) -> Iterator[None]:
    """It is locked, while the monitors are silent too."""
    with closing(sqlite3.connect(chain.folder / "telltale.db", isolation_level=None, timeout=30)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        chain.page.text = None
        time.sleep(2 * HOLD_S)
        connection.execute("ROLLBACK")
    yield


@contextmanager
def clock(chain: Chain) -> Iterator[None]:
    """A recovery has just begun when the tracker's clock goes a day ahead, or an hour back; the drift returns."""
    chain.page.text = page("ok")
    wait(chain, "the recovery", "recovering")
    chain.shift_clock(86400.0 if int(time.time()) % 2 else -3600.0)
    chain.page.text = page("alert")
    try:
        yield
    finally:
        chain.shift_clock(0.0)


CASES: dict[str, Callable[[Chain], contextmanager[None]]] = {
    case.__name__: case for case in (monitors, traffic, prometheus, alertmanager, store, clock)
}


def run(chain: Chain, case: str) -> bool:
    """One run. Returns whether the ticket closed falsely. Raises Late."""
    chain.page.text = page("alert")
    wait(chain, "the drift", "open")
    closed = False
    with CASES[case](chain):
        deadline = time.monotonic() + SILENCE_S
        while time.monotonic() < deadline and not closed:
            found = ticket(chain)
            closed = found is not None and found.state == "closed"
            time.sleep(0.1)
    chain.page.text = page("alert")
    wait(chain, "the drift after the silence", "open")
    chain.page.text = page("ok")
    wait(chain, "the end of the drift", "closed")
    return closed


def runs(case: str, number: int) -> list[bool]:
    """So many runs of one case, in a chain of its own; fewer where something that had to happen did not."""
    with (
        tempfile.TemporaryDirectory() as name,
        running_chain(
            Path(name), installed, free_addresses(len(PARTS)), "alertmanager", "tickets", "prometheus"
        ) as chain,
    ):
        closed: list[bool] = []
        for _ in range(number):
            try:
                closed.append(run(chain, case))
            except Late as error:
                print(f"{case}, run {len(closed) + 1}: {error}\n{chain.tail('tickets')}", file=sys.stderr, flush=True)
                break
        return closed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20, help="runs of each case (20)")
    parser.add_argument("--case", nargs="+", choices=CASES, default=list(CASES), help="some of the cases only")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    print(f"{'silent':<14} {'runs':>5} {'false closes':>13}")
    with ThreadPoolExecutor(len(options.case)) as pool:
        found = list(pool.map(lambda case: (case, runs(case, options.runs)), options.case))
    for case, closed in found:
        print(f"{case:<14} {len(closed):>5} {sum(closed):>13}")
    return int(any(sum(closed) or len(closed) < options.runs for _, closed in found))


if __name__ == "__main__":
    sys.exit(main())
