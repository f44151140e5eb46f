"""The servers that benchmarks.submits compares, one a process.

    python -m benchmarks.submits_served WAY FOLDER PORT [STORE_URL]

- `telltale`: `telltale web` with the routes of feedback, as it ships.
- `alone`: the same, but each submit has a commit of its own.
- `plain`: what one writes first: FastAPI, a pydantic model, SQLAlchemy Core, one transaction a request in a thread, on
  the same table with the same durability; without keys of tenants, redaction, limits and metrics.
"""

from __future__ import annotations

import secrets
import sys
import time
from pathlib import Path
from typing import Annotated

import uvicorn
from fastapi import FastAPI, Header
from sqlalchemy import insert
from starlette.responses import JSONResponse

from feedback import gathering
from feedback.routes import router
from feedback.submission import Submission
from telltale.settings import Settings
from telltale.store import open_store, writer
from telltale.store.schema import feedback
from telltale.web import main

WAYS = ("telltale", "alone", "plain")


def settings(folder: Path, port: int, store_url: str = "") -> Settings:
    """Settings of a server that refuses nobody for sending fast."""
    return Settings.model_validate(
        {
            "data_dir": folder,
            "store": {"url": store_url},
            "web": {"listen": f"127.0.0.1:{port}", "requests_per_second": 1e6},
        }
    )


def plain(url: str) -> FastAPI:
    app, engine = FastAPI(), open_store(url)._engine

    @app.post("/api/v1/feedback")
    def submit(submission: Submission, idempotency_key: Annotated[str, Header()]) -> JSONResponse:
        values = {
            "received_at": time.time(), "tenant": "shop", "trace_id": submission.trace_id, "kind": submission.kind,
            "name": submission.name, "value": submission.number, "source": "user", "comment": submission.comment,
            "subject": secrets.token_hex(32), "idempotency_key": idempotency_key, "body_sha256": secrets.token_hex(32),
        }  # fmt: skip
        with engine.begin() as connection:
            number = connection.execute(insert(feedback).values(values)).inserted_primary_key
        return JSONResponse({"id": number and number[0]}, 201)

    return app


def serve(way: str, folder: Path, port: int, store_url: str = "") -> int:
    configured = settings(folder, port, store_url)
    if way == "plain":
        uvicorn.run(plain(configured.store_url), port=port, log_level="warning", access_log=False)
        return 0
    if way == "alone":
        gathering.MAX_GROUP = writer.MAX_GROUP = 1
    return main(configured, [router])


if __name__ == "__main__":
    sys.exit(serve(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:]))
