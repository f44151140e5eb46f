"""The queue of Evidently reports: made one at a time in the background, kept with the scores that they stand beside."""

from __future__ import annotations

import logging
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from threading import Lock
from typing import Final, Literal

from sqlalchemy import Connection

from monitors import references as making
from monitors.evidently import schedule, verdict
from monitors.evidently.exchange import Asked, Made, Numbers, Texts
from monitors.evidently.process import NoReport, Stopped, drawn
from monitors.evidently.schedule import Why
from monitors.rows import Rows
from telltale.evidence import codec
from telltale.records import Direction, Score, Series
from telltale.settings import Evidently as Settings
from telltale.store import Store, StoreUnavailable, evidence, evidently_reports, references, samples, scores
from telltale.store.evidently_reports import EvidentlyReport

log = logging.getLogger(__name__)

Make = Callable[[Asked], Made]
"""Makes a report. Raises NoReport."""
Outcome = Literal["made", "failed", "left_out"]
OUTCOMES: Final[tuple[Outcome, ...]] = ("made", "failed", "left_out")

# A report takes some ten seconds: more than this would be made when nobody needs them any more.
MOST_WAITING: Final = 100
# How the store tells pages of alarms, which stay with their scores, from those that make room for newer ones.
KINDS: Final[dict[Why, str]] = {"alarm": "evidently", "schedule": "evidently_scheduled"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A report on one window of a series and direction. What it is made of is read when its turn comes."""

    why: Why
    scores: tuple[Score, ...]
    sample_ids: tuple[int, ...]
    reference_id: int | None

    @property
    def series(self) -> Series:
        return self.scores[0].series

    @property
    def direction(self) -> Direction:
        return self.scores[0].direction

    @property
    def end(self) -> float:
        return self.scores[0].window_end

    @property
    def key(self) -> tuple[Series, Direction, float | None]:
        """Of what the schedule asks for, the newest of a series is enough."""
        return self.series, self.direction, self.end if self.why == "alarm" else None


class Reports:
    """A report takes seconds; the next window must not wait for it. Close it."""

    def __init__(self, store: Store, settings: Settings, make: Make) -> None:
        self._store = store
        self._settings = settings
        self._make = make
        self._lock = Lock()
        self._waiting: OrderedDict[tuple[Series, Direction, float | None], Wanted] = OrderedDict()
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="report")
        self.outcomes: Counter[Outcome] = Counter(dict.fromkeys(OUTCOMES, 0))

    def judged(self, rows: Rows, found: Sequence[Score], reference_id: int | None) -> None:
        """Ask for the reports that are due of a window: its rows, and its scores of one series with their ids."""
        for direction in dict.fromkeys(score.direction for score in found):
            if direction not in rows.texts or self._settings.when == "never":
                continue
            own = tuple([score for score in found if score.direction == direction])
            last = self._last_end(own[0].series, direction) if self._settings.when == "daily" else None
            why = schedule.due(self._settings.when, own, own[0].window_end, last)
            if why is not None:
                self._ask(Wanted(why, own, rows.judged(direction).ids, reference_id))

    def close(self, *, finish: bool = False) -> None:
        """Wait for the current report; queued ones are made if `finish`, else dropped."""
        if not finish:
            with self._lock:
                dropped = len(self._waiting)
                self.outcomes["left_out"] += dropped
                self._waiting.clear()
            if dropped:
                log.warning("%d Evidently reports are not made: this process ends", dropped)
        self._pool.shutdown(wait=True)

    def _ask(self, wanted: Wanted) -> None:
        """Let it wait, perhaps in the place of another: an alarm's is worth more than one of the schedule."""
        with self._lock:
            waiting = self._waiting
            over = waiting.pop(wanted.key, None)
            if over is None and len(waiting) >= MOST_WAITING:
                oldest = next((key for key, one in waiting.items() if one.why == "schedule"), None)
                over = waiting.pop(oldest) if oldest and wanted.why == "alarm" else wanted
            if over is not None:
                self.outcomes["left_out"] += 1
                log.warning("an Evidently report of %s is left out: too many wait", over.series.model)
            if over is wanted:
                return
            waiting[wanted.key] = wanted
        self._pool.submit(self._next)

    def _last_end(self, series: Series, direction: Direction) -> float | None:
        """The end of the last window of which there is a report, or will be."""
        with self._lock:
            ends = [one.end for one in self._waiting.values() if (one.series, one.direction) == (series, direction)]
        with self._store.read() as connection:
            stored = evidently_reports.last_end(connection, series, direction)
        return max([*ends, *([stored] if stored is not None else [])], default=None)

    def _next(self) -> None:
        with self._lock:
            wanted = next((one for one in self._waiting.values() if one.why == "alarm"), None)
            wanted = wanted or next(iter(self._waiting.values()), None)
            if wanted is None:
                return
            del self._waiting[wanted.key]
        try:
            self.outcomes[self._report(wanted)] += 1
        except StoreUnavailable as error:
            self.outcomes["failed"] += 1
            log.warning("an Evidently report is lost: %s", error)
        except Exception as error:  # noqa: BLE001 - the next report counts; the message may quote a text
            self.outcomes["failed"] += 1
            log.error("an Evidently report of %s failed: %s", wanted.series.model, type(error).__name__)

    def _report(self, wanted: Wanted) -> Outcome:
        """Make a report and store it. An alarm has a page in any case: it says why there is nothing of Evidently."""
        try:
            made, lacking = self._made(wanted), ""
        except Stopped:
            return "left_out"
        except (NoReport, OSError) as error:
            lacking = str(error) if isinstance(error, NoReport) else f"its process did not start ({error.strerror})"
            log.warning("no Evidently report of %s: %s", wanted.series.model, lacking)
            if wanted.why == "schedule":
                return "failed"
            made = Made("", Numbers())
        page = verdict.opened_by_ours(made.html, wanted.scores, made.numbers, lacking)
        self._store.write(lambda c: self._put(c, wanted, page, made.numbers, is_whole=not lacking))
        return "failed" if lacking else "made"

    def _made(self, wanted: Wanted) -> Made:
        texts, left_out = drawn(self._texts(wanted), self._settings.most_rows)
        settings = self._settings
        made = self._make(Asked(texts, settings.presets, settings.numbers, settings.flags, settings.text_drift))
        if not made.html:
            raise NoReport("; ".join(f"{one.what}: {one.why}" for one in made.numbers.left_out) or "it says nothing")
        return replace(made, numbers=replace(made.numbers, left_out=[*left_out, *made.numbers.left_out]))

    def _texts(self, wanted: Wanted) -> Texts:
        """What was said in the window and in its reference. Raises NoReport."""
        direction = wanted.direction
        with self._store.read() as connection:
            calls = samples.load(connection, ids=wanted.sample_ids)
            try:
                reference = references.load(connection, wanted.reference_id or 0)
            except KeyError:
                raise NoReport("the reference is not there any more") from None
        now = [call.prompt if direction == "prompt" else call.response for call in calls]
        before = [text for text in making.rows(reference).texts.get(direction, ()) if text is not None]
        for side, told in (("window", now), ("reference", before)):
            if not told:
                raise NoReport(f"there are no texts of the {side} any more")
        return Texts(now, before)

    def _put(self, connection: Connection, wanted: Wanted, page: str, numbers: Numbers, *, is_whole: bool) -> None:
        """Store the page beside the scores, and the numbers for metrics."""
        kind, first = KINDS[wanted.why], wanted.scores[0]
        content = page.encode("utf-8", "replace")
        number = evidence.put(
            connection, content, kind=kind, media_type="text/html; charset=utf-8", now=first.window_end
        )
        for score in wanted.scores:
            if score.id is not None:
                scores.attach_evidence(connection, score.id, number)
        if is_whole:
            told = codec.dump(Numbers, numbers)
            report = EvidentlyReport(
                *first.series, first.direction, first.window_start, first.window_end, number, told
            )  # fmt: skip
            evidently_reports.save(connection, report)
        evidence.keep_newest(connection, KINDS["schedule"], self._settings.most_kept)
