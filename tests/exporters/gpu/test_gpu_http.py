"""The exporter's HTTP: plain, over TLS, with basic auth, and with malformed requests."""

from __future__ import annotations

import base64
import contextlib
import http.client
import resource
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

import exporters.gpu
from exporters.gpu.config import Config
from exporters.gpu.serve.http import BadRequest, parse
from exporters.gpu.serve.webconfig import WebConfig, WebConfigError

# bcrypt of "secret", cost 5.
HASH = "$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a"


@pytest.fixture
def client() -> Iterator[Callable[..., http.client.HTTPConnection]]:
    """`client(url)` keeps one connection, `client(url, context)` an encrypted one."""
    with contextlib.ExitStack() as opened:

        def connect(url: str, context: ssl.SSLContext | None = None) -> http.client.HTTPConnection:
            host, port = urlsplit(url).hostname or "", urlsplit(url).port
            if context is None:
                return opened.enter_context(contextlib.closing(http.client.HTTPConnection(host, port, timeout=10)))
            secure = http.client.HTTPSConnection(host, port, timeout=10, context=context)
            return opened.enter_context(contextlib.closing(secure))

        yield connect


def get(connection: http.client.HTTPConnection, path: str = "/metrics", method: str = "GET", **headers: str):
    connection.request(method, path, headers=headers)
    response = connection.getresponse()
    return response.status, response.read(), response.headers


def raw(url: str, data: bytes) -> bytes:
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10) as sock:
        sock.sendall(data)
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := sock.recv(65536):
                received += piece
    return received


def test_paths_and_methods(start, client) -> None:
    connection = client(start(simulate=1).url)
    assert get(connection, "/-/healthy")[:2] == (200, b"ok\n")
    assert get(connection, "/-/ready")[0] == 200
    assert get(connection, "/")[0] == 200
    assert get(connection, "/metrics?x=1")[0] == 200
    assert get(connection, "/nothing")[0] == 404
    assert get(connection, method="POST")[0] == 405
    status, body, headers = get(connection, method="HEAD")
    assert (status, body) == (200, b"")
    assert int(headers["Content-Length"]) > 100
    assert headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"


def test_one_connection_serves_many_requests_and_closes_when_asked(start) -> None:
    url = start(simulate=1).url
    last = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    response = raw(url, b"GET /-/healthy HTTP/1.1\r\nHost: h\r\n\r\n" * 3 + last)
    assert response.count(b"HTTP/1.1 200 OK") == 4
    assert raw(url, b"GET /-/healthy HTTP/1.0\r\n\r\n").endswith(b"ok\n")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: h\r\n" + b"a:b\r\n" * 200 + b"\r\n", 431),
        (b"GET /metrics HTTP/1.1\r\nHost: evil.example:9466\r\nConnection: close\r\n\r\n", 421),
        (b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: http://evil.example\r\nConnection: close\r\n\r\n", 421),
        (b"GET /metrics HTTP/1.1\r\nHost: gpu01:9466\r\nConnection: close\r\n\r\n", 200),
        (b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", 400),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 20_000 + b"\r\n\r\n", 431),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    ],
)
def test_bad_requests_are_refused(start, request_: bytes, status: int) -> None:
    assert raw(start(simulate=1).url, request_).startswith(f"HTTP/1.1 {status} ".encode())


@given(st.binary(max_size=200))
def test_any_bytes_are_a_request_or_a_bad_one(head: bytes) -> None:
    with contextlib.suppress(BadRequest):
        parse(head)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory, require: Callable[[object, str], None]) -> Path:
    require(shutil.which("openssl"), "needs openssl (Debian: apt install openssl)")
    folder = tmp_path_factory.mktemp("tls")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run([*command, *names, *files, "-days", "2"], check=True, capture_output=True)
    return folder


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def test_tls_and_password(start, client, fake, certificate: Path) -> None:
    (certificate / "web.yml").write_text(
        "tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n  min_version: TLS13\n"
        f"basic_auth_users:\n  scraper: {HASH}\n"
        "http_server_config:\n  headers:\n    X-Frame-Options: deny\n"
    )
    exporter = start(fake, web_config=str(certificate / "web.yml"))
    assert exporter.url.startswith("https://")
    context = ssl.create_default_context(cafile=str(certificate / "cert.pem"))
    connection = client(exporter.url, context)
    status, _, headers = get(connection)
    assert status == 401
    assert headers["WWW-Authenticate"].startswith("Basic")
    assert get(connection, Authorization=basic("scraper", "wrong"))[0] == 401
    assert get(connection, Authorization=basic("nobody", "secret"))[0] == 401
    assert get(connection, Authorization="Bearer x")[0] == 401
    for _ in range(3):
        status, body, headers = get(connection, Authorization=basic("scraper", "secret"))
        assert status == 200
        assert headers["X-Frame-Options"] == "deny"
    assert b"telltale_gpu_sampler_up" in body
    old = ssl.create_default_context(cafile=str(certificate / "cert.pem"))
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        get(client(exporter.url, old))
    # Clear text on the encrypted port ends that connection, not the exporter.
    assert raw(exporter.url, b"GET / HTTP/1.1\r\n\r\n")[:4] != b"HTTP"
    assert get(connection, Authorization=basic("scraper", "secret"))[0] == 200


