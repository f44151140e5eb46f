"""What honest clients see meanwhile: small requests on new and on kept connections, from a process of their own."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import count
from multiprocessing.connection import Connection

import grpc

from benchmarks.traces import payload

TIMEOUT_S = 10.0
PAUSE_S = 0.03
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

# Requests of those before the attack, not to be taken for duplicates of an earlier run's.
_seeds = count(1)


class Kept:
    """An HTTP client that keeps its connection and, as all do, asks once more where it was closed meanwhile."""

    def __init__(self, port: int) -> None:
        self._link = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)

    def ask(self, method: str, path: str, body: bytes | None = None) -> None:
        had_one = self._link.sock is not None
        try:
            self._ask(method, path, body)
        except ConnectionError:
            self.close()
            if not had_one:
                raise
            self._ask(method, path, body)

    def _ask(self, method: str, path: str, body: bytes | None) -> None:
        headers = {} if body is None else {"Content-Type": "application/x-protobuf"}
        self._link.request(method, path, body, headers)
        response = self._link.getresponse()
        response.read()
        if response.status >= 400:
            raise OSError(f"{method} {path}: {response.status}")

    def close(self) -> None:
        self._link.close()


def ask_anew(port: int, method: str, path: str, body: Callable[[], bytes | None]) -> None:
    link = Kept(port)
    try:
        link.ask(method, path, body())
    finally:
        link.close()


def one_span() -> bytes:
    return payload(1, False, next(_seeds))


def no_body() -> None:
    return None


def clients(part: str, ports: dict[str, int]) -> list[Callable[[], None]]:
    """One for each way of asking; each raises an error where it is not served."""
    if part == "web":
        kept = Kept(ports["web"])
        return [
            partial(ask_anew, ports["web"], "GET", "/-/healthy", no_body),
            partial(ask_anew, ports["web"], "GET", "/sign-in", no_body),
            partial(kept.ask, "GET", "/sign-in"),
        ]
    kept = Kept(ports["http"])
    export = grpc.insecure_channel(f"127.0.0.1:{ports['grpc']}").unary_unary(EXPORT)
    return [
        partial(ask_anew, ports["http"], "POST", "/v1/traces", one_span),
        lambda: kept.ask("POST", "/v1/traces", one_span()),
        lambda: export(one_span(), timeout=TIMEOUT_S),
        partial(ask_anew, ports["metrics"], "GET", "/-/healthy", no_body),
    ]


def run(part: str, ports: dict[str, int], main: Connection) -> None:
    """Say "ready" once every client was served, ask from "begin" to "end", and send the waits (s) and the errors."""
    asked = clients(part, ports)
    for ask in asked:
        for _ in range(5):
            ask()
    main.send("ready")
    main.recv()
    waits: list[float] = []
    errors: list[str] = []
    done = threading.Event()

    def keep_asking(ask: Callable[[], None]) -> None:
        while not done.is_set():
            began = time.monotonic()
            try:
                ask()
            except (OSError, http.client.HTTPException, grpc.RpcError) as error:
                errors.append(f"{type(error).__name__}: {error}".splitlines()[0])
            waits.append(time.monotonic() - began)
            done.wait(PAUSE_S)

    threads = [threading.Thread(target=keep_asking, args=(ask,)) for ask in asked]
    for thread in threads:
        thread.start()
    main.recv()
    done.set()
    for thread in threads:
        thread.join()
    # Whoever started this may be gone.
    with suppress(BrokenPipeError):
        main.send((waits, errors))
