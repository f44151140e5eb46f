"""What a call's token counts prove: for any truth and any way of writing it the result is right or absent."""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from exporters.traces.conventions.usage_evidence import INCLUSIVE, UNKNOWN, Counts, Way, is_plain, known_way, settled

tokens = st.integers(0, 1_000_000)
some = st.integers(1, 1_000_000)
BEDROCK, GEMINI = known_way("aws.bedrock"), known_way("gcp.gemini")


class Truth(NamedTuple):
    """What a provider knows of a call."""

    fresh: int
    cached: int
    written: int
    visible: int
    reasoning: int

    @property
    def input(self) -> int:
        return self.fresh + self.cached + self.written

    @property
    def output(self) -> int:
        return self.visible + self.reasoning

    @property
    def counts(self) -> Counts:
        return Counts(self.input, self.output, self.cached, self.written, self.reasoning)

    def told(self, cache_apart: bool, reasoning_apart: bool) -> Counts:
        """As a sender writes it who counts that way, without a total."""
        whole, output = self.fresh if cache_apart else self.input, self.visible if reasoning_apart else self.output
        return self.counts._replace(input=whole, output=output)

    def is_ambiguous(self) -> bool:
        """Whether different sums of its numbers happen to be the same."""
        numbers = [number for number in (self.cached, self.written, self.reasoning) if number]
        sums = [sum(chosen) for size in (1, 2, 3) for chosen in combinations(numbers, size)]
        double = {2 * number for number in numbers}
        return len(sums) > len(set(sums)) or bool(double & set(sums))


truths = st.builds(Truth, some, tokens, tokens, some, tokens)
flags = st.booleans()


def is_right_or_absent(found: Counts, truth: Truth) -> bool:
    return found.input in (truth.input, UNKNOWN) and found.output in (truth.output, UNKNOWN)


@given(truths, flags, flags)
def test_a_providers_total_tells_how_a_sender_counts_whatever_is_thought_of_it(
    truth: Truth, cache_apart: bool, reasoning_apart: bool
) -> None:
    told = truth.told(cache_apart, reasoning_apart)._replace(total=truth.input + truth.output)
    for unknown in (INCLUSIVE, BEDROCK, GEMINI):
        assert is_right_or_absent(settled(told, unknown), truth)
    for thought in (INCLUSIVE, Way(cache_apart=True), Way(reasoning_apart=True), Way(True, True), BEDROCK, GEMINI):
        assert truth.is_ambiguous() or settled(told, thought) == truth.counts
    assert settled(told, Way(cache_apart, reasoning_apart)) == truth.counts


@given(truths, flags, flags)
def test_a_part_that_is_larger_than_its_whole_tells_it_too(
    truth: Truth, cache_apart: bool, reasoning_apart: bool
) -> None:
    told = truth.told(cache_apart, reasoning_apart)
    found = settled(told)
    if told.cached + told.written > told.input:
        assert (found.input, found.cached, found.written) == (truth.input, truth.cached, truth.written)
    else:
        assert found.input == told.input
    if told.reasoning > told.output:
        assert (found.output, found.reasoning) == (truth.output, truth.reasoning)
    else:
        assert found.output == told.output


@given(truths, flags, flags)
def test_without_any_evidence_a_sender_counts_as_it_is_known_to(
    truth: Truth, cache_apart: bool, reasoning_apart: bool
) -> None:
    told = truth.told(cache_apart, reasoning_apart)
    assert settled(told, Way(cache_apart, reasoning_apart)) == truth.counts
    # A sum that it made itself proves nothing.
    naive = told._replace(total=told.input + told.output)
    assert settled(naive, Way(cache_apart, reasoning_apart, has_total=False)) == truth.counts


@given(truths, flags)
def test_a_senders_own_sum_of_what_it_wrote_does_not_hide_a_contradiction(truth: Truth, reasoning_apart: bool) -> None:
    told = truth.told(True, reasoning_apart)
    assume(told.cached + told.written > told.input and not truth.is_ambiguous())
    assume(not reasoning_apart or truth.reasoning > truth.visible)
    assert settled(told._replace(total=told.input + told.output)) == truth.counts


