"""Keys are looked up in the store, which may be slow; no other sender waits for that."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import grpc
import httpx
import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import MetricsServiceStub
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from sqlalchemy import Engine, create_engine, text
from support.collector_process import Collector, chat, until

from exporters.traces.receive.keys import KeyLookups, tenant
from telltale.auth import LIFETIME_S, ApiKeys
from telltale.store import Store, access, open_store


def key(store: Store, scope: str = "otlp:write") -> str:
    made: str = store.write(lambda c: access.add_key(c, name=scope, tenant="real", scopes=[scope], now=1.0))
    return made


def post(collector: Collector, secret: str | None, path: str = "/v1/traces") -> httpx.Response:
    headers = {"Content-Type": "application/x-protobuf"}
    if secret is not None:
        headers["Authorization"] = f"Bearer {secret}"
    body = encode_spans(chat()).SerializeToString() if path == "/v1/traces" else b""
    return httpx.post(f"http://{collector.http}{path}", content=body, headers=headers, timeout=60)


def call(collector: Collector, secret: str | None, *, is_metrics: bool = False) -> grpc.StatusCode:
    metadata = [("authorization", f"Bearer {secret}")] if secret is not None else []
    with grpc.insecure_channel(collector.grpc) as channel:
        try:
            if is_metrics:
                MetricsServiceStub(channel).Export(ExportMetricsServiceRequest(), metadata=metadata, timeout=60)
            else:
                TraceServiceStub(channel).Export(encode_spans(chat()), metadata=metadata, timeout=60)
        except grpc.RpcError as error:
            code: grpc.StatusCode = error.code()
            return code
    return grpc.StatusCode.OK


def test_a_database_that_does_not_respond_for_a_key_delays_nobody_else(
    new_database: Callable[[], str], make_collector: Callable[..., Collector]
) -> None:
    url = new_database()
    store = open_store(url)
    secret = key(store)
    store.close()
    collector = make_collector(TELLTALE_STORE__URL=url, TELLTALE_STORE__BUSY_TIMEOUT="60s")
    owner = create_engine(url)
    with ThreadPoolExecutor(4) as pool:
        with owner.begin() as connection:
            connection.execute(text("LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE"))
            slow = [pool.submit(post, collector, secret) for _ in range(2)], [pool.submit(call, collector, secret)]
            until(lambda: _waiting(owner) > 0)
            assert post(collector, None).status_code == 200
            assert call(collector, None) is grpc.StatusCode.OK
            assert not any(one.done() for one in (*slow[0], *slow[1]))
        assert [one.result().status_code for one in slow[0]] == [200, 200]
        assert [one.result() for one in slow[1]] == [grpc.StatusCode.OK]
    owner.dispose()
    assert collector.value("telltale_requests_total", tenant="real") == 3
    assert collector.value("telltale_requests_total", tenant="acme") == 2


def test_a_database_that_did_not_respond_for_a_key_is_asked_again(
    new_database: Callable[[], str], make_collector: Callable[..., Collector]
) -> None:
    url = new_database()
    store = open_store(url)
    secret, second = key(store), key(store)
    store.close()
    collector = make_collector(TELLTALE_STORE__URL=url, TELLTALE_STORE__BUSY_TIMEOUT="200ms")
    owner = create_engine(url)
    with owner.begin() as connection:
        connection.execute(text("LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE"))
        response = post(collector, secret)
        assert (response.status_code, response.headers["Retry-After"]) == (503, "1")
        assert call(collector, second) is grpc.StatusCode.UNAVAILABLE
        assert post(collector, secret, "/v1/metrics").status_code == 503
    assert collector.value("telltale_collector_rejected_total", reason="store_unavailable") == 3
    assert post(collector, secret).status_code == 200
    assert call(collector, second) is grpc.StatusCode.OK
    owner.dispose()


def test_the_end_does_not_wait_for_keys_that_nobody_waits_for(
    new_database: Callable[[], str], make_collector: Callable[..., Collector]
) -> None:
    url = new_database()
    open_store(url).close()
    collector = make_collector(TELLTALE_STORE__URL=url, TELLTALE_STORE__BUSY_TIMEOUT="4s")
    assert collector.popen is not None
    owner = create_engine(url)
    with ThreadPoolExecutor(40) as pool, owner.begin() as connection:
        connection.execute(text("LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE"))
        asked = [pool.submit(_try, collector, f"tt_{number:08d}_bad") for number in range(40)]
        until(lambda: collector.value("telltale_collector_queue_bytes") == 40 * 100)
        collector.popen.terminate()
        # Its grace period for open requests, and one look-up; without sharing, the forty would take ten look-ups each.
        assert collector.popen.wait(timeout=25) == 0
    assert all(one.done() for one in asked)
    owner.dispose()


def _try(collector: Collector, secret: str) -> None:
    with suppress(httpx.HTTPError):
        # The body is read once its key is known.
        collector.post(b"x" * 100, Authorization=f"Bearer {secret}")


def test_a_key_that_is_none_is_unknown_to_every_database(
    new_database: Callable[[], str], make_collector: Callable[..., Collector]
) -> None:
    collector = make_collector(TELLTALE_STORE__URL=new_database())
    pair = base64.b64encode(b"pk:tt_0000\x00bad").decode()
    assert collector.post(b"", Authorization=f"Basic {pair}").status_code == 401


def test_a_lookup_that_took_longer_than_it_is_good_for_is_good_for_those_who_waited(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 's.db'}")
    secret = key(store)
    # The clock when a request arrives, when the store is asked, and at the next request.
    times = iter([0.0, 0.0, 40.0, 40.0])
    lookups = KeyLookups(ApiKeys(store, lambda: next(times)))
    first = lookups.look_up(secret)
    assert isinstance(first, Future)
    assert tenant(first.result(10), "otlp:write") == "real"
    second = lookups.look_up(secret)
    assert isinstance(second, Future), "it must not be good for longer"
    assert tenant(second.result(10), "otlp:write") == "real"
    lookups.close()
    store.close()


def test_a_revoked_key_is_refused_within_a_second(collector: Collector) -> None:
    store = collector.store()
    secret = key(store)
    assert (post(collector, secret).status_code, call(collector, secret)) == (200, grpc.StatusCode.OK)
    assert store.write(lambda c: access.revoke_key(c, secret.split("_")[1], now=time.time()))
    time.sleep(LIFETIME_S)
    assert (post(collector, secret).status_code, call(collector, secret)) == (401, grpc.StatusCode.UNAUTHENTICATED)
    store.close()


def test_an_expired_key_is_refused(collector: Collector) -> None:
    store = collector.store()
    now = time.time()
    secret = store.write(
        lambda c: access.add_key(c, name="a", tenant="real", scopes=["otlp:write"], now=now, expires_at=now + 3)
    )
    assert post(collector, secret).status_code == 200
    time.sleep(max(0.0, now + 3 - time.time()))
    assert post(collector, secret).status_code == 401
    store.close()


@pytest.mark.parametrize("is_required", [False, True])
def test_senders_metrics_need_the_key_that_spans_need(
    make_collector: Callable[..., Collector], is_required: bool
) -> None:
    collector = make_collector(TELLTALE_COLLECTOR__REQUIRE_KEY=str(is_required).lower())
    store = collector.store()
    good, other = key(store), key(store, "feedback:write")
    store.close()
    expected = {good: 200, other: 401, None: 401 if is_required else 200}
    assert {secret: post(collector, secret, "/v1/metrics").status_code for secret in expected} == expected
    codes = {200: grpc.StatusCode.OK, 401: grpc.StatusCode.UNAUTHENTICATED}
    assert {secret: call(collector, secret, is_metrics=True) for secret in expected} == {
        secret: codes[status] for secret, status in expected.items()
    }
    assert collector.value("telltale_collector_requests_total", signal="metrics") == 2 * (1 if is_required else 2)


def _waiting(server: Engine) -> int:
    """Locks that somebody waits for."""
    with server.connect() as connection:
        found: int = connection.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar_one()
    return found
