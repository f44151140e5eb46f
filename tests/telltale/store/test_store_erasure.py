"""Erasure: nothing that a person said, or that was said under a trace, is left anywhere; everything else is."""

from __future__ import annotations

import gzip
import io
import os
import signal
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard
from sqlalchemy import Connection, select

from monitors import references as making
from monitors.rows import Rows
from telltale.evidence.scores import Details, Examples
from telltale.feedback import SUBJECT_KEY, caller_hash, subject_hash
from telltale.labels import Field, Rubric
from telltale.records import Feedback, Sample, Score, Series
from telltale.redaction import pseudonym
from telltale.store import (
    Store,
    access,
    audit,
    data_sets,
    erasure,
    evidence,
    evidently_reports,
    feedback,
    open_store,
    references,
    samples,
    schema,
)
from telltale.store import scores as judged
from telltale.store.data_sets import DataSet
from telltale.store.erasure import Target, Unclear
from telltale.store.evidently_reports import EvidentlyReport
from telltale.store.review import labels, leases, queues, rubrics
from telltale.store.review.labels import Label
from telltale.store.review.queues import Item, Queue

START = 1_700_000_000.0
MINA, JUN, ELSEWHERE = "Minas words are these", "Juns words are those", "Minas of the bank speak"
SAID = {("shop", "mina"): MINA, ("shop", "jun"): JUN, ("bank", "mina"): ELSEWHERE}
Read = Callable[[], str]


@pytest.fixture
def planted(store: Store) -> Store:
    store.write(plant)
    return store


def plant(connection: Connection) -> None:
    """Four calls of each person with feedback, labels, a reference, and a judged window that quotes them."""
    people, older = (access.secret(connection, name) for name in (SUBJECT_KEY, "conversation"))
    number = 0
    for (tenant, person), said in SAID.items():
        for turn in range(4):
            number += 1
            # One call that an older version kept, and the gateway's record of each, which names nobody.
            user = caller_hash(people, tenant, person)
            hashed = user if turn else pseudonym(older, f"user\0{tenant}\0{person}")[:32]
            call = Sample(
                f"{number:032x}", "a" * 16, START + number, tenant, "chat", "v1", "client", "chat", "ok",
                f"{said}: question {turn}", f"{said}: answer {turn}", 0.5, user=hashed,
                conversation_id=f"talk of {tenant} {person}",
            )  # fmt: skip
            nameless = {"user": None, "tenant": "unknown", "conversation_id": None}
            gateway = call._replace(span_id="b" * 16, layer="gateway", **nameless)  # type: ignore[arg-type]  # fields
            samples.save(connection, [call, gateway], START)
            who = subject_hash(people, tenant, person)
            for kind, by in (("thumb", who), ("comment", who), ("correction", subject_hash(people, tenant, "ann"))):
                text = None if kind == "thumb" else f"{said}: {kind} {turn}"
                value, key = 1.0 if kind == "thumb" else None, f"{number}{kind}"
                about = (START, tenant, call.trace_id, None, kind, "helpful", value, "user", key, text, by)
                feedback.append(connection, Feedback(*about), "0" * 64)  # type: ignore[arg-type]  # a kind
    kept = samples.load(connection)
    _review(connection, kept)
    _copies(connection, kept)
    for name, sha256, trace in (("minas", "e" * 64, 1), ("juns", "d" * 64, 5)):
        made = data_sets.add(connection, DataSet("shop", name, START, "op", "kto", "chat", 1, sha256, {}))
        data_sets.hold(connection, made.id or 0, [f"{trace:032x}"])
    for model in ("chat", "other"):
        entry = {"actor": "op", "action": "data_set_exported", "now": START + 99, "details": {"sha256": "f" * 64}}
        audit.record(connection, subject=model, **entry)  # type: ignore[arg-type]  # fields of an entry


def _review(connection: Connection, kept: list[Sample]) -> None:
    asked = Rubric("r", 1, (Field("good", "Is it?", "choice", ("yes", "no")),))
    rubric = rubrics.publish(connection, asked, actor="ann", now=START)
    queue = queues.make(connection, Queue("q", rubric.id or 0, 1, 600.0, START, "ann"))
    said = {(one.trace_id, one.span_id): one.prompt for one in kept if one.user}
    tenants = {one.trace_id: one.tenant for one in kept if one.user}
    queues.add(connection, [Item(queue, tenants[trace], "chat", "v1", trace, span) for trace, span in said])
    while given := leases.take(connection, queue, "ann", START):
        item = queues.item(connection, given.item_id)
        assert item is not None
        told = said[item.trace_id, item.span_id]
        words = (f"l{given.item_id}", START, f"{told} noted", f"{told} better")
        labels.submit(connection, Label(given.item_id, "ann", {"good": "yes"}, *words), given.token, rubric)


