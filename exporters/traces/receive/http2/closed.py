"""Which streams are closed, and how: what still comes for one is ignored, or an error."""

from __future__ import annotations

from typing import Final

# As many as a peer may have open: no more can have frames on their way.
MOST: Final = 256
MOST_GAPS: Final = 16


class ClosedStreams:
    """Those that ended before the peer had ended them, and numbers that it left out."""

    def __init__(self) -> None:
        self._cut: dict[int, None] = {}
        self._gaps: list[tuple[int, int]] = []

    def opened(self, last: int, number: int) -> None:
        """A stream is opened after the stream `last`; those between them never can be (RFC 9113, 5.1.1)."""
        if number > last + 2 and number > 1:
            self._gaps.append((last, number))
            del self._gaps[:-MOST_GAPS]

    def cut(self, number: int) -> None:
        """We have ended a stream whose peer may not know it yet."""
        self._cut[number] = None
        if len(self._cut) > MOST:
            del self._cut[next(iter(self._cut))]

    def is_cut(self, number: int) -> bool:
        """Frames of this stream may have been sent before the peer knew that it is closed."""
        return number in self._cut

    def was_opened(self, number: int) -> bool:
        """Not one of those that were left out lately."""
        return not any(first < number < last for first, last in self._gaps)
