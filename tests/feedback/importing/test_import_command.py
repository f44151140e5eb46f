"""`telltale import feedback`: what of a file is stored, what is refused and how that is told."""

from __future__ import annotations

import csv
import io
import json
import random
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from telltale import feedback as meaning
from telltale.cli import main
from telltale.records import Feedback
from telltale.store import Store, audit, feedback, open_store

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
MAY = 1_777_636_800.0  # 2026-05-01T12:00:00Z
KOREAN = "배송 주소가 틀렸어요, 서울이 아니라 부산입니다"
ARABIC = "الإجابة خاطئة"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """`run("votes.csv", text, "--from", "csv")` writes the file and imports it: exit code, output and errors."""
    config = tmp_path / "telltale.toml"
    config.write_text(f'data_dir = "{tmp_path}"\n')

    def command(name: str, content: str | bytes, *arguments: str) -> tuple[int, str, str]:
        file = tmp_path / name
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        capsys.readouterr()
        code = main(["--config", str(config), "import", "feedback", str(file), "--tenant", "shop", *arguments])
        return code, *capsys.readouterr()

    return command


def stored(store: Store) -> list[Feedback]:
    with store.read() as connection:
        return feedback.load(connection)


def as_lines(*records: object) -> str:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def uuid7(at: float, number: int) -> str:
    """A UUID version 7 of this Unix time (RFC 9562 §5.7)."""
    return str(uuid.UUID(int=(int(at * 1000) << 80) | (7 << 76) | (2 << 62) | number))


def test_csv_in_our_own_fields_with_other_names_of_columns(run: Run, store: Store) -> None:
    text = (
        "request,kind,value,scale,text,who,when,extra\r\n"
        f'{TRACE},thumb,down,,"It says ""Seoul"",\r\nnot Busan. {KOREAN}",user-17,2026-05-01T12:00:00Z,x\r\n'
        f"{TRACE},rating,4,1:5,,user-18,1777636800000,\r\n"
        f"{TRACE},correction,,,{ARABIC} a@b.org,,,\r\n"
    )
    names = "trace_id=request,comment=text,subject=who,received_at=when"
    code, out, err = run("votes.csv", b"\xef\xbb\xbf" + text.encode(), "--from", "csv", "--map", names)
    assert (code, err) == (0, "")
    assert "votes.csv: 3 stored, 0 stored before, 0 refused" in out
    assert "columns not read: extra" in out
    thumb, rating, correction = stored(store)
    assert (thumb.kind, thumb.value, thumb.received_at, thumb.tenant) == ("thumb", 0.0, MAY, "shop")
    assert thumb.comment == f'It says "Seoul",\r\nnot Busan. {KOREAN}'
    assert thumb.subject
    assert "user-17" not in thumb.subject
    assert (rating.value, rating.received_at) == (0.75, MAY)
    assert rating.subject != thumb.subject
    assert correction.comment == f"{ARABIC} [EMAIL]"
    assert time.time() - 60 < correction.received_at <= time.time()


def test_lines_that_cannot_be_read_are_named_and_harm_no_other(run: Run, store: Store, tmp_path: Path) -> None:
    good = {"trace_id": TRACE, "kind": "comment"}
    lines = [
        json.dumps({**good, "comment": "one"}).encode(),
        b'{"trace_id": "',
        b"\xff\xfe{}",
        json.dumps({**good, "comment": "has a \0"}).encode(),
        json.dumps({**good, "trace_id": "secret"}).encode(),
        json.dumps({**good, "comment": "x", "received_at": time.time() + 9000}).encode(),
        b"[1]",
        b'{"trace_id": NaN}',
        json.dumps({**good, "comment": "y" * 16_385}).encode(),
        b"x" * ((1 << 20) + 1),
        json.dumps({**good, "comment": "two"}).encode(),
    ]
    errors = tmp_path / "errors.jsonl"
    code, out, err = run("f.jsonl", b"\n".join(lines), "--from", "jsonl", "--errors", str(errors))
    assert code == 1
    assert sorted(event.comment or "" for event in stored(store)) == ["one", "two"]
    assert "2 stored, 0 stored before, 9 refused" in out
    faults = [json.loads(line) for line in errors.read_text().splitlines()]
    assert [(fault["line"], fault["field"]) for fault in faults] == [
        (2, ""), (3, ""), (4, "comment"), (5, "trace_id"), (6, "received_at"), (7, ""), (8, ""), (9, "comment"),
        (10, ""),
    ]  # fmt: skip
    assert "is in the future" in faults[4]["reason"]
    assert f"{tmp_path / 'f.jsonl'}:5: trace_id: is no trace id of 32 hex digits" in err
    assert "secret" not in err
    assert "1 refused: trace_id: is no trace id" in out


