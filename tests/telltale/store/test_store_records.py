"""Every record is read from either database as it was written."""

from __future__ import annotations

import contextlib
import os
import threading
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError

from telltale.evidence.alerts import TicketAlert
from telltale.evidence.scores import Details, Examples, Persistence, WordChange, WordChanges
from telltale.records import Feedback, Sample, Score, Series, Ticket
from telltale.store import (
    Conflict,
    Store,
    access,
    audit,
    evidence,
    feedback,
    open_store,
    samples,
    scores,
    tickets,
    vectors,
)
from telltale.store.upkeep import Report, Upkeep

# PostgreSQL's text cannot hold NUL; the collector's redaction removes it before storage.
TEXT = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=200)


DETAILS = Details(
    WordChanges((WordChange("refund", 4.2, 0.4, 0.02),), excess=0.01),
    Examples((3, 4), ("how do I return this",)),
    Persistence(2, 3, 2, alert_before=True),
    reference_id=7,
)


def sample(number: int = 1, **changes: object) -> Sample:
    values: dict[str, object] = {
        "trace_id": f"{number:032x}", "span_id": f"{number:016x}", "observed_at": float(number), "tenant": "t",
        "model": "m", "version": "v1", "layer": "client", "operation": "chat", "status": "ok", "prompt": "p",
        "response": "r", "inclusion_probability": 0.25,
    }  # fmt: skip
    return Sample(**{**values, **changes})  # type: ignore[arg-type]


def score(**changes: object) -> Score:
    values: dict[str, object] = {
        "monitor": "tokens", "signal": "max_t", "direction": "prompt", "model": "m", "version": "v1",
        "window_start": 0.0, "window_end": 10.0, "samples": 50, "state": "ok", "effect": 1.5, "threshold": 3.0,
        "p_value": 0.4, "details": DETAILS,
    }  # fmt: skip
    return Score(**{**values, **changes})  # type: ignore[arg-type]


def test_a_call_of_another_tenant_is_another_call(store: Store) -> None:
    """Ids are no secret, and two may be told to send what one of them sent."""
    ours, theirs, third = (sample(tenant=tenant, prompt=tenant, observed_at=1.79e9) for tenant in ("a", "b", "c"))
    for rows in ([ours], [theirs, ours, third], [third, theirs], [ours]):
        store.write(lambda c, rows=rows: samples.save(c, rows, now=5.0))
    with store.read() as connection:
        found = samples.load(connection, trace_ids=[ours.trace_id])
    assert [(one.tenant, one.prompt) for one in found] == [("a", "a"), ("b", "b"), ("c", "c")]
    assert all(abs(one.observed_at - 1.79e9) < 1e-6 for one in found)
    assert store.write(lambda c: samples.save(c, [theirs, sample(2)], now=5.0)) == 1


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(prompt=TEXT, response=TEXT, redactions=st.dictionaries(st.sampled_from(["email", "card"]), st.integers(1, 9)))
def test_sample_comes_back_as_it_went_in(store: Store, prompt: str, response: str, redactions: dict[str, int]) -> None:
    number = store.write(samples.count) + 1
    sent = sample(number, prompt=prompt, response=response, redactions=redactions, ttft_s=0.25, output_tokens=7)
    store.write(lambda c: samples.save(c, [sent], now=5.0))
    with store.read() as connection:
        [found] = samples.load(connection, trace_ids=[sent.trace_id])
    assert found.id is not None
    assert found == sample(
        number, prompt=prompt, response=response, redactions=redactions, ttft_s=0.25, output_tokens=7, id=found.id
    )


def test_a_vector_is_kept_once_and_goes_with_its_sample(store: Store) -> None:
    store.write(lambda c: samples.save(c, [sample(1), sample(2)], 5.0))
    with store.read() as connection:
        first, second = sorted(one.id or 0 for one in samples.load(connection))

    store.write(lambda c: vectors.save(c, "s", "prompt", {first: b"ab", second: b"cd"}))
    store.write(lambda c: vectors.save(c, "s", "prompt", {first: b"zz"}))
    store.write(lambda c: vectors.save(c, "s", "response", {first: b"ef"}))
    store.write(lambda c: vectors.save(c, "t", "prompt", {}))

    with store.read() as connection:
        assert vectors.load(connection, "s", "prompt", [first, second]) == {first: b"ab", second: b"cd"}
        assert vectors.load(connection, "t", "prompt", [first, second]) == {}
    store.write(lambda c: samples.remove(c, [first]))
    with store.read() as connection:
        assert vectors.load(connection, "s", "prompt", [first, second]) == {second: b"cd"}
        assert vectors.load(connection, "s", "response", [first, second]) == {}


