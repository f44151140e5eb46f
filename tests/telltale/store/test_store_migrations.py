"""Migrations lead to the schema, and run once however many processes start together."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Engine, create_engine, make_url, text

from telltale.store import Store, StoreUnavailable, StoreUnusable, migrations, open_store, samples
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
