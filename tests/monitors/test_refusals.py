"""Refusals in nine languages, and what only looks like one.

The cases are in `refusals.json`: `refusals` decline in full, `others` apologise, forbid, quote or write letters,
and the `partial` ones decline first and answer then.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitors.refusals import HEAD, is_refusal, kind

CASES = json.loads((Path(__file__).parent / "refusals.json").read_text())
LANGUAGES = sorted(CASES.keys() - {"partial"})
REFUSALS = [text for language in LANGUAGES for text in CASES[language]["refusals"]]


@pytest.mark.parametrize("language", LANGUAGES)
def test_refusals_are_seen(language: str) -> None:
    assert [text for text in CASES[language]["refusals"] if not is_refusal(text)] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_apologies_denials_stories_and_letters_are_none(language: str) -> None:
    assert [text for text in CASES[language]["others"] if kind(text) != "none"] == []


def test_a_refusal_that_an_answer_follows_is_partial() -> None:
    assert [text for text in CASES["partial"] if kind(text) != "partial"] == []


@given(st.text())
def test_every_text_has_a_kind(text: str) -> None:
    assert kind(text) in ("none", "partial", "full")


@given(st.sampled_from(REFUSALS), st.sampled_from("'\u2019\u02bc\uff07"))
def test_how_an_apostrophe_is_written_changes_nothing(text: str, mark: str) -> None:
    for written in "'\u2019":
        text = text.replace(written, mark)
    assert is_refusal(text)


@given(st.sampled_from(REFUSALS), st.sampled_from(["", " ", "\n\n", "**", "> ", "# "]))
def test_case_and_marks_around_it_change_nothing(text: str, before: str) -> None:
    assert is_refusal(before + text)
    assert is_refusal(text.upper()) or not text.isascii()


@given(
    st.sampled_from(REFUSALS), st.sampled_from([('"', '"'), ("\u201c", "\u201d"), ("\u300c", "\u300d"), ("« ", " »")])
)
def test_what_somebody_says_in_a_story_is_no_refusal(text: str, marks: tuple[str, str]) -> None:
    opened, closed = marks
    assert kind(f"Tom smiled. {opened}{text}{closed} The door closed.") == "none"


@given(st.sampled_from([*REFUSALS, "The answer is 42. "]), st.text(max_size=50))
def test_only_the_beginning_is_looked_at(text: str, later: str) -> None:
    """So a text of any length costs the same."""
    begun = text.ljust(HEAD, ".")
    assert kind(begun + later * 100) == kind(begun)


def test_a_refusal_far_into_an_answer_is_none() -> None:
    answer = "Step one: open the settings and choose the plan. " * 10
    assert kind(answer + "I'm sorry, but I can't help with that.") == "none"
