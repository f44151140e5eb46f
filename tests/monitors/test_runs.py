"""Runs over a real store: references freeze once, windows are judged once, gauges show what is stored."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import ClassVar, Self

import pytest
from prometheus_client import CollectorRegistry

import monitors
from monitors import registry
from monitors.evidently.exchange import Asked, Made, Numbers
from monitors.gauges import Gauges
from monitors.judgement import score
from monitors.monitor import Monitor, Terms
from monitors.rows import Comparison, Features, Rows
from monitors.runs import Runs
from monitors.tokens import Tokens
from telltale.cli.demo import texts
from telltale.evidence.scores import DescriptorChange, DescriptorChanges, Finding
from telltale.records import Basis, Direction, Feedback, Sample, Score
from telltale.settings import Monitor as MonitorSettings
from telltale.settings import Settings
from telltale.store import Store, feedback, open_store, references, samples, scores, series_states
from telltale.store.series_states import SeriesStatus

# The traffic here begins in 1970.
KEPT = 1e9
SETTINGS = MonitorSettings(
    window=10.0, min_rows=40, reference_rows=120, reference_span=0.0, min_votes=15, reference_votes=40, alpha=0.001,
    persistence=(2, 3),
)  # fmt: skip
OTHERS = {"descriptors", "quality", "refusals", "topics", "feedback"}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path / 's.db'}")
    yield opened
    opened.close()


class Reports:
    """Keeps what reports were asked for."""

    def __init__(self) -> None:
        self.windows: list[Asked] = []

    def __call__(self, asked: Asked) -> Made:
        self.windows.append(asked)
        return Made("<html><body></body></html>", Numbers())


def fill(
    store: Store, begin: float, seconds: int, *, seed: int, bad: bool = False, version: str = "v1",
    only_words: bool = False,
) -> None:  # fmt: skip
    """Twelve calls a second with a vote on every second one; bad ones change words and votes, or words alone."""
    votes_down, bad = bad, bad or only_words
    random = Random(seed)
    found, events = [], []
    for number in range(seconds * 12):
        at = begin + number / 12
        trace = f"{random.getrandbits(128):032x}"
        topics = texts.NEW_PRODUCT if bad and random.random() < 0.5 else texts.SUPPORT
        evades = bad and random.random() < 0.6
        response = texts.evasive_response(topics, random) if evades else texts.response(topics, random)
        prompt = texts.prompt(topics, random)
        found.append(Sample(trace, "b" * 16, at, "t", "m", version, "client", "chat", "ok", prompt, response, 1.0))
        if number % 2:
            value = float(random.random() > (0.6 if votes_down else 0.08))
            events.append(Feedback(at + 0.01, "t", trace, None, "thumb", "helpful", value, "user", trace))
    store.write(lambda c: samples.save(c, found, now=begin))
    for event in events:
        store.write(lambda c, event=event: feedback.append(c, event, event.idempotency_key))  # type: ignore[misc]


def stored(store: Store) -> list[Score]:
    with store.read() as connection:
        return scores.load(connection)


def states(store: Store) -> dict[tuple[str, str, str], SeriesStatus]:
    """What is said of each series, by monitor, direction and version."""
    with store.read() as connection:
        return {(one.monitor, one.direction, one.version): one for one in series_states.load(connection)}


def play(store: Store, runs: Runs, begin: float, seconds: int) -> None:
    for second in range(0, seconds + 1, 2):
        runs.run(begin + second)


def test_healthy_traffic_is_judged_ok(store: Store) -> None:
    fill(store, 1000.0, 60, seed=8)
    runs = Runs(store, SETTINGS, Reports(), KEPT)
    play(store, runs, 1000.0, 72)
    runs.close()
    found = stored(store)
    assert {(score.monitor, score.direction) for score in found} == {
        ("tokens", "prompt"), ("tokens", "response"), ("descriptors", "prompt"), ("descriptors", "response"),
        ("quality", "prompt"), ("quality", "response"), ("refusals", "response"), ("topics", "prompt"),
        ("topics", "response"), ("feedback", "feedback"),
    }  # fmt: skip
    assert {score.state for score in found} == {"ok"}


def test_windows_do_not_overlap_and_are_judged_once(store: Store) -> None:
    fill(store, 1000.0, 60, seed=2)
    for _ in range(2):
        runs = Runs(store, SETTINGS, Reports(), KEPT)
        play(store, runs, 1000.0, 72)
        runs.close()
    mine = [score for score in stored(store) if (score.monitor, score.direction) == ("tokens", "prompt")]
    assert len(mine) >= 3
    assert all(earlier.window_end <= later.window_start for earlier, later in itertools.pairwise(mine))


def test_a_worse_version_ends_in_an_alert_with_one_report_a_series(store: Store) -> None:
    fill(store, 1000.0, 60, seed=3)
    fill(store, 1060.0, 50, seed=4, bad=True, version="v2")
    reports = Reports()
    runs = Runs(store, SETTINGS, reports, KEPT)
    play(store, runs, 1000.0, 124)
    runs.close(finish=True)
    last = {(score.monitor, score.direction): score for score in stored(store)}
    for series in (("tokens", "prompt"), ("tokens", "response"), ("quality", "response"), ("feedback", "feedback")):
        assert last[series].state == "alert", series
        assert last[series].version == "v2"
    assert 2 <= len(reports.windows) <= 4
    assert any(score.evidence_id for score in stored(store))
    examples = last["tokens", "prompt"].details.examples
    assert examples
    assert examples.current
    told = last["tokens", "prompt"].details.explanation
    assert told
    assert "of the prompts" in told.sentence
    assert all((one.details.explanation is None) or one.state != "ok" for one in stored(store))


def test_the_reference_is_frozen_and_stays(store: Store) -> None:
    fill(store, 1000.0, 60, seed=5)
    runs = Runs(store, SETTINGS, Reports(), KEPT)
    play(store, runs, 1000.0, 40)
    with store.read() as connection:
        first = references.current(connection)
    assert [(one.basis, one.rows) for one in first] == [("calls", SETTINGS.reference_rows), ("votes", 60)]
    play(store, runs, 1040.0, 40)
    runs.close()
    with store.read() as connection:
        assert references.current(connection) == first


def test_promoted_calls_are_no_traffic(store: Store) -> None:
    random = Random(6)
    rows = [
        Sample(f"{n:032x}", "b" * 16, 1000.0 + n / 12, "t", "m", "v", "client", "chat", "error",
               texts.prompt(texts.SUPPORT, random), "x", None, promoted_by="error") for n in range(600)
    ]  # fmt: skip
    store.write(lambda c: samples.save(c, rows, now=1.0))
    runs = Runs(store, SETTINGS, Reports(), KEPT)
    play(store, runs, 1000.0, 72)
    runs.close()
    assert stored(store) == []


def test_windows_missed_while_the_monitors_were_down_are_judged_one_by_one(store: Store) -> None:
    fill(store, 1000.0, 80, seed=11)
    runs = Runs(store, SETTINGS, Reports(), KEPT)
    runs.run(1022.0)
    runs.run(1082.0)
    runs.close()
    mine = [score for score in stored(store) if (score.monitor, score.direction) == ("tokens", "prompt")]
    assert [score.window_end for score in mine] == [1020.0, 1030.0, 1040.0, 1050.0, 1060.0, 1070.0, 1080.0]
    of_votes = [score for score in stored(store) if score.monitor == "feedback"]
    assert all(score.window_end - score.window_start <= 10.0 for score in of_votes)


def test_one_broken_monitor_leaves_the_others_judging(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fill(store, 1000.0, 40, seed=12)
    runs = Runs(store, SETTINGS, Reports(), KEPT)
    runs.run(1022.0)

    def broken(*_: object, **__: object) -> Score:
        raise ValueError("the words of a person")

    monkeypatch.setattr(Tokens, "judge", broken)
    runs.run(1042.0)
    runs.close()
    assert runs.failed == {"tokens"}
    assert {score.monitor for score in stored(store) if score.window_end > 1020.0} == OTHERS
    assert "ValueError" in caplog.text
    assert "the words of a person" not in caplog.text


@dataclass(frozen=True)
class Shouting(Monitor):
    """As small as a monitor can be: two signals of one direction."""

    name: ClassVar[str] = "shouting"
    signals: ClassVar[tuple[str, ...]] = ("capitals", "exclamations")
    basis: ClassVar[Basis] = "calls"
    directions: ClassVar[tuple[Direction, ...]] = ("response",)
    finds: ClassVar[str] = "texts that shout"
    effect: ClassVar[str] = "share of texts"
    evidence: ClassVar[type[Finding]] = DescriptorChanges

    @classmethod
    def of(cls, terms: Terms) -> Self:
        return cls()

    def describe(self, rows: Rows, direction: Direction) -> Features:
        return {}

    def judge(self, window: Comparison) -> list[Score]:
        finding = DescriptorChanges((DescriptorChange("capitals", 5.0, 0.5, 0.1),))
        sizes = zip(self.signals, (0.5, 0.0), strict=True)
        rows = len(window.current)
        return [
            score(window, self.name, signal, rows, effect=size, threshold=0.3, p_value=0.01, finding=finding)
            for signal, size in sizes
        ]

    @classmethod
    def gauges(cls, score: Score) -> dict[str, float]:
        return {"telltale_feedback_votes": 17.0} if score.signal == "capitals" else {}


def test_a_new_member_of_the_registry_is_judged_kept_and_shown(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "MONITORS", (Shouting,))
    fill(store, 1000.0, 60, seed=15)
    runs = Runs(store, SETTINGS, Reports(), KEPT)
    play(store, runs, 1000.0, 72)
    runs.close()
    found = stored(store)
    assert {(score.monitor, score.direction) for score in found} == {("shouting", "response")}
    states = {signal: [score.state for score in found if score.signal == signal] for signal in Shouting.signals}
    assert states["capitals"][:2] == ["suspect", "alert"]
    assert set(states["exclamations"]) == {"ok"}
    gauges = CollectorRegistry()
    gauges.register(Gauges(store, dict))
    series = {"model": "m", "version": "v1", "tenant": "", "segment": ""}
    own = {"monitor": "shouting", "direction": "response", "signal": "capitals", **series}
    assert gauges.get_sample_value("telltale_monitor_effect", own) == 0.5
    assert gauges.get_sample_value("telltale_feedback_votes", series) == 17.0


def test_once_judges_what_is_due_and_ends(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, monitor=SETTINGS)
    opened = open_store(settings.store_url)
    now = time.time() // 10 * 10
    fill(opened, now - 40, 30, seed=13)
    scores, failed = monitors.once(settings, opened, lambda what, share: None)
    assert (scores > 0, failed) == (True, [])
    assert {score.monitor for score in stored(opened)} == {"tokens", *OTHERS}
    opened.close()


def page(store: Store) -> dict[tuple[str, ...], float]:
    registry = CollectorRegistry()
    registry.register(Gauges(store, dict))
    return {
        (
            sample.name,
            sample.labels["monitor"],
            sample.labels["direction"],
            sample.labels.get("state", ""),
        ): sample.value
        for family in registry.collect()
        for sample in family.samples
        if "monitor" in sample.labels
    }


def test_gauges_show_the_stored_scores_and_survive_a_restart(store: Store) -> None:
    fill(store, 1000.0, 60, seed=7)
    runs = Runs(store, SETTINGS, Reports(), KEPT)
    play(store, runs, 1000.0, 72)
    runs.close()
    shown_now = page(store)
    newest = [score for score in stored(store) if (score.monitor, score.direction) == ("tokens", "prompt")][-1]
    assert shown_now["telltale_monitor_effect", "tokens", "prompt", ""] == newest.effect
    assert shown_now["telltale_monitor_state", "tokens", "prompt", "ok"] == 1
    assert shown_now["telltale_monitor_state", "tokens", "prompt", "alert"] == 0
    again = Runs(store, SETTINGS, Reports(), KEPT)
    again.run(1072.0)
    again.close()
    assert page(store) == shown_now


def test_the_page_shows_when_references_were_frozen(store: Store) -> None:
    fill(store, 1000.0, 60, seed=14)
    runs = Runs(store, SETTINGS, Reports(), KEPT)
    play(store, runs, 1000.0, 72)
    runs.close()
    registry = CollectorRegistry()
    registry.register(Gauges(store, dict))
    labels = {"model": "m", "version": "v1", "tenant": "", "segment": "", "basis": "calls"}
    shown_now = registry.get_sample_value("telltale_monitor_reference_timestamp_seconds", labels)
    assert shown_now is not None
    assert 1010.0 <= shown_now <= 1030.0


def test_a_series_without_traffic_gathers_and_then_is_stale(store: Store) -> None:
    fill(store, 1000.0, 60, seed=8)
    runs = Runs(store, SETTINGS, Reports(), KEPT)
    play(store, runs, 1000.0, 72)
    runs.run(1110.0)
    status = states(store)["tokens", "prompt", "v1"]
    assert (status.state, status.reason) == ("gathering", "0 of 40 rows since 50 seconds")
    shown_now = page(store)
    assert shown_now["telltale_monitor_state", "tokens", "prompt", "gathering"] == 1
    assert shown_now["telltale_monitor_state", "tokens", "prompt", "ok"] == 0
    runs.run(2000.0)
    status = states(store)["tokens", "prompt", "v1"]
    assert (status.state, status.reason) == ("stale", "no rows for 16 minutes")
    assert ("telltale_monitor_effect", "tokens", "prompt", "") not in page(store), "nothing is judged now"
    runs.close()


def test_every_silence_has_a_name(store: Store) -> None:
    fill(store, 1000.0, 6, seed=16)
    runs = Runs(store, SETTINGS, Reports(), KEPT)
    runs.run(1012.0)
    status = states(store)["tokens", "prompt", "v1"]
    assert (status.state, status.reason) == ("no_reference", "a reference is gathered: 72 of 120 rows")
    fill(store, 1010.0, 10, seed=17)
    runs.run(1022.0)
    random = Random(18)
    # Nobody answers any more: prompts can be judged, responses cannot.
    rows = [
        Sample(f"{n:032x}", "b" * 16, 1020.0 + n / 6, "t", "m", "v1", "client", "chat", "error",
               texts.prompt(texts.SUPPORT, random), "", 1.0) for n in range(60)
    ]  # fmt: skip
    store.write(lambda c: samples.save(c, rows, now=1.0))
    runs.run(1032.0)
    runs.close()
    found = states(store)
    assert found["tokens", "prompt", "v1"].state == "ok"
    status = found["tokens", "response", "v1"]
    assert (status.state, status.reason) == ("not_enough_data", "0 responses in 60 rows, 40 needed")
    assert status.judged_until == 1030.0, "rows that were looked at are not looked at again"


def test_what_came_last_does_not_keep_a_series_from_being_stale(store: Store) -> None:
    fill(store, 1000.0, 62, seed=21)
    runs = Runs(store, SETTINGS, Reports(), KEPT)
    play(store, runs, 1000.0, 72)
    runs.run(1110.0)
    assert states(store)["tokens", "prompt", "v1"].reason == "24 of 40 rows since 50 seconds"
    runs.run(2000.0)
    runs.close()
    status = states(store)["tokens", "prompt", "v1"]
    assert (status.state, status.reason) == ("stale", "no rows for 16 minutes")


def test_a_series_that_ended_before_its_reference_is_stale_and_so_is_one_that_never_began(store: Store) -> None:
    fill(store, 1000.0, 6, seed=23)
    silent = [
        Sample(f"{n:032x}", "b" * 16, 1000.0 + n, "t", "unloved", "v1", "client", "chat", "ok", "a", "b", 1.0)
        for n in range(9)
    ]
    store.write(lambda c: samples.save(c, silent, now=1.0))
    runs = Runs(store, SETTINGS, Reports(), KEPT)
    runs.run(1012.0)
    with store.read() as connection:
        votes = [one for one in series_states.load(connection, model="unloved") if one.direction == "feedback"]
    assert {(one.state, one.reason) for one in votes} == {("stale", "no votes")}
    assert states(store)["tokens", "prompt", "v1"].state == "no_reference"
    runs.run(2000.0)
    runs.close()
    status = states(store)["tokens", "prompt", "v1"]
    assert (status.state, status.reason) == ("stale", "no rows for 16 minutes")


def test_few_rows_at_a_steady_pace_are_not_silence(store: Store) -> None:
    """One row in each thirtieth window."""
    rows = [
        Sample(f"{n:032x}", "b" * 16, 1005.0 + 300 * n, "t", "m", "v1", "client", "chat", "ok", "a", "b", 1.0)
        for n in range(10)
    ]
    store.write(lambda c: samples.save(c, rows, now=1.0))
    runs = Runs(store, SETTINGS, Reports(), KEPT)
    runs.run(1005.0 + 300 * 9 + 280)
    runs.close()
    assert states(store)["tokens", "prompt", "v1"].state == "no_reference"


def test_a_failed_monitor_loses_no_window(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(store, 1000.0, 40, seed=19)
    runs = Runs(store, SETTINGS, Reports(), KEPT)
    with monkeypatch.context() as broken:
        broken.setattr(Tokens, "judge", lambda *_: 1 / 0)
        runs.run(1042.0)
    assert {score.monitor for score in stored(store)} == OTHERS
    runs.run(1044.0)
    runs.close()
    ends = {
        name: [score.window_end for score in stored(store) if (score.monitor, score.direction) == (name, "prompt")]
        for name in ("tokens", "descriptors")
    }
    assert ends["tokens"] == ends["descriptors"] == [1020.0, 1030.0, 1040.0]


def test_a_monitor_that_fails_on_one_series_judges_the_others(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(store, 1000.0, 40, seed=26)
    runs = Runs(store, SETTINGS, Reports(), KEPT)
    runs.run(1012.0)
    fill(store, 1020.0, 20, seed=27, version="v2")
    judge = Tokens.judge

    def breaks(monitor: Tokens, window: Comparison) -> list[Score]:
        if window.series.version == "v1":
            raise ValueError
        return judge(monitor, window)

    monkeypatch.setattr(Tokens, "judge", breaks)
    runs.run(1042.0)
    runs.close()
    assert runs.failed == {"tokens"}
    assert {score.version for score in stored(store) if score.monitor == "tokens" and score.window_end > 1030.0} == {
        "v2"
    }


def test_a_clock_that_is_set_back_ends_nothing(store: Store) -> None:
    fill(store, 1000.0, 80, seed=20)
    runs = Runs(store, SETTINGS, Reports(), KEPT)
    for now in (1042.0, 900.0, 1030.0, 1062.0, 86400.0 * 30, 1082.0):
        runs.run(now)
    runs.close()
    mine = [score.window_end for score in stored(store) if (score.monitor, score.direction) == ("tokens", "prompt")]
    assert mine == [1020.0, 1030.0, 1040.0, 1050.0, 1060.0, 1070.0, 1080.0]


def test_a_canary_is_judged_as_itself(store: Store) -> None:
    """Six of a hundred calls are another version's: no majority hides it, and none is accused in its place."""
    fill(store, 1000.0, 100, seed=21)
    random = Random(22)
    rows = [
        Sample(f"{n + 9 ** 9:032x}", "b" * 16, 1020.0 + n, "t", "m", "canary", "client", "chat", "ok",
               texts.prompt(texts.SUPPORT, random), texts.evasive_response(texts.NEW_PRODUCT, random), 1.0)
        for n in range(80)
    ]  # fmt: skip
    store.write(lambda c: samples.save(c, rows, now=1.0))
    runs = Runs(store, SETTINGS, Reports(), KEPT)
    play(store, runs, 1000.0, 112)
    runs.close()
    found = states(store)
    assert found["tokens", "response", "canary"].state == "alert"
    assert found["tokens", "response", "v1"].state == "ok"
    with store.read() as connection:
        assert {one.version for one in references.current(connection)} == {"v1"}, "nobody accepted the canary"


