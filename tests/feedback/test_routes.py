"""The feedback API over HTTP: what is acknowledged is stored once; a refusal gives its reason."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

import httpx
import pytest

from telltale.records import Feedback
from telltale.store import Store, feedback
from telltale.web import people

Service = Any
Serve = Callable[..., AbstractContextManager[Service]]
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PATH = "/api/v1/feedback"


def vote(**fields: object) -> dict[str, object]:
    return {"trace_id": TRACE, "kind": "thumb", "value": "down", "subject": "user-1"} | fields


def post(service: Service, body: object, key: str = "k-1", tenant: str = "shop") -> httpx.Response:
    with service.client(tenant) as client:
        response: httpx.Response = client.post(PATH, json=body, headers={"Idempotency-Key": key})
        return response


def stored(store: Store) -> list[Feedback]:
    with store.read() as connection:
        return feedback.load(connection)


def test_a_vote_is_stored_before_it_is_acknowledged(service: Service) -> None:
    response = post(service, vote(comment="too long"))

    assert response.status_code == 201
    (event,) = stored(service.store)
    assert (event.tenant, event.kind, event.value, event.comment) == ("shop", "thumb", 0.0, "too long")
    assert response.json()["id"] == event.id
    assert response.json()["received_at"] == event.received_at


def test_a_key_made_of_somebodys_address_is_stored_as_a_hash_and_known_again(service: Service) -> None:
    personal = "mina.kim@example.com-1"
    assert post(service, vote(), personal).status_code == 201
    assert post(service, vote(), personal).status_code == 200
    assert post(service, vote(), personal, tenant="bank").status_code == 201
    first, other = stored(service.store)
    assert "mina" not in first.idempotency_key + other.idempotency_key
    assert first.idempotency_key != other.idempotency_key
    assert post(service, vote(value="up"), personal).status_code in (409, 422)
    assert personal not in post(service, vote(value="up"), personal).text


@pytest.mark.parametrize(
    ("fields", "value", "comment"),
    [
        ({"kind": "thumb", "value": True}, 1.0, None),
        ({"kind": "thumb", "value": 0}, 0.0, None),
        ({"kind": "thumb", "value": 1.0}, 1.0, None),
        ({"kind": "rating", "value": 0.25}, 0.25, None),
        ({"kind": "rating", "value": 4, "scale": [1, 5]}, 0.75, None),
        ({"kind": "category", "value": "hallucination"}, None, "hallucination"),
        ({"kind": "comment", "value": None, "comment": "wrong city"}, None, "wrong city"),
        ({"kind": "correction", "value": None, "comment": "It is in Busan."}, None, "It is in Busan."),
        ({"kind": "retract", "value": None}, None, None),
        ({"kind": "implicit", "name": "copy", "value": None}, None, None),
        ({"kind": "implicit", "name": "retry", "value": True}, None, None),
        ({"kind": "implicit", "name": "edit_distance", "value": 0.25}, 0.25, None),
    ],
)
def test_every_kind_is_accepted(service: Service, fields: dict[str, object], value: object, comment: object) -> None:
    assert post(service, vote(**fields)).status_code == 201

    (event,) = stored(service.store)
    assert (event.kind, event.value, event.comment) == (fields["kind"], value, comment)


@pytest.mark.parametrize(
    "fields",
    [
        {"trace_id": "xyz"},
        {"trace_id": "0" * 32},
        {"span_id": "12"},
        {"kind": "applause"},
        {"value": 0.5},
        {"value": None},
        {"value": "sideways"},
        {"kind": "rating", "value": 7},
        {"kind": "rating", "value": True},
        {"kind": "rating", "value": 1, "scale": [5, 1]},
        {"kind": "rating", "value": 1, "scale": [-1e308, 1e308]},
        {"kind": "category", "value": 3},
        {"kind": "category", "value": "a", "comment": "b"},
        {"kind": "comment", "value": None, "comment": None},
        {"kind": "comment", "value": None, "comment": " "},
        {"kind": "correction", "value": 1, "comment": "x"},
        {"kind": "retract", "value": 1},
        {"kind": "implicit", "name": "helpful", "value": None},
        {"kind": "implicit", "name": "copy", "value": "up"},
        {"kind": "implicit", "name": "abandon", "value": None, "comment": "why"},
        {"kind": "implicit", "name": "edit_distance", "value": 1.5},
        {"kind": "implicit", "name": "edit_distance", "value": None},
        {"kind": "implicit", "name": "edit_distance", "value": True},
        {"comment": "nul \0"},
        {"comment": "x" * 16_385},
        {"name": "<script>"},
        {"colour": "red"},
        {"source": "reviewer"},
    ],
)
def test_a_body_that_does_not_fit_is_refused_without_repeating_it(service: Service, fields: dict[str, object]) -> None:
    response = post(service, vote(comment="SECRET-WORDS") | fields)

    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert "SECRET-WORDS" not in response.text
    assert stored(service.store) == []


@pytest.mark.parametrize("key", ["", "x" * 256, "two words"])
def test_a_bad_idempotency_key_is_refused(service: Service, key: str) -> None:
    assert post(service, vote(), key).status_code == 422


def test_no_idempotency_key_is_refused(service: Service) -> None:
    with service.client() as client:
        response = client.post(PATH, json=vote())
    assert response.status_code == 422
    assert [error["where"] for error in response.json()["errors"]] == ["Idempotency-Key"]


def test_a_repeated_request_is_answered_from_the_store(service: Service) -> None:
    first, again = post(service, vote()), post(service, vote())

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json()["id"] == first.json()["id"]
    assert again.json()["received_at"] == first.json()["received_at"]
    assert len(stored(service.store)) == 1


def test_another_body_under_the_same_key_is_refused(service: Service) -> None:
    post(service, vote())
    response = post(service, vote(value="up"))

    assert response.status_code == 422
    assert [event.value for event in stored(service.store)] == [0.0]


def test_tenants_do_not_share_idempotency_keys(service: Service) -> None:
    assert [post(service, vote(), tenant=tenant).status_code for tenant in ("shop", "bank")] == [201, 201]
    assert {event.tenant for event in stored(service.store)} == {"shop", "bank"}


def test_many_at_once_with_the_same_key_store_one(service: Service) -> None:
    together = threading.Barrier(16)

    def send(_: int) -> int:
        together.wait()
        return post(service, vote()).status_code

    with ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(send, range(16)))

    assert sorted(statuses) == [200] * 15 + [201]
    assert len(stored(service.store)) == 1


def test_the_text_is_redacted_and_the_person_is_hashed(serve: Serve, store: Store) -> None:
    with serve(redaction={"rules": {"badge": r"E-\d{5}"}}) as service:
        post(service, vote(comment="ask mina@example.com, badge E-12345", subject="mina@example.com"))
        post(service, vote(subject="mina@example.com"), "k-2")
        post(service, vote(subject="mina@example.com"), "k-3", tenant="bank")

    first, second, other = stored(store)
    assert first.comment == "ask [EMAIL], badge [BADGE]"
    assert first.subject is not None
    assert len(first.subject) == 64
    assert first.subject == second.subject
    assert first.subject != other.subject


def test_feedback_needs_a_key_with_its_scope(service: Service) -> None:
    assert post(service, vote(), tenant="tt_00000000_" + "x" * 43).status_code == 401
    assert post(service, vote(), tenant="nonsense").status_code == 401
    assert post(service, vote(), tenant="tracer").status_code == 403
    assert stored(service.store) == []


def test_a_key_beyond_its_rate_gets_retry_after(serve: Serve) -> None:
    with serve(web={"requests_per_second": 2}) as service:
        responses = [post(service, vote(), f"k-{number}") for number in range(6)]
        other = post(service, vote(), tenant="bank")

    refused = [response for response in responses if response.status_code == 429]
    assert refused
    assert all(int(response.headers["retry-after"]) >= 1 for response in refused)
    assert other.status_code == 201


def test_a_batch_has_a_result_for_each_item(service: Service) -> None:
    items = [
        vote() | {"idempotency_key": "a"},
        vote() | {"idempotency_key": "a"},
        vote(value="up") | {"idempotency_key": "a"},
        vote(kind="rating", value="SECRET-WORDS") | {"idempotency_key": "b"},
        vote(),
        vote(kind="comment", value=None, comment="hm") | {"idempotency_key": "c"},
    ]
    with service.client() as client:
        response = client.post(f"{PATH}/batch", json={"items": items})

    assert response.status_code == 200
    assert [result["status"] for result in response.json()["results"]] == [201, 200, 422, 422, 422, 201]
    assert "SECRET-WORDS" not in response.text
    assert len(stored(service.store)) == 2


def test_a_batch_is_stored_in_its_order(service: Service) -> None:
    items = [vote(value=number % 2) | {"idempotency_key": f"k-{number}"} for number in range(200)]
    with service.client() as client:
        assert client.post(f"{PATH}/batch", json={"items": items}).status_code == 200

    assert [event.idempotency_key for event in stored(service.store)] == [f"k-{number}" for number in range(200)]


def test_a_bad_item_of_a_batch_keeps_no_other_out_and_is_named(service: Service) -> None:
    good = vote() | {"idempotency_key": "good"}
    items = [3, None, [], "x", {}, vote(), vote(comment="x" * 16_385) | {"idempotency_key": "long"}, good]
    with service.client() as client:
        response = client.post(f"{PATH}/batch", json={"items": items})

    results = response.json()["results"]
    assert response.status_code == 200
    assert [result["status"] for result in results] == [422] * 7 + [201]
    assert [result["index"] for result in results] == list(range(8))
    assert {error["where"] for error in results[4]["errors"]} == {
        f"items.4.{name}" for name in ("trace_id", "kind", "idempotency_key")
    }
    assert results[5]["detail"] == "items.5.idempotency_key: is missing"
    assert results[3]["detail"] == "items.3.body: is no JSON object"
    assert [event.idempotency_key for event in stored(service.store)] == ["good"]


@pytest.mark.parametrize(
    "odd",
    [r'{"comment": "\ud800"}', '{"a":' * 500 + "1" + "}" * 500, '{"value": ' + "9" * 5000 + "}", '{"value": 1e999}'],
)
def test_an_item_that_strict_readers_refuse_is_refused_alone(service: Service, odd: str) -> None:
    good = json.dumps(vote() | {"idempotency_key": "good"})
    with service.client() as client:
        response = client.post(f"{PATH}/batch", content=f'{{"items": [{odd}, {good}]}}'.encode())
    assert [result["status"] for result in response.json()["results"]] == [422, 201]


LONGEST = "한" * 16_384


@pytest.mark.parametrize("content", [json.dumps(LONGEST), f'"{LONGEST}"', json.dumps("😀" * 16_384)])
def test_the_longest_comment_fits_in_every_writing(service: Service, content: str) -> None:
    body = f'{{"trace_id": "{TRACE}", "kind": "comment", "comment": {content}}}'
    with service.client() as client:
        alone = client.post(PATH, content=body.encode(), headers={"Idempotency-Key": "k"})
    assert alone.status_code == 201
    assert len(stored(service.store)[0].comment or "") == 16_384


def test_a_whole_batch_of_longest_comments_fits(service: Service) -> None:
    items = [vote(kind="comment", value=None, comment=LONGEST) | {"idempotency_key": f"{n}"} for n in range(200)]
    content = json.dumps({"items": items}, ensure_ascii=False).encode()
    with service.client() as client:
        response = client.post(f"{PATH}/batch", content=content, timeout=60)
        beyond = client.post(f"{PATH}/batch", content=b" " * (10 << 20) + content)
    assert {result["status"] for result in response.json()["results"]} == {201}
    assert beyond.status_code == 413
    assert "send less at once" in beyond.json()["detail"]


@pytest.mark.parametrize("items", [[], [{}] * 201, "x"])
def test_a_batch_that_is_none_is_refused(service: Service, items: object) -> None:
    with service.client() as client:
        assert client.post(f"{PATH}/batch", json={"items": items}).status_code == 422


def test_accepted_feedback_is_counted_once(service: Service) -> None:
    post(service, vote())
    post(service, vote())
    post(service, vote(value=7), "k-2")

    page = httpx.get(f"{service.url}/metrics").text
    assert 'telltale_feedback_events_total{kind="thumb",name="helpful",verdict="negative"} 1.0' in page
    assert "telltale_feedback_submit_seconds_count 2.0" in page
    assert 'telltale_web_requests_total{route="/api/v1/feedback",status="201"} 1.0' in page


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{", "application/json", 422),
        (b"[]", "application/json", 422),
        (b'{"a":' * 9000, "application/json", 422),
        (b"\xff\xfe", "application/json", 422),
        (b"kind=thumb", "application/x-www-form-urlencoded", 422),
        (b"x" * 300_000, "application/json", 413),
    ],
)
def test_hostile_bodies_get_a_clear_response(service: Service, content: bytes, kind: str, status: int) -> None:
    with service.client() as client:
        headers = {"Idempotency-Key": "k", "Content-Type": kind}
        assert client.post(PATH, content=content, headers=headers).status_code == status


def test_a_body_without_length_is_bounded_too(service: Service) -> None:
    with service.client() as client:
        chunks = (b" " * 10_000 for _ in range(100))
        headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
        assert client.post(PATH, content=chunks, headers=headers).status_code == 413


@pytest.mark.parametrize("form", ["Bearer {}", "{}", "Basic {}"])
def test_a_key_may_come_in_every_form_that_the_collector_accepts(service: Service, form: str) -> None:
    key = service.keys["shop"]
    sent = form.format(base64.b64encode(f"pk-lf-1:{key}".encode()).decode() if form.startswith("Basic") else key)
    with service.client() as client:
        response = client.post(PATH, json=vote(), headers={"Idempotency-Key": "k", "Authorization": sent})
    assert response.status_code == 201


def test_a_revoked_key_is_refused_within_a_second(serve: Serve, store: Store) -> None:
    now = [time.time()]
    with serve(clock=lambda: now[0]) as service:
        before = post(service, vote(), "k-1")
        people.revoke_key(store, key_id=service.keys["shop"].split("_")[1], actor="test", now=now[0])
        now[0] += 1
        after = post(service, vote(), "k-2")

    assert (before.status_code, after.status_code) == (201, 401)
