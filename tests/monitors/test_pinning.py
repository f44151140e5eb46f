"""A person asks for a reference; the next run makes it, and windows are compared with it from then on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from support.reports import no_report

from monitors import references as making
from monitors.runs import Runs
from telltale import pinning
from telltale.cli.demo import texts
from telltale.records import Basis, Feedback, Sample, Score, Series
from telltale.settings import Monitor as Settings
from telltale.settings import Split
from telltale.store import Store, feedback, open_store, references, samples, scores, series_states
from telltale.store.references import Reference

# The traffic here begins in 1970.
KEPT = 1e9
SETTINGS = Settings(
    window=10.0, min_rows=40, reference_rows=120, reference_span=0.0, min_votes=15, reference_votes=40, alpha=0.001,
    persistence=(2, 3),
)  # fmt: skip
V1 = Series("m", "v1")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path / 's.db'}")
    yield opened
    opened.close()


def fill(
    store: Store, begin: float, seconds: int, *, seed: int, new: bool = False, app: str = "shop", prompt: str = ""
) -> None:
    """Twelve calls a second, a vote on every second one; `new`: of another product, and less liked."""
    random = Random(seed)
    found, events = [], []
    topics = texts.NEW_PRODUCT if new else texts.SUPPORT
    for number in range(seconds * 12):
        at, trace = begin + number / 12, f"{random.getrandbits(128):032x}"
        asked = prompt or texts.prompt(topics, random)
        said = texts.response(topics, random)
        found.append(
            Sample(trace, "b" * 16, at, "t", "m", "v1", "client", "chat", "ok", asked, said, 1.0, app=app)
        )  # fmt: skip
        value = float(random.random() > (0.4 if new else 0.08))
        if number % 2:
            events.append(Feedback(at + 0.01, "t", trace, None, "thumb", "helpful", value, "user", trace))

    store.write(lambda c: samples.save(c, found, now=begin))
    store.write(lambda c: [feedback.append(c, event, event.idempotency_key) for event in events])


def runs_of(store: Store, settings: Settings = SETTINGS) -> Runs:
    return Runs(store, settings, no_report, KEPT)


def play(runs: Runs, begin: float, end: float) -> None:
    for second in range(int(begin), int(end) + 1, 2):
        runs.run(float(second))


def ask(
    store: Store, begins: float, ends: float, now: float, series: Series = V1, bases: tuple[Basis, ...] = ("calls",)
) -> list[Reference]:
    request = pinning.Request(series, bases, begins, ends, "a new product, on purpose")
    return store.write(lambda c: pinning.ask(c, request, actor="mina", now=now, retention=KEPT, rules={}))


def history(store: Store) -> dict[int, Reference]:
    with store.read() as connection:
        return {one.id or 0: one for one in references.history(connection, "m")}


def judged(store: Store, monitor: str = "tokens", direction: str = "prompt") -> list[Score]:
    with store.read() as connection:
        found = scores.load(connection)
    return [one for one in found if (one.monitor, one.direction, one.segment) == (monitor, direction, "")]


def test_what_a_person_names_is_made_and_windows_are_compared_with_it(store: Store) -> None:
    fill(store, 1000.0, 40, seed=1)
    fill(store, 1040.0, 100, seed=2, new=True)
    runs = runs_of(store)
    play(runs, 1000, 1092)
    assert judged(store)[-1].state == "alert"
    first = {one.basis: one for one in history(store).values()}
    asked = {one.basis: one for one in ask(store, 1050.0, 1090.0, 1092.0, bases=("calls", "votes"))}
    runs.run(1094.0)
    made = history(store)
    for basis in ("calls", "votes"):
        new, old = made[asked[basis].id or 0], made[first[basis].id or 0]
        assert (new.is_current, new.made_by, new.why) == (True, "mina", "a new product, on purpose")
        assert (new.begins_at, new.ends_at, new.frozen_at) == (1050.0, 1090.0, 1094.0)
        assert new.rows >= 120
        assert not old.is_current, "it is kept, and no longer compared with"
        assert old.rows >= 60
    play(runs, 1096, 1152)
    runs.close()
    for monitor, direction, basis in (("tokens", "prompt", "calls"), ("feedback", "feedback", "votes")):
        later = [one for one in judged(store, monitor, direction) if one.window_end > 1090.0]
        assert len(later) >= 3
        assert {one.details.reference_id for one in later} == {asked[basis].id}
        assert later[-1].state == "ok", (monitor, "what a person accepted is normal")
    with store.read() as connection:
        compared = {one.reference_id for one in series_states.load(connection, model="m")}
    assert compared == {one.id for one in asked.values()}


def test_too_few_rows_are_refused_with_the_reason(store: Store) -> None:
    fill(store, 1000.0, 40, seed=3)
    runs = runs_of(store)
    play(runs, 1000, 1042)
    before = {one.id for one in history(store).values() if one.is_current}
    asked = ask(store, 1030.0, 1032.0, 1042.0, bases=("calls", "votes"))
    runs.run(1044.0)
    runs.close()
    found = history(store)
    assert [found[one.id or 0].checks["refused"] for one in asked] == [
        "24 rows in that time, 40 needed", "12 votes in that time, 15 needed",
    ]  # fmt: skip
    assert {one.id for one in found.values() if one.is_current} == before, "what there was still counts"
    with store.read() as connection:
        assert references.asked(connection) == []


def test_a_period_of_nothing_but_one_prompt_is_refused(store: Store) -> None:
    fill(store, 1000.0, 40, seed=4)
    fill(store, 1100.0, 1, seed=5)
    fill(store, 1110.0, 10, seed=6, prompt="ping, are you still there my friend")
    fill(store, 1130.0, 1, seed=7)
    runs = runs_of(store)
    play(runs, 1000, 1042)
    runs.run(1142.0)
    [asked] = ask(store, 1100.0, 1140.0, 1142.0)
    runs.run(1144.0)
    runs.close()
    refused = str(history(store)[asked.id or 0].checks["refused"])
    assert "are left without bursts of one prompt, 40 needed" in refused


def test_a_series_of_a_segment_gets_a_reference_of_its_own_rows(store: Store) -> None:
    settings = SETTINGS.model_copy(update={"series": (Split(by=("app",)),)})
    fill(store, 1000.0, 40, seed=8)
    fill(store, 1000.0, 40, seed=9, new=True, app="a,b=c")
    runs = runs_of(store, settings)
    play(runs, 1000, 1042)
    segment = "app=a%2Cb%3Dc"
    [asked] = ask(store, 1000.0, 1020.0, 1042.0, V1._replace(segment=segment))
    # Another process, which has not seen any row of it lately.
    later = runs_of(store, settings)
    later.run(1e6)
    later.close()
    runs.close()
    with store.read() as connection:
        made = references.load(connection, asked.id or 0)
    assert (made.is_current, made.segment) == (True, segment)
    assert made.rows == 120
    prompts = making.rows(made).texts["prompt"]
    with store.read() as connection:
        own = {one.prompt for one in samples.load(connection) if one.app == "a,b=c"}
    assert set(prompts) <= own


def test_a_request_that_breaks_blinds_nobody_and_is_not_tried_for_ever(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, 1000.0, 60, seed=10)
    runs = runs_of(store)
    play(runs, 1000, 1042)
    [asked] = ask(store, 1020.0, 1040.0, 1042.0)
    with monkeypatch.context() as broken:
        broken.setattr(making, "freeze", lambda *_, **__: 1 / 0)
        runs.run(1052.0)
    runs.close()
    assert "ZeroDivisionError" in str(history(store)[asked.id or 0].checks["refused"])
    assert judged(store)[-1].window_end == 1050.0
    with store.read() as connection:
        assert references.asked(connection) == []


def test_a_version_that_differs_is_accepted_by_a_person(store: Store) -> None:
    """Nothing else makes its own reference while it differs from the version before it."""
    fill(store, 1000.0, 40, seed=11)
    store.write(lambda c: samples.save(c, _calls_of_v2(), now=1040.0))
    runs = runs_of(store)
    play(runs, 1000, 1092)
    v2 = Series("m", "v2")
    assert [one for one in history(store).values() if one.series == v2] == []
    [asked] = ask(store, 1040.0, 1090.0, 1092.0, v2)
    play(runs, 1094, 1142)
    runs.close()
    assert history(store)[asked.id or 0].is_current
    last = [one for one in judged(store) if one.version == "v2"][-1]
    assert (last.state, last.details.reference_id) == ("ok", asked.id)
    first = next(one for one in judged(store) if one.version == "v2" and one.details.reference_id == asked.id)
    assert first.state == "ok", "what differed from the old reference says nothing of the new one"


def _calls_of_v2() -> list[Sample]:
    random = Random(12)
    return [
        Sample(f"{n + 9 ** 9:032x}", "b" * 16, 1040.0 + n / 12, "t", "m", "v2", "client", "chat", "ok",
               texts.prompt(texts.NEW_PRODUCT, random), texts.response(texts.NEW_PRODUCT, random), 1.0)
        for n in range(1200)
    ]  # fmt: skip
