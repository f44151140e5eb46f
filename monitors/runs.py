"""One run: freeze references that are complete, judge windows that are over, store the scores, make evidence."""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from math import inf, nextafter

from sqlalchemy import Connection

from monitors import calibration, descriptors, persistence, tokens, vote_rows, votes, windows
from monitors.calibration import TextMonitor
from monitors.persistence import GOES_ON
from monitors.windows import Rows
from telltale.feedback import Vote
from telltale.records import Direction, Sample, Score, Window
from telltale.settings import Monitor
from telltale.store import Store, StoreUnavailable, evidence, references, samples, scores
from telltale.store.references import Reference

log = logging.getLogger(__name__)

# Spans of a window may still be on their way when it is over.
GRACE_SHARE, LONGEST_GRACE = 0.2, 60.0
EXAMPLES = 8
# Windows of one series that one run catches up on; the next run goes on from there.
MOST_AT_ONCE = 20
TEXT_MONITORS: tuple[TextMonitor, ...] = (tokens, descriptors)
TEXT_NAMES = tuple(monitor.MONITOR for monitor in TEXT_MONITORS)
DIRECTIONS: tuple[Direction, ...] = ("prompt", "response")

Report = Callable[[Window], bytes | None]
"""Makes the HTML evidence of a window; None when it could not."""


