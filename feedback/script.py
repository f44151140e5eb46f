"""The script with which a page of another site votes: static, immutable, less than a kilobyte."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from starlette.responses import Response

# A change of the file would break the integrity hashes of pages that embed it: it becomes a new version.
PATH = "/feedback-1.js"
SCRIPT = (Path(__file__).parent / "static" / "feedback-1.js").read_bytes()
HEADERS = {"Cache-Control": "public, max-age=31536000, immutable"}

router = APIRouter(include_in_schema=False)


@router.get(PATH)
async def script() -> Response:
    return Response(SCRIPT, 200, HEADERS, "text/javascript")
