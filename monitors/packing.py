"""Arrays by name as bytes: what a reference keeps. Each folder of names is packed by itself and read by itself.

Text is kept as UTF-8, because numpy's takes four bytes a character and as many characters as the longest has. What
earlier versions kept (numpy's npz) is read too.
"""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

MARK: Final = b"telltale arrays 1\n"
_LENGTH: Final = struct.Struct("<Q")
# Most of what is packed is numbers of words, which a higher level makes hardly smaller.
_LEVEL: Final = 4
_TEXT: Final = "text"


def packed(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """The arrays; the part of a name up to its last `/` is its folder. Names and shapes are in front, as JSON."""
    described: dict[str, dict[str, Any]] = {}
    bodies: list[bytes] = []
    begin = 0
    for folder in sorted({_folder(name) for name in arrays}):
        inside = {name: array for name, array in arrays.items() if _folder(name) == folder}
        raw = {name: _raw(array) for name, array in inside.items()}
        body = zlib.compress(b"".join(raw.values()), _LEVEL)
        described[folder] = {
            "at": [begin, len(body)],
            "arrays": {
                name: [_TEXT if array.dtype.kind == "U" else array.dtype.str, array.shape, len(raw[name])]
                for name, array in inside.items()
            },
        }
        bodies.append(body)
        begin += len(body)
    head = json.dumps(described).encode()
    return b"".join([MARK, _LENGTH.pack(len(head)), head, *bodies])


def names(stored: bytes) -> set[str]:
    """The names of the arrays; they are not read. Raises ValueError where it is nothing that was packed."""
    if not stored.startswith(MARK):
        with _npz(stored) as arrays:
            return set(arrays.files)
    head, _ = _head(stored)
    return {name for folder in head.values() for name in folder["arrays"]}


def unpacked(stored: bytes, folders: Collection[str]) -> dict[str, NDArray[Any]]:
    """The arrays in these folders, by their names. Raises ValueError where it is nothing that was packed."""
    if not stored.startswith(MARK):
        with _npz(stored) as arrays:
            return {name: arrays[name] for name in arrays.files if _folder(name) in folders}
    head, bodies = _head(stored)
    found: dict[str, NDArray[Any]] = {}
    for folder in head.keys() & set(folders):
        begin, length = head[folder]["at"]
        raw = zlib.decompress(bodies[begin : begin + length])
        place = 0
        for name, (kind, shape, size) in head[folder]["arrays"].items():
            found[name] = _array(raw[place : place + size], kind, shape)
            place += size
    return found


def _folder(name: str) -> str:
    return name[: name.rfind("/") + 1]


def _raw(array: NDArray[Any]) -> bytes:
    if array.dtype.kind != "U":
        return array.tobytes()
    texts = [text.encode("utf-8", "surrogatepass") for text in array.ravel().tolist()]
    return np.array([len(text) for text in texts], np.uint32).tobytes() + b"".join(texts)


def _array(raw: bytes, kind: str, shape: Iterable[int]) -> NDArray[Any]:
    if kind != _TEXT:
        # A copy: what is read from bytes cannot be written to.
        return np.frombuffer(raw, dtype=np.dtype(kind)).reshape(tuple(shape)).copy()
    shape = tuple(shape)
    count = int(np.prod(shape))
    ends = np.cumsum(np.frombuffer(raw[: 4 * count], np.uint32), dtype=np.int64).tolist()
    texts = raw[4 * count :]
    begins = [0, *ends][:count]
    return np.array(
        [texts[begin:end].decode("utf-8", "surrogatepass") for begin, end in zip(begins, ends, strict=True)], dtype=str
    ).reshape(shape)


def _head(stored: bytes) -> tuple[dict[str, Any], memoryview]:
    begin = len(MARK) + _LENGTH.size
    (length,) = _LENGTH.unpack_from(stored, len(MARK))
    return json.loads(stored[begin : begin + length]), memoryview(stored)[begin + length :]


def _npz(stored: bytes) -> Any:
    try:
        return np.load(io.BytesIO(stored), allow_pickle=False)
    except (zipfile.BadZipFile, EOFError) as error:
        raise ValueError("these are no arrays") from error
