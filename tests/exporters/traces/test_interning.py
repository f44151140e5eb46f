"""What bytes mean is remembered for recently seen ones, and never mixed up with others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from exporters.traces.core.interning import Interned, InternTable


def remembered(byte_strings: list[bytes]) -> dict[bytes, Interned | None]:
    known = InternTable()
    for word in byte_strings:
        known.put(Interned(word, word.decode(), ()))
    return {word: known.find(b"<" + word + b">", 1, len(word)) for word in byte_strings}


@pytest.mark.parametrize(
    "form", ["model-{}-2026-01-15", "{}-instruct", "gpt-{}", "m{}", "meta-llama/Llama-3.{}-70B-Instruct-Turbo-FP8"]
)
def test_versions_of_a_model_are_remembered_beside_each_other(form: str) -> None:
    """Ten that began and ended alike shared one slot, so that nine of ten calls had to look their model up again."""
    byte_strings = [AnyValue(string_value=form.format(number)).SerializeToString() for number in range(10)]
    found = remembered(byte_strings)
    assert [value.text if value else None for value in found.values()] == [word.decode() for word in byte_strings]


@given(st.lists(st.text(max_size=40).map(str.encode), unique=True, max_size=30))
def test_what_is_remembered_is_of_these_very_bytes(byte_strings: list[bytes]) -> None:
    for word, value in remembered(byte_strings).items():
        assert value is None or (value.raw, value.text) == (word, word.decode())
