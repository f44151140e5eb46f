"""Foreign sites, foreign host names and oversized bodies are refused; error messages stay out of the log."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi import APIRouter
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from telltale.web.guard import CONTENT_SECURITY_POLICY, is_cross_site

Serve = Callable[..., AbstractContextManager[str]]
PAGE = {"Accept": "text/html"}


def test_a_form_of_several_parts_is_refused(serve: Serve) -> None:
    """Its sender names the encoding: of punycode 60,000 digits take a second, in which nobody else is served."""
    part = b'--b\r\nContent-Disposition: form-data; name="name"\r\n\r\n' + b"9" * 100 + b"\r\n--b--\r\n"
    with serve() as url:
        for kind in ("multipart/form-data; boundary=b; charset=punycode", "Multipart/Form-Data; boundary=b"):
            for path in ("/sign-in", "/first-start"):
                assert httpx.post(url + path, content=part, headers={"Content-Type": kind}).status_code == 415
        # A second type behind it would be read by nobody else.
        twice = [("Content-Type", "multipart/form-data; boundary=b"), ("Content-Type", "application/json")]
        assert httpx.post(f"{url}/sign-in", content=part, headers=twice).status_code == 415


def raw(url: str, *lines: str) -> int:
    """Send these lines unchanged; returns the status."""
    address = urlsplit(url)
    assert address.hostname
    with socket.create_connection((address.hostname, address.port or 80), timeout=10) as connection:
        connection.sendall(("\r\n".join([*lines, "Connection: close"]) + "\r\n\r\n").encode())
        return int(connection.recv(4096).split()[1])


@pytest.mark.parametrize("path", ["/", "/sign-in", "/metrics", "/nothing", "/static/style.css", "/-/healthy"])
def test_every_response_has_the_security_headers(serve: Serve, path: str) -> None:
    with serve() as url:
        headers = httpx.get(url + path, headers=PAGE).headers

    assert headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert "cache-control" in headers


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.", "", "[", "127.0.0.1@evil.example:80"]
)
def test_a_foreign_host_name_is_refused(serve: Serve, host: str) -> None:
    with serve() as url:
        status = raw(url, "GET / HTTP/1.1", f"Host: {host}")

    assert status in (400, 421)


@pytest.mark.parametrize(
    ("origin", "status"),
    [("http://telltale.example", 401), ("https://telltale.example", 403), ("http://evil.example", 403), ("null", 403)],
)
def test_a_form_comes_through_a_proxy_that_names_us_by_its_own_address(serve: Serve, origin: str, status: int) -> None:
    """As nginx does without settings. Without TLS browsers say no more than the page's Origin."""
    with serve(public_url="http://telltale.example") as url:
        form = {"name": "kim", "password": "wrong password"}
        assert httpx.post(f"{url}/sign-in", data=form, headers={"Origin": origin}).status_code == status


@pytest.mark.parametrize(
    "host", ["localhost:9", "127.0.0.1", "[::1]:80", "LOCALHOST", "telltale.example", "Named.Example:443"]
)
def test_our_own_host_names_are_served(serve: Serve, host: str) -> None:
    with serve(public_url="http://telltale.example", allowed_hosts=("named.example",)) as url:
        assert raw(url, "GET /first-start HTTP/1.1", f"Host: {host}") == 200


def test_two_host_headers_are_refused(serve: Serve) -> None:
    with serve() as url:
        assert raw(url, "GET / HTTP/1.1", "Host: 127.0.0.1", "Host: evil.example") in (400, 421)


