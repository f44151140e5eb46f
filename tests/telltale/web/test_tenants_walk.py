"""Every route of `telltale web`, asked by everybody for what belongs to another tenant. `-s` prints the table.

The routes are those of the running application: a new one must be told here which ids and bodies name its objects.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.routing import iter_route_contexts
from sqlalchemy import Connection, select

from telltale.cli.web import routers
from telltale.evidence.alerts import TicketAlert
from telltale.evidence.scores import Details, Examples
from telltale.feedback import match
from telltale.labels import Field, Rubric
from telltale.records import Feedback, Sample, Score, Ticket
from telltale.settings import Settings
from telltale.store import Store, access, data_sets, evidence, feedback, samples, schema, scores, series_states, tickets
from telltale.store.access import SCOPES
from telltale.store.data_sets import DataSet
from telltale.store.review import labels, leases, queues, rubrics
from telltale.store.review.labels import Label
from telltale.store.review.queues import Item, Queue
from telltale.store.series_states import SeriesStatus
from telltale.web import create_app
from telltale.web.roles import ROLES

SECRET = "canary"
"""Every private text of a tenant begins with it, and goes on with the tenant."""
READERS = ("reviewer", "adjudicator", "admin")
"""People who may read what was said. People serve the installation: they are of no tenant."""
OWN, FOREIGN = "shop", "bank"
RESERVED = {"trace_id": "0" * 32, "span_id": "0" * 16}


OBJECTS = {
    ("/tickets/", "number"): "ticket", ("/evidence/", "number"): "evidence", ("/runbooks/", "name"): "runbook",
    ("/models/", "model"): "model", ("/feedback/", "event_id"): "event", ("/review/", "number"): "queue",
    ("/review/items/", "number"): "item", ("/data-sets/", "data_set_id"): "data_set", ("/data-sets/", "name"): "file",
}  # fmt: skip
"""Whose id each parameter of a path is."""


@dataclass
class World:
    """Two tenants' objects: `ids` has each tenant's, by the name that paths and bodies have for them."""

    store: Store
    ids: dict[str, dict[str, str]] = field(default_factory=dict)


@pytest.fixture
def world(store: Store, tmp_path: Path) -> World:
    made = World(store)
    for number, tenant in enumerate((OWN, FOREIGN), 1):
        folder = tmp_path / "data-sets" / f"of-{tenant}" / "data"
        folder.mkdir(parents=True)
        (folder / "train.jsonl").write_text(f"{SECRET} of {tenant} trained")
        made.ids[tenant] = store.write(lambda c, number=number, tenant=tenant: plant(c, number, tenant))
    return made


def plant(connection: Connection, number: int, tenant: str) -> dict[str, str]:
    """A tenant's call with feedback, a ticket with an example and a report. Returns their ids."""
    now, trace, span, said = time.time(), f"{number:032x}", f"{number:016x}", f"{SECRET} of {tenant}"
    model = f"model-{tenant}"
    told = (f"{said} asked", f"{said} got")
    call = Sample(trace, span, now - 60, tenant, model, "v1", "client", "chat", "ok", *told, 0.5)
    samples.save(connection, [call], now)
    (kept,) = samples.load(connection, trace_ids=[trace])
    for kind, comment in (("thumb", f"{said} wrong"), ("correction", f"{said} better")):
        value = 0.0 if kind == "thumb" else None
        event = Feedback(now, tenant, trace, None, kind, "helpful", value, "user", kind, comment, "a" * 64)  # type: ignore[arg-type]  # a kind
        stored, _ = feedback.append(connection, event, "0" * 64)
    queue, item = reviewed(connection, kept, f"{said} noted")
    report = evidence.put(connection, said.encode(), kind="evidently", media_type="text/html; charset=utf-8", now=now)
    details = Details(examples=Examples((kept.id or 0,), (f"{said} before",)))
    (judged,) = scores.save(
        connection,
        [Score("tokens", "words", "prompt", model, "v1", now - 120, now - 60, 300, "alert", 9.0, 4.0, 0.001,
               details=details, evidence_id=report)],
    )  # fmt: skip
    about = ("tokens", "words", "prompt", model, "v1", "", "", "alert", "a change", now - 60, now)
    series_states.save(connection, [SeriesStatus(*about, score_id=judged)])  # type: ignore[arg-type]  # a direction
    of_alert = {"alertname": "ModelDriftPersistent", "model": model, "version": "v1", "monitor": "tokens"}
    alert = TicketAlert(
        key=f"k{number}", lane="retrain", name="ModelDriftPersistent", status="firing", starts_at=now - 60,
        received_at=now, labels=of_alert | {"signal": "words", "direction": "prompt", "tenant": "", "segment": ""},
    )  # fmt: skip
    ticket = tickets.save(
        connection,
        Ticket(f"k{number}", "retrain", model, "v1", "drift", "open", 1, now - 60, now, alerts={"a": alert}),
    )
    manifest = {"files": [{"name": "data/train.jsonl"}], "spec": {"ticket": None}, "classes": {}, "splits": {},
                "backing": {}, "made": f"{said} made"}  # fmt: skip
    made = data_sets.add(
        connection, DataSet(tenant, "set", now, "op", "kto", model, 1, "0" * 64, manifest, f"of-{tenant}")
    )
    return {
        "trace_id": trace, "span_id": span, "event": str(stored.id), "queue": str(queue), "item": str(item),
        "ticket": str(ticket.id), "model": model,
        "data_set": str(made.id), "file": "data/train.jsonl",
        "evidence": str(report), "runbook": "ModelDriftPersistent",
    }  # fmt: skip


