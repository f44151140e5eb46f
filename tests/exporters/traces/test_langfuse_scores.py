"""Feedback in the two forms that Langfuse's SDKs send."""

from __future__ import annotations

import base64
import gzip
import json

import httpx
import pytest
from support.collector_process import Collector

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


def in_batch(*bodies: object) -> dict[str, object]:
    return {"batch": [{"id": f"e{i}", "type": "score-create", "body": body} for i, body in enumerate(bodies)]}


def results(response: httpx.Response) -> tuple[list[str], list[str]]:
    """The ids under successes and errors."""
    assert response.status_code == 207
    body = response.json()
    return [one["id"] for one in body["successes"]], [one["id"] for one in body["errors"]]


def post(collector: Collector, path: str, body: object, secret: str) -> httpx.Response:
    # As pure ASCII: httpx's own writer accepts no lone surrogate.
    headers = {"Authorization": basic(secret)}
    return httpx.post(f"http://{collector.http}{path}", content=json.dumps(body), headers=headers)


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
    response = post(collector, "/api/public/ingestion", batch, secret)
    assert response.status_code == 207
    assert [one["id"] for one in response.json()["successes"]] == ["e1", "e2"]
    assert {one["id"] for one in response.json()["errors"]} == {"e3", "e4"}
    [thumb, rating] = stored(collector)
    assert (thumb.tenant, thumb.kind, thumb.value, thumb.comment) == ("acme", "thumb", 1.0, "[EMAIL]")
    assert (rating.kind, rating.value, rating.name) == ("rating", 0.8, "stars")


def test_a_score_without_an_id_is_known_by_what_is_stored_of_it(collector: Collector) -> None:
    secret = key(collector, "feedback:write")
    unnamed = {**SCORE, "id": None}
    first = post(collector, "/api/public/scores", unnamed, secret).json()["id"]
    # Its hash would let somebody check a guess of the address that was redacted.
    again = post(collector, "/api/public/scores", {**unnamed, "comment": "b@a.org"}, secret).json()["id"]
    other = post(collector, "/api/public/scores", {**unnamed, "value": 0.0}, secret).json()["id"]
    assert first == again != other
    assert [event.value for event in stored(collector)] == [1.0, 0.0]


def test_names_and_ids_hold_nothing_that_is_redacted_elsewhere(collector: Collector) -> None:
    secret, named = key(collector, "feedback:write"), "sk-proj4bcd3fGh1jKlmn0pQrStuvwx"
    post(collector, "/api/public/scores", {**SCORE, "id": f"of {named}", "name": f"as {named}"}, secret)
    [event] = stored(collector)
    assert event.name == "as _SECRET_"
    assert named not in event.idempotency_key


def test_the_response_names_an_event_by_its_own_id_not_its_bodys(collector: Collector) -> None:
    secret = key(collector, "feedback:write")
    response = post(collector, "/api/public/ingestion", in_batch({**SCORE, "id": None}, {**SCORE, "id": ""}), secret)
    assert results(response) == (["e0", "e1"], [])


def test_it_accepts_a_key_for_feedback(collector: Collector) -> None:
    assert post(collector, "/api/public/scores", [SCORE], key(collector, "otlp:write")).status_code == 401
    assert httpx.post(f"http://{collector.http}/api/public/scores", content=json.dumps([SCORE])).status_code == 401
    assert stored(collector) == []


def test_bodies_without_scores_are_refused(collector: Collector) -> None:
    secret = key(collector, "feedback:write")
    bodies: list[object] = [5, [5], {"batch": 5}, {"traceId": "x", "value": 1}, [{**SCORE, "value": None}], [[[]]]]
    for body in bodies:
        for path in ("/api/public/scores", "/api/public/ingestion"):
            assert post(collector, path, body, secret).status_code == 400 or body == [{**SCORE, "value": None}]
    assert stored(collector) == []


def test_small_bodies_that_unpack_to_millions_of_values_are_refused_unread(collector: Collector) -> None:
    headers = {"Authorization": basic(key(collector, "feedback:write")), "Content-Encoding": "gzip"}
    post(collector, "/api/public/scores", [SCORE], key(collector, "feedback:write"))
    before = collector.peak_memory()
    many = b"[],[]," * 2_000_000
    # In UTF-16, this character's second byte is that of a quote, behind which nothing would be counted.
    hidden = ('["\u2200",' + "[]," * 2_000_000 + "5]").encode("utf-16-le")
    for path in ("/api/public/scores", "/api/public/ingestion"):
        sent = gzip.compress(hidden, 1)
        response = httpx.post(f"http://{collector.http}{path}", content=sent, headers=headers, timeout=30)
        assert response.status_code == 400
    for body in (b"[" + many + b"5]", b'{"id":"s","metadata":[' + many + b"5]}", b'{"batch":[' + many + b"5]}"):
        for path in ("/api/public/scores", "/api/public/ingestion"):
            sent = gzip.compress(body, 1)
            assert len(sent) < 100_000
            response = httpx.post(f"http://{collector.http}{path}", content=sent, headers=headers, timeout=30)
            assert (response.status_code, "more than" in response.text) == (413, True), response.text
    assert collector.peak_memory() - before < 64 << 20
    assert [event.idempotency_key for event in stored(collector)] == ["langfuse:s1"]


