"""An outage of the store is logged once, not once per request."""

from __future__ import annotations

import pytest

from exporters.traces.receive.outage_log import OutageLog


def test_once_a_minute_with_all_that_were_refused(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    now = [100.0]
    outage = OutageLog(lambda: now[0])
    outage.stored()
    for seconds in (0.0, 1.0, 58.0, 2.0, 0.0):
        now[0] += seconds
        outage.refused("locked")
    assert [record.getMessage() for record in caplog.records] == [
        "the store is not available: locked (requests refused: 1)",
        "the store is not available: locked (requests refused: 3)",
    ]
    outage.stored()
    assert len(caplog.records) == 2, "a store that comes and goes is logged no more often"
    now[0] += 60.0
    outage.stored()
    outage.stored()
    [_, _, last] = caplog.records
    assert (last.levelname, last.getMessage()) == ("INFO", "the store takes writes again (requests refused: 1)")
