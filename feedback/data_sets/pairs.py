"""Pairs of a better and a worse response to the same prompt.

A pair is a person's correction beside what the model answered, or two answers of the model to the same prompt of which
reviewers accepted one and rejected the other. Thumbs of users never make a pair: two users who saw one answer each have
not compared them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice, product
from typing import Literal

from feedback.data_sets.chat import ChatMessage
from feedback.data_sets.rated import RatedResponse, by_prompt, differ, of_reviewers, said
from feedback.support import Support


@dataclass(frozen=True, slots=True)
class Pair:
    """`rejected` is what the model answered; `chosen` a person's text, or another answer, which is `accepted`."""

    kind: Literal["corrected", "judged"]
    rejected: RatedResponse
    chosen: list[ChatMessage]
    support: tuple[Support, ...]
    accepted: RatedResponse | None = None


def pairs(pooled: Iterable[RatedResponse], per_prompt: int) -> Iterator[Pair]:
    """At most so many pairs of each prompt: the newest corrections first, then what reviewers judged."""
    for responses in by_prompt(pooled):
        yield from islice(_of_prompt(responses), per_prompt)


def _of_prompt(responses: list[RatedResponse]) -> Iterator[Pair]:
    seen: set[tuple[int, str]] = set()
    for place, rated in enumerate(responses):
        for correction in reversed(rated.corrections):
            text = correction.event.comment or ""
            if (place, text) not in seen:
                seen.add((place, text))
                yield Pair("corrected", rated, [corrected(text)], (correction,))
    accepted = [rated for rated in responses if rated.verdict is True]
    rejected = [rated for rated in responses if rated.verdict is False]
    for good, bad in product(accepted, rejected):
        if differ(said(good.chat.completion), said(bad.chat.completion)):
            support = (*of_reviewers(good.up), *of_reviewers(bad.down))
            yield Pair("judged", bad, good.chat.completion, support, good)


def corrected(text: str) -> ChatMessage:
    """A correction as a message; it takes the place of all that the model answered, its calls of tools too."""
    return {"role": "assistant", "content": text}
