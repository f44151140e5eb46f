"""Data sets by API and page: made, read, and never of another tenant."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from support import signed_in
from support.data_sets import trace

from telltale.store import Store, audit, data_sets, erasure
from telltale.web import people

API = "/api/v1/data-sets"


@pytest.fixture
def site(service: Any, call: Any, say: Any) -> Any:
    """A running server; shop and bank have two calls with a vote each."""
    for number, tenant in enumerate(("shop", "bank", "shop", "bank")):
        call(number, tenant=tenant)
        say(number, tenant=tenant, value=float(number < 2))
    return service


@pytest.fixture
def reader(site: Any, store: Store) -> Iterator[Callable[..., httpx.Client]]:
    """`reader(tenant)`: a client with a key that may read exports."""
    opened: list[httpx.Client] = []

    def make(tenant: str, scope: str = "export:read") -> httpx.Client:
        secret = people.add_key(
            store, name=f"{tenant}-{scope}", tenant=tenant, scopes=[scope], actor="test", now=time.time()
        )
        opened.append(httpx.Client(base_url=site.url, headers={"Authorization": f"Bearer {secret}"}))
        return opened[-1]

    yield make
    for client in opened:
        client.close()


def actions(store: Store) -> list[str]:
    with store.read() as connection:
        return [entry.action for entry in audit.entries(connection)]


def test_a_key_makes_and_reads_its_tenant_s_set(reader: Any, store: Store) -> None:
    shop = reader("shop")
    made = shop.post(API, json={"model": "chat", "format": "kto"})

    assert made.status_code == 201
    told = made.json()
    assert (told["name"], told["version"], told["rows"], told["tenant"]) == ("chat-kto", 1, 2, "shop")
    assert shop.get(made.headers["location"]).json() == told
    assert [one["id"] for one in shop.get(API).json()["data_sets"]] == [told["id"]]
    for entry in told["manifest"]["files"]:
        got = shop.get(f"{API}/{told['id']}/files/{entry['name']}")
        assert hashlib.sha256(got.content).hexdigest() == entry["sha256"]
    assert hashlib.sha256(shop.get(f"{API}/{told['id']}/files/manifest.json").content).hexdigest() == told["sha256"]
    assert actions(store).count("data_set_read") == len(told["manifest"]["files"]) + 1


def test_the_same_again_is_the_same_version_and_more_is_the_next(reader: Any, say: Any, tmp_path: Path) -> None:
    shop = reader("shop")
    asked = {"model": "chat", "name": "mine"}
    first, again = (shop.post(API, json=asked).json() for _ in range(2))
    assert (first["id"], first["version"]) == (again["id"], again["version"])
    assert len([*(tmp_path / "data-sets").iterdir()]) == 1

    say(0, kind="retract")
    later = shop.post(API, json=asked).json()
    assert (later["version"], later["rows"]) == (2, 1)
    assert shop.get(f"{API}/{first['id']}/files/data/train.jsonl").text.count("\n") == 2


def test_no_tenant_reads_another_s(reader: Any) -> None:
    made = reader("shop").post(API, json={"model": "chat"}).json()
    bank = reader("bank")

    assert bank.get(API).json() == {"data_sets": []}
    for path in (f"{API}/{made['id']}", *made["files"], f"{API}/{made['id']}/files/manifest.json"):
        assert bank.get(path).status_code == 404
    own = bank.post(API, json={"model": "chat"}).json()
    assert own["tenant"] == "bank"
    assert [row for path in own["files"] for row in bank.get(path).text.splitlines() if "question 0" in row] == []
    assert reader("shop", "feedback:write").get(API).status_code == 403


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"model": "none"}, "no samples of none"),
        ({"ticket": "T-9"}, "there is no ticket T-9"),
        ({}, "name a ticket or a model"),
        ({"model": "chat", "name": "../up"}, "cannot name a data set"),
        ({"model": "chat", "format": "csv"}, "format"),
        ({"model": "chat", "test": 1.5}, "test"),
        ({"model": "chat", "tenant": "bank"}, "tenant"),
    ],
)
def test_what_cannot_be_made_is_said(reader: Any, tmp_path: Path, asked: dict[str, Any], message: str) -> None:
    answer = reader("shop").post(API, json=asked)

    assert answer.status_code == 422
    assert message in answer.text
    assert not [*tmp_path.glob("data-sets/*")]


def test_no_path_leads_out_of_a_set(reader: Any) -> None:
    shop = reader("shop")
    made = shop.post(API, json={"model": "chat"}).json()
    for name in (
        "..%2F..%2Ftelltale.db",
        "%2e%2e/%2e%2e/telltale.db",
        "data",
        "",
        "%2Fetc%2Fpasswd",
        "data%2F..%2Frefs",
    ):
        assert shop.get(f"{API}/{made['id']}/files/{name}").status_code == 404


def test_a_reviewer_makes_one_on_the_page(site: Any, store: Store) -> None:
    with signed_in.browser(store, site.url, "rita", "reviewer") as browser:
        refused = browser.post("/data-sets", data={"model": "chat"})
        assert refused.status_code == 422
        assert "2 tenants (bank, shop)" in refused.text
        assert 'value="chat"' in refused.text

        assert 'value="T-12"' in browser.get("/data-sets?ticket=T-12").text
        made = browser.post(
            "/data-sets", data={"model": "chat", "tenant": "shop", "format": "prompts", "test": "50 %", "name": "mine"}
        )
        assert made.status_code == 303
        page = browser.get("/data-sets").text
        assert "mine" in page
        assert "2 prompts" in page
        number = made.headers["location"].rpartition("#d")[2]
        assert browser.get(f"/data-sets/{number}/files/manifest.json").json()["rows"] == 2
        assert "Delete its files" not in page
        assert browser.post(f"/data-sets/{number}/remove").status_code == 403
    with signed_in.browser(store, site.url, "vera", "viewer") as browser:
        assert browser.get("/data-sets").status_code == 403
        assert browser.get(f"/data-sets/{number}/files/manifest.json").status_code == 403


def test_an_admin_deletes_the_files_and_what_was_stays_noted(site: Any, store: Store, tmp_path: Path) -> None:
    with signed_in.browser(store, site.url) as browser:
        made = browser.post("/data-sets", data={"model": "chat", "tenant": "shop"})
        number = made.headers["location"].rpartition("#d")[2]
        assert browser.post(f"/data-sets/{number}/remove").status_code == 303
        assert "removed" in browser.get("/data-sets").text
        assert browser.get(f"/data-sets/{number}/files/manifest.json").status_code == 404
    assert not [*(tmp_path / "data-sets").iterdir()]
    assert actions(store)[0] == "data_set_removed"


def test_whoever_erases_a_trace_learns_which_sets_held_it(reader: Any, store: Store) -> None:
    made = reader("shop").post(API, json={"model": "chat"}).json()
    with store.read() as connection:
        assert [one.id for one in data_sets.holding(connection, [trace(0), trace(99)])] == [made["id"]]
        assert data_sets.holding(connection, [trace(1)]) == []
    other = reader("bank").post(API, json={"model": "chat"}).json()
    erasure.erase(store, erasure.Target(trace_id=trace(0)), actor="op", now=1.0)

    with signed_in.browser(store, str(reader("shop").base_url)) as browser:
        page = browser.get("/data-sets").text
    assert page.count("was erased") == 1
    assert reader("shop").get(f"{API}/{made['id']}").json()["stale_since"] == 1.0
    assert reader("bank").get(f"{API}/{other['id']}").json()["stale_since"] is None
