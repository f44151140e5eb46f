"""How long `telltale tickets` takes to acknowledge a notification, over HTTP and with its commit on disk.

    python -m benchmarks.tickets_webhook --notifications 300

Four kinds: one alert that opens a ticket, the same one again, 500 alerts of one cause, and 500 alerts of 500 hosts,
which open as many tickets. The exit code is 0 when the 99th percentile of each is at most its limit: 100 ms, and 2 s
for the last, a whole data centre at once: Alertmanager waits for ten.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from benchmarks.chain import PARTS, free_addresses, installed, running_chain

Body = dict[str, object]
ALERTS = 500
PATIENCE_S = 60.0


def alert(**labels: str) -> dict[str, object]:
    """As Alertmanager sends a usual one, some 800 bytes."""
    own = {"alertname": "Slow", "severity": "page", "lane": "ops", "namespace": "shop", "service": "checkout"} | labels
    return {
        "status": "firing", "labels": own, "startsAt": "2026-11-23T20:00:00.123456789Z",
        "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "http://prometheus.example/graph?g0.expr=" + "x" * 100,
        "annotations": {"summary": "Slow responses", "description": "d" * 200, "signal": "up{job='x'}"},
        "fingerprint": f"{abs(hash(tuple(sorted(own.items())))):x}"[:16],
    }  # fmt: skip


def body(*alerts: dict[str, object]) -> Body:
    return {"version": "4", "receiver": "tickets", "status": "firing", "groupKey": "{}:{}", "alerts": list(alerts)}


KINDS: dict[str, tuple[Callable[[int], Body], float]] = {
    "1 alert, new": (lambda n: body(alert(instance=f"new-{n}")), 0.1),
    "1 alert, again": (lambda n: body(alert(instance="again")), 0.1),
    "500 alerts, 1 ticket": (lambda n: body(*(alert(tenant=f"{n}", pod=f"p-{k}") for k in range(ALERTS))), 0.1),
    "500 alerts, 500 tickets": (lambda n: body(*(alert(instance=f"host-{n}-{k}") for k in range(ALERTS))), 2.0),
}


def measure(client: httpx.Client, make: Callable[[int], Body], number: int) -> list[float]:
    """Seconds to the acknowledgement of each, ascending."""
    took = []
    for place in range(number):
        sent = make(place)
        begin = time.perf_counter()
        client.post("/api/v1/alerts", json=sent).raise_for_status()
        took.append(time.perf_counter() - begin)
    return sorted(took)


def _await(client: httpx.Client) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            if client.get("/-/ready").is_success:
                return
        except httpx.TransportError:
            pass
        if time.monotonic() > deadline:
            sys.exit("telltale tickets does not start")
        time.sleep(0.1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--notifications", type=int, default=300, help="of each kind; a tenth of the last (300)")
    options = parser.parse_args()
    late = False
    with (
        tempfile.TemporaryDirectory() as folder,
        running_chain(Path(folder), installed, free_addresses(len(PARTS)), "tickets") as chain,
        httpx.Client(base_url=f"http://{chain.settings.tickets.listen}", timeout=60, trust_env=False) as client,
    ):
        _await(client)
        print(f"{'notification':<26} {'number':>6} {'median ms':>10} {'p99 ms':>8} {'longest ms':>11}")
        for kind, (make, limit) in KINDS.items():
            number = options.notifications if limit < 1 else max(1, options.notifications // 10)
            took = measure(client, make, number)
            p99 = took[min(len(took) - 1, round(0.99 * len(took)))]
            late |= p99 > limit
            figures = f"{1e3 * took[number // 2]:>10.1f} {1e3 * p99:>8.1f} {1e3 * took[-1]:>11.1f}"
            print(f"{kind:<26} {number:>6} {figures}", flush=True)
    return int(late)


if __name__ == "__main__":
    sys.exit(main())
