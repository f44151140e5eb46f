"""All monitors. A new one is a module next to this one and a line here."""

from __future__ import annotations

from monitors.descriptors import Descriptors
from monitors.monitor import Monitor
from monitors.quality import Quality
from monitors.refusal_rate import RefusalRate
from monitors.tokens import Tokens
from monitors.topics import Topics
from monitors.votes import Votes

MONITORS: tuple[type[Monitor], ...] = (Tokens, Descriptors, Quality, RefusalRate, Topics, Votes)


def names() -> tuple[str, ...]:
    return tuple(monitor.name for monitor in MONITORS)


def table() -> str:
    """The monitors as the table of README.md."""
    rows = [
        f"| `{m.name}` | {', '.join(m.directions)} | {m.finds} | {m.effect} | `{m.evidence.__name__}` |"
        for m in MONITORS
    ]
    return "\n".join(["| monitor | judges | finds | effect | evidence |", "|---|---|---|---|---|", *rows])
