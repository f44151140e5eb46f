"""Which rows stay: each thing once, nothing that tests hold, and no more of one person than is allowed."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Literal

from feedback.data_sets.alike import Alike, sketch
from feedback.data_sets.formats import Candidate
from feedback.data_sets.golden import GoldenPrompts
from feedback.data_sets.spec import Spec
from feedback.support import Backing, Limits, backing, select

Reason = Literal["duplicate", "near_duplicate", "golden", "near_golden", "own_vote", "per_subject", "per_key"]
"""Why a row is left out.

`duplicate`: the same row is there before it. `near_duplicate`: one of its class is there whose prompt and answer say
nearly the same. `golden`, `near_golden`: its prompt is one of a held-out set, or nearly. `own_vote`: only whoever made
the call supports it. `per_subject`, `per_key`: whoever supports it supports as many others before it.
"""
Chosen = tuple[Candidate, Backing]


def choose(
    candidates: Iterable[Candidate], spec: Spec, golden: GoldenPrompts, dropped: Counter[Reason]
) -> Iterator[Chosen]:
    """The rows that stay, in their order, each with who backs it. Counts the others in `dropped`."""
    if spec.format == "jsonl":
        # What is known, as it is known, but for what tests hold.
        for row in candidates:
            if held := golden.holds(row) if golden else None:
                dropped[held] += 1
            else:
                yield row, "none"
        return
    distinct = _distinct(candidates, spec, golden, dropped)
    if spec.format == "prompts":
        yield from ((row, "none") for row in distinct)
        return
    chosen = select(((row, row.support) for row in distinct), Limits(spec.per_subject, spec.per_key))
    dropped.update(reason for _, reason in chosen.left_out)
    yield from chosen.kept


def _distinct(
    candidates: Iterable[Candidate], spec: Spec, golden: GoldenPrompts, dropped: Counter[Reason]
) -> Iterator[Candidate]:
    seen: set[bytes] = set()
    near = NearDuplicates()
    for row in candidates:
        digest = hashlib.sha256(row.line[0]).digest()
        if digest in seen:
            dropped["duplicate"] += 1
            continue
        seen.add(digest)
        reason: Reason | None = golden.holds(row) if golden else None
        if reason is None and not spec.own_votes and backing(row.support) == "own":
            reason = "own_vote"
        if reason is None and near.has(row):
            reason = "near_duplicate"
        if reason is None:
            yield row
        else:
            dropped[reason] += 1


class NearDuplicates:
    """Rows of one class of which both the prompt and the answer say nearly the same.

    Of prompts alone, the whole talk and its newest turn: the turns of a long talk are no duplicates of each other.
    """

    def __init__(self) -> None:
        self._lessons = Alike()
        self._talks = Alike()
        self._kinds: list[str] = []

    def has(self, row: Candidate) -> bool:
        """Whether one is there already; otherwise it is now."""
        lesson = sketch(row.lesson)
        if self._lessons.find(lesson, lambda number: self._fits(number, row)) is not None:
            return True
        self._lessons.add(lesson)
        self._talks.add(row.talk_sketch)
        self._kinds.append(row.kind)
        return False

    def _fits(self, number: int, row: Candidate) -> bool:
        return self._kinds[number] == row.kind and self._talks.is_alike(number, row.talk_sketch)
