"""Addresses: which are valid, and the message for one that cannot be listened on."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telltale.exits import UsageError
from telltale.serving.listen import AddressError, listen, parse_address


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("127.0.0.1:8080", ("127.0.0.1", 8080)),
        ("[::1]:80", ("::1", 80)),
        ("[::]:0", ("::", 0)),
        ("localhost:65535", ("localhost", 65535)),
    ],
)
def test_an_address_is_a_host_and_a_port(text: str, parsed: tuple[str, int]) -> None:
    assert parse_address(text) == parsed


@pytest.mark.parametrize(
    "text",
    ["", "host", ":80", "::1:80", "[::1]", "[::1:80", "host:65536", "host:", "host:-1", "http://host:80", "a b:1"],
)
def test_an_invalid_address_is_reported(text: str) -> None:
    with pytest.raises(ValueError, match="write host:port"):
        parse_address(text)


@given(st.text(max_size=30))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    try:
        host, port = parse_address(text)
    except ValueError:
        return
    assert host
    assert 0 <= port < 65536


@pytest.mark.parametrize(
    ("address", "peer"), [("127.0.0.1:0", "127.0.0.1"), ("[::1]:0", "::1"), ("localhost:0", "127.0.0.1")]
)
def test_listening_accepts_connections(address: str, peer: str) -> None:
    with listen("web.listen", address) as listener:
        socket.create_connection((peer, listener.getsockname()[1]), timeout=5).close()


@pytest.mark.parametrize(
    ("address", "why", "mend"),
    [
        ("192.0.2.1:8080", "Cannot assign requested address", "choose an address of this machine"),
        ("no-such-host.invalid:8080", "", "choose an address of this machine"),
        ("nowhere", "write host:port", "127.0.0.1:8080"),
    ],
)
def test_an_address_that_cannot_be_used_is_named_with_its_mend(address: str, why: str, mend: str) -> None:
    with pytest.raises(AddressError) as refused:
        listen("web.listen", address)
    [line] = str(refused.value).splitlines()
    assert line.startswith(f"web.listen = {address}: ")
    assert why in line
    assert mend in line
    assert isinstance(refused.value, UsageError)


def test_a_port_in_use_is_named_with_its_mend() -> None:
    with listen("gpu.listen", "127.0.0.1:0") as first:
        address = f"127.0.0.1:{first.getsockname()[1]}"
        with pytest.raises(AddressError, match=rf"^gpu\.listen = {address}: Address already in use; stop what uses it"):
            listen("gpu.listen", address)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops(number: signal.Signals) -> None:
    code = (
        "import threading; from telltale.serving.listen import on_stop; stop = threading.Event(); on_stop(stop.set); "
        "print('ready', flush=True); raise SystemExit(0 if stop.wait(30) else 9)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(number)
        assert process.wait(timeout=30) == 0


@pytest.mark.parametrize(
    "module", ["telltale.exits", *(f"telltale.serving.{name}" for name in ("listen", "pages", "connections", "hosts"))]
)
def test_a_gpu_node_needs_the_standard_library_only(module: str) -> None:
    """`-S` leaves site packages out."""
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    subprocess.run([sys.executable, "-S", "-c", f"import {module}"], env=environment, check=True)
