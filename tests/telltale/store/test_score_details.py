"""Details of scores: typed in memory, tagged in the store, and readable in the form of earlier versions."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from telltale.evidence.scores import (
    DescriptorChange,
    DescriptorChanges,
    Details,
    Examples,
    Persistence,
    ShareChange,
    ShareChanges,
    VoteShares,
    WordChange,
    WordChanges,
    dump_details,
    load_details,
)
from telltale.records import Score
from telltale.store import Store, scores

WORDS = {"word": "refund", "z": 9.1, "current_share": 0.4, "reference_share": 0.02}
MEANS = {"name": "word_length", "z": -3.5, "current_mean": 4.1, "reference_mean": 4.9}
LASTING = {"windows_hit": 2, "windows_seen": 3, "windows_needed": 2, "alert_goes_on": True}
SHOWN = {"examples": {"current": [3, 4], "reference": ["how do I return this"]}, "reference_id": 7}
SHARES = {
    "negative_ratio": 0.4, "negative_ratio_lower": 0.3, "negative_ratio_upper": 0.5, "reference_ratio": 0.1,
    "reference_votes": 60,
}  # fmt: skip

PERSISTENCE, EXAMPLES = Persistence(2, 3, 2, alert_before=True), Examples((3, 4), ("how do I return this",))
OF_WORDS = WordChanges((WordChange("refund", 9.1, 0.4, 0.02),), excess=0.01)
FLAT = [
    ({"excess": 0.01, "words": [WORDS], "hit": True, **SHOWN, **LASTING}, OF_WORDS, 7),
    (
        {"descriptors": [MEANS], "hit": True, **SHOWN, **LASTING},
        DescriptorChanges((DescriptorChange("word_length", -3.5, 4.1, 4.9),)),
        7,
    ),
    (
        {**SHARES, "hit": True, "examples": SHOWN["examples"], **LASTING},
        VoteShares(0.4, 0.3, 0.5, reference_ratio=0.1, reference_votes=60),
        None,
    ),
]
"""Scores as stored before details had types, and how they are read."""

FINITE = st.floats(allow_nan=False, allow_infinity=False)
FINDINGS = (
    st.builds(WordChanges, st.lists(st.builds(WordChange, st.text(), FINITE, FINITE, FINITE)).map(tuple), FINITE)
    | st.builds(DescriptorChanges, st.lists(st.builds(DescriptorChange, st.text(), FINITE, FINITE, FINITE)).map(tuple))
    | st.builds(ShareChanges, st.lists(st.builds(ShareChange, st.text(), FINITE, FINITE, FINITE)).map(tuple))
    | st.builds(VoteShares, FINITE, FINITE, FINITE, FINITE, st.integers())
)
DETAILS = st.builds(
    Details,
    st.none() | FINDINGS,
    st.none() | st.builds(Examples, st.lists(st.integers()).map(tuple), st.lists(st.text()).map(tuple)),
    st.none() | st.builds(Persistence, st.integers(), st.integers(), st.integers(), st.booleans()),
    st.none() | st.integers(),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | FINITE | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["finding", "kind", *FLAT[0][0]]), inner)
    ),
    max_leaves=12,
)


def score(start: float, details: Details) -> Score:
    return Score("tokens", "max_t", "prompt", "m", "v", start, start + 10, 50, "ok", 1.5, 3.0, 0.4, details=details)


@given(DETAILS)
def test_details_come_back_from_json_as_they_went_in(details: Details) -> None:
    assert load_details(json.loads(json.dumps(dump_details(details)))) == details


@given(JSON)
def test_whatever_a_row_holds_it_is_read(stored: object) -> None:
    assert isinstance(load_details(stored), Details)


@pytest.mark.parametrize(("stored", "finding", "reference"), FLAT, ids=["words", "descriptors", "votes"])
def test_a_row_of_an_earlier_version_says_the_same(stored: object, finding: object, reference: int | None) -> None:
    assert load_details(stored) == Details(finding, EXAMPLES, PERSISTENCE, reference)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "broken",
    [{"kind": "of a later version"}, {"kind": "word_changes", "words": [{"word": "refund"}]}, ["words"], "words", 3],
)
def test_what_cannot_be_read_is_unknown_and_the_rest_is_known(broken: object) -> None:
    stored = {**dump_details(Details(OF_WORDS, EXAMPLES, PERSISTENCE, 7)), "finding": broken}
    assert load_details(stored) == Details(None, EXAMPLES, PERSISTENCE, 7)


def test_a_broken_row_leaves_its_neighbours_readable(store: Store) -> None:
    whole = Details(OF_WORDS, EXAMPLES, PERSISTENCE, 7)
    store.write(lambda c: scores.save(c, [score(10.0 * n, whole) for n in range(4)]))
    rewritten = {10.0: '{"words": 3, "windows_hit": "many"}', 20.0: "[1, 2]", 30.0: json.dumps(FLAT[0][0])}
    change = text("UPDATE scores SET details = :details WHERE window_start = :start")
    rows = [{"details": stored, "start": start} for start, stored in rewritten.items()]
    store.write(lambda c: c.execute(change, rows))
    with store.read() as connection:
        found = scores.load(connection)
    assert [row.details for row in found] == [whole, Details(), Details(), whole]
    assert {row.effect for row in found} == {1.5}