def test_guessing_is_slowed_down(start, client, tmp_path: Path) -> None:
    (tmp_path / "web.yml").write_text(f"basic_auth_users:\n  scraper: {HASH}\n")
    connection = client(start(simulate=1, web_config=str(tmp_path / "web.yml")).url)
    responses = [get(connection, Authorization=basic("scraper", f"guess{number}"))[0] for number in range(12)]
    assert responses[0] == 401
    assert 429 in responses


def test_a_changed_file_acts_without_a_restart(start, client, tmp_path: Path) -> None:
    file = tmp_path / "web.yml"
    file.write_text(f"basic_auth_users:\n  scraper: {HASH}\n")
    exporter = start(simulate=1, web_config=str(file))
    connection = client(exporter.url)
    assert get(connection)[0] == 401
    file.write_text("tls_server_config: [broken\n")
    assert get(connection)[0] == 401
    file.write_text("{}\n")
    exporter.wait(lambda: get(connection)[0] == 200)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("basic_auth_user: {}", "key not supported: basic_auth_user"),
        ("basic_auth_users: {a: plain}", "basic_auth_users.a: must be a bcrypt hash"),
        ("tls_server_config: {cert_file: a}", "both cert_file and key_file"),
        ("tls_server_config: {cert_file: a, key_file: b}", "No such file"),
        ("tls_server_config: {cert_file: a, key_file: b, min_version: SSL3}", "min_version: 'SSL3' is none of TLS10"),
        ("tls_server_config: {cipher_suites: []}", "key not supported: cipher_suites"),
        ("[1, 2]", "must be a table"),
        ("a: [", "while parsing"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_by_name(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "web.yml"
    file.write_text(text)
    with pytest.raises(WebConfigError, match=says.replace("[", r"\[")):
        WebConfig(file)


def test_the_exporter_does_not_start_open_when_its_file_is_broken(tmp_path: Path) -> None:
    config = Config(listen="127.0.0.1:0", simulate=1, web_config=str(tmp_path / "none.yml"))
    done = subprocess.run(
        exporters.gpu.arguments(config), env=exporters.gpu.environment(), capture_output=True, text=True, timeout=10
    )
    assert done.returncode == 2
    assert "gpu.web_config" in done.stderr


def test_one_that_sends_without_end_holds_nobody_up(start, client) -> None:
    exporter = start(simulate=1)
    with socket.create_connection(_address(exporter.url), timeout=10) as sock:
        sock.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: h\r\n\r\n" * 20_000)
        done = threading.Event()

        def go_on() -> None:
            with contextlib.suppress(OSError):
                while not done.is_set():
                    sock.recv(1 << 20)
                    sock.send(b"GET /-/healthy HTTP/1.1\r\nHost: h\r\n\r\n" * 1000)

        thread = threading.Thread(target=go_on)
        thread.start()
        try:
            for _ in range(20):
                began = time.monotonic()
                assert get(client(exporter.url), "/-/healthy")[0] == 200
                assert time.monotonic() - began < 1
        finally:
            done.set()
            sock.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_more_connections_than_open_files_lock_nobody_out(start, client) -> None:
    exporter = start(simulate=1)
    resource.prlimit(exporter.process.pid, resource.RLIMIT_NOFILE, (64, 64))
    links = [socket.create_connection(_address(exporter.url)) for _ in range(200)]
    began = time.monotonic()
    assert get(client(exporter.url), "/-/healthy")[0] == 200
    assert time.monotonic() - began < 1
    for link in links:
        link.close()


def _address(url: str) -> tuple[str, int]:
    return urlsplit(url).hostname or "", urlsplit(url).port or 0
