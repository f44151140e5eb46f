"""Data quality: what is wrong with texts and calls is found and named, and what only looks so is not."""

from __future__ import annotations

import json
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitors.defects import has_open_fence, is_broken_json, is_json, is_noise, loops
from monitors.endings import breaks_off
from monitors.judgement import is_hit
from monitors.monitor import Terms
from monitors.quality import Quality
from monitors.rows import Comparison, Rows, side
from telltale.evidence.scores import ShareChanges
from telltale.records import Direction, Score, Series

TERMS = Terms(50, 0.005)
WHOLE = {
    "latin": [
        "Done.",
        "Yes",
        "42",
        "The answer is 42",
        "La réponse est oui !",
        "**Done**",
        "„Gut gemacht“",
        "It costs 12 €",
    ],
    "korean": ["네, 알겠습니다", "이거 알려줘", "환불은 3일 안에 처리됩니다", "완료되었음", "무엇을 도와드릴까요?"],
    "japanese": [
        "はい、わかりました",
        "東京です",
        "返金は三日以内に処理されます",
        "すみません、わかりません",
        "「はい」",
    ],
    "chinese": ["好的\uff0c我明白了", "退款将在三天内处理", "退款将在三天内处理。"],
    "thai": ["ขอบคุณที่ติดต่อเรา เราจะคืนเงินภายในสามวัน"],
    "others": ["Спасибо, всё готово!", "هل تريد المساعدة؟", "यह हो गया है।"],
    "emoji": ["Great job 🎉", "See you soon 👋🏽", "Thanks ❤️", "名前は田中です😊"],
    "lists": [
        "- apples\n- pears\n- plums and cherries",
        "1. Open settings\n2. Choose the plan\n3. Press save and close it",
    ],
    "lines": ["Roses are red\nViolets are blue\nAnd so are you my dear old friend", "name,age\nanna,3\nbob,four"],
    "code": ["```python\nprint(1)\n```", "def f(x):\n    return x", "Run it.\n\n    make all the things now please"],
    "tables": ["| a | b |\n|---|---|\n| 1 | 2 |", "Done.\n---"],
    "json": ['{"a": 1}', "[1, 2]"],
    "letters": ["I will look into it.\n\nKind regards,\nAnna Smith", "Here you go: https://example.org/a-b/c"],
}
CUT = [
    "Here is what the answer to question 3 sa",
    "The refund was sent. It will arrive in your account within three",
    "First, open the settings,",
    "환불은 처리되었습니다. 고객님의 계좌로 입금되는 데에는 보통",
    "返金は処理されました。お客様の口座に入金されるまでに",
    "退款已处理。款项将在三个工作日",
    "1. Open the settings.\n2. Choose the plan.\n3. Press the save but",
    "Я отправил возврат. Он поступит на ваш счёт в течение",
]


def rows(texts: list[str], direction: Direction = "response", **columns: object) -> Rows:
    count = len(texts)
    whole = Rows(
        ids=tuple(range(count)),
        groups=tuple(map(str, range(count))),
        weights=(1.0,) * count,
        texts={direction: tuple(texts)},
    )
    return replace(whole, **columns)  # type: ignore[arg-type]  # columns of rows


def judge(current: Rows, reference: Rows, direction: Direction = "response") -> Score:
    monitor = Quality(TERMS)
    sides = [side(one, monitor.describe(one, direction)) for one in (current, reference)]
    (score,) = monitor.judge(Comparison(Series("m", "v"), "calls", direction, 0.0, 10.0, *sides))
    return score


def found(score: Score) -> dict[str, tuple[float, float]]:
    """The shares that are shown, now and before."""
    assert isinstance(score.details.finding, ShareChanges)
    return {one.name: (one.current_share, one.reference_share) for one in score.details.finding.shares}


@pytest.mark.parametrize("form", WHOLE)
def test_what_is_whole_does_not_break_off(form: str) -> None:
    assert [text for text in WHOLE[form] if breaks_off(text)] == []


def test_what_was_cut_breaks_off() -> None:
    assert [text for text in CUT if not breaks_off(text)] == []


@given(st.sampled_from([text for form in WHOLE for text in WHOLE[form]]), st.sampled_from(["", " ", "\n\n", "\u200b"]))
def test_blanks_at_the_end_change_nothing(text: str, blanks: str) -> None:
    assert not breaks_off(text + blanks)


