"""A bar on a terminal for what takes long; nothing in a file or a pipe."""

from __future__ import annotations

import sys

WIDTH = 30


def show(what: str, share: float) -> None:
    """How far it is, from 0 to 1, and what is at work; without `what` the bar goes away."""
    if sys.stderr.isatty():
        done = "#" * int(WIDTH * share)
        bar = f"\r\033[K[{done:<{WIDTH}}] {share:4.0%} {what}" if what else "\r\033[K"
        print(bar, end="", file=sys.stderr, flush=True)
