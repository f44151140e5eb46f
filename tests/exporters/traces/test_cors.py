"""OTLP/HTTP from a browser's page: by permission only. In Chromium, and by hand for what that would not send."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, sync_playwright
from support.collector_process import Collector, messages, until

from telltale.settings import SettingsError, load

# As the SDK's exporters in browsers send.
FETCH = """async ([url, body, fields]) => {
  try {
    const response = await fetch(url, {method: "POST", body, keepalive: true,
      headers: {"Content-Type": "application/json", ...fields}});
    return [response.status, response.headers.get("retry-after"), (await response.text()).slice(0, 200)];
  } catch (error) { return [0, null, String(error)]; }
}"""
BEACON = '([url, body]) => navigator.sendBeacon(url, new Blob([body], {type: "application/json"}))'


def span(number: int) -> str:
    """A request with one call."""
    words = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "m",
        "gen_ai.input.messages": messages("user", "Capital of France?"),
        "gen_ai.output.messages": messages("assistant", "Paris."),
    }
    made = {
        "traceId": f"{number:032x}",
        "spanId": f"{number:016x}",
        "name": "chat",
        "startTimeUnixNano": "1790000000000000000",
        "endTimeUnixNano": "1790000001000000000",
        "attributes": [{"key": key, "value": {"stringValue": value}} for key, value in words.items()],
    }
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [made]}]}]})


class Blank(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """An origin with an empty page."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Blank) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://localhost:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def page(site: str, require: Callable[[object, str], None]) -> Iterator[Page]:
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    require(executable, "Chromium is not on PATH: apt-get install chromium")
    with sync_playwright() as playwright:
        # Chromium's own sandbox refuses to run as root.
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        launched = playwright.chromium.launch(executable_path=executable, args=arguments)
        opened = launched.new_page()
        opened.goto(f"{site}/")
        yield opened
        launched.close()


def fetch(page: Page, collector: Collector, number: int, path: str = "/v1/traces", **fields: str) -> list[Any]:
    sent = {name.replace("_", "-"): value for name, value in fields.items()}
    found: list[Any] = page.evaluate(FETCH, [f"http://{collector.http}{path}", span(number), sent])
    return found


def test_a_page_sends_by_permission_only(
    make_collector: Callable[..., Collector], page: Page, site: str, tmp_path: Path
) -> None:
    collector = make_collector()
    assert fetch(page, collector, 1)[0] == 0
    assert collector.value("telltale_requests_total") == 0
    collector.stop()

    collector = make_collector(TELLTALE_COLLECTOR__CORS_ORIGINS=f'["https://other.example", "{site}/"]')
    status, _, said = fetch(page, collector, 2, traceparent="00-01-02-00", X_Team="a")
    assert (status, said) == (200, "{}")
    assert collector.value("telltale_requests_total") == 1
    # An error is as readable: the SDK waits as long as it is told.
    assert fetch(page, collector, 3, Authorization="Bearer tt_00000000_no")[0] == 401
    assert fetch(page, collector, 3, "/v1/trace")[0] == 404
    other = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert fetch(page, collector, 4)[:2] == [503, "1"]
    other.execute("ROLLBACK")
    other.close()
    assert page.evaluate(BEACON, [f"http://{collector.http}/v1/traces", span(5)])
    until(lambda: collector.value("telltale_requests_total") == 2)


PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type, x-a"}


def options(collector: Collector, origin: str, path: str = "/v1/traces", **more: str) -> httpx.Response:
    return httpx.options(f"http://{collector.http}{path}", headers={"Origin": origin, **PREFLIGHT, **more})


def test_what_a_preflight_is_told(make_collector: Callable[..., Collector]) -> None:
    collector = make_collector(TELLTALE_COLLECTOR__CORS_ORIGINS='["https://App.example:443"]')
    told = options(collector, "https://app.example", "/v1/logs", Host="otel.example.com")
    assert told.status_code == 200
    assert told.headers["access-control-allow-origin"] == "https://app.example"
    assert told.headers["access-control-allow-credentials"] == "true"
    assert told.headers["access-control-allow-methods"] == "POST"
    assert told.headers["access-control-allow-headers"] == "content-type, x-a"
    assert told.headers["access-control-max-age"] == "7200"
    assert "origin" in told.headers["vary"]
    odd = {"Access-Control-Request-Headers": "a:b"}
    assert "access-control-allow-headers" not in options(collector, "https://app.example", **odd).headers
    for origin in ("https://app.example.evil", "http://app.example", "https://app.example:8443", "null"):
        refused = options(collector, origin)
        assert refused.status_code == 421
        assert "access-control-allow-origin" not in refused.headers
    # One of ours needs no permission to be heard, and has none to hear.
    own = options(collector, f"http://{collector.http}")
    assert (own.status_code, "access-control-allow-origin" in own.headers) == (405, False)
    plain = collector.post(b"\xff")
    assert (plain.status_code, "origin" in plain.headers["vary"]) == (400, True)


def test_any_origin_needs_a_key_and_gets_no_credentials(
    make_collector: Callable[..., Collector], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    any_origin = {"TELLTALE_COLLECTOR__CORS_ORIGINS": '["*"]', "TELLTALE_COLLECTOR__REQUIRE_KEY": "true"}
    collector = make_collector(**any_origin)
    told = options(collector, "https://app.example")
    assert told.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in told.headers
    refused = collector.post(b"", Origin="https://app.example")
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, "*")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TELLTALE_COLLECTOR__CORS_ORIGINS", '["*"]')
    with pytest.raises(SettingsError, match=r"require_key"):
        load()


@pytest.mark.parametrize("origin", ["app.example", "https://app.example/path", "https://*.example", "", "null"])
def test_what_is_no_origin_is_refused(origin: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TELLTALE_COLLECTOR__CORS_ORIGINS", f'["{origin}"]')
    with pytest.raises(SettingsError, match=r"cors_origins"):
        load()