def reviewed(connection: Connection, call: Sample, words: str) -> tuple[int, int]:
    """A queue of that call with a label. Returns the ids of the queue and the item."""
    asked = Rubric("rubric", 1, (Field("good", "Is it?", "choice", ("yes", "no")),))
    rubric = rubrics.publish(connection, asked, actor="ann", now=0.0)
    queue = queues.make(connection, Queue(f"queue {call.id}", rubric.id or 0, 2, 600.0, 0.0, "ann"))
    queues.add(connection, [Item(queue, call.tenant, call.model, "v1", call.trace_id, call.span_id, needed=2)])
    given = leases.take(connection, queue, "ann", 0.0)
    assert given is not None
    label = Label(given.item_id, "ann", {"good": "yes"}, f"label {call.id}", 0.0, words, words)
    labels.submit(connection, label, given.token, rubric)
    return queue, given.item_id


def named(path: str, ids: Mapping[str, str]) -> str:
    """A route's path with these ids. Raises KeyError for a parameter that nobody told here whose id it is."""
    parts = path.replace(":path}", "}").split("{")
    filled = parts[0]
    for part in parts[1:]:
        name, rest = part.split("}", 1)
        filled += ids[OBJECTS[parts[0].removeprefix("/api/v1"), name]] + rest
    return filled


def content(path: str, ids: Mapping[str, str], number: int, token: str) -> dict[str, Any]:
    """What a route may take about these objects, as JSON or as a form; `token` is one for a vote on them."""
    if not path.startswith("/api/"):
        form = {"form_id": f"{number:032x}", "verdict": "bad", "text": "x", "reason": "other", "label": "x"}
        return {"data": form}
    about = {"trace_id": ids["trace_id"], "span_id": ids["span_id"]}
    event = about | {"kind": "correction", "comment": "ours is better"}
    bodies: dict[str, Any] = {
        "/api/v1/feedback": event,
        "/api/v1/feedback/batch": {"items": [event | {"idempotency_key": f"item-{number}"}]},
        "/api/v1/feedback/tokens": about,
        "/api/v1/erasures": {"trace_id": ids["trace_id"], "dry_run": True},
        "/api/v1/data-sets": {"model": ids["model"], "format": "prompts"},
        "/api/v1/votes": {"token": token, "value": "down"},
    }
    return {"json": bodies.get(path, {"action": "comment", "text": "x"})}


