"""Sends feedback from a Python application, in the background. Standard library only; the file may be copied.

    from feedback.client import FeedbackClient, current_trace

    feedback = FeedbackClient("http://127.0.0.1:8080", key)
    trace_id = current_trace()                  # while the response is made; keep it beside the response
    feedback.send(kind="thumb", value="down", subject="user-17", trace_id=trace_id)

`send` puts the submission into a bounded queue and returns at once; a thread sends batches and repeats what was not
acknowledged under the same idempotency keys, so that nothing is stored twice.
"""

from __future__ import annotations

import atexit
import http.client
import json
import logging
import os
import random
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections import deque
from collections.abc import Callable
from typing import IO, Any, NamedTuple

log = logging.getLogger(__name__)

PATH = "/api/v1/feedback/batch"
MOST_TOGETHER = 200
MOST_BYTES_TOGETHER = 1 << 20
# Several times the longest submission that is valid, however it is escaped.
MOST_BYTES_ALONE = 1 << 20
MOST_BYTES_WAITING = 16 << 20
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
CLOSE_S = 2.0
MOST_WAIT_S = 300.0
# What reading an answer may raise: it was cut short, or it is not our API's.
_NO_ANSWER = (OSError, http.client.HTTPException, ValueError, KeyError, TypeError)
# Refused as a whole; but a key may be replaced and a server be set right, and then the same is accepted.
_LATER = (401, 403, 404, 408, 421, 429)


class _Item(NamedTuple):
    key: str
    content: bytes


class _Answer(NamedTuple):
    """Of a batch: the status, 0 where there was none; a status for each item; how long to wait."""

    status: int
    results: list[dict[str, Any]]
    wait: float = 0.0


def current_trace() -> str | None:
    """The trace id of OpenTelemetry's current span; None outside of one, or without OpenTelemetry."""
    try:
        from opentelemetry import trace
    except ImportError:
        return None
    context = trace.get_current_span().get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else None


