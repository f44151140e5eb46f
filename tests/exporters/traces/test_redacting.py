"""Redaction of samples before they are stored, at once or in a thread."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from dataclasses import dataclass, field

import pytest
from prometheus_client import CollectorRegistry, Counter

from exporters.traces.keep.redacting import MOST_AT_ONCE, SampleRedactor
from telltale.conversation import Conversation, text
from telltale.records import Sample
from telltale.redaction import BEYOND
from telltale.settings import Settings


def redactor(**collector: int) -> SampleRedactor:
    failed = Counter("failed", "Samples left out.", registry=CollectorRegistry())
    return SampleRedactor(Settings.model_validate({"collector": collector}), b"key", failed)


def sample(prompt: str = "hi", conversation: str | None = None) -> Sample:
    said = Conversation(
        messages=[{"role": "user", "parts": [text(prompt)]}],
        choices=[{"role": "assistant", "parts": [text("Sure.")]}],
    )
    return Sample(
        "t" * 32, "s" * 16, 1.0, "acme", "m", "v", "client", "chat", "ok", "", "", 1.0,
        conversation_id=conversation, conversation=said,
    )  # fmt: skip


@dataclass
class Stored:
    """Where samples go, and which thread brought them."""

    samples: list[Sample] = field(default_factory=list)
    thread: threading.Thread | None = None

    def write(self, samples: list[Sample]) -> int:
        self.samples, self.thread = samples, threading.current_thread()
        return len(samples)

    def submit(self, samples: list[Sample]) -> Future[int]:
        done: Future[int] = Future()
        done.set_result(self.write(samples))
        return done


def test_what_a_length_limit_cuts_in_two_is_still_known_for_what_it_is() -> None:
    [kept] = redactor(max_text_bytes=1024).redact([sample("x" * 1010 + " mina.kim@example.com and more")])
    assert (kept.prompt, kept.redactions) == ("x" * 1010 + " [EMAIL] and m", {"email": 1})


def test_nor_is_one_cut_by_the_end_of_what_was_looked_at() -> None:
    """Marks shorten a text: what was beyond the limit may move before it."""
    for shift in range(20):
        prompt = "192.168.100.107 " * 90 + "x" * (76 + shift) + " mina.kim@example.com and more"
        # As the collector hands it over: one character more than is looked at says that it went on.
        [kept] = redactor(max_text_bytes=1024).redact([sample(prompt[: 1024 + BEYOND + 1])])
        assert "mina" not in kept.prompt


def test_a_conversation_named_after_a_person_is_kept_together_without_the_name() -> None:
    names = ("mina@example.com", "mina@example.com", "lee@example.com", "7f1c-42", None)
    kept = redactor().redact([sample(conversation=name) for name in names])
    first, second, other, plain, none = [one.conversation_id for one in kept]
    assert first == second != other
    assert not any("example" in (name or "") for name in (first, other))
    assert (plain, none) == ("7f1c-42", None)


@pytest.mark.parametrize(("size", "at_once"), [(10, True), (MOST_AT_ONCE + 1, False)])
def test_long_texts_hold_nobody_up(size: int, at_once: bool) -> None:
    stored = Stored()
    asked = "mail mina@example.com, " + "x" * size
    assert redactor(max_text_bytes=1 << 20).save([sample(asked)], stored.submit, stored.write).result(10) == 1
    assert (stored.thread is threading.main_thread()) == at_once
    assert stored.samples[0].prompt.startswith("mail [EMAIL], ")


@pytest.mark.parametrize("size", [10, MOST_AT_ONCE + 1])
def test_what_cannot_be_stored_is_told_to_whoever_waits(size: int) -> None:
    def refuse(_samples: list[Sample]) -> int:
        raise OSError("disk full")

    def refuse_later(samples: list[Sample]) -> Future[int]:
        done: Future[int] = Future()
        done.set_exception(OSError("disk full"))
        return done

    with pytest.raises(OSError, match="disk full"):
        redactor().save([sample("x" * size)], refuse_later, refuse).result(10)