def test_many_faults_are_not_all_shown(run: Run) -> None:
    code, out, err = run("f.jsonl", "{}\n" * 5000, "--from", "jsonl")
    assert code == 1
    assert len(err.splitlines()) == 21
    assert "5,000 refused: trace_id: is missing" in out


def test_a_quote_that_does_not_end_costs_one_line_of_csv(run: Run, store: Store) -> None:
    rows = [f"{TRACE},comment,{text}" for text in ("one", '"two', "three", "four")]
    code, _, err = run("f.csv", "trace_id,kind,comment\n" + "\n".join(rows) + "\n", "--from", "csv")
    assert code == 1
    assert [event.comment for event in stored(store)] == ["one", "three", "four"]
    assert "f.csv:3: has quotes that do not fit" in err


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("trace_id\n".encode("utf-16"), "is in UTF-16: save it as UTF-8"),
        (b"", "its first line names the columns"),
        (b'"trace_id,kind\n', "has a quote that does not end"),
        (b"a,b,a\n", "two columns 'a'"),
        (b"trace,kind\n", "no column 'trace_id' (it has trace, kind): --map"),
    ],
)
def test_files_that_are_none_end_the_import_before_anything_is_stored(
    run: Run, store: Store, content: bytes, told: str
) -> None:
    code, _, err = run("f.csv", content, "--from", "csv")
    assert code == 2
    assert told in err
    assert not stored(store)


SCORE: dict[str, object] = {
    "id": "s1", "traceId": TRACE, "sessionId": None, "timestamp": "2026-05-01T12:00:00.000Z", "source": "API",
    "name": "helpful", "dataType": "BOOLEAN", "value": 0, "stringValue": "False", "comment": KOREAN, "metadata": {},
    "observationId": SPAN, "userId": "whom-it-served", "environment": "default", "authorUserName": None,
}  # fmt: skip


def scores(*changes: Mapping[str, object]) -> list[dict[str, object]]:
    return [{**SCORE, "id": f"s{number}", **change} for number, change in enumerate(changes)]


MANY = scores(
    {},
    {"dataType": "NUMERIC", "name": "stars", "value": 4, "stringValue": None, "comment": None},
    {"dataType": "CATEGORICAL", "value": 2, "stringValue": "wrong city", "source": "EVAL"},
    {"dataType": "CORRECTION", "value": 0, "stringValue": "Busan.", "source": "ANNOTATION", "authorUserName": "Mina"},
    {"dataType": "TEXT", "value": 0, "stringValue": ARABIC, "comment": None},
)


