"""Migrations lead to the schema, and run once however many processes start together."""

from __future__ import annotations

import gzip
import random
import sqlite3
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import JSON, URL, Engine, bindparam, create_engine, make_url, text

from telltale.store import (
    Store,
    StoreUnavailable,
    StoreUnusable,
    evidence,
    migrations,
    open_store,
    references,
    samples,
    scores,
    ticket_search,
    tickets,
)
from telltale.store.schema import metadata


def scripts() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    return config


def test_head_is_the_newest_revision() -> None:
    assert ScriptDirectory.from_config(scripts()).get_current_head() == migrations.HEAD


def test_migrated_tables_are_the_schema(store: Store) -> None:
    engine = create_engine(store.url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_samples_of_the_first_tables_are_kept(url: str) -> None:
    engine = create_engine(url)
    row = {
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "span_id": "00f067aa0ba902b7",
        "prompt": "일",
        "response": "r",
    }
    with engine.begin() as connection:
        config = scripts()
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for number in (7, 9):
            connection.execute(
                text(
                    "INSERT INTO samples (id, trace_id, span_id, observed_at, stored_at, tenant, model, version, layer,"
                    " operation, status, prompt, response, inclusion_probability, redactions) VALUES (:id, :trace_id,"
                    " :span_id, 5, 6, 't', 'm', 'v', 'client', 'chat', 'ok', :prompt, :response, 0.5, '{\"ip\": 1}')"
                ).bindparams(id=number, **row | {"span_id": f"{number:016x}"})
            )
    engine.dispose()

    store = open_store(url)
    with store.read() as connection:
        found = samples.load(connection, trace_ids=[row["trace_id"]])
    again = store.write(lambda c: samples.save(c, found, 8.0))
    store.close()

    assert [(one.id, one.trace_id, one.span_id) for one in found] == [
        (number, row["trace_id"], f"{number:016x}") for number in (7, 9)
    ]
    assert {(one.prompt, one.response, one.observed_at) for one in found} == {("일", "r", 5.0)}
    assert [one.redactions for one in found] == [{"ip": 1}] * 2
    assert again == 0, "the same spans were stored a second time"


def test_scores_and_references_of_a_store_without_series_are_kept(url: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        config = scripts()
        config.attributes["connection"] = connection
        command.upgrade(config, "0007")
        connection.execute(
            text(
                "INSERT INTO evidence (id, created_at, kind, media_type, sha256, content_gzip)"
                " VALUES (3, 25, 'evidently', 'text/html', 'x', :content)"
            ).bindparams(content=gzip.compress(b"<html>"))
        )
        for number, state in enumerate(("ok", "suspect", "alert", "insufficient_data"), 1):
            connection.execute(
                text(
                    "INSERT INTO scores (id, monitor, signal, direction, model, version, tenant, window_start,"
                    " window_end, samples, state, effect, threshold, p_value, details, evidence_id) VALUES (:id,"
                    " 'tokens', 'max_t', 'prompt', 'm', 'v', '', :id * 10, :id * 10 + 10, 50, :state, 1.5, 3, 0.4,"
                    " '{\"reference_id\": 7}', :evidence)"
                ).bindparams(id=number, state=state, evidence=3 if state == "alert" else None)
            )
        for number, direction in ((7, "prompt"), (8, "feedback")):
            connection.execute(
                text(
                    "INSERT INTO monitor_references (id, model, tenant, direction, frozen_at, rows, sha256, content,"
                    " calibration, is_current) VALUES (:id, 'm', '', :direction, 5, 2000, 'abc', :content, '{}', true)"
                ).bindparams(id=number, direction=direction, content=b"rows")
            )
    engine.dispose()

    store = open_store(url)
    with store.read() as connection:
        kept, newest = scores.load(connection), scores.latest(connection)
        history, current = references.history(connection, "m"), references.current(connection)
        report = evidence.get(connection, 3)
        waiting = references.asked(connection)
        content = references.load(connection, 7).content
    again = store.write(lambda c: scores.save(c, kept))
    other = store.write(lambda c: scores.save(c, [replace(kept[0], segment="app=a")]))
    own = references.Reference("m", "v", "", "", "calls", 1.0, 2.0, "telltale", "new", 3.0)
    added = store.write(lambda c: references.freeze(c, own))
    store.close()

    assert [(one.id, one.state, one.window_end, one.segment, one.since) for one in kept] == [
        (1, "ok", 20.0, "", None), (2, "suspect", 30.0, "", None), (3, "alert", 40.0, "", None),
        (4, "insufficient_data", 50.0, "", None),
    ]  # fmt: skip
    assert [one.evidence_id for one in kept] == [None, None, 3, None]
    assert report is not None
    assert report.content == b"<html>"
    assert newest == [], "no series is judged before the monitors have run"
    assert [(one.id, one.basis, one.version, one.rows, one.made_by) for one in history] == [
        (8, "votes", "", 2000, "telltale"), (7, "calls", "", 2000, "telltale"),
    ]  # fmt: skip
    assert content == b"rows"
    assert (current, waiting) == ([], []), "no window is compared with one of all of a model's versions"
    assert again == [1, 2, 3, 4], "the same windows were stored a second time"
    assert other not in ([1], [2], [3], [4])
    assert added.id not in (7, 8)


def test_tickets_of_old_are_as_grave_as_their_alerts_and_found_by_them(url: str) -> None:
    def alert(severity: str, status: str = "firing", **labels: str) -> dict[str, object]:
        own = {"alertname": "Slow", "severity": severity, **labels}
        return {
            "key": "k", "lane": "ops", "name": "Slow", "status": status, "starts_at": 1.0, "received_at": 1.0,
            "labels": own,
        }  # fmt: skip

    stored: dict[int, object] = {
        1: {"a": alert("page"), "b": alert("ticket")},
        2: {"a": alert("page", "resolved"), "b": alert("ticket")},
        3: {"a": alert("page", "resolved")},
        4: {"a": alert("ticket", **{random.Random(1).randbytes(4000).hex(): "x" * 8000, "#assignee": "rita"})},
        5: {"a": "cannot be read", "b": {"labels": 5}},
        6: {},
    }
    engine = create_engine(url)
    with engine.begin() as connection:
        config = scripts()
        config.attributes["connection"] = connection
        command.upgrade(config, "0008")
        for number, alerts in stored.items():
            connection.execute(
                text(
                    "INSERT INTO tickets (id, key, lane, model, version, title, state, episode, opened_at, updated_at,"
                    " alerts) VALUES (:id, :key, 'ops', '', '', 'slow', 'open', 1, 1, 1, :alerts)"
                ).bindparams(bindparam("alerts", alerts, JSON()), id=number, key=f"k{number}")
            )
    engine.dispose()

    store = open_store(url)
    with store.read() as connection:
        found = {ticket.id: ticket for ticket in tickets.load(connection)}
        ritas = ticket_search.search(connection, ticket_search.Wanted(assignee="rita"), 2.0, limit=9)
        slow = ticket_search.search(connection, ticket_search.Wanted(words="slow"), 2.0, limit=9)
    store.close()
    assert {number: ticket.severity for number, ticket in found.items()} == {
        1: "page", 2: "ticket", 3: "page", 4: "ticket", 5: "ticket", 6: "ticket",
    }  # fmt: skip
    assert (ritas.total, slow.total) == (0, 6)


def test_a_migration_needs_no_memory_for_all_that_it_rewrites(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def look(_: URL, engine: Engine) -> None:
        with engine.begin() as connection:
            sizes.append(connection.execute(text("PRAGMA cache_spill")).scalar_one())

    monkeypatch.setattr(migrations, "_run", look)
    migrations.upgrade(make_url(f"sqlite:///{tmp_path / 'store.db'}"), 1.0)
    assert sizes
    assert sizes[0] > 0


def test_parts_that_start_together_migrate_once(url: str) -> None:
    code = "import sys; from telltale.store import open_store; open_store(sys.argv[1]).close()"
    root = str(Path(__file__).parents[3])
    starts = [subprocess.Popen([sys.executable, "-c", code, url], cwd=root) for _ in range(4)]
    assert [start.wait() for start in starts] == [0, 0, 0, 0]


def test_a_new_file_that_somebody_else_locks_is_waited_for(tmp_path: Path) -> None:
    """SQLite itself does not wait here: another part that starts at the same moment would be the end of this one."""
    other = sqlite3.connect(tmp_path / "store.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="locked"):
        open_store(f"sqlite:///{tmp_path}/store.db", busy_timeout=0.2)
    release = threading.Timer(0.5, lambda: other.execute("ROLLBACK"))
    release.start()
    open_store(f"sqlite:///{tmp_path}/store.db", busy_timeout=20.0).close()
    release.join()
    other.close()


def test_a_store_of_a_newer_telltale_is_refused(url: str) -> None:
    store = open_store(url)
    store.write(lambda c: c.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    store.close()
    with pytest.raises(StoreUnusable, match="newer Telltale"):
        open_store(url)


def test_unsupported_url_names_the_setting() -> None:
    with pytest.raises(StoreUnusable, match=r"store\.url.*mysql"):
        open_store("mysql://x/y")