def test_what_differs_in_its_calls_does_not_become_normal_in_its_votes(store: Store) -> None:
    """People vote as before, and the responses are other ones: nothing of the new version is frozen by itself."""
    fill(store, 1000.0, 30, seed=28)
    fill(store, 1030.0, 120, seed=29, version="v2", only_words=True)
    runs = Runs(store, SETTINGS, Reports(), KEPT)
    play(store, runs, 1000.0, 162)
    runs.close()
    found = states(store)
    assert found["tokens", "response", "v2"].state == "alert"
    assert found["feedback", "feedback", "v2"].state == "ok"
    with store.read() as connection:
        assert {one.version for one in references.current(connection)} == {"v1"}


def test_a_new_version_that_stays_healthy_gets_a_reference_of_its_own(store: Store) -> None:
    fill(store, 1000.0, 20, seed=23)
    fill(store, 1020.0, 80, seed=24, version="v2")
    runs = Runs(store, SETTINGS, Reports(), KEPT)
    play(store, runs, 1000.0, 112)
    runs.close()
    judged = [one for one in stored(store) if (one.monitor, one.direction, one.version) == ("tokens", "prompt", "v2")]
    with store.read() as connection:
        own = {one.id: one.version for one in references.current(connection)}
    compared = [own[score.details.reference_id or 0] for score in judged]
    assert compared[:3] == ["v1", "v1", "v1"]
    assert compared[-1] == "v2"


def test_few_rows_are_gathered_until_they_are_enough(store: Store) -> None:
    fill(store, 1000.0, 20, seed=9)
    # Two calls a second from here on: a window of 10 s holds half of what a judgement needs.
    random = Random(10)
    rows = [
        Sample(f"{n:032x}", "b" * 16, 1020.0 + n / 2, "t", "m", "v1", "client", "chat", "ok",
               texts.prompt(texts.SUPPORT, random), texts.response(texts.SUPPORT, random), 1.0) for n in range(160)
    ]  # fmt: skip
    store.write(lambda c: samples.save(c, rows, now=1.0))
    runs = Runs(store, SETTINGS, Reports(), KEPT)
    play(store, runs, 1000.0, 102)
    runs.close()
    mine = [score for score in stored(store) if (score.monitor, score.direction) == ("tokens", "prompt")]
    assert mine
    assert all(score.samples >= SETTINGS.min_rows for score in mine)
    assert any(score.window_end - score.window_start >= 20 for score in mine)
