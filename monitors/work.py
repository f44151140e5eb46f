"""What is judged at once: a window of a series, by all monitors that are due. The same function in every process.

Pure: a task has all that is needed, and its outcome all that came of it; both can be sent to another process.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from monitors import faults, judging
from monitors.judging import Judgement
from monitors.monitor import Monitor
from monitors.rows import Rows
from telltale.records import Basis, Score, Series
from telltale.store.references import Reference


@dataclass(frozen=True, slots=True)
class Ask:
    """One monitor that shall judge, from `least` rows on; `earlier` are its scores of the series, oldest first."""

    monitor: Monitor
    least: int
    earlier: Sequence[Score]


@dataclass(frozen=True, slots=True)
class Task:
    """A window of one series from `start` up to before `end`, and what it is compared with."""

    series: Series
    basis: Basis
    start: float
    end: float
    rows: Rows
    reference: Reference
    season: str
    persistence: tuple[int, int]
    asks: tuple[Ask, ...]

    def single(self) -> list[Task]:
        """The same for each monitor by itself."""
        return [replace(self, asks=(ask,)) for ask in self.asks]


@dataclass(slots=True)
class Outcome:
    """By the monitors' names: what they made of the window, why others failed, and CPU seconds."""

    made: dict[str, Judgement] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


def judge(task: Task) -> Outcome:
    """What each monitor makes of the window; one that fails does not stop the others."""
    outcome = Outcome()
    for ask in task.asks:
        name, began = ask.monitor.name, time.process_time()
        try:
            outcome.made[name] = judging.judge(
                ask.monitor, ask.least, task.series, task.basis, task.start, task.end, task.rows, task.reference,
                task.season, ask.earlier, task.persistence,
            )  # fmt: skip
        except Exception as error:  # noqa: BLE001 - the other monitors still judge this window
            outcome.failed[name] = faults.told(error)
        outcome.seconds[name] = time.process_time() - began
    return outcome


def failed(task: Task, why: str) -> Outcome:
    """What comes of a task that nobody could do."""
    return Outcome(failed={ask.monitor.name: why for ask in task.asks})


def joined(outcomes: Iterable[Outcome]) -> Outcome:
    """The outcomes of parts of one task as one."""
    whole = Outcome()
    for one in outcomes:
        whole.made |= one.made
        whole.failed |= one.failed
        whole.seconds |= one.seconds
    return whole
