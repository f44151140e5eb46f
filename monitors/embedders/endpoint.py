"""Vectors from an OpenAI-compatible endpoint (OpenAI API reference, "Create embeddings")."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
from numpy.typing import NDArray

from monitors.embedders.embedder import NoVectors
from telltale.settings.table import Embeddings

AT_ONCE = 64
MOST_DIMENSIONS = 8192
MOST_BYTES = 64 << 20
# How an endpoint refuses a text for what it is, such as too many tokens; the others of its batch are well.
REFUSED = (400, 413, 422)
LEAST_CHARACTERS = 50


class _Refused(NoVectors):
    """It is for one of these texts."""


class Endpoint:
    """Asks `<url>/embeddings`, some texts at a time."""

    def __init__(self, settings: Embeddings) -> None:
        self._settings = settings
        self._client: httpx.Client | None = None
        where = f"{settings.url}\n{settings.model}\n{settings.most_characters}"
        digest = hashlib.sha256(where.encode()).hexdigest()[:12]
        self.space = f"{urlsplit(settings.url).hostname} {settings.model}"[:50] + f" {digest}"

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        cut = [_clean(text[: self._settings.most_characters]) for text in texts]
        parts = [self._place(cut[begin : begin + AT_ONCE]) for begin in range(0, len(cut), AT_ONCE)]
        if len({part.shape[1] for part in parts}) > 1:
            raise NoVectors("the endpoint changed the length of its vectors")
        return np.vstack(parts) if parts else np.zeros((0, 1), np.float32)

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def _place(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Their vectors; a text that is refused is asked for by itself, and by its beginning."""
        try:
            return self._ask(texts)
        except _Refused:
            if len(texts) == 1:
                if len(texts[0]) <= LEAST_CHARACTERS:
                    raise
                return self._place([texts[0][: len(texts[0]) // 2]])
        half = len(texts) // 2
        first, second = self._place(texts[:half]), self._place(texts[half:])
        if first.shape[1] != second.shape[1]:
            raise NoVectors("the endpoint changed the length of its vectors")
        return np.vstack([first, second])

    def _ask(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if self._client is None:
            self._client = httpx.Client(timeout=self._settings.timeout, trust_env=False)
        url = f"{self._settings.url.rstrip('/')}/embeddings"
        body = {"model": self._settings.model, "input": list(texts), "encoding_format": "float"}
        try:
            with self._client.stream("POST", url, json=body, headers=self._headers()) as response:
                if response.status_code in REFUSED:
                    raise _Refused(f"the endpoint answers {response.status_code}")
                if response.status_code != httpx.codes.OK:
                    raise NoVectors(f"the endpoint answers {response.status_code}")
                content = b""
                for chunk in response.iter_bytes():
                    content += chunk
                    if len(content) > MOST_BYTES:
                        raise NoVectors(f"the endpoint answers more than {MOST_BYTES} bytes")
        except httpx.HTTPError as error:
            raise NoVectors(f"the endpoint does not answer ({type(error).__name__})") from error
        return _read(content, len(texts))

    def _headers(self) -> dict[str, str]:
        if self._settings.key_file is None:
            return {}
        try:
            key = self._settings.key_file.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise NoVectors(f"monitor.embeddings.key_file cannot be read ({type(error).__name__})") from error
        if not key.isascii():
            raise NoVectors("monitor.embeddings.key_file holds what no header can: write the key alone into it")
        return {"Authorization": f"Bearer {key}"}


def _clean(text: str) -> str:
    """Without halves of characters, which no JSON can hold."""
    return text.encode("utf-8", "replace").decode() or " "


def _read(content: bytes, count: int) -> NDArray[np.float32]:
    """The vectors of a response in the order of their texts. Raises NoVectors."""
    try:
        rows: list[Any] = httpx.Response(200, content=content).json()["data"]
        ordered = sorted(rows, key=lambda row: row["index"])
        found = np.array([row["embedding"] for row in ordered], dtype=np.float32)
        is_complete = [row["index"] for row in ordered] == list(range(count))
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise NoVectors("the endpoint's response cannot be read") from error
    if not is_complete or found.ndim != 2 or not 0 < found.shape[1] <= MOST_DIMENSIONS or not np.isfinite(found).all():
        raise NoVectors("the endpoint's response is not one finite vector for each text")
    return found
