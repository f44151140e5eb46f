"""Fixtures for every test: real components, or a clear message on how to get them."""

from __future__ import annotations

import os
import pwd
import select
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError
from support.generations import GENERATIONS, versions

# Where several tests share the cores, threads of BLAS wait for each other twenty times as long as they work.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# An example's duration depends on the machine's load; pytest-timeout ends those that hang.
hypothesis.settings.register_profile("telltale", deadline=None)
hypothesis.settings.load_profile("telltale")


def pytest_report_header() -> list[str]:
    """Which real components the tests run."""
    return [
        f"{generation} components: {', '.join(f'{name} {version}' for name, version in found.items()) or 'none'}"
        for generation in GENERATIONS
        for found in [versions(generation)]
    ]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that may take longest, so that no core waits for one at the end.

    Those of whole stacks stay together by file, on one core: their files share what takes long to make.
    """

    def limit(item: pytest.Item) -> float:
        marker = item.get_closest_marker("timeout")
        return float(marker.args[0]) if marker else 0.0

    items.sort(key=limit, reverse=True)
    for item in items:
        if item.get_closest_marker("e2e"):
            item.add_marker(pytest.mark.xdist_group(item.location[0]))


@pytest.fixture(scope="session")
def require() -> Callable[[object, str], None]:
    """`require(present, how)` skips with `how` when a real component is missing.

    Where `CI=true` it fails instead, so that CI never tests less than it claims.
    """

    def check(present: object, how: str) -> None:
        if present:
            return
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(f"missing in CI: {how}")
        pytest.skip(how)

    return check


@pytest.fixture(scope="session")
def postgresql(require: Callable[[object, str], None]) -> Iterator[str]:
    """URL of a PostgreSQL server of our own, on a private socket, without its database's name."""
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
            # Nothing of it outlives the tests: to force each database onto the disk would be most of the time.
            [binaries / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses=", "-c", "fsync=off"],
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
            # PostgreSQL's immediate shutdown: on SIGTERM it waits for connections that a failed test left open, and
            # writes down everything that is thrown away here.
            server.send_signal(signal.SIGQUIT)
            server.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def new_database(postgresql: str) -> Callable[[], str]:
    """Makes a new, empty database on the PostgreSQL server and returns its URL."""

    def make() -> str:
        name = f"t{os.urandom(6).hex()}"
        engine = create_engine(postgresql % "postgres", isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        engine.dispose()
        return postgresql % name

    return make


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
    pytest.fail("PostgreSQL did not respond within 30 s")
