"""Where tickets are tracked: the members, each in a module of its own that fulfils `protocol.Tracker`.

Every member gets every change of every ticket through the outbox. A new tracker is a module and a line here.
"""

from __future__ import annotations

from alerting.trackers.embedded import EmbeddedTracker
from alerting.trackers.protocol import Tracker

MEMBERS: tuple[Tracker, ...] = (EmbeddedTracker(),)


def names() -> tuple[str, ...]:
    """The members' names, as the outbox holds them."""
    return tuple(tracker.name for tracker in MEMBERS)
