"""The five HTTP servers respond alike for health and metrics."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from support.ports import free_address

PARTS = {
    "collect": "COLLECTOR__METRICS_LISTEN",
    "gpu": "GPU__LISTEN",
    "monitor": "MONITOR__LISTEN",
    "web": "WEB__LISTEN",
    "tickets": "TICKETS__LISTEN",
}
OTHERS = ("COLLECTOR__HTTP_LISTEN", "COLLECTOR__GRPC_LISTEN")
OPENMETRICS = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"}


class Response(NamedTuple):
    """The part of a response that must be the same."""

    status: int
    content_type: str | None
    text: str
    allow: str | None


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Every server as the command starts it: part to URL."""
    folder = tmp_path_factory.mktemp("alike")
    addresses = {name: free_address() for name in (*PARTS.values(), *OTHERS)}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TELLTALE_")}
    environment |= {f"TELLTALE_{name}": address for name, address in addresses.items()}
    environment |= {"TELLTALE_DATA_DIR": str(folder), "TELLTALE_GPU__SIMULATE": "1"}
    subprocess.run(
        [sys.executable, "-m", "telltale", "db", "upgrade"], env=environment, check=True, capture_output=True
    )
    log = (folder / "log").open("wb")
    started = {
        part: subprocess.Popen([sys.executable, "-m", "telltale", part], env=environment, stdout=log, stderr=log)
        for part in PARTS
    }
    try:
        urls = {part: f"http://{addresses[name]}" for part, name in PARTS.items()}
        for part, url in urls.items():
            wait(url, started[part], folder / "log")
        yield urls
    finally:
        for process in started.values():
            process.terminate()
        codes = {part: process.wait(timeout=60) for part, process in started.items()}
        log.close()
    assert codes == dict.fromkeys(PARTS, 0), (folder / "log").read_text()


def wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            # Next to "ok", the GPU exporter reports that its first reading is pending.
            if httpx.get(f"{url}/-/ready", timeout=10).text == "ok\n":
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    pytest.fail(f"{url} is not ready: {log.read_text()}")


def responses(servers: dict[str, str], method: str, path: str, **headers: str) -> dict[str, Response]:
    found = {}
    for part, url in servers.items():
        response = httpx.request(method, url + path, headers=headers, timeout=30)
        found[part] = Response(
            response.status_code, response.headers.get("content-type"), response.text, response.headers.get("allow")
        )
    return found


@pytest.mark.parametrize("path", ["/-/healthy", "/-/ready", "/-/healthy?verbose=1"])
def test_health(servers: dict[str, str], path: str) -> None:
    expected = Response(200, "text/plain; charset=utf-8", "ok\n", None)
    assert responses(servers, "GET", path) == dict.fromkeys(PARTS, expected)
    assert responses(servers, "HEAD", path) == dict.fromkeys(PARTS, expected._replace(text=""))


@pytest.mark.parametrize("path", ["/-/healthy", "/-/ready", "/metrics"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_other_methods(servers: dict[str, str], method: str, path: str) -> None:
    expected = Response(405, "text/plain; charset=utf-8", "only GET and HEAD\n", "GET, HEAD")
    assert responses(servers, method, path) == dict.fromkeys(PARTS, expected)


def test_metrics(servers: dict[str, str]) -> None:
    found = responses(servers, "GET", "/metrics")
    for part, response in found.items():
        assert response[:2] == (200, "text/plain; version=0.0.4; charset=utf-8"), part
        assert "\n# TYPE " in response.text, part
    assert {response[:3] for response in responses(servers, "HEAD", "/metrics").values()} == {(*found["web"][:2], "")}


def test_metrics_in_openmetrics(servers: dict[str, str]) -> None:
    """All but the GPU exporter, which does not use prometheus_client and writes the plain format only."""
    found = responses(servers, "GET", "/metrics", **OPENMETRICS)
    plain = found.pop("gpu")
    assert plain.content_type == "text/plain; version=0.0.4; charset=utf-8"
    for part, response in found.items():
        assert response[:2] == (200, "application/openmetrics-text; version=1.0.0; charset=utf-8"), part
        assert response.text.endswith("# EOF\n"), part


REBOUND = {"Host": "evil.example:8080"}


@pytest.mark.parametrize("path", ["/metrics", "/-/healthy", "/-/ready"])
@pytest.mark.parametrize("part", ["gpu", "monitor", "web", "tickets"])
def test_a_page_that_was_rebound_to_this_machine_is_refused(servers: dict[str, str], part: str, path: str) -> None:
    assert httpx.get(servers[part] + path, headers=REBOUND, timeout=30).status_code == 421


@pytest.mark.parametrize("host", ["collector:8888", "web.monitoring.svc.cluster.local:8080", "10.0.0.7:80", "[::1]:80"])
def test_the_names_that_scrapers_use_are_served(servers: dict[str, str], host: str) -> None:
    found = responses(servers, "GET", "/-/healthy", Host=host)
    assert {part: response[0] for part, response in found.items()} == dict.fromkeys(PARTS, 200)


def test_the_webhook_refuses_a_page_that_was_rebound(servers: dict[str, str]) -> None:
    webhook = f"{servers['tickets']}/api/v1/alerts"
    for headers in (REBOUND, REBOUND | {"Origin": "http://evil.example:8080"}, {"Origin": "http://evil.example"}):
        assert httpx.post(webhook, json={}, headers=headers, timeout=30).status_code == 421
    assert httpx.post(webhook, json={}, timeout=30).status_code == 400