@contextmanager
def everybody(url: str, store: Store) -> Iterator[dict[str, httpx.Client]]:
    """A client of each kind: nobody, a person of each role, a key of the own tenant with each scope."""
    headers = {role: {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"} for role in ("nobody", *ROLES)}
    cookies = {role: {"telltale": store.write(lambda c, role=role: _session(c, role))} for role in ROLES}
    keys = {f"key {scope}": (scope,) for scope in SCOPES} | {"key of all": SCOPES}
    for name, scopes in keys.items():
        secret = store.write(
            lambda c, name=name, scopes=scopes: access.add_key(c, name=name, tenant=OWN, scopes=scopes, now=time.time())
        )
        headers[name] = {"Authorization": f"Bearer {secret}"}
    clients = {
        name: httpx.Client(base_url=url, headers=sent, cookies=cookies.get(name)) for name, sent in headers.items()
    }
    try:
        yield clients
    finally:
        for client in clients.values():
            client.close()


def _session(connection: Connection, role: str) -> str:
    now = time.time()
    access.add_person(connection, name=role, role=role, password_hash="none", now=now)
    person = access.find_person(connection, role)
    assert person is not None
    return access.open_session(connection, person.id, now)


def routes(app: Any) -> list[tuple[str, str]]:
    """(method, path) of every route of the application: what is changed is read before, signing out comes last."""
    found = {
        (method, context.path or "")
        for context in iter_route_contexts(app.routes)
        for method in set(context.methods or ()) - {"HEAD", "OPTIONS"}
    }
    return sorted(found, key=lambda one: (one[0] != "GET", one[1] == "/sign-out", one))


def rows_of(connection: Connection, tenant: str) -> dict[str, list[Any]]:
    """Everything that the store has of a tenant."""
    tables = [table for table in schema.metadata.sorted_tables if "tenant" in table.c]
    return {
        table.name: list(connection.execute(select(table).where(table.c.tenant == tenant)).mappings())
        for table in tables
    }


def test_nobody_gets_or_changes_what_is_another_tenants(
    world: World, tmp_path: Path, serving: Callable[[Any], AbstractContextManager[str]]
) -> None:
    app = create_app(Settings(data_dir=tmp_path), world.store, routers())
    with world.store.read() as connection:
        before = rows_of(connection, FOREIGN)
    assert before["samples"]
    assert before["feedback"]
    answers: dict[tuple[str, str, str, str], httpx.Response] = {}
    numbers = itertools.count()
    with serving(app) as url, everybody(url, world.store) as clients:
        walked = routes(app)
        for method, path in walked:
            for name, client in clients.items():
                # Only keys are of a tenant, and may get of their own what they are not to get of others.
                for tenant in (OWN, FOREIGN) if name.startswith("key") else (FOREIGN,):
                    number, ids = next(numbers), world.ids[tenant]
                    made = answers.get(("POST", "/api/v1/feedback/tokens", name, tenant))
                    token = made.json().get("token", "none") if made else "none"
                    sent = {} if method == "GET" else content(path, ids, number, token)
                    answers[method, path, name, tenant] = client.request(
                        method, named(path, ids), headers={"Idempotency-Key": f"k-{number}"}, **sent
                    )

    _show(answers)
    leaks = [
        (method, path, name)
        for (method, path, name, _), answer in answers.items()
        if f"{SECRET} of {FOREIGN}" in answer.text and name not in READERS
    ]
    assert leaks == []
    # What a key gets of its own tenant under an id, it is told of a foreign one that there is none.
    told = {
        (method, path, name): answer.status_code
        for (method, path, name, tenant), answer in answers.items()
        if tenant == FOREIGN and "{" in path and name.startswith("key")
        and answers[method, path, name, OWN].status_code not in (401, 403)
    }  # fmt: skip
    assert {key: status for key, status in told.items() if status != 404} == {}
    with world.store.read() as connection:
        after = rows_of(connection, FOREIGN)
        events = feedback.load(connection)
        about = match(events, samples.load(connection))
    assert after["samples"] == before["samples"]
    assert [row for row in after["feedback"] if row["source"] != "reviewer"] == before["feedback"]
    # The keys did send corrections of the foreign call; none of them is about it.
    crossing = [one for one in events if one.tenant == OWN and one.trace_id == world.ids[FOREIGN]["trace_id"]]
    assert {one.kind for one in crossing} == {"correction", "thumb"}
    assert not [one for one in crossing if one in about]
    assert {answers["GET", "/feedback", name, FOREIGN].status_code for name in READERS} == {200}
    assert f"{SECRET} of {FOREIGN}" in answers["GET", "/feedback", "reviewer", FOREIGN].text


def _show(answers: Mapping[tuple[str, str, str, str], httpx.Response]) -> None:
    """A line for each route: what everybody got with a foreign tenant's ids."""
    names = list(dict.fromkeys(name for _, _, name, _ in answers))
    print("\nmethod path".ljust(46), *(name.removeprefix("key ").rjust(14) for name in names))
    for method, path in dict.fromkeys((method, path) for method, path, _, _ in answers):
        found = [answers[method, path, name, FOREIGN].status_code for name in names]
        print(f"{method} {path}".ljust(45), *(f"{status}".rjust(14) for status in found))
    print(f"{len(answers)} requests, {len(names)} kinds of senders")
