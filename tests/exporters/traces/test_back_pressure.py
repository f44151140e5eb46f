"""A full collector loses nothing of what real SDKs send: they come again, whatever their release."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.collector_process import Collector

ROOT = Path(__file__).parents[3]
EXPORT = Path(__file__).parent / "emitters" / "export.py"
CALLS = 20
ROOM = 300_000
# OpenTelemetry's SDK for Python, before and since 1.45; before, it gives up what gets 429.
SDKS = ("sdk-1.44", "emitters")


def hold(collector: Collector, size: int) -> socket.socket:
    """A sender whose body takes that room and never ends."""
    host, _, port = collector.http.rpartition(":")
    slow = socket.create_connection((host, int(port)))
    slow.sendall(
        f"POST /v1/traces HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-protobuf\r\n"
        f"Content-Length: {size + 1}\r\n\r\n".encode()
        + bytes(size)
    )
    return slow


@pytest.mark.timeout(120)
@pytest.mark.parametrize("protocol", ["http", "grpc"])
@pytest.mark.parametrize("sdk", SDKS)
def test_what_a_full_collector_refused_comes_again(
    make_collector: Callable[..., Collector], require: Callable[[object, str], None], sdk: str, protocol: str
) -> None:
    environment = ROOT / ".telltale" / sdk
    require((environment / "ready").exists(), "real SDKs: make emitters")
    collector = make_collector(
        TELLTALE_COLLECTOR__MAX_IN_FLIGHT_BYTES=f"{ROOM}",
        TELLTALE_COLLECTOR__MAX_BODY_BYTES=f"{ROOM}",
        TELLTALE_COLLECTOR__MAX_DECOMPRESSED_BYTES=f"{ROOM}",
    )
    slow = hold(collector, ROOM - 20_000)
    until(lambda: collector.value("telltale_collector_queue_bytes") > ROOM - 40_000)
    to = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{collector.grpc if protocol == 'grpc' else collector.http}"}
    with subprocess.Popen(
        [environment / "bin" / "python", EXPORT, protocol],
        env={"PATH": os.environ["PATH"], **to}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as exporting:  # fmt: skip
        until(lambda: collector.value("telltale_collector_rejected_total", reason="busy") >= 1)
        slow.close()
        said, complaints = exporting.communicate(timeout=60)
    assert said.startswith("1.44.") == (sdk == "sdk-1.44"), complaints
    assert collector.value("telltale_requests_total") == CALLS, complaints


def until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < end, "too late"
        time.sleep(0.05)
