"""A second pass by Presidio: what it finds is removed before storage; without it nothing is stored in the clear."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace.export import SpanExportResult
from support.collector_process import Collector, chat, send, until
from support.ports import free_address

from exporters.traces.keep.presidio import Presidio, without_overlap
from telltale.settings import Redaction

NAMES = ("Ada Lovelace", "Grace Hopper")


class Analyzer(BaseHTTPRequestHandler):
    """The endpoint of Presidio's analyzer service that we call: finds two names, in characters from 0."""

    authorized: ClassVar[list[str | None]] = []

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert (self.path, asked["language"]) == ("/analyze", "en")
        self.authorized.append(self.headers["Authorization"])
        text = asked["text"]
        found = [
            {"entity_type": "PERSON", "start": text.index(name), "end": text.index(name) + len(name), "score": 0.85}
            for name in NAMES
            if name in text
        ]
        body = json.dumps(found).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def analyzer() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Analyzer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_what_it_finds_goes_before_storage(make_collector: Callable[..., Collector], analyzer: str) -> None:
    collector = make_collector(TELLTALE_REDACTION__PRESIDIO_URL=analyzer)
    prompt = "🙂 Ada Lovelace (ada@example.org) writes to Grace Hopper"
    assert send(collector, chat(prompt=prompt)) is SpanExportResult.SUCCESS
    [stored] = collector.samples()
    assert stored.prompt == "🙂 [PERSON] ([EMAIL]) writes to [PERSON]"
    assert stored.response == "Press the button."
    assert stored.redactions == {"person": 2, "email": 1}


def test_a_name_in_escapes_is_found_too(make_collector: Callable[..., Collector], analyzer: str) -> None:
    collector = make_collector(TELLTALE_REDACTION__PRESIDIO_URL=analyzer)
    assert send(collector, chat(prompt=r'{"by": "\u0041da Lovelace"}')) is SpanExportResult.SUCCESS
    assert [stored.prompt for stored in collector.samples()] == ['{"by": "[PERSON]"}']


def test_a_promoted_call_is_looked_at_too(make_collector: Callable[..., Collector], analyzer: str) -> None:
    from telltale.records import Feedback
    from telltale.store import feedback

    collector = make_collector(TELLTALE_REDACTION__PRESIDIO_URL=analyzer, TELLTALE_SAMPLING__PER_MINUTE="0.001")
    send(collector, chat(count=200))
    kept = {stored.trace_id for stored in collector.samples()}
    [missed] = [
        span
        for span in chat(prompt="Ada Lovelace asks", count=1)
        if (context := span.get_span_context()) and f"{context.trace_id:032x}" not in kept
    ]
    send(collector, [missed])
    context = missed.get_span_context()
    assert context is not None
    trace = f"{context.trace_id:032x}"
    store = collector.store()
    event = Feedback(1.0, "acme", trace, None, "thumb", "helpful", 0.0, "user", "k1")
    store.write(lambda c: feedback.append(c, event, "h"))
    store.close()
    until(lambda: any(found.trace_id == trace for found in collector.samples()))
    assert [found.prompt for found in collector.samples() if found.trace_id == trace] == ["[PERSON] asks"]


def test_without_a_response_the_sample_is_left_out_and_the_call_counted(
    make_collector: Callable[..., Collector], tmp_path: Path
) -> None:
    collector = make_collector(TELLTALE_REDACTION__PRESIDIO_URL=f"http://{free_address()}")
    assert send(collector, chat(prompt="Ada Lovelace asks")) is SpanExportResult.SUCCESS
    assert collector.samples() == []
    assert collector.value("telltale_requests_total") == 1
    assert collector.value("telltale_samples_total", outcome="redaction_failed") == 1
    assert "redaction.presidio_url" in collector.log.read_text()
    assert b"Lovelace" not in b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())


@pytest.mark.parametrize("is_there", [True, False])
def test_a_password_in_its_address_is_for_the_service_alone(
    make_collector: Callable[..., Collector], analyzer: str, is_there: bool
) -> None:
    address = analyzer if is_there else f"http://{free_address()}"
    collector = make_collector(TELLTALE_REDACTION__PRESIDIO_URL=address.replace("//", "//ada:p%40ss%2Fw0rd@"))
    assert send(collector, chat(prompt="Ada Lovelace asks")) is SpanExportResult.SUCCESS
    assert [sample.prompt for sample in collector.samples()] == (["[PERSON] asks"] if is_there else [])
    assert not is_there or Analyzer.authorized[-1] == "Basic " + base64.b64encode(b"ada:p@ss/w0rd").decode()
    log = collector.log.read_text()
    assert is_there or f"redaction.presidio_url = {address}: " in log
    assert not any(secret in log for secret in ("p%40ss", "p@ss", "w0rd"))


def test_every_text_is_looked_at_in_few_requests(analyzer: str) -> None:
    presidio = Presidio(Redaction(presidio_url=analyzer))
    texts = ["Ada Lovelace", "", "nobody", '{"by": "Grace Hopper"}', *["x" * 100] * 1000, "Ada Lovelace" + "x" * 20_000]
    counts: dict[str, int] = {}
    Analyzer.authorized.clear()
    redacted = presidio.redact(texts, counts)
    assert redacted[:4] == ["[PERSON]", "", "nobody", '{"by": "[PERSON]"}']
    assert redacted[4:] == [*["x" * 100] * 1000, "[PERSON]" + "x" * 20_000]
    assert counts == {"person": 3}
    assert len(Analyzer.authorized) <= 15


def test_a_finding_across_two_texts_is_removed_from_both(analyzer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    presidio = Presidio(Redaction(presidio_url=analyzer))
    monkeypatch.setattr(presidio, "_analyse", lambda text: [(4, len(text) - 4, "PERSON")])
    assert presidio.redact(["for Ada", "Lovelace asks"], {}) == ["for [PERSON]", "[PERSON]asks"]


def test_a_number_that_it_finds_in_json_leaves_it_json(monkeypatch: pytest.MonkeyPatch) -> None:
    presidio = Presidio(Redaction(presidio_url="http://nobody.example"))
    monkeypatch.setattr(presidio, "_analyse", lambda _: [(6, 11, "US_SSN")])
    [redacted] = presidio.redact(['{"a": 12345, "b": 1}'], {})
    assert json.loads(redacted) == {"a": "[US_SSN]", "b": 1}


@given(st.lists(st.tuples(st.integers(-5, 50), st.integers(-5, 50), st.sampled_from("AB"))), st.integers(0, 40))
def test_findings_never_overlap_and_cover_all_that_was_found(found: list[tuple[int, int, str]], length: int) -> None:
    merged = without_overlap(found, length)
    assert all(first[1] <= second[0] for first, second in pairwise(merged))
    covered = {place for start, end, _ in merged for place in range(start, end)}
    assert covered == {place for start, end, _ in found for place in range(max(0, start), min(end, length))}
