"""How far to trust a score: expected false alarms as simulations have them, intervals that hold what they say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtri

from monitors import false_alarms
from monitors.judgement import score
from monitors.permutation import Weighted, interval, max_t
from monitors.persistence import begins_alert, derive_state
from monitors.rows import Comparison, Side
from telltale.evidence.scores import Details, Interval, dump_details, load_details, trust
from telltale.records import Score, Series

NOTHING = Side((), np.array([]), {})
HOUR = 3600.0


def episodes(alpha: float, persistence: tuple[int, int], rows: int, reference_rows: int, weeks: int, seed: int) -> int:
    """Alerts that begin while nothing changes; each week has a reference of its own."""
    random, bound, begun = np.random.default_rng(seed), float(ndtri(1 - alpha / 2)), 0
    common = rows / (rows + reference_rows)
    for _ in range(weeks):
        shift, scores = random.normal() * common**0.5, list[Score]()
        for number, own in enumerate(random.normal(size=168 + persistence[1]) * (1 - common) ** 0.5):
            window = Comparison(Series("m", "v"), "calls", "prompt", number * HOUR, 0.0, NOTHING, NOTHING)
            one = score(window, "m", "s", rows, effect=abs(shift + own), threshold=bound, p_value=0.5)
            scores.append(derive_state(one, scores[-persistence[1] :], *persistence))
        begun += sum(map(begins_alert, scores[persistence[1] :]))
    return begun


@pytest.mark.parametrize(
    ("alpha", "persistence", "rows", "reference_rows"), [(0.05, (2, 3), 500, 2000), (0.08, (3, 4), 200, 2000)]
)
def test_as_many_alerts_begin_as_are_expected(
    alpha: float, persistence: tuple[int, int], rows: int, reference_rows: int
) -> None:
    weeks = 120
    expected = weeks * false_alarms.a_week(alpha, HOUR, persistence, rows, reference_rows)
    seen = episodes(alpha, persistence, rows, reference_rows, weeks, 600_000)
    # What begins again while it lasts is counted once: the formula is an upper bound, and not a loose one.
    assert 0.6 * expected <= seen <= 1.25 * expected


def test_stricter_persistence_and_longer_windows_have_fewer_false_alarms() -> None:
    usual = false_alarms.a_week(0.00625, HOUR, (3, 4), 500, 2000)
    assert usual < 0.01
    assert false_alarms.a_week(0.00625, HOUR, (2, 4), 500, 2000) > 5 * usual
    assert false_alarms.a_week(0.00625, 24 * HOUR, (3, 4), 500, 2000) == pytest.approx(usual / 24)
    assert false_alarms.a_week(0.00625, HOUR, (3, 4), 500, 2000, tests=2) == pytest.approx(2 * usual)


def test_intervals_hold_all_true_differences_together() -> None:
    """Of 40 shares in conversations of five, three of which changed: 95 % of 200 draws, on seeds of their own."""
    random = np.random.default_rng(610_000)
    before_rates = np.full(40, 0.2)
    now_rates = before_rates + np.array([0.08, -0.05, 0.04, *[0.0] * 37])
    held = 0
    for seed in range(200):
        sides = []
        for rates, groups in ((now_rates, 80), (before_rates, 200)):
            own = np.clip(rates + random.normal(0, 0.1, size=(groups, 1)), 0.0, 1.0)
            values = (random.random((groups, 5, 40)) < own[:, None, :]).reshape(groups * 5, 40).astype(float)
            sides.append(Weighted(values, tuple(str(n // 5) for n in range(groups * 5)), np.ones(groups * 5)))
        found = max_t(sides[0], sides[1], alpha=0.01, seed=seed)
        now, before = (side.values.mean(axis=0) for side in sides)
        held += bool((np.abs(now - before - (now_rates - before_rates)) <= found.halves).all())
        told = interval(found, [f"share {number}" for number in range(40)], now, before)
        assert told.lower < told.seen < told.upper
    assert held >= 180


def test_what_is_not_known_is_none_and_what_is_comes_back() -> None:
    assert trust(Details()) == {"method": None, "interval": None, "false_alarms_a_week": None}
    details = Details(method="3", interval=Interval("share", 0.1, 0.05, 0.15), false_alarms_a_week=0.2)
    assert load_details(dump_details(details)) == details
    assert trust(details)["interval"] == {"what": "share", "seen": 0.1, "lower": 0.05, "upper": 0.15}
    assert load_details({"finding": None, "interval": {"lower": "x"}}).interval is None
