"""Migrations end where the schema stands, once, however many start together."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text

from telltale.store import Store, StoreUnavailable, migrations, open_store
from telltale.store.schema import metadata


def test_head_is_the_newest_revision() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    assert ScriptDirectory.from_config(config).get_current_head() == migrations.HEAD


def test_migrated_tables_are_the_schema(store: Store) -> None:
    engine = create_engine(store.url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


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
    with pytest.raises(RuntimeError, match="newer Telltale"):
        open_store(url)


def test_unsupported_url_names_the_setting() -> None:
    with pytest.raises(ValueError, match=r"store\.url.*mysql"):
        open_store("mysql://x/y")
