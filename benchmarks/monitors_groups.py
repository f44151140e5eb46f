"""What groups of rows and factors of features change: false alarms on unchanged traffic, each switched on and off.

    python benchmarks/monitors_groups.py [--runs 20] [--windows 20] [--seed 9000000]

A line is one kind of traffic and one monitor. A run freezes a reference and judges windows of the same traffic, so
each window that is hit is a false alarm; `alpha` of them are allowed. `as served` is what the service does; `no groups`
takes every row for independent of all others, `no factors` takes the reference's own swings for none. Needs some
minutes.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from monitors_power import SERIES, Write, generated, judges

from monitors import calibration, reading, terms
from monitors.judgement import is_hit
from monitors.monitor import Monitor as AnyMonitor
from monitors.registry import MONITORS
from monitors.rows import Comparison, Rows, side
from telltale.feedback import Vote
from telltale.records import Direction, Feedback, Sample
from telltale.settings import Monitor

SETTINGS = Monitor(min_rows=60, reference_rows=400, min_votes=15, reference_votes=120, alpha=0.01)
SIZE = 100
TOPICS = 9
CALL = Sample("", "a" * 16, 0.0, "shop", "m", "v", "client", "chat", "ok", "", "fine", 1.0)
SWITCHES = {
    "as served": (True, True),
    "no groups": (False, True),
    "no factors": (True, False),
    "neither": (False, False),
}
"""Whether rows are grouped, and whether the reference's factors count."""


def independent(write: Write, count: int, random: Random) -> Iterator[Sample]:
    for _ in range(count):
        yield CALL._replace(prompt=write(random.randrange(TOPICS - 1), random))


def conversations(write: Write, count: int, random: Random) -> Iterator[Sample]:
    """Of about five turns on one topic."""
    for turns, name in _sessions(count, random):
        topic = random.randrange(TOPICS - 1)
        for _ in range(turns):
            yield CALL._replace(prompt=write(topic, random), conversation_id=name)


def users(write: Write, count: int, random: Random) -> Iterator[Sample]:
    """Like conversations, but only their users are known."""
    for call in conversations(write, count, random):
        yield call._replace(conversation_id=None, user=call.conversation_id)


def repeated(write: Write, count: int, random: Random) -> Iterator[Sample]:
    """Each text comes about five times, with another number in it, and nothing tells who sent it."""
    for times, _ in _sessions(count, random):
        text = write(random.randrange(TOPICS - 1), random)
        for _ in range(times):
            yield CALL._replace(prompt=f"{text} {random.randrange(100)}")


def swinging(write: Write, count: int, random: Random) -> Iterator[Sample]:
    """One topic's share is another one in every hundred calls, from none to nearly all: so it was in the reference."""
    share = 0.0
    for place in range(count):
        if place % SIZE == 0:
            share = random.uniform(0.0, 0.9)
        topic = 0 if random.random() < share else random.randrange(1, TOPICS - 1)
        yield CALL._replace(prompt=write(topic, random))


def _sessions(count: int, random: Random) -> Iterator[tuple[int, str]]:
    while count > 0:
        turns = min(count, random.randint(2, 8))
        count -= turns
        yield turns, f"{random.getrandbits(64):x}"


def people(count: int, random: Random) -> Iterator[Vote]:
    """Each of them votes once; a tenth of the votes are negative."""
    for _ in range(count):
        yield _vote(f"{random.getrandbits(64):x}", random.random() < 0.1)


def loud(count: int, random: Random) -> Iterator[Vote]:
    """Besides, one person votes twenty times, each time the same."""
    yield from people(count, random)
    name, is_negative = f"{random.getrandbits(64):x}", random.random() < 0.5
    for _ in range(20):
        yield _vote(name, is_negative)


def _vote(name: str, is_negative: bool) -> Vote:
    return Vote(
        Feedback(0.0, "shop", "", None, "thumb", "helpful", float(not is_negative), "user", "", subject=name), CALL
    )


@dataclass(frozen=True, slots=True)
class Traffic:
    """A kind of traffic and why the switches matter for it."""

    name: str
    direction: Direction
    rows: Callable[[int, Random, bool], Rows]
    cause: str


