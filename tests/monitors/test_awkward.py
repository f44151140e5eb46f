"""Awkward input, of every monitor there is: a result or a reason, never a fault, and no `ok` for what differs."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitors import judging, references, registry, terms, unchanged
from monitors.explaining import sentence
from monitors.rows import Rows
from telltale.cli.demo import texts
from telltale.evidence.scores import dump_details
from telltale.records import Basis, Score, Series
from telltale.settings import Monitor as Settings
from telltale.store.references import Reference

# So many false alarms need few permutations.
SETTINGS = Settings(min_rows=20, min_votes=20, alpha=0.04, false_alarms=0.4)
MONITORS = [kind.of(own) for kind, own in terms.of(registry.MONITORS, SETTINGS).items()]
LEAST = {kind.name: own.least for kind, own in terms.of(registry.MONITORS, SETTINGS).items()}
WINDOW, REFERENCE = 20, 40
BASES: tuple[Basis, ...] = ("calls", "votes")

Text = Callable[[Random], str | None]
TEXTS: Mapping[str, Text] = {
    "empty": lambda random: "",
    "spaces": lambda random: " \t\n" * random.randrange(1, 9),
    "all alike": lambda random: "the same question",
    "100 kB": lambda random: " ".join(random.choice(("word", "another", "more")) for _ in range(20_000)),
    "100 kB without a space": lambda random: random.choice("abc") * 100_000,
    "emoji": lambda random: "".join(random.choices("😀🔥👍🏽👩‍👩‍👧🇰🇷", k=9)),
    "NUL": lambda random: "\0".join(random.choices(("a", "b", "\0"), k=8)),
    "lone surrogates": lambda random: "".join(random.choices(("\ud800", "\udfff", "x "), k=12)),
    "right to left": lambda random: " ".join(random.choices(("שלם", "مرحبا", "\u202eעלם", "بالعالم"), k=6)),
    "Korean": lambda random: " ".join(random.choices(("환불을", "요청합니다", "배송이", "늦어요"), k=5)),
    "mixed scripts": lambda random: " ".join(random.choices(("hello", "привет", "你好", "สวัสดี", "नमस्ते"), k=5)),
    "binary noise": lambda random: random.randbytes(200).decode("latin-1"),
    "control characters": lambda random: "\x1b[31m" + "".join(map(chr, random.choices(range(32), k=20))),
    "unknown": lambda random: None,
    "numbers": lambda random: str(random.getrandbits(256)),
}
# What a monitor that has enough rows cannot take for the usual questions.
DIFFERENT = set(TEXTS) - {"unknown"}


def rows(count: int, text: Text | None = None, **changed: Any) -> Rows:
    random = Random(f"{count}")

    def usual(random: Random) -> str:
        return texts.prompt(texts.SUPPORT, random)

    make = text or usual
    said = tuple(make(random) for _ in range(count))
    whole = Rows(
        ids=tuple(range(1, count + 1)),
        times=tuple(1000.0 + place for place in range(count)),
        groups=tuple(f"g{place}" for place in range(count)),
        weights=(1.0,) * count,
        texts={"prompt": said, "response": said},
        numbers={
            name: tuple(random.random() * 100 for _ in range(count))
            for name in ("input_tokens", "output_tokens", "duration_s", "ttft_s")
        },
        categories={
            name: tuple(random.choice(("a", "b")) for _ in range(count))
            for name in ("status", "finish_reason", "error_type", "language", "tenant", "app")
        },
        attributes=({},) * count,
        votes=tuple(int(random.random() < 0.2) for _ in range(count)),
    )
    return replace(whole, **changed)


def column(count: int, values: Callable[[int], Any]) -> tuple[Any, ...]:
    return tuple(map(values, range(count)))


def odd(name: str, count: int) -> Rows:
    """Rows whose columns are awkward."""
    plain = rows(count)
    numbers: Mapping[str, Callable[[int], Any]] = {
        "not a number": lambda place: math.nan,
        "infinite": lambda place: (math.inf, -math.inf, 1.0)[place % 3],
        "no numbers": lambda place: None,
        "constant": lambda place: 7.0,
        "huge": lambda place: 1.7e308 * (-1) ** place,
        "negative": lambda place: -float(place),
    }
    if name in numbers:
        return replace(plain, numbers={key: column(count, numbers[name]) for key in plain.numbers})
    changes: Mapping[str, Callable[[], Mapping[str, Any]]] = {
        "one group": lambda: {"groups": ("g",) * count},
        "two groups": lambda: {"groups": column(count, lambda place: f"g{place % 2}")},
        "extreme weights": lambda: {"weights": column(count, lambda place: (1e-12, 1.0, 1e12)[place % 3])},
        "one heavy row": lambda: {"weights": (1e15, *(1.0,) * (count - 1))[:count]},
        "one class": lambda: {"votes": (1,) * count},
        "nobody voted": lambda: {"votes": (None,) * count},
        "no categories": lambda: {"categories": dict.fromkeys(plain.categories, (None,) * count)},
        "odd categories": lambda: {
            "categories": {key: column(count, lambda place: "\ud800\0" * place) for key in plain.categories}
        },
        "no columns": lambda: {"numbers": {}, "categories": {}, "attributes": ()},
        "same time": lambda: {"times": (0.0,) * count},
    }
    return replace(plain, **changes[name]())


ODD = (
    *("not a number", "infinite", "no numbers", "constant", "huge", "negative", "one group", "two groups"),
    *("extreme weights", "one heavy row", "one class", "nobody voted", "no categories", "odd categories"),
    *("no columns", "same time"),
)


def frozen(found: Rows, basis: Basis) -> Reference:
    made = references.freeze(
        Series("m", "v1"), basis, found, 0.0, 1000.0, 1000.0, monitors=MONITORS, least=SETTINGS.min_rows
    )
    unchanged.judge(made, MONITORS[:2], WINDOW, 0)
    # As the store gives it back.
    return replace(made, id=1)


@cache
def usual(basis: Basis) -> Reference:
    return frozen(rows(REFERENCE), basis)


def judged(window: Rows, reference: Callable[[Basis], Reference]) -> list[Score]:
    """The scores of all monitors. Each direction has some, or a reason; all can be stored, and say something."""
    found = []
    for basis in BASES:
        compared = reference(basis)
        for monitor in (one for one in MONITORS if one.basis == basis):
            made = judging.judge(
                monitor, LEAST[monitor.name], Series("m", "v1"), basis, 2000.0, 3000.0, window, compared, "day", (),
                (1, 1),
            )  # fmt: skip
            scored = {score.direction for score in made.scores}
            assert scored.isdisjoint(made.unjudged)
            assert scored | made.unjudged.keys() == set(monitor.directions), monitor.name
            assert all(made.unjudged.values())
            found += made.scores
    for score in found:
        assert score.effect is not None
        assert score.threshold is not None
        assert score.p_value is not None
        assert math.isfinite(score.effect), score
        assert math.isfinite(score.threshold), score
        assert 0 <= score.p_value <= 1, score
        json.dumps(dump_details(score.details), allow_nan=False)
        said = sentence.of_finding(score, score.details.finding)
        assert "nan" not in said.split()
        said.encode()
    return found


@pytest.mark.parametrize("name", TEXTS)
def test_awkward_texts(name: str) -> None:
    window = rows(WINDOW, TEXTS[name])
    scores = judged(window, usual)
    if name in DIFFERENT:
        assert any(score.state != "ok" for score in scores), "all took it for usual"
    own = cache(lambda basis: frozen(rows(REFERENCE, TEXTS[name]), basis))
    same = judged(window, own)
    if name in ("empty", "all alike"):
        assert {score.state for score in same} == {"ok"}, "nothing changed"


@pytest.mark.parametrize("name", ODD)
def test_awkward_columns(name: str) -> None:
    judged(odd(name, WINDOW), usual)
    own = cache(lambda basis: frozen(odd(name, REFERENCE), basis))
    judged(odd(name, WINDOW), own)


@pytest.mark.parametrize("count", [0, 1, 2, 19])
def test_too_few_rows_are_told_and_not_judged(count: int) -> None:
    assert judged(rows(count), usual) == []
    few = cache(lambda basis: frozen(rows(count), basis))
    assert judged(rows(WINDOW), few) == []
    assert judged(rows(count), few) == []


@pytest.mark.parametrize("name", ["one group", "two groups"])
def test_one_conversation_is_not_judged(name: str) -> None:
    """Rows of one conversation are not independent: no test can tell its change from chance."""
    found = judged(replace(odd(name, WINDOW)), usual)
    assert found == []


def test_a_reference_may_be_smaller_than_the_window() -> None:
    small = cache(lambda basis: frozen(rows(21), basis))
    assert judged(rows(10 * WINDOW), small)


def test_what_is_not_known_is_no_ok() -> None:
    """A window without texts says nothing about texts."""
    texts_of = dict.fromkeys(("prompt", "response"), (None,) * WINDOW)
    found = judged(rows(WINDOW, texts=texts_of), usual)
    assert {score.direction for score in found} == {"feedback"}


@given(
    st.lists(st.text(st.characters(), max_size=40), min_size=WINDOW, max_size=WINDOW),
    st.lists(
        st.none() | st.floats(allow_nan=True, allow_infinity=True), min_size=WINDOW, max_size=WINDOW
    ),
    st.lists(st.floats(1e-9, 1e9), min_size=WINDOW, max_size=WINDOW),
)  # fmt: skip
@settings(max_examples=8, deadline=None)
def test_any_texts_numbers_and_weights(said: list[str], numbers: list[float | None], weights: list[float]) -> None:
    plain = rows(WINDOW)
    window = replace(
        plain,
        texts={side: tuple(said) for side in plain.texts},
        numbers={name: tuple(numbers) for name in plain.numbers},
        weights=tuple(weights),
    )
    before = np.random.get_state()[1].tolist()  # type: ignore[index]  # the old generator's state
    judged(window, usual)
    assert np.random.get_state()[1].tolist() == before, "the caller's random numbers are its own"  # type: ignore[index]  # as above
