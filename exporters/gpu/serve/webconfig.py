"""TLS and basic auth by the web-config file that Prometheus' own exporters read.

Imported only when such a file is set, with its YAML and TLS libraries. The file is read anew when it changes.
"""

from __future__ import annotations

import base64
import binascii
import ctypes
import ctypes.util
import hashlib
import hmac
import secrets
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from exporters.gpu.serve.http import Handler, Request
from telltale.serving.pages import Response

_TOP = {"tls_server_config", "http_server_config", "basic_auth_users"}
_TLS = {"cert_file", "key_file", "client_ca_file", "client_auth_type", "min_version", "max_version"}
_HTTP = {"http2", "headers"}
_VERSIONS = {
    "TLS10": ssl.TLSVersion.TLSv1,
    "TLS11": ssl.TLSVersion.TLSv1_1,
    "TLS12": ssl.TLSVersion.TLSv1_2,
    "TLS13": ssl.TLSVersion.TLSv1_3,
}
_CLIENT_AUTH = {
    "": ssl.CERT_NONE,
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
_UNAUTHORIZED = Response(401, b"Unauthorized\n", headers=(("WWW-Authenticate", 'Basic realm="telltale"'),))
_WRONG_PER_SECOND = 5
_MOST_REMEMBERED = 100
# Checked for unknown users, so that the response time does not reveal which users exist.
_NOBODY = "$2b$10$abcdefghijklmnopqrstuu4T826PRnz0Hu6YlprUuxkZxOOj5Fw5S"


class WebConfigError(ValueError):
    """The file cannot be used; the message names the key and the remedy."""


def check(table: dict[str, Any], path: Path) -> None:
    """Refuse unknown or unsupported keys. Raises WebConfigError."""
    for where, known in (("", _TOP), ("tls_server_config", _TLS), ("http_server_config", _HTTP)):
        part = table.get(where) or {} if where else table
        if not isinstance(part, dict):
            raise WebConfigError(f"{path}: {where or 'the file'} must be a table of keys and values")
        unknown = set(part) - known
        if unknown:
            raise WebConfigError(f"{path}: {where or 'top'}: key not supported: {', '.join(sorted(map(str, unknown)))}")
    for user, password in (table.get("basic_auth_users") or {}).items():
        if not str(password).startswith(("$2a$", "$2b$", "$2y$")):
            raise WebConfigError(f"{path}: basic_auth_users.{user}: must be a bcrypt hash (htpasswd -nBC 10 '' )")
    _tls_words(table.get("tls_server_config") or {}, path)


def _tls_words(tls: dict[str, Any], path: Path) -> None:
    if tls and not (tls.get("cert_file") and tls.get("key_file")):
        raise WebConfigError(f"{path}: tls_server_config: both cert_file and key_file are needed")
    for key, known in (("min_version", _VERSIONS), ("max_version", _VERSIONS), ("client_auth_type", _CLIENT_AUTH)):
        word = tls.get(key, "" if key == "client_auth_type" else "TLS12")
        if word not in known:
            raise WebConfigError(
                f"{path}: tls_server_config.{key}: {word!r} is none of {', '.join(filter(None, known))}"
            )


class TlsServer:
    """Wraps connections with the current TLS context."""

    want_read: type[OSError] = ssl.SSLWantReadError
    want_write: type[OSError] = ssl.SSLWantWriteError

    def __init__(self, context: Callable[[], ssl.SSLContext]) -> None:
        self._context = context

    def wrap(self, sock: socket.socket) -> socket.socket:
        return self._context().wrap_socket(sock, server_side=True, do_handshake_on_connect=False)

    def handshake(self, sock: socket.socket) -> None:
        assert isinstance(sock, ssl.SSLSocket)
        sock.do_handshake()


class WebConfig:
    """The file's present content. Raises WebConfigError at the start; later a broken file leaves the last good one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: object = None
        self._table: dict[str, Any] = {}
        self._context: ssl.SSLContext | None = None
        self._crypt = _libcrypt()
        self._key = secrets.token_bytes(32)
        self._right: set[bytes] = set()
        self._wrong: list[float] = []
        self._load()
        if self._table.get("basic_auth_users") and self._crypt is None:
            raise WebConfigError(f"{path}: basic_auth_users needs libcrypt with bcrypt (Debian: libcrypt1)")

    @property
    def tls(self) -> TlsServer | None:
        """None if the file asks for no TLS."""
        return TlsServer(self._tls_context) if self._context is not None else None

    def guard(self, handler: Handler) -> Handler:
        """The handler, behind basic auth and with the file's headers."""

        def guarded(request: Request) -> Response:
            self._refresh()
            response = self._refuse(request) or handler(request)
            extra = (self._table.get("http_server_config") or {}).get("headers") or {}
            return response._replace(headers=(*response.headers, *((str(k), str(v)) for k, v in extra.items())))

        return guarded

    def _tls_context(self) -> ssl.SSLContext:
        self._refresh()
        assert self._context is not None
        return self._context

    def _refresh(self) -> None:
        try:
            self._load()
        except WebConfigError:
            return

    def _load(self) -> None:
        try:
            stamp = _stamp(self._path)
            if stamp == self._stamp:
                return
            table = yaml.safe_load(self._path.read_text()) or {}
        except (OSError, yaml.YAMLError) as error:
            raise WebConfigError(f"gpu.web_config: {self._path}: {error}") from error
        if not isinstance(table, dict):
            raise WebConfigError(f"{self._path}: must be a table of keys and values")
        check(table, self._path)
        context = self._make_context(table.get("tls_server_config") or {})
        self._stamp, self._table, self._context = stamp, table, context
        self._right.clear()

    def _make_context(self, tls: dict[str, Any]) -> ssl.SSLContext | None:
        if not tls:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = _VERSIONS[tls.get("min_version", "TLS12")]
        if tls.get("max_version"):
            context.maximum_version = _VERSIONS[tls["max_version"]]
        try:
            context.load_cert_chain(self._near(tls["cert_file"]), self._near(tls["key_file"]))
            if tls.get("client_ca_file"):
                context.load_verify_locations(self._near(tls["client_ca_file"]))
        except (OSError, ssl.SSLError) as error:
            raise WebConfigError(f"{self._path}: tls_server_config: {error}") from error
        context.verify_mode = _CLIENT_AUTH[tls.get("client_auth_type", "")]
        return context

    def _near(self, name: str) -> Path:
        """Relative files lie beside the configuration."""
        return self._path.parent / name

    def _refuse(self, request: Request) -> Response | None:
        users = self._table.get("basic_auth_users") or {}
        if not users:
            return None
        given = _credentials(request.headers.get("authorization", ""))
        if given is None:
            return _UNAUTHORIZED
        user, password = given
        hashed = str(users.get(user, _NOBODY))
        # bcrypt costs 50 ms or more: cache passwords that matched.
        token = hmac.digest(self._key, b"\0".join((user.encode(), password, hashed.encode())), hashlib.sha256)
        if token in self._right:
            return None
        return self._weigh(hashed, password, token, user in users)

    def _weigh(self, hashed: str, password: bytes, token: bytes, known: bool) -> Response | None:
        now = time.monotonic()
        self._wrong = [when for when in self._wrong if now - when < 1.0]
        if len(self._wrong) >= _WRONG_PER_SECOND:
            return Response(429, b"too many wrong passwords\n")
        if self._matches(hashed, password) and known:
            if len(self._right) >= _MOST_REMEMBERED:
                self._right.clear()
            self._right.add(token)
            return None
        self._wrong.append(now)
        return _UNAUTHORIZED

    def _matches(self, hashed: str, password: bytes) -> bool:
        if self._crypt is None or b"\0" in password:
            return False
        hashed_again = self._crypt(password, hashed.encode())
        return hashed_again is not None and hmac.compare_digest(hashed_again, hashed.encode())


def _credentials(header: str) -> tuple[str, bytes] | None:
    scheme, _, coded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(coded, validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return None
    return (user.decode("utf-8", "replace"), password) if colon else None


def _stamp(path: Path) -> tuple[int, int, int]:
    info = path.stat()
    return info.st_mtime_ns, info.st_size, info.st_ino


def _libcrypt() -> Callable[[bytes, bytes], bytes | None] | None:
    """crypt(3), which knows bcrypt on every current Linux; Python's own module for it is gone since 3.13."""
    for name in ("libcrypt.so.1", "libcrypt.so.2", ctypes.util.find_library("crypt")):
        try:
            crypt = ctypes.CDLL(name).crypt if name else None
        except (OSError, AttributeError):
            continue
        if crypt is not None:
            crypt.restype = ctypes.c_char_p
            return crypt
    return None
