"""`telltale monitor`: series with their states, references, and asking for a new one."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import monitors
from telltale.cli import main
from telltale.evidence.explanation import Explanation, Measure, Phrase, Segment, Segments, Theme
from telltale.evidence.scores import Details
from telltale.records import Sample, Score, Series
from telltale.store import Store, audit, open_store, references, samples, scores, series_states
from telltale.store.references import Reference
from telltale.store.series_states import SeriesStatus

HOUR = 3600.0
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """One model with a healthy version and one that differs, which has a series of a tenant too."""
    opened = open_store(f"sqlite:///{tmp_path / 'telltale.db'}")
    now = time.time()
    checks = {"repeated": [{"example": "secret words", "rows": 100, "share": 0.05, "left_out": True}]}
    span = now - 90 * HOUR, now - 40 * HOUR
    old = Reference(
        "chat", "v1", "", "", "calls", *span, "telltale", "the first healthy span", span[1], rows=1900, checks=checks
    )
    opened.write(lambda c: references.freeze(c, old))
    changed = Score("tokens", "max_t", "prompt", "chat", "v2", now - 2 * HOUR, now - HOUR, 500, "alert", 0.5, 0.125,
                    since=now - 5 * HOUR)  # fmt: skip
    [number] = opened.write(lambda c: scores.save(c, [changed]))
    found = [
        SeriesStatus("tokens", "max_t", "prompt", "chat", "v1", "", "", "ok", "", now, now, now - HOUR, 500),
        SeriesStatus("tokens", "max_t", "prompt", "chat", "v2", "", "", "alert", "", now, now, now - HOUR, 500, number),
        SeriesStatus("feedback", "rate", "feedback", "chat", "v2", "가게", "app=a,language=ko", "gathering",
                     "3 of 50 votes since 2 days", now, now),
    ]  # fmt: skip
    opened.write(lambda c: series_states.save(c, found))
    yield opened
    opened.close()


@pytest.fixture
def run(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """`run("states", "chat")` returns exit code, output and errors."""
    config = tmp_path / "telltale.toml"
    config.write_text(f'data_dir = "{tmp_path}"\n')

    def command(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(["--config", str(config), "monitor", *arguments])
        return code, *capsys.readouterr()

    return command


PIN = ("pin", "chat", "--version", "v2", "--why", "a new template, says mina@example.com")


def test_without_an_action_the_monitors_run(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitors, "main", lambda settings: 7 if settings.monitor.window == HOUR else 1)
    assert run()[0] == 7


def test_states_are_listed_with_their_reasons(run: Run) -> None:
    code, out, _ = run("states", "chat")
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "chat --version v1"
    assert lines[2] == "chat --version v2"
    assert "tokens max_t of the prompt" in lines[3]
    assert "alert since " in lines[3]
    assert "effect 0.5 (from 0.125)" in lines[3]
    assert lines[4] == "chat --version v2 --tenant 가게 --segment app=a,language=ko"
    assert lines[5].endswith(": 3 of 50 votes since 2 days")


def test_a_score_is_explained_in_words_figures_and_typical_texts(run: Run, store: Store) -> None:
    number = re.search(r"score (\d+)", run("states", "chat")[1])
    assert number
    code, out, _ = run("explain", number[1])
    assert code == 0
    assert out.startswith("Not known what it is: no explanation is stored with this score.")
    assert "effect      0.5, threshold 0.125, p not known" in out

    asked = Sample(
        "a" * 32, "b" * 16, time.time(), "t", "chat", "v2", "client", "chat", "ok", "항공권 \x1b[2J", "r", 1.0
    )
    store.write(lambda c: samples.save(c, [asked], now=time.time()))
    explained = Explanation(
        "About 11 % of the prompts contain 항공권.",
        Measure("contain 항공권", "percent", 0.11, 0.08, 0.14, 0.006, 500, 410, 2000),
        None,
        Segments("even", (Segment("app", "shop", 0.4, 0.3, 0.3, 0.0, 0.1, None, 90, 0.6, False),), 1, ("app",)),
        (Phrase("항공권 환불", 0.4, 0.0),),
        (Theme("항공권", "new", 0.08, 0.0, ids=(1,)), Theme("card", "gone", 0.0, 0.05, texts=("a lost card",))),
    )
    with store.read() as connection:
        score = scores.load(connection)[0]
    other = replace(score, id=None, window_start=score.window_end, details=Details(explanation=explained))
    [number_] = store.write(lambda c: scores.save(c, [other]))
    out = run("explain", str(number_))[1]
    assert out.startswith("About 11 % of the prompts contain 항공권.\n")
    figures = ("11.0% (95 % interval 8.0% to 14.0%)", "n = 500 of 410", "began       not known")
    for told in (*figures, "app=shop: 40% of the", "항공권 환불: 40.0%", "trace " + "a" * 32, "reference: a lost card"):
        assert told in out, told
    assert "\x1b" not in out
    assert json.loads(run("explain", str(number_), "--json")[1])["explanation"]["measure"]["groups"] == 410


def test_a_score_that_is_not_there_is_refused_with_what_lists_them(run: Run) -> None:
    code, _, err = run("explain", "999999")
    assert code == 2
    assert "there is no score 999999 (any more): `telltale monitor states` lists" in err


def test_a_reference_is_asked_for_and_listed(run: Run, store: Store) -> None:
    code, out, _ = run(*PIN, "--last", "36h", "--basis", "both")
    assert code == 0
    assert "the monitors make it at their next run" in out
    with store.read() as connection:
        calls, votes = references.asked(connection)
        [entry] = audit.entries(connection)
    assert (calls.series, calls.basis, votes.basis) == (Series("chat", "v2"), "calls", "votes")
    assert calls.ends_at - calls.begins_at == 36 * HOUR
    assert abs(calls.ends_at - time.time()) < 600
    assert calls.made_by.endswith("(command)")
    assert calls.why == "a new template, says [EMAIL]"
    assert (entry.action, entry.subject, entry.actor) == ("reference_asked", "chat", calls.made_by)
    _, out, _ = run("references", "chat")
    assert out.splitlines()[0] == "R-3  asked for votes  chat --version v2"
    assert "R-1  current   calls  chat --version v1" in out
    assert "1,900 rows; by telltale: the first healthy span" in out
    assert "100 nearly identical prompts, a burst: left out" in out
    assert "secret words" not in out, "prompts are private"
    assert run("references")[1] == out, "without a model: those that count"


def test_a_period_may_be_named_in_any_zone(run: Run, store: Store) -> None:
    day = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 48 * HOUR))
    assert run(*PIN, "--from", day, "--to", f"{day}T18:30+09:00")[0] == 0
    with store.read() as connection:
        [asked] = references.asked(connection)
    assert asked.begins_at % 86400 == 0
    assert asked.ends_at - asked.begins_at == 9.5 * HOUR


def test_a_refused_request_says_why(run: Run, store: Store) -> None:
    run(*PIN, "--last", "1h")
    with store.read() as connection:
        [asked] = references.asked(connection)
    store.write(lambda c: references.refuse(c, asked, "3 rows in that time, 200 needed", time.time()))
    out = run("references", "chat")[1]
    assert "R-2  refused   calls  chat --version v2" in out
    assert "refused: 3 rows in that time, 200 needed" in out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("pin", "chta", "--version", "v2", "--why", "w", "--last", "7d"), "no model 'chta'; they know 'chat'"),
        (("pin", "chat", "--version", "3", "--why", "w", "--last", "7d"), "no version '3'; there are 'v1', 'v2'"),
        ((*PIN, "--tenant", "b", "--last", "7d"), "no tenant 'b'; there are '', '가게'"),
        ((*PIN, "--tenant", "가게", "--last", "7d"), "no series without a segment; there are 'app=a,language=ko'"),
        ((*PIN, "--last", "60d"), "calls are kept since"),
        ((*PIN, "--last", "a week"), "--last 'a week': write a duration such as"),
        ((*PIN, "--from", "2026-13-01"), "'2026-13-01' is no time: write one such as"),
        ((*PIN, "--from", "2026-01-02", "--to", "2026-01-01"), "it must begin before it ends"),
        ((*PIN, "--from", "2026-11-01", "--to", "3000-01-01"), "to 3000-01-01T00:00:00Z: that is in the future"),
        (PIN, "either --last 7d, or --from and --to"),
        ((*PIN, "--last", "1d", "--from", "2026-11-01"), "either --last 7d, or --from and --to"),
        ((*PIN, "--last", "1d", "--to", "2026-11-01"), "--last ends now"),
        (("pin", "chat", "--version", "v2", "--why", " ", "--last", "7d"), "say why"),
        (("states", "chta"), "no model 'chta'; they know 'chat'"),
        (("references", "chta"), "no model 'chta'; they know 'chat'"),
    ],
)
def test_what_cannot_be_is_told_with_its_mend(
    run: Run, store: Store, arguments: tuple[str, ...], expected: str
) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert expected in err
    assert err.startswith(f"telltale monitor {arguments[0]}: ")
    with store.read() as connection:
        assert references.asked(connection) == []
        assert audit.entries(connection) == []


def test_an_empty_store_says_that_nothing_is_known_yet(run: Run, store: Store) -> None:
    store.write(lambda c: series_states.prune(c, time.time() + 1))
    assert "no series yet" in run("states")[1]
