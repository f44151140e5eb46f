"""Feedback under kill -9: is anything lost that was acknowledged, or stored twice?

    python -m benchmarks.submits_crashes --rounds 5 --acknowledged 10000
    python -m benchmarks.submits_crashes --store postgresql://user:password@127.0.0.1/empty_database

In each round `telltale web` is started over the same store, asked by connections that send one submit after the other,
and killed while they do; then the store must have every submit that was answered with 201, once. What is stored and was
not acknowledged is counted too: senders repeat it, and their keys keep it single. The exit code is 0 when nothing is
lost, nothing is there twice, and a key that was acknowledged is refused for another body.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

from benchmarks.submits import Acknowledged, Sender, free_port, wait_for
from telltale.store import feedback, open_store
from telltale.web import people


async def send_until(port: int, key: str, clients: int, enough: int, server: subprocess.Popen[bytes]) -> list[str]:
    """Kill the server when so many are acknowledged, and return what was until the connections broke."""
    acknowledged: list[Acknowledged] = []
    loop = asyncio.get_running_loop()
    made = [await loop.create_connection(lambda: Sender(key, acknowledged), "127.0.0.1", port) for _ in range(clients)]
    while len(acknowledged) < enough and server.poll() is None:
        await asyncio.sleep(0.002)
    server.send_signal(signal.SIGKILL)
    await asyncio.gather(*(sender.stopped for _, sender in made))
    return [one.idempotency_key for one in acknowledged]


def start(folder: Path, store_url: str) -> tuple[subprocess.Popen[bytes], int]:
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.submits_served", "telltale", str(folder), str(port), store_url]
    server = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    wait_for(port, server)
    return server, port


def run(folder: Path, store_url: str, rounds: int, enough: int, clients: int) -> int:
    """Prints what was found; returns how many acknowledged submits are lost."""
    store = open_store(store_url)
    key = people.add_key(store, name="app", tenant="shop", scopes=["feedback:write"], actor="bench", now=time.time())
    store.close()
    acknowledged: list[str] = []
    for number in range(1, rounds + 1):
        server, port = start(folder, store_url)
        found = asyncio.run(send_until(port, key, clients, -(-enough // rounds), server))
        server.wait()
        acknowledged += found
        print(f"round {number}: {len(found)} acknowledged, then killed", flush=True)
    is_known = _is_known(folder, store_url, key, acknowledged[-1])
    store = open_store(store_url)
    with store.read() as connection:
        stored = [event.idempotency_key for event in feedback.load(connection)]
    store.close()
    lost, doubled = set(acknowledged) - set(stored), len(stored) - len(set(stored))
    print(
        f"{len(acknowledged)} acknowledged in {rounds} rounds of kill -9: {len(lost)} lost, {doubled} doubled, "
        f"{len(set(stored) - set(acknowledged))} stored and not acknowledged; the last key is "
        f"{'known' if is_known else 'NOT known'}"
    )
    return len(lost) + doubled + (not is_known)


def _is_known(folder: Path, store_url: str, key: str, known: str) -> bool:
    """Whether another body under a key that was acknowledged before the crashes is refused."""
    server, port = start(folder, store_url)
    try:
        answer = httpx.post(
            f"http://127.0.0.1:{port}/api/v1/feedback",
            json={"trace_id": "1" * 32, "kind": "comment", "comment": "another body"},
            headers={"Authorization": f"Bearer {key}", "Idempotency-Key": known},
        )
        return answer.status_code == 422
    finally:
        server.terminate()
        server.wait()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="how often it is killed (5)")
    parser.add_argument("--acknowledged", type=int, default=10_000, help="acknowledged submits of all rounds (10000)")
    parser.add_argument("--clients", type=int, default=32, help="connections (32)")
    parser.add_argument("--store", default="", help="URL of an empty database; a new SQLite file if not given")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        url = options.store or f"sqlite:///{name}/telltale.db"
        return min(1, run(Path(name), url, options.rounds, options.acknowledged, options.clients))


if __name__ == "__main__":
    sys.exit(main())
