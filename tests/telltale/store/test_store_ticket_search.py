"""Tickets as people look for them, on both databases."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

from telltale.evidence.alerts import TicketAlert
from telltale.records import Ticket
from telltale.store import Store, tickets
from telltale.store.ticket_search import LIVE, Wanted, search, with_alert

NOW = 1_000.0


def ticket(number: int, **fields: object) -> Ticket:
    given = {"title": f"support: drift ({number})", "model": "support", "version": f"v{number}", "state": "open"}
    times = {"opened_at": NOW - number, "updated_at": NOW - 10 * number}
    return Ticket(**{"key": f"k{number}", "lane": "retrain", "episode": 1, **given, **times, **fields})  # type: ignore[arg-type]  # fields of a ticket


def alerts(*labels: Mapping[str, str]) -> dict[str, TicketAlert]:
    return {
        f"{number:x}": TicketAlert(
            key="k", lane="ops", name="A", status="firing", starts_at=1.0, received_at=1.0, labels=one
        )
        for number, one in enumerate(labels)
    }


def saved(store: Store, *rows: Ticket) -> list[int]:
    return store.write(lambda connection: [tickets.save(connection, row).id or 0 for row in rows])


def numbers(store: Store, **wanted: object) -> list[int]:
    with store.read() as connection:
        found = search(connection, Wanted(**wanted), NOW, limit=50)  # type: ignore[arg-type]  # fields of a search
    assert found.total == len(found.tickets)
    return [one.id or 0 for one in found.tickets]


def test_each_filter_finds_what_it_names_and_words_are_found_by_their_beginning(store: Store) -> None:
    one, two, three, four = saved(
        store,
        ticket(1, severity="page", assignee="rita", acknowledged_at=5.0, labels=("환불 급증",)),
        ticket(2, alerts=alerts({"tenant": "shop", "alertname": "NegativeFeedbackHigh"}), snoozed_until=NOW + 1),
        ticket(3, model="meta-llama/Llama-3.3", title="고객 지원 모델의 오류율", snoozed_until=NOW - 1),
        ticket(4, state="closed", assignee="otto", lane="ops", severity="page"),
    )
    for wanted, expected in (
        ({}, [four, three, two, one]),
        ({"states": LIVE}, [three, two, one]),
        ({"severity": "page"}, [four, one]),
        ({"lane": "ops"}, [four]),
        ({"model": "support"}, [four, two, one]),
        ({"version": "v2"}, [two]),
        ({"tenant": "shop"}, [two]),
        ({"label": "환불 급증"}, [one]),
        ({"assignee": "rita"}, [one]),
        ({"assignee": ""}, [three, two]),
        ({"acknowledged": True}, [one]),
        ({"acknowledged": False, "states": LIVE}, [three, two]),
        ({"snoozed": True}, [two]),
        ({"snoozed": False}, [four, three, one]),
        ({"words": f"T-{three}"}, [three]),
        ({"words": "negativefeed"}, [two]),
        ({"words": "LLAMA meta"}, [three]),
        ({"words": "고객 오류"}, [three]),
        ({"words": "환불 otto"}, []),
        ({"words": "ott"}, [four]),
        ({"words": "%"}, [four, three, two, one]),
        ({"words": "' OR 1=1 --"}, []),
        ({"words": f"T-{10**18 - 1}"}, []),
        ({"sort": "severity"}, [four, one, three, two]),
        ({"sort": "opened"}, [one, two, three, four]),
        ({"sort": "updated", "descending": False}, [four, three, two, one]),
        ({"sort": "model", "descending": False}, [three, one, two, four]),
        ({"sort": "assignee"}, [one, four, three, two]),
    ):
        assert numbers(store, **wanted) == expected, wanted


def test_what_a_ticket_no_longer_has_finds_it_no_more(store: Store) -> None:
    (number,) = saved(store, ticket(1, labels=("red",), assignee="rita"))
    saved(store, ticket(1, id=number, labels=("blue",), title="other"))
    assert [numbers(store, label=label) for label in ("red", "blue")] == [[], [number]]
    assert numbers(store, words="rita") == numbers(store, words="drift") == numbers(store, assignee="rita") == []


def test_pages_follow_each_other_and_a_question_that_no_index_answers_is_asked_of_the_newest(store: Store) -> None:
    all_of_them = saved(store, *(ticket(number, title=f"case {number % 2}") for number in range(7)))[::-1]
    with store.read() as connection:
        pages = [search(connection, Wanted(), NOW, limit=3, offset=offset) for offset in (0, 3, 6, 9)]
        odd = search(connection, Wanted(), NOW, limit=2, offset=1, keep=lambda one: one.title == "case 1")
    assert [[one.id for one in page.tickets] for page in pages] == [all_of_them[i : i + 3] for i in (0, 3, 6, 9)]
    assert {page.total for page in pages} == {7}
    assert ([one.version for one in odd.tickets], odd.total, odd.is_all) == (["v3", "v1"], 3, True)


def test_a_ticket_is_found_by_the_labels_of_one_of_its_alerts(store: Store) -> None:
    of = {"alertname": "Drift", "model": "support"}
    first, second, _, closed = saved(
        store,
        ticket(1, alerts=alerts(of | {"tenant": "shop"})),
        ticket(2, alerts=alerts(of | {"tenant": "shop"})),
        ticket(3, alerts=alerts(of, {"tenant": "bank"})),
        ticket(4, alerts=alerts(of | {"tenant": "shop", "long": "x" * 300}), state="closed"),
    )
    for labels, expected in (
        (of | {"tenant": "shop"}, second),
        ({"long": "x" * 300}, closed),
        ({"long": "x" * 299}, None),
        (of | {"tenant": "bank"}, None),
        ({"nobody": "has it"}, None),
    ):
        with store.read() as connection:
            found = with_alert(connection, labels)
        assert (found and found.id) == expected, labels
    assert first != second


def test_a_ticket_of_very_many_labels_is_still_found_by_its_own_words(store: Store) -> None:
    many = alerts(*({f"label_{i}": f"value {i} {'x' * 400}"} for i in range(900)))
    (number,) = saved(store, ticket(1, alerts=many, labels=("red",)))
    assert numbers(store, words="drift") == numbers(store, label="red") == numbers(store, model="support") == [number]


def test_a_word_is_found_also_with_its_consonants_and_vowels_apart(store: Store) -> None:
    saved(store, ticket(1, title="support: \ud658\ubd88"), ticket(2))

    with store.read() as connection:
        assert search(connection, Wanted(words=unicodedata.normalize("NFD", "\ud658\ubd88")), NOW, limit=9).total == 1
