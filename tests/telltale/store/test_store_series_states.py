"""States of series: one row each, the newest; forgotten when they were not seen for long."""

from __future__ import annotations

from dataclasses import replace

from telltale.records import Score
from telltale.store import Store, scores, series_states
from telltale.store.series_states import SeriesStatus
from telltale.store.upkeep import Upkeep


def status(**changes: object) -> SeriesStatus:
    values: dict[str, object] = {
        "monitor": "tokens", "signal": "max_t", "direction": "prompt", "model": "모델/m", "version": "v1",
        "tenant": "", "segment": "", "state": "gathering", "reason": "3 of 200 rows", "changed_at": 10.0,
        "seen_at": 20.0, "rows": 3,
    }  # fmt: skip
    return SeriesStatus(**{**values, **changes})  # type: ignore[arg-type]


def save(store: Store, *found: SeriesStatus) -> None:
    store.write(lambda c: series_states.save(c, found))


def load(store: Store, model: str | None = None, since: float | None = None) -> list[SeriesStatus]:
    with store.read() as connection:
        return series_states.load(connection, model=model, since=since)


def test_a_status_comes_back_as_it_went_in_and_the_newest_replaces_it(store: Store) -> None:
    first = status()
    newest = replace(first, state="alert", reason="", changed_at=30.0, seen_at=30.0, judged_until=29.5, rows=500,
                     score_id=2**40, reference_id=7)  # fmt: skip
    save(store, first)
    assert load(store) == [first]
    save(store, newest)
    assert load(store) == [newest]
    assert load(store)[0].series == ("모델/m", "v1", "", "")


def test_each_part_of_its_name_makes_a_status_of_its_own(store: Store) -> None:
    names = ("monitor", "signal", "model", "version", "tenant", "segment")
    found = [status(), status(direction="response"), *(status(**{name: "other"}) for name in names)]
    save(store, *found)
    save(store, *(replace(one, rows=4) for one in found))
    assert len(load(store)) == len(found) == 8
    assert {one.rows for one in load(store)} == {4}


def test_statuses_are_found_by_model_and_by_when_they_were_seen(store: Store) -> None:
    old, other = status(seen_at=5.0, version="v0"), status(model="other")
    save(store, status(), old, other)
    assert load(store, model="모델/m") == [old, status()]
    assert load(store, since=20.0) == [other, status()]
    assert load(store, model="nobody") == []
    save(store)
    assert len(load(store)) == 3


def test_upkeep_forgets_series_that_were_not_seen_for_the_retention(store: Store) -> None:
    save(store, status(version="gone", seen_at=89.0), status(seen_at=91.0))
    assert Upkeep(store, retention=10.0, max_bytes=0).round(now=100.0).is_done
    assert [one.version for one in load(store)] == ["v1"]


def test_the_newest_score_is_that_of_the_state(store: Store) -> None:
    """A series that is not judged now has none, whatever is stored of it."""
    judged = [
        Score("tokens", "max_t", "prompt", model, "v1", 10.0 * n, 10.0 * n + 10, 50, "ok", effect=0.1 * n)
        for model in ("a", "b", "c") for n in range(3)
    ]  # fmt: skip
    ids = store.write(lambda c: scores.save(c, judged))
    save(store, status(model="a", score_id=ids[2]), status(model="b", score_id=ids[4]), status(model="c"))
    with store.read() as connection:
        found = scores.latest(connection)
        of_a = scores.latest(connection, model="a")
    assert [(one.model, one.window_end) for one in found] == [("a", 30.0), ("b", 20.0)]
    assert of_a == found[:1]