def as_csv(rows: list[dict[str, object]]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows([{key: json.dumps(value) if value == {} else value for key, value in row.items()} for row in rows])
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("s.json", json.dumps(MANY)),
        ("t.json", json.dumps(MANY, indent=1, ensure_ascii=False)),
        ("s.jsonl", as_lines(*MANY)),
        ("page.jsonl", as_lines({"data": MANY, "meta": {"page": 1}})),
        ("s.csv", as_csv(MANY)),
    ],
)
def test_scores_of_langfuse_in_every_form_say_the_same(run: Run, store: Store, name: str, content: str) -> None:
    code, out, err = run(name, content, "--from", "langfuse", "--scale", "stars=1:5")
    assert (code, err) == (0, "")
    assert "7 stored" in out
    found = {event.idempotency_key.removeprefix("langfuse:"): event for event in stored(store)}
    said = {key: (event.kind, event.value, event.comment, event.source) for key, event in found.items()}
    assert said == {
        "s0": ("thumb", 0.0, KOREAN, "user"),
        "s1": ("rating", 0.75, None, "user"),
        "s2": ("category", None, "wrong city", "judge"),
        "s2:comment": ("comment", None, KOREAN, "judge"),
        "s3": ("correction", None, "Busan.", "reviewer"),
        "s3:comment": ("comment", None, KOREAN, "reviewer"),
        "s4": ("comment", None, ARABIC, "user"),
    }
    assert {event.received_at for event in found.values()} == {MAY}
    assert {(event.trace_id, event.span_id) for event in found.values()} == {(TRACE, SPAN)}
    # Whom a trace served did not necessarily score it.
    assert [key for key, event in found.items() if event.subject] == ["s3", "s3:comment"]


def test_scores_that_say_nothing_are_refused_with_the_remedy(run: Run, store: Store) -> None:
    bad = scores(
        {"dataType": "NUMERIC", "value": 4},
        {"traceId": None, "sessionId": "chat-1"},
        {"traceId": str(uuid.uuid4())},
        {"observationId": "gen-1"},
        {"source": "ELSEWHERE"},
        {"dataType": "CATEGORICAL", "value": 1, "stringValue": None},
        {"timestamp": "yesterday"},
        {"is_deleted": 1},
    )
    code, _, err = run("s.jsonl", as_lines(*bad), "--from", "langfuse")
    assert code == 1
    assert not stored(store)
    told = [line.partition(": ")[2] for line in err.splitlines()]
    assert told[0] == "value: is not between 0 and 1: --scale NAME=WORST:BEST says what its scale is"
    assert told[1] == "traceId: is missing: a sessionId is no single call"
    assert told[2] == "traceId: is no trace id of 32 hex digits; --traces FILE says which trace an id means"
    assert [line.partition(":")[0] for line in told[3:]] == [
        "observationId", "source", "value", "timestamp", "is_deleted",
    ]  # fmt: skip


def test_postgresql_takes_the_same(new_database: Callable[[], str], tmp_path: Path) -> None:
    url = new_database()
    opened = open_store(url)
    (tmp_path / "telltale.toml").write_text(f'data_dir = "{tmp_path}"\n[store]\nurl = "{url}"\n')
    file = tmp_path / "s.jsonl"
    file.write_text(json.dumps({"data": [*MANY, SCORE | {"id": "\0\ud800", "name": "\ud800", "comment": "\0 \ud800"}]}))
    arguments = ["--config", str(tmp_path / "telltale.toml"), "import", "feedback", str(file), "--tenant", "shop"]
    for _ in range(2):
        assert main([*arguments, "--from", "langfuse", "--scale", "stars=1:5"]) == 0
    assert len(stored(opened)) == 8
    opened.close()


def test_a_score_that_changed_since_it_was_stored_is_named(run: Run, store: Store) -> None:
    assert run("s.jsonl", as_lines(SCORE), "--from", "langfuse")[0] == 0
    for extra in (("--dry-run",), ()):
        code, _, err = run("s.jsonl", as_lines({**SCORE, "value": 1}), "--from", "langfuse", *extra)
        assert code == 1
        assert "s.jsonl:1: id: was stored before with other content, which stays" in err
    assert [event.value for event in stored(store)] == [0.0]