@given(truths, flags, flags, flags, flags, flags)
def test_what_a_sender_leaves_out_makes_nothing_wrong_that_has_a_total(
    truth: Truth, cache_apart: bool, reasoning_apart: bool, has_cached: bool, has_written: bool, has_reasoning: bool
) -> None:
    assume(not truth.is_ambiguous())
    told = truth.told(cache_apart, reasoning_apart)
    told = Counts(
        told.input,
        told.output,
        told.cached if has_cached else UNKNOWN,
        told.written if has_written else UNKNOWN,
        told.reasoning if has_reasoning else UNKNOWN,
        truth.input + truth.output,
    )
    found = settled(told)
    assert is_right_or_absent(found, truth)
    if not cache_apart and not reasoning_apart:
        assert (found.input, found.output) == (truth.input, truth.output)
    assert is_right_or_absent(settled(told, GEMINI), truth) or cache_apart
    if not cache_apart and has_cached:
        assert settled(told, GEMINI).output == truth.output


@given(some, tokens, some, some)
def test_thoughts_that_only_the_total_has_are_output(fresh: int, cached: int, visible: int, thoughts: int) -> None:
    assume(cached != thoughts)
    whole = fresh + cached
    for told in (Counts(whole, visible, cached), Counts(whole, visible)):
        found = settled(told._replace(total=whole + visible + thoughts), GEMINI)
        assert (found.input, found.output, found.reasoning) == (whole, visible + thoughts, thoughts)


@given(some, some, some, some)
def test_tokens_of_a_cache_only_in_the_total_are_input(fresh: int, cached: int, written: int, output: int) -> None:
    total = fresh + cached + written + output
    for told in (Counts(fresh, output), Counts(fresh, output, cached), Counts(fresh, output, -1, written)):
        found = settled(told._replace(total=total), BEDROCK)
        assert (found.input, found.output) == (fresh + cached + written, output)


def test_nobody_knows_whose_the_rest_of_a_total_is_when_nothing_tells() -> None:
    assert settled(Counts(10, 5, total=100)) == Counts()
    # Gemini's as one sender writes it: the cache is told, so that the rest are thoughts.
    assert settled(Counts(1000, 9, 800, total=1107)) == Counts(1000, 107, 800, -1, 98)


@pytest.mark.parametrize(
    ("told", "known"),
    [
        (Counts(0, 0), Counts()),
        (Counts(0, 0, 0, 0, 0, 0), Counts()),
        (Counts(0, -1), Counts()),
        (Counts(-1, 0), Counts()),
        (Counts(-1, 5, 3, 2, 1), Counts(-1, 5, -1, -1, 1)),
        (Counts(9, -1, 3, 2, 1), Counts(9, -1, 3, 2, -1)),
        (Counts(0, 5, 7, 1), Counts(8, 5, 7, 1)),
        (Counts(10, 5, total=0), Counts(10, 5)),
        (Counts(10, 5, total=3), Counts()),
        (Counts(10, 0), Counts(10, 0)),
        (Counts(10, -1, total=10), Counts(10, -1)),
    ],
)  # fmt: skip
def test_zeros_of_what_nobody_counted_and_parts_without_a_whole_are_unknown(told: Counts, known: Counts) -> None:
    assert settled(told) == known


@given(st.builds(Counts, *[st.integers(-1, 12) | st.just(1 << 53)] * 6), flags, flags, flags)
def test_whatever_is_told_no_part_is_larger_than_its_whole(
    told: Counts, cache_apart: bool, reasoning_apart: bool, has_total: bool
) -> None:
    for hint in (INCLUSIVE, BEDROCK, GEMINI):
        way = Way(cache_apart, reasoning_apart, hint.hides_input, hint.hides_output, has_total)
        found = settled(told, way)
        assert max(found.cached, 0) + max(found.written, 0) <= max(found.input, 0)
        assert max(found.reasoning, 0) <= max(found.output, 0)
        assert found.total == UNKNOWN
        # Settled once, they are settled for good.
        assert is_plain(*found)
        assert settled(found) == found


@given(st.builds(Counts, *[st.integers(-1, 12)] * 6))
def test_what_contradicts_nothing_is_left_as_it_is(told: Counts) -> None:
    if is_plain(*told):
        assert settled(told) == told._replace(total=UNKNOWN)


def test_providers_by_their_names() -> None:
    thinking = [("gcp.gemini", None), ("google", "gemini-2.5-pro"), (None, "models/gemini-3"), ("xai", "grok-4")]
    caching = [("aws.bedrock", "amazon.nova"), ("gcp.vertex_ai", "claude-sonnet"), ("anthropic", None)]
    assert all(known_way(*names).hides_output for names in thinking)
    assert all(known_way(*names) == Way(hides_input=True) for names in caching)
    assert known_way("openai", "gpt-4o") == known_way(None) == INCLUSIVE
