"""Error responses: a page for people, RFC 9457 problem details for programs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from urllib.parse import urlencode

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse, Response

from telltale.store import StoreBusy, StoreUnavailable
from telltale.web.pages import render
from telltale.web.principal import SignInNeeded

RETRY_AFTER_STORE_S = 2


def problem(
    request: Request,
    status: int,
    detail: str,
    headers: Mapping[str, str] | None = None,
    errors: list[dict[str, object]] | None = None,
) -> Response:
    """An error response, in a form that the sender accepts."""
    title = HTTPStatus(status).phrase
    if wants_page(request):
        response: Response = render(request, "problem.html", status_code=status, title=title, detail=detail)
    else:
        body: dict[str, object] = {"type": "about:blank", "title": title, "status": status, "detail": detail}
        response = JSONResponse(
            body | ({"errors": errors} if errors else {}), status, media_type="application/problem+json"
        )
    response.headers.update(headers or {})
    return response


def wants_page(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/api/")


def add_handlers(app: FastAPI) -> None:
    for kind, handler in _HANDLERS.items():
        app.add_exception_handler(kind, handler)


def answer_to(request: Request, error: Exception) -> Response | None:
    """The response to an error that a handler raised for its sender; None for a fault of ours."""
    return next((handler(request, error) for kind, handler in _HANDLERS.items() if isinstance(error, kind)), None)


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = str(error.detail)
    if error.status_code == 404 and detail == HTTPStatus(404).phrase:
        detail = "There is nothing here."
    return problem(request, error.status_code, detail, error.headers)


def _sign_in(request: Request, error: Exception) -> Response:
    if request.method == "GET" and wants_page(request):
        target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/sign-in?{urlencode({'next': target})}", 303)
    return problem(request, 401, "Sign in first, or send an API key.", {"WWW-Authenticate": "Bearer"})


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    # Where and why, never the value: it may be somebody's comment.
    errors: list[dict[str, object]] = [
        {"where": ".".join(str(part) for part in fault["loc"]), "message": fault["msg"]} for fault in error.errors()
    ]
    return problem(request, 422, "The request does not fit; `errors` says where.", errors=errors)


def _unavailable(request: Request, error: Exception) -> Response:
    detail = "Too many writes are waiting." if isinstance(error, StoreBusy) else "The store cannot be used now."
    return problem(request, 503, f"{detail} Try again.", {"Retry-After": str(RETRY_AFTER_STORE_S)})


_HANDLERS: Mapping[type[Exception], Callable[[Request, Exception], Response]] = {
    HTTPException: _http,
    SignInNeeded: _sign_in,
    RequestValidationError: _invalid,
    StoreUnavailable: _unavailable,
}