def test_json_is_what_is_meant_as_json() -> None:
    whole = ['{"a": [1, 2]}', "[]", '["a"]', "[1, 2]", '```json\n{"a": 1}\n```', '{"a": 1}\n{"b": 2}', "{}"]
    broken = ['{"a": 1', "{'a': 1}", '{"a": 1} Hope that helps!', '```json\n{"a": \n```', "[" * 100_000 + '"', "{a: 1}"]
    others = ["[1] Smith, 2001", "[a link](http://x.org)", "{name}, hello", "A list: [1, 2", "```python\n{}\n```", ""]
    assert [text for text in whole if is_broken_json(text) or not is_json(text)] == []
    assert [text for text in broken if not is_broken_json(text)] == []
    assert [text for text in others if is_json(text)] == []


@given(
    st.recursive(st.integers() | st.text(max_size=9), lambda more: st.lists(more) | st.dictionaries(st.text(), more))
)
def test_no_json_is_broken_and_none_is_whole_without_its_end(value: object) -> None:
    text = json.dumps([value], ensure_ascii=False)
    assert not is_broken_json(text)
    assert is_broken_json(text[:-1]) == is_json(text[:-1])


def test_code_blocks_end() -> None:
    whole = [
        "no code",
        "```\na\n```",
        "~~~\n```\n~~~",
        "````\n```\n````",
        "use ```x``` here",
        "- a\n   ```\n   b\n   ```",
    ]
    opened = ["```python\nprint(1)", "a\n```\nb\n```\nc\n```\nd", "~~~\na\n```", "````\na\n```"]
    assert [text for text in whole if has_open_fence(text)] == []
    assert [text for text in opened if not has_open_fence(text)] == []


def test_loops_are_seen_and_tables_rules_and_lists_are_none() -> None:
    phrases = ["I am sorry. ", "the the ", "죄송합니다. ", "返金は処理されました。", "na"]
    looping = [
        *("Well: " + phrase * 60 for phrase in phrases),
        "a" * 100_000,
        ("line one\nline two\n" * 30) + "The end.",
    ]
    table = "\n".join(f"| item {n} | {n * 7} | {n * n} |" for n in range(80))
    others = [
        table,
        "Title\n" + "=" * 80,
        "0.3333333333333333",
        "Hahahaha!",
        "🎉" * 30,
        "x",
        "",
        "A rule.\n" + "-" * 120,
    ]
    others += ["\n".join(f"{n}. Step {n}: open page {n * 3} and press button {n * 5}." for n in range(60))]
    assert [text[:20] for text in looping if not loops(text)] == []
    assert [text[:20] for text in others if loops(text)] == []


def test_noise_is_no_text_in_any_language() -> None:
    noisy = ["a\x00b", "caf\ufffd", "\udce9", "\x1b[31mred", "donâ€\u2122t", "Ã©tÃ©", "QUJD" * 60]
    texts = [text for form in WHOLE for text in WHOLE[form]] + [
        "a\tb\r\nc",
        "https://x.org/" + "a/b?c=d&" * 60,
        "مرحبا بك",
    ]
    assert [text for text in noisy if not is_noise(text)] == []
    assert [text for text in texts if is_noise(text)] == []


def answers(count: int, random: Random, cut: float = 0.0) -> list[str]:
    """In every form there is, and some of them cut."""
    every = [text for form in WHOLE for text in WHOLE[form]]
    return [random.choice(CUT) if random.random() < cut else random.choice(every) for _ in range(count)]


@pytest.mark.parametrize("seed", range(3))
def test_a_tenth_of_answers_that_break_off_is_found_and_shown(seed: int) -> None:
    random = Random(seed)
    current = answers(400, random, cut=0.1)
    score = judge(rows(current), rows(answers(2000, random)))
    assert is_hit(score)
    now, before = found(score)["breaks off"]
    assert (now > 0.05, before) == (True, 0.0)
    assert score.details.examples
    assert {current[place] for place in score.details.examples.current} <= set(CUT)


def test_other_languages_and_forms_are_not_taken_for_answers_that_break_off() -> None:
    random = Random(5)
    score = judge(rows([random.choice(WHOLE["korean"] + WHOLE["lists"]) for _ in range(300)]), rows(["Done."] * 900))
    assert found(score).get("breaks off", (0.0, 0.0)) == (0.0, 0.0)


