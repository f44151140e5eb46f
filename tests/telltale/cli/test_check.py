"""`telltale check` through the real command: what would break a start, or later, is named with its mend."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from support.ports import free_addresses

TOOLS = Path(__file__).parents[3] / ".telltale/tools/usr/bin"
PORTS = ("collector.http_listen", "collector.grpc_listen", "collector.metrics_listen", "gpu.listen", "monitor.listen",
         "tickets.listen", "web.listen", "prometheus.listen", "alertmanager.listen")  # fmt: skip


@pytest.fixture
def ports() -> dict[str, str]:
    """A free port for everything that listens."""
    return dict(zip(PORTS, free_addresses(len(PORTS)), strict=True))


def check(folder: Path, ports: dict[str, str], text: str = "") -> tuple[int, str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TELLTALE_")}
    environment["PATH"] = f"{TOOLS}:{os.environ['PATH']}"
    for key, address in ports.items():
        environment[f"TELLTALE_{key.replace('.', '__').upper()}"] = address
    (folder / "telltale.toml").write_text(text)
    command = [sys.executable, "-m", "telltale", "check"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in done.stdout + done.stderr
    return done.returncode, done.stdout


def test_the_defaults_pass(tmp_path: Path, ports: dict[str, str]) -> None:
    code, said = check(tmp_path, ports)
    assert code == 0, said
    assert "FAIL" not in said
    # Nobody but their owner can say whom to wake.
    assert [line for line in said.splitlines() if line.startswith("warn")] == [
        line for line in said.splitlines() if "nobody is woken; add [[receivers]]" in line
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[redaction.rules]\nbadge = "(?=x)"', ("redaction.rules.badge", "look-around")),
        ("[monitor]\npersistence = [5, 3]", ("monitor.persistence = [5, 3]",)),
        ('[tickets]\nwebhook_token_file = "absent"', ("tickets.webhook_token_file = absent", "cannot be read")),
        ('[tickets]\nwebhook_token_file = "."', ("tickets.webhook_token_file = .", "cannot be read")),
        ('[tickets]\nwebhook_token_file = "empty"', ("tickets.webhook_token_file = empty", "is empty")),
        ('[gpu]\nweb_config = "absent.yml"', ("gpu.web_config = absent.yml", "cannot be read")),
        ('data_dir = "empty"', ("data_dir = empty", "no folder")),
        ('[prometheus]\nbinary = "empty"', ("prometheus", "cannot be run")),
        ('[prometheus]\nbinary = "absent"', ("prometheus", "not found")),
        (
            '[[receivers]]\nname = "chat"\nkind = "slack"\nurl_file = "absent"',
            ("receivers.chat.url_file = absent", "cannot be read"),
        ),
        (
            '[[receivers]]\nname = "chat"\nkind = "slack"\nurl = "https://hooks.example/T0/secret"',
            ("receivers: chat: kind slack needs url_file", "that address is a secret: write it into a file"),
        ),
        (
            '[[receivers]]\nname = "chat"\nkind = "webhook"\nurl = "hooks.example/T0/secret"',
            ("receivers.0.url = ", "scheme"),
        ),
        ('[alertmanager]\nfragment_file = "absent"', ("alertmanager.fragment_file = absent", "cannot be read")),
    ],
)
def test_what_would_break_is_a_failure(
    tmp_path: Path, ports: dict[str, str], text: str, expected: tuple[str, ...]
) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "empty").chmod(0o600)
    code, said = check(tmp_path, ports, text)
    assert code == 2, said
    assert "FAIL" in said
    for word in expected:
        assert word in said
    assert "T0/secret" not in said


def test_an_alertmanager_that_is_too_old_for_a_receiver_is_refused_in_words(
    tmp_path: Path, ports: dict[str, str]
) -> None:
    """A binary that says 0.25, whatever is installed here."""
    old = tmp_path / "alertmanager"
    old.write_text("#!/bin/sh\necho 'alertmanager, version 0.25.0 (branch: x)'\n")
    old.chmod(0o755)
    (tmp_path / "url").write_text("https://hooks.example/T0/secret")
    rows = '[[receivers]]\nname = "{0}"\nkind = "{0}"\nurl_file = "url"\n'
    text = '[alertmanager]\nbinary = "alertmanager"\n' + rows.format("slack") + rows.format("msteamsv2")
    code, said = check(tmp_path, ports, text)
    assert code == 2
    assert "receivers: msteamsv2 (kind msteamsv2) needs Alertmanager 0.28 or newer" in said
    assert "alertmanager is 0.25.0; run a newer one (alertmanager.binary" in said
    assert "slack (kind slack)" not in said


def test_an_amtool_older_than_the_alertmanager_is_not_asked(tmp_path: Path, ports: dict[str, str]) -> None:
    for name, version in {"alertmanager": "0.28.1", "amtool": "0.25.0"}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\necho '{name}, version {version}'; [ \"$1\" = --version ]\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "url").write_text("https://hooks.example/T0/secret")
    text = '[alertmanager]\nbinary = "alertmanager"\namtool = "amtool"\n'
    code, said = check(tmp_path, ports, text + '[[receivers]]\nname = "x"\nkind = "msteamsv2"\nurl_file = "url"\n')
    assert code == 0, said
    assert "amtool is 0.25.0 and knows nothing of receivers that need 0.28" in said
    assert "ok   receivers    x; Alertmanager 0.28.1" in said


def test_every_failure_is_told_at_once(tmp_path: Path, ports: dict[str, str]) -> None:
    code, said = check(tmp_path, ports, '[tickets]\nwebhook_token_file = "absent"\n[prometheus]\nbinary = "absent"')
    assert code == 2
    assert said.count("FAIL") == 2


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])  # checked, not bound
def test_two_parts_on_one_port(tmp_path: Path, ports: dict[str, str], host: str) -> None:
    taken = ports["collector.http_listen"]
    ports["web.listen"] = f"{host}:{taken.rpartition(':')[2]}"
    code, said = check(tmp_path, ports)
    assert code == 2
    assert f"web.listen = {ports['web.listen']}: collector.http_listen = {taken} has that port already" in said


def test_a_port_in_use_names_who_holds_it(tmp_path: Path, ports: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        ports["web.listen"] = f"127.0.0.1:{held.getsockname()[1]}"
        code, said = check(tmp_path, ports)
    assert code == 2
    assert "web.listen" in said
    assert f"pid {os.getpid()}" in said


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[sampling]\nper_minute = 0.1", ("sampling.per_minute = 0.1", "no window will be judged")),
        ('[monitor]\nwindow = "1m"', ("monitor.window = 60", "no window will be judged")),
    ],
)
def test_what_is_hardly_meant_is_a_warning(
    tmp_path: Path, ports: dict[str, str], text: str, expected: tuple[str, ...]
) -> None:
    code, said = check(tmp_path, ports, text)
    assert code == 0, said
    assert "warn" in said
    for word in expected:
        assert word in said


def test_open_to_others_without_keys_or_encryption_is_a_warning(tmp_path: Path, ports: dict[str, str]) -> None:
    for key in ("web.listen", "collector.http_listen"):
        ports[key] = ports[key].replace("127.0.0.1", "0.0.0.0")  # checked, not bound
    _, said = check(tmp_path, ports)
    assert "passwords and prompts travel unencrypted" in said
    assert "collector.require_key" in said
