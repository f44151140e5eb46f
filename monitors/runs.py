"""One run: freeze references that are complete, judge windows that are over, store the scores, make evidence."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from sqlalchemy import Connection

from monitors import descriptors, persistence, tokens, votes, windows
from monitors.persistence import GOES_ON
from monitors.windows import Rows
from telltale.records import Direction, Feedback, Sample, Score, Window
from telltale.settings import Monitor
from telltale.store import Store, StoreUnavailable, evidence, feedback, references, samples, scores
from telltale.store.references import Reference

log = logging.getLogger(__name__)

# Spans of a window may still be on their way when it is over.
GRACE_SHARE, LONGEST_GRACE = 0.2, 60.0
EXAMPLES = 8
TEXT_MONITORS = (tokens, descriptors)
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
        self.waiting: dict[tuple[str, ...], Score] = {}

    def run(self, now: float) -> int:
        """Judge all windows that are over. Returns how many scores are new."""
        with self._store.read() as connection:
            models = samples.models(connection, since=now - windows.LONGEST)
        return sum(self._texts(model, direction, now) for model in models for direction in DIRECTIONS) + sum(
            self._votes(model, now) for model in models
        )

    def _texts(self, model: str, direction: Direction, now: float) -> int:
        with self._store.read() as connection:
            reference = references.current(connection, model, direction)
        if reference is None:
            self._freeze_texts(model, direction, now)
            return 0
        until = self._last_end(now)
        with self._store.read() as connection:
            earlier = _earlier(connection, model, direction, now)
            start = max(_end(earlier, reference), until - windows.LONGEST)
            found = samples.load(connection, model=model, since=start, until=until, sampled_only=True)
        if until <= start:
            return 0
        current = windows.rows(found, direction, self._settings.max_rows, self._settings.seed)
        window = windows.text_window(
            model, direction, start, until, windows.version(found), current, _reference_rows(reference)
        )
        judged = [self._judge_text(monitor, window, current, reference, earlier) for monitor in TEXT_MONITORS]
        return self._keep(judged, window)

    def _judge_text(
        self, monitor: object, window: Window, current: Rows, reference: Reference, earlier: Sequence[Score]
    ) -> Score:
        judge: Callable[..., Score] = monitor.judge  # type: ignore[attr-defined]  # one of TEXT_MONITORS
        name: str = monitor.MONITOR  # type: ignore[attr-defined]  # one of TEXT_MONITORS
        inflation = reference.calibration.get(name, 1.0)
        s = self._settings
        factor = inflation if isinstance(inflation, float) else 1.0
        score = judge(window, min_rows=s.min_rows, alpha=s.alpha, seed=s.seed, inflation=factor)
        examples = {"current": list(current.ids[:EXAMPLES]), "reference": list(window.reference_texts[:EXAMPLES])}
        score = replace(score, details={**score.details, "examples": examples, "reference_id": reference.id})
        return self._settle(score, [found for found in earlier if found.monitor == name])

    def _votes(self, model: str, now: float) -> int:
        with self._store.read() as connection:
            reference = references.current(connection, model, "feedback")
            since = _end(_earlier(connection, model, "feedback", now), reference) if reference else 0.0
            until = self._last_end(now)
            events = windows.votes(feedback.load(connection, since=max(since, now - windows.LONGEST), until=until))
            known = {found.trace_id: found for found in _of_model(connection, model, events)}
            earlier = _earlier(connection, model, "feedback", now)
        mine = [event for event in events if event.trace_id in known]
        if reference is None:
            self._freeze_votes(model, mine, now)
            return 0
        if until <= since:
            return 0
        window = windows.vote_window(
            model,
            since,
            until,
            windows.version([known[event.trace_id] for event in mine]),
            [windows.negative(event) for event in mine],
            _ints(reference.content["votes"]),
        )
        score = votes.judge(window, min_votes=self._settings.min_votes, alpha=self._settings.alpha)
        bad = [known[event.trace_id].id for event in mine if windows.negative(event)][:EXAMPLES]
        score = replace(score, details={**score.details, "examples": {"current": bad, "reference": []}})
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

    def close(self) -> None:
        """Wait for the report in work; drop those that have not begun."""
        self._reports.shutdown(wait=True, cancel_futures=True)

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

    def _freeze_texts(self, model: str, direction: Direction, now: float) -> None:
        need = self._settings.reference_rows
        with self._store.read() as connection:
            found = samples.load(connection, model=model, sampled_only=True, until=self._last_end(now), limit=4 * need)
        first = windows.rows(found, direction, len(found) or 1, self._settings.seed)
        if len(first.texts) < need:
            return
        kept = Rows(first.texts[:need], first.groups[:need], first.ids[:need])
        end = next(sample.observed_at for sample in found if sample.id == kept.ids[-1])
        content = {"texts": list(kept.texts), "groups": list(kept.groups), "ids": list(kept.ids), "end": end}
        calibration = {monitor.MONITOR: self._inflation(monitor, kept) for monitor in TEXT_MONITORS}
        reference = Reference(model, direction, now, need, content, calibration)
        self._store.write(lambda c: references.freeze(c, reference))
        log.info("reference of %ss of %s frozen: %d rows", direction, model, need)

    def _inflation(self, monitor: object, rows: Rows) -> float:
        """How much more the reference's own blocks differ than chance says: real traffic is never quite stationary."""
        judge: Callable[..., Score] = monitor.judge  # type: ignore[attr-defined]  # one of TEXT_MONITORS
        size = max(self._settings.min_rows, len(rows.texts) // 4)
        worst = 1.0
        for begin in range(0, len(rows.texts) - size + 1, size):
            block = slice(begin, begin + size)
            window = Window(
                *("", "", "prompt", 0.0, 0.0),
                texts=rows.texts[block],
                groups=rows.groups[block],
                reference_texts=rows.texts[:begin] + rows.texts[begin + size :],
                reference_groups=rows.groups[:begin] + rows.groups[begin + size :],
            )
            score = judge(window, min_rows=1, alpha=self._settings.alpha, seed=self._settings.seed)
            if score.effect and score.threshold:
                worst = max(worst, score.effect / score.threshold)
        return worst

    def _freeze_votes(self, model: str, mine: Sequence[Feedback], now: float) -> None:
        need = self._settings.reference_votes
        if len(mine) < need:
            return
        kept = mine[:need]
        content = {"votes": [windows.negative(event) for event in kept], "end": kept[-1].received_at}
        self._store.write(lambda c: references.freeze(c, Reference(model, "feedback", now, need, content, {})))
        log.info("reference of votes on %s frozen: %d votes", model, need)

    def _last_end(self, now: float) -> float:
        """The end of the newest window that is over."""
        window = self._settings.window
        grace = min(LONGEST_GRACE, GRACE_SHARE * window)
        return (now - grace) // window * window


def _earlier(connection: Connection, model: str, direction: Direction, now: float) -> list[Score]:
    found = scores.load(connection, model=model, since=now - 7 * windows.LONGEST)
    return [score for score in found if score.direction == direction]


def _end(earlier: Sequence[Score], reference: Reference) -> float:
    """Where the next window begins: after the last judged one, else after the reference."""
    end = reference.content["end"]
    judged = [score.window_end for score in earlier]
    return max(judged) if judged else float(end) if isinstance(end, int | float) else reference.frozen_at


def _of_model(connection: Connection, model: str, events: Sequence[Feedback]) -> list[Sample]:
    found = samples.load(connection, trace_ids={event.trace_id for event in events})
    return [sample for sample in found if sample.model == model]


def _reference_rows(reference: Reference) -> Rows:
    content = reference.content
    return Rows(_strings(content["texts"]), _strings(content["groups"]), tuple(_ints(content["ids"])))


def _strings(value: object) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list) else ()


def _ints(value: object) -> list[int]:
    return [int(item) for item in value] if isinstance(value, list) else []
