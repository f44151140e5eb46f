"""Requests to what nobody serves: the answer names what was meant, and only what may be a sender's raises an alert."""

from __future__ import annotations

import socket
from collections.abc import Callable

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.collector_process import Collector, chat
from support.http2_peer import HEADERS, client

from exporters.traces.receive import paths

OTLP = {"Content-Type": "application/x-protobuf"}
JSON = {"Content-Type": "application/json"}
MEANT = {
    "/v1/trace": "/v1/traces",
    "/": "/v1/traces",
    "//v1/traces": "/v1/traces",
    "/v1/traces/v1/traces": "/v1/traces",
    "/v1/logs/v1/logs": "/v1/logs",
    "/V1/Traces": "/v1/traces",
    "/v1": "/v1/traces",
    "/traces": "/v1/traces",
    "/otlp/v1/traces": "/v1/traces",
    "/otlp/v1/metrics": "/v1/metrics",
    "/api/traces": "/v1/traces",
    "/api/v2/spans": "/v1/traces",
    "/opentelemetry.proto.collector.trace.v1.TraceService/Export": "/v1/traces",
    "/opentelemetry.proto.collector.logs.v1.LogsService/Export": "/v1/logs",
    "/v1/log": "/v1/logs",
    "/api/public/otel": "/api/public/otel/v1/traces",
    "/api/public/otel/v1/traces/v1/traces": "/api/public/otel/v1/traces",
    "/api/public/otel/v1/logs": "/v1/logs",
    "/api/public/score": "/api/public/scores",
    "/api/public/ingest": "/api/public/ingestion",
}


@pytest.mark.parametrize("path", MEANT)
def test_the_path_that_was_meant(path: str) -> None:
    assert paths.meant(path) == MEANT[path]


@pytest.mark.parametrize(
    "path",
    [
        "/wp-login.php",
        "/cgi-bin/luci",
        "/graphql",
        "/.env",
        "/actuator/health",
        "/api/v1/write",
        "/blog",
        "/user/login",
        "/logout",
        "/trace.axd",
        "/" + "otel/" * 40,
    ],
)
def test_what_scanners_ask_for_means_nothing_of_ours(path: str) -> None:
    assert paths.meant(path) is None


@given(st.text(max_size=300))
def test_whatever_path_it_is(path: str) -> None:
    assert paths.meant(path) in (None, *paths.SIGNALS)


def counts(collector: Collector) -> dict[str, float]:
    reasons = ("not_found", "method_not_allowed", "content_type", "probe")
    return {name: n for name in reasons if (n := collector.value("telltale_collector_rejected_total", reason=name))}


def test_a_senders_wrong_path_is_named_and_counted(collector: Collector) -> None:
    base = f"http://{collector.http}"
    for number, path in enumerate(("/v1/trace", "/v1/traces/v1/traces", "/"), 1):
        for headers in (OTLP, JSON):
            refused = httpx.post(base + path, content=b"{}", headers=headers)
            assert refused.status_code == 404
            assert "did you mean /v1/traces?" in refused.text
        assert counts(collector) == {"not_found": 2 * number}
    # Nothing of ours, but protobuf: a sender.
    refused = httpx.post(f"{base}/in/the/dark", headers=OTLP)
    assert (refused.status_code, "POST to /v1/traces or /v1/logs" in refused.text) == (404, True)
    assert counts(collector) == {"not_found": 7}


def test_what_a_scan_asks_raises_no_alert(collector: Collector) -> None:
    base = f"http://{collector.http}"
    for path in ("/wp-login.php", "/graphql", "/.env"):
        assert httpx.get(base + path).status_code == 405
        assert httpx.post(base + path, json={}).status_code == 404
        assert httpx.request("PROPFIND", base + path).status_code == 405
    assert counts(collector) == {"probe": 3, "method_not_allowed": 6}
    # What is not even a request is answered and not counted: TLS where none is spoken, a port that is tried out.
    host, _, port = collector.http.rpartition(":")
    for data in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\0" * 100, b"", b"GET"):
        with socket.create_connection((host, int(port)), timeout=10) as link:
            link.sendall(data)
    assert counts(collector) == {"probe": 3, "method_not_allowed": 6}


def test_a_wrong_method_and_a_wrong_media_type_at_the_right_path(collector: Collector) -> None:
    base = f"http://{collector.http}"
    refused = httpx.get(f"{base}/v1/traces")
    assert (refused.status_code, refused.headers["allow"], "POST to /v1/traces" in refused.text) == (405, "POST", True)
    for media in ("text/plain", "", "application/x-www-form-urlencoded", "application/grpc"):
        refused = httpx.post(f"{base}/v1/traces", content=b"{}", headers={"Content-Type": media} if media else {})
        assert (refused.status_code, "application/x-protobuf or application/json" in refused.text) == (415, True)
    assert counts(collector) == {"method_not_allowed": 1, "content_type": 4}


def test_a_get_over_http2_is_no_sender(collector: Collector) -> None:
    peer = client()
    fields = [("GET" if name == ":method" else value, name) for name, value in HEADERS]
    peer.send_headers(1, [(name, value) for value, name in fields], end_stream=True)
    host, _, port = collector.grpc.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=10) as link:
        link.sendall(peer.data_to_send())
        found: list[object] = []
        while not found:
            found = [event for event in peer.receive_data(link.recv(65536)) if hasattr(event, "headers")]
    assert counts(collector) == {"method_not_allowed": 1}


def test_after_all_that_the_right_path_is_served(make_collector: Callable[..., Collector]) -> None:
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

    collector = make_collector()
    sent = encode_spans(chat()).SerializeToString()
    assert httpx.post(f"http://{collector.http}/v1/traces/", content=sent, headers=OTLP).status_code == 200