def of_calls(make: Callable[[Write, int, Random], Iterator[Sample]]) -> Callable[[int, Random, bool], Rows]:
    write, _ = generated(TOPICS)

    def rows(count: int, random: Random, is_grouped: bool) -> Rows:
        calls = [
            call._replace(id=place, trace_id=f"{place:032x}", observed_at=float(place))
            for place, call in enumerate(make(write, count, random))
        ]
        found = reading.of_calls(calls, [1.0] * count, [1] * count)
        return found if is_grouped else replace(found, groups=tuple(call.trace_id for call in calls))

    return rows


def of_votes(make: Callable[[int, Random], Iterator[Vote]]) -> Callable[[int, Random, bool], Rows]:
    def rows(count: int, random: Random, is_grouped: bool) -> Rows:
        votes = [
            Vote(
                replace(vote.event, id=place, subject=vote.event.subject if is_grouped else None),
                vote.call._replace(id=place, trace_id=f"{place:032x}"),
            )
            for place, vote in enumerate(make(count, random))
        ]
        return reading.of_votes(votes, len(votes))

    return rows


TRAFFIC = (
    Traffic("independent calls", "prompt", of_calls(independent), "nothing hangs together"),
    Traffic("conversations", "prompt", of_calls(conversations), "turns share a topic"),
    Traffic("users without conversations", "prompt", of_calls(users), "calls of a user share a topic"),
    Traffic("repeated texts", "prompt", of_calls(repeated), "a text that comes five times is one opinion"),
    Traffic("a topic that swings", "prompt", of_calls(swinging), "the reference's own blocks differ"),
    Traffic("votes", "feedback", of_votes(people), "each person votes once"),
    Traffic("one loud voter", "feedback", of_votes(loud), "one person's votes are one vote"),
)


def play(traffic: Traffic, runs: int, windows: int, seed: int) -> dict[str, dict[str, int]]:
    """Windows hit, by monitor and switch."""
    reference_rows, size = SETTINGS.reference_rows, SIZE
    if traffic.direction == "feedback":
        reference_rows, size = SETTINGS.reference_votes, 40
    kinds = judges(traffic.direction)
    hits = {kind.name: dict.fromkeys(SWITCHES, 0) for kind in kinds}
    for run in range(runs):
        for name, (is_grouped, has_factors) in SWITCHES.items():
            # The same rows for every switch.
            random = Random(seed + run)
            reference = traffic.rows(reference_rows, random, is_grouped)
            current = [traffic.rows(size, random, is_grouped) for _ in range(windows)]
            for kind in kinds:
                hits[kind.name][name] += _hits(kind, traffic.direction, reference, current, has_factors)
    return hits


def _hits(
    kind: type[AnyMonitor], direction: Direction, reference: Rows, current: Sequence[Rows], has_factors: bool
) -> int:
    monitor = kind.of(terms.of(MONITORS, SETTINGS)[kind])
    whole = side(reference, monitor.describe(reference, direction))
    blocks = calibration.blocks(monitor, whole, monitor.basis, direction, SETTINGS.min_rows) if has_factors else []
    factors = monitor.learn(blocks)
    return sum(
        any(map(is_hit, monitor.judge(Comparison(SERIES, monitor.basis, direction, 0.0, 1.0, now, whole, factors))))
        for now in (side(rows, monitor.describe(rows, direction)) for rows in current)
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20, help="references, each with windows of its own")
    parser.add_argument("--windows", type=int, default=20, help="windows a reference")
    parser.add_argument("--seed", type=int, default=9_000_000)
    args = parser.parse_args()
    began, number = time.process_time(), args.runs * args.windows
    print(f"{number} windows a cell; alpha {SETTINGS.alpha}\n")
    print(f"| unchanged traffic | monitor | {' | '.join(SWITCHES)} | cause of the difference |")
    print("|---|---|" + "---|" * (len(SWITCHES) + 1))
    for traffic in TRAFFIC:
        for monitor, hits in play(traffic, args.runs, args.windows, args.seed).items():
            shares = " | ".join(f"{hit / number:.1%}" for hit in hits.values())
            print(f"| {traffic.name} | {monitor} | {shares} | {traffic.cause} |", flush=True)
    print(f"\n{time.process_time() - began:.0f} CPU seconds")
    return 0


if __name__ == "__main__":
    sys.exit(main())