def test_events_that_are_no_scores_are_listed_as_errors(collector: Collector) -> None:
    secret = key(collector, "feedback:write")
    kinds = ["trace-create", "generation-create", "score-create", "sdk-log"]
    batch = {"batch": [{"id": kind, "type": kind, "body": None} for kind in kinds]}
    response = post(collector, "/api/public/ingestion", batch, secret)
    # Langfuse returns nothing for its SDKs' own events either.
    assert results(response) == ([], kinds[:3])
    # Langfuse's own status for events it cannot use: its SDKs try a few times and log it.
    assert {one["status"] for one in response.json()["errors"]} == {400}
    assert "/v1/traces" in response.json()["errors"][0]["message"]


@pytest.mark.parametrize("odd", ["\ud800", "a\0b", "z" * 120], ids=["half a pair", "NUL", "long"])
def test_ids_that_no_store_accepts_leave_the_rest_of_the_batch_intact(collector: Collector, odd: str) -> None:
    secret = key(collector, "feedback:write")
    ids = ["good", odd, odd + "2"]
    batch = in_batch(*({**SCORE, "id": one, "value": n % 2} for n, one in enumerate(ids)))
    for _ in range(2):
        assert results(post(collector, "/api/public/ingestion", batch, secret)) == (["e0", "e1", "e2"], [])
    found = stored(collector)
    assert [event.value for event in found] == [0.0, 1.0, 0.0]
    assert found[0].idempotency_key == "langfuse:good"
    # The same id with another body is a conflict, whatever its letters.
    other = post(collector, "/api/public/ingestion", in_batch({**SCORE, "id": odd, "value": 0}), secret)
    assert results(other) == ([], ["e0"])
    assert post(collector, "/api/public/scores", {**SCORE, "id": odd, "value": 0}, secret).status_code == 400
    assert post(collector, "/api/public/scores", {**SCORE, "id": odd}, secret).json() == {"id": odd}


def test_ids_that_a_store_accepts_keep_their_keys(collector: Collector) -> None:
    secret = key(collector, "feedback:write")
    ids = ["s-1", "z" * 119, "ünï/💡"]
    for one in ids:
        assert post(collector, "/api/public/scores", {**SCORE, "id": one}, secret).json() == {"id": one}
    assert [event.idempotency_key for event in stored(collector)] == [f"langfuse:{one}" for one in ids]


def test_odd_text_leaves_the_rest_of_the_batch_intact(collector: Collector) -> None:
    secret = key(collector, "feedback:write")
    odd = [{**SCORE, "id": f"{n}", "comment": comment} for n, comment in enumerate(("fine", "a \ud83d", "a\0b"))]
    categories = [{**SCORE, "id": f"w{n}", "value": word} for n, word in enumerate(("good", "\ud800", "bad\0"))]
    accepted, refused = results(post(collector, "/api/public/ingestion", in_batch(*odd, *categories), secret))
    assert (len(accepted), refused) == (6, [])


def test_text_that_is_too_long_is_cut_after_redaction(collector: Collector) -> None:
    secret = key(collector, "feedback:write")
    scores = [
        {**SCORE, "id": "s1", "comment": "x" * 7_990 + " mina.kim@example.com"},
        {"id": "s2", "traceId": TRACE, "name": "label", "value": "y" * 55 + " mina.kim@example.com"},
    ]
    post(collector, "/api/public/scores", scores, secret)
    assert [event.comment for event in stored(collector)] == ["x" * 7_990 + " [EMAIL]", "y" * 55 + " [EMAIL]"]


def test_what_is_stored_is_counted_once_by_its_kind(collector: Collector) -> None:
    secret = key(collector, "feedback:write")
    rating = {"id": "s2", "traceId": TRACE, "name": "stars", "value": 0.8}
    refused = {**SCORE, "id": "s3", "value": 4}
    for _ in range(2):
        post(collector, "/api/public/ingestion", in_batch(SCORE, rating, refused), secret)
    conflict = post(collector, "/api/public/scores", [{**SCORE, "value": 0.0}], secret)
    assert conflict.status_code == 400
    assert collector.value("telltale_feedback_events_total", kind="thumb") == 1
    assert collector.value("telltale_feedback_events_total", kind="rating") == 1
