"""The outermost layer: checks and headers that handlers need not care about.

Refuses foreign Host headers (DNS rebinding), requests that another site made a browser send (CSRF) and bodies beyond
the limit; adds the security headers, and to whatever pages of other sites may call those that let them read the
response, refusals too; counts requests by route; keeps content out of the log when a handler fails.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from telltale.serving.pages import HEALTHY, METRICS, READY
from telltale.settings import Settings
from telltale.web.problems import problem
from telltale.web.state import state

log = logging.getLogger(__name__)

Fields = list[tuple[bytes, bytes]]
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-src 'self'; frame-ancestors 'self'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    # Pages hold people's prompts.
    "Cache-Control": "no-store",
}
# A page of another site that may call a path must be able to read why it was refused. Cookies are never sent along.
CROSS_SITE_HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Retry-After, Idempotent-Replayed",
    "Cross-Origin-Resource-Policy": "cross-origin",
}
# Prometheus and orchestrators use whatever address they found us under, and read only counts.
PROBES = frozenset({METRICS, HEALTHY, READY})
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


def allowed_hosts(settings: Settings) -> frozenset[str]:
    """Host names that requests may carry."""
    return LOOPBACK_HOSTS | settings.host_names


class Guard:
    """ASGI middleware; see the module. `cross_site` has the paths that pages of other sites may call, `body_limits`
    bytes of a body at paths that may have more than others."""

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        cross_site: Collection[str] = (),
        body_limits: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        self._app = app
        self._cross_site = frozenset(cross_site)
        self._hosts = allowed_hosts(settings)
        usual = settings.web.max_body_bytes
        self._usual_limit = _Limit(usual, " (web.max_body_bytes).")
        self._limits = {path: _Limit(max(most, usual), "; send less at once.") for path, most in body_limits.items()}
        self._origin = settings.web_url
        secure = {"Strict-Transport-Security": "max-age=31536000"} if self._origin.startswith("https://") else {}
        self._headers = _encoded(HEADERS | secure)
        self._cross_site_headers = _encoded(HEADERS | secure | CROSS_SITE_HEADERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_cross_site_path = scope["path"] in self._cross_site
        sender = _Sender(send, self._cross_site_headers if is_cross_site_path else self._headers)
        try:
            refusal = self._refuse(scope)
            if refusal is not None:
                await problem(Request(scope), *refusal)(scope, receive, sender)
            else:
                await self._app(scope, _limited(receive, self._limit(scope)), sender)
        except Exception as error:  # noqa: BLE001 - the last resort: any fault is logged and becomes a 500
            _log_fault(scope, error)
            if not sender.status:
                await problem(Request(scope), 500, "Telltale failed on this request; its log says where.")(
                    scope, receive, sender
                )
        finally:
            state(HTTPConnection(scope)).requests.labels(_route(scope), str(sender.status or 500)).inc()

    def _refuse(self, scope: Scope) -> tuple[int, str] | None:
        # As they came: this is done for every request, and the class Headers encodes the name for every look at it.
        # Of a field that came twice the first counts, as for those who read them after.
        fields = dict(reversed(scope["headers"]))
        if scope["path"] not in PROBES and not self._is_allowed(scope["headers"]):
            return 421, "This host name is not served here; name it in web.allowed_hosts or web.public_url."
        guarded = scope["method"] not in SAFE_METHODS and scope["path"] not in self._cross_site
        if guarded and b"authorization" not in fields and is_cross_site(Headers(scope=scope), self._origin):
            return 403, "This request was sent by another site."
        if fields.get(b"content-type", b"").strip().lower().startswith(b"multipart/"):
            # Its sender names the encoding, and some of Python's take a second for what the limit allows.
            return 415, "Send a form as application/x-www-form-urlencoded."
        length = fields.get(b"content-length", b"")
        limit = self._limit(scope)
        if length.isdigit() and int(length) > limit.most:
            return 413, limit.refusal
        return None

    def _limit(self, scope: Scope) -> _Limit:
        return self._limits.get(scope["path"], self._usual_limit)

    def _is_allowed(self, fields: Iterable[tuple[bytes, bytes]]) -> bool:
        hosts = [value for name, value in fields if name == b"host"]
        if len(hosts) != 1:
            return False
        try:
            return urlsplit(f"//{hosts[0].decode('latin-1')}").hostname in self._hosts
        except ValueError:
            return False


def is_cross_site(headers: Headers, own: str = "") -> bool:
    """Whether a browser says that another site made it send this request.

    A request with an Authorization header needs no check: no site can make a browser add it. One with neither
    Sec-Fetch-Site nor Origin comes from no browser of this decade, and is refused only if it carries a cookie.
    `own` is the origin of web.public_url: a proxy may ask us under another Host than the browser asked it.
    """
    if "authorization" in headers:
        return False
    if site := headers.get("sec-fetch-site"):
        return site not in ("same-origin", "none")
    if origin := headers.get("origin"):
        return origin != own and (origin == "null" or urlsplit(origin).netloc != headers.get("host"))
    return "cookie" in headers


class _Sender:
    """Passes a response on, adds the headers that it lacks, and records its status."""

    def __init__(self, send: Send, headers: Fields) -> None:
        self._send, self._headers = send, headers
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = message["headers"]
            own = {name for name, _ in headers}
            message["headers"] = [*headers, *(field for field in self._headers if field[0] not in own)]
        await self._send(message)


def _encoded(headers: Mapping[str, str]) -> Fields:
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]


class _Limit(NamedTuple):
    """Bytes that a body may have, and what to do about a longer one."""

    most: int
    mend: str

    @property
    def refusal(self) -> str:
        return f"The body is longer than {self.most} bytes{self.mend}"


def _limited(receive: Receive, limit: _Limit) -> Receive:
    """Enforces the limit for bodies sent without a Content-Length."""
    received = 0

    async def limited() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > limit.most:
            raise HTTPException(413, limit.refusal)
        return message

    return limited


def _route(scope: Scope) -> str:
    # The route's pattern, never the path: paths are unbounded.
    if scope["path"] in PROBES:
        return str(scope["path"])
    return str(getattr(scope.get("route"), "path", "none"))


def _log_fault(scope: Scope, error: Exception) -> None:
    # Where it failed and with what type; a message could repeat a prompt or a secret.
    frames: Iterable[traceback.FrameSummary] = traceback.extract_tb(error.__traceback__)[-4:]
    where = " < ".join(f"{frame.filename}:{frame.lineno}" for frame in reversed(list(frames)))
    log.error("%s %s failed: %s at %s", scope["method"], _route(scope), type(error).__name__, where)
