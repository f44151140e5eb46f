"""The script that pages of other sites embed, in a real browser under a strict policy of the site."""

from __future__ import annotations

import base64
import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect
from support.in_chromium import chromium

import feedback
from feedback import script
from telltale.store import Store
from telltale.store import feedback as store_feedback

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
# Pages of others carry this: when the file must change, it gets a new name.
INTEGRITY = "sha384-3T8Z033Ey0hPYoCZMB6nviRAcvcKeOizUYCJln6ckUJM9wgHcMNjVQgdB8wpYpXQ"
PAGE = """<!doctype html><title>chat</title>
<script src="{url}/feedback-1.js" integrity="{integrity}" crossorigin="anonymous" defer></script>
<div data-telltale-url="{votes}" data-telltale-token="{token}">
<p id="answer">It is on its way.</p>
<button data-telltale="up">yes</button> <button data-telltale="down"><b>no</b></button>
</div>"""


@contextmanager
def site(page: str, policy: str) -> Iterator[str]:
    """A site of somebody else's with this page."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Security-Policy", policy)
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://localhost:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def stored(store: Store, number: int) -> list[Any]:
    """The events, when there are so many."""
    deadline = time.monotonic() + 20
    while True:
        with store.read() as connection:
            events = store_feedback.load(connection)
        if len(events) >= number or time.monotonic() > deadline:
            return events
        time.sleep(0.02)


def test_it_is_small_and_never_changes(service: Any) -> None:
    response = httpx.get(f"{service.url}{script.PATH}", headers={"Origin": "https://chat.example"})
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/javascript; charset=utf-8"
    assert "immutable" in response.headers["cache-control"]
    assert response.headers["access-control-allow-origin"] == "*"
    assert response.headers["cross-origin-resource-policy"] == "cross-origin"
    assert len(response.content) <= 1024
    assert f"sha384-{base64.b64encode(hashlib.sha384(response.content).digest()).decode()}" == INTEGRITY
    assert INTEGRITY in (Path(feedback.__file__).parent / "README.md").read_text()


def test_a_page_under_a_strict_policy_votes_and_tells_of_a_copy(
    service: Any, require: Callable[[object, str], None]
) -> None:
    with service.client() as client:
        made = client.post("/api/v1/feedback/tokens", json={"trace_id": TRACE, "subject": "user-1"}).json()
    content = PAGE.format(
        url=service.url, integrity=INTEGRITY, token=made["token"], votes=f"{service.url}/api/v1/votes"
    )
    policy = f"default-src 'none'; script-src {service.url}; connect-src {service.url}"
    with site(content, policy) as address, chromium(require) as browser:
        page = browser.new_page()
        errors: list[str] = []
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.route("**/favicon.ico", lambda route: route.fulfill(body=""))
        page.goto(address)
        page.get_by_role("button", name="no").click()
        expect(page.locator("[data-telltale-state=sent]")).to_be_visible(timeout=20_000)
        assert page.get_by_role("button", name="no", pressed=True).count() == 1
        page.get_by_role("button", name="yes").click()
        assert page.get_by_role("button", name="yes", pressed=True).count() == 1
        events = stored(service.store, 2)
        page.locator("#answer").select_text()
        page.keyboard.press("Control+C")
        events = stored(service.store, 3)
        assert page.evaluate("telltale({url: 'x', token: 'y'}, {}, () => false)") is False

    assert [(event.kind, event.name, event.value) for event in events] == [
        ("thumb", "helpful", 0.0), ("thumb", "helpful", 1.0), ("implicit", "copy", None),
    ]  # fmt: skip
    assert [error for error in errors if "localhost" not in error] == []


@pytest.mark.parametrize("status", [503, 429])
def test_a_refused_vote_is_sent_again_unless_another_took_its_place(
    service: Any, require: Callable[[object, str], None], status: int
) -> None:
    with service.client() as client:
        made = client.post("/api/v1/feedback/tokens", json={"trace_id": TRACE}).json()
    content = PAGE.format(
        url=service.url, integrity=INTEGRITY, token=made["token"], votes=f"{service.url}/api/v1/votes"
    )
    refused: list[str] = []

    def refuse_first(route: Any) -> None:
        if refused:
            route.continue_()
            return
        refused.append(route.request.post_data)
        headers = {"Retry-After": "1", "Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "*"}
        route.fulfill(status=status, headers=headers, body="")

    with site(content, "") as address, chromium(require) as browser:
        page = browser.new_page()
        page.route("**/api/v1/votes", refuse_first)
        page.goto(address)
        page.get_by_role("button", name="no").click()
        if status == 429:
            page.get_by_role("button", name="yes").click()
        expect(page.locator("[data-telltale-state=sent]")).to_be_visible(timeout=20_000)

    assert '"down"' in refused[0]
    assert [event.value for event in stored(service.store, 1)] == [0.0 if status == 503 else 1.0]
