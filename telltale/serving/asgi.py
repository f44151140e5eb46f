"""An ASGI application on a bound socket, with the health and metrics pages in front of it."""

from __future__ import annotations

import asyncio
import ctypes
import signal
import socket
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType

import uvicorn
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from telltale.serving.bounded import Bounded, Shared
from telltale.serving.connections import ACCEPTED_AT_ONCE
from telltale.serving.hosts import STATUS, Hosts
from telltale.serving.listen import BACKLOG
from telltale.serving.pages import HEALTHY, Page, respond

GRACE_S = 10
LARGE_BLOCK = 1 << 20
# uvicorn ticks ten times a second.
TICKS_PER_SWEEP = 10


class Pages:
    """ASGI middleware that serves the paths in `pages`; without an application it serves every path.

    Browsers whose page was rebound to us are refused these paths; the application looks after its own.
    """

    def __init__(self, app: ASGIApp | None, pages: Mapping[str, Page], hosts: Iterable[str] = ()) -> None:
        self._app, self._pages, self._hosts = app, pages, Hosts(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._app is not None and (scope["type"] != "http" or scope["path"] not in self._pages):
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            refusal = misdirected(scope, self._hosts)
            await (refusal or await self._respond(scope))(scope, receive, send)

    async def _respond(self, scope: Scope) -> Response:
        asked = self._pages, scope["method"], scope["path"], Headers(scope=scope).get("accept", "")
        # Liveness is served without a thread: all of them may be busy.
        made = respond(*asked) if scope["path"] == HEALTHY else await run_in_threadpool(respond, *asked)
        return Response(made.content, made.status, {"Content-Type": made.content_type, **dict(made.headers)})


def misdirected(scope: Scope, hosts: Hosts) -> Response | None:
    """The response to a request that came under a name that is not ours, or None."""
    server = scope.get("server") or ("",)
    why = hosts.refusal(Headers(scope=scope).get, str(server[0]))
    return None if why is None else PlainTextResponse(f"{why}\n", STATUS)


def serve(app: ASGIApp, listener: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT; requests in progress are finished first. From the main thread only."""
    _give_back_large_blocks()
    _Server(_config(app)).run(sockets=[listener])


@contextmanager
def in_background(app: ASGIApp, listener: socket.socket) -> Iterator[None]:
    """Serve in a thread for as long as the context lasts; signals are the caller's."""
    server = _Server(_config(app))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="http", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()


def _give_back_large_blocks() -> None:
    # By default glibc keeps blocks of megabytes, such as a report's, once one was freed, and does so for each thread:
    # a hundred reports asked for at once left 80 MiB behind, and now half of it. mallopt(3): M_MMAP_THRESHOLD.
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(-3, LARGE_BLOCK)


def _config(app: ASGIApp) -> uvicorn.Config:
    # Where a request says that it comes from is not believed: anybody could write it there.
    return uvicorn.Config(
        app,
        http=Bounded,
        ws="none",
        backlog=ACCEPTED_AT_ONCE,
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
    )


class _Server(uvicorn.Server):
    """Keeps its connections within limits, and stops on a signal.

    Uvicorn's own handler raises the signal again after stopping; this one lets us return 0.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.server_state: Shared = Shared()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or ():
            # The event loop accepts as many at once as it was told the backlog to be, before it counts any of them.
            listener.listen(BACKLOG)

    async def on_tick(self, counter: int) -> bool:
        if counter % TICKS_PER_SWEEP == 0:
            self.server_state.expire(asyncio.get_running_loop().time())
        return await super().on_tick(counter)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True
