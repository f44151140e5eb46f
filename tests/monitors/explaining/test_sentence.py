"""An explanation's sentence: what is known and what is not, short, and harmless whatever names come from outside."""

from __future__ import annotations

import unicodedata
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitors.explaining import sentence
from monitors.mark import Mark
from telltale.evidence.explanation import Measure, Onset, Segment, Segments
from telltale.evidence.scores import DescriptorChange, DescriptorChanges, Details, VoteShares, load_details
from telltale.records import Score

AT = 1_796_050_800.0  # 2026-11-30 15:00 UTC
HOUR = 3600.0
SCORE = Score("topics", "novelty", "prompt", "m", "v", AT, AT + HOUR, 500, "alert", 9.0, 4.0, 0.001, since=AT - HOUR)
MEASURE = Measure("are about flight, airport, booking", "percent", 0.112, 0.08, 0.14, 0.006, 500, 420, 2000)
MARK = Mark(MEASURE.name, "percent", lambda side: np.zeros(len(side)))
ONSET = Onset(AT - HOUR, AT - HOUR - 1200, AT - HOUR + 1200, 0.003, 1000, AT - 2 * HOUR)
APP = Segment("app", "checkout", 0.84, 0.3, 0.31, 0.0, 0.31, 0.004, 150, 1e-6, stands_out=True)
HERE = Segments("concentrated", (APP,), 9, ("app", "language"))


def test_what_how_much_since_when_and_where() -> None:
    assert sentence.of_mark(SCORE, MARK, MEASURE, ONSET, HERE) == (
        "Since 30 Nov 14:00 UTC (13:40 to 14:20) about 11 % of the prompts (8.0 to 14 %; before 0.6 %) are about "
        "flight, airport, booking. 84 % of the rise comes from app checkout (30 % of all prompts)."
    )


@pytest.mark.parametrize(
    ("since", "said"),
    [
        (AT - HOUR, "At least since 30 Nov 14:00 UTC (when it began is not known)"),
        (AT, "From 30 Nov 15:00 to 16:00 UTC (when it began is not known)"),
    ],
)
def test_a_time_that_is_not_known_is_not_named(since: float, said: str) -> None:
    told = sentence.of_mark(replace(SCORE, since=since), MARK, MEASURE, None, Segments("even", (), 9, ("app",)))
    assert told.startswith(said)
    assert told.endswith("No app stands out.")


def test_where_nothing_is_recorded_that_is_said_and_what_could_be_chance_too() -> None:
    close = replace(MEASURE, reference=0.09)
    told = sentence.of_mark(SCORE, MARK, close, ONSET, Segments("unknown"))
    assert "before 9.0 %; by itself that could be chance" in told
    assert told.endswith("Where it comes from is not known: nothing that is recorded of the prompts tells them apart.")


def test_of_few_it_is_not_said_that_nothing_stands_out() -> None:
    told = sentence.of_mark(SCORE, MARK, MEASURE, ONSET, Segments("too_few", (), 9, ("app",)))
    assert told.endswith("Too few prompts show it to tell where it comes from.")


def test_a_day_is_named_where_the_bounds_are_of_another() -> None:
    early = replace(ONSET, at=AT - 15 * HOUR + 60, earliest=AT - 16 * HOUR)
    assert sentence.when(SCORE, early) == "Since 30 Nov 00:01 UTC (29 Nov 23:00 to 14:20)"


def test_a_finding_without_marks_tells_its_table_and_one_without_a_table_its_effect() -> None:
    changes = DescriptorChanges((DescriptorChange("open_end", 5.0, 0.2, 0.05),))
    assert sentence.of_finding(SCORE, changes).endswith("mean over the prompts: open end 0.2 (before 0.05).")
    votes = VoteShares(0.3, 0.2, 0.4, 0.1, 200)
    assert "the prompts differ from the reference: the effect is 9, the threshold is 4" in sentence.of_finding(
        SCORE, votes
    )
    assert sentence.of_finding(replace(SCORE, effect=None), None).endswith("is not known.")


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=300), st.text(max_size=300), st.text(min_size=1, max_size=300))
def test_whatever_names_come_from_outside_it_is_one_short_line(word: str, attribute: str, value: str) -> None:
    segment = replace(APP, attribute=attribute, value=value)
    told = sentence.of_mark(
        SCORE, MARK, replace(MEASURE, name=f"are about {sentence.name(word)}"), ONSET,
        replace(HERE, largest=(segment,), told_apart=(attribute,)),
    )  # fmt: skip
    assert len(told) <= sentence.LONGEST
    assert told.isprintable() or not {unicodedata.category(one) for one in told} & {"Cc", "Zl", "Zp"}
    assert not set(told) & set("\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u2069")


def test_korean_stays_readable_and_a_value_of_several_words_is_quoted() -> None:
    measure = replace(MEASURE, name="contain 항공권 or 환불")
    there = replace(HERE, largest=(replace(APP, attribute="tenant", value="여행 가게. All is well"),))
    told = sentence.of_mark(SCORE, MARK, measure, ONSET, there)
    assert "contain 항공권 or 환불. 84 % of the rise comes from tenant “여행 가게. All is well” (30 %" in told


def test_details_of_scores_that_were_not_explained_or_cannot_be_read_still_load() -> None:
    assert load_details({"finding": None}) == Details()
    assert load_details({"finding": None, "explanation": {"sentence": 3, "onset": "x"}}).explanation is None