def test_finish_reasons_latency_and_tokens_are_told_apart() -> None:
    random = Random(6)

    def side_of(count: int, slow: float, length: float) -> Rows:
        return rows(
            ["Done."] * count,
            numbers={
                "output_tokens": tuple([random.randrange(50, 90) for _ in range(count)]),
                "duration_s": tuple([random.gammavariate(2, 1) + 9 * (random.random() < slow) for _ in range(count)]),
                "ttft_s": (None,) * count,
            },
            categories={
                "finish_reason": tuple(["length" if random.random() < length else "STOP" for _ in range(count)])
            },
        )

    reference = side_of(1500, 0.0, 0.02)
    same, slow, cut = (judge(side_of(400, *changed), reference) for changed in ((0.0, 0.02), (0.1, 0.02), (0.0, 0.12)))
    assert (is_hit(same), is_hit(slow), is_hit(cut)) == (False, True, True)
    assert next(iter(found(slow))).startswith("duration above")
    assert set(list(found(cut))[:2]) == {"finish reason length", "finish reason stop"}
    assert isinstance(same.details.finding, ShareChanges)
    assert same.details.finding.unknown == ("time to first token",)
    assert "time to first token" in (same.details.finding.table("response") or pytest.fail("no table")).caption


def test_a_number_that_begins_to_be_missing_is_a_change_of_its_own_and_no_zero() -> None:
    random = Random(8)

    def side_of(count: int, missing: float) -> Rows:
        seconds = [None if random.random() < missing else random.gammavariate(2, 1) for _ in range(count)]
        return rows(["Done."] * count, numbers={"duration_s": tuple(seconds)})

    score = judge(side_of(400, 0.3), side_of(1500, 0.0))
    assert is_hit(score)
    shown = found(score)
    assert next(iter(shown)) == "duration not known"
    now, before = next(share for name, share in shown.items() if name.startswith("duration above"))
    assert abs(now - before) < 0.1


def test_what_a_reference_was_not_asked_for_is_not_compared() -> None:
    """A reference that an earlier version froze has no columns of numbers: that they are known now is no change."""
    timed = rows(["Done."] * 300, numbers={"duration_s": (1.0,) * 300})
    assert not is_hit(judge(timed, rows(["Done."] * 900)))


@pytest.mark.parametrize("seed", range(4))
def test_what_is_marked_is_what_is_said(seed: int) -> None:
    """Of both sides the marked rows are the share that the evidence names."""
    random, monitor = Random(seed), Quality(TERMS)

    def side_of(count: int, cut: float, slow: float, late: float) -> Rows:
        return rows(
            answers(count, random, cut=cut),
            numbers={
                "duration_s": tuple([random.gammavariate(2, 1) + 9 * (random.random() < slow) for _ in range(count)])
            },
            categories={"finish_reason": tuple(["length" if random.random() < late else None for _ in range(count)])},
        )

    hurt = [0.0, 0.0, 0.0]
    if seed < 3:
        hurt[seed] = 0.3
    now, before = (side(one, monitor.describe(one, "response")) for one in (side_of(300, *hurt), side_of(900, 0, 0, 0)))
    comparison = Comparison(Series("m", "v"), "calls", "response", 0.0, 1.0, now, before)
    (score,) = monitor.judge(comparison)
    mark = monitor.mark(comparison, score)
    assert mark
    assert isinstance(score.details.finding, ShareChanges)
    first = score.details.finding.shares[0]
    assert mark.values(now).mean() == pytest.approx(first.current_share, abs=1e-4)
    assert mark.values(before).mean() == pytest.approx(first.reference_share, abs=1e-4)
    assert is_hit(score) == (seed < 3)


def test_empty_answers_are_found() -> None:
    score = judge(rows(["Done."] * 380 + [""] * 20), rows(["Done."] * 1500))
    assert is_hit(score)
    assert found(score)["empty"] == (0.05, 0.0)


@given(st.text(max_size=300))
def test_every_text_is_judged(text: str) -> None:
    features = Quality(TERMS).describe(rows([text, text[::-1]]), "response")
    assert all(len(column) == 2 for column in features.values())
