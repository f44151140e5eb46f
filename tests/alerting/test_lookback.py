"""How far back expressions look."""

from __future__ import annotations

import pytest

from alerting.lifecycle.lookback import lookback


@pytest.mark.parametrize(
    ("expression", "seconds"),
    [
        ("up == 0", 0.0),
        ("rate(a[5m]) / rate(b[1h30m]) > 0", 5400.0),
        ("max_over_time(a[6h:5m])", 21600.0),
        ("max_over_time(a[6h:]) and b[ 500ms ]", 21600.0),
        ("a < 0.2 * a offset 1d", 86400.0),
        ("rate(a[10m] offset 1w) > rate(a[5m])", 605400.0),
        ('rate(a{path=~"[9d]", x="\\"[9d]"}[5m]) > 0', 300.0),
        ("", 0.0),
    ],
)
def test_the_longest_range_and_offset_count(expression: str, seconds: float) -> None:
    assert lookback(expression) == seconds
