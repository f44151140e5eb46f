"""Review in the store: nobody has an item that enough others have, nothing is lost, nothing is labelled twice."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import pytest

from telltale.labels import DEFAULT, Field, InvalidLabel, Rubric, outcome
from telltale.store import Conflict, Store, open_store
from telltale.store.review import labels, leases, queues, rubrics
from telltale.store.review.labels import Label, NotYours
from telltale.store.review.leases import Lease
from telltale.store.review.queues import Item, Queue

NOW = 1_800_000_000.0


@pytest.fixture
def rubric(store: Store) -> Rubric:
    return store.write(lambda c: rubrics.publish(c, DEFAULT, actor="ada", now=NOW))


@pytest.fixture
def queue(store: Store, rubric: Rubric) -> Callable[..., int]:
    """Makes a queue with so many items."""

    def make(items: int = 3, overlap: int = 1, name: str = "검토") -> int:
        number = store.write(
            lambda c: queues.make(c, Queue(name, rubric.id or 0, overlap, 60.0, NOW, "ada", {"model": "m"}))
        )
        store.write(lambda c: queues.add(c, (item(number, place, overlap) for place in range(items))))
        return number

    return make


def item(queue_id: int, place: int, needed: int = 1) -> Item:
    return Item(queue_id, "acme", "m", "v1", f"{place:032x}", f"{place:016x}", needed=needed)


def take(store: Store, queue_id: int, reviewer: str, now: float = NOW) -> Lease:
    found = store.write(lambda c: leases.take(c, queue_id, reviewer, now))
    assert found is not None
    return found


def submit(
    store: Store,
    lease: Lease,
    rubric: Rubric,
    verdict: str = "good",
    now: float = NOW,
    key: str = "",
    comment: str = "",
) -> tuple[Label, bool]:
    key = key or f"{lease.item_id}-{lease.reviewer}-{verdict}-{now}"
    label = Label(lease.item_id, lease.reviewer, {"verdict": verdict}, key, now, comment=comment, seen_s=2.5)
    return store.write(lambda c: labels.submit(c, label, lease.token, rubric))


def state(store: Store, item_id: int) -> Item:
    with store.read() as connection:
        found = queues.item(connection, item_id)
    assert found is not None
    return found


def test_items_are_given_out_once_each_and_by_priority(store: Store, queue: Callable[..., int]) -> None:
    number = queue(items=3)
    store.write(lambda c: queues.add(c, [replace(item(number, 9), priority=5.0)]))
    first, second = take(store, number, "ann"), take(store, number, "bo")
    assert state(store, first.item_id).trace_id == f"{9:032x}"
    assert second.item_id != first.item_id
    taken = [take(store, number, name).item_id for name in ("ann", "bo")]
    assert len({first.item_id, second.item_id, *taken}) == 4
    assert store.write(lambda c: leases.take(c, number, "cho", NOW)) is None


def test_a_call_is_in_a_queue_once(store: Store, queue: Callable[..., int]) -> None:
    number = queue(items=3)
    assert store.write(lambda c: queues.add(c, [item(number, place) for place in range(5)])) == 2


def test_a_label_is_stored_once_however_often_it_is_sent(
    store: Store, queue: Callable[..., int], rubric: Rubric
) -> None:
    lease = take(store, queue(items=1), "ann")
    first, was_there = submit(store, lease, rubric, key="k1", comment="맞는 답입니다")
    again, is_there = submit(store, lease, rubric, key="k1", comment="맞는 답입니다")
    assert (was_there, is_there) == (False, True)
    assert again == first
    with pytest.raises(Conflict, match="k1"):
        submit(store, lease, rubric, "bad", key="k1")
    assert (state(store, lease.item_id).state, state(store, lease.item_id).done) == ("decided", 1)


def test_a_second_thought_is_a_revision_and_the_first_is_kept(
    store: Store, queue: Callable[..., int], rubric: Rubric
) -> None:
    lease = take(store, queue(items=1), "ann")
    submit(store, lease, rubric, "good")
    changed, _ = submit(store, lease, rubric, "bad", now=NOW + 5)
    assert changed.revision == 2
    found = state(store, lease.item_id)
    assert (found.done, found.taken, dict(found.verdict or {})) == (1, 1, {"verdict": "bad"})
    with store.read() as connection:
        assert [one.answers for one in labels.current(connection, [lease.item_id])] == [{"verdict": "bad"}]


def test_people_who_disagree_need_somebody_else(store: Store, queue: Callable[..., int], rubric: Rubric) -> None:
    number = queue(items=1, overlap=2)
    ann, bo = take(store, number, "ann"), take(store, number, "bo")
    submit(store, ann, rubric, "good")
    assert state(store, ann.item_id).state == "open"
    submit(store, bo, rubric, "bad")
    assert state(store, ann.item_id).state == "disputed"

    def decide(by: str) -> None:
        store.write(
            lambda c: labels.adjudicate(
                c, ann.item_id, {"verdict": "bad"}, rubric, by=by, why="it names a wrong year", now=NOW + 9
            )
        )

    with pytest.raises(NotYours, match="labelled this item yourself"):
        decide("ann")
    decide("dae")
    found = state(store, ann.item_id)
    assert (found.state, found.decided_how, found.decided_by) == ("decided", "adjudicated", "dae")
    with pytest.raises(NotYours, match="adjudicator has decided"):
        submit(store, bo, rubric, "good", now=NOW + 10)


def test_who_is_slow_may_still_label_while_the_place_is_free(
    store: Store, queue: Callable[..., int], rubric: Rubric
) -> None:
    number = queue(items=2)
    ann = take(store, number, "ann")
    late = NOW + 61
    bo = take(store, number, "bo", late)
    assert bo.item_id == ann.item_id  # the older item is free again
    with pytest.raises(NotYours, match="others have labelled it meanwhile"):
        submit(store, ann, rubric, now=late)
    store.write(lambda c: leases.skip(c, bo, "not my language"))
    submit(store, ann, rubric, now=late + 1)
    found = state(store, ann.item_id)
    assert (found.done, found.taken, found.state) == (1, 1, "decided")


def test_a_lease_can_be_renewed_and_only_by_its_holder(store: Store, queue: Callable[..., int]) -> None:
    number = queue(items=1)
    ann = take(store, number, "ann")
    renewed = store.write(lambda c: leases.renew(c, ann.token, "ann", NOW + 50))
    assert renewed is not None
    assert renewed.lease_until == NOW + 110
    assert store.write(lambda c: leases.renew(c, ann.token, "bo", NOW + 50)) is None
    assert store.write(lambda c: leases.take(c, number, "bo", NOW + 100)) is None
    with store.read() as connection:
        assert [one.item_id for one in leases.held(connection, number, "ann", NOW + 100)] == [ann.item_id]


def test_what_was_skipped_is_not_offered_to_the_same_person_again(store: Store, queue: Callable[..., int]) -> None:
    number = queue(items=1)
    ann = take(store, number, "ann")
    assert store.write(lambda c: leases.skip(c, ann, "needs a lawyer"))
    assert store.write(lambda c: leases.take(c, number, "ann", NOW)) is None
    assert take(store, number, "bo").item_id == ann.item_id


def test_who_is_disabled_gives_everything_back(store: Store, queue: Callable[..., int]) -> None:
    number = queue(items=2)
    had = {take(store, number, "ann").item_id for _ in range(2)}
    assert store.write(lambda c: leases.release(c, "ann")) == 2
    assert {take(store, number, "bo").item_id for _ in range(2)} == had


def test_nothing_is_labelled_that_is_not_ones_own_or_that_is_gone(
    store: Store, queue: Callable[..., int], rubric: Rubric
) -> None:
    number = queue(items=2)
    ann, bo = take(store, number, "ann"), take(store, number, "bo")
    with pytest.raises(NotYours, match="not yours"):
        submit(store, replace(bo, reviewer="ann"), rubric)
    with pytest.raises(InvalidLabel, match="none of good, bad"):
        submit(store, ann, rubric, "excellent")
    store.write(lambda c: queues.mark_gone(c, ann.item_id))
    with pytest.raises(NotYours, match="deleted"):
        submit(store, ann, rubric)
    with store.read() as connection:
        found = queues.progress(connection, [number])[number]
    assert (found.items, found.labels, found.needed) == ({"gone": 1, "open": 1}, 0, 1)


def test_a_closed_queue_gives_out_nothing_and_takes_what_is_out(
    store: Store, queue: Callable[..., int], rubric: Rubric
) -> None:
    number = queue(items=2)
    ann = take(store, number, "ann")
    store.write(lambda c: queues.close(c, number, NOW))
    assert store.write(lambda c: leases.take(c, number, "bo", NOW)) is None
    submit(store, ann, rubric)
    with store.read() as connection:
        assert [one.reviewer for one in leases.by_person(connection, number) if one.labelled] == ["ann"]
        assert queues.load(connection) == []
        assert [one.name for one in queues.load(connection, include_closed=True)] == ["검토"]


def test_a_rubrics_version_stays_as_labels_knew_it(store: Store, rubric: Rubric) -> None:
    def publish(asked: Rubric) -> Rubric:
        return store.write(lambda c: rubrics.publish(c, asked, actor="ada", now=NOW))

    assert publish(DEFAULT) == rubric
    scale = Field("tone", "How polite is it?", "scale", ("rude", "neutral", "polite"), is_required=False)
    second = publish(replace(DEFAULT, fields=(*DEFAULT.fields, scale)))
    assert (second.number, rubric.number) == (2, 1)
    with store.read() as connection:
        assert rubrics.all_newest(connection) == [second]
        assert rubrics.get(connection, [rubric.id or 0]) == {rubric.id: rubric}
    with pytest.raises(InvalidLabel, match="two fields have the same name"):
        publish(replace(DEFAULT, fields=DEFAULT.fields * 2))


def test_a_majority_needs_three() -> None:
    good, bad = {"verdict": "good"}, {"verdict": "bad"}
    assert outcome(DEFAULT, [good]) == (good, "single")
    assert outcome(DEFAULT, [good, good]) == (good, "unanimous")
    assert outcome(DEFAULT, [good, bad]) is None
    assert outcome(DEFAULT, [good, bad, good]) == (good, "majority")
    assert outcome(DEFAULT, [good, bad, good, bad]) is None


@pytest.fixture
def several(url: str, store: Store) -> Iterator[list[Store]]:
    """As many processes have: connections of their own to the same database."""
    opened = [open_store(url) for _ in range(4)]
    yield opened
    for one in opened:
        one.close()


def test_no_item_has_more_people_than_it_needs(
    several: list[Store], store: Store, queue: Callable[..., int], rubric: Rubric
) -> None:
    items, overlap = 60, 2
    number, failed = queue(items=items, overlap=overlap), []

    def work(own: Store, reviewer: str) -> None:
        clock = NOW
        try:
            while (lease := own.write(partial(leases.take, queue_id=number, reviewer=reviewer, now=clock))) is not None:
                clock += 1
                if lease.item_id % 9 == 0 and reviewer == "p0":
                    continue  # goes for a coffee: the lease runs out
                submit(own, lease, rubric, "good", clock, key=f"{lease.item_id}")
                submit(own, lease, rubric, "good", clock, key=f"{lease.item_id}")
        except Exception as error:  # noqa: BLE001 - a thread's errors are the test's
            failed.append(error)

    people = [threading.Thread(target=work, args=(several[place % 4], f"p{place}")) for place in range(8)]
    for one in people:
        one.start()
    for one in people:
        one.join()
    while (lease := store.write(lambda c: leases.take(c, number, "last", NOW + 10_000))) is not None:
        submit(store, lease, rubric, now=NOW + 10_000)

    assert failed == []
    with store.read() as connection:
        found = queues.items(connection, queue_id=number)
        said = labels.current(connection, [one.id or 0 for one in found])
    assert Counter(label.item_id for label in said) == {one.id: overlap for one in found}
    assert len({(label.item_id, label.reviewer) for label in said}) == items * overlap
    assert {(one.done, one.taken, one.state) for one in found} == {(overlap, overlap, "decided")}
