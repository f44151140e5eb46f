"""Tickets that stand for others: what comes for a duplicate goes to the one that it was merged into."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection

from alerting.lifecycle.closing import DUPLICATE, CannotClose
from alerting.lifecycle.state import Step, close, join
from telltale.records import Ticket
from telltale.store import tickets


def standing(connection: Connection, key: str) -> Ticket | None:
    """The ticket that alerts of this identity belong to."""
    found, seen = tickets.newest(connection, key), set[int | None]()
    # However long the chain is that people have merged; a ring must end.
    while found is not None and found.merged_into is not None and found.id not in seen:
        seen.add(found.id)
        into = tickets.get(connection, found.merged_into)
        if into is None:
            return found
        found = tickets.newest(connection, into.key)
    return found


def merge(connection: Connection, ticket: Ticket, other: int, actor: str, now: float, words: str) -> tuple[Step, Step]:
    """Close a ticket as a duplicate of another one, which gets its firing alerts. Raises CannotClose."""
    into = tickets.get(connection, other)
    if into is None or into.id == ticket.id:
        raise CannotClose(f"T-{other} is {'this ticket' if into else 'no ticket'}: name the one that stands for it")
    if into.state == "closed":
        raise CannotClose(f"T-{other} is closed: reopen it first, or name one that is open")
    closed = close(replace(ticket, merged_into=into.id), DUPLICATE, actor, now, words)
    return closed, join(into, ticket, actor, now)
