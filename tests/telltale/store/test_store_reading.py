"""What pages and exports read, on either database."""

from __future__ import annotations

from telltale.records import Feedback, Sample
from telltale.store import Store, feedback, samples


def sample(number: int, observed_at: float, model: str = "chat") -> Sample:
    return Sample(
        f"{number:032x}", "1" * 16, observed_at, "shop", model, "chat-1", "client", "chat", "ok", "p", "r", 1.0
    )


def test_samples_are_walked_in_order_page_by_page_within_their_bounds(store: Store) -> None:
    rows = [sample(number, float(number // 3)) for number in range(1, 40)] + [sample(99, 5.0, "other")]
    store.write(lambda connection: samples.save(connection, rows, 0.0))

    with store.read() as connection:
        last = samples.last_id(connection)
        pages = list(samples.walk(connection, model="chat", page=7))
        bounded = samples.walk(connection, model="chat", since=2.0, until=5.0, last_id=last - 30, page=2)
        inside = [row for page in bounded for row in page]
        nothing = list(samples.walk(connection, model="none"))

    assert max(map(len, pages)) == 7
    assert [row.trace_id for page in pages for row in page] == [f"{number:032x}" for number in range(1, 40)]
    assert [row.trace_id for row in inside] == [f"{number:032x}" for number in range(6, 11)]
    assert nothing == []


def test_activity_names_each_model_with_its_last_sample(store: Store) -> None:
    rows = [sample(1, 1.0), sample(2, 9.0), sample(3, 8.0), sample(4, 7.0, "other")]
    store.write(lambda connection: samples.save(connection, rows, 0.0))

    with store.read() as connection:
        assert sorted(samples.activity(connection, 5.0)) == [("chat", 2, 9.0), ("other", 1, 7.0)]
        assert samples.activity(connection, 50.0) == []


def test_recent_feedback_comes_newest_first_and_narrowed(store: Store) -> None:
    for number, (value, comment) in enumerate([(0.0, None), (1.0, "good"), (None, "why"), (0.25, None)]):
        event = Feedback(
            float(number), "t", "1" * 32, None, "rating", "helpful", value, "user", f"k{number}", comment, None
        )
        store.write(lambda connection, event=event: feedback.append(connection, event, "0" * 64))  # type: ignore[misc]

    with store.read() as connection:
        every = feedback.recent(connection, limit=3)
        older = feedback.recent(connection, limit=9, before_id=every[-1].id)
        negative = feedback.recent(connection, limit=9, show="negative")
        commented = feedback.recent(connection, limit=9, show="comments")
        assert feedback.count(connection, 2.0) == 2

    assert [event.received_at for event in (*every, *older)] == [3.0, 2.0, 1.0, 0.0]
    assert [event.received_at for event in negative] == [3.0, 0.0]
    assert [event.received_at for event in commented] == [2.0, 1.0]
