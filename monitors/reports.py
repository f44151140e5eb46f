"""The queue of Evidently reports: made one at a time in the background, and linked to the scores they explain."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Connection

from monitors.report import Texts
from telltale.store import Store, StoreUnavailable, evidence, scores

log = logging.getLogger(__name__)

Report = Callable[[Texts], bytes | None]
"""Makes the HTML evidence of a window; None when it could not."""


class Reports:
    """A report takes seconds; the next window must not wait for it. Close it."""

    def __init__(self, store: Store, report: Report) -> None:
        self._store = store
        self._report = report
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="report")

    def request(self, texts: Texts, score_ids: Sequence[int], now: float) -> None:
        """Make the report of these texts, for these scores."""
        self._pool.submit(self._make, texts, score_ids, now)

    def close(self, *, finish: bool = False) -> None:
        """Wait for the current report; queued ones are made if `finish`, else dropped."""
        self._pool.shutdown(wait=True, cancel_futures=not finish)

    def _make(self, texts: Texts, score_ids: Sequence[int], now: float) -> None:
        html = self._report(texts)
        if html is None:
            return

        def put(connection: Connection) -> None:
            number = evidence.put(connection, html, kind="evidently", media_type="text/html; charset=utf-8", now=now)
            for score_id in score_ids:
                scores.attach_evidence(connection, score_id, number)

        try:
            self._store.write(put)
        except StoreUnavailable as error:
            log.warning("a report is lost: %s", error)
