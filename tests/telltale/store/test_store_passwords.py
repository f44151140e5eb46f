"""No message repeats a piece of a password, whatever is in it and however wrongly its URL is put together."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from telltale.settings import SettingsError, load
from telltale.store import StoreUnavailable, StoreUnusable
from telltale.store.engine import explained, named, parse_url, shown
from telltale.store.errors import reason

ROOT = Path(__file__).parents[3]
# Letters that stand in no message of ours, and what has a meaning in URLs.
PIECES = st.text("QZXJKV", min_size=4, max_size=6)
PASSWORDS = st.lists(PIECES | st.sampled_from(list("@:/?#%&=[]+ ")), min_size=1, max_size=7).map("".join)
FORMS = (
    "postgresql://u:{}@host/db", "postgresql://u:{}@host:5432/db?sslmode=require", "postgresql+psycopg://u:{}@/db",
    "postgresql:/u:{}@host/db", "postgresql://u@{}@host/db", "postgresql://u/{}@host/db",
    "postgresql://u?{}@host/db", "postgresql://u:{}/host/db", "postgresql://u:{}", "postgresql://u::{}@host/db",
    "postgresql://u:@{}/host/db", "postgresql://u:{}@host:port/db", "mysql://u:{}@host/db", "sqlite://u:{}@host/db",
    "postgresql://host/db?user=u&password={}", "u:{}@host/db",
)  # fmt: skip


def pieces(password: str) -> set[str]:
    return {password[at : at + 4] for at in range(len(password) - 3)}


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=150, deadline=None)
@example(password="p@QZXJ")
@example(password="QZXJ@KVQZ/XJKV?QQQQ")
@given(password=PASSWORDS)
def test_a_stores_url_is_not_repeated(form: str, password: str) -> None:
    # Where the host's own @ is left out, one in the password makes another well-formed URL.
    assume("@" not in password or "@" in form)
    said = ""
    try:
        url = parse_url(form.format(password))
        # A driver names host and database in its messages.
        said = f"{shown(url)} {named(url)} {url.host} {url.database}"
    except StoreUnusable as error:
        said = f"{error} {error.__context__ if error.__suppress_context__ is False else ''}"
    assert [piece for piece in pieces(password) if any(c in "QZXJKV" for c in piece) and piece in said] == []


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(password=PASSWORDS, key=st.sampled_from(["prometheus.url", "alertmanager.url", "redaction.presidio_url"]))
def test_no_other_url_is_repeated(password: str, key: str) -> None:
    variable = f"TELLTALE_{key.replace('.', '__').upper()}"
    os.environ[variable] = f"http://u:{password}@host/x"
    try:
        load()
    except SettingsError as error:
        said = str(error)
        assert [piece for piece in pieces(password) if any(c in "QZXJKV" for c in piece) and piece in said] == []
    else:
        # Of these only Presidio's may hold a name and password: they are for the service.
        assert key == "redaction.presidio_url"
    finally:
        del os.environ[variable]


@pytest.mark.parametrize("command", ["check", "db upgrade", "db status", "user list"])
@pytest.mark.parametrize("password", ["QZXJ", "p@QZXJKV", "QZXJ/KVQZ@XJKV", "QZXJ?KVQZ@XJ#KV"])
def test_the_commands_do_not_print_it(tmp_path: Path, command: str, password: str) -> None:
    (tmp_path / "url").write_text(f"postgresql://u:{password}@127.0.0.1:1/db\n")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TELLTALE_")}
    done = subprocess.run(
        [sys.executable, "-m", "telltale", *command.split()],
        cwd=tmp_path, env={**environment, "PYTHONPATH": str(ROOT), "TELLTALE_STORE__URL_FILE": "url"},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert done.returncode in (1, 2)
    assert "store" in said
    assert [piece for piece in pieces(password) if piece in said] == []


def test_a_driver_that_repeats_it_is_not_quoted() -> None:
    url = parse_url("postgresql://u:QZXJKV@host/db")
    with pytest.raises(StoreUnavailable) as raised, explained(url):
        raise OSError("no such host: QZXJKV@host")
    assert "QZXJKV" not in str(raised.value)
    assert "QZXJKV" not in reason(raised.value)
