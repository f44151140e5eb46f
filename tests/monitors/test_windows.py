"""Windows follow one another, whatever arrives when."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from monitors import windows
from monitors.windows import Window, following

LENGTH = 10.0
COUNTS = st.dictionaries(st.integers(100, 160), st.integers(1, 60), max_size=40)


def judged(counts: dict[int, int], start: float, until: float, least: int, step: int = 1) -> list[Window]:
    """Every window that is due, one after the other."""
    found: list[Window] = []
    while (window := following(counts, start, until, LENGTH, least, step)).is_over:
        found.append(window)
        start = window.end
    return found


@given(COUNTS, st.integers(1, 80), st.integers(1, 4), st.integers(100, 170))
def test_they_do_not_overlap_leave_nothing_out_and_hold_enough(
    counts: dict[int, int], least: int, step: int, until: int
) -> None:
    found = judged(counts, 1000.0, until * LENGTH, least, step)
    begins = [1000.0, *(window.end for window in found)]
    for window, begin in zip(found, begins, strict=False):
        assert window.start == begin
        assert window.start < window.end <= until * LENGTH
        assert (window.end - window.start) % (step * LENGTH) == 0
        inside = sum(n for place, n in counts.items() if window.start <= place * LENGTH < window.end)
        assert window.rows == inside >= least


@given(COUNTS, st.integers(1, 80), st.lists(st.integers(100, 170), min_size=1, max_size=8))
def test_whenever_one_looks_the_same_windows_are_found(counts: dict[int, int], least: int, looks: list[int]) -> None:
    """Monitors that were down for a day judge what they would have judged, and a clock set back changes nothing."""
    start, found = 1000.0, []
    for until in looks:
        new = judged(counts, start, until * LENGTH, least)
        found += new
        start = new[-1].end if new else start
    assert found == judged(counts, 1000.0, max(looks) * LENGTH, least)


def test_a_window_that_lacks_rows_says_how_many_there_are() -> None:
    assert following({100: 3, 105: 4}, 1000.0, 1100.0, LENGTH, 10) == Window(1000.0, 1100.0, 7, is_over=False)
    assert following({}, 1000.0, 990.0, LENGTH, 10) == Window(1000.0, 1000.0, 0, is_over=False)


def test_rows_of_a_clock_that_is_ahead_are_no_news_for_ever() -> None:
    assert windows.newest({100: 3, 9_000_000: 1}, 5000.0, LENGTH) == 1010.0
    assert windows.newest({9_000_000: 1}, 5000.0, LENGTH) == 5000.0, "our clock may be the one that is behind"
    assert windows.newest({}, 5000.0, LENGTH) is None


def test_the_newest_window_waits_for_spans_on_their_way() -> None:
    assert windows.last_end(1012.1, LENGTH) == 1010.0
    assert windows.last_end(1011.9, LENGTH) == 1000.0
    assert windows.last_end(7259.0, 3600.0) == 3600.0
