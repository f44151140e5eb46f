"""Feedback in the two forms that Langfuse's SDKs send."""

from __future__ import annotations

import base64
import json

import httpx
from collector_process import Collector

from telltale.records import Feedback
from telltale.store import access, feedback

TRACE = "0af7651916cd43dd8448eb211c80319c"
SCORE = {"id": "s1", "traceId": TRACE, "name": "thumbs", "value": 1.0, "dataType": "BOOLEAN", "comment": "a@b.org"}


def basic(secret: str) -> str:
    return "Basic " + base64.b64encode(f"pk-lf-1:{secret}".encode()).decode()


def key(collector: Collector, scope: str) -> str:
    store = collector.store()
    made: str = store.write(lambda c: access.add_key(c, name=scope, tenant="acme", scopes=[scope], now=1.0))
    store.close()
    return made


def post(collector: Collector, path: str, body: object, secret: str) -> httpx.Response:
    return httpx.post(f"http://{collector.http}{path}", json=body, headers={"Authorization": basic(secret)})


def stored(collector: Collector) -> list[Feedback]:
    store = collector.store()
    try:
        with store.read() as connection:
            return feedback.load(connection)
    finally:
        store.close()


def test_both_forms_are_stored_once_and_redacted(collector: Collector) -> None:
    secret = key(collector, "feedback:write")
    assert post(collector, "/api/public/scores", [SCORE], secret).json() == {"id": "s1"}
    batch = {"batch": [
        {"id": "e1", "type": "score-create", "body": SCORE},
        {"id": "e2", "type": "score-create", "body": {"id": "s2", "traceId": TRACE, "name": "stars", "value": 0.8}},
        {"id": "e3", "type": "score-create", "body": {"id": "s3", "traceId": TRACE, "name": "stars", "value": 4}},
        {"id": "e4", "type": "trace-create", "body": {}},
    ]}  # fmt: skip
    answer = post(collector, "/api/public/ingestion", batch, secret)
    assert answer.status_code == 207
    assert [one["id"] for one in answer.json()["successes"]] == ["s1", "s2"]
    assert [one["id"] for one in answer.json()["errors"]] == ["s3"]
    [thumb, rating] = stored(collector)
    assert (thumb.tenant, thumb.kind, thumb.value, thumb.comment) == ("acme", "thumb", 1.0, "[EMAIL]")
    assert (rating.kind, rating.value, rating.name) == ("rating", 0.8, "stars")


def test_it_takes_a_key_for_feedback(collector: Collector) -> None:
    assert post(collector, "/api/public/scores", [SCORE], key(collector, "otlp:write")).status_code == 401
    assert httpx.post(f"http://{collector.http}/api/public/scores", content=json.dumps([SCORE])).status_code == 401
    assert stored(collector) == []


def test_bodies_without_scores_are_refused(collector: Collector) -> None:
    secret = key(collector, "feedback:write")
    for body in (5, [5], {"batch": 5}, {"traceId": "x", "value": 1}, [{**SCORE, "value": None}], [[[]]]):
        for path in ("/api/public/scores", "/api/public/ingestion"):
            assert post(collector, path, body, secret).status_code == 400 or body == [{**SCORE, "value": None}]
    assert stored(collector) == []
