"""What texts are compared by, in languages that write words in different ways; and what is shown of it."""

from __future__ import annotations

import unicodedata
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitors import words
from monitors.judgement import is_hit
from monitors.monitor import Terms
from monitors.rows import Comparison, Rows, Side, side
from monitors.tokens import Tokens
from telltale.evidence.scores import WordChanges
from telltale.records import Score, Series

KOREAN = (
    ("환불", "배송", "주문", "결제", "계정", "쿠폰", "상품", "교환", "회원", "주소", "카드", "전화", "알림", "색상"),
    ("을", "가", "은", "에", "에서", "으로", "도", "만", "의", "까지", "부터", "이나"),
    (" 확인하고 싶어요", " 알려 주세요", " 어떻게 하나요", " 바꿀 수 있나요", " 안 됩니다", " 늦어지고 있어요"),
    ("어제 ", "오늘 ", "지난주에 ", "방금 ", "아직 ", "자꾸 ", "갑자기 "),
)
JAPANESE = (
    ("返金", "配送", "注文", "口座", "商品", "交換", "会員", "住所", "電話", "通知", "画面", "寸法", "在庫", "領収書"),
    ("を", "が", "は", "に", "で", "も", "の", "から", "まで", "について"),
    ("確認したいです", "教えてください", "どうすればいいですか", "変更できますか", "できません", "遅れています"),
    ("昨日", "今日", "先週", "さっき", "まだ", "何度も", "急に"),
)
ENGLISH = (
    ("refund", "delivery", "order", "payment", "account", "coupon", "product", "exchange", "member", "address"),
    (" is", " was", " will", " and", " or", " for"),
    (" late", " wrong", " open", " gone", " new", " mine"),
    ("yesterday ", "today ", "last week ", "just now ", "still ", "again "),
)
Parts = tuple[tuple[str, ...], ...]


def of_texts(parts: Parts, word: str, share: float, count: int, seed: int) -> Side:
    """So many texts; that share of them is about the word."""
    random = Random(seed)
    nouns, particles, ends, begins = parts

    def text() -> str:
        chosen = word if random.random() < share else random.choice(nouns)
        return random.choice(begins) + chosen + random.choice(particles) + random.choice(ends)

    rows = Rows(
        ids=tuple(range(count)),
        groups=tuple(map(str, range(count))),
        weights=(1.0,) * count,
        texts={"prompt": tuple([text() for _ in range(count)])},
    )
    return side(rows, Tokens(Terms(50, 0.01)).describe(rows, "prompt"))


def judge(parts: Parts, word: str, share: float, seed: int) -> Score:
    current, reference = of_texts(parts, word, share, 500, seed), of_texts(parts, word, 0.0, 1000, seed + 1)
    compared = Comparison(Series("m", "v"), "calls", "prompt", 0.0, 10.0, current, reference)
    (score,) = Tokens(Terms(50, 0.01)).judge(compared)
    return score


@pytest.mark.parametrize(
    ("parts", "word"), [(KOREAN, "보조금"), (JAPANESE, "補助金"), (ENGLISH, "subsidy")], ids=["ko", "ja", "en"]
)
def test_a_new_word_is_found_and_named_as_people_read_it(parts: Parts, word: str) -> None:
    """Whatever particles it comes with."""
    for seed in (10, 20, 30):
        score = judge(parts, word, 0.06, seed)
        assert is_hit(score)
        assert isinstance(score.details.finding, WordChanges)
        assert word in score.details.finding.words[0].word


def test_texts_as_before_are_silent() -> None:
    assert sum(is_hit(judge(KOREAN, "보조금", 0.0, 1000 + 2 * seed)) for seed in range(20)) <= 2


def test_words_and_pieces() -> None:
    assert words.of("Don't PAY 42 €!") == {"don", "t", "pay", "42"}
    assert words.of("보조금을 AI로 준") == {"보조", "조금", "금을", " 보조금을", "ai", "로", " 로", "준", " 준"}
    assert words.of("補助金です。") == {"補助", "助金", "金で", "です"}
    assert words.of("หมาก") == {"หมา", "มาก"}
    # Vowel signs belong to the word that they stand in.
    assert words.of("हिन्दी में") == {"हिन्दी", "में"}


@given(st.text())
def test_how_a_text_is_composed_changes_nothing(text: str) -> None:
    """Some systems send Hangul as single letters, and accents apart."""
    plain = unicodedata.normalize("NFC", text)
    assert words.of(unicodedata.normalize("NFD", plain)) == words.of(plain)


@given(st.text(alphabet="가나다라마바 한국어", min_size=1))
def test_pieces_are_of_their_text_and_runs_are_shown(text: str) -> None:
    found = words.of(text)
    runs = sorted(word for word in found if word.startswith(words.RUN))
    for word in found - set(runs):
        assert word in text
        shown = words.readable(word, runs, [1.0] * len(runs))
        assert word in shown
        assert shown in text
