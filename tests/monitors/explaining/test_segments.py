"""Where a change is: the segment it is in is found, and none is where it is spread evenly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitors.explaining.segments import Marked, segments
from monitors.rows import Rows

REPEATS = 40


def side(
    seed: int, count: int, share: float, checkout: float, inside: float | None = None, apps: bool = True
) -> Marked:
    """Rows of conversations of up to three; `checkout` of them of one app, `inside` which so many are marked."""
    random = np.random.default_rng([seed, count])
    told: list[tuple[float, str, str, str]] = []
    while len(told) < count:
        app = "checkout" if random.random() < checkout else str(random.choice(["search", "help", "mail"]))
        level = share if inside is None or app != "checkout" else inside
        said, tenant = float(random.random() < level), f"t{random.integers(6)}"
        for _ in range(int(random.integers(1, 4))):
            value = said if random.random() < 0.7 else float(random.random() < level)
            told.append((value, app, tenant, f"c{len(told)}"))
    values, app_names, tenants, groups = (tuple(column) for column in zip(*_in_one(told[:count]), strict=True))
    rows = Rows(
        ids=tuple(range(count)),
        times=tuple(map(float, range(count))),
        groups=groups,
        weights=(1.0,) * count,
        categories={"app": app_names if apps else (None,) * count, "layer": ("client",) * count},
        attributes=tuple({"desk": tenant} for tenant in tenants) if apps else ({},) * count,
    )
    return Marked(rows, np.array(values), np.ones(count))


def _in_one(told: list[tuple[float, str, str, str]]) -> list[tuple[float, str, str, str]]:
    """Rows that followed each other with the same app and tenant are one conversation's."""
    found: list[tuple[float, str, str, str]] = []
    for value, app, tenant, group in told:
        same = found and found[-1][1:3] == (app, tenant)
        found.append((value, app, tenant, found[-1][3] if same else group))
    return found


def test_the_segment_that_holds_the_change_is_named_with_its_part_of_it() -> None:
    parts = []
    for seed in range(10):
        told = segments(side(seed, 500, 0.01, 0.3, inside=0.3), side(seed + 50, 2000, 0.006, 0.3))
        first = told.largest[0]
        assert (told.state, first.attribute, first.value, first.stands_out) == ("concentrated", "app", "checkout", True)
        parts.append(first.share_of_change)
        assert first.share_of_rows == pytest.approx(0.3, abs=0.1)
    # 0.3 * 0.3 - 0.3 * 0.006 of 0.3 * 0.3 + 0.7 * 0.01 - 0.006.
    assert float(np.mean(parts)) == pytest.approx(0.97, abs=0.05)


def test_a_new_segment_is_new_and_its_growth_is_the_change() -> None:
    first = segments(side(1, 500, 0.02, 0.3, inside=0.5), side(2, 2000, 0.02, 0.0)).largest[0]
    assert (first.value, first.reference, first.reference_share_of_rows) == ("checkout", None, 0.0)
    assert first.stands_out


@pytest.mark.parametrize(("now", "before", "grown"), [(0.11, 0.006, 0.3), (0.05, 0.1, 0.3), (0.3, 0.1, 0.6)])
def test_an_even_change_is_called_even(now: float, before: float, grown: float) -> None:
    states = [
        segments(side(seed, 500, now, grown), side(seed + 500, 2000, before, 0.3)).state
        for seed in range(3000, 3000 + REPEATS)
    ]
    # 5 % are allowed; of 40, more than 6 are there once in 300 times.
    assert states.count("concentrated") <= 6
    assert set(states) <= {"even", "concentrated", "too_few"}


def test_what_nobody_recorded_is_not_known() -> None:
    told = segments(side(1, 300, 0.2, 0.3, apps=False), side(2, 600, 0.02, 0.3, apps=False))
    assert (told.state, told.largest, told.told_apart) == ("unknown", (), ())


def test_two_names_of_the_same_rows_stand_out_once() -> None:
    def both(marked: Marked) -> Marked:
        rows = marked.rows
        agents = tuple("pay" if app == "checkout" else "talk" for app in rows.categories["app"])
        categories = {**rows.categories, "agent_name": agents}
        return marked._replace(rows=Rows(**{**_columns(rows), "categories": categories}))

    told = segments(both(side(1, 500, 0.01, 0.3, inside=0.3)), both(side(2, 2000, 0.006, 0.3)))
    assert sum(one.stands_out for one in told.largest) == 1


def _columns(rows: Rows) -> dict[str, object]:
    names = ("ids", "times", "groups", "weights", "categories", "attributes")
    return {name: getattr(rows, name) for name in names}


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.floats(0, 1), st.floats(0, 1))
def test_the_parts_of_an_attribute_add_up_to_the_whole(seed: int, now: float, before: float) -> None:
    told = segments(side(seed, 400, now, 0.5), side(seed + 1, 400, before, 0.5))
    parts = [one.share_of_change for one in told.largest if one.attribute == "app"]
    if told.state != "unknown" and len(parts) == 4:
        assert sum(parts) == pytest.approx(1.0, abs=1e-6)
