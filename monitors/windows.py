"""From stored samples to windows: one row a trace, non-overlapping, compared with a frozen reference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from telltale.records import Direction, Sample, Window

# Rows of a sparse series are gathered for at most this long before they are judged.
LONGEST = 86400.0


@dataclass(frozen=True, slots=True)
class Rows:
    """What one side of a comparison is made of; `ids` are the samples', in the order of `texts`."""

    texts: tuple[str, ...]
    groups: tuple[str, ...]
    ids: tuple[int, ...]


def rows(samples: Sequence[Sample], direction: Direction, most: int, seed: int) -> Rows:
    """One row a trace, exact repeats within a conversation left out; at most `most`, drawn at random."""
    seen: set[tuple[str, str]] = set()
    chosen: list[tuple[str, str, int]] = []
    traces: set[str] = set()
    for sample in samples:
        text = sample.prompt if direction == "prompt" else sample.response
        group = sample.conversation_id or sample.trace_id
        if not text or sample.trace_id in traces or (group, text) in seen:
            continue
        traces.add(sample.trace_id)
        seen.add((group, text))
        chosen.append((text, group, sample.id or 0))
    if len(chosen) > most:
        drawn = sorted(Random(seed).sample(range(len(chosen)), most))  # noqa: S311 - a draw, no secret
        chosen = [chosen[index] for index in drawn]
    return Rows(
        tuple(text for text, _, _ in chosen), tuple(group for _, group, _ in chosen), tuple(id for _, _, id in chosen)
    )


def ends(start: float, until: float, length: float) -> list[float]:
    """Where a window that begins at `start` may end: multiples of `length` after it, up to `until`."""
    first = int(start // length) + 1
    return [number * length for number in range(first, int(until // length) + 1)]


def version(samples: Sequence[Sample]) -> str:
    """The version that served most of them."""
    return Counter(sample.version for sample in samples).most_common(1)[0][0] if samples else ""


def text_window(
    model: str, direction: Direction, start: float, end: float, served: str, current: Rows, reference: Rows
) -> Window:
    return Window(
        model=model,
        version=served,
        direction=direction,
        start=start,
        end=end,
        texts=current.texts,
        groups=current.groups,
        reference_texts=reference.texts,
        reference_groups=reference.groups,
    )


def vote_window(
    model: str, start: float, end: float, served: str, current: Sequence[int], reference: Sequence[int]
) -> Window:
    return Window(
        model=model,
        version=served,
        direction="feedback",
        start=start,
        end=end,
        votes=tuple(current),
        reference_votes=tuple(reference),
    )
