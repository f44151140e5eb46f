"""People's work on tickets: over a real server and store what each action does, who may do it, and what is refused."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest
from support import signed_in

from alerting.intake.notification import Alert
from alerting.lifecycle import decisions, work
from alerting.lifecycle.state import receive
from alerting.lifecycle.work import Refused
from alerting.report.actions import snooze_end
from telltale.records import Ticket
from telltale.store import Store, audit, tickets
from telltale.store.ticket_search import Wanted, search
from telltale.web import people

NINE = 1_796_029_200.0
"""2026-11-30 09:00 UTC."""


def alert(name: str, number: int = 0, severity: str = "ticket", starts_at: float | None = None, **labels: str) -> Alert:
    base = {"alertname": name, "severity": severity, "lane": "retrain", "model": "support", "version": f"v{number}"}
    begun = time.time() - 500 if starts_at is None else starts_at
    return Alert(f"{number:x}{name.encode().hex()}"[:16], True, base | labels, {"summary": f"{name} of support"}, begun)


def opened(store: Store, *alerts: Alert) -> list[int]:
    """The tickets that these alerts open."""
    found = store.write(lambda c: decisions.apply_notification(c, list(alerts), time.time() - 200, 3600.0))
    return [ticket.id or 0 for ticket in found]


def ticket(store: Store, number: int) -> Ticket:
    with store.read() as connection:
        found = tickets.get(connection, number)
    assert found is not None
    return found


def kinds(store: Store, number: int) -> list[str]:
    with store.read() as connection:
        return [event.kind for event in tickets.events(connection, number)]


def audited(store: Store) -> list[tuple[str, str, dict[str, object]]]:
    with store.read() as connection:
        assert audit.verify(connection) is None
        entries = audit.entries(connection, 50)[::-1]
    return [(entry.action, entry.subject, dict(entry.details)) for entry in entries if entry.action[:6] == "ticket"]


@pytest.fixture
def rita(pages: str, store: Store) -> Iterator[httpx.Client]:
    with signed_in.browser(store, pages, "rita", "reviewer") as client:
        yield client


def test_a_ticket_is_given_to_a_person_and_to_nobody(rita: httpx.Client, store: Store) -> None:
    (number,) = opened(store, alert("Drift"))
    base = f"/tickets/{number}"
    assert rita.post(f"{base}/assign", data={"person": "rita", "was": "-"}).status_code == 303
    assert ticket(store, number).assignee == "rita"
    assert "Assigned to</dt><dd>rita; not acknowledged" in rita.get(base).text
    stale = rita.post(f"{base}/assign", data={"person": "", "was": "-"})
    assert (stale.status_code, "given to rita meanwhile" in stale.text) == (409, True)
    assert rita.post(f"{base}/assign", data={"person": "", "was": "rita"}).status_code == 303
    assert ticket(store, number).assignee == ""
    assert kinds(store, number)[-2:] == ["assigned", "unassigned"]
    name = f"T-{number}"
    assert audited(store) == [
        ("ticket_assigned", name, {"person": "rita"}),
        ("ticket_unassigned", name, {"person": ""}),
    ]


def test_who_is_unknown_or_disabled_takes_no_ticket(rita: httpx.Client, store: Store) -> None:
    (number,) = opened(store, alert("Drift"))
    people.add(store, name="gone", role="reviewer", password="correct horse battery", actor="test", now=1.0)
    people.disable(store, name="gone", actor="test", now=2.0)
    for person, why in (("gone", "gone is disabled"), ("nemo", "There is no person nemo")):
        refused = rita.post(f"/tickets/{number}/assign", data={"person": person})
        assert (refused.status_code, why in refused.text) == (409, True)
    assert kinds(store, number)[-1] != "assigned"


def test_the_first_who_acknowledges_is_kept(rita: httpx.Client, store: Store, pages: str) -> None:
    (number,) = opened(store, alert("Drift"))
    for _ in range(2):
        assert rita.post(f"/tickets/{number}/acknowledge").status_code == 303
    with signed_in.browser(store, pages, "otto", "reviewer") as otto:
        late = otto.post(f"/tickets/{number}/acknowledge")
    assert (late.status_code, "rita has acknowledged it already" in late.text) == (409, True)
    found = ticket(store, number)
    assert (found.acknowledged_by, found.acknowledged_at is not None) == ("rita", True)
    assert kinds(store, number).count("acknowledged") == 1


def test_a_snooze_ends_by_itself_by_a_person_and_by_an_alert_that_wakes_people(
    rita: httpx.Client, store: Store
) -> None:
    (number,) = opened(store, alert("Drift"))
    base = f"/tickets/{number}"
    assert rita.post(f"{base}/snooze", data={"until": "hour"}).status_code == 303
    assert 3500 < (ticket(store, number).snoozed_until or 0) - time.time() <= 3600
    assert "snoozed until" in rita.get(base).text
    assert rita.post(f"{base}/wake").status_code == 303
    assert ticket(store, number).snoozed_until is None
    for at, status in (("2001-01-01T00:00", 409), ("9999-01-01T00:00", 409), ("soon", 422)):
        assert rita.post(f"{base}/snooze", data={"until": "time", "at": at}).status_code == status, at

    rests = replace(ticket(store, number), snoozed_until=time.time() + 1000)
    calm = receive(rests, [alert("Feedback", severity="ticket")], time.time(), 3600.0)
    assert calm.ticket
    assert calm.ticket.snoozed_until == rests.snoozed_until
    page = (alert("Quality", severity="page"),)
    loud = receive(rests, page, time.time(), 3600.0)
    assert loud.ticket
    assert loud.ticket.snoozed_until is None
    assert [event.kind for event in loud.events] == ["alert_firing", "woken"]
    assert loud.ticket.severity == "page"
    rests = replace(loud.ticket, snoozed_until=time.time() + 1000)
    again = receive(rests, page, time.time(), 3600.0)
    assert again.events == ()


@pytest.mark.parametrize(
    ("until", "at", "end"),
    [
        ("hour", "", NINE + 3600),
        ("tomorrow", "", NINE + 86400),
        ("time", "2026-12-01T08:30", NINE + 23.5 * 3600),
        ("hour", "2026-12-01T08:30", NINE + 23.5 * 3600),
        ("time", "2026-12-01T08:30+09:00", NINE + 14.5 * 3600),
    ],
)
def test_when_a_snooze_ends(until: str, at: str, end: float) -> None:
    assert snooze_end(until, at, NINE) == end


def test_labels_are_few_short_and_readable(rita: httpx.Client, store: Store) -> None:
    (number,) = opened(store, alert("Drift"))
    base = f"/tickets/{number}"
    for text in ("환불  급증", "<b>", "환불 급증"):
        assert rita.post(f"{base}/label", data={"label": text}).status_code == 303
    assert ticket(store, number).labels == ("환불 급증", "<b>")
    assert "환불 급증, &lt;b&gt;" in rita.get(base).text
    for text in ("", " ", "x" * 51, "a,b", "a\x07b"):
        assert rita.post(f"{base}/label", data={"label": text}).status_code == 409, repr(text)
    assert rita.post(f"{base}/unlabel", data={"label": "<b>"}).status_code == 303
    full = replace(ticket(store, number), labels=tuple(f"label {i}" for i in range(work.MAX_LABELS)))
    with pytest.raises(Refused, match="at most 20"):
        work.labelled(full, "one more", "rita", 1.0)
    assert [action for action, _, _ in audited(store)] == ["ticket_labelled", "ticket_labelled", "ticket_unlabelled"]


def test_two_tickets_are_linked_and_say_so_both(rita: httpx.Client, store: Store) -> None:
    one, other = opened(store, alert("Drift", 1), alert("Drift", 2))
    for text in (f"T-{other}", f"{other}"):
        assert rita.post(f"/tickets/{one}/link", data={"other": text}).status_code == 303
    for here, there in ((one, other), (other, one)):
        assert rita.get(f"/api/v1/tickets/{here}").json()["linked"] == [there]
        assert kinds(store, here)[-1] == "linked"
    for text, status in ((f"T-{one}", 409), ("T-999", 409), ("nothing", 422)):
        assert rita.post(f"/tickets/{one}/link", data={"other": text}).status_code == status
    assert rita.post(f"/tickets/{other}/unlink", data={"other": f"T-{one}"}).status_code == 303
    assert rita.get(f"/api/v1/tickets/{one}").json()["linked"] == []


def test_a_ticket_is_merged_into_one_that_is_open_and_never_in_a_circle(rita: httpx.Client, store: Store) -> None:
    one, two, three = opened(store, alert("Drift", 1), alert("Drift", 2), alert("Drift", 3))
    assert rita.post(f"/tickets/{one}/merge", data={"other": f"T-{two}", "words": "the same"}).status_code == 303
    merged = ticket(store, one)
    assert (merged.state, merged.close_reason, merged.merged_into) == ("closed", "duplicate", two)
    assert f'<a href="/tickets/{two}">T-{two}</a>' in rita.get(f"/tickets/{one}").text
    assert rita.get(f"/api/v1/tickets/{two}").json()["merged"] == [one]
    for number, into, words, why in (
        (two, two, "so", "is this ticket"),
        (two, one, "so", f"T-{one} is closed"),
        (one, three, "so", "closed meanwhile"),
        (two, 999, "so", "no ticket"),
        (two, three, "", "say why"),
    ):
        refused = rita.post(f"/tickets/{number}/merge", data={"other": f"T-{into}", "words": words})
        assert (refused.status_code, why in refused.text) == (409, True), why
    assert rita.post(f"/tickets/{one}/reopen").status_code == 303
    assert ticket(store, one).merged_into is None


def test_a_ticket_that_opens_again_is_neither_acknowledged_nor_at_rest(store: Store) -> None:
    drift = alert("Drift")
    (number,), now = opened(store, drift), time.time()
    worked = replace(
        ticket(store, number), acknowledged_by="rita", acknowledged_at=1.0, snoozed_until=now + 1000, labels=("seen",)
    )
    closed = replace(worked, state="closed", closed_at=now, close_reason="fixed")
    store.write(lambda c: decisions.reopen(c, closed, "rita", now))
    silent = replace(worked, state="closed", closed_at=now, close_reason="recovered", alerts={})
    by_alert = receive(silent, [drift], now, 3600.0).ticket
    for found in (ticket(store, number), by_alert):
        assert found is not None
        assert (found.state, found.acknowledged_by, found.acknowledged_at, found.snoozed_until, found.labels) == (
            *("open", "", None, None),
            ("seen",),
        )


def test_the_same_as_json(rita: httpx.Client, store: Store) -> None:
    (number,) = opened(store, alert("Drift"))
    path = f"/api/v1/tickets/{number}"
    assert rita.post(path, json={"action": "assign", "person": "rita"}).json()["assignee"] == "rita"
    assert rita.post(path, json={"action": "label", "label": "red"}).json()["labels"] == ["red"]
    assert rita.post(path, json={"action": "explode"}).status_code == 422
    assert rita.post("/api/v1/tickets/999", json={"action": "wake"}).status_code == 404


def test_a_viewer_may_look_and_change_nothing(pages: str, store: Store) -> None:
    (number,) = opened(store, alert("Drift"))
    with signed_in.browser(store, pages, "vera", "viewer") as vera:
        page = vera.get(f"/tickets/{number}").text
        assert "Assign to me" not in page
        for action in ("assign", "acknowledge", "snooze", "wake", "label", "unlabel", "link", "unlink", "merge"):
            assert vera.post(f"/tickets/{number}/{action}", data={"other": "T-1", "label": "x"}).status_code == 403
            assert vera.post(f"/api/v1/tickets/{number}", json={"action": action}).status_code == 403
    assert audited(store) == []


def test_no_label_of_an_alert_passes_for_what_people_do(store: Store) -> None:
    labels = {"alertname": "Drift", "severity": "ticket", "#assignee": "rita", "#label": "mine", "#model": "other"}
    (number,) = opened(store, Alert("5", True, labels, {"summary": "drift"}, time.time() - 60))
    with store.read() as connection:
        for wanted in (Wanted(assignee="rita"), Wanted(label="mine"), Wanted(model="other")):
            assert search(connection, wanted, time.time(), limit=9).total == 0
        assert [one.id for one in search(connection, Wanted(), time.time(), limit=9).tickets] == [number]
