"""What references keep: arrays by name come back as they were, also those that earlier versions kept."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from monitors import packing

TEXTS = st.lists(st.text(st.characters(exclude_characters="\x00"), max_size=8), max_size=6)
NUMBERS = st.lists(st.floats(width=32, allow_nan=False), max_size=6)


@given(texts=TEXTS, numbers=NUMBERS, kind=st.sampled_from(["<f2", "<f4", "<i4", "|b1"]))
def test_what_is_packed_comes_back(texts: list[str], numbers: list[float], kind: str) -> None:
    with np.errstate(all="ignore"):
        values = np.array(numbers, dtype=np.float32).astype(kind)
    kept: dict[str, NDArray[Any]] = {
        "tokens/prompt/words": np.array(texts, dtype=str),
        "tokens/prompt/axes": np.vstack([values, values]),
        "rows/prompt/times": np.arange(3.0),
    }
    stored = packing.packed(kept)
    assert packing.names(stored) == kept.keys()
    found = packing.unpacked(stored, ["tokens/prompt/", "rows/prompt/", "other/"])
    assert found.keys() == kept.keys()
    for name, array in kept.items():
        assert found[name].tolist() == array.tolist()
        assert found[name].shape == array.shape
        assert found[name].dtype.kind == array.dtype.kind
        assert found[name].flags.writeable


def test_only_the_folders_that_are_asked_for_are_read() -> None:
    stored = packing.packed({"a/x": np.arange(3), "b/x": np.arange(4)})
    assert packing.unpacked(stored, ["a/"]).keys() == {"a/x"}
    broken = stored[:-1]
    assert packing.unpacked(broken, ["a/"])["a/x"].tolist() == [0, 1, 2]


def test_what_earlier_versions_kept_is_read() -> None:
    written = io.BytesIO()
    old = {"tokens/prompt/words": np.array(["a", "한국어"]), "rows/prompt/times": np.arange(2)}
    np.savez_compressed(written, **old)  # type: ignore[arg-type]  # its stub takes the arrays for its options
    assert packing.names(written.getvalue()) == {"tokens/prompt/words", "rows/prompt/times"}
    assert packing.unpacked(written.getvalue(), ["tokens/prompt/"])["tokens/prompt/words"].tolist() == ["a", "한국어"]


def test_what_is_no_arrays_is_named() -> None:
    with pytest.raises(ValueError, match="no arrays"):
        packing.names(b"")
