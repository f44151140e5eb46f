"""The command as a person types it."""

from __future__ import annotations

import os
import re
import resource
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from support.ports import free_address

from telltale.cli import COMMANDS
from telltale.store.migrations import HEAD

ROOT = Path(__file__).parents[3]


def telltale(*arguments: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TELLTALE_")}
    return subprocess.run(
        [sys.executable, "-m", "telltale", *arguments],
        cwd=cwd, env={**kept, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_help_names_every_command() -> None:
    done = telltale("--help")
    assert done.returncode == 0
    for name in COMMANDS:
        assert f"\n  {name} " in done.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str) -> None:
    done = telltale(name, "--help")
    assert done.returncode == 0, done.stderr
    assert f"telltale {name}" in done.stdout


def test_help_costs_little_cpu() -> None:
    """A bound on work, not on time: the imports that would exceed it cost several times as much."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert telltale("--help").returncode == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.3


def test_an_unknown_command_is_a_usage_error() -> None:
    done = telltale("upp")
    assert done.returncode == 2
    assert "upp" in done.stderr


def test_broken_settings_start_nothing(tmp_path: Path) -> None:
    (tmp_path / "telltale.toml").write_text('[collector]\nhttp_listen = "nowhere"')
    done = telltale("up", cwd=tmp_path)
    assert done.returncode == 2
    assert "collector.http_listen = 'nowhere'" in done.stderr
    assert not (tmp_path / ".telltale").exists()


def test_people_and_keys_from_the_command(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("correct horse battery\n")
    assert (
        telltale("user", "add", "ada", "--role", "admin", "--password-file", "password", cwd=tmp_path).returncode == 0
    )
    again = telltale("user", "add", "ada", "--password-file", "password", cwd=tmp_path)
    assert again.returncode == 1
    assert "ada" in again.stderr
    assert "admin" in telltale("user", "list", cwd=tmp_path).stdout
    secret = telltale("key", "add", "app", "--tenant", "t", "--scope", "feedback:write", cwd=tmp_path).stdout.strip()
    assert secret.startswith("tt_")
    listed = telltale("key", "list", cwd=tmp_path).stdout
    assert secret[3:11] in listed
    assert secret not in listed
    assert telltale("key", "revoke", secret[3:11], cwd=tmp_path).returncode == 0
    assert telltale("key", "revoke", secret[3:11], cwd=tmp_path).returncode == 1
    log = telltale("audit", cwd=tmp_path).stdout
    assert [word in log for word in ("person_added", "key_added", "key_revoked")] == [True] * 3
    assert telltale("audit", "--verify", cwd=tmp_path).returncode == 0


def test_db_status_prints_the_revision(tmp_path: Path) -> None:
    assert telltale("db", "upgrade", cwd=tmp_path).returncode == 0
    status = telltale("db", "status", cwd=tmp_path).stdout
    assert f"revision {HEAD}, newest {HEAD}" in status
    assert re.search(r"^0 samples, [0-9,]+ bytes in use of store.max_bytes = [0-9,]+$", status, re.MULTILINE)


def test_an_unreachable_store_is_reported(tmp_path: Path) -> None:
    done = telltale("db", "upgrade", cwd=tmp_path, TELLTALE_STORE__URL="postgresql://u:hunter2@127.0.0.1:1/d")
    assert done.returncode == 1
    assert "store" in done.stderr
    assert "hunter2" not in done.stderr + done.stdout


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mysql://u:hunter2@h/d", ("store.url = mysql://u:***@h/d", "mysql is not supported", "postgresql://")),
        ("hunter2", ("store.url = (secret)", "sqlite:///")),
        ("postgresql://u:hunter2@h:port/d", ("store.url = (secret)", "postgresql://")),
        ("postgresql+nothing://u@h/d?password=hunter2", ("store.url = postgresql+nothing://u@h/d:", "driver")),
        ("sqlite://", ("store.url = sqlite://:", "names no file", "sqlite:///")),
        ("sqlite:///:memory:", ("store.url = sqlite:///:memory:", "names no file")),
        ("sqlite:///text.db", ("store.url = sqlite:///text.db:", "not a database", "another file")),
        ("sqlite:///newer.db", ("store.url = sqlite:///newer.db:", "newer Telltale", "9999", HEAD)),
    ],
)
@pytest.mark.parametrize("command", ["collect", "db status"])
def test_a_store_that_can_never_be_ours_is_a_wrong_setting(
    tmp_path: Path, command: str, url: str, expected: tuple[str, ...]
) -> None:
    (tmp_path / "text.db").write_text("no database " * 100)
    with closing(sqlite3.connect(tmp_path / "newer.db")) as newer:
        newer.executescript(
            "CREATE TABLE alembic_version (version_num TEXT); INSERT INTO alembic_version VALUES (9999)"
        )
    listen = {f"TELLTALE_COLLECTOR__{name}_LISTEN": free_address() for name in ("HTTP", "GRPC", "METRICS")}
    done = telltale(*command.split(), cwd=tmp_path, TELLTALE_STORE__URL=url, **listen)
    if (command, url) == ("db status", "sqlite:///newer.db"):
        assert (done.returncode, "revision 9999" in done.stdout) == (1, True)
        return
    assert done.returncode == 2, done.stderr
    [line] = done.stderr.splitlines()
    assert [word for word in expected if word not in line] == []
    assert "hunter2" not in line


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, ("cannot be read: No such file",)),
        (b"\xff", ("is not text",)),
        (b"mysql://h/d", ("store.url = mysql://h/d: ",)),
    ],
)
def test_a_file_that_holds_no_url_is_named(tmp_path: Path, content: bytes | None, expected: tuple[str, ...]) -> None:
    if content is not None:
        (tmp_path / "url").write_bytes(content)
    done = telltale("db", "upgrade", cwd=tmp_path, TELLTALE_STORE__URL_FILE="url")
    assert done.returncode == 2, done.stderr
    [line] = done.stderr.splitlines()
    assert [word for word in ("store.url_file = url: ", *expected) if word not in line] == []


def test_healthy_says_when_a_part_is_not(tmp_path: Path) -> None:
    done = telltale("healthy", "web", cwd=tmp_path, TELLTALE_WEB__LISTEN="127.0.0.1:1")
    assert done.returncode == 1
    assert "127.0.0.1:1" in done.stderr
