"""The feedback page: each event is shown with its response, and whatever people typed stays text."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import httpx
from support import signed_in

from telltale.records import Sample

PATH = "/api/v1/feedback"
SCRIPT = "<script>alert('x')</script>"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def say(service: Any, number: int, **fields: object) -> None:
    body = {"trace_id": f"{number + 1:032x}", "kind": "thumb", "value": "up"} | fields
    with service.client() as client:
        assert client.post(PATH, json=body, headers={"Idempotency-Key": uuid.uuid4().hex}).status_code == 201


def look(service: Any, path: str) -> httpx.Response:
    with signed_in.browser(service.store, service.url) as browser:
        return browser.get(path)


def test_a_vote_is_shown_with_its_prompt_and_response(service: Any, make_sample: Callable[..., Sample]) -> None:
    make_sample(f"{1:032x}", prompt="Where is my parcel?", response="In Busan.")
    say(service, 0, value="down", comment="wrong city")
    say(service, 1)

    page = look(service, "/feedback").text

    assert "Where is my parcel?" in page
    assert "In Busan." in page
    assert "wrong city" in page
    assert "thumb down" in page
    assert page.count("The call was not sampled.") == 1


def test_scripts_in_prompts_responses_and_comments_stay_text(service: Any, make_sample: Callable[..., Sample]) -> None:
    make_sample(f"{1:032x}", prompt=SCRIPT, response=f"</pre>{SCRIPT}", model=SCRIPT, version=SCRIPT)
    say(service, 0, value="down", comment=f'"{SCRIPT}')
    say(service, 0, kind="category", value=SCRIPT)

    for path in ("/feedback", "/", "/feedback?show=comments"):
        page = look(service, path).text
        assert "<script" not in page.lower()
        assert "&lt;script&gt;" in page


def test_the_list_is_narrowed_and_paged(service: Any) -> None:
    for number in range(60):
        say(service, number, value="up" if number % 2 else "down", comment=f"words-{number}-" if number % 3 else None)

    def shown(query: str) -> list[int]:
        page = look(service, f"/feedback?{query}").text
        return [number for number in range(60) if f"<code>{number + 1:032x}</code>" in page]

    assert shown("show=all") == list(range(35, 60))
    assert shown("show=negative") == list(range(10, 60, 2))
    assert all(number % 3 for number in shown("show=comments"))
    assert shown("show=all&before=36") == list(range(10, 35))
    assert shown("show=all&before=11") == list(range(10))


def test_strange_queries_are_refused(service: Any) -> None:
    for query in ("show=everything", "before=0", "before=x", "before=" + "9" * 30):
        assert look(service, f"/feedback?{query}").status_code == 422


def test_what_was_replaced_or_withdrawn_is_marked(service: Any) -> None:
    say(service, 0, value="down", comment="first thought")
    say(service, 0, value="up", comment="second thought")
    say(service, 1, value="down", comment="gone", subject="a")
    say(service, 1, kind="retract", value=None, subject="a")
    say(service, 2, value="down", comment="it stands", subject="a")
    say(service, 2, kind="retract", value=None, subject="b")

    page = look(service, "/feedback").text

    cards = page.split("<article")[1:]
    marked = [card for card in cards if "it does not count" in card]
    assert len(cards) == 6
    assert ["first thought" in card or "gone" in card for card in marked] == [True, True]
    assert all("alert" not in card for card in marked)


def test_a_vote_of_another_tenant_is_not_shown_beside_the_response(
    service: Any, make_sample: Callable[..., Sample]
) -> None:
    make_sample(f"{1:032x}", tenant="bank", response="the bank's response")
    say(service, 0)

    page = look(service, "/feedback").text

    assert "bank&#39;s response" not in page
    assert "The call was not sampled." in page
