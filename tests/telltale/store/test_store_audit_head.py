"""The audit log's head: entries cut off are missed, by the command as an operator types it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_entries_that_are_cut_off_are_named(tmp_path: Path, new_database: Callable[[], str], kind: str) -> None:
    url = f"sqlite:///{tmp_path / 's.db'}" if kind == "sqlite" else new_database()

    def telltale(*arguments: str) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("TELLTALE_")}
        return subprocess.run(
            [sys.executable, "-m", "telltale", *arguments],
            cwd=tmp_path, env={**kept, "PYTHONPATH": str(ROOT), "TELLTALE_STORE__URL": url}, umask=0,
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def cut(statement: str) -> None:
        engine = create_engine(url)
        with engine.begin() as connection:
            connection.execute(text(statement))
        engine.dispose()

    assert telltale("db", "upgrade").returncode == 0
    for name in "abc":
        assert telltale("key", "add", name, "--tenant", "t", "--scope", "otlp:write").returncode == 0
    assert telltale("audit", "verify").returncode == 0
    folder = tmp_path / ".telltale"
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    cut("DELETE FROM audit_log WHERE id = 3")
    done = telltale("audit", "verify")
    assert done.returncode == 1
    assert "ends at entry 2, its head says 3 entries at" in done.stderr
    assert "1 newest entries are missing" in done.stderr
    # Entries written since do not hide it.
    assert telltale("key", "add", "d", "--tenant", "t", "--scope", "otlp:write").returncode == 0
    assert telltale("audit", "verify").returncode == 1
    head = (folder / "audit.head").read_text()
    (folder / "audit.head").write_text(head.replace('"entries": 3', '"entries": 2'))
    assert "has not signed it" in telltale("audit", "verify").stderr
    (folder / "audit.head").write_text(head)
    cut("DELETE FROM audit_log")
    assert "log is empty" in telltale("audit", "verify").stderr
