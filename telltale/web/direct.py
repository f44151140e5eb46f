"""The way of the few requests that come by the thousand: from the guard to their handler, past the framework.

FastAPI matches routes, solves dependencies and opens several contexts for each request, which costs more than storing
one. The same handlers are its routes too: so they are described, and other methods are refused there.
"""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import FastAPI
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from telltale.web.problems import answer_to
from telltale.web.router import Handler


class Application(FastAPI):
    """A FastAPI application with a way past it: a POST to one of `direct` goes to `front` alone."""

    direct: frozenset[str] = frozenset()
    front: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.front and scope["type"] == "http" and scope["method"] == "POST" and scope["path"] in self.direct:
            scope["app"] = self
            await self.front(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


class Direct:
    """ASGI application: each path has a handler."""

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self._routes = {path: _Route(path, handler) for path, handler in handlers.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = scope["route"] = self._routes[scope["path"]]
        request = Request(scope, receive)
        try:
            response = await route.handler(request)
        except Exception as error:
            found = answer_to(request, error)
            if found is None:
                raise
            response = found
        await response(scope, receive, send)


class _Route:
    """The route under which its requests are counted."""

    def __init__(self, path: str, handler: Handler) -> None:
        self.path, self.handler = path, handler
