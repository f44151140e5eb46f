"""What machines ask: metrics, whether we live, whether we can do our work."""

from __future__ import annotations

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import select
from starlette.responses import PlainTextResponse, Response

from telltale.web.state import state

router = APIRouter(include_in_schema=False)


@router.get("/metrics")
def metrics(request: Request) -> Response:
    return Response(generate_latest(state(request).registry), media_type=CONTENT_TYPE_LATEST)


@router.get("/-/healthy")
async def healthy() -> Response:
    return PlainTextResponse("healthy\n")


@router.get("/-/ready")
def ready(request: Request) -> Response:
    """Ready when the store answers; StoreUnavailable becomes 503."""
    with state(request).store.read() as connection:
        connection.execute(select(1))
    return PlainTextResponse("ready\n")
