"""What Evidently is given: finite numbers, two flags, readable texts; what has no values is named instead."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from monitors.evidently.columns import KINDS, cleaned, of_texts, the_texts
from monitors.evidently.exchange import Texts

CELLS = st.lists(st.none() | st.floats() | st.integers(-3, 3).map(float), max_size=5)
# Lone surrogates too.
ANY = st.text(st.characters(), max_size=20)


@given(CELLS, CELLS)
def test_a_column_is_clean_or_named(current: list[float | None], reference: list[float | None]) -> None:
    for kind in ("number", "flag"):
        columns, left_out = cleaned({"x": (current, reference)}, {"x": kind}, {"x": "ks"})  # type: ignore[dict-item]
        assert [one.name for one in columns] + [one.what for one in left_out] == ["x"]
        for column in columns:
            for cells, given_ in ((column.current, current), (column.reference, reference)):
                assert len(cells) == len(given_)
                told = [cell for cell in cells if cell is not None]
                assert told
                assert all(cell in ("0", "1") if kind == "flag" else math.isfinite(float(cell)) for cell in told)
        for one in left_out:
            assert one.why.startswith("no values in the ")


@given(st.lists(ANY, max_size=4), st.lists(ANY, min_size=1, max_size=4))
def test_our_descriptors_are_defined_for_every_text(current: list[str], reference: list[str]) -> None:
    columns, left_out = of_texts(Texts(current, reference), "ks", "z")
    assert [one.name for one in columns] == ([*KINDS] if current else [])
    assert [one.what for one in left_out] == ([] if current else [*KINDS])
    assert all(cell is not None for column in columns for cell in (*column.current, *column.reference))


def test_texts_are_compared_as_such_where_there_are_more_than_a_thousand() -> None:
    columns, left_out = the_texts(Texts(["a\ud800"] * 1001, ["b\0", ""] * 501))
    assert not left_out
    assert (columns[0].method, columns[0].threshold) == ("abs_text_content_drift", 0.55)
    assert columns[0].current[0] == "a?"
    assert columns[0].reference[:2] == ("b\ufffd", None)
    columns, left_out = the_texts(Texts(["a"] * 1000, ["b"] * 5000))
    assert not columns
    assert "there are 1000" in left_out[0].why
