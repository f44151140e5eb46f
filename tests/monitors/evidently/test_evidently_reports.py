"""Reports over a real store: which are made, what is kept of them, and their numbers as metrics after a restart."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from monitors import references as making
from monitors.evidently import schedule
from monitors.evidently.exchange import Asked, LeftOut, Made, Numbers, Value
from monitors.evidently.gauges import EvidentlyGauges
from monitors.evidently.process import NoReport, Stopped
from monitors.evidently.reports import MOST_WAITING, Make, Reports
from monitors.rows import Rows
from telltale.evidence.scores import Details, Persistence
from telltale.records import Judged, Sample, Score, Series
from telltale.settings import Evidently as Settings
from telltale.store import Store, evidence, evidently_reports, open_store, references, samples, scores
from telltale.store.upkeep import Upkeep

HOUR = 3600.0
BEGIN = 20_000 * 86400.0
SERIES = Series("support", "v2", "", "app=shop")
VALUES = (
    Value("ValueDrift", "characters", 0.004, "ks", 0.01, True),
    Value("ValueDrift", "link", 1.0, "z", 0.01, False),
    Value("MeanValue", "characters", 120.5),
    Value("StdValue", "characters", 3.0),
    Value("MissingValueCount.share", "characters", 0.0),
)
PAGE = "<html><body><p>of Evidently</p></body></html>"


def made(_: Asked) -> Made:
    return Made(PAGE, Numbers(VALUES, [LeftOut("text", "too few rows")], (3, 2)))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path / 's.db'}")
    yield opened
    opened.close()


class Service:
    """A series that is judged window after window."""

    def __init__(self, store: Store, make: Make = made, **settings: object) -> None:
        self.store = store
        self.reports = Reports(store, Settings(**settings), make)  # type: ignore[arg-type]  # pydantic checks them
        before = Rows((1, 2), (1.0, 2.0), ("a", "b"), (1.0, 1.0), {"prompt": ("before", ""), "response": ("x", None)})
        frozen = making.freeze(SERIES, "calls", before, 0.0, 9.0, 9.0, monitors=(), least=1)
        self.reference_id = store.write(lambda c: references.freeze(c, frozen)).id

    def judge(self, hour: int, state: Judged = "ok", series: Series = SERIES, *, begins: bool = False) -> None:
        """A window of three calls, one of which has no answer."""
        start = BEGIN + hour * HOUR
        calls = [
            Sample(f"{hour:016x}{place:016x}", "b" * 16, start + place, "t", series.model, series.version, "client",
                   "chat", "ok", f"prompt {hour} {place}", "" if place else f"answer {hour}", 1.0)
            for place in range(3)
        ]  # fmt: skip
        details = Details(persistence=Persistence(1, 1, 1, alert_before=not begins))
        found = [
            Score(monitor, "max_t", direction, series.model, series.version, start, start + HOUR, 3, state, 9.0, 4.0,
                  0.01, segment=series.segment, details=details)
            for monitor in ("tokens", "descriptors")
            for direction in ("prompt", "response")
        ]  # type: ignore[arg-type]  # fmt: skip  # a direction
        self.store.write(lambda c: samples.save(c, calls, now=start))
        ids = self.store.write(lambda c: scores.save(c, found))
        with self.store.read() as connection:
            kept = samples.load(connection, since=start, until=start + HOUR)
        rows = Rows(
            tuple(one.id or 0 for one in kept),
            texts={"prompt": tuple(one.prompt for one in kept), "response": (kept[0].response, "", None)},
        )
        told = [replace(score, id=number) for score, number in zip(found, ids, strict=True)]
        self.reports.judged(rows, told, self.reference_id)

    def finish(self) -> None:
        self.reports.close(finish=True)

    def pages(self) -> list[tuple[str, str]]:
        """Kind and text of every page that is kept, oldest first."""
        with self.store.read() as connection:
            found = [evidence.get(connection, number) for number in range(1, 50)]
        return [(one.kind, one.content.decode()) for one in found if one]

    def pointers(self) -> dict[tuple[float, str, str], int | None]:
        """Which page each score points to, by hour, monitor and direction."""
        with self.store.read() as connection:
            return {
                ((one.window_start - BEGIN) / HOUR, one.monitor, one.direction): one.evidence_id
                for one in scores.load(connection)
            }


def metrics(store: Store, most: int = 100, outcomes: Callable[[], dict[str, int]] = dict) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(EvidentlyGauges(store, most, outcomes))  # type: ignore[arg-type]  # any outcomes
    return registry


LABELS = {"direction": "prompt", "model": "support", "version": "v2", "tenant": "", "segment": "app=shop"}


def test_an_alarm_has_a_report_that_opens_with_our_verdict(store: Store) -> None:
    service = Service(store)
    service.judge(0, "suspect")
    service.judge(1, "alert", begins=True)
    service.judge(2, "alert")
    service.finish()
    assert [kind for kind, _ in service.pages()] == ["evidently", "evidently"]
    for (_, page), direction in zip(service.pages(), ("prompts", "responses"), strict=True):
        assert page.index("Telltale: alert") < page.index("of Evidently")
        assert f"<dd>{direction}</dd>" in page
        assert "text: too few rows" in page
    pointers = service.pointers()
    assert {hour for (hour, _, _), number in pointers.items() if number} == {1}
    assert pointers[1, "tokens", "prompt"] == pointers[1, "descriptors", "prompt"] == 1


def test_it_is_made_of_what_is_in_the_store(store: Store) -> None:
    asked: list[Asked] = []

    def make(one: Asked) -> Made:
        asked.append(one)
        return made(one)

    service = Service(store, make, when="window", presets=("drift",), numbers="wasserstein", flags="jensenshannon")
    service.judge(4)
    service.finish()
    prompts, responses = asked
    assert (prompts.texts.current, prompts.texts.reference) == (
        ["prompt 4 0", "prompt 4 1", "prompt 4 2"],
        ["before", ""],
    )
    # An empty answer is one, an unknown one is none.
    assert (responses.texts.current, responses.texts.reference) == (["answer 4", ""], ["x"])
    assert (prompts.presets, prompts.numbers, prompts.flags) == (("drift",), "wasserstein", "jensenshannon")


@pytest.mark.parametrize(
    ("when", "hours"),
    [("never", []), ("alarm", [5]), ("daily", [0, 5, 24, 48]), ("window", [0, 1, 5, 24, 26, 48])],
)
def test_the_schedule(store: Store, when: schedule.When, hours: list[int]) -> None:
    service = Service(store, when=when)
    for hour in (0, 1, 5, 24, 26, 48):
        service.judge(hour, "alert" if hour == 5 else "ok", begins=hour == 5)
        service.finish()
        service.reports = Reports(store, Settings(when=when), made)
    service.finish()
    assert sorted({int(hour) for (hour, _, _), number in service.pointers().items() if number}) == hours


def test_pages_of_the_schedule_make_room_and_those_of_alarms_stay(store: Store) -> None:
    service = Service(store, when="window", most_kept=2)
    for hour in range(4):
        service.judge(hour, "alert" if hour == 1 else "ok", begins=hour == 1)
        service.finish()
        service.reports = Reports(store, Settings(when="window", most_kept=2), made)
    assert [kind for kind, _ in service.pages()] == ["evidently", "evidently", *["evidently_scheduled"] * 2]
    assert {hour for (hour, _, _), number in service.pointers().items() if number} == {1, 3}


def test_an_alarm_has_a_page_also_where_evidently_fails(store: Store) -> None:
    def fail(_: Asked) -> Made:
        raise NoReport("not made within 300 s")

    service = Service(store, fail, when="window")
    service.judge(0, "alert", begins=True)
    service.judge(1)
    service.finish()
    assert [kind for kind, _ in service.pages()] == ["evidently", "evidently"]
    assert "not made within 300 s. The verdict stands." in service.pages()[0][1]
    assert service.reports.outcomes == {"made": 0, "failed": 4, "left_out": 0}
    assert metrics(store).get_sample_value("telltale_evidently_value", LABELS) is None
    with store.read() as connection:
        assert not evidently_reports.count(connection)


def test_a_reference_without_texts_is_named(store: Store) -> None:
    service = Service(store)
    service.reference_id = 99
    service.judge(0, "alert", begins=True)
    service.finish()
    assert "the reference is not there any more" in service.pages()[0][1]


def test_a_fault_in_one_report_leaves_the_others(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    def fail_once(asked: Asked) -> Made:
        if asked.texts.current[0].startswith("prompt"):
            raise ValueError("quotes a prompt")
        return made(asked)

    service = Service(store, fail_once)
    service.judge(0, "alert", begins=True)
    service.finish()
    assert service.reports.outcomes == {"made": 1, "failed": 1, "left_out": 0}
    assert "ValueError" in caplog.text
    assert "quotes" not in caplog.text


def test_numbers_are_metrics_and_outlive_a_restart(store: Store) -> None:
    service = Service(store)
    service.judge(0, "alert", begins=True)
    service.finish()
    registry = metrics(store, outcomes=lambda: dict(service.reports.outcomes))

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"telltale_evidently_{name}", LABELS | labels)

    assert value("value", metric="ValueDrift", column="characters", method="ks") == 0.004
    assert value("value", metric="MeanValue", column="characters", method="") == 120.5
    assert value("value", metric="StdValue", column="characters", method="") is None
    assert value("detected", column="characters", method="ks") == 1
    assert value("detected", column="link", method="z") == 0
    assert value("window_timestamp_seconds") == BEGIN + HOUR
    assert registry.get_sample_value("telltale_evidently_series_not_shown") == 0
    assert registry.get_sample_value("telltale_evidently_reports_total", {"outcome": "made"}) == 2


def test_so_many_series_are_metrics_and_the_rest_is_counted(store: Store) -> None:
    service = Service(store, when="window")
    for hour, version in enumerate(("v1", "v2", "v3")):
        service.judge(hour, series=SERIES._replace(version=version))
    service.finish()
    registry = metrics(store, most=2)
    shown = {
        sample.labels["version"]
        for family in registry.collect()
        for sample in family.samples
        if sample.name == "telltale_evidently_window_timestamp_seconds"
    }
    assert shown == {"v3"}
    assert registry.get_sample_value("telltale_evidently_series_not_shown") == 4


def test_a_report_on_an_earlier_window_does_not_replace_the_newest(store: Store) -> None:
    service = Service(store, when="window")
    for hour in (5, 2):
        service.judge(hour)
        service.finish()
        service.reports = Reports(store, Settings(when="window"), made)
    assert metrics(store).get_sample_value("telltale_evidently_window_timestamp_seconds", LABELS) == BEGIN + 6 * HOUR


def test_what_is_old_goes_with_its_pages(store: Store) -> None:
    service = Service(store)
    service.judge(0, "alert", begins=True)
    service.finish()
    Upkeep(store, retention=10 * HOUR, max_bytes=0).round(BEGIN + 12 * HOUR)
    assert not service.pages()
    with store.read() as connection:
        assert not evidently_reports.count(connection)


class Held:
    """Makes nothing until it may; keeps whose turn it was."""

    def __init__(self) -> None:
        self.may = threading.Event()
        self.begun = threading.Event()
        self.turns: list[str] = []

    def __call__(self, asked: Asked) -> Made:
        self.begun.set()
        assert self.may.wait(60)
        self.turns.append(asked.texts.current[0])
        return made(asked)


def test_of_a_series_that_waits_the_newest_window_is_enough(store: Store) -> None:
    held = Held()
    service = Service(store, held, when="window")
    service.judge(0)
    assert held.begun.wait(60)
    for hour in (1, 2, 3):
        service.judge(hour)
    held.may.set()
    service.finish()
    assert held.turns == ["prompt 0 0", "answer 3", "prompt 3 0"] or held.turns == [
        *("prompt 0 0", "prompt 3 0", "answer 3")
    ]
    assert service.reports.outcomes == {"made": 3, "failed": 0, "left_out": 5}


def test_alarms_come_first_and_the_queue_has_an_end(store: Store) -> None:
    held = Held()
    service = Service(store, held, when="window")
    service.judge(0)
    assert held.begun.wait(60)
    for number in range(1, MOST_WAITING // 2 + 3):
        service.judge(number, series=SERIES._replace(version=f"v{number}"))
    service.judge(200, "alert", begins=True)
    held.may.set()
    service.finish()
    assert held.turns[1:3] == ["prompt 200 0", "answer 200"]
    assert len(held.turns) == 1 + MOST_WAITING


def test_what_waits_is_dropped_when_the_service_ends(store: Store) -> None:
    stop = threading.Event()
    begun = threading.Event()

    def make(_: Asked) -> Made:
        begun.set()
        assert stop.wait(60)
        raise Stopped("stopped")

    service = Service(store, make)
    service.judge(0, "alert", begins=True)
    assert begun.wait(60)
    stop.set()
    service.reports.close()
    assert not service.pages()
    assert service.reports.outcomes == {"made": 0, "failed": 0, "left_out": 2}
