"""How long a condition takes to become a ticket, through the real Prometheus, Alertmanager and `telltale tickets`.

    python -m benchmarks.tickets_latency --conditions 100            at test settings
    python -m benchmarks.tickets_latency --conditions 2 --shipped    as shipped: some three minutes each

Each condition is a new model that drifts: it stands on the page that Prometheus scrapes, and it counts from then until
its ticket is in the store. They begin at different moments of a scrape. Before it measures, it adds up what the parts
may take at most: a scrape and an evaluation of the rules, the hold, Alertmanager's wait for a group. The exit code is
0 when the 95th percentile is at most the limit: 3 s at test settings, 170 s as shipped.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import sys
import tempfile
import time
from contextlib import closing, suppress
from math import ceil
from pathlib import Path
from typing import Any

from benchmarks.chain import PARTS, Chain, free_addresses, installed, running_chain
from telltale.settings import Settings

# What the scrape, the rule and the group wait for at test settings: as little as each of them can.
FAST: dict[str, dict[str, Any]] = {
    "prometheus": {"scrape_interval": "1s"},
    "alerts": {"hold": 0, "keep": 1, "group_wait": 0, "group_interval": 1},
    "tickets": {"reconcile": 1, "close_hold": 3},
}
LIMITS_S = {"test": 3.0, "shipped": 170.0}
# Prometheus looks for its targets every five seconds at first.
READY_S = 30.0


def page(models: int) -> str:
    """What a monitor says of so many models that drift."""
    series = 'monitor="text",signal="words",direction="prompt",version="v1",tenant="",segment="",lane="retrain"'
    return (
        f'telltale_monitor_last_success_timestamp_seconds{{monitor="text"}} {time.time()}\n'
        'telltale_monitor_interval_seconds{monitor="text"} 3600\n'
    ) + "".join(
        f'telltale_monitor_state{{{series},model="model-{number}",state="alert"}} 1\n' for number in range(models)
    )  # fmt: skip


def bound(settings: Settings) -> float:
    """The most that the parts take together, in seconds, when none of them is overloaded.

    A scrape and an evaluation come at most an interval later each; the hold ends with an evaluation.
    """
    interval, alerts = settings.prometheus.scrape_interval, settings.alerts
    return 2 * interval + ceil(alerts.hold / interval) * interval + alerts.group_wait


def measure(chain: Chain, number: int, patience: float, draw: random.Random) -> float:
    """Seconds from the moment that this model drifts to its ticket; infinity where none came in time."""
    time.sleep(draw.random() * min(chain.settings.prometheus.scrape_interval, 2.0))
    chain.page.text = page(number + 1)
    begin = time.monotonic()
    while not _is_there(chain, f"model-{number}"):
        if time.monotonic() - begin > patience:
            return float("inf")
        time.sleep(0.02)
    return time.monotonic() - begin


def _is_there(chain: Chain, model: str) -> bool:
    with (
        suppress(sqlite3.OperationalError),  # the tables are being made
        closing(sqlite3.connect(f"file:{chain.folder}/telltale.db?mode=ro", uri=True, timeout=5)) as connection,
    ):
        return connection.execute("SELECT 1 FROM tickets WHERE model = ?", (model,)).fetchone() is not None
    return False


def run(folder: Path, conditions: int, table: dict[str, dict[str, Any]], limit: float) -> list[float]:
    """Measure so many. The first one waits for everything to start, and does not count."""
    draw = random.Random(1)
    with running_chain(
        folder, installed, free_addresses(len(PARTS)), "alertmanager", "tickets", "prometheus", table=table
    ) as chain:
        print(f"at most, by its parts: {bound(chain.settings):.0f} s", flush=True)
        patience = 2 * limit
        if table:
            measure(chain, 0, READY_S + patience, draw)
        else:
            time.sleep(READY_S)
        return [measure(chain, number + 1, patience, draw) for number in range(conditions)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--conditions", type=int, default=100, help="how many are measured (100)")
    parser.add_argument("--shipped", action="store_true", help="with the settings that an installation begins with")
    options = parser.parse_args()
    limit = LIMITS_S["shipped" if options.shipped else "test"]
    with tempfile.TemporaryDirectory() as folder:
        found = sorted(run(Path(folder), options.conditions, {} if options.shipped else FAST, limit))
    p95 = found[min(len(found) - 1, round(0.95 * len(found)))]
    print(f"conditions {len(found)}: median {found[len(found) // 2]:.2f} s, p95 {p95:.2f} s, longest {found[-1]:.2f} s")
    print(f"limit of the p95: {limit:.0f} s")
    return int(p95 > limit)


if __name__ == "__main__":
    sys.exit(main())
