"""The feedback page: each event is shown with its response, and whatever people typed stays text."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from typing import Any

import httpx
from support import signed_in

from telltale.conversation import Conversation, Part, text
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


def said(content: str, role: str = "user", **more: Any) -> Any:
    return {"role": role, "parts": [{"type": "text", "content": content, **more}]}


def test_the_whole_conversation_is_shown_folded(service: Any, make_sample: Callable[..., Sample]) -> None:
    call: Part = {"type": "tool_call", "name": "track", "arguments": {"n": 7}}
    conversation = Conversation(
        system=[text("Be brief.")],
        messages=[
            said("Where is my parcel?"),
            {"role": "assistant", "parts": [call]},
            {"role": "tool", "parts": [{"type": "tool_call_response", "response": "부산"}]},
            said("And now?"),
        ],
        choices=[said("In Busan.", "assistant"), said("In Seoul.", "assistant")],
        tools=[{"name": "track"}],
        documents=[{"content": "Parcel 7 left Busan."}],
        omitted=3,
    )
    make_sample(f"{1:032x}", conversation=conversation)
    make_sample(f"{2:032x}")
    say(service, 0)
    say(service, 1)

    page = look(service, "/feedback").text

    # The other call is one question and one answer.
    assert page.count("The whole conversation") == 1
    talk = page[page.index("The whole conversation") :]
    speakers = re.findall(r"<h4>(.*?)</h4>", talk)
    assert speakers == [
        *("System instructions", "User", "Model", "Tool", "User", "Retrieved", "Response", "Response, alternative 2"),
    ]
    for told in (
        "Be brief.",
        "track: {&#34;n&#34;: 7}",
        "부산",
        "Parcel 7 left Busan.",
        "In Seoul.",
        "The 3 oldest turns",
    ):
        assert told in talk


def test_a_long_conversation_is_shown_in_part_and_said_so(service: Any, make_sample: Callable[..., Sample]) -> None:
    turns = [said(f"turn-{number}-", "user" if number % 2 else "assistant") for number in range(2_000)]
    conversation = Conversation(system=[text("x" * 50_000)], messages=turns, choices=[said("yes", "assistant")])
    make_sample(f"{1:032x}", conversation=conversation)
    say(service, 0)

    page = look(service, "/feedback").text

    assert len(page) < 20_000
    assert "1,980 earlier turns are kept and not shown here." in page
    assert "46,000 more characters." in page
    assert "turn-1999-" in page
    assert "turn-1979-" not in page


def test_a_name_that_turns_the_line_around_turns_itself_alone(service: Any) -> None:
    """A right-to-left override (U+202E) in a tool's name would write the names behind it backwards."""
    page = look(service, "/feedback").text
    [style] = re.findall(r'href="([^"]+style\.[^"]*css[^"]*)"', page)
    assert re.search(r"^code \{[^}]*unicode-bidi: isolate;", look(service, style).text, re.MULTILINE)


def test_scripts_anywhere_in_a_conversation_stay_text(service: Any, make_sample: Callable[..., Sample]) -> None:
    call: Part = {"type": "tool_call", "name": SCRIPT, "arguments": {SCRIPT: SCRIPT}}
    conversation = Conversation(
        system=[text(SCRIPT)],
        messages=[said(SCRIPT, SCRIPT), {"role": "", "parts": [call]}],
        choices=[said(f"</pre></details>{SCRIPT}", "assistant")],
        tools=[{"name": SCRIPT}],
        documents=[SCRIPT],
    )
    make_sample(f"{1:032x}", conversation=conversation)
    say(service, 0)

    page = look(service, "/feedback").text

    assert "<script" not in page.lower()
    assert page.count("&lt;script&gt;") > 6
