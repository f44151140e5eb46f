"""New files of rows, whole or not there: JSON, one row a line, or Parquet."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, Any, Final, Self

from feedback.data_sets import columns
from feedback.data_sets.spec import ExportRefused

ROWS_TOGETHER: Final = 1000


class Spool:
    """Lines of a file that has no name, by their number: what a set holds is known before it is written."""

    def __init__(self, folder: Path) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  # closed by `close`
        self._ends = array("Q", [0])

    def close(self) -> None:
        self._file.close()

    def add(self, line: bytes) -> None:
        self._file.write(line)
        self._ends.append(self._ends[-1] + len(line))

    def lines(self, numbers: Iterable[int]) -> Iterator[bytes]:
        """The lines of these numbers."""
        at = -1
        for number in numbers:
            start = self._ends[number]
            if at != start:
                self._file.seek(start)
            at = self._ends[number + 1]
            yield self._file.read(at - start)


def write(path: Path, parts: Iterable[bytes]) -> dict[str, object]:
    """Write a new file, for this user alone and durable. Returns its size and SHA-256."""
    digest, size = hashlib.sha256(), 0
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        for part in parts:
            file.write(part)
            digest.update(part)
            size += len(part)
        file.flush()
        os.fsync(file.fileno())
    return {"bytes": size, "sha256": digest.hexdigest()}


def write_parquet(path: Path, lines: Iterator[bytes], types: Mapping[str, str]) -> dict[str, object]:
    """Write rows, given as lines of JSON, as Parquet with the types in it. Raises ExportRefused without pyarrow."""
    pa, pq = pyarrow()
    metadata = {b"huggingface": json.dumps({"info": {"features": columns.features(types)}}).encode()}
    schema = pa.schema([pa.field(name, _arrow_type(pa, kind)) for name, kind in types.items()], metadata=metadata)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        with pq.ParquetWriter(file, schema, compression="zstd") as writer:
            while rows := [json.loads(line) for line in islice(lines, ROWS_TOGETHER)]:
                arrays = [_array(pa, [row.get(name) for row in rows], kind) for name, kind in types.items()]
                writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
        file.flush()
        os.fsync(file.fileno())
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def pyarrow() -> tuple[Any, Any]:
    """(pyarrow, pyarrow.parquet). Raises ExportRefused where it is not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ExportRefused(
            "Parquet needs pyarrow, which is not installed: pip install 'telltale-llm[parquet]', or write .jsonl"
        ) from error
    return pyarrow, pyarrow.parquet


def _arrow_type(pa: Any, kind: str) -> Any:
    if kind in (columns.JSON, columns.JSONS):
        return pa.list_(pa.json_()) if kind == columns.JSONS else pa.json_()
    return {"string": pa.string(), "bool": pa.bool_(), "int64": pa.int64(), "float64": pa.float64()}[kind]


def _array(pa: Any, values: Sequence[Any], kind: str) -> Any:
    if kind == columns.JSONS:
        texts = [None if value is None else [*map(_json, value)] for value in values]
        lists = pa.array(texts, type=pa.list_(pa.string()))
        items = pa.ExtensionArray.from_storage(pa.json_(), lists.values)
        return pa.ListArray.from_arrays(lists.offsets, items, type=pa.list_(pa.json_()), mask=lists.is_null())
    if kind == columns.JSON:
        texts = pa.array([None if value is None else _json(value) for value in values], type=pa.string())
        return pa.ExtensionArray.from_storage(pa.json_(), texts)
    return pa.array(values, type=_arrow_type(pa, kind))


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


# What Python reads and writes as JSON, and others do not: one such number would make the whole file unreadable.
_LARGE: Final = re.compile(r"[:,\[] ?-?\d{19}")


def line(row: Mapping[str, object]) -> tuple[bytes, Mapping[str, Any]]:
    """A row as a line of JSON that everybody reads, and as it is read again.

    A number that is none is null, one beyond 64 bits is its text.
    """
    text = json.dumps(row, ensure_ascii=False, default=str)
    if "NaN" in text or "Infinity" in text or _LARGE.search(text) is not None:
        row = json.loads(text, parse_constant=lambda _: None, parse_int=_whole)
        text = json.dumps(row, ensure_ascii=False)
    # Every text was redacted, which leaves no half surrogates, but names and ids were not.
    return text.encode("utf-8", "replace") + b"\n", row


def _whole(digits: str) -> int | str:
    number = int(digits)
    return number if -(2**63) <= number < 2**63 else digits


class Staging:
    """A folder beside where files shall be; they are moved there together, or removed."""

    def __init__(self, beside: Path) -> None:
        """Raises ExportRefused where there is no such place."""
        if not beside.parent.is_dir():
            raise ExportRefused(f"{beside}: there is no folder {beside.parent}; make it, or choose another place")
        self.folder = Path(tempfile.mkdtemp(prefix=".data-set-", dir=beside.parent))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for path in sorted(self.folder.rglob("*"), reverse=True) if self.folder.exists() else ():
            path.rmdir() if path.is_dir() else path.unlink()
        if self.folder.exists():
            self.folder.rmdir()

    def publish(self, names: Mapping[str, Path]) -> None:
        """Give each file its name, in this order. Raises FileExistsError, and nothing is overwritten."""
        done: list[Path] = []
        try:
            for name, path in names.items():
                os.link(self.folder / name, path)
                done.append(path)
        except OSError:
            for path in done:
                path.unlink()
            raise

    def publish_folder(self, output: Path) -> None:
        """Give the whole folder its name. Raises FileExistsError, and nothing is overwritten."""
        # An empty folder of that name would be replaced.
        output.mkdir(mode=0o700)
        os.rename(self.folder, output)
