"""Series: versions, and what settings split them into; bounded, and every row is in one of its own or in `other`."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from monitors.series import SeriesTable
from telltale.records import Series
from telltale.settings import Split
from telltale.store.traffic import OTHER

BY = [Split(by=("tenant",), most=3), Split(by=("app", "language"), models=("chat*",), most=2)]
# As `names` has them: tenant, app, language.
VALUES = st.tuples(
    st.sampled_from(["a", "b", "c", "d", "e"]), st.sampled_from(["x", "y,=%", None]), st.sampled_from(["ko", "en"])
)


def test_a_version_is_a_series_and_so_is_what_it_is_split_into() -> None:
    table = SeriesTable(BY, 100)
    assert table.of("chat-1", "v1", ("shop", "checkout", "ko")) == [
        Series("chat-1", "v1"),
        Series("chat-1", "v1", "shop"),
        Series("chat-1", "v1", "", "app=checkout,language=ko"),
    ]
    assert table.of("coder", "v1", ("shop", "checkout", "ko")) == [Series("coder", "v1"), Series("coder", "v1", "shop")]
    assert table.of("coder", "v1", (None, None, None)) == [Series("coder", "v1")]


def test_a_value_that_holds_what_separates_values_is_one() -> None:
    table = SeriesTable([Split(by=("app", "language"))], 100)
    series = table.of("m", "v", ("a,language=ko", "en"))[1]
    assert series.segment == "app=a%2Clanguage%3Dko,language=en"
    assert table.part(series).values == {"app": "a,language=ko", "language": "en"}


@given(st.lists(VALUES, max_size=60))
def test_of_each_split_a_row_is_in_one_series_and_the_parts_say_which(rows: list[tuple[str | None, ...]]) -> None:
    table, counted = SeriesTable(BY, 1000), Counter[Series]()
    for values in rows:
        counted.update(table.of("chat", "v", values))
    for split, names in ((BY[0], ("tenant",)), (BY[1], ("app", "language"))):
        own = [series for series in table if set(table.part(series).values or _excluded(table, series)) == set(names)]
        told = [dict(zip(("tenant", "app", "language"), values, strict=True)) for values in rows]
        having = [one for one in told if all(one[name] for name in names)]
        assert sum(counted[series] for series in own) == len(having)
        assert len(own) <= split.most + 1
        for series in own:
            part = table.part(series)
            inside = [
                one for one in having
                if all(one[name] == value for name, value in part.values.items())
                and not any(all(one[name] == value for name, value in no.items()) for no in part.excluded)
            ]  # fmt: skip
            assert counted[series] == len(inside), series


def _excluded(table: SeriesTable, series: Series) -> dict[str, str]:
    return dict(table.part(series).excluded[0]) if table.part(series).excluded else {}


def test_what_there_is_no_room_for_is_counted() -> None:
    table = SeriesTable([Split(by=("tenant",), most=1)], 3)
    table.of("m", "v1", ("a",), 5)
    assert table.of("m", "v1", ("b",), 5) == [Series("m", "v1"), Series("m", "v1", OTHER)]
    assert table.of("m", "v2", ("a",), 7) == []
    assert table.folded == {"m": 5 + 7 + 7}
