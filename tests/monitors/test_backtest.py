"""A backtest says of a past time what the monitors said of it then, and stores nothing."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from monitors.runs import Runs
from telltale.cli import main
from telltale.cli.demo import texts
from telltale.records import Feedback, Sample, Score
from telltale.settings import Monitor as MonitorSettings
from telltale.store import Store, feedback, open_store, references, samples, scores, series_states

WINDOW = 60.0
SETTINGS = MonitorSettings(
    window=WINDOW, interval=10.0, min_rows=40, reference_rows=120, reference_span=0.0, min_votes=15, reference_votes=40,
    persistence=(2, 3),
)  # fmt: skip
CONFIG = """
data_dir = "{folder}"
[monitor]
window = 60
interval = 10
min_rows = 40
reference_rows = 120
reference_span = 0
min_votes = 15
reference_votes = 40
persistence = [2, 3]
"""


def fill(store: Store, begin: float, windows: int, version: str, *, new: bool = False) -> None:
    """Sixty calls a window with a vote on every second one."""
    random = Random(f"{version} {windows}")
    found, events = [], []
    for number in range(windows * 60):
        at, trace = begin + number * WINDOW / 60, f"{random.getrandbits(128):032x}"
        topics = texts.NEW_PRODUCT if new and random.random() < 0.5 else texts.SUPPORT
        said = texts.prompt(topics, random), texts.response(topics, random)
        found.append(Sample(trace, "b" * 16, at, "t", "m", version, "client", "chat", "ok", *said, 1.0))
        if number % 2:
            value = float(random.random() > 0.08)
            events.append(Feedback(at + 0.01, "t", trace, None, "thumb", "helpful", value, "user", trace))
    store.write(lambda c: samples.save(c, found, now=begin))
    store.write(lambda c: [feedback.append(c, event, event.idempotency_key) for event in events])


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Store, float]]:
    """A store that was judged live: three windows of a reference, four unchanged ones, four of a worse version."""
    folder = tmp_path_factory.mktemp("past")
    store = open_store(f"sqlite:///{folder / 'telltale.db'}")
    (folder / "telltale.toml").write_text(CONFIG.format(folder=folder))
    begin = (time.time() - 3600) // WINDOW * WINDOW
    fill(store, begin, 7, "v1")
    fill(store, begin + 7 * WINDOW, 4, "v2", new=True)
    runs = Runs(store, SETTINGS, lambda _: None)
    for window in range(2, 13):
        runs.run(begin + window * WINDOW + 15)
    runs.close()
    yield folder, store, begin
    store.close()


def stored(store: Store) -> list[Score]:
    with store.read() as connection:
        return scores.load(connection)


def written(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def command(past: tuple[Path, Store, float], capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    capsys.readouterr()
    code = main(["--config", str(past[0] / "telltale.toml"), "monitor", *arguments])
    return code, "".join(capsys.readouterr())


def counted(document: dict[str, Any]) -> Counter[tuple[str, ...]]:
    """Windows, hits and windows in each state, by series and monitor."""
    found: Counter[tuple[str, ...]] = Counter()
    for one in document["series"]:
        for tally in one["monitors"]:
            key = one["series"]["version"], tally["monitor"], tally["direction"], tally["signal"]
            for name in ("windows", "rows", "hits", "suspect_windows", "alert_windows"):
                found[*key, name] += tally[name]
    return found


def expected(judged: list[Score]) -> Counter[tuple[str, ...]]:
    found: Counter[tuple[str, ...]] = Counter()
    for score in judged:
        key = score.version, score.monitor, score.direction, score.signal
        found[*key, "windows"] += 1
        found[*key, "rows"] += score.samples
        found[*key, "hits"] += (score.effect or 0) > (score.threshold or 0)
        found[*key, "suspect_windows"] += score.state == "suspect"
        found[*key, "alert_windows"] += score.state == "alert"
    return found


# The whole time, and one that begins in the middle of it: what came before still counts for persistence.
@pytest.mark.parametrize("first", [0, 9])
def test_a_backtest_says_what_was_said_live(
    past: tuple[Path, Store, float], capsys: pytest.CaptureFixture[str], first: int
) -> None:
    _, store, begin = past
    live = [score for score in stored(store) if score.window_start >= begin + first * WINDOW]
    before = len(stored(store))
    code, out = command(past, capsys, "backtest", "--from", written(begin + first * WINDOW), "--json")
    assert code == 0
    document = json.loads(out)
    assert counted(document) == expected(live)
    alerts = {
        (tally["monitor"], tally["direction"], one["window_end"], one["effect"], one["since"])
        for series in document["series"]
        for tally in series["monitors"]
        for one in tally["alerts_listed"]
    }
    assert alerts == {
        (score.monitor, score.direction, score.window_end, score.effect, score.since)
        for score in live
        if score.state == "alert" and score.details.persistence and not score.details.persistence.alert_before
    }
    if not first:
        assert {alert[:2] for alert in alerts} >= {("tokens", "prompt"), ("tokens", "response")}
    assert len(stored(store)) == before


def test_with_a_reference_of_a_named_time_the_table_tells_alerts_and_silence(
    past: tuple[Path, Store, float], capsys: pytest.CaptureFixture[str]
) -> None:
    _, store, begin = past
    with store.read() as connection:
        known = references.history(connection, "m"), series_states.load(connection)
    since, until = written(begin + 4 * WINDOW), written(begin + 11 * WINDOW)
    span = ("--reference-from", written(begin), "--reference-to", written(begin + 4 * WINDOW))
    code, out = command(past, capsys, "backtest", "--from", since, "--to", until, "--model", "m", *span)
    assert code == 0
    lines = out.splitlines()
    assert lines[0].endswith(f"compared with {written(begin)} to {written(begin + 4 * WINDOW)}")
    v1, v2 = (lines.index(f"m {version} (calls)") for version in ("v1", "v2"))
    assert not any("  alert " in line for line in lines[v1:v2])
    told = [line for line in lines[v2:] if line.startswith("  alert ") and "tokens max_t of the prompt" in line]
    assert told
    assert "share of prompts that contain the word: " in lines[lines.index(told[0]) + 1].lower()
    assert any("a reference of its own: 0 rows in that time, 40 needed" in line for line in lines[v2:])
    with store.read() as connection:
        assert (references.history(connection, "m"), series_states.load(connection)) == known


def test_what_is_part_of_the_reference_is_not_judged(
    past: tuple[Path, Store, float], capsys: pytest.CaptureFixture[str]
) -> None:
    begin = past[2]
    code, out = command(past, capsys, "backtest", "--from", written(begin), "--to", written(begin + 2 * WINDOW))
    assert code == 0
    assert "not judged: tokens: it is part of the reference" in out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--from", "yesterday"), "'yesterday' is no time"),
        (("--from", "2030-01-01"), "it must begin before it ends"),
        (("--from", "1999-01-01"), "calls are kept since"),
        (("--from", written(time.time() - 60), "--reference-to", "2026-01-01"), "say --reference-from"),
    ],
    ids=["no time", "future", "deleted", "half a reference"],
)
def test_a_time_that_cannot_be_judged_is_refused(
    past: tuple[Path, Store, float], capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], told: str
) -> None:
    code, out = command(past, capsys, "backtest", *arguments)
    assert code == 2
    assert told in out


def test_a_model_without_calls_is_told(past: tuple[Path, Store, float], capsys: pytest.CaptureFixture[str]) -> None:
    code, out = command(past, capsys, "backtest", "--from", written(past[2]), "--model", "other")
    assert code == 0
    assert "nothing to judge" in out


def test_once_prints_what_is_said_of_each_series(
    past: tuple[Path, Store, float], capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a terminal there is no bar."""
    code, out = command(past, capsys, "--once")
    assert code == 0
    lines = out.splitlines()
    assert "m --version v2" in lines
    # An hour after the last call.
    assert any(
        "tokens max_t of the prompt" in line and " stale since " in line and ": no rows" in line for line in lines
    )
    assert lines[-1].endswith(" new scores")
    assert "\r" not in out


def test_once_goes_with_no_action(past: tuple[Path, Store, float], capsys: pytest.CaptureFixture[str]) -> None:
    code, out = command(past, capsys, "--once", "states")
    assert code == 2
    assert "--once" in out
