"""People who are signed in, without the way through the form, which has tests of its own."""

from __future__ import annotations

import time

import httpx

from telltale.store import Store, access
from telltale.web import people

PASSWORD = "correct horse battery"
HEADERS = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}


def session(store: Store, name: str = "admin", role: str = "admin", now: float | None = None) -> dict[str, str]:
    """The cookies of a session of this person, who is added if need be."""
    now = time.time() if now is None else now
    with store.read() as connection:
        person = access.find_person(connection, name)
    if person is None:
        people.add(store, name=name, role=role, password=PASSWORD, actor="test", now=now)
        with store.read() as connection:
            person = access.find_person(connection, name)
    assert person is not None
    number = person.id
    return {"telltale": store.write(lambda connection: access.open_session(connection, number, now))}


def browser(store: Store, url: str, name: str = "admin", role: str = "admin", now: float | None = None) -> httpx.Client:
    """A client with such a session, that sends what a browser sends."""
    return httpx.Client(base_url=url, headers=HEADERS, cookies=session(store, name, role, now))
