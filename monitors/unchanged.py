"""How often do the monitors take unchanged traffic for changed? Parts of a reference are judged against its rest.

Whole groups are drawn, in no order of time, so that nothing but chance tells the parts apart: the share of alarms is
the false-alarm rate that the settings state, or less where a floor asks for more than chance.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitors import calibration, references
from monitors.judgement import is_hit
from monitors.monitor import Monitor
from monitors.rows import Comparison
from telltale.records import Direction
from telltale.store.references import Reference

DRAWS: Final = 10
FAMILY: Final = "any of them"
# The rest must have more rows than the part, as a reference has more than a window.
LEAST_REST: Final = 2


@dataclass(slots=True)
class Tally:
    """Windows judged and alarms among them, by monitor; under `FAMILY` those in which any monitor alarms."""

    windows: Counter[str] = field(default_factory=Counter)
    alarms: Counter[str] = field(default_factory=Counter)

    def ratio(self, monitor: str) -> float | None:
        """The share of windows with an alarm; None while none was judged."""
        return self.alarms[monitor] / self.windows[monitor] if self.windows[monitor] else None

    def add(self, other: Tally) -> None:
        self.windows += other.windows
        self.alarms += other.alarms


def judge(reference: Reference, monitors: Sequence[Monitor], rows: int, seed: int) -> Tally:
    """Judge drawn parts of at most `rows` rows of a loaded reference, each monitor in each of its directions."""
    tally, by_draw = Tally(), dict[int, bool]()
    for monitor in monitors:
        for direction in monitor.directions if monitor.basis == reference.basis else ():
            for draw, comparison in enumerate(_parts(reference, monitor, direction, rows, seed)):
                scores = monitor.judge(comparison)
                if scores:
                    alarms = any(map(is_hit, scores))
                    tally.windows[monitor.name] += 1
                    tally.alarms[monitor.name] += alarms
                    by_draw[draw] = by_draw.get(draw, False) or alarms
    tally.windows[FAMILY] += len(by_draw)
    tally.alarms[FAMILY] += sum(by_draw.values())
    return tally


def _parts(reference: Reference, monitor: Monitor, direction: Direction, rows: int, seed: int) -> Iterator[Comparison]:
    known = references.learned(reference, monitor, direction)
    if known is None:
        return
    whole, basis = known.side, reference.basis
    size = min(rows, len(whole) // (LEAST_REST + 1))
    _, member = np.unique(whole.groups, return_inverse=True)
    if size < calibration.BLOCKS or member.max(initial=0) < LEAST_REST:
        return
    for draw in range(DRAWS):
        inner = _drawn(member, size, np.random.default_rng([seed, draw]))
        now, rest = (calibration.part(monitor, whole, np.flatnonzero(which)) for which in (inner, ~inner))
        yield Comparison(reference.series, basis, direction, 0.0, 0.0, now, rest, known.factors)


def _drawn(member: NDArray[np.intp], size: int, random: np.random.Generator) -> NDArray[np.bool_]:
    """Rows of whole groups, about so many; `member` is the group of each row."""
    sizes = np.bincount(member)
    order = random.permutation(sizes.size)
    chosen = order[: max(1, int(np.searchsorted(np.cumsum(sizes[order]), size, side="right")))]
    return np.isin(member, chosen)
