"""Whose bytes are processed next: a slice at a time, and first those of connections that have taken little lately.

Reading what a peer sent costs more than sending it. A peer that sends what is costly, and any number of such peers,
must not keep others waiting: least attained service first, in two queues, as schedulers of processes do it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from time import perf_counter
from typing import Protocol

log = logging.getLogger(__name__)

# Seconds of turns in a row, after which the loop looks for other events first.
RUN_S = 0.002
# Seconds of turns that a connection may have had lately and still be served before others; and how many seconds of
# them are forgotten in a second.
LIGHT_S = 0.001
LEAK = 0.02
# Of so many turns one goes to a connection that had many, whoever else waits.
SHARE = 4


class Member(Protocol):
    """A connection that takes turns; `service` is kept here."""

    service: Service

    def turn(self) -> bool:
        """Process one slice of what has arrived. Returns whether more could be processed at once."""

    def abort(self) -> None:
        """Close at once."""


class Service:
    """What a connection has had lately."""

    __slots__ = ("at", "is_queued", "seconds")

    def __init__(self) -> None:
        self.seconds = self.at = 0.0
        self.is_queued = False

    def add(self, began: float, ended: float) -> None:
        """A turn lasted from here to there."""
        self.seconds = max(0.0, self.seconds - (began - self.at) * LEAK) + ended - began
        self.at = ended


class Turns:
    """The turns of all connections of one loop."""

    def __init__(self) -> None:
        self._light: deque[Member] = deque()
        self._heavy: deque[Member] = deque()
        self._is_scheduled = False
        self._number = 0
        # Of all connections; idle time is taken off.
        self._seconds = self._at = 0.0

    def ask(self, member: Member) -> bool:
        """Give a connection its turn: now where nobody waits, otherwise in its order. Returns whether it was now."""
        if member.service.is_queued:
            return False
        now = perf_counter()
        if self._is_scheduled or self._seconds - (now - self._at) > RUN_S:
            self._queue(member)
            return False
        self._take(member, now)
        return True

    def _take(self, member: Member, began: float) -> None:
        try:
            has_more = member.turn()
        except Exception:  # a fault in one connection must not end the turns of the others
            log.exception("a connection failed")
            member.abort()
            has_more = False
        ended = perf_counter()
        member.service.add(began, ended)
        self._seconds = max(0.0, self._seconds - (began - self._at)) + ended - began
        self._at = ended
        if has_more:
            self._queue(member)

    def _queue(self, member: Member) -> None:
        if member.service.is_queued:
            return
        member.service.is_queued = True
        (self._light if member.service.seconds < LIGHT_S else self._heavy).append(member)
        if not self._is_scheduled:
            self._is_scheduled = True
            asyncio.get_running_loop().call_soon(self._run)

    def _run(self) -> None:
        """Give turns until RUN_S has passed, each connection one at most."""
        light, heavy, began = len(self._light), len(self._heavy), perf_counter()
        now = began
        while (light or heavy) and now < began + RUN_S:
            self._number += 1
            if light and (self._number % SHARE or not heavy):
                light -= 1
                member = self._light.popleft()
            else:
                heavy -= 1
                member = self._heavy.popleft()
            member.service.is_queued = False
            self._take(member, now)
            now = perf_counter()
        self._is_scheduled = bool(self._light or self._heavy)
        if self._is_scheduled:
            asyncio.get_running_loop().call_soon(self._run)
        else:
            self._seconds = 0.0
