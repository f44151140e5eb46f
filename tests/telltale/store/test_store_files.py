"""Who may read the store's files, whichever command makes them, and that only those that serve make a store."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.ports import free_address

ROOT = Path(__file__).parents[3]
LISTEN = ("collector.http_listen", "collector.grpc_listen", "collector.metrics_listen")


def telltale(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """The command under a umask that takes nothing away."""
    return subprocess.run(
        [sys.executable, "-m", "telltale", *arguments],
        cwd=cwd, env=environment(**variables), umask=0,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def environment(**variables: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TELLTALE_")}
    return {**kept, "PYTHONPATH": str(ROOT), **variables}


@contextmanager
def collector(cwd: Path) -> Iterator[None]:
    addresses = {f"TELLTALE_{key.replace('.', '__').upper()}": free_address() for key in LISTEN}
    command = [sys.executable, "-m", "telltale", "collect"]
    process = subprocess.Popen(command, cwd=cwd, env=environment(**addresses), umask=0, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def modes(folder: Path) -> set[tuple[bool, int]]:
    """Which modes there are, of folders (True) and files."""
    return {(path.is_dir(), stat.S_IMODE(path.stat().st_mode)) for path in (folder, *folder.rglob("*"))}


PRIVATE = {(True, 0o700), (False, 0o600)}


@pytest.mark.parametrize("command", ["db upgrade", "user add ada --password-file password", "check"])
def test_what_makes_the_store_makes_it_for_its_user_alone(tmp_path: Path, command: str) -> None:
    (tmp_path / "password").write_text("correct horse battery\n")
    telltale(*command.split(), cwd=tmp_path)
    folder = tmp_path / ".telltale"
    assert (folder / "telltale.db").is_file()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {mode for is_folder, mode in modes(folder) if not is_folder} == {0o600}


def test_a_running_collectors_log_and_index_are_its_users_alone(tmp_path: Path) -> None:
    wal = tmp_path / ".telltale/telltale.db-wal"
    with collector(tmp_path):
        deadline = time.monotonic() + 30
        while not wal.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert wal.exists()
        assert modes(tmp_path / ".telltale") == PRIVATE


def test_a_store_left_open_is_closed_and_the_log_says_so(tmp_path: Path) -> None:
    telltale("db", "upgrade", cwd=tmp_path)
    folder = tmp_path / ".telltale"
    for path in folder.iterdir():
        path.chmod(0o644)
    folder.chmod(0o755)
    said = telltale("user", "list", cwd=tmp_path).stderr
    assert modes(folder) == PRIVATE
    assert f"{folder} was open to other users (mode 755)" in said
    assert f"{folder / 'telltale.db'} was open to other users (mode 644)" in said


def test_a_folder_that_holds_other_things_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "notes.txt").chmod(0o644)
    tmp_path.chmod(0o755)
    done = telltale("db", "upgrade", cwd=tmp_path, TELLTALE_DATA_DIR=".")
    assert done.returncode == 0
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "notes.txt").stat().st_mode) == 0o644
    assert stat.S_IMODE((tmp_path / "telltale.db").stat().st_mode) == 0o600
    assert str(tmp_path) in done.stderr
    assert "data_dir" in done.stderr


@pytest.mark.parametrize(
    "command",
    [
        "user list", "user role ada admin", "user disable ada", "key list", "key add a --tenant t --scope otlp:write",
        "audit", "audit --verify", "db status", "export --model m -o out.jsonl",
    ],
)  # fmt: skip
def test_a_command_that_only_asks_makes_no_store(tmp_path: Path, command: str) -> None:
    done = telltale(*command.split(), cwd=tmp_path)
    assert done.returncode == 2
    assert f"data_dir = .telltale: no store at {tmp_path / '.telltale/telltale.db'}" in done.stderr
    assert "--config" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_server_without_our_tables_is_no_store(tmp_path: Path, new_database: Callable[[], str]) -> None:
    url = new_database()
    done = telltale("user", "list", cwd=tmp_path, TELLTALE_STORE__URL=url)
    assert (done.returncode, "no store at postgresql" in done.stderr) == (2, True)
    assert telltale("db", "upgrade", cwd=tmp_path, TELLTALE_STORE__URL=url).returncode == 0
    assert telltale("user", "list", cwd=tmp_path, TELLTALE_STORE__URL=url).returncode == 0


@pytest.mark.parametrize("text", ["", 'data_dir = "data"', '[store]\nurl = "sqlite:///kept.db"'])
def test_one_settings_file_means_one_store_wherever_a_command_runs(tmp_path: Path, text: str) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    home.mkdir()
    elsewhere.mkdir()
    (home / "telltale.toml").write_text(text)
    (elsewhere / "password").write_text("correct horse battery\n")
    added = telltale(
        "--config", "../home/telltale.toml", "user", "add", "ada", "--password-file", "password", cwd=elsewhere
    )
    assert added.returncode == 0
    assert str(tmp_path / "home") in os.path.normpath(added.stdout.split()[-1])
    assert "ada" in telltale("user", "list", cwd=home).stdout
    assert [path.name for path in elsewhere.iterdir()] == ["password"]