INFERENCE = uuid7(MAY - 60, 1)
ROWS: list[dict[str, Any]] = [
    {"id": uuid7(MAY, 2), "target_id": INFERENCE, "metric_name": "solved", "value": True, "tags": {}},
    {"id": uuid7(MAY, 3), "target_id": INFERENCE, "metric_name": "mistakes", "value": 2,
     "tags": {"tensorzero::human_feedback": "true", "trace": TRACE}},
    {"id": uuid7(MAY, 4), "target_id": INFERENCE, "target_type": "inference", "value": KOREAN, "tags": {"user": "u7"}},
    {"id": uuid7(MAY, 5), "inference_id": INFERENCE, "value": json.dumps([{"type": "text", "text": "Busan."}])},
    {"id": uuid7(MAY, 6), "inference_id": INFERENCE, "value": {"raw": '{"city": "Busan"}', "parsed": {}}},
    {"id": uuid7(MAY, 7), "target_id": INFERENCE, "metric_name": "tensorzero::evaluation_name::e::evaluator_name::v",
     "value": False},
]  # fmt: skip


def test_rows_of_tensorzero_find_their_traces_in_a_file(run: Run, store: Store, tmp_path: Path) -> None:
    traces = tmp_path / "traces.csv"
    traces.write_text(f"id,trace_id,span_id\n{INFERENCE},{TRACE},{SPAN}\n")
    arguments = (
        "--from",
        "tensorzero",
        "--traces",
        str(traces),
        "--scale",
        "mistakes=10:0",
        "--map",
        "subject=tags.user",
    )
    code, out, err = run("rows.jsonl", as_lines(*ROWS), *arguments)
    assert (code, err) == (0, "")
    assert "6 stored" in out
    found = stored(store)
    assert [(event.kind, event.name, event.value, event.comment, event.source) for event in found] == [
        ("thumb", "solved", 1.0, None, "user"),
        ("rating", "mistakes", 0.8, None, "reviewer"),
        ("comment", "comment", None, KOREAN, "user"),
        ("correction", "demonstration", None, "Busan.", "user"),
        ("correction", "demonstration", None, '{"city": "Busan"}', "user"),
        ("thumb", "e/v", 0.0, None, "judge"),
    ]
    assert {(event.trace_id, event.span_id, event.received_at) for event in found} == {(TRACE, SPAN, MAY)}
    assert [bool(event.subject) for event in found] == [False, False, True, False, False, False]


def test_rows_of_tensorzero_without_a_trace_are_refused(run: Run, store: Store) -> None:
    code, _, err = run("rows.jsonl", as_lines(*ROWS), "--from", "tensorzero")
    assert code == 2
    assert "--traces FILE" in err
    row = {**ROWS[3], "tags": {"trace": TRACE}, "value": [{"type": "tool_call", "name": "ship"}]}
    arguments = ("--from", "tensorzero", "--map", "trace_id=tags.trace", "--source", "mistakes=system")
    code, _, err = run("rows.jsonl", as_lines(*ROWS[:2], row), *arguments)
    assert code == 1
    assert not stored(store)
    told = [line.partition(": ")[2] for line in err.splitlines()]
    assert told[0] == "tags.trace: is missing"
    assert "--scale NAME=WORST:BEST" in told[1]
    assert "demonstrates more than text" in told[2]


def test_tags_that_cannot_be_read_do_not_make_a_judge_a_user(run: Run, store: Store) -> None:
    row = f"id,target_id,metric_name,value,tags\n{uuid7(MAY, 2)},{TRACE},solved,true,\"{{'a':'b'}}\"\n"
    code, _, err = run("rows.csv", row, "--from", "tensorzero", "--map", "trace_id=target_id")
    assert code == 1
    assert "tags: is no JSON object: export with FORMAT JSONEachRow" in err
    assert not stored(store)