def test_same_span_is_stored_once(store: Store) -> None:
    first = store.write(lambda c: samples.save(c, [sample(1), sample(2)], now=1.0))
    again = store.write(lambda c: samples.save(c, [sample(2, prompt="other"), sample(3)], now=2.0))
    with store.read() as connection:
        texts = [row.prompt for row in samples.load(connection)]
    assert (first, again, texts) == (2, 1, ["p", "p", "p"])


def test_many_samples_at_once_are_each_stored_once(store: Store) -> None:
    rows = [sample(number, redactions={"ip": 1} if number % 7 == 0 else {}) for number in range(1, 151)]
    assert store.write(lambda c: samples.save(c, rows[40:60], now=1.0)) == 20
    assert store.write(lambda c: samples.save(c, [*rows, *rows[100:], rows[3]], now=2.0)) == 130
    with store.read() as connection:
        found = samples.load(connection)
    assert [row._replace(id=None) for row in found] == rows


def test_of_many_samples_with_a_fault_in_one_none_is_stored(store: Store) -> None:
    rows = [sample(number, inclusion_probability=2.0 if number == 90 else 0.5) for number in range(1, 151)]
    with pytest.raises(IntegrityError):
        store.write(lambda c: samples.save(c, rows, now=1.0))
    assert store.write(samples.count) == 0
    assert store.write(lambda c: samples.save(c, rows[:89], now=1.0)) == 89


def test_samples_are_found_by_model_time_and_sampling(store: Store) -> None:
    rows = [sample(1), sample(2, model="other"), sample(3, inclusion_probability=None, promoted_by="feedback")]
    store.write(lambda c: samples.save(c, rows, now=1.0))
    with store.read() as connection:
        assert [row.observed_at for row in samples.load(connection, model="m")] == [1.0, 3.0]
        assert [row.observed_at for row in samples.load(connection, model="m", sampled_only=True)] == [1.0]
        assert [row.observed_at for row in samples.load(connection, since=2.0, until=3.0)] == [2.0]
        assert samples.models(connection, since=0.0) == ["m", "other"]
        assert samples.load(connection, trace_ids=["what a vote may name"]) == []


def test_prune_deletes_only_what_is_older(store: Store) -> None:
    rows = [sample(1), sample(2), sample(3, model="a", observed_at=1.5), sample(4, model="z", observed_at=9.0)]
    store.write(lambda c: samples.save(c, rows, now=1.0))
    assert store.write(lambda c: samples.prune(c, before=2.0)) == 2
    with store.read() as connection:
        assert [row.observed_at for row in samples.load(connection)] == [2.0, 9.0]


def test_retention_deletes_scores_with_their_evidence_and_keeps_the_rest(store: Store) -> None:
    store.write(lambda c: samples.save(c, [sample(1), sample(50)], now=1.0))
    store.write(lambda c: scores.save(c, [score(), score(window_start=40.0, window_end=50.0)]))
    for at in (10.0, 50.0):
        number = store.write(lambda c, at=at: evidence.put(c, b"x", kind="evidently", media_type="text/html", now=at))
        with store.read() as connection:
            [row] = [found for found in scores.load(connection) if found.window_end == at]
        store.write(lambda c, row=row, number=number: scores.attach_evidence(c, row.id or 0, number))
    store.write(lambda c: feedback.append(c, vote(), "hash"))
    assert Upkeep(store, retention=10.0, max_bytes=0).round(now=30.0) == Report(expired=1)
    with store.read() as connection:
        assert [row.observed_at for row in samples.load(connection)] == [50.0]
        [kept] = scores.load(connection)
        assert evidence.get(connection, kept.evidence_id or 0) is not None
        assert len(feedback.load(connection)) == 1


def vote(key: str = "k", value: float = 0.0) -> Feedback:
    return Feedback(1.0, "t", "a" * 32, None, "thumb", "helpful", value, "user", key)


