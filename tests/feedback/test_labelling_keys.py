"""Labelling by keys in a real browser: quick, and no key labels what nobody saw, loses a label or stores one twice."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route
from support import signed_in
from support.in_chromium import chromium

from telltale.labels import DEFAULT
from telltale.records import Sample
from telltale.store import samples
from telltale.store.review import labels, queues, rubrics
from telltale.store.review.queues import Item, Queue

ITEMS = 60
# From the key to the next item on the screen, two frames later.
GOAL_MS = 100
PRESSED = """key => new Promise(done => {
  const begin = performance.now(), before = document.querySelector('article')?.dataset.token;
  document.body.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}));
  const look = () => requestAnimationFrame(() => requestAnimationFrame(() => {
    document.querySelector('article')?.dataset.token === before ? look() : done(performance.now() - begin);
  }));
  look();
})"""


@pytest.fixture(scope="module")
def browser(require: Callable[[object, str], None]) -> Iterator[Browser]:
    with chromium(require) as launched:
        yield launched


@pytest.fixture
def queue(service: Any) -> int:
    """A queue of many calls."""
    now = time.time()
    rows = [
        Sample(
            f"{n + 1:032x}", "00f067aa0ba902b7", now, "shop", "chat", "chat-2", "client", "chat", "ok", f"질문 {n}?",
            f"Answer **{n}**", 0.5,
        )
        for n in range(ITEMS)
    ]  # fmt: skip

    def make(connection: Any) -> int:
        samples.save(connection, rows, now)
        rubric = rubrics.publish(connection, DEFAULT, actor="t", now=now)
        number = queues.make(connection, Queue("keys", rubric.id or 0, 1, 600.0, now, "t"))
        queues.add(connection, (Item(number, r.tenant, r.model, r.version, r.trace_id, r.span_id) for r in rows))
        return number

    made: int = service.store.write(make)
    return made


@pytest.fixture
def page(browser: Browser, service: Any, queue: int) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1180, "height": 900})
    cookies = signed_in.session(service.store, "ann", "reviewer")
    context.add_cookies([{"name": name, "value": value, "url": service.url} for name, value in cookies.items()])
    opened = context.new_page()
    faults: list[str] = []
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on("console", lambda message: faults.append(message.text) if "Content Security" in message.text else None)
    opened.goto(f"{service.url}/review/{queue}/next")
    yield opened
    context.close()
    assert faults == []


def stored(service: Any, queue: int) -> list[labels.Label]:
    with service.store.read() as connection:
        found = queues.items(connection, queue_id=queue)
        return labels.current(connection, [item.id or 0 for item in found])


def wait_for(service: Any, queue: int, count: int) -> list[labels.Label]:
    for _ in range(100):
        if len(found := stored(service, queue)) >= count:
            return found
        time.sleep(0.05)
    pytest.fail(f"{len(stored(service, queue))} of {count} labels were stored")


def shown(page: Page) -> str:
    return page.locator("article").get_attribute("data-item") or ""


@pytest.mark.parametrize("delay_ms", [0, 80])
def test_the_next_item_is_there_at_once(page: Page, service: Any, queue: int, delay_ms: int) -> None:
    if delay_ms:

        def late(route: Route) -> None:
            time.sleep(delay_ms / 1000)
            route.continue_()

        page.route("**/review/**", late)
    took, seen = [], []
    for _ in range(20):
        page.wait_for_timeout(250)
        seen.append(shown(page))
        took.append(page.evaluate(PRESSED, "1"))
    found = wait_for(service, queue, 20)
    ordered = sorted(took)
    print(f"+{delay_ms} ms: p50 {statistics.median(took):.0f} ms, p95 {ordered[18]:.0f} ms")
    assert [str(one.item_id) for one in found] == seen
    # Busy machines paint late; what would wait for the server would wait each time.
    assert statistics.median(took) <= 2 * GOAL_MS


def test_a_burst_of_keys_labels_nothing_unseen_and_leaves_no_page(page: Page, service: Any, queue: int) -> None:
    address = page.url
    page.wait_for_timeout(300)
    pressed = page.evaluate("""async () => {
      let pressed = 0;
      for (; pressed < 60; pressed += 1) {
        document.body.dispatchEvent(new KeyboardEvent('keydown', {key: '2', bubbles: true}));
        await new Promise(done => setTimeout(done, 15));
      }
      return pressed;
    }""")
    page.wait_for_timeout(1000)
    found = stored(service, queue)
    assert pressed == 60
    # Of sixty keys in about a second, those count that came after an item had been on the screen for a while.
    assert 1 <= len(found) <= 12
    assert all((one.seen_s or 0) >= 0.14 for one in found)
    assert max(Counter(one.item_id for one in found).values()) == 1
    assert page.url == address


def test_labels_typed_while_the_server_is_away_arrive_once(page: Page, service: Any, queue: int) -> None:
    page.wait_for_timeout(600)
    page.route("**/label", lambda route: route.abort())
    seen = []
    for _ in range(3):
        page.wait_for_timeout(300)
        seen.append(shown(page))
        page.keyboard.press("1")
    page.get_by_text("labels wait for the server").wait_for()
    assert stored(service, queue) == []
    page.unroute("**/label")
    found = wait_for(service, queue, 3)
    assert [str(one.item_id) for one in found] == seen
    page.wait_for_timeout(200)
    assert page.locator("#told").inner_text() == ""


def test_words_survive_a_reload_and_keys_do_not_label_while_typing(page: Page, service: Any, queue: int) -> None:
    page.wait_for_timeout(300)
    item = shown(page)
    page.keyboard.press("e")
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("1 더 나은 답 2")
    page.reload()
    page.wait_for_timeout(300)
    assert shown(page) == item
    assert page.get_by_label("A better answer").input_value() == "1 더 나은 답 2"
    page.keyboard.press("Escape")
    page.keyboard.press("c")
    page.keyboard.type("문장이 어색하다")
    page.keyboard.press("Escape")
    page.keyboard.press("2")
    (found,) = wait_for(service, queue, 1)
    assert (found.correction, found.comment, found.answers) == ("1 더 나은 답 2", "문장이 어색하다", {"verdict": "bad"})


def test_skipping_and_help_by_keys(page: Page, service: Any, queue: int) -> None:
    page.wait_for_timeout(400)
    item = shown(page)
    page.keyboard.press("?")
    assert page.get_by_text("choose an option of the marked question").is_visible()
    page.keyboard.press("s")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_function("before => document.querySelector('article')?.dataset.item !== before", arg=item)
    page.keyboard.press("u")
    page.get_by_role("heading", name="What I labelled").wait_for()
    assert stored(service, queue) == []


def test_a_session_that_ended_loses_no_label(page: Page, service: Any, queue: int) -> None:
    page.wait_for_timeout(400)
    cookies = page.context.cookies()
    page.context.clear_cookies()
    item = shown(page)
    page.keyboard.press("1")
    page.get_by_text("sign in, in another tab").wait_for()
    assert stored(service, queue) == []
    page.context.add_cookies(cookies)
    (found,) = wait_for(service, queue, 1)
    assert str(found.item_id) == item


def test_the_last_item_is_followed_by_the_end(page: Page, service: Any, queue: int) -> None:
    with service.store.read() as connection:
        rest = [item.id or 0 for item in queues.items(connection, queue_id=queue)][2:]

    def remove(connection: Any) -> None:
        for number in rest:
            queues.mark_gone(connection, number)

    service.store.write(remove)
    page.reload()
    for _ in range(2):
        page.wait_for_timeout(300)
        page.keyboard.press("1")
    page.get_by_text("Nothing is left for you").wait_for(timeout=3000)
    assert page.locator("#told").inner_text() == ""
    assert len(wait_for(service, queue, 2)) == 2


def test_another_tab_s_label_stays_and_what_was_typed_is_not_lost(page: Page, service: Any, queue: int) -> None:
    page.wait_for_timeout(300)
    other = page.context.new_page()
    other.goto(page.url)
    other.wait_for_timeout(300)
    assert shown(other) == shown(page)
    page.keyboard.press("1")
    wait_for(service, queue, 1)
    other.keyboard.press("c")
    other.keyboard.type("typed in the other tab")
    other.keyboard.press("Escape")
    other.keyboard.press("2")
    other.locator("#unsaved").get_by_text("comment: typed in the other tab").wait_for()
    assert [one.answers for one in stored(service, queue)] == [{"verdict": "good"}]


def test_keys_of_a_korean_layout_work_and_a_syllable_is_left_alone(page: Page, service: Any, queue: int) -> None:
    page.wait_for_timeout(300)
    pressed = """([key, code, composing]) => (document.activeElement ?? document.body).dispatchEvent(
      new KeyboardEvent('keydown', {key, code, bubbles: true, isComposing: composing}))"""
    page.evaluate(pressed, ["ㅊ", "KeyC", False])
    focused = "document.activeElement.name"
    assert page.evaluate(focused) == "comment"
    page.evaluate(pressed, ["Escape", "Escape", True])
    page.evaluate(pressed, ["2", "Digit2", True])
    assert page.evaluate(focused) == "comment"
    page.keyboard.press("Escape")
    assert page.evaluate(focused) != "comment"
    assert stored(service, queue) == []


def test_the_undo_key_leads_to_the_last_label(page: Page, service: Any, queue: int) -> None:
    page.wait_for_timeout(300)
    item = shown(page)
    page.keyboard.press("1")
    wait_for(service, queue, 1)
    page.keyboard.press("u")
    page.get_by_role("heading", name=f"Item {item} ").wait_for()
    page.get_by_label("bad").check()
    page.get_by_role("button", name="Save").click()
    page.wait_for_url("**/next")
    (found,) = wait_for(service, queue, 1)
    assert (found.answers, found.revision) == ({"verdict": "bad"}, 2)