def votes(number: int, seed: int) -> list[dict[str, Any]]:
    """Votes of a few people who change their minds, each at its own time."""
    made = random.Random(seed)
    return [
        {"trace_id": TRACE, "kind": made.choice(["thumb", "retract"]), "subject": made.choice("abc"),
         "received_at": MAY + at, "name": made.choice(["x", "y"])}
        for at in range(number)
    ]  # fmt: skip


def test_any_order_imported_twice_is_the_same_as_once_in_order(run: Run, store: Store) -> None:
    rows = [row | ({"value": bool(row["received_at"] % 2)} if row["kind"] == "thumb" else {}) for row in votes(700, 3)]
    random.Random(4).shuffle(rows)
    half = len(rows) // 2
    assert run("all.jsonl", as_lines(*rows), "--from", "jsonl")[0] == 0
    again = "\n".join(json.dumps(dict(sorted(row.items(), reverse=True))) for row in rows[half:] + rows[:half])
    code, out, _ = run("again.jsonl", again, "--from", "jsonl")
    assert code == 0
    assert "0 stored, 700 stored before" in out
    found = stored(store)
    assert [event.received_at for event in found] == [MAY + at for at in range(700)]
    newest: dict[tuple[str, str], dict[str, Any]] = {}
    for row in sorted(rows, key=lambda row: row["received_at"]):
        newest[row["subject"], row["name"]] = row
    expected = sorted(row["received_at"] for row in newest.values() if row["kind"] == "thumb")
    assert [event.received_at for event in meaning.current(found, {})] == expected


def test_a_dry_run_says_the_same_and_stores_nothing(run: Run, store: Store) -> None:
    rows = as_lines(*scores({}, {"value": 1}, {"traceId": "x"}), SCORE | {"id": "s0"})
    code, out, _ = run("s.jsonl", rows, "--from", "langfuse", "--dry-run")
    assert code == 1
    assert "2 would be stored, 1 stored before, 1 refused" in out
    with store.read() as connection:
        assert not audit.entries(connection)
    assert not stored(store)
    assert "2 stored, 1 stored before, 1 refused" in run("s.jsonl", rows, "--from", "langfuse")[1]


def test_who_imported_what_is_in_the_audit_log(run: Run, store: Store) -> None:
    run("s.jsonl", as_lines(SCORE, {}), "--from", "langfuse")
    with store.read() as connection:
        done, begun = audit.entries(connection)
        assert audit.verify(connection) is None
    assert (begun.action, done.action, done.subject) == ("feedback import begun", "feedback imported", "shop")
    assert done.details["new"] == done.details["refused"] == 1
    assert [file["name"] for file in done.details["files"]] == ["s.jsonl"]  # type: ignore[attr-defined]  # JSON
    assert re.search(r"[0-9a-f]{64}", json.dumps(begun.details))


KILLED = """
import os, signal, sys
from telltale.cli import main
from telltale.store import feedback
real, calls = feedback.append_all, []
def append_all(*arguments):
    calls.append(1)
    if len(calls) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*arguments)
feedback.append_all = append_all
main(sys.argv[1:])
"""


def test_an_import_that_is_killed_is_completed_by_the_next_one(run: Run, store: Store, tmp_path: Path) -> None:
    rows = as_lines(*scores(*({"value": at % 2} for at in range(1700))))
    file = tmp_path / "s.jsonl"
    file.write_text(rows)
    arguments = ["--config", str(tmp_path / "telltale.toml"), "import", "feedback", str(file), "--tenant", "shop"]
    process = subprocess.run([sys.executable, "-c", KILLED, *arguments, "--from", "langfuse"], check=False)
    assert process.returncode == -signal.SIGKILL
    with store.read() as connection:
        assert [entry.action for entry in audit.entries(connection)] == ["feedback import begun"]
    assert len(stored(store)) == 1000
    code, out, _ = run("s.jsonl", rows, "--from", "langfuse")
    assert code == 0
    assert "700 stored, 1,000 stored before" in out
    assert len(stored(store)) == 1700
