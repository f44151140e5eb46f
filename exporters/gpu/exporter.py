"""The parent process: HTTP, the watch over the sampler, ownership; one thread, one selector."""

from __future__ import annotations

import contextlib
import logging
import selectors
import signal
import socket
import sys
import time
from pathlib import Path

from exporters.gpu.config import Config
from exporters.gpu.expose import once
from exporters.gpu.expose.board import Board
from exporters.gpu.owners.ownership import Owners
from exporters.gpu.serve.http import Handler, Request, Server
from exporters.gpu.watch import Watch
from telltale import exits
from telltale.serving.hosts import STATUS, Hosts
from telltale.serving.listen import listen, on_stop
from telltale.serving.pages import HEALTHY, METRICS, METRICS_TEXT, READY, Page, Response, respond, table

log = logging.getLogger("telltale.gpu")

DCGM = "/metrics/dcgm"
TICK = 0.5


class Exporter:
    """One exporter; `run` returns the exit code."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.hosts = Hosts(config.allowed_hosts)
        self.selector = selectors.DefaultSelector()
        self.watch = Watch(config)
        self.owners = Owners(config, self.selector)
        self.board = Board(config, self.watch, self.owners)
        self._stop = False
        self._toggle = False
        self._wake, self._woken = socket.socketpair()
        self._pages: dict[str, Page] = {
            **table(lambda _: Response(200, self.board.native(time.monotonic()), METRICS_TEXT), lambda: None),
            DCGM: lambda _: Response(200, self.board.compat(time.monotonic()), METRICS_TEXT),
            READY: self._ready,
        }
        paths = ", ".join((METRICS, DCGM, HEALTHY, READY))
        self._pages["/"] = lambda _: Response(200, f"Telltale GPU exporter: {paths}\n".encode())

    def run(self) -> int:
        """Run until SIGTERM or SIGINT. Returns an exit code. Raises UsageError."""
        server = self._serve()
        self._listen_to_signals()
        self._say_hello(server)
        try:
            return self._loop(server)
        finally:
            server.close()
            self.owners.close()
            self.watch.stop()
            log.info("stopped")

    def _serve(self) -> Server:
        handler: Handler = self.handle
        tls = None
        if self.config.web_config:
            from exporters.gpu.serve.webconfig import WebConfig

            try:
                web = WebConfig(Path(self.config.web_config))
            except ValueError as error:
                raise exits.UsageError(f"gpu.web_config: {error}") from error
            handler, tls = web.guard(handler), web.tls
        return Server(listen("gpu.listen", self.config.listen), handler, self.selector, tls)

    def _say_hello(self, server: Server) -> None:
        what = f"{self.config.simulate} SIMULATED GPUs" if self.config.simulate else "GPU metrics"
        host = self.config.listen.rpartition(":")[0]
        log.info("%s on http%s://%s:%d/metrics", what, "s" if self.config.web_config else "", host, server.port)

    def _listen_to_signals(self) -> None:
        self._woken.setblocking(False)
        self._wake.setblocking(False)
        self.selector.register(self._woken, selectors.EVENT_READ, self._drain)
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        on_stop(self._on_stop)
        signal.signal(signal.SIGUSR1, self._on_toggle)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def _on_stop(self) -> None:
        self._stop = True

    def _on_toggle(self, *_: object) -> None:
        self._toggle = True

    def _drain(self, _events: int) -> None:
        with contextlib.suppress(BlockingIOError):
            self._woken.recv(4096)

    def _loop(self, server: Server) -> int:
        following = 0.0
        while not self._stop:
            now = time.monotonic()
            if now >= following:
                self._beat(server, now)
                following = now + min(TICK, self.config.watchdog / 4)
            if self._given_up(now):
                log.error("the driver was replaced and the new library is not visible here; ending to be started anew")
                return exits.STALE
            for key, events in self.selector.select(max(0.0, following - time.monotonic())):
                key.data(events)
        return exits.OK

    def _beat(self, server: Server, now: float) -> None:
        if self._toggle:
            self._toggle = False
            self.watch.release(not self.watch.released)
            self.board.forget()
        self.watch.tick(now)
        self.owners.tick(now)
        self.board.update(now)
        server.sweep(now)

    def _given_up(self, now: float) -> bool:
        since, patience = self.watch.mismatch_since, self.config.mismatch_exit
        return since is not None and patience > 0 and now - since > patience

    def handle(self, request: Request) -> Response:
        """Respond to one request; never waits for the driver."""
        refusal = self.hosts.refusal(request.headers.get, request.local)
        if refusal is not None:
            return Response(STATUS, f"{refusal}\n".encode())
        return respond(self._pages, request.method, request.path)

    def _ready(self, _accept: str) -> Response:
        """Ready to be scraped, even without a driver: the page then gives the reason for missing readings."""
        if self.board.fresh(self.watch.refresh(), time.monotonic()):
            return Response(200, b"ok\n")
        return Response(200, f"ok: no readings: {self.watch.error}\n".encode())

    def once(self) -> int:
        """Take readings for a moment and print them as a table. Returns an exit code: FAILED if no GPU was readable."""
        until = time.monotonic() + self.config.watchdog * 2 + 3
        try:
            while time.monotonic() < until and not self._enough():
                self.watch.tick(time.monotonic())
                self.board.update(time.monotonic())
                time.sleep(0.02)
            self.board.update(time.monotonic())
            print(once.table(self.board, self.watch, time.monotonic()))
            return exits.OK if any(state == "ok" for _, _, state in self._states()) else exits.FAILED
        finally:
            self.watch.stop()

    def _states(self) -> list[tuple[str, int, str]]:
        return self.board.states(self.watch.snapshot, time.monotonic())

    def _enough(self) -> bool:
        """Two readings give rates and GPM; a driver that is not there will not come within seconds."""
        snapshot = self.watch.snapshot
        return bool(self.watch.restarts.get("driver", 0)) or (snapshot is not None and snapshot.sequence >= 2)


def run(config: Config) -> int:
    """The whole process. Returns the exit code."""
    logging.basicConfig(
        level="ERROR" if config.once else config.log_level.upper(),
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
        stream=sys.stderr,
    )
    if config.simulate:
        log.warning("%d GPUs are SIMULATED: none of their numbers is a measurement", config.simulate)
    exporter = Exporter(config._replace(interval=min(config.interval, 0.3)) if config.once else config)
    try:
        return exporter.once() if config.once else exporter.run()
    except exits.UsageError as error:
        print(error, file=sys.stderr)
        return exits.USAGE
