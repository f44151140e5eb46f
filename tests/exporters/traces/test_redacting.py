"""Redaction of samples before they are stored, at once or in a thread."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from dataclasses import dataclass, field

import pytest
from prometheus_client import CollectorRegistry, Counter

from exporters.traces.keep.redacting import MOST_AT_ONCE, SampleRedactor
from exporters.traces.keep.tally import Late
from telltale.conversation import Conversation, Part, text, texts
from telltale.feedback import subject_hash
from telltale.records import Sample
from telltale.redaction import BEYOND
from telltale.settings import Settings


def redactor(**collector: int) -> SampleRedactor:
    failed = Counter("failed", "Samples left out.", registry=CollectorRegistry())
    return SampleRedactor(Settings.model_validate({"collector": collector}), b"key", b"people", failed)


def sample(prompt: str = "hi", conversation: str | None = None) -> Sample:
    said = Conversation(
        messages=[{"role": "user", "parts": [text(prompt)]}],
        choices=[{"role": "assistant", "parts": [text("Sure.")]}],
    )
    return Sample(
        "t" * 32, "s" * 16, 1.0, "acme", "m", "v", "client", "chat", "ok", "", "", 1.0,
        conversation_id=conversation, conversation=said,
    )  # fmt: skip


def no_late(late: Late) -> Sample | None:
    raise AssertionError("none was left for later")


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
    assert (
        redactor(max_text_bytes=1 << 20).save([sample(asked)], [], no_late, stored.submit, stored.write).result(10) == 1
    )
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
        redactor().save([sample("x" * size)], [], no_late, refuse_later, refuse).result(10)


def whole(said: Conversation, **fields: object) -> Sample:
    return sample()._replace(conversation=said, **fields)  # type: ignore[arg-type]


def test_the_texts_that_monitors_compare_are_those_of_what_is_kept() -> None:
    said = Conversation(
        messages=[{"role": "user", "parts": [text("mail mina@example.com " + "x" * 5000), text("again")]}],
        choices=[
            {"role": "assistant", "parts": [{"type": "tool_call", "name": "f", "arguments": {"to": "a@b.example"}}]}
        ],
    )
    [kept] = redactor(max_text_bytes=1024).redact([whole(said)])
    assert kept.conversation is not None
    assert texts.of(kept.conversation) == (kept.prompt, kept.response)
    assert kept.prompt.startswith("mail [EMAIL] x")
    assert kept.prompt.endswith("x\nagain")
    assert kept.response == '[tool call f: {"to": "[EMAIL]"}]'
    assert kept.redactions == {"email": 2}


def test_a_user_is_kept_as_a_hash_that_only_the_key_can_make() -> None:
    made = [
        sample()._replace(tenant=tenant, user=user)
        for tenant, user in (("a", "mina"), ("a", "mina"), ("b", "mina"), ("a", "lee"), ("a", None))
    ]
    first, again, elsewhere, other, none = [kept.user for kept in redactor().redact(made)]
    assert first == again
    assert len({first, elsewhere, other}) == 3
    assert none is None
    assert first is not None
    # Whoever votes on their own call is known for it.
    assert subject_hash(b"people", "a", "mina").startswith(first)
    assert set(first) <= set("0123456789abcdef")


def test_no_attribute_tells_who_the_user_is() -> None:
    given = {"id": "kim-42", "metadata": '{"user": "kim-42", "tier": "gold"}', "tier": "gold", "short": "m 7"}
    [kept, short] = redactor().redact(
        [
            sample(conversation="chat-of-kim-42")._replace(user="kim-42", attributes=given),
            sample(conversation="7f")._replace(user="7", attributes={"id": "7", "count": "17"}),
        ]
    )
    assert kept.attributes == {
        **given, "id": kept.user, "metadata": f'{{"user": "{kept.user}", "tier": "gold"}}'
    }  # fmt: skip
    assert "kim" not in repr(kept._replace(conversation=None))
    # Too short to be told from what else has this digit.
    assert (short.attributes, short.conversation_id) == ({"id": short.user, "count": "17"}, "7f")


def test_names_and_attributes_are_redacted_and_bounded() -> None:
    [kept] = redactor().redact(
        [
            sample()._replace(
                app="a" * 200, environment="prod", agent_name="for mina@example.com", agent_version="1.2.3.4",
                prompt_name="n" * 120 + " mina@example.com", prompt_version="mina@example.com",
                attributes={"long": "x" * 250 + " mina@example.com", "short": "eu"},
            )
        ]
    )  # fmt: skip
    assert (kept.app, kept.environment, kept.agent_name) == ("a" * 128, "prod", "for [EMAIL]")
    assert (kept.agent_version, kept.prompt_version) == ("1.2.3.4", "[EMAIL]")
    assert kept.prompt_name == "n" * 120 + " [EMAIL]"
    assert kept.attributes == {"long": "x" * 250 + " [EMAI", "short": "eu"}


def test_calls_of_tools_keep_to_their_answers_whatever_their_ids_are() -> None:
    called: Part = {"type": "tool_call", "id": "mina@example.com", "name": "f", "arguments": None}
    other: Part = {"type": "tool_call", "id": "lee@example.com", "name": "f", "arguments": None}
    answered: Part = {"type": "tool_call_response", "id": "mina@example.com", "response": "18"}
    said = Conversation(
        messages=[{"role": "assistant", "parts": [called, other]}, {"role": "tool", "parts": [answered]}]
    )
    [kept] = redactor().redact([whole(said)])
    assert kept.conversation is not None
    (first, second), (third,) = (message["parts"] for message in kept.conversation.messages)
    assert first["id"] == third["id"] != second["id"]
    assert "@" not in str(kept)


@pytest.mark.parametrize("size", [255, 256, 257, 768, 769, 5000])
def test_a_long_id_is_no_reason_to_call_a_call_cut(size: int) -> None:
    """LiteLLM puts the signature of a thought of Gemini's into a call's id."""
    name = "call_1__thought__".ljust(size, "A")
    called: Part = {"type": "tool_call", "id": name, "name": "f", "arguments": {}}
    other: Part = {"type": "tool_call", "id": "call_2" + name, "name": "f", "arguments": {}}
    answered: Part = {"type": "tool_call_response", "id": name, "response": "18"}
    said = Conversation(
        messages=[{"role": "assistant", "parts": [called, other]}, {"role": "tool", "parts": [answered]}]
    )
    [kept] = redactor().redact([whole(said)])
    assert kept.conversation is not None
    (first, second), (third,) = (message["parts"] for message in kept.conversation.messages)
    assert first["id"] == third["id"] != second["id"]
    assert len(str(first["id"])) <= 256
    assert "truncated" not in first.keys() | second.keys() | third.keys()


def test_all_that_is_redacted_counts_for_a_thread() -> None:
    stored = Stored()
    said = Conversation(system=[text("x" * 30_000)] * 4, messages=[{"role": "user", "parts": [text("hi")]}])
    assert redactor().save([whole(said)], [], no_late, stored.submit, stored.write).result(10) == 1
    assert stored.thread is not threading.main_thread()


@pytest.mark.parametrize("reasoning", [True, False])
def test_reasoning_is_kept_redacted_where_the_operator_asks_for_it(reasoning: bool) -> None:
    thought: Part = {"type": "reasoning", "content": "mina@example.com asks"}
    said = Conversation(choices=[{"role": "assistant", "parts": [thought, text("Yes.")]}])
    failed = Counter("failed", "Samples left out.", registry=CollectorRegistry())
    keeping = SampleRedactor(Settings.model_validate({"sampling": {"reasoning": reasoning}}), b"key", b"people", failed)
    [kept] = keeping.redact([whole(said)])
    assert kept.conversation is not None
    [answer] = kept.conversation.choices
    assert [part["content"] for part in answer["parts"]] == [*["[EMAIL] asks"] * reasoning, "Yes."]
    assert kept.response == "Yes."
