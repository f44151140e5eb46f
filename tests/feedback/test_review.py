"""A reviewer judges a response from the list, and the data set has the verdict."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from support import signed_in

from feedback.export import main
from telltale.records import Feedback, Sample
from telltale.settings import Settings
from telltale.store import Store, feedback
from telltale.web import people

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PASSWORD = "correct horse battery"
FORM = "f" * 32
OURS = {"Sec-Fetch-Site": "same-origin", "Accept": "text/html"}


def stored(store: Store) -> list[Feedback]:
    with store.read() as connection:
        return feedback.load(connection)


@pytest.fixture
def voted(service: Any, make_sample: Callable[..., Sample]) -> Any:
    """A service where the user of a sampled call voted it down."""
    make_sample(TRACE)
    with service.client() as client:
        body = {"trace_id": TRACE, "kind": "thumb", "value": "up"}
        client.post("/api/v1/feedback", json=body, headers={"Idempotency-Key": "k"})
    return service


@pytest.fixture
def reviewer(voted: Any) -> Iterator[httpx.Client]:
    people.add(voted.store, name="mina", role="reviewer", password=PASSWORD, actor="test", now=time.time())
    with httpx.Client(base_url=voted.url, headers=OURS) as browser:
        assert browser.post("/sign-in", data={"name": "mina", "password": PASSWORD}).status_code == 303
        yield browser


def test_a_review_is_stored_once_and_becomes_training_data(reviewer: httpx.Client, voted: Any, tmp_path: Path) -> None:
    form_id = re.findall(r'name="form_id" value="([0-9a-f]{32})"', reviewer.get("/feedback").text)[0]
    data = {"form_id": form_id, "verdict": "bad", "correction": "Ask mina@example.com.", "back": "show=all"}
    responses = [reviewer.post("/feedback/1/review", data=data) for _ in range(2)]

    assert [response.status_code for response in responses] == [303, 303]
    assert responses[0].headers["location"] == "/feedback?show=all#f1"
    _, thumb, correction = stored(voted.store)
    assert (thumb.kind, thumb.value, thumb.source, thumb.tenant) == ("thumb", 0.0, "reviewer", "shop")
    assert (correction.kind, correction.comment) == ("correction", "Ask [EMAIL].")
    assert thumb.subject == correction.subject
    assert "mina" not in str(stored(voted.store))
    main(Settings(data_dir=tmp_path), model="chat", format="sft", output=tmp_path / "x.jsonl")
    row = json.loads((tmp_path / "x.jsonl").read_text())
    assert row["messages"][-1]["content"] == "Ask [EMAIL]."


def test_the_same_form_with_another_text_is_refused(reviewer: httpx.Client, voted: Any) -> None:
    reviewer.post("/feedback/1/review", data={"form_id": FORM, "verdict": "bad"})
    response = reviewer.post("/feedback/1/review", data={"form_id": FORM, "verdict": "good"})

    assert response.status_code == 409
    assert len(stored(voted.store)) == 2


@pytest.mark.parametrize(
    ("path", "data", "status"),
    [
        ("/feedback/1/review", {"form_id": FORM}, 422),
        ("/feedback/1/review", {"form_id": FORM, "correction": "  "}, 422),
        ("/feedback/1/review", {"form_id": FORM, "verdict": "perhaps"}, 422),
        ("/feedback/1/review", {"form_id": "x", "verdict": "good"}, 422),
        ("/feedback/1/review", {"form_id": FORM, "verdict": "good", "back": "\r\nSet-Cookie: a=b"}, 422),
        ("/feedback/1/review", {"form_id": FORM, "correction": "nul \0"}, 422),
        ("/feedback/99/review", {"form_id": FORM, "verdict": "good"}, 404),
        ("/feedback/99999999999999999999/review", {"form_id": FORM, "verdict": "good"}, 422),
    ],
)
def test_a_review_that_does_not_fit_is_refused(
    reviewer: httpx.Client, voted: Any, path: str, data: dict[str, str], status: int
) -> None:
    assert reviewer.post(path, data=data).status_code == status
    assert len(stored(voted.store)) == 1


def test_another_site_cannot_review(reviewer: httpx.Client, voted: Any) -> None:
    data = {"form_id": FORM, "verdict": "good"}
    response = reviewer.post("/feedback/1/review", data=data, headers={"Sec-Fetch-Site": "cross-site"})

    assert response.status_code == 403
    assert len(stored(voted.store)) == 1


def test_a_response_that_was_not_sampled_cannot_be_reviewed(service: Any) -> None:
    with service.client() as client:
        body = {"trace_id": TRACE, "kind": "thumb", "value": "up"}
        client.post("/api/v1/feedback", json=body, headers={"Idempotency-Key": "k"})
    with signed_in.browser(service.store, service.url) as browser:
        response = browser.post("/feedback/1/review", data={"form_id": FORM, "verdict": "good"})
        page = browser.get("/feedback").text

    assert response.status_code == 404
    assert "Review this response" not in page
