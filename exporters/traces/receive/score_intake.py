"""Feedback in Langfuse's form, read, redacted and stored beside the event loop: long comments would hold it up."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from sqlalchemy import Connection

from exporters.traces.decode import bodies, bounds
from exporters.traces.decode.bodies import Refused
from exporters.traces.receive import langfuse_scores
from exporters.traces.receive.langfuse_scores import Refusal
from telltale.feedback import fingerprint
from telltale.feedback_count import EventCount
from telltale.records import Feedback
from telltale.settings import Settings
from telltale.store import Store, feedback
from telltale.store.errors import Conflict

WORKERS = 4

StoredScores = tuple[list[str], list[Refusal]]
"""Which scores are stored, and which were refused."""


class ScoreIntake:
    """Stores scores, and counts what is new of them in `events`, by kind."""

    def __init__(self, settings: Settings, store: Store, clock: Callable[[], float], events: EventCount) -> None:
        self._limit = settings.collector.max_decompressed_bytes
        self._rules = settings.redaction.rules
        self._store = store
        self._clock = clock
        self._events = events
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="scores")

    def submit(self, body: bytes, encoding: str, path: str, tenant: str, key_id: str) -> Future[StoredScores]:
        """Store the scores in a body that came to this path by the API key with that id.

        The future raises Refused or StoreUnavailable.
        """
        return self._pool.submit(self._ingest, body, encoding, path, tenant, key_id)

    def close(self) -> None:
        """Start nothing more; what runs ends by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _ingest(self, body: bytes, encoding: str, path: str, tenant: str, key_id: str) -> StoredScores:
        plain = bodies.decompress(body, encoding, self._limit)
        try:
            # Two bytes of a body may become a hundred in memory, and nothing else runs while it is read.
            bounds.json(plain, langfuse_scores.MAX_EVENTS)
            found, refused = langfuse_scores.read(plain, path)
        except bounds.TooMany as error:
            raise Refused("too_large", f"{error}: send less at once") from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise Refused("malformed", "the body holds no scores") from error
        events = list(langfuse_scores.events(found, tenant, key_id, self._clock(), self._rules))
        valid = [(name, event) for name, event in events if isinstance(event, Feedback)]
        refused += [(name, why) for name, why in events if isinstance(why, str)]
        stored, conflicts, new = self._store.write(lambda connection: _append(connection, valid))
        for event in new:
            self._events.add(event)
        refused += conflicts
        if refused and path == langfuse_scores.SCORES:
            # Of scores that come by themselves Langfuse says nothing one by one.
            why = "; ".join(f"{name}: {why}" for name, why in refused[:5])
            # Half of a surrogate pair in an id: protobuf takes none.
            raise Refused("malformed", why.encode("utf-8", "replace").decode())
        return stored, refused


def _append(
    connection: Connection, events: list[tuple[str, Feedback]]
) -> tuple[list[str], list[Refusal], list[Feedback]]:
    """Store events. Returns which are stored, those refused because their id was used for another body, and the new."""
    stored: list[str] = []
    refused: list[Refusal] = []
    new: list[Feedback] = []
    for name, event in events:
        try:
            _, replayed = feedback.append(connection, event, fingerprint(event))
        except Conflict as error:
            refused.append((name, str(error)))
        else:
            stored.append(name)
            if not replayed:
                new.append(event)
    return stored, refused, new
