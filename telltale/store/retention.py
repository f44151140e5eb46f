"""What is deleted when it is older than `store.retention`: samples, scores and the evidence of those scores.

Feedback, tickets and the audit log are kept: they record what people said and decided.
"""

from __future__ import annotations

from sqlalchemy import Connection

from telltale.store import evidence, samples, scores


def prune(connection: Connection, before: float) -> int:
    """Delete what was observed, judged or made before that time. Returns how many rows."""
    # Scores first: they point to their evidence.
    return samples.prune(connection, before) + scores.prune(connection, before) + evidence.prune(connection, before)