def _copies(connection: Connection, kept: list[Sample]) -> None:
    rows = Rows(
        ids=tuple(one.id or 0 for one in kept), times=tuple(one.observed_at for one in kept),
        groups=tuple(str(one.id) for one in kept), weights=(1.0,) * len(kept),
        texts={"prompt": tuple(one.prompt for one in kept), "response": tuple(one.response for one in kept)},
    )  # fmt: skip
    series, times = Series("chat", "v1"), (START, START + 60, START)
    references.freeze(connection, making.freeze(series, "calls", rows, *times, monitors=[], least=1))
    for place, said in enumerate(SAID.values()):
        # Reports of windows in which nobody called quote the reference.
        page = f"<p>{said}: question 1</p>".encode()
        report = evidence.put(connection, page, kind="r", media_type="text/html", now=START)
        beside = evidence.put(connection, page + b"<p>drawn</p>", kind="r", media_type="text/html", now=START)
        of = ("chat", "v1", f"part {place}", "", "prompt", START + 200, START + 201)
        evidently_reports.save(connection, EvidentlyReport(*of, beside))  # type: ignore[arg-type]  # a direction
        details = Details(examples=Examples((), (f"{said}: question 1", f"{said}: answer 2")))
        window = (START + 100 + place, START + 101 + place)
        score = Score("tokens", "words", "prompt", "chat", "v1", *window, 9, "ok", details=details, evidence_id=report)
        judged.save(connection, [score])


def everything(store: Store) -> str:
    """All that the store has, decompressed."""
    with store.read() as connection:
        rows = [row for table in schema.metadata.sorted_tables for row in connection.execute(select(table))]
    return "\n".join(" ".join(map(_readable, row)) for row in rows)


def _readable(value: Any) -> str:
    if not isinstance(value, (bytes, memoryview)):
        return str(value)
    raw = bytes(value)
    for unpack in (zlib.decompress, gzip.decompress, zstandard.ZstdDecompressor().decompress, _unzipped):
        try:
            return unpack(raw).decode("utf-8", "replace")
        except (zlib.error, gzip.BadGzipFile, zstandard.ZstdError, zipfile.BadZipFile, EOFError):
            continue
    return raw.hex()


def _unzipped(packed: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(packed)) as found:
        return b"\n".join(found.read(name) for name in found.namelist())


def mina(store: Store, tenant: str | None = "shop") -> Target:
    return store.write(lambda connection: erasure.of_subject(connection, "mina", tenant))


def test_nothing_of_a_person_is_left_and_everything_of_others_is(planted: Store) -> None:
    before = everything(planted)
    assert all(said in before for said in SAID.values())
    counted = erasure.count(planted, mina(planted))
    found, is_done = erasure.erase(planted, mina(planted), actor="op", now=START)

    assert is_done
    assert found == counted
    assert found.counts == {"calls": 8, "feedback": 12, "review_items": 4, "labels": 4}
    after = everything(planted)
    assert MINA not in after
    assert found.target.subject not in after
    assert after.count(JUN) == before.count(JUN)
    assert after.count(ELSEWHERE) == before.count(ELSEWHERE)
    assert erasure.count(planted, mina(planted)).is_empty
    with planted.read() as connection:
        (reference,) = references.current(connection)
        whole = references.load(connection, reference.id or 0)
        entries = [(one.action, one.details) for one in audit.entries(connection)][:2]
    assert len(making.rows(whole)) == reference.rows == 16
    assert whole.features is None
    assert [action for action, _ in entries] == ["erasure_done", "erasure_begun"]
    sure, may = entries[0][1]["exports"]
    assert sure == {"at": START, "by": "op", "of": "minas 1", "sha256": "e" * 64, "is_sure": True}
    assert may == {"at": START + 99, "by": "op", "of": "chat", "sha256": "f" * 64, "is_sure": False}
    with planted.read() as connection:
        stale = {one.name: one.stale_why for one in data_sets.load(connection)}
    assert stale == {"minas": f"{found.name} was erased", "juns": None}


