"""Which names a port for machines is asked under."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telltale.serving.hosts import CROSS_SITE, REFUSAL, Hosts

LOOPBACK, ELSEWHERE = "127.0.0.1", "10.1.2.3"
CHROMIUM = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64) Chrome/126", "accept-language": "en"}
HOSTS = Hosts({"metrics.example.com", "Telltale.example.com"})


def refusal(host: str, local: str, **fields: str) -> str | None:
    given = {"host": host, **{name.replace("_", "-"): value for name, value in fields.items()}}
    return HOSTS.refusal(given.get, local)


@pytest.mark.parametrize("local", [LOOPBACK, "::1", "::ffff:127.0.0.1", "127.0.1.1", ELSEWHERE])
@pytest.mark.parametrize(
    "host",
    [
        "", "127.0.0.1", "127.0.0.1:9464", "localhost:4318", "app.localhost", "[::1]:9464", "10.1.2.3:9464",
        "[2001:db8::1]", "collector:8888", "Collector", "host.docker.internal:4318", "collector.monitoring.svc:4318",
        "collector.monitoring.svc.cluster.local.:4318", "gpu01.lan", "metrics.example.com", "TELLTALE.example.com:443",
        socket.gethostname(),
    ],
)  # fmt: skip
def test_what_senders_and_scrapers_use_is_served(host: str, local: str) -> None:
    assert refusal(host, local) is None
    assert refusal(host, local, **CHROMIUM) is None


@pytest.mark.parametrize("host", ["evil.example", "evil.example:9464", "127.0.0.1.nip.io", "localhost.evil.example"])
@pytest.mark.parametrize("local", [LOOPBACK, "::1", "::ffff:127.0.0.1", "127.0.1.1"])
def test_a_rebound_name_is_refused_on_loopback(host: str, local: str) -> None:
    assert refusal(host, local) == REFUSAL


def test_a_browser_is_refused_elsewhere_too_but_not_a_scraper() -> None:
    assert refusal("gpu01.example.com:9466", ELSEWHERE, user_agent="Prometheus/3.5.0") is None
    assert refusal("collector.monitoring:4318", ELSEWHERE, user_agent="OTel-OTLP-Exporter-Python/1.36") is None
    for name, value in {**CHROMIUM, "referer": "http://evil.example/", "sec-fetch-mode": "cors"}.items():
        assert refusal("gpu01.example.com:9466", ELSEWHERE, **{name: value}) == REFUSAL


def test_a_page_that_has_its_browser_hide_is_refused() -> None:
    """Scripts may set some fields, to nothing too, and in some browsers User-Agent; they cannot leave them out."""
    assert refusal("evil.example", ELSEWHERE, user_agent="curl/8", accept_language="") == REFUSAL


def test_a_page_of_another_site_is_refused_under_every_name() -> None:
    assert refusal("127.0.0.1:4318", LOOPBACK, origin="http://evil.example") == CROSS_SITE
    assert refusal("127.0.0.1:4318", LOOPBACK, origin="null") == CROSS_SITE
    assert refusal("evil.example:4318", LOOPBACK, origin="http://evil.example:4318") == REFUSAL
    assert refusal("evil.example:4318", ELSEWHERE, origin="http://evil.example:4318") == REFUSAL
    assert refusal("localhost:4318", LOOPBACK, origin="http://localhost:4318") is None
    assert refusal("127.0.0.1:4318", LOOPBACK, origin="https://metrics.example.com") is None


@pytest.mark.parametrize("host", ["a@127.0.0.1", "127.0.0.1/x", "127.0.0.1:x", "[::1", ":80", "a?b"])
def test_what_is_no_host_is_refused(host: str) -> None:
    assert refusal(host, ELSEWHERE) == REFUSAL


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_text_breaks_it(host: str, origin: str) -> None:
    assert refusal(host, LOOPBACK, origin=origin) in (None, REFUSAL, CROSS_SITE)


def test_a_page_of_a_named_origin_may_ask_under_every_name() -> None:
    """No page can pretend to another origin, so a rebound one gains nothing."""
    named, every = Hosts(origins={"https://app.example"}), Hosts(origins={"*"})

    def ask(hosts: Hosts, origin: str) -> str | None:
        return hosts.refusal({**CHROMIUM, "host": "otel.example.com", "origin": origin}.get, LOOPBACK)

    assert ask(named, "https://app.example") is None
    assert ask(named, "http://app.example") == ask(named, "https://app.example.evil") == CROSS_SITE
    assert ask(named, "https://otel.example.com") == REFUSAL
    assert ask(every, "https://evil.example") is None
