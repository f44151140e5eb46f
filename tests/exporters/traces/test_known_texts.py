"""Texts that come again are looked up: with the same result, the same counts, and within bounds."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.traces.keep.known_texts import KnownTexts
from telltale.redaction import Counts, Redactor, redact


class Counting(Redactor):
    """How many texts were looked at."""

    looked = 0

    def redact(self, *texts: str) -> tuple[list[str], Counts]:
        self.looked += len(texts)
        return super().redact(*texts)


REDACTOR = Redactor()
TEXTS = st.sampled_from(
    [
        "hello",
        "mail mina@example.com",
        "a@b.example and c@d.example",
        '{"card": 4111111111111111}',
        "\ud800",
        "x\0y",
        "",
    ]
) | st.text(max_size=20)


def one_by_one(texts: Iterable[str]) -> tuple[list[str], Counts]:
    made, counts = list[str](), Counts()
    for text in texts:
        redacted, found = redact(text)
        made.append(redacted)
        for kind, number in found.items():
            counts[kind] = counts.get(kind, 0) + number
    return made, counts


@settings(deadline=None)
@given(st.lists(st.lists(TEXTS, max_size=6), max_size=6), st.sampled_from([100, 2000, 1 << 20]))
def test_the_same_as_without_it(requests: list[list[str]], most: int) -> None:
    known = KnownTexts(REDACTOR, most)
    for texts in requests:
        counts = Counts()
        assert (known.redact(texts, counts), counts) == one_by_one(texts)


def test_a_text_that_comes_again_is_not_looked_at_again() -> None:
    counting = Counting()
    known = KnownTexts(counting)
    history = ["You are terse.", "Who is mina@example.com?", "A colleague."]
    for number in range(1, 4):
        known.redact(history[:number], {})
    assert counting.looked == 3
    counts = Counts()
    known.redact(history, counts)
    assert (counting.looked, counts) == (3, {"email": 1})


def test_what_nobody_asks_for_goes() -> None:
    counting = Counting()
    known = KnownTexts(counting, 10_000)
    for number in range(1000):
        known.redact(["often asked for", f"once {number} " + "x" * 100], {})
    assert counting.looked == 1001
    known.redact(["once 0 " + "x" * 100], {})
    assert counting.looked == 1002
