"""Decompression against the standard library, also of bodies whose trailer states a wrong size."""

from __future__ import annotations

import gzip
import time
import tracemalloc
import zlib

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from exporters.traces.decode.bodies import MOST_FRAMES, Refused, decompress

LIMIT = 5_000
DATA = st.binary(max_size=200) | st.builds(lambda part, times: part * times, st.binary(max_size=9), st.integers(0, 999))


PACKERS = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": lambda data, level: zstandard.ZstdCompressor(level).compress(data),
}


def frame(data: bytes, *, sized: bool = True) -> bytes:
    """One zstd frame, with or without its content's size."""
    return zstandard.ZstdCompressor(write_content_size=sized, write_checksum=sized).compress(data)


@given(data=DATA, encoding=st.sampled_from([*PACKERS]), level=st.integers(0, 9))
def test_what_was_packed_comes_back_within_the_bound(data: bytes, encoding: str, level: int) -> None:
    packed = PACKERS[encoding](data, level)
    if len(data) <= LIMIT:
        assert decompress(packed, encoding, LIMIT) == data
    else:
        with pytest.raises(Refused) as refused:
            decompress(packed, encoding, LIMIT)
        assert refused.value.reason == "too_large"


@given(data=DATA, stated_size=st.integers(0, 2**32 - 1) | st.integers(0, 300))
def test_a_gzip_trailer_with_a_wrong_size_is_refused(data: bytes, stated_size: int) -> None:
    packed = gzip.compress(data)[:-4] + stated_size.to_bytes(4, "little")
    if stated_size == len(data) <= LIMIT:
        assert decompress(packed, "gzip", LIMIT) == data
        return
    with pytest.raises(Refused):
        decompress(packed, "gzip", LIMIT)


@given(first=st.binary(min_size=1, max_size=50))
def test_nothing_that_follows_is_dropped_in_silence(first: bytes) -> None:
    with pytest.raises(Refused):
        decompress(gzip.compress(first) + first, "gzip", LIMIT)
    with pytest.raises(Refused, match="follows"):
        decompress(zlib.compress(first) + zlib.compress(first), "deflate", LIMIT)


@given(parts=st.lists(DATA, min_size=1, max_size=4), name=st.sampled_from(["gzip", "x-gzip"]))
def test_every_member_of_a_gzip_body_is_read(parts: list[bytes], name: str) -> None:
    data, packed = b"".join(parts), b"".join(map(gzip.compress, parts))
    if len(data) <= LIMIT:
        assert decompress(packed, name, LIMIT) == data
    else:
        with pytest.raises(Refused) as refused:
            decompress(packed, name, LIMIT)
        assert refused.value.reason == "too_large"


def test_members_that_hold_nothing_are_bounded() -> None:
    assert decompress(gzip.compress(b"") * MOST_FRAMES, "gzip", LIMIT) == b""
    begun = time.process_time()
    with pytest.raises(Refused, match="members"):
        decompress(gzip.compress(b"") * 20 * MOST_FRAMES, "gzip", LIMIT)
    assert time.process_time() - begun < 2.0


@given(parts=st.lists(DATA, min_size=1, max_size=4), sized=st.booleans())
def test_every_frame_of_a_zstd_body_is_read(parts: list[bytes], sized: bool) -> None:
    data, packed = b"".join(parts), b"".join(frame(part, sized=sized) for part in parts)
    if len(data) <= LIMIT:
        assert decompress(packed, "zstd", LIMIT) == data
    else:
        with pytest.raises(Refused) as refused:
            decompress(packed, "zstd", LIMIT)
        assert refused.value.reason == "too_large"


@given(parts=st.lists(st.binary(max_size=2000), min_size=1, max_size=2), sized=st.booleans(), data=st.data())
def test_a_zstd_body_that_is_cut_off_is_refused(parts: list[bytes], sized: bool, data: st.DataObject) -> None:
    first, last = b"".join(frame(part, sized=sized) for part in parts[:-1]), frame(parts[-1], sized=sized)
    # A cut between two frames cannot be noticed.
    cut = data.draw(st.integers(1 if first else 0, len(last) - 1))
    with pytest.raises(Refused, match="cut off"):
        decompress(first + last[:cut], "zstd", LIMIT)


@pytest.mark.parametrize("more", [b"garbage", b"\0", b"\x28\xb5", b"garbage" * 100, gzip.compress(b"more", mtime=0)])
def test_what_follows_the_frames_of_a_zstd_body_is_refused(more: bytes) -> None:
    with pytest.raises(Refused) as refused:
        decompress(frame(b"spans") + more, "zstd", LIMIT)
    assert refused.value.reason == "malformed"


def test_frames_that_hold_nothing_are_bounded() -> None:
    assert decompress(frame(b"") * MOST_FRAMES, "zstd", LIMIT) == b""
    with pytest.raises(Refused, match="frames"):
        decompress(frame(b"") * (MOST_FRAMES + 1), "zstd", LIMIT)


def test_a_zstd_body_takes_no_more_memory_than_the_bound_and_a_little() -> None:
    packed = frame(b"\0" * (256 << 20))
    tracemalloc.start()
    try:
        with pytest.raises(Refused) as refused:
            decompress(packed, "zstd", LIMIT)
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()
    assert refused.value.reason == "too_large"


@pytest.mark.parametrize("encoding", [*PACKERS])
def test_a_large_body_is_in_memory_once(encoding: str) -> None:
    size = 24 << 20
    packed = PACKERS[encoding](b"\x12\0" * (size // 2), 1)
    tracemalloc.start()
    try:
        assert len(decompress(packed, encoding, size)) == size
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # It grows by an eighth at a time.
    assert most < 1.5 * size
