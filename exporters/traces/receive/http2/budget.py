"""What a peer may cost beside its requests: resets, pings, settings, crumbs of data, costly headers.

The unit is what an ordinary frame costs without the compiler, some 5 µs; what takes longer counts for more.
"""

from __future__ import annotations

from typing import Final

from exporters.traces.receive.http2.frames import ENHANCE_YOUR_CALM, Broken

BURST: Final = 1000.0
# So much a second is forgotten.
LEAK: Final = 33.0
# What a call that got its response makes good: its acknowledgements, window updates and pings.
CREDIT: Final = 10.0
# And at most so much of its headers: a long token that is sent anew with each call.
HEADERS_CREDIT: Final = 128.0
# What ordinary headers cost, which count only as part of their request.
ORDINARY_HEADERS: Final = 40.0


class FrameBudget:
    """A leaky bucket of such costs; `total` is their sum, with that of all other frames."""

    def __init__(self, now: float) -> None:
        self.total = 0.0
        self._spent = 0.0
        self._now = now

    def leak(self, now: float) -> None:
        """Time has passed."""
        self._spent = max(0.0, self._spent - (now - self._now) * LEAK)
        self._now = now

    def credit(self, headers: float) -> None:
        """A call whose headers cost so much has got its response."""
        extra = max(0.0, headers - ORDINARY_HEADERS)
        self._spent = max(0.0, self._spent - CREDIT - min(extra, HEADERS_CREDIT))

    def pass_by(self) -> None:
        """A frame of a request came."""
        self.total += 1.0

    def read_headers(self, cost: float) -> None:
        """A header block was read. Raises Broken where such cost too much."""
        self.total += cost
        self._charge(max(0.0, cost - ORDINARY_HEADERS))

    def spend(self, cost: float = 1.0) -> None:
        """Something came that advances no request. Raises Broken where it is too much."""
        self.total += cost
        self._charge(cost)

    def _charge(self, cost: float) -> None:
        self._spent += cost
        if self._spent > BURST:
            raise Broken(ENHANCE_YOUR_CALM, "too many frames that advance no request")
