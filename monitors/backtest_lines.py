"""What a backtest found, for people and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from monitors.backtest import Key, Tally, Told
from monitors.explaining import sentence

# Reasons and alerts of one series that are written out; the rest is counted.
MOST_LINES: Final = 20


def lines(found: Sequence[Told]) -> Iterator[str]:
    """A table: each series, what each monitor said of it, its alerts, and what was not judged."""
    if not any(one.tallies or one.silent or one.failed for one in found):
        yield "nothing to judge: no calls of that time and model are stored"
    for one in found:
        if not (one.tallies or one.silent or one.failed):
            continue
        yield f"{' '.join(filter(None, one.series))} ({one.basis})"
        if one.tallies:
            yield f"  {'':<36} {'windows':>7} {'hits':>5} {'by chance':>9} {'suspect':>7} {'in alert':>8} {'alerts':>6}"
        for key, tally in sorted(one.tallies.items()):
            yield (
                f"  {_named(key):<36} {tally.windows:>7,} {tally.hits:>5,} {tally.expected:>9.1f} {tally.suspects:>7,} "
                f"{tally.alerts:>8,} {tally.begun:>6,}"
            )
        yield from _some(_alerts(one))
        for heading, counted in (("not judged", one.silent), ("FAILED", one.failed)):
            every = counted.most_common()
            yield from _some(f"  {heading}: {what}: {why} ({count:,} times)" for (what, why), count in every)


def document(found: Sequence[Told]) -> list[dict[str, Any]]:
    """The same with all that is known, as JSON has it."""
    return [
        {
            "series": one.series._asdict(),
            "basis": one.basis,
            "monitors": [_counted(key, tally) for key, tally in sorted(one.tallies.items())],
            "not_judged": [
                {"what": what, "why": why, "times": count, "failed": which is one.failed}
                for which in (one.failed, one.silent)
                for (what, why), count in which.most_common()
            ],
        }
        for one in found
    ]


def _alerts(one: Told) -> Iterator[str]:
    every = [(score, key) for key, tally in one.tallies.items() for score in tally.listed]
    for score, key in sorted(every, key=lambda pair: (pair[0].window_end, pair[1])):
        since = f", since {_at(score.since)}" if score.since is not None else ""
        effect = f"effect {score.effect or 0:.3g} (from {score.threshold or 0:.3g})"
        when = f"{_at(score.window_start)} to {_at(score.window_end)}"
        yield f"  alert {when}: {_named(key)}, {effect}{since}"
        yield f"    {sentence.of_finding(score, score.details.finding)}"


def _counted(key: Key, tally: Tally) -> dict[str, Any]:
    monitor, signal, direction = key
    return {
        "monitor": monitor,
        "signal": signal,
        "direction": direction,
        "windows": tally.windows,
        "rows": tally.rows,
        "hits": tally.hits,
        "hits_expected_by_chance": tally.expected,
        "suspect_windows": tally.suspects,
        "alert_windows": tally.alerts,
        "alerts": tally.begun,
        "alerts_listed": [
            {
                "window_start": score.window_start,
                "window_end": score.window_end,
                "since": score.since,
                "samples": score.samples,
                "effect": score.effect,
                "threshold": score.threshold,
                "p_value": score.p_value,
                "sentence": sentence.of_finding(score, score.details.finding),
            }
            for score in tally.listed
        ],
    }


def _some(told: Iterator[str]) -> Iterator[str]:
    every = list(told)
    yield from every[:MOST_LINES]
    if len(every) > MOST_LINES:
        yield f"  … and {len(every) - MOST_LINES:,} more such lines (--json has them)"


def _named(key: Key) -> str:
    monitor, signal, direction = key
    return f"{monitor} {signal} of the {direction}"


def _at(seconds: float | None) -> str:
    return datetime.fromtimestamp(seconds or 0.0, UTC).strftime("%Y-%m-%d %H:%MZ")