def test_feedback_sent_twice_is_stored_once(store: Store) -> None:
    first, replayed = store.write(lambda c: feedback.append(c, vote(), "hash"))
    second, again = store.write(lambda c: feedback.append(c, vote(), "hash"))
    assert (replayed, again, second) == (False, True, first)


def test_a_key_used_for_another_body_is_a_conflict(store: Store) -> None:
    store.write(lambda c: feedback.append(c, vote(), "hash"))
    with pytest.raises(Conflict, match="'k'"):
        store.write(lambda c: feedback.append(c, vote(value=1.0), "other"))


def test_a_window_that_is_scored_again_stays_as_it_is_and_has_the_same_id(store: Store) -> None:
    rows = [score(), score(window_start=10.0, window_end=20.0, state="suspect", since=0.0), score(direction="response")]
    ids = store.write(lambda c: scores.save(c, rows))
    assert len(set(ids)) == 3
    again = [*rows[::-1], score(window_start=20.0, window_end=30.0)]
    more = store.write(lambda c: scores.save(c, [replace(row, effect=9.0) for row in again]))
    assert more[:3] == ids[::-1]
    with store.read() as connection:
        found = scores.load(connection)
    assert [replace(row, id=None) for row in found] == [rows[0], rows[2], rows[1], replace(again[3], effect=9.0)]
    assert {row.id for row in found} == {*more}
    assert store.write(lambda c: scores.save(c, [])) == []


def test_each_part_of_a_series_name_has_scores_of_its_own(store: Store) -> None:
    names = ("monitor", "signal", "model", "version", "tenant", "segment")
    rows = [score(), score(direction="response"), *(score(**{name: "other"}) for name in names)]
    assert len(set(store.write(lambda c: scores.save(c, rows)))) == 8
    own = Series("m", "v1", segment="other")
    with store.read() as connection:
        [found] = scores.recent(connection, "tokens", own, 10)
    assert found.series == own


def test_the_last_scores_of_a_series_come_oldest_first(store: Store) -> None:
    rows = [score(window_start=10.0 * number, window_end=10.0 * number + 10) for number in range(5)]
    store.write(lambda c: scores.save(c, [*rows, score(monitor="descriptors"), score(version="v2")]))
    with store.read() as connection:
        found = scores.recent(connection, "tokens", Series("m", "v1"), 3)
    assert [row.window_start for row in found] == [20.0, 30.0, 40.0]


def test_evidence_is_attached_to_its_score(store: Store) -> None:
    store.write(lambda c: scores.save(c, [score()]))
    number = store.write(lambda c: evidence.put(c, b"<html>", kind="evidently", media_type="text/html", now=1.0))
    with store.read() as connection:
        [row] = scores.load(connection)
    assert row.id is not None
    store.write(lambda c: scores.attach_evidence(c, row.id or 0, number))
    with store.read() as connection:
        [row] = scores.load(connection)
        found = evidence.get(connection, row.evidence_id or 0)
    assert found is not None
    assert found.content == b"<html>"


def test_ticket_and_its_timeline(store: Store) -> None:
    alert = TicketAlert(
        key="k", lane="retrain", name="A", status="firing", starts_at=1.0, received_at=2.0, labels={"model": "m"}
    )
    ticket = Ticket("k", "retrain", "m", "v1", "drift", "open", 1, 1.0, 1.0, alerts={"f": alert})
    stored = store.write(lambda c: tickets.save(c, ticket))
    event = tickets.TicketEvent(1.0, "opened", "alertmanager", {"alerts": 1})
    store.write(lambda c: tickets.add_events(c, stored.id or 0, [event]))
    with store.read() as connection:
        assert tickets.newest(connection, "k") == stored
        assert [row.kind for row in tickets.events(connection, stored.id or 0)] == ["opened"]
        assert tickets.count_by_state(connection) == [("retrain", "open", 1)]


STORED_BEFORE = {
    "key": "k", "lane": "retrain", "name": "ModelDriftPersistent", "status": "resolved", "starts_at": 1764446400.123,
    "ends_at": 1764450000, "received_at": 1764450001.5, "labels": {"alertname": "ModelDriftPersistent", "model": "m"},
    "summary": "drift of m", "description": "", "signal": "up", "dashboard_url": "",
}  # fmt: skip
"""An alert of a ticket as it was written while it was an untyped mapping."""


