"""From stored samples and votes to windows: one row a trace, non-overlapping, compared with a frozen reference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random

from telltale.feedback import Vote
from telltale.records import Direction, Rows, Sample, Window

# Rows of a sparse series are gathered for at most this long before they are judged.
LONGEST = 86400.0
# Spans of a window may still be on their way when it is over.
GRACE_SHARE, LONGEST_GRACE = 0.2, 60.0


def text_rows(samples: Sequence[Sample], direction: Direction, most: int, seed: int) -> Rows:
    """One row a trace, exact repeats within a conversation left out; at most `most`, drawn at random."""
    seen: set[tuple[str, str]] = set()
    chosen: list[tuple[Sample, str, str]] = []
    traces: set[str] = set()
    for sample in samples:
        text = sample.prompt if direction == "prompt" else sample.response
        group = _group(sample)
        if not text or sample.trace_id in traces or (group, text) in seen:
            continue
        traces.add(sample.trace_id)
        seen.add((group, text))
        chosen.append((sample, group, text))
    if len(chosen) > most:
        drawn = sorted(Random(seed).sample(range(len(chosen)), most))  # noqa: S311 - a draw, no secret
        chosen = [chosen[index] for index in drawn]
    return Rows(
        ids=tuple(sample.id or 0 for sample, _, _ in chosen),
        groups=tuple(group for _, group, _ in chosen),
        texts=tuple(text for _, _, text in chosen),
        times=tuple(sample.observed_at for sample, _, _ in chosen),
        version=_version(samples),
    )


def vote_rows(votes: Sequence[Vote]) -> Rows:
    """One row for each vote, in order of the times when they were received."""
    votes = sorted(votes, key=lambda vote: vote.event.received_at)
    return Rows(
        ids=tuple(vote.call.id or 0 for vote in votes),
        groups=tuple(_group(vote.call) for vote in votes),
        votes=tuple(int(vote.is_negative) for vote in votes),
        times=tuple(vote.event.received_at for vote in votes),
        version=_version([vote.call for vote in votes]),
    )


def head(rows: Rows, count: int) -> Rows:
    """The first `count` rows."""
    columns = {name: getattr(rows, name)[:count] for name in ("ids", "groups", "texts", "votes", "times")}
    return replace(rows, **columns)


def compare(
    model: str, direction: Direction, start: float, end: float, current: Rows, reference: Rows,
    calibration: Mapping[str, float],
) -> Window:  # fmt: skip
    """The window of these rows against those of the reference."""
    return Window(
        model=model,
        version=current.version,
        direction=direction,
        start=start,
        end=end,
        texts=current.texts,
        groups=current.groups,
        reference_texts=reference.texts,
        reference_groups=reference.groups,
        votes=current.votes,
        reference_votes=reference.votes,
        calibration=calibration,
    )


def last_end(now: float, length: float) -> float:
    """The end of the newest window that is over."""
    grace = min(LONGEST_GRACE, GRACE_SHARE * length)
    return (now - grace) // length * length


def ends(start: float, until: float, length: float) -> list[float]:
    """Where a window that begins at `start` may end: multiples of `length` after it, up to `until`."""
    first = int(start // length) + 1
    return [number * length for number in range(first, int(until // length) + 1)]


def _group(sample: Sample) -> str:
    return sample.conversation_id or sample.trace_id


def _version(samples: Sequence[Sample]) -> str:
    """The version that served most of them."""
    return Counter(sample.version for sample in samples).most_common(1)[0][0] if samples else ""
