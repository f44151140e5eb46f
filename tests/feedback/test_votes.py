"""Votes from a browser: a signed token for one response, which allows nothing else."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import httpx
import pytest

from telltale.feedback import current
from telltale.records import Feedback
from telltale.store import Store, feedback

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
ELSEWHERE = {"Origin": "https://chat.example", "Sec-Fetch-Site": "cross-site", "Content-Type": "text/plain"}


def token(service: Any, tenant: str = "shop", **fields: object) -> str:
    with service.client(tenant) as client:
        response = client.post("/api/v1/feedback/tokens", json={"trace_id": TRACE, "subject": "user-1"} | fields)
    assert response.status_code == 201, response.text
    return str(response.json()["token"])


def vote(service: Any, signed: str, **fields: object) -> httpx.Response:
    body = json.dumps({"token": signed, "value": "up"} | fields)
    return httpx.post(f"{service.url}/api/v1/votes", content=body, headers=ELSEWHERE)


def stored(store: Store) -> list[Feedback]:
    with store.read() as connection:
        return feedback.load(connection)


def test_a_page_of_another_site_votes_with_its_token(service: Any) -> None:
    response = vote(service, token(service, name="tone"), comment="thanks, mina@example.com")

    assert response.status_code == 201
    assert response.headers["access-control-allow-origin"] == "*"
    (event,) = stored(service.store)
    assert (event.tenant, event.trace_id, event.name, event.value) == ("shop", TRACE, "tone", 1.0)
    assert event.comment == "thanks, [EMAIL]"


def test_a_mind_may_be_changed_and_changed_back(service: Any) -> None:
    signed = token(service)
    statuses = [vote(service, signed, value=value).status_code for value in ("up", "up", "down", "down", "up")]

    assert statuses == [201, 200, 201, 200, 201]
    events = stored(service.store)
    assert [event.value for event in events] == [1.0, 0.0, 1.0]
    assert len({event.subject for event in events}) == 1


def test_the_same_person_is_the_same_by_key_and_by_token(service: Any) -> None:
    vote(service, token(service))
    vote(service, token(service), value="down")
    with service.client() as client:
        body = {"trace_id": TRACE, "kind": "thumb", "value": "up", "subject": "user-1"}
        client.post("/api/v1/feedback", json=body, headers={"Idempotency-Key": "k"})
    vote(service, token(service, subject=None))

    subjects = [event.subject for event in stored(service.store)]
    assert len(subjects) == 4
    assert len(set(subjects[:3])) == 1
    assert subjects[3] != subjects[0]


def test_an_anonymous_person_is_one_by_whatever_token_or_key(service: Any) -> None:
    # A page that is loaded again asks for another token.
    for value in ("up", "down"):
        assert vote(service, token(service, subject=None), value=value).status_code == 201
    assert [event.value for event in current(stored(service.store), {})] == [0.0]

    with service.client() as client:
        body = {"trace_id": TRACE, "kind": "thumb", "value": "up"}
        assert client.post("/api/v1/feedback", json=body, headers={"Idempotency-Key": "k"}).status_code == 201
    assert [event.value for event in current(stored(service.store), {})] == [1.0]

    # Not a repetition of the last vote by token: another came since.
    assert vote(service, token(service, subject=None), value="down").status_code == 201
    assert vote(service, token(service, subject=None), value="down").status_code == 200
    assert [event.value for event in current(stored(service.store), {})] == [0.0]
    assert vote(service, token(service, subject=None), kind="retract", value=None).status_code == 201
    assert current(stored(service.store), {}) == []


def test_which_key_brought_a_vote_is_kept(service: Any) -> None:
    vote(service, token(service))
    with service.client() as client:
        body = {"trace_id": TRACE, "kind": "thumb", "value": "up", "subject": "user-2"}
        client.post("/api/v1/feedback", json=body, headers={"Idempotency-Key": "k"})
        client.post("/api/v1/feedback/batch", json={"items": [body | {"idempotency_key": "k2"}]})

    assert {event.key_id for event in stored(service.store)} == {service.keys["shop"].split("_")[1]}


@pytest.mark.parametrize("spoil", [lambda t: t[:-2] + "xx", lambda t: "x", lambda t: "", lambda t: t.split(".")[0]])
def test_a_token_that_is_not_ours_is_refused(service: Any, spoil: Callable[[str], str]) -> None:
    assert vote(service, spoil(token(service))).status_code == 401
    assert stored(service.store) == []


def test_a_token_ends_in_its_time(serve: Callable[..., AbstractContextManager[Any]], store: Store) -> None:
    now = [time.time()]
    with serve(clock=lambda: now[0]) as service:
        signed = token(service, lifetime=60)
        now[0] += 59
        in_time = vote(service, signed)
        now[0] += 2
        late = vote(service, signed, value="down")

    assert (in_time.status_code, late.status_code) == (201, 401)


def test_a_token_of_one_installation_is_none_of_another(service: Any, tmp_path: Any) -> None:
    from itsdangerous import URLSafeSerializer

    values = ["shop", TRACE, None, "helpful", "0" * 64, time.time() + 60]
    assert vote(service, str(URLSafeSerializer(b"guess", salt="vote").dumps(values))).status_code == 401


def test_votes_of_one_person_are_bounded(serve: Callable[..., AbstractContextManager[Any]], store: Store) -> None:
    now = [time.time()]
    with serve(clock=lambda: now[0]) as service:
        signed = token(service)
        rapid = [vote(service, signed, value=number % 2).status_code for number in range(12)]
        slow = []
        for number in range(12):
            now[0] += 60
            slow.append(vote(service, signed, value=number % 2).status_code)

    assert rapid == [201] * 10 + [429] * 2
    assert slow == [201] * 10 + [409, 200]
    assert len(stored(store)) == 20


@pytest.mark.parametrize(
    "fields",
    [
        {"value": "sideways"},
        {"kind": "correction", "comment": "x", "value": None},
        {"trace_id": "1" * 32},
        {"name": "x"},
    ],
)
def test_a_vote_says_no_more_than_its_token_allows(service: Any, fields: dict[str, object]) -> None:
    assert vote(service, token(service), **fields).status_code == 422
    assert stored(service.store) == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'{"token": 3}'])
def test_what_is_no_vote_is_refused(service: Any, content: bytes) -> None:
    assert httpx.post(f"{service.url}/api/v1/votes", content=content, headers=ELSEWHERE).status_code == 422


@pytest.mark.parametrize("fields", [{"trace_id": "x"}, {"lifetime": 1}, {"lifetime": 1e9}, {"name": "<b>"}, {"x": 1}])
def test_a_token_for_nothing_is_not_made(service: Any, fields: dict[str, object]) -> None:
    with service.client() as client:
        response = client.post("/api/v1/feedback/tokens", json={"trace_id": TRACE} | fields)
    assert response.status_code == 422


def test_tokens_are_for_services_only(service: Any) -> None:
    for tenant, status in (("tracer", 403), ("nonsense", 401)):
        with service.client(tenant) as client:
            assert client.post("/api/v1/feedback/tokens", json={"trace_id": TRACE}).status_code == status


def test_a_page_may_read_why_its_vote_was_refused(serve: Callable[..., AbstractContextManager[Any]]) -> None:
    def send(service: Any, content: bytes, path: str = "/api/v1/votes") -> httpx.Response:
        return httpx.post(f"{service.url}{path}", content=content, headers=ELSEWHERE)

    with serve(web={"max_body_bytes": 1000}) as service:
        signed = token(service, subject=None)
        body = json.dumps({"token": signed, "value": "up"}).encode()
        responses = [send(service, b"x" * 2000), send(service, b"{"), *(send(service, body) for _ in range(11))]
        responses.append(httpx.get(f"{service.url}/api/v1/votes", headers=ELSEWHERE))
        other = send(service, b"x" * 2000, "/api/v1/feedback")

    assert [response.status_code for response in responses] == [413, 422, 201, *[200] * 9, 429, 405]
    assert {response.headers["access-control-allow-origin"] for response in responses} == {"*"}
    assert {response.headers["cross-origin-resource-policy"] for response in responses} == {"cross-origin"}
    assert "retry-after" in responses[-2].headers["access-control-expose-headers"].lower()
    assert "access-control-allow-origin" not in other.headers


def test_who_reloads_the_page_without_a_name_does_not_vote_again(service: Any) -> None:
    for value in ("down", "up", "down"):
        vote(service, token(service, subject=None), value=value)
    events = stored(service.store)
    assert [event.value for event in events] == [0.0, 1.0, 0.0]
    assert [event.value for event in current(events, {})] == [0.0]


def test_a_token_takes_a_comment_and_implicit_signals(service: Any) -> None:
    signed = token(service, name="tone")
    bodies = [
        {"kind": "comment", "comment": "too stiff", "value": None},
        {"kind": "implicit", "signal": "copy", "value": None},
        {"kind": "implicit", "signal": "edit_distance", "value": 0.5},
        {"kind": "implicit", "signal": "applause", "value": None},
        {"kind": "implicit", "value": None},
        {"signal": "copy"},
    ]
    statuses = [vote(service, signed, **body).status_code for body in bodies]
    assert statuses == [201, 201, 201, 422, 422, 422]
    assert [(event.kind, event.name) for event in stored(service.store)] == [
        ("comment", "tone"), ("implicit", "copy"), ("implicit", "edit_distance"),
    ]  # fmt: skip


def test_a_preflight_request_is_allowed(service: Any) -> None:
    headers = {"Origin": "https://chat.example", "Access-Control-Request-Method": "POST"}
    response = httpx.options(f"{service.url}/api/v1/votes", headers=headers)
    others = httpx.options(f"{service.url}/api/v1/feedback", headers=headers)

    assert response.status_code == 204
    assert response.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in response.headers
    assert "access-control-allow-origin" not in others.headers


def test_a_token_does_not_name_the_person(service: Any) -> None:
    import base64

    signed = token(service, subject="mina@example.com")
    assert b"mina" not in base64.urlsafe_b64decode(signed.split(".")[0] + "==")
