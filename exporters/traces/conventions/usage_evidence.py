"""What a call's token counts prove about how its sender counts, when they contradict each other or their total.

OTel's input tokens include those of a cache and its output tokens those of reasoning; Bedrock, Anthropic and Gemini
count them apart. Each way of reading the numbers that is possible (no part is larger than its whole) and gives the
total that was sent is a witness; what all witnesses say is known, what they disagree about is not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from mypy_extensions import i64

UNKNOWN: Final = -1


class Counts(NamedTuple):
    """Numbers of tokens as a sender wrote them; -1 for one that it did not."""

    input: int = UNKNOWN
    output: int = UNKNOWN
    cached: int = UNKNOWN
    written: int = UNKNOWN
    reasoning: int = UNKNOWN
    total: int = UNKNOWN


class Way(NamedTuple):
    """A way of counting: whether the cache's tokens stand apart from the input, and reasoning's from the output.

    As a sender's known way it says how to read what nothing else tells. `hides_input` and `hides_output`: what its
    total has beyond the rest, and nobody names, are tokens of a cache, or of reasoning. `has_total` is False where
    the sender's total is only the sum of what it wrote, and proves nothing.
    """

    cache_apart: bool = False
    reasoning_apart: bool = False
    hides_input: bool = False
    hides_output: bool = False
    has_total: bool = True


INCLUSIVE: Final = Way()
# By what stands in the name of a provider or a model: totals of Google and xAI include thoughts that their senders
# often leave out; Bedrock's and Anthropic's include tokens of a cache.
_XAI: Final[tuple[str, ...]] = (" xai", " x_ai", " x-ai", "grok")
_THINKING: Final[tuple[str, ...]] = ("google", "gemini", "gcp", "vertex", *_XAI)
_CACHING: Final[tuple[str, ...]] = ("bedrock", "anthropic", "claude")


def is_plain(whole: i64, output: i64, cached: i64, written: i64, reasoning: i64, total: i64) -> bool:
    """Whether nothing contradicts that the counts are OTel's: then there is nothing to settle. -1 is "not known"."""
    parts: i64 = 0
    if cached > 0:
        parts = cached
    if written > 0:
        parts += written
    # Zeros may stand for what nobody counted, and a part without its whole says little.
    if whole < 0:
        return output != 0 and cached < 0 and written < 0 and reasoning <= output
    if whole == 0 and output <= 0:
        return False
    if output < 0:
        return parts <= whole and reasoning < 0
    return parts <= whole and reasoning <= output and (total <= 0 or total == whole + output)


def settled(counts: Counts, way: Way = INCLUSIVE) -> Counts:
    """The counts as OTel has them, without a total; -1 for what they do not prove.

    `way` is how the sender is known to count, else OTel's. A part whose whole is not known is not known either.
    """
    whole, output = _wholes(counts, way)
    if whole <= 0 and output <= 0:
        # Zeros in place of what nobody counted: a request has at least a token.
        return Counts()
    reasoning = counts.reasoning
    if reasoning < 0 <= counts.output < output:
        # Only the total had them.
        reasoning = output - counts.output
    return Counts(
        whole,
        output,
        counts.cached if whole >= 0 else UNKNOWN,
        counts.written if whole >= 0 else UNKNOWN,
        reasoning if output >= 0 else UNKNOWN,
    )


def known_way(provider: str | None, *models: str | None) -> Way:
    """How a provider's own API counts, as far as its shape does not tell, by the names of provider and models."""
    names = "".join(f" {name.lower()}" for name in (provider, *models) if name)
    hides_input = any(word in names for word in _CACHING)
    # Google and Amazon serve Anthropic's models too.
    hides_output = not hides_input and any(word in names for word in _THINKING)
    return Way(False, any(word in names for word in _XAI), hides_input, hides_output)


class _Reading(NamedTuple):
    """The whole input and the whole output, and how much of them is of a cache or of reasoning."""

    input: int
    output: int
    parts: int
    reasoning: int
    is_expected: tuple[bool, bool]


def _wholes(counts: Counts, way: Way) -> tuple[int, int]:
    readings = list(_readings(counts, way))
    has_total = way.has_total and counts.total > 0 and counts.input >= 0 and counts.output >= 0
    if has_total and counts.input + counts.output > 0:
        total = counts.total
        exact = [reading for reading in readings if reading.input + reading.output == total]
        if exact:
            known = [reading for reading in exact if all(reading.is_expected)]
            return _agreed([reading[:2] for reading in known or exact])
        if not any(_leaves_out(reading, total) for reading in readings):
            return _with_hidden(counts, readings, way)
        readings = [reading for reading in readings if _leaves_out(reading, total)]
    # The fewest contradictions with what is known of the sender.
    best = max(readings, key=lambda reading: sum(reading.is_expected))
    return best.input, best.output


def _readings(counts: Counts, way: Way) -> Iterator[_Reading]:
    """Every way of reading the counts in which no part is larger than its whole."""
    parts, reasoning = max(counts.cached, 0) + max(counts.written, 0), max(counts.reasoning, 0)
    for cache_apart in (False, True):
        for reasoning_apart in (False, True):
            whole = counts.input + parts if cache_apart and counts.input >= 0 else counts.input
            output = counts.output + reasoning if reasoning_apart and counts.output >= 0 else counts.output
            if (parts > whole >= 0) or (reasoning > output >= 0):
                continue
            is_expected = (cache_apart == way.cache_apart, reasoning_apart == way.reasoning_apart)
            yield _Reading(whole, output, parts, reasoning, is_expected)


def _leaves_out(reading: _Reading, total: int) -> bool:
    """Whether the total is a sender's sum that leaves out tokens of a cache, of reasoning or of both."""
    left = reading.input + reading.output - total
    return left > 0 and left in (reading.parts, reading.reasoning, reading.parts + reading.reasoning)


def _with_hidden(counts: Counts, readings: list[_Reading], way: Way) -> tuple[int, int]:
    """The wholes where the total has tokens that nothing else names: of a cache or of reasoning, if only one can be."""
    of_reasoning, of_cache = [], []
    for reading in readings:
        if counts.reasoning < 0 and counts.total > reading.input + reading.output:
            of_reasoning.append((reading, (reading.input, counts.total - reading.input)))
        whole = counts.total - reading.output
        if min(counts.cached, counts.written) < 0 and whole > counts.input + reading.parts:
            of_cache.append((reading, (whole, reading.output)))
    if way.hides_output and of_reasoning:
        return _agreed(_expected(of_reasoning, side=0))
    if way.hides_input and of_cache:
        return _agreed(_expected(of_cache, side=1))
    return _agreed([pair for _, pair in of_reasoning + of_cache])


def _expected(found: list[tuple[_Reading, tuple[int, int]]], side: int) -> list[tuple[int, int]]:
    """Those in which one side is read as the sender is known to count, or all where none is."""
    return [pair for reading, pair in found if reading.is_expected[side]] or [pair for _, pair in found]


def _agreed(pairs: list[tuple[int, int]]) -> tuple[int, int]:
    """Of each number the one that all have, else -1."""
    inputs, outputs = {pair[0] for pair in pairs}, {pair[1] for pair in pairs}
    return (
        inputs.pop() if len(inputs) == 1 else UNKNOWN,
        outputs.pop() if len(outputs) == 1 else UNKNOWN,
    )
