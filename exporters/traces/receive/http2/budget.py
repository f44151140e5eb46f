"""How many frames that advance no request a peer may send: resets, pings, settings, crumbs of data, header parts."""

from __future__ import annotations

from typing import Final

from exporters.traces.receive.http2.frames import ENHANCE_YOUR_CALM, Broken

BURST: Final = 1000.0
# So many a second are forgotten.
LEAK: Final = 33.0
# What a call that got its response makes good: its acknowledgements, window updates and pings.
CREDIT: Final = 10.0


class FrameBudget:
    """A leaky bucket of such frames."""

    def __init__(self, now: float) -> None:
        self._spent = 0.0
        self._now = now

    def leak(self, now: float) -> None:
        """Time has passed."""
        self._spent = max(0.0, self._spent - (now - self._now) * LEAK)
        self._now = now

    def credit(self) -> None:
        """A call has got its response."""
        self._spent = max(0.0, self._spent - CREDIT)

    def spend(self) -> None:
        """One more came. Raises Broken where they are too many."""
        self._spent += 1
        if self._spent > BURST:
            raise Broken(ENHANCE_YOUR_CALM, "too many frames that advance no request")
