"""Decompression against the standard library, with ends that lie about the size."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.traces.bodies import Refused, decompress

LIMIT = 5_000
DATA = st.binary(max_size=200) | st.builds(lambda part, times: part * times, st.binary(max_size=9), st.integers(0, 999))


@given(data=DATA, encoding=st.sampled_from(["gzip", "deflate"]), level=st.integers(0, 9))
def test_what_was_packed_comes_back_within_the_bound(data: bytes, encoding: str, level: int) -> None:
    packed = gzip.compress(data, level) if encoding == "gzip" else zlib.compress(data, level)
    if len(data) <= LIMIT:
        assert decompress(packed, encoding, LIMIT) == data
    else:
        with pytest.raises(Refused) as refused:
            decompress(packed, encoding, LIMIT)
        assert refused.value.reason == "too_large"


@given(data=DATA, told=st.integers(0, 2**32 - 1) | st.integers(0, 300))
def test_an_end_that_lies_about_the_size_is_refused(data: bytes, told: int) -> None:
    packed = gzip.compress(data)[:-4] + told.to_bytes(4, "little")
    if told == len(data) <= LIMIT:
        assert decompress(packed, "gzip", LIMIT) == data
        return
    with pytest.raises(Refused):
        decompress(packed, "gzip", LIMIT)


@given(first=st.binary(min_size=1, max_size=50), second=DATA)
def test_nothing_that_follows_is_dropped_in_silence(first: bytes, second: bytes) -> None:
    # The same part once more is no news, and has the same end.
    for more in (gzip.compress(second), first) if first != second else (first,):
        with pytest.raises(Refused):
            decompress(gzip.compress(first) + more, "gzip", LIMIT)
