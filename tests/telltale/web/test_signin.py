"""Sign-in, sessions and roles."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest
from fastapi import Depends

from telltale.store import Store, audit
from telltale.web import Router, people, require
from telltale.web.password_turns import MAX_WAITING
from telltale.web.roles import Role

Serve = Callable[..., AbstractContextManager[str]]
SignedIn = Callable[[str, str], AbstractContextManager[httpx.Client]]
PASSWORD = "correct horse battery"
PAGE = {"Accept": "text/html"}
FORGED = {"Sec-Fetch-Site": "same-origin", "Cookie": f"telltale-device={'a' * 22}.{'b' * 43}"}


@pytest.fixture
def person(store: Store) -> Callable[..., None]:
    """`person(name, role)`: a person with the shared password."""

    def add(name: str, role: str = "viewer") -> None:
        people.add(store, name=name, role=role, password=PASSWORD, actor="test", now=time.time())

    return add


def rooms() -> Router:
    """A page for each role."""
    router = Router()
    roles: tuple[Role, ...] = ("viewer", "reviewer", "adjudicator", "admin")
    for role in roles:
        router.add_api_route(f"/room/{role}", lambda: "inside", dependencies=[Depends(require(role))])
    return router


def actions(store: Store) -> list[str]:
    with store.read() as connection:
        return [entry.action for entry in reversed(audit.entries(connection))]


def test_without_a_session_sign_in_is_needed(serve: Serve, person: Callable[..., None]) -> None:
    person("mina")
    with serve(routers=[rooms()]) as url:
        page = httpx.get(f"{url}/room/viewer?a=1", headers=PAGE)
        data = httpx.get(f"{url}/room/viewer")

    assert (page.status_code, page.headers["location"]) == (303, "/sign-in?next=%2Froom%2Fviewer%3Fa%3D1")
    assert (data.status_code, data.headers["www-authenticate"]) == (401, "Bearer")


ALLOWED = [
    ("viewer", ["viewer"]),
    ("reviewer", ["viewer", "reviewer"]),
    ("adjudicator", ["viewer", "reviewer", "adjudicator"]),
    ("admin", ["viewer", "reviewer", "adjudicator", "admin"]),
]


@pytest.mark.parametrize(("role", "allowed"), ALLOWED)
def test_a_role_opens_its_pages_and_those_below(
    serve: Serve, signed_in: SignedIn, person: Callable[..., None], role: str, allowed: list[str]
) -> None:
    person("mina", role)
    with serve(routers=[rooms()]) as url, signed_in(url, "mina") as browser:
        statuses = {room: browser.get(f"/room/{room}").status_code for room, _ in ALLOWED}

    assert statuses == {room: 200 if room in allowed else 403 for room, _ in ALLOWED}


def test_a_session_ends_by_sign_out_idleness_age_and_disabling(
    serve: Serve, signed_in: SignedIn, person: Callable[..., None], store: Store
) -> None:
    now = [time.time()]
    person("mina")
    with serve(routers=[rooms()], clock=lambda: now[0], session_idle=3600) as url:
        with signed_in(url, "mina") as browser:
            assert browser.get("/room/viewer").status_code == 200
            stolen = dict(browser.cookies)
            assert browser.post("/sign-out").status_code == 303
            assert httpx.get(f"{url}/room/viewer", cookies=stolen).status_code == 401
        with signed_in(url, "mina") as browser:
            for _ in range(3):
                now[0] += 3000
                assert browser.get("/room/viewer").status_code == 200
                store.write(lambda _: None)  # after the write that records the session's use, which nobody waits for
            now[0] += 3601
            assert browser.get("/room/viewer", headers={"Accept": "*/*"}).status_code == 401
        with signed_in(url, "mina") as browser:
            for _ in range(int(7 * 86400 / 3000) + 1):
                now[0] += 3000
                last = browser.get("/room/viewer", headers={"Accept": "*/*"}).status_code
                store.write(lambda _: None)
            assert last == 401
        with signed_in(url, "mina") as browser:
            people.disable(store, name="mina", actor="test", now=now[0])
            assert browser.get("/room/viewer", headers={"Accept": "*/*"}).status_code == 401
            assert browser.post("/sign-in", data={"name": "mina", "password": PASSWORD}).status_code == 401


def test_only_a_hash_of_the_session_is_stored(
    serve: Serve, signed_in: SignedIn, person: Callable[..., None], tmp_path: Path
) -> None:
    person("mina")
    with serve() as url, signed_in(url, "mina") as browser:
        secrets = [value.encode() for value in browser.cookies.values()]
        content = b"".join(path.read_bytes() for path in tmp_path.glob("telltale.db*"))

    assert len(secrets) == 2
    assert not [secret for secret in secrets if secret in content]
    assert PASSWORD.encode() not in content


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(serve: Serve, person: Callable[..., None]) -> None:
    person("mina")
    data = {"name": "mina", "password": PASSWORD}
    with serve() as url:
        plain = httpx.post(f"{url}/sign-in", data=data).headers.get_list("set-cookie")
    with serve(public_url="https://telltale.example") as url:
        response = httpx.post(f"{url}/sign-in", data=data)
        secure = response.headers.get_list("set-cookie")

    assert [cookie.partition("=")[0] for cookie in plain] == ["telltale", "telltale-device"]
    assert [cookie.partition("=")[0] for cookie in secure] == ["__Host-telltale", "__Host-telltale-device"]
    assert all("Secure" in cookie for cookie in secure)
    assert "strict-transport-security" in response.headers
    for cookie in (*plain, *secure):
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        assert "Domain" not in cookie


@pytest.mark.parametrize("data", [{"name": "mina", "password": "wrong"}, {"name": "nobody", "password": PASSWORD}])
def test_a_wrong_name_and_a_wrong_password_look_the_same(
    serve: Serve, person: Callable[..., None], store: Store, data: dict[str, str]
) -> None:
    person("mina")
    with serve() as url:
        response = httpx.post(f"{url}/sign-in", data=data)

    assert response.status_code == 401
    assert "Name and password do not fit." in response.text
    assert "set-cookie" not in response.headers
    assert actions(store) == ["person_added", "sign_in_refused"]


def test_guessing_passwords_is_slowed_down(serve: Serve, person: Callable[..., None]) -> None:
    person("mina")
    person("joon")
    now = [time.time()]
    with serve(clock=lambda: now[0]) as url:
        data = {"name": "mina", "password": "wrong"}
        responses = [httpx.post(f"{url}/sign-in", data=data) for _ in range(12)]
        right = httpx.post(f"{url}/sign-in", data={"name": "mina", "password": PASSWORD})
        another = httpx.post(f"{url}/sign-in", data={"name": "joon", "password": PASSWORD})
        now[0] += 60
        later = httpx.post(f"{url}/sign-in", data={"name": "mina", "password": PASSWORD})

    assert [response.status_code for response in responses] == [401] * 10 + [429] * 2
    assert int(responses[-1].headers["retry-after"]) >= 1
    assert (right.status_code, later.status_code, another.status_code) == (429, 303, 303)


def test_a_person_gets_in_where_they_were_before_however_hard_others_guess(
    serve: Serve, signed_in: SignedIn, person: Callable[..., None]
) -> None:
    """All from one address, as behind a proxy."""
    person("mina")
    person("joon")
    right, wrong = {"name": "mina", "password": PASSWORD}, {"name": "mina", "password": "wrong"}
    with serve() as url, signed_in(url, "mina") as laptop, signed_in(url, "joon") as other:
        laptop.post("/sign-out")
        guesses = [httpx.post(f"{url}/sign-in", data=wrong).status_code for _ in range(20)]
        stranger = httpx.post(f"{url}/sign-in", data=right).status_code
        colleague = other.post("/sign-in", data=right).status_code
        forged = httpx.post(f"{url}/sign-in", data=right, headers=FORGED)
        mistyped = laptop.post("/sign-in", data=wrong).status_code
        known = laptop.post("/sign-in", data=right).status_code

    assert guesses[-5:] == [429] * 5
    assert (stranger, colleague) == (429, 429)
    assert forged.status_code == 429
    assert (mistyped, known) == (401, 303)


def test_a_known_browser_lets_nobody_in_and_guesses_no_faster(
    serve: Serve, signed_in: SignedIn, person: Callable[..., None]
) -> None:
    person("mina")
    with serve(routers=[rooms()]) as url, signed_in(url, "mina") as laptop:
        laptop.post("/sign-out")
        inside = laptop.get("/room/viewer", headers={"Accept": "*/*"}).status_code
        guesses = [laptop.post("/sign-in", data={"name": "mina", "password": "wrong"}).status_code for _ in range(12)]

    assert inside == 401
    assert guesses == [401] * 10 + [429] * 2


def test_refused_attempts_are_audited_and_fill_nothing(serve: Serve, person: Callable[..., None], store: Store) -> None:
    person("mina")
    with serve() as url:
        for _ in range(60):
            httpx.post(f"{url}/sign-in", data={"name": "mina", "password": "wrong"})
        httpx.post(f"{url}/sign-in", data={"name": "who\0", "password": "wrong"})
    with store.read() as connection:
        found = [(entry.action, entry.subject, entry.details) for entry in reversed(audit.entries(connection))][1:]

    of_mina = [(action, details["times"]) for action, subject, details in found if subject == "mina"]
    assert [times for action, times in of_mina if action == "sign_in_refused"] == [1, 2, 4, 8]
    assert [times for action, times in of_mina if action == "sign_in_throttled"] == [1, 2, 4, 8, 16, 32]
    assert all(details["address"] == "127.0.0.1" for *_, details in found)
    assert found[-1][1] == "who\N{REPLACEMENT CHARACTER}"


def test_a_queue_of_strangers_lets_known_browsers_pass(
    serve: Serve, signed_in: SignedIn, person: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Checks that take long: strangers beyond the queue are sent away at once, a known browser is served."""
    person("mina")
    gate, verify = threading.Event(), people.verify

    def slow(password_hash: str, password: str) -> bool:
        gate.wait(20)
        return verify(password_hash, password)

    with serve() as url, signed_in(url, "mina") as laptop, ThreadPoolExecutor(20) as threads:
        laptop.post("/sign-out")
        monkeypatch.setattr(people, "verify", slow)
        strangers = [
            threads.submit(httpx.post, f"{url}/sign-in", data={"name": f"n{n}", "password": "wrong"}, timeout=30)
            for n in range(MAX_WAITING + 8)
        ]
        refused = [done.result() for done in itertools.islice(as_completed(strangers, timeout=20), 8)]
        known = threads.submit(laptop.post, "/sign-in", data={"name": "mina", "password": PASSWORD}, timeout=30)
        page = httpx.get(f"{url}/sign-in", timeout=20)
        gate.set()
        statuses = sorted(stranger.result().status_code for stranger in strangers)

    assert {response.status_code for response in refused} == {503}
    assert int(refused[0].headers["retry-after"]) >= 1
    assert statuses == [401] * MAX_WAITING + [503] * 8
    assert known.result().status_code == 303
    assert page.status_code == 200


