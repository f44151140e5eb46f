"""Erasure on request: everything that is kept of a person, or of a trace, goes for good.

`find` says what there is, `erase` removes it in small transactions, between which others write. Calls go last, because
all else is found through them: whoever erases again after a crash finds what is left. See README.md, "Erasure", for
what is beyond it (exports, backups, people's own words).
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection

from telltale.store import Store, audit, data_sets
from telltale.store.erasure import copies, said
from telltale.store.erasure.found import Found, Target, Unclear, find, of_subject

__all__ = ["Found", "Target", "Unclear", "count", "erase", "find", "of_subject"]

# Samples, events or references in one transaction.
AT_ONCE = 200
Progress = Callable[[str, float], None]


def count(store: Store, target: Target) -> Found:
    """What there is to erase; nothing changes. Raises Unclear, StoreUnavailable."""
    with store.read() as connection:
        return find(connection, target)


def erase(
    store: Store, target: Target, *, actor: str, now: float,
    progress: Progress = lambda what, share: None, go_on: Callable[[], bool] = lambda: True,
) -> tuple[Found, bool]:  # fmt: skip
    """Erase what there is. Returns what was found, and whether nothing is left.

    It stops early, between two transactions, when `go_on` says so; the next call goes on from there. The audit log says
    who asked for it and how much went, never what. Raises Unclear, StoreUnavailable.
    """
    found = count(store, target)
    store.write(lambda c: _begin(c, found, actor, now))
    steps = [step for part in (copies.steps, said.steps) for step in part(store, found, AT_ONCE)]
    for number, (what, step) in enumerate(steps):
        progress(what, number / len(steps))
        if not go_on():
            return found, False
        store.write(step)
    store.write(lambda c: _record(c, "erasure_done", found, actor, now))
    store.forget_deleted()
    progress("", 1.0)
    return found, True


def _begin(connection: Connection, found: Found, actor: str, now: float) -> None:
    """Record who asked for it, and say of the data sets that hold it what they are from now on."""
    _record(connection, "erasure_begun", found, actor, now)
    held = [one.id for one in found.exports if one.id is not None]
    data_sets.mark_stale(connection, held, f"{found.name} was erased", now)


def _record(connection: Connection, action: str, found: Found, actor: str, now: float) -> None:
    details = {**found.counts, "exports": [one.told for one in found.exports]}
    audit.record(connection, actor=actor, action=action, subject=found.name, now=now, details=details)
