"""The pages in a real browser: sign-in, keyboard, both colour schemes, and no violation of the content policy."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page
from support import signed_in
from support.in_chromium import chromium
from support.judged import save_judged

import alerting.report.pages
import feedback.routes
from telltale.conversation import Conversation, Message, Part, text
from telltale.records import Feedback, Sample, Score, Series, SeriesState, Ticket
from telltale.store import Store, access, references, samples, series_states, tickets
from telltale.store import feedback as store_feedback
from telltale.store.references import Reference
from telltale.store.series_states import SeriesStatus
from telltale.web import people

Serve = Callable[..., AbstractContextManager[str]]
PASSWORD = "correct horse battery"
SCRIPT = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture(scope="module")
def browser(require: Callable[[object, str], None]) -> Iterator[Browser]:
    with chromium(require) as launched:
        yield launched


@pytest.fixture
def console_errors() -> list[str]:
    """Errors in the browser's console: blocked by the policy, not found, failed."""
    return []


@pytest.fixture
def page(browser: Browser, console_errors: list[str]) -> Iterator[Page]:
    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            console_errors.append(message.text)

    context = browser.new_context(viewport={"width": 1180, "height": 900})
    opened = context.new_page()
    opened.on("console", note)
    opened.on("pageerror", lambda error: console_errors.append(str(error)))
    yield opened
    context.close()


def sign_in(page: Page, store: Store, url: str) -> None:
    """From here on this browser is the administrator's."""
    page.context.add_cookies([{"name": n, "value": v, "url": url} for n, v in signed_in.session(store).items()])


def turn(role: str, *said: str) -> Message:
    return {"role": role, "parts": [text(one) for one in said]}


CALL: Part = {"type": "tool_call", "name": "track_" * 40, "arguments": {"number": "7" * 300}}
TALK = Conversation(
    system=[text(f"짧고 친절하게 답하세요. {'긴낱말' * 100}")],
    messages=[
        *(turn(role, f"{number} {SCRIPT}") for number in range(20) for role in ("user", "assistant")),
        {"role": "assistant", "parts": [CALL]},
        turn("user", f"Where is my parcel? {SCRIPT}"),
    ],
    choices=[turn("assistant", f"It is on its way. {SCRIPT}")],
    tools=[{"name": f"track_{number}" * 20} for number in range(4)],
)


@pytest.fixture
def history(store: Store) -> None:
    """One model in trouble, one well, a ticket and some feedback with hostile text."""
    now = time.time()
    rows = [
        Sample(
            TRACE, "00f067aa0ba902b7", now - 90, "shop", "support-chat", "support-chat-2", "client", "chat", "ok",
            f"Where is my parcel? {SCRIPT}", f"It is on its way. {SCRIPT}", 0.5, conversation=TALK,
        ),
        Sample(
            "1" * 32, "00f067aa0ba902b7", now - 30, "bank", "translate", "translate-7", "client", "chat", "ok",
            "Guten Tag", "Good day", 1.0,
        ),
    ]  # fmt: skip
    judged = [
        Score(
            "drift", "mmd", "prompt", "support-chat", "support-chat-2", now - 3900, now - 300, 400, "alert", 0.31, 0.1
        ),
        Score("drift", "mmd", "prompt", "translate", "translate-7", now - 3900, now - 300, 380, "ok", 0.01, 0.1),
    ]
    # Names and reasons as long as senders make them, some without any space.
    long = Series("acme/안녕-" + "llama" * 30, "2026-11-" + "0" * 90, "긴이름의가게" * 12, "app=" + "checkout-" * 20)
    statuses = [
        _status(long, "not_enough_data", reason=f"12 rows in 3 hours {SCRIPT}: {'200' * 60} are needed"),
        _status(long._replace(tenant="", segment=""), "ok"),
    ]
    checks = {
        "repeated": [{"example": f"{SCRIPT} {'ping' * 60}", "rows": 100, "share": 0.05, "left_out": True}],
        "restless": {"tokens prompt": ["낱말" * 60, "refund"]},
    }
    reference = Reference(
        *long, "calls", now - 9e5, now - 6e5, "미나" * 40, f"{SCRIPT} {'because' * 40}", now - 5e5, 1900, checks=checks
    )
    ticket = Ticket(
        "k", "quality", "support-chat", "support-chat-2", "Prompts drifted", "open", 1, now - 200, now - 200
    )
    vote = Feedback(now - 60, "shop", TRACE, None, "thumb", "helpful", 0.0, "user", "k-1", f"wrong {SCRIPT}", "s" * 64)

    store.write(lambda connection: samples.save(connection, rows, now))
    store.write(lambda connection: save_judged(connection, judged))
    store.write(lambda connection: series_states.save(connection, statuses))
    store.write(lambda connection: references.freeze(connection, reference))
    store.write(lambda connection: references.ask(connection, replace(reference, frozen_at=None, checks={})))
    store.write(lambda connection: tickets.save(connection, ticket))
    store.write(lambda connection: store_feedback.append(connection, vote, "0" * 64))


