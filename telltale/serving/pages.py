"""The pages that every server has for machines: /metrics, /-/healthy and /-/ready.

A server keeps a table of such pages and passes requests to `respond`, whatever its HTTP implementation, so that all
of them respond alike. Standard library only; prometheus_client is imported where a registry is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

METRICS, HEALTHY, READY = "/metrics", "/-/healthy", "/-/ready"
TEXT = "text/plain; charset=utf-8"
METRICS_TEXT = "text/plain; version=0.0.4; charset=utf-8"
METHODS = ("GET", "HEAD")
RETRY_AFTER_S = 2


class Response(NamedTuple):
    """`body` may be in parts, which a server can send without copying them together."""

    status: int
    body: bytes | tuple[bytes, ...]
    content_type: str = TEXT
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def content(self) -> bytes:
        """The body in one piece."""
        return self.body if isinstance(self.body, bytes) else b"".join(self.body)


Page = Callable[[str], Response]
"""Makes the response to a GET with this Accept header."""


def table(metrics: Page, unready: Callable[[], str | None]) -> dict[str, Page]:
    """The three pages by path. `unready` returns why the server is not ready to do its work, or None."""
    return {METRICS: metrics, HEALTHY: lambda _: Response(200, b"ok\n"), READY: lambda _: _ready(unready())}


def respond(pages: Mapping[str, Page], method: str, path: str, accept: str = "") -> Response:
    """Respond to a request. `path` comes without its query; one that the table lacks is 404."""
    if method not in METHODS:
        return Response(405, b"only GET and HEAD\n", headers=(("Allow", ", ".join(METHODS)),))
    page = pages.get(path)
    return page(accept) if page is not None else Response(404, b"see /metrics\n")


def exposition(registry: CollectorRegistry, more: Callable[[bool], str] = lambda _: "") -> Page:
    """The page of a registry's metrics, in OpenMetrics where that is asked for.

    `more(openmetrics)` returns metrics that are not in the registry, as text of that format.
    """

    def page(accept: str) -> Response:
        if "application/openmetrics-text" in accept:
            from prometheus_client.openmetrics import exposition as openmetrics

            written = openmetrics.generate_latest(registry)  # type: ignore[no-untyped-call]  # no types there
            return Response(200, more(True).encode() + written, openmetrics.CONTENT_TYPE_LATEST)
        from prometheus_client.exposition import generate_latest

        return Response(200, more(False).encode() + generate_latest(registry), METRICS_TEXT)

    return page


def _ready(why: str | None) -> Response:
    if why is None:
        return Response(200, b"ok\n")
    return Response(503, f"{why}\n".encode(), headers=(("Retry-After", str(RETRY_AFTER_S)),))
