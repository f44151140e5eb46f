"""Failed calls reported by both Anthropic's SDK and an instrumentation, in two traces and without a response id."""

from __future__ import annotations

import pytest

from exporters.traces.calls.call import Call
from exporters.traces.calls.dedup import CallDeduplicator
from exporters.traces.core.journal import Journals


def failed(convention: str, start: float, seconds: float, **values: object) -> Call:
    made = Call()
    made.set_ids(f"{convention}{start}".encode(), f"{start}".encode(), b"")
    made.convention, made.provider, made.model_requested, made.tenant = convention, "anthropic", "m", "acme"
    made.status, made.start_unix_s, made.duration_s = "error", start, seconds
    for name, value in values.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize("vendor_first", [False, True])
def test_the_vendors_span_lies_within_the_others(vendor_first: bool) -> None:
    pair = [failed("openllmetry", 100.0, 0.069), failed("anthropic", 100.002, 0.066)]
    first, second = reversed(pair) if vendor_first else pair
    recent, journal = CallDeduplicator(), Journals().begin()
    assert recent.merge(first, journal) is None
    seen = recent.merge(second, journal)
    assert seen is not None
    assert seen.convention == first.convention
    assert recent.find(failed(second.convention, 100.001, 0.06)) is None, "each of them has one other"


def test_two_tries_one_after_the_other_are_two_calls() -> None:
    recent = CallDeduplicator()
    recent.add(failed("openllmetry", 100.0, 0.069))
    assert recent.find(failed("anthropic", 100.5, 0.066)) is None
    assert recent.find(failed("openllmetry", 100.001, 0.067)) is None, "one instrumentation reports each call once"


@pytest.mark.parametrize(
    "values", [{"model_requested": "n"}, {"tenant": "other"}, {"key_mark": 7}, {"status": "ok"}, {"layer": "gateway"}]
)
def test_another_call_is_another_call(values: dict[str, object]) -> None:
    recent = CallDeduplicator()
    recent.add(failed("openllmetry", 100.0, 0.069))
    assert recent.find(failed("anthropic", 100.001, 0.06, **values)) is None


def test_a_removed_call_is_no_longer_found() -> None:
    recent, first = CallDeduplicator(), failed("openllmetry", 100.0, 0.069)
    recent.add(first)
    recent.forget(0, recent.next_number)
    assert recent.find(failed("anthropic", 100.001, 0.06)) is None