def _status(series: Series, state: SeriesState, reason: str = "") -> SeriesStatus:
    now = time.time()
    return SeriesStatus(
        "drift", "mmd", "prompt", *series, state=state, reason=reason, changed_at=now - 300, seen_at=now
    )


def model_page(page: Page, url: str) -> str:
    """The path of the page of the model with the longest name."""
    page.goto(url)
    found = page.get_by_role("link", name=re.compile("안녕")).get_attribute("href")
    assert found
    return found


def test_a_person_signs_in_looks_around_and_signs_out(
    serve: Serve, store: Store, page: Page, console_errors: list[str], history: None
) -> None:
    people.add(store, name="mina", role="admin", password=PASSWORD, actor="test", now=time.time())
    with serve(routers=[feedback.routes.router, alerting.report.pages.router]) as url:
        page.goto(f"{url}/feedback?show=negative")
        assert page.title() == "Sign in · Telltale"
        page.keyboard.type("mina")
        page.keyboard.press("Tab")
        page.keyboard.type(PASSWORD)
        page.keyboard.press("Enter")

        page.get_by_role("heading", name="Feedback", exact=True).wait_for()
        assert page.url == f"{url}/feedback?show=negative"
        assert page.locator("article").count() == 1
        assert SCRIPT in page.locator("article pre").first.inner_text()

        page.get_by_text("Review this response").click()
        page.get_by_label("bad").check()
        page.get_by_label("A better response").fill("It is in Busan.")
        page.get_by_role("button", name="Save the review").click()
        page.get_by_text("by a reviewer of shop").first.wait_for()
        page.get_by_role("link", name="with comments").click()
        page.get_by_text("It is in Busan.").wait_for()

        page.get_by_role("link", name="Loop").click()
        row = page.get_by_role("row", name=re.compile("support-chat"))
        assert "alert" in row.inner_text()
        assert row.get_by_role("link", name="T-1").is_visible()

        page.get_by_role("link", name="Audit", exact=True).click()
        page.get_by_text("The chain of hashes is whole.").wait_for()
        page.get_by_role("button", name="Sign out").click()
        page.get_by_role("heading", name="Sign in").wait_for()
        page.goto(f"{url}/audit")
        assert page.title() == "Sign in · Telltale"
    assert console_errors == []


def test_a_reviewer_freezes_a_new_reference(
    serve: Serve, store: Store, page: Page, console_errors: list[str], history: None
) -> None:
    with serve() as url:
        sign_in(page, store, url)
        page.goto(url)
        page.get_by_role("link", name="support-chat", exact=True).click()
        page.get_by_role("link", name="Freeze a new reference").click()
        assert page.get_by_label("Series").input_value() == '["support-chat-2", "", ""]'
        page.get_by_label("Why").fill("a new template, on purpose")
        page.get_by_role("button", name="Freeze a new reference").click()
        page.get_by_text("Asked for by admin; the monitors make it at their next run.").wait_for()
        assert page.url.endswith("/models/support-chat#references")
    assert console_errors == []


def test_the_first_start(serve: Serve, store: Store, page: Page, console_errors: list[str], tmp_path: Path) -> None:
    folder = Path(os.environ.get("PICTURES") or tmp_path)
    code = store.write(lambda connection: access.open_first_start(connection, time.time()))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(f"{request.url} {request.headers.get('referer')}"))
    with serve() as url:
        page.goto(f"{url}/audit")
        page.get_by_role("heading", name="First start").wait_for()
        assert page.url == f"{url}/first-start"
        for width in (1280, 390):
            page.set_viewport_size({"width": width, "height": 800})
            page.screenshot(path=folder / f"first-start-by-hand-{width}.png", full_page=True)
        page.goto(f"{url}/first-start#{code}")
        page.get_by_label("Your name").wait_for()
        # The link's code is in the form, and in the address no more.
        page.wait_for_url(f"{url}/first-start")
        assert page.get_by_label("Code").is_hidden()
        for width in (1280, 390):
            page.set_viewport_size({"width": width, "height": 800})
            page.screenshot(path=folder / f"first-start-{width}.png", full_page=True)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.keyboard.type("미나")
        for typed in (PASSWORD, PASSWORD[::-1]):
            page.keyboard.press("Tab")
            page.keyboard.type(typed)
        page.keyboard.press("Enter")
        page.get_by_text("The two passwords differ.").wait_for()
        assert page.get_by_label("Your name").input_value() == "미나"
        for label in ("Password", "Password again"):
            page.get_by_label(label, exact=label == "Password again").first.fill(PASSWORD)
        page.get_by_role("button", name="Add the administrator").click()
        page.get_by_role("heading", name="State of the loop").wait_for()
        page.get_by_role("button", name="Sign out").click()
        page.get_by_role("heading", name="Sign in").wait_for()
        assert not [address for address in asked if str(code) in address]
        assert [error for error in console_errors if "422" not in error] == []

        page.goto(f"{url}/first-start#{code}")
        page.get_by_role("heading", name="The first start is over").wait_for()
        page.screenshot(path=folder / "first-start-over.png", full_page=True)
        page.get_by_role("link", name="Sign in").click()
        page.get_by_role("heading", name="Sign in").wait_for()