@pytest.mark.parametrize(
    ("target", "leads"),
    [
        ("/feedback?show=negative", "/feedback?show=negative"),
        ("https://evil.example/", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/\t/evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("", "/"),
    ],
)
def test_after_sign_in_we_stay_on_this_site(serve: Serve, person: Callable[..., None], target: str, leads: str) -> None:
    person("mina")
    with serve() as url:
        response = httpx.post(f"{url}/sign-in", data={"name": "mina", "password": PASSWORD, "next": target})

    assert (response.status_code, response.headers["location"]) == (303, leads)


def test_text_typed_into_the_form_stays_text(serve: Serve, person: Callable[..., None]) -> None:
    person("mina")
    with serve() as url:
        response = httpx.post(f"{url}/sign-in", data={"name": '"><script>alert(1)</script>', "password": "wrong"})

    assert "<script" not in response.text
    assert "&lt;script&gt;" in response.text


def test_an_api_key_opens_no_page(serve: Serve, store: Store) -> None:
    key = people.add_key(store, name="app", tenant="shop", scopes=["feedback:write"], actor="test", now=time.time())
    with serve(routers=[rooms()]) as url:
        responses = [
            httpx.get(f"{url}/room/viewer", headers={"Authorization": value})
            for value in (f"Bearer {key}", "Bearer tt_x", "Basic dTpw", "")
        ]

    assert [response.status_code for response in responses] == [403, 401, 401, 401]


def test_signing_in_and_out_is_audited_and_the_chain_holds(
    serve: Serve, signed_in: SignedIn, person: Callable[..., None], store: Store
) -> None:
    person("mina", "admin")
    with serve() as url, signed_in(url, "mina") as browser:
        page = browser.get("/audit").text
        browser.post("/sign-out")

    assert actions(store) == ["person_added", "sign_in", "sign_out"]
    assert "The chain of hashes is whole." in page
    with store.read() as connection:
        assert audit.verify(connection) is None