@pytest.mark.parametrize("path", ["/metrics", "/-/healthy", "/-/ready"])
def test_probes_may_use_any_host_name(serve: Serve, path: str) -> None:
    with serve() as url:
        assert httpx.get(url + path, headers={"Host": "web:8080"}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://127.0.0.1"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "", "Cookie": "telltale=x"},
        {"Cookie": "telltale=x"},
    ],
)
def test_a_request_sent_by_another_site_is_refused(serve: Serve, headers: dict[str, str]) -> None:
    with serve() as url:
        response = httpx.post(f"{url}/sign-out", headers=headers)

    assert response.status_code == 403


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}, {}])
def test_our_own_forms_and_programs_pass(serve: Serve, headers: dict[str, str]) -> None:
    with serve() as url:
        same = httpx.post(f"{url}/sign-out", headers=headers)
        origin = httpx.post(f"{url}/sign-out", headers={"Origin": url})

    assert (same.status_code, origin.status_code) == (303, 303)


@given(st.sampled_from(["cross-site", "same-site", "weird"]), st.text(alphabet="abc:/.", max_size=20))
def test_what_a_browser_says_of_the_site_beats_the_origin(site: str, origin: str) -> None:
    assert is_cross_site(Headers({"sec-fetch-site": site, "origin": origin, "host": "127.0.0.1"}))


def test_an_internal_error_is_logged_without_its_message(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    router = APIRouter()

    @router.get("/broken/{name}")
    def broken(name: str) -> None:
        raise RuntimeError(f"SECRET-PROMPT of {name}")

    with caplog.at_level(logging.DEBUG), serve(routers=[router]) as url:
        page = httpx.get(f"{url}/broken/mina", headers=PAGE)
        data = httpx.get(f"{url}/broken/mina")
        counted = httpx.get(f"{url}/metrics").text

    assert (page.status_code, data.status_code) == (500, 500)
    assert data.headers["content-type"] == "application/problem+json"
    assert "RuntimeError" in caplog.text
    for text in (page.text, data.text, caplog.text):
        assert "SECRET-PROMPT" not in text
    assert 'telltale_web_requests_total{route="/broken/{name}",status="500"} 2.0' in counted


def test_requests_are_counted_by_pattern_never_by_path(serve: Serve) -> None:
    with serve() as url:
        for number in range(5):
            httpx.get(f"{url}/no/such/{number}")
            httpx.get(f"{url}/static/{number}")
        page = httpx.get(f"{url}/metrics").text

    assert 'telltale_web_requests_total{route="none",status="404"} 5.0' in page
    assert 'telltale_web_requests_total{route="/static",status="404"} 5.0' in page


@pytest.mark.parametrize(
    "path", ["/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static//etc/passwd"]
)
def test_static_files_do_not_lead_out(serve: Serve, path: str) -> None:
    with serve() as url:
        assert raw(url, f"GET {path} HTTP/1.1", "Host: localhost") == 404


def test_a_body_beyond_the_limit_is_refused(serve: Serve) -> None:
    with serve(max_body_bytes=1000) as url:
        response = httpx.post(f"{url}/sign-in", data={"name": "a", "password": "x" * 2000})
        chunked = httpx.post(
            f"{url}/sign-in",
            content=(b"name=" + b"x" * 100 for _ in range(100)),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )

    assert (response.status_code, chunked.status_code) == (413, 413)
    assert "web.max_body_bytes" in response.json()["detail"]


def test_a_lost_store_is_reported_and_its_return_noticed(serve: Serve, tmp_path: Path) -> None:
    # A cookie has the store asked whose it is.
    headers = PAGE | {"Cookie": "telltale=nobody's"}
    with serve() as url:
        aside = [path.rename(path.with_suffix(".aside")) for path in sorted(tmp_path.glob("telltale.db"))]
        (tmp_path / "telltale.db").mkdir()
        page, data = httpx.get(url, headers=headers), httpx.get(f"{url}/-/ready")
        alive = httpx.get(f"{url}/-/healthy")
        (tmp_path / "telltale.db").rmdir()
        aside[0].rename(tmp_path / "telltale.db")
        back = httpx.get(url, headers=headers)

    assert (page.status_code, data.status_code, alive.status_code, back.status_code) == (503, 503, 200, 303)
    assert int(page.headers["retry-after"]) >= 1
    assert "Try again" in page.text