def test_hostile_text_runs_nowhere(
    serve: Serve, store: Store, page: Page, console_errors: list[str], history: None
) -> None:
    with serve(routers=[feedback.routes.router]) as url:
        sign_in(page, store, url)
        for path in ("/", "/feedback", model_page(page, url)):
            page.goto(url + path)
            assert "owned" not in page.title()
            assert page.locator("main script, main img").count() == 0
    assert console_errors == []


def test_the_policy_stops_a_script_that_slipped_in(serve: Serve, page: Page, console_errors: list[str]) -> None:
    with serve() as url:
        page.goto(url)
        page.evaluate(
            "() => { const s = document.createElement('script'); s.textContent = \"document.title='owned'\";"
            " document.body.append(s); }"
        )
        assert page.title() != "owned"
    assert any("Content Security Policy" in error for error in console_errors)


@pytest.mark.parametrize("width", [360, 1180])
def test_no_page_is_wider_than_its_window(serve: Serve, store: Store, page: Page, history: None, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    with serve(routers=[feedback.routes.router]) as url:
        page.goto(f"{url}/first-start")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        sign_in(page, store, url)
        for path in ("/", "/feedback", "/audit", "/nothing", "/first-start", model_page(page, url)):
            page.goto(url + path)
            page.evaluate("document.querySelectorAll('details').forEach(folded => folded.open = true)")
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            if path == "/":
                tables = "[...document.querySelectorAll('table')].map(one => one.scrollWidth - one.clientWidth)"
                assert max(page.evaluate(tables)) <= 0, "a table scrolls sideways"


def test_every_page_can_be_read_without_seeing_it(serve: Serve, store: Store, page: Page, history: None) -> None:
    with serve(routers=[feedback.routes.router]) as url:
        sign_in(page, store, url)
        for path in ("/", "/feedback", "/audit", "/nothing", model_page(page, url)):
            page.goto(url + path)
            assert page.locator("html").get_attribute("lang") == "en"
            assert page.locator("h1").count() == 1
            assert page.locator("main").count() == 1
            assert page.locator("img:not([alt])").count() == 0
            assert page.locator("th:not([scope])").count() == 0
            page.keyboard.press("Tab")
            assert page.evaluate("document.activeElement.className") == "skip"


COLOURS = [
    *((ink, paper) for ink in ("--ink", "--dim", "--link") for paper in ("--paper", "--card")),
    *((f"--{state}", f"--{state}-bg") for state in ("ok", "suspect", "alert", "none", "stale")),
    ("--ink", "--none-bg"),
]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_have_enough_contrast(serve: Serve, page: Page, scheme: str) -> None:
    """WCAG 2.2 AA, success criterion 1.4.3: at least 4.5 to 1."""
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    with serve() as url:
        page.goto(url)
        style = "name => getComputedStyle(document.documentElement).getPropertyValue(name).trim()"
        names = {name for pair in COLOURS for name in pair}
        values = {name: page.evaluate(style, name) for name in names}
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")

    assert {
        pair: contrast(values[pair[0]], values[pair[1]]) for pair in COLOURS if contrast(*map(values.get, pair)) < 4.5
    } == {}  # type: ignore[arg-type]  # every name is there
    assert (sum(map(int, re.findall(r"\d+", background)[:3])) < 200) == (scheme == "dark")
    assert contrast("#ffffff", "#14558a") >= 4.5


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    channels = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_pictures_for_the_eye(serve: Serve, store: Store, page: Page, history: None, tmp_path: Path) -> None:
    folder = Path(os.environ.get("PICTURES") or tmp_path)
    with serve(routers=[feedback.routes.router]) as url:
        sign_in(page, store, url)
        pages = (("home", "/"), ("feedback", "/feedback"), ("nothing", "/nothing"), ("model", model_page(page, url)))
        for name, path in pages:
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
                page.goto(url + path)
                for width in (1180, 390):
                    page.set_viewport_size({"width": width, "height": 800})
                    assert page.screenshot(path=folder / f"{name}-{scheme}-{width}.png", full_page=True)