class Runs:
    """Judges every model that has samples. Pure judgement is in the monitors; here are the store and the order."""

    def __init__(self, store: Store, settings: Monitor, report: Report) -> None:
        self._store = store
        self._settings = settings
        self._report = report
        self._reports = ThreadPoolExecutor(max_workers=1, thread_name_prefix="report")
        self._need = settings.reference_rows
        self.waiting: dict[tuple[str, ...], Score] = {}
        self.failed: set[str] = set()

    def run(self, now: float) -> int:
        """Judge all windows that are over. Returns how many scores are new.

        A series whose judgement fails stops no other one; `failed` then names its monitors. Raises StoreUnavailable.
        """
        self.failed.clear()
        with self._store.read() as connection:
            models = samples.models(connection, since=now - windows.LONGEST)
        new = 0
        for model in models:
            for direction in DIRECTIONS:
                new += self._all_due(TEXT_NAMES, model, partial(self._texts, model, direction, now))
            new += self._all_due((votes.MONITOR,), model, partial(self._votes, model, now))
        return new

    def _all_due(self, names: Sequence[str], model: str, judge_next: Callable[[], int]) -> int:
        """Judge window after window until none is due."""
        total = 0
        try:
            for _ in range(MOST_AT_ONCE):
                new = judge_next()
                total += new
                if not new:
                    break
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - one broken series must not blind the others
            self._fail(names, model, error)
        return total

    def _fail(self, names: Sequence[str], model: str, error: Exception) -> None:
        # Neither the message nor the values: they may hold people's words.
        line = error.__traceback__
        while line and line.tb_next:
            line = line.tb_next
        where = f"{line.tb_frame.f_code.co_filename}:{line.tb_lineno}" if line else "?"
        log.error("%s of %s failed: %s at %s", ", ".join(names), model, type(error).__name__, where)
        self.failed.update(names)

    def _texts(self, model: str, direction: Direction, now: float) -> int:
        until = self._last_end(now)
        with self._store.read() as connection:
            reference = references.current(connection, model, direction)
            if reference is None:
                found = samples.load(connection, model=model, sampled_only=True, until=until, limit=4 * self._need)
            else:
                earlier = self._earlier(connection, model, direction, now)
                start = max(_end(earlier, reference), until - windows.LONGEST)
                found = samples.load(connection, model=model, since=start, until=until, sampled_only=True)
        if reference is None:
            self._freeze_texts(model, direction, now, found)
            return 0
        cut = self._first_full(found, direction, start, until)
        if cut is None:
            return 0
        end, part, current = cut
        window = windows.text_window(
            model, direction, start, end, windows.version(part), current, _reference_rows(reference)
        )
        judged = []
        for monitor in TEXT_MONITORS:
            try:
                judged.append(self._judge_text(monitor, window, current, reference, earlier))
            except Exception as error:  # noqa: BLE001 - the other monitor still judges this window
                self._fail((monitor.MONITOR,), model, error)
        return self._keep(judged, window)

    def _first_full(
        self, found: Sequence[Sample], direction: Direction, start: float, until: float
    ) -> tuple[float, Sequence[Sample], Rows] | None:
        """The shortest window from `start` with enough rows, else the longest there is; None when none is over."""
        times, cut = [sample.observed_at for sample in found], None
        for end in windows.ends(start, until, self._settings.window):
            part = found[: bisect_left(times, end)]
            if len(part) < self._settings.min_rows and end < until:
                continue
            rows = windows.rows(part, direction, self._settings.max_rows, self._settings.seed)
            cut = end, part, rows
            if len(rows.texts) >= self._settings.min_rows:
                break
        return cut

    def _judge_text(
        self, monitor: TextMonitor, window: Window, current: Rows, reference: Reference, earlier: Sequence[Score]
    ) -> Score:
        inflation = reference.calibration.get(monitor.MONITOR, 1.0)
        s = self._settings
        factor = inflation if isinstance(inflation, float) else 1.0
        score = monitor.judge(window, min_rows=s.min_rows, alpha=s.alpha, seed=s.seed, inflation=factor)
        examples = {"current": list(current.ids[:EXAMPLES]), "reference": list(window.reference_texts[:EXAMPLES])}
        score = replace(score, details={**score.details, "examples": examples, "reference_id": reference.id})
        return self._settle(score, [found for found in earlier if found.monitor == monitor.MONITOR])

    def _votes(self, model: str, now: float) -> int:
        until = self._last_end(now)
        with self._store.read() as connection:
            reference = references.current(connection, model, "feedback")
            earlier = self._earlier(connection, model, "feedback", now)
            start = max(_end(earlier, reference) if reference else 0.0, until - windows.LONGEST)
            rows = vote_rows.load(connection, model, start, until)
        if reference is None:
            self._freeze_votes(model, rows.votes(), now)
            return 0
        for end in windows.ends(start, until, self._settings.window):
            current = rows.votes(before=end)
            if len(current) >= self._settings.min_votes or end >= until:
                return self._judge_votes(model, start, end, current, reference, earlier)
        return 0

    def _judge_votes(
        self, model: str, start: float, end: float, current: Sequence[Vote], reference: Reference,
        earlier: Sequence[Score],
    ) -> int:  # fmt: skip
        window = windows.vote_window(
            model,
            start,
            end,
            windows.version([vote.call for vote in current]),
            [int(vote.is_negative) for vote in current],
            _ints(reference.content["votes"]),
        )
        score = votes.judge(window, min_votes=self._settings.min_votes, alpha=self._settings.alpha)
        negative = [vote.call.id for vote in current if vote.is_negative][:EXAMPLES]
        score = replace(score, details={**score.details, "examples": {"current": negative, "reference": []}})
        return self._keep([self._settle(score, earlier)], window)

    def _settle(self, score: Score, earlier: Sequence[Score]) -> Score:
        judged = [found for found in earlier if found.state != "insufficient_data"]
        return persistence.settle(score, judged, *self._settings.persistence)

    def _keep(self, judged: Sequence[Score], window: Window) -> int:
        """Store scores. A window with too few rows is not over: its rows wait for more, and `waiting` tells so."""
        enough = [score for score in judged if score.state != "insufficient_data"]
        for score in judged:
            key = (score.monitor, score.signal, score.direction, score.model, score.tenant)
            if score.state == "insufficient_data":
                self.waiting[key] = score
            else:
                self.waiting.pop(key, None)
        if not enough:
            return 0
        new = self._store.write(lambda c: scores.save(c, enough))
        if new and window.texts and any(score.state == "alert" and not score.details.get(GOES_ON) for score in enough):
            # A report takes seconds; the next window must not wait for it.
            self._reports.submit(self._attach, window)
        return new

    def close(self, *, finish: bool = False) -> None:
        """Wait for the report in work; those that have not begun are made when told to `finish`, else dropped."""
        self._reports.shutdown(wait=True, cancel_futures=not finish)

    def _attach(self, window: Window) -> None:
        """Make the report of a new alarm and tie it to the scores that raised it."""
        html = self._report(window)
        if html is None:
            return

        def put(connection: Connection) -> None:
            number = evidence.put(
                connection, html, kind="evidently", media_type="text/html; charset=utf-8", now=window.end
            )
            for found in scores.load(connection, model=window.model, since=window.end):
                if found.window_end == window.end and found.direction == window.direction and found.id is not None:
                    scores.attach_evidence(connection, found.id, number)

        try:
            self._store.write(put)
        except StoreUnavailable as error:
            log.warning("the report of %s is lost: %s", window.model, error)

    def _freeze_texts(self, model: str, direction: Direction, now: float, found: Sequence[Sample]) -> None:
        need = self._need
        first = windows.rows(found, direction, len(found) or 1, self._settings.seed)
        if len(first.texts) < need:
            return
        kept = Rows(first.texts[:need], first.groups[:need], first.ids[:need])
        end = next(sample.observed_at for sample in found if sample.id == kept.ids[-1])
        content = {"texts": list(kept.texts), "groups": list(kept.groups), "ids": list(kept.ids), "end": end}
        learnt = {m.MONITOR: calibration.inflation(m, kept, self._settings) for m in TEXT_MONITORS}
        reference = Reference(model, direction, now, need, content, learnt)
        self._store.write(lambda c: references.freeze(c, reference))
        log.info("reference of %ss of %s frozen: %d rows", direction, model, need)

    def _freeze_votes(self, model: str, found: Sequence[Vote], now: float) -> None:
        need = self._settings.reference_votes
        if len(found) < need:
            return
        kept = found[:need]
        # Windows begin at the end: the last vote of the reference must not be in the first one too.
        end = nextafter(kept[-1].event.received_at, inf)
        content = {"votes": [int(vote.is_negative) for vote in kept], "end": end}
        self._store.write(lambda c: references.freeze(c, Reference(model, "feedback", now, need, content, {})))
        log.info("reference of votes on %s frozen: %d votes", model, need)

    def _earlier(self, connection: Connection, model: str, direction: Direction, now: float) -> list[Score]:
        """As many scores as persistence looks back on, of all monitors of the direction, oldest first."""
        limit = 4 * len(TEXT_MONITORS) * self._settings.persistence[1]
        since = now - 7 * windows.LONGEST
        return scores.recent(connection, model=model, direction=direction, since=since, limit=limit)

    def _last_end(self, now: float) -> float:
        """The end of the newest window that is over."""
        window = self._settings.window
        grace = min(LONGEST_GRACE, GRACE_SHARE * window)
        return (now - grace) // window * window


def _end(earlier: Sequence[Score], reference: Reference) -> float:
    """Where the next window begins: after the last judged one, else after the reference."""
    end = reference.content["end"]
    judged = [score.window_end for score in earlier]
    return max(judged) if judged else float(end) if isinstance(end, int | float) else reference.frozen_at


def _reference_rows(reference: Reference) -> Rows:
    content = reference.content
    return Rows(_strings(content["texts"]), _strings(content["groups"]), tuple(_ints(content["ids"])))


def _strings(value: object) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list) else ()


def _ints(value: object) -> list[int]:
    return [int(item) for item in value] if isinstance(value, list) else []