def test_no_file_of_the_store_holds_what_was_erased(planted: Store, tmp_path: Path) -> None:
    """Also the log, beside which the part that wrote it still runs."""

    def holding() -> list[str]:
        return [path.name for path in tmp_path.iterdir() if MINA.encode() in path.read_bytes()]

    if planted.url.get_backend_name() != "sqlite":
        pytest.skip("PostgreSQL's files are its own")
    assert holding() == ["store.db-wal"]
    erasure.erase(planted, mina(planted), actor="op", now=START)
    assert holding() == []


def test_a_trace_goes_with_all_that_was_said_of_it_and_what_repeats_it_is_named(planted: Store) -> None:
    trace = f"{2:032x}"
    found, _ = erasure.erase(planted, Target(trace_id=trace), actor="op", now=START)

    assert found.counts == {"calls": 2, "feedback": 3, "review_items": 1, "labels": 1}
    assert found.repeated_in == (f"{3:032x}", f"{4:032x}")
    after = everything(planted)
    for said in ("question 1", "answer 1", "comment 1", "correction 1", "question 1 noted"):
        assert f"{MINA}: {said}" not in after
        assert f"{JUN}: {said}" in after
    assert f"{MINA}: question 2" in after


def test_a_person_or_trace_of_several_tenants_must_be_told_apart(planted: Store) -> None:
    with pytest.raises(Unclear, match="2 tenants have data of somebody of that name: bank, shop"):
        mina(planted, None)
    erasure.erase(planted, mina(planted, "bank"), actor="op", now=START)
    assert mina(planted, None).tenant == "shop"

    event = Feedback(START, "bank", f"{2:032x}", None, "thumb", "helpful", 1.0, "user", "x")
    planted.write(lambda connection: feedback.append(connection, event, "0" * 64))
    with pytest.raises(Unclear, match="bank, shop"):
        erasure.count(planted, Target(trace_id=f"{2:032x}"))
    assert erasure.count(planted, Target("shop", f"{2:032x}")).counts["feedback"] == 3


def test_nothing_is_found_of_nobody(planted: Store) -> None:
    nobody = planted.write(lambda connection: erasure.of_subject(connection, "nobody"))
    assert erasure.count(planted, nobody).is_empty
    assert erasure.count(planted, Target(trace_id="f" * 32)).is_empty


def test_a_person_who_only_gave_feedback_by_the_key_of_everybody_is_found_by_the_call(planted: Store) -> None:
    key = planted.write(lambda connection: access.secret(connection, SUBJECT_KEY))
    who = subject_hash(key, "*", "mina")
    for number, trace in enumerate((f"{5:032x}", f"{9:032x}", "e" * 32)):
        event = Feedback(START, "*", trace, None, "comment", "helpful", None, "user", f"any{number}", "mine", who)
        planted.write(lambda connection, event=event: feedback.append(connection, event, "0" * 64))
    found = erasure.count(planted, mina(planted))
    # Of the three, the one on a call of the shop; who made the others nobody can say.
    assert found.counts["feedback"] == 13


KILLED = """
import os, signal, sys
from telltale.store import erasure, open_store
erasure.AT_ONCE = 1
store = open_store(sys.argv[1])
target = store.write(lambda connection: erasure.of_subject(connection, "mina", "shop"))
done = iter(range(10**6))
def progress(what, share):
    if next(done) == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
erasure.erase(store, target, actor="op", now=0.0, progress=progress)
"""


def test_what_was_killed_in_the_middle_is_finished_by_the_next(planted: Store, url: str) -> None:
    for after in (3, 14):
        command = [sys.executable, "-c", KILLED, url, str(after)]
        process = subprocess.run(command, env=os.environ | {"PYTHONPATH": ":".join(sys.path)}, capture_output=True)
        assert process.returncode == -signal.SIGKILL, process.stderr
    again = open_store(url)
    try:
        assert not erasure.count(again, mina(again)).is_empty
        _, is_done = erasure.erase(again, mina(again), actor="op", now=START)
        assert is_done
        after_all = everything(again)
    finally:
        again.close()
    assert MINA not in after_all
    assert JUN in after_all


def test_it_stops_when_told_and_goes_on_from_there(planted: Store) -> None:
    left = iter([True, True, False])
    _, is_done = erasure.erase(planted, mina(planted), actor="op", now=START, go_on=lambda: next(left))
    assert not is_done
    assert MINA in everything(planted)
    assert erasure.erase(planted, mina(planted), actor="op", now=START)[1]
    assert MINA not in everything(planted)
