"""Records of files are found whatever stands around them, and a broken one takes no other with it."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feedback.importing import json_array, records
from feedback.importing.lines import MOST_BYTES, Lines
from feedback.importing.records import Record

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), max_size=12)
OBJECTS = st.dictionaries(TEXTS, TEXTS | st.integers(-9, 9) | st.none() | st.lists(TEXTS, max_size=2), max_size=4)
in_one_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
Read = Callable[[Callable[[Lines], Iterator[Record]], str | bytes], list[Record]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def of(reader: Callable[[Lines], Iterator[Record]], content: str | bytes) -> list[Record]:
        path = tmp_path / "file"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        lines = Lines(path)
        try:
            return list(reader(lines))
        finally:
            lines.close()

    return of


@in_one_folder
@given(st.lists(OBJECTS, max_size=6), st.sampled_from([None, 0, 2]), st.booleans())
def test_an_array_and_lines_hold_the_same_objects(
    read: Read, objects: list[dict[str, object]], indent: int | None, is_ascii: bool
) -> None:
    array = json.dumps(objects, indent=indent, ensure_ascii=is_ascii)
    lines = "\n".join(json.dumps(one, ensure_ascii=is_ascii) for one in objects)
    assert [record.fields for record in read(records.read_json, " \n" + array + "\n")] == objects
    assert [record.fields for record in read(records.read_json, lines)] == objects


@given(st.lists(OBJECTS, max_size=5), st.data())
def test_pieces_of_an_array_may_end_anywhere(objects: list[dict[str, object]], data: st.DataObject) -> None:
    text = json.dumps(objects)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=8)) | {0, len(text)})
    pieces = [text[begin:end] for begin, end in pairwise(cuts)]
    assert [json.loads(one.text or "") for one in json_array.split(pieces, 1000)] == objects


@in_one_folder
@given(st.lists(st.lists(TEXTS, min_size=2, max_size=2), max_size=6), st.sampled_from(["\n", "\r\n"]))
def test_csv_is_read_as_it_is_written(read: Read, rows: list[list[str]], end: str) -> None:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator=end)
    writer.writerows([["a", "b"], *rows])
    found = [record.fields for record in read(records.read_csv, out.getvalue())]
    assert found == [
        fields for row in rows if (fields := {name: cell for name, cell in zip("ab", row, strict=True) if cell})
    ]


@in_one_folder
@given(st.integers(0, 8), st.sampled_from(['{"a', "nothing", '"', "[[", '{"a": 1]}', "{}}", '{"a": "\\x"}', "1e999"]))
def test_a_broken_line_of_json_costs_itself_alone(read: Read, at: int, broken: str) -> None:
    lines = [json.dumps({"n": number}) for number in range(8)]
    lines.insert(at, broken)
    found = read(records.read_json, ("\n" if broken.startswith("[") else "") + "{}\n" + "\n".join(lines))
    assert [record.fields for record in found if record.fields] == [{"n": number} for number in range(8)]
    assert len([record for record in found if record.fields is None]) == 1


@in_one_folder
@given(st.integers(0, 7), st.sampled_from(['x,"y', 'x,y"z', 'x,"y"z', "x", "x,y,z", '"x,y']))
def test_a_broken_line_of_csv_costs_itself_alone(read: Read, at: int, broken: str) -> None:
    lines = [f"{number},n" for number in range(7)]
    lines.insert(at, broken)
    found = read(records.read_csv, "a,b\n" + "\n".join(lines) + "\n")
    assert [record.fields["a"] for record in found if record.fields and record.fields["b"] == "n"] == list("0123456")
    assert [record.line for record in found if record.fields is None] in ([at + 2], [])


def test_a_pipe_is_read_like_a_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    content = b'\xef\xbb\xbf[{"a": 1}]\n'
    writer = threading.Thread(target=lambda: pipe.write_bytes(content))
    writer.start()
    lines = Lines(pipe)
    assert [record.fields for record in records.read_json(lines)] == [{"a": 1}]
    assert (lines.read, lines.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    lines.close()
    writer.join()


def test_a_row_with_too_many_cells_is_refused_with_all_its_lines(read: Read) -> None:
    """What stands within its quotes is no row: somebody may have written it there."""
    found = read(records.read_csv, 'a,b\n1,"x\n2,n\n",3\n4,n\n')
    assert [(record.line, record.fields) for record in found] == [(2, None), (5, {"a": "4", "b": "n"})]
    assert found[0].fault == "with the lines up to 4 has 3 cells, and the header 2"


def test_an_element_that_is_no_json_costs_itself_alone(read: Read) -> None:
    text = b'[{"a": 1}, {"a": nothing},\n {"a": "\xff"}, 7, {"a": "' + b"x" * MOST_BYTES + b'"},\n{"a": "]"}, {"a": 2}]'
    found = read(records.read_json, text)
    assert [record.fields for record in found] == [{"a": 1}, None, None, None, None, {"a": "]"}, {"a": 2}]
    assert [record.line for record in found] == [1, 1, 2, 2, 2, 3, 3]


@pytest.mark.parametrize(
    "text", ['[{"a": 1}, {"b": 2', '[{"a": 1}, {"b": "2}]', '[{"a": 1}, ', '[{"a": 1}] {}', '[{"a": 1}']
)
def test_an_array_that_does_not_end_says_where(read: Read, text: str) -> None:
    *first, last = read(records.read_json, text)
    assert {"a": 1} in [record.fields for record in first] or last.fields is None
    assert last.fields is None
    assert "array" in last.fault


@pytest.mark.parametrize("form", ["lines", "array", "csv"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, form: str) -> None:
    path = tmp_path / "file"
    row = {"lines": '{"a": "b"}\n', "array": '{"a": "b"},', "csv": "a,b\n"}[form] * 1000
    with path.open("w") as file:
        file.write({"lines": "", "array": "[", "csv": "a,b\n"}[form])
        for _ in range(40):
            file.write(row)
        file.write("{}]" if form == "array" else "")
    lines = Lines(path)
    tracemalloc.start()
    number = sum(1 for _ in (records.read_csv if form == "csv" else records.read_json)(lines))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    lines.close()
    assert number >= 40_000
    assert peak < 2 << 18
