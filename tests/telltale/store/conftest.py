"""The store's tests run on SQLite and on a real PostgreSQL, started on a private socket."""

from __future__ import annotations

import os
import pwd
import select
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from telltale.store import Store, open_store


@pytest.fixture(scope="session")
def postgresql(require: Callable[[object, str], None]) -> Iterator[str]:
    """URL of a PostgreSQL server of our own, without its database's name."""
    binaries = _binaries()
    require(binaries, "PostgreSQL is missing: apt install postgresql")
    assert binaries is not None
    # PostgreSQL refuses to run as root.
    user = "nobody" if os.getuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="telltale-pg-"))
    try:
        if user:
            os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
        data = folder / "data"
        subprocess.run(
            [binaries / "initdb", "-D", data, "-U", "telltale", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C"],
            user=user,
            check=True,
            capture_output=True,
            cwd=folder,
        )
        server = subprocess.Popen(
            [binaries / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses="],
            user=user,
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            url = f"postgresql+psycopg://telltale@/%s?host={folder}"
            _wait(url % "postgres", server)
            yield url
        finally:
            server.terminate()
            server.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A new, empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    server: str = request.getfixturevalue("postgresql")
    name = f"t{os.urandom(6).hex()}"
    engine = create_engine(server % "postgres", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return server % name


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = open_store(url)
    yield opened
    opened.close()


def _binaries() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


def _wait(url: str, server: subprocess.Popen[bytes]) -> None:
    engine = create_engine(url)
    for _ in range(300):
        assert server.poll() is None, "PostgreSQL ended at its start"
        try:
            engine.connect().close()
        except OperationalError:
            select.select([], [], [], 0.1)
            continue
        engine.dispose()
        return
    pytest.fail("PostgreSQL did not answer within 30 s")
