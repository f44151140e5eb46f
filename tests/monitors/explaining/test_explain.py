"""A planted drift, in English and in Korean, is told by the rows that show it; what is quiet is not explained."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from random import Random

import pytest

from monitors import judging, references
from monitors.descriptors import Descriptors
from monitors.explaining.explain import Window, explain
from monitors.monitor import Monitor, Terms
from monitors.refusal_rate import RefusalRate
from monitors.rows import Rows
from monitors.tokens import Tokens
from monitors.topics import Topics
from telltale.cli.demo import texts
from telltale.evidence.explanation import Explanation
from telltale.records import Direction, Score, Series
from telltale.store.references import Reference

AT, HOUR = 1_796_050_800.0, 3600.0
BEGAN = AT - 900
SERIES = Series("support", "v2")
MONITORS: tuple[Monitor, ...] = tuple(kind.of(Terms(100, 0.01)) for kind in (Tokens, Descriptors, RefusalRate, Topics))
KOREAN = (
    "배송이 언제 오는지 {}",
    "비밀번호를 재설정하고 {}",
    "주문한 신발의 색상을 바꿀 수 {}",
    "포인트 적립을 {}",
    "옷이 작아서 반품을 {}",
)
FLIGHTS = ("항공권 환불을 {}", "내일 항공권 예약을 변경할 수 {}", "예약한 항공권을 {}", "항공권이 취소되지 않아서 {}")
ENDINGS = ("알려 주세요", "하고 싶어요", "있나요", "부탁드립니다", "확인해 주세요", "도와주세요")
REFUSES = "I'm sorry, but I can't help with that."


def rows(seed: int, count: int, start: float, korean: bool = False, new: float = 0.0, app: bool = True) -> Rows:
    """Conversations of up to three calls in an hour; `new` of those of one app are on a new topic since BEGAN."""
    random = Random(seed)
    told: list[tuple[str, str, str, str]] = []
    while len(told) < count:
        at, where = start + HOUR * len(told) / count, random.choice(("checkout", "search", "help"))
        is_new = at >= BEGAN and where == "checkout" and random.random() < new
        group = f"{seed}-{len(told)}"
        for _ in range(random.randint(1, 3)):
            if korean:
                prompt = random.choice(FLIGHTS if is_new else KOREAN).format(random.choice(ENDINGS))
            else:
                prompt = texts.prompt([random.choice(texts.NEW_PRODUCT if is_new else texts.SUPPORT)], random)
            refuses = random.random() < (0.6 if is_new else 0.005)
            told.append((prompt, REFUSES if refuses else texts.response(texts.SUPPORT, random), group, where))
    prompts, responses, groups, apps = zip(*told[:count], strict=True)
    return Rows(
        ids=tuple(range(1000 * seed, 1000 * seed + count)),
        times=tuple(start + HOUR * place / count for place in range(count)),
        groups=groups,
        weights=(1.0,) * count,
        texts={"prompt": prompts, "response": responses},
        categories={"app": apps if app else (None,) * count, "language": ("ko" if korean else "en",) * count},
        attributes=({},) * count,
    )


@cache
def reference(korean: bool) -> Reference:
    begin = AT - 90 * HOUR
    return references.freeze(
        SERIES, "calls", rows(1, 800, begin, korean), begin, begin + HOUR, AT, monitors=MONITORS, least=100, id=7
    )


@cache
def explained(korean: bool, app: bool = True) -> dict[tuple[str, str, Direction], tuple[Score, Explanation]]:
    """Every score of a drifted window that is a hit, with its explanation."""
    before, now = rows(2, 400, AT - HOUR, korean, 0.5, app), rows(3, 400, AT, korean, 0.5, app)
    window = Window(now, before, reference(korean), "calls")
    found = {}
    for monitor in MONITORS:
        judged = judging.judge(monitor, 100, SERIES, "calls", AT, AT + HOUR, now, reference(korean), "none", [], (3, 4))
        for score in judged.scores:
            if score.state != "ok":
                found[score.monitor, score.signal, score.direction] = score, explain(monitor, score, window)
    return found


@pytest.mark.parametrize("korean", [False, True])
def test_a_new_topic_is_told_by_its_words_its_share_its_beginning_and_its_app(korean: bool) -> None:
    _, told = explained(korean)["tokens", "max_t", "prompt"]
    measure, onset, segments = told.measure, told.onset, told.segments
    assert measure
    assert onset
    assert segments
    words = {"항공권"} if korean else {"grid", "energy", "subsidy", "certificate", "smart"}
    # A Korean word is told with one of its endings.
    assert any(word in measure.name for word in words)
    assert measure.lower < measure.current < measure.upper
    assert measure.lower > measure.reference
    assert onset.earliest <= BEGAN + 60
    assert onset.latest >= BEGAN - 60
    first = segments.largest[0]
    assert (first.attribute, first.value, first.stands_out) == ("app", "checkout", True)
    assert first.share_of_change > 0.9
    assert told.sentence.startswith("Since 30 Nov 14:")
    assert measure.name in told.sentence
    assert "from app checkout" in told.sentence


def test_its_clusters_are_new_and_typical_texts_are_rows_of_the_window_that_show_it() -> None:
    _, told = explained(True)["topics", "novelty", "prompt"]
    new = [theme for theme in told.themes if theme.turn == "new"]
    assert new
    now = rows(3, 400, AT, True, 0.5)
    asked = dict(zip(now.ids, now.texts["prompt"], strict=True))
    typical = [asked[number] for theme in new for number in theme.ids]
    assert typical
    assert all("항공권" in str(text) for text in typical)
    assert any("항공권" in one.phrase for one in told.phrases)


def test_refusals_are_counted_and_placed() -> None:
    _, told = explained(False)["refusals", "share", "response"]
    assert told.measure
    assert (told.measure.name, told.measure.unit) == ("refuse to answer", "percent")
    assert "of the responses" in told.sentence


def test_without_attributes_nobody_is_told_where() -> None:
    _, told = explained(False, app=False)["tokens", "max_t", "prompt"]
    assert told.segments
    assert told.segments.state == "unknown"
    assert "Where it comes from is not known" in told.sentence


def test_a_later_window_of_the_same_change_keeps_when_it_began() -> None:
    score, told = explained(False)["tokens", "max_t", "prompt"]
    first = replace(score, since=AT, details=replace(score.details, explanation=told))
    later = replace(score, window_start=AT + HOUR, window_end=AT + 2 * HOUR, since=AT)
    now = rows(4, 400, AT + HOUR, new=0.5)
    window = Window(now, Rows(), reference(False), "calls")
    assert told.onset
    assert explain(MONITORS[0], later, window, [first]).onset == told.onset
    assert explain(MONITORS[0], later, window).onset is None


def test_a_monitor_that_marks_no_rows_is_told_by_its_table() -> None:
    class Silent(Tokens):
        def mark(self, *_: object) -> None:
            return None

    score, _ = explained(False)["tokens", "max_t", "prompt"]
    now = rows(3, 400, AT, new=0.5)
    told = explain(Silent.of(Terms(100, 0.01)), score, Window(now, Rows(), reference(False), "calls"))
    assert told.measure is None
    assert "share of prompts that contain the word: " in told.sentence


def test_words_of_one_person_are_in_no_explanation() -> None:
    now = rows(3, 400, AT, new=0.5)
    secret = ("my name is hongkildong of seocho",) * 30
    own = replace(
        now,
        texts={**now.texts, "prompt": (*now.texts["prompt"][:370], *secret)},
        groups=(*now.groups[:370], *(("one person",) * 30)),
    )
    window = Window(own, Rows(), reference(False), "calls")
    for monitor in MONITORS:
        judged = judging.judge(monitor, 100, SERIES, "calls", AT, AT + HOUR, own, reference(False), "none", [], (3, 4))
        for score in judged.scores:
            told = explain(monitor, score, window)
            assert "hongkildong" not in told.sentence
            assert not [one for one in told.phrases if "hongkildong" in one.phrase]
            assert not [one for one in told.themes if "hongkildong" in one.name]


@pytest.mark.parametrize("texts_", ["", "\x00\u202e\U0001f600", "가" * 3000, "0 0 0"])
def test_texts_that_say_nothing_are_explained_as_far_as_they_go(texts_: str) -> None:
    now = rows(3, 400, AT)
    odd = replace(now, texts={"prompt": (texts_,) * 400, "response": (texts_,) * 400})
    window = Window(odd, rows(2, 400, AT - HOUR), reference(False), "calls")
    for monitor in MONITORS:
        judged = judging.judge(monitor, 100, SERIES, "calls", AT, AT + HOUR, odd, reference(False), "none", [], (3, 4))
        for score in judged.scores:
            assert explain(monitor, score, window).sentence
