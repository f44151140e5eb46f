"""The first start: nobody is trusted for where a request comes from; one link makes one administrator."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from support.ports import free_address

import alerting.report.pages
import feedback.routes
from telltale.settings import Settings
from telltale.store import Store, access, audit, open_store
from telltale.web import create_app, first_start, people

Serve = Callable[..., AbstractContextManager[str]]
PAGE = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}
PASSWORD = "correct horse battery"
FORWARDED: list[dict[str, str]] = [{}, {"X-Forwarded-For": "127.0.0.1"}, {"Forwarded": "for=127.0.0.1"}]


def open_first_start(store: Store, now: float | None = None) -> str:
    token = store.write(lambda connection: access.open_first_start(connection, time.time() if now is None else now))
    assert token is not None
    return token


def form(code: str, **fields: str) -> dict[str, str]:
    return {"code": code, "name": "mina", "password": PASSWORD, "again": PASSWORD} | fields


def entries(store: Store) -> list[tuple[str, str, str]]:
    with store.read() as connection:
        return [(entry.actor, entry.action, entry.subject) for entry in reversed(audit.entries(connection))]


@contextmanager
def plain_proxy(url: str) -> Iterator[str]:
    """A proxy as nginx is without settings: it passes bytes on from its own address and adds no header."""
    target = urlsplit(url)

    def pump(source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass
        finally:
            sink.close()

    def accept() -> None:
        while True:
            try:
                client = listener.accept()[0]
            except OSError:
                return
            behind = socket.create_connection((str(target.hostname), int(target.port or 80)))
            for ends in ((client, behind), (behind, client)):
                threading.Thread(target=pump, args=ends, daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        accepting = threading.Thread(target=accept)
        accepting.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        accepting.join()


@pytest.mark.parametrize("forwarded", FORWARDED)
@pytest.mark.parametrize("behind_proxy", [False, True])
def test_until_somebody_exists_everything_is_closed(
    serve: Serve, store: Store, behind_proxy: bool, forwarded: dict[str, str]
) -> None:
    open_first_start(store)
    body = {"trace_id": "1" * 32, "kind": "thumb", "value": "up"}
    with (
        serve(routers=[feedback.routes.router, alerting.report.pages.router]) as direct,
        plain_proxy(direct) as proxied,
        httpx.Client(base_url=proxied if behind_proxy else direct, headers=forwarded) as nobody,
    ):
        data = {path: nobody.get(path).status_code for path in ("/", "/audit", "/feedback", "/api/v1/tickets")}
        page = nobody.get("/audit", headers=PAGE)
        led = nobody.get(page.headers["location"], headers=PAGE)
        vote = nobody.post("/api/v1/feedback", json=body, headers={"Idempotency-Key": "k"})
        probes = [nobody.get(path).status_code for path in ("/metrics", "/-/healthy", "/-/ready")]

    assert set(data.values()) == {401}
    assert (page.status_code, page.headers["location"]) == (303, "/sign-in?next=%2Faudit")
    assert (led.status_code, led.headers["location"]) == (303, "/first-start")
    assert vote.status_code == 401
    assert probes == [200, 200, 200]


def test_the_link_makes_one_administrator_and_signs_them_in(serve: Serve, store: Store) -> None:
    code, other = open_first_start(store), open_first_start(store)
    with serve() as url, httpx.Client(base_url=url, headers=PAGE) as browser:
        page = browser.get("/first-start")
        added = browser.post("/first-start", data=form(code))
        audit_page = browser.get("/audit")
        again = [httpx.post(f"{url}/first-start", data=form(used, name="eve"), headers=PAGE) for used in (code, other)]
        over = httpx.get(f"{url}/first-start", headers=PAGE)

    assert page.status_code == 200
    assert page.headers["referrer-policy"] == "no-referrer"
    assert (added.status_code, added.headers["location"], audit_page.status_code) == (303, "/", 200)
    assert [response.status_code for response in (*again, over)] == [410, 410, 410]
    assert 'href="/sign-in"' in over.text
    assert entries(store) == [("first start", "person_added", "mina"), ("mina", "sign_in", "mina")]
    assert [(person.name, person.role) for person in people.everyone(store)] == [("mina", "admin")]


def test_only_hashes_of_codes_are_stored(store: Store, tmp_path: Path) -> None:
    code = open_first_start(store)

    content = b"".join(path.read_bytes() for path in tmp_path.glob("telltale.db*"))
    # 256 random bits.
    assert len(code) == 43
    assert code.encode() not in content


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_of_many_at_once_one_is_added(
    tmp_path: Path, request: pytest.FixtureRequest, store: Store, database: str
) -> None:
    """Two web processes, each with its own link, that both get forms at the same moment."""
    url = request.getfixturevalue("new_database")() if database == "postgresql" else f"sqlite:///{tmp_path / 'two.db'}"
    stores = [open_store(url), open_store(url)]
    codes = [open_first_start(opened) for opened in stores]
    ready = threading.Barrier(8)

    def add(number: int) -> bool:
        ready.wait(20)
        try:
            people.add_first(
                stores[number % 2], name=f"p{number}", password=PASSWORD, token=codes[number // 4], now=time.time()
            )
        except people.FirstStartOver:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        added = list(threads.map(add, range(8)))

    assert sum(added) == 1
    assert len(people.everyone(stores[0])) == 1
    assert [action for _, action, _ in entries(stores[0])] == ["person_added"]
    for opened in stores:
        opened.close()


def test_a_code_expires(serve: Serve, store: Store) -> None:
    now = [time.time()]
    code = open_first_start(store, now[0])
    with serve(clock=lambda: now[0]) as url:
        now[0] += access.FIRST_START_MAX_AGE_S
        late = httpx.post(f"{url}/first-start", data=form(code), headers=PAGE)

    assert late.status_code == 403
    assert people.everyone(store) == []


def test_a_person_added_by_the_command_ends_the_first_start(serve: Serve, store: Store) -> None:
    code = open_first_start(store)
    with serve() as url:
        assert httpx.get(f"{url}/first-start", headers=PAGE).status_code == 200
        people.add(store, name="joon", role="admin", password=PASSWORD, actor="test", now=time.time())
        response = httpx.post(f"{url}/first-start", data=form(code), headers=PAGE)

    assert response.status_code == 410
    assert store.write(lambda connection: access.open_first_start(connection, time.time())) is None
    assert [person.name for person in people.everyone(store)] == ["joon"]


def test_guessed_codes_are_slowed_down_and_the_right_one_still_fits(serve: Serve, store: Store) -> None:
    code = open_first_start(store)
    with serve() as url:
        guesses = [httpx.post(f"{url}/first-start", data=form(f"guess {number}"), headers=PAGE) for number in range(30)]
        right = httpx.post(f"{url}/first-start", data=form(code), headers=PAGE)

    statuses = [guess.status_code for guess in guesses]
    assert statuses[:10] == [403] * 10
    assert statuses[-5:] == [429] * 5
    assert int(guesses[-1].headers["retry-after"]) >= 1
    assert right.status_code == 303
    assert [action for _, action, _ in entries(store)] == ["first_start_refused"] * 5 + ["person_added", "sign_in"]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"again": "another long one"}, "The two passwords differ."),
        ({"password": "short", "again": "short"}, "at least 10 characters"),
        ({"name": " "}, "1 to 200 printable characters"),
        ({"name": "a\nb"}, "1 to 200 printable characters"),
    ],
)
def test_a_form_that_does_not_fit_can_be_mended(serve: Serve, store: Store, fields: dict[str, str], says: str) -> None:
    code = open_first_start(store)
    with serve() as url:
        response = httpx.post(f"{url}/first-start", data=form(code, **fields), headers=PAGE)
        shown = re.search(r'name="code" value="([^"]*)"', response.text)
        mended = httpx.post(f"{url}/first-start", data=form(code), headers=PAGE)

    assert response.status_code == 422
    assert says in response.text
    assert PASSWORD not in response.text
    assert shown is not None
    assert shown[1] == code
    assert mended.status_code == 303


def test_another_site_cannot_post_the_form(serve: Serve, store: Store) -> None:
    code = open_first_start(store)
    with serve() as url:
        response = httpx.post(f"{url}/first-start", data=form(code), headers={"Sec-Fetch-Site": "cross-site"})

    assert response.status_code == 403
    assert people.everyone(store) == []


@pytest.mark.parametrize(
    ("web", "begins"),
    [
        ({}, "http://127.0.0.1:8080/first-start#"),
        ({"listen": "0.0.0.0:81"}, "http://localhost:81/first-start#"),
        ({"listen": "[::]:81"}, "http://localhost:81/first-start#"),
        ({"listen": "0.0.0.0:81", "public_url": "https://telltale.example/"}, "https://telltale.example/first-start#"),
    ],
)
def test_the_link_is_one_that_can_be_opened(
    store: Store, capsys: pytest.CaptureFixture[str], web: dict[str, str], begins: str
) -> None:
    settings = Settings(web=web)  # type: ignore[arg-type]  # pydantic makes the section
    create_app(settings, store, [])

    first_start.announce(settings, store, time.time())

    out, error = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(rf"first start: .* {re.escape(begins)}[\w-]{{43}}\n", error)


@contextmanager
def command(folder: Path, address: str) -> Iterator[str]:
    """`telltale web`; yields the link that it printed, or nothing."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TELLTALE_")}
    environment |= {"TELLTALE_DATA_DIR": str(folder), "TELLTALE_WEB__LISTEN": address}
    with (folder / "printed").open("w+") as printed:
        process = subprocess.Popen([sys.executable, "-m", "telltale", "web"], env=environment, stderr=printed)
        try:
            until_ready(address, process)
            found = re.findall(r"^first start: .* (http\S+)$", (folder / "printed").read_text(), re.MULTILINE)
            yield "".join(found)
        finally:
            process.terminate()
            code = process.wait(60)
    assert code == 0
    assert len(found) <= 1


def until_ready(address: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None
        try:
            if httpx.get(f"http://{address}/-/ready", timeout=20).status_code == 200:
                return
        except httpx.TransportError:
            threading.Event().wait(0.05)
    pytest.fail("not ready within 60 s")


def test_the_command_prints_a_new_link_at_each_start_until_somebody_exists(tmp_path: Path) -> None:
    address = free_address()
    with command(tmp_path, address) as one:
        assert one.startswith(f"http://{address}/first-start#")
    with command(tmp_path, address) as two:
        assert two not in ("", one)
        assert httpx.get(two, headers=PAGE).status_code == 200
        added = httpx.post(two, data=form(urlsplit(two).fragment), headers=PAGE)
        assert added.status_code == 303, added.text
    with command(tmp_path, address) as three:
        assert three == ""
        assert httpx.get(one, headers=PAGE).status_code == 410