def put_alerts(store: Store, alerts: object) -> None:
    from telltale.store.schema import tickets as table

    row = {
        "key": "k", "lane": "retrain", "model": "m", "version": "v1", "title": "drift", "state": "recovering",
        "episode": 1, "opened_at": 1.0, "updated_at": 1.0, "alerts": alerts,
    }  # fmt: skip
    store.write(lambda connection: connection.execute(table.insert().values(row)))


def test_alerts_of_the_previous_version_are_read(store: Store) -> None:
    put_alerts(store, {"f": STORED_BEFORE})
    with store.read() as connection:
        (ticket,) = tickets.load(connection)
    assert ticket.alerts == {"f": TicketAlert(**STORED_BEFORE)}  # type: ignore[arg-type]  # its fields
    assert ticket.unreadable_alerts == {}


@pytest.mark.parametrize("bad", [None, 7, {}, {"status": "maybe"}, STORED_BEFORE | {"labels": None}])
def test_an_alert_that_cannot_be_read_harms_no_other_and_is_kept(store: Store, bad: object) -> None:
    put_alerts(store, {"f": STORED_BEFORE, "g": bad})
    put_alerts(store, {"f": STORED_BEFORE})
    with store.read() as connection:
        whole, broken = tickets.load(connection)
    assert list(whole.alerts) == list(broken.alerts) == ["f"]
    assert broken.unreadable_alerts == {"g": bad}
    store.write(lambda connection: tickets.save(connection, broken))
    with store.read() as connection:
        assert tickets.load(connection)[1] == broken
    reported = replace(broken, alerts={**broken.alerts, "g": whole.alerts["f"]})
    store.write(lambda connection: tickets.save(connection, reported))
    with store.read() as connection:
        again = tickets.load(connection)[1]
    assert set(again.alerts) == {"f", "g"}
    assert again.unreadable_alerts == {}


@pytest.mark.parametrize("bad", [None, [], "x"])
def test_a_ticket_whose_alerts_are_none_is_still_a_ticket(store: Store, bad: object) -> None:
    put_alerts(store, bad)
    with store.read() as connection:
        (ticket,) = tickets.load(connection)
    assert ticket.alerts == {}
    assert list(ticket.unreadable_alerts.values()) == [bad]


def test_audit_chain_shows_a_changed_entry(store: Store) -> None:
    from sqlalchemy import update

    from telltale.store.schema import audit_log

    for number in range(3):
        store.write(lambda c, n=number: audit.record(c, actor="a", action="b", subject=str(n), now=0.1 * n))
    with store.read() as connection:
        assert audit.verify(connection) is None
    store.write(lambda c: c.execute(update(audit_log).where(audit_log.c.subject == "1").values(actor="mallory")))
    with store.read() as connection:
        assert audit.verify(connection) == 2


def test_of_two_that_make_a_secret_at_once_both_have_the_first_ones(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stores = [open_store(url), open_store(url)]
    # Both have looked before either writes, where the database lets two write at once.
    both = threading.Barrier(2)

    def drawn(size: int) -> bytes:
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(1.0)
        return os.urandom(size)

    monkeypatch.setattr("telltale.store.access.random.token_bytes", drawn)
    futures = [store.submit(lambda c: access.secret(c, "conversation")) for store in stores]
    for store in stores:
        store.close()
    first, second = [future.result(0) for future in futures]
    assert (first, len(first)) == (second, 32)


def test_api_key_lives_until_revoked_or_expired(store: Store) -> None:
    secret = store.write(
        lambda c: access.add_key(c, name="app", tenant="t", scopes=["feedback:write"], now=1.0, expires_at=10.0)
    )
    with store.read() as connection:
        key = access.find_key(connection, secret, now=2.0)
        assert key is not None
        assert key.tenant == "t"
        assert access.find_key(connection, secret, now=10.0) is None
        assert access.find_key(connection, secret + "x", now=2.0) is None
        assert access.find_key(connection, "nonsense", now=2.0) is None
    assert store.write(lambda c: access.revoke_key(c, key.key_id, now=3.0))
    with store.read() as connection:
        assert access.find_key(connection, secret, now=4.0) is None


def test_unknown_scope_is_refused(store: Store) -> None:
    with pytest.raises(ValueError, match="root:all"):
        store.write(lambda c: access.add_key(c, name="a", tenant="t", scopes=["root:all"], now=1.0))