class FeedbackClient:
    """See the module. Safe to use from several threads, and in processes that are forked from this one.

    `sent`, `refused` and `full` count what was acknowledged, what is invalid, and what found no room.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        most_waiting: int = 10_000,
        timeout: float = 10.0,
        on_refused: Callable[[str, str], None] | None = None,
    ) -> None:
        """`url` is that of Telltale's pages, `key` has the scope feedback:write.

        `on_refused` is called with the idempotency key and the reason of what is invalid, in the sending thread. Raises
        ValueError for another scheme.
        """
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"{url}: begin with http:// or https://")
        self._url = url.rstrip("/") + PATH
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._most, self._timeout, self._on_refused = most_waiting, timeout, on_refused
        self.sent = self.refused = self.full = 0
        self._waiting: deque[_Item] = deque()
        self._bytes, self._most_together = 0, MOST_BYTES_TOGETHER
        self._closed = False
        self._thread: threading.Thread | None = None
        self._changed = threading.Condition()
        self._pid = os.getpid()
        self._opener = urllib.request.build_opener(_NoRedirect)
        atexit.register(self.close, CLOSE_S)

    def send(self, *, trace_id: str | None = None, idempotency_key: str | None = None, **fields: object) -> bool:
        """Queue one submission (`kind`, `value`, `comment`, `subject`, `name`, … as the API has them) and return.

        Without `trace_id` it is about the current span's trace. Returns False for what is not sent: the queue is full,
        or it is longer than any server takes. Raises ValueError when there is no trace and for NaN, TypeError for
        what JSON does not have.
        """
        trace_id = trace_id or current_trace()
        if trace_id is None:
            raise ValueError("there is no current span: pass trace_id=")
        key = idempotency_key or str(uuid.uuid4())
        item = _Item(
            key, json.dumps({"trace_id": trace_id, "idempotency_key": key, **fields}, allow_nan=False).encode()
        )
        if len(item.content) > MOST_BYTES_ALONE:
            # The server would cut it off, at each repetition, and all that waits behind it would wait for ever.
            self._note(key, {"status": 413, "detail": f"{len(item.content):,} bytes are more than is accepted"})
            return False
        if self._pid != os.getpid():
            # The thread stayed in the parent, which sends what waited there.
            self._start_over()
        with self._changed:
            if self._closed or len(self._waiting) >= self._most or self._bytes + len(item.content) > MOST_BYTES_WAITING:
                self.full += 1
                if self.full & (self.full - 1) == 0:
                    log.warning(
                        "feedback is not sent: %d wait already; %d were not taken", len(self._waiting), self.full
                    )
                return False
            self._waiting.append(item)
            self._bytes += len(item.content)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="feedback", daemon=True)
                self._thread.start()
            self._changed.notify_all()
        return True

    @property
    def waiting(self) -> int:
        """How many are not acknowledged yet."""
        return len(self._waiting)

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until everything is acknowledged; returns whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting, timeout)

    def close(self, timeout: float = CLOSE_S) -> bool:
        """Take nothing more and wait for what is queued; returns whether all of it is acknowledged."""
        atexit.unregister(self.close)
        if self._pid != os.getpid():
            return True
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        return self.flush(timeout)

    def _start_over(self) -> None:
        self._pid = os.getpid()
        self._waiting.clear()
        self._bytes, self._closed, self._thread = 0, False, None
        self._changed = threading.Condition()

    def _run(self) -> None:
        pause = FIRST_PAUSE_S
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if not self._waiting:
                    return
                batch = self._next_batch()
            answer = self._post(b'{"items":[' + b",".join(item.content for item in batch) + b"]}")
            if self._settle(batch, answer):
                pause = FIRST_PAUSE_S
                continue
            wait = max(answer.wait, pause * random.uniform(0.5, 1.0))  # noqa: S311 - spreads senders, no secret
            log.warning("feedback was not accepted (%s); again in %.0f s", answer.status or "no response", wait)
            pause = min(2 * pause, LONGEST_PAUSE_S)
            time.sleep(wait)

    def _next_batch(self) -> list[_Item]:
        batch: list[_Item] = []
        size = 0
        for item in self._waiting:
            size += len(item.content) + 1
            if batch and (len(batch) == MOST_TOGETHER or size > self._most_together):
                break
            batch.append(item)
        return batch

    def _post(self, body: bytes) -> _Answer:
        request = urllib.request.Request(self._url, body, self._headers)  # noqa: S310 - http or https, see __init__
        try:
            with self._opener.open(request, timeout=self._timeout) as response:
                return _Answer(response.status, _results(response))
        except urllib.error.HTTPError as error:
            wait = error.headers.get("Retry-After", "")
            return _Answer(error.code, _results(error), min(float(wait), MOST_WAIT_S) if wait.isdecimal() else 0.0)
        except (OSError, http.client.HTTPException):
            # No connection, no HTTP, or no time: the same is sent again.
            return _Answer(0, [])

    def _settle(self, batch: list[_Item], answer: _Answer) -> bool:
        """Take from the queue what need not be sent again; returns whether anything was."""
        if answer.status == 413 and len(batch) > 1:
            self._most_together = max(1, sum(len(item.content) for item in batch) // 2)
            return True
        if len(answer.results) == len(batch):
            settled = list(zip(batch, answer.results, strict=True))
        elif 400 <= answer.status < 500 and answer.status not in _LATER:
            refusal = {"status": answer.status, "detail": f"refused with {answer.status}"}
            settled = [(item, refusal) for item in batch]
        else:
            return False
        done = [(item, result) for item, result in settled if result.get("status", 503) < 500]
        again = [item for item, result in settled if result.get("status", 503) >= 500]
        for item, result in done:
            self._note(item.key, result)
        with self._changed:
            # They are at the head: only this thread takes any away.
            for _ in batch:
                self._waiting.popleft()
            self._waiting.extendleft(reversed(again))
            self._bytes -= sum(len(item.content) for item, _ in done)
            self._changed.notify_all()
        return bool(done)

    def _note(self, key: str, result: dict[str, Any]) -> None:
        if result["status"] < 400:
            self.sent += 1
            return
        self.refused += 1
        why = str(result.get("detail", ""))
        log.error("feedback %s is invalid: %s", key, why)
        if self._on_refused:
            try:
                self._on_refused(key, why)
            except Exception:
                # The application's own: whatever it raises must not end this thread.
                log.exception("on_refused failed")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The key is for one server, whatever that says."""

    def redirect_request(self, *_: object, **__: object) -> None:
        return None


def _results(answer: IO[bytes]) -> list[dict[str, Any]]:
    """What was said of each item: in a 200's or a 503's body; nothing in a problem document's, or in no JSON."""
    try:
        found = json.load(answer)["results"]
    except _NO_ANSWER:
        return []
    return found if isinstance(found, list) and all(isinstance(one, dict) for one in found) else []
