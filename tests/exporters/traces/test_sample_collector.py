"""Which calls become samples and with what content; what cannot be read is skipped."""

from __future__ import annotations

import json
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from prometheus_client import CollectorRegistry
from support.collector_process import chat

from exporters.traces.calls import fast_path, normalise
from exporters.traces.calls.call import CallRef
from exporters.traces.calls.log_content import Logged
from exporters.traces.core.journal import Journals
from exporters.traces.decode import otlp_protobuf
from exporters.traces.keep.sample_collector import SampleCollector
from exporters.traces.keep.tally import Tally
from exporters.traces.messages import places
from telltale.conversation import Conversation, Message, text
from telltale.records import Sample
from telltale.settings import Settings

CONTEXT = normalise.Context("acme", (), {})


def ref(body: bytes) -> CallRef:
    [found] = normalise.read(otlp_protobuf.split(body, 10)[0], CONTEXT, fast_path.attribute_table(())).calls
    return found


def voted(*refs: CallRef) -> dict[bytes, set[str]]:
    return {ref.call.trace_id: {"acme"} for ref in refs}


def decide(collector: SampleCollector, ref: CallRef) -> Sample | None:
    return collector.decide(ref, 1.0, Journals().begin(), Tally())


def test_a_call_that_cannot_be_read_in_full_does_not_stop_the_others() -> None:
    collector = SampleCollector(Settings(), CollectorRegistry())
    good, bad = encode_spans(chat()), encode_spans(chat())
    bad.resource_spans[0].scope_spans[0].spans[0].attributes.add(key="nobody.reads.it").value.string_value = "xyz"
    # Invalid UTF-8, in a field that the fast path skips.
    broken = ref(bad.SerializeToString().replace(b"xyz", b"\xff\xfe\xff"))
    whole = ref(good.SerializeToString())
    for one in (broken, whole):
        collector.unsampled.add(one, 1.0)
    [sample] = collector.promote(voted(broken, whole), "feedback", Journals().begin(), Tally())
    assert (sample.trace_id, sample.tenant, sample.promoted_by) == (whole.call.trace_id.hex(), "acme", "feedback")


def test_content_that_cannot_be_read_refuses_no_request() -> None:
    """Otherwise a request of many calls would be refused or accepted depending on whether this one is sampled."""
    settings = Settings.model_validate({"sampling": {"per_minute": 1000}})
    registry = CollectorRegistry()
    collector = SampleCollector(settings, registry)
    silent = {"gen_ai.input.messages": "", "gen_ai.output.messages": ""}
    broken = ref(encode_spans(chat(**silent, junk="xyz")).SerializeToString().replace(b"xyz", b"\xff\xfe\xff"))
    whole = ref(encode_spans(chat()).SerializeToString())
    assert [decide(collector, one) is not None for one in (broken, whole)] == [False, True]
    collector.expire(1000.0)
    assert registry.get_sample_value("telltale_samples_total", {"outcome": "no_content"}) == 1


@pytest.mark.parametrize(
    ("reason", "promoted_by"),
    [
        *[(reason, "guardrail") for reason in ("content_filter", "content-filter", "SAFETY", "FinishReason.SAFETY")],
        *[(reason, "guardrail") for reason in ("RECITATION", "refusal", "guardrail_intervened")],
        *[(reason, None) for reason in ("stop", "length", "FinishReason.STOP")],
    ],
)
def test_what_a_guardrail_stopped_is_kept_whoever_writes_it(reason: str, promoted_by: str | None) -> None:
    collector = SampleCollector(Settings.model_validate({"sampling": {"per_minute": 1e-6}}), CollectorRegistry())
    attributes = {"gen_ai.response.finish_reasons": [reason]}
    decided = [decide(collector, ref(encode_spans(chat(**attributes)).SerializeToString())) for _ in range(20)]
    # The first ones are sampled, as for every model.
    not_drawn = [sample for sample in decided if sample is None or sample.inclusion_probability is None]
    assert not_drawn
    assert {sample.promoted_by if sample else None for sample in not_drawn} == {promoted_by}


KEEPING = Settings.model_validate({"sampling": {"per_minute": 1000, "attributes": ["cart.size", "host.name"]}})
SENT = {
    "gen_ai.agent.name": "geo", "gen_ai.prompt.version": 3, "user.id": "mina", "gen_ai.request.seed": 7, "cart.size": 2,
}  # fmt: skip
KNOWN = {
    "app": "app", "environment": "prod", "user": "mina", "agent_name": "geo", "prompt_version": "3",
    "parameters": {"seed": 7}, "attributes": {"cart.size": "2", "host.name": "h"},
}  # fmt: skip
RESOURCE = {"deployment.environment.name": "prod", "host.name": "h"}


def known(sample: Sample | None) -> dict[str, object]:
    assert sample is not None
    return {name: getattr(sample, name) for name in KNOWN}


def body(*, content: bool = True, **attributes: Any) -> bytes:
    made = encode_spans(chat(resource=RESOURCE, **SENT, **attributes))
    if not content:
        span = made.resource_spans[0].scope_spans[0].spans[0]
        kept = [pair for pair in span.attributes if not pair.key.endswith(".messages")]
        del span.attributes[:]
        span.attributes.extend(kept)
    return made.SerializeToString()


@pytest.mark.parametrize("mark", [{}, {"gen_ai.is_streaming": False}])
def test_a_sample_has_what_its_span_and_resource_tell(mark: dict[str, Any]) -> None:
    """By the fast path, and by full decoding of what another convention writes."""
    assert known(decide(SampleCollector(KEEPING, CollectorRegistry()), ref(body(**mark)))) == KNOWN


def test_so_has_one_whose_content_comes_in_logs() -> None:
    collector = SampleCollector(KEEPING, CollectorRegistry())
    pending = ref(body(content=False))
    assert decide(collector, pending) is None
    said = Conversation([], [{"role": "user", "parts": [text("?")]}], [{"role": "assistant", "parts": [text("!")]}])
    span = pending.call.span_key
    joined = collector.join(span, Logged("", said, 10, "acme"), Journals().begin(), Tally())
    assert known(joined) == KNOWN
    assert joined is not None
    assert joined.conversation is not None
    assert joined.conversation.choices[0]["finish_reason"] == "stop"
    assert "finish_reason" not in said.choices[0], "others may hold it"


@pytest.mark.parametrize("name", ["", places.DETAILS])
def test_tools_that_stand_in_the_span_are_kept_with_messages_in_logs(name: str) -> None:
    collector = SampleCollector(KEEPING, CollectorRegistry())
    tools = {
        "gen_ai.tool.definitions": json.dumps([{"name": "look_up", "description": "Looks up."}]),
        "gen_ai.system_instructions": json.dumps([{"type": "text", "content": "Be terse."}]),
    }
    pending = ref(body(content=False, **tools))
    assert decide(collector, pending) is None
    span = pending.call.span_key
    answer: list[Message] = [{"role": "assistant", "parts": [text("!")]}]
    said = Conversation([text("Be terse.")], [{"role": "user", "parts": [text("?")]}], answer)
    sample = collector.join(span, Logged(name, said, 10, "acme"), Journals().begin(), Tally())
    assert sample is not None
    assert sample.conversation is not None
    assert sample.conversation.tools == [{"name": "look_up", "description": "Looks up."}]
    assert (sample.conversation.system, sample.conversation.messages) == (said.system, said.messages)


def test_and_one_that_somebody_voted_on() -> None:
    collector = SampleCollector(KEEPING, CollectorRegistry())
    unsampled = ref(body())
    collector.unsampled.add(unsampled, 1.0)
    [promoted] = collector.promote(voted(unsampled), "feedback", Journals().begin(), Tally())
    assert known(promoted) == KNOWN


@pytest.mark.parametrize(
    ("reasons", "of_choices", "wanted"),
    [
        (["stop"], [None], ["stop"]),
        (["stop", "length"], [None, None], ["stop", "length"]),
        (["stop", "length"], ["tool_calls", None], ["tool_calls", "length"]),
        # Whose it is, nobody says.
        (["stop"], [None, None], [None, None]),
        ([], ["length"], ["length"]),
    ],
)
def test_an_answer_says_why_it_ended(
    reasons: list[str], of_choices: list[str | None], wanted: list[str | None]
) -> None:
    choices = [
        {"role": "assistant", "parts": [{"type": "text", "content": "!"}]}
        | ({"finish_reason": reason} if reason else {})
        for reason in of_choices
    ]
    attributes = {"gen_ai.response.finish_reasons": reasons, "gen_ai.output.messages": json.dumps(choices)}
    sample = decide(SampleCollector(KEEPING, CollectorRegistry()), ref(body(**attributes)))
    assert sample is not None
    assert sample.conversation is not None
    assert [choice.get("finish_reason") for choice in sample.conversation.choices] == wanted
    assert sample.finish_reason == (reasons or wanted)[0]


@pytest.mark.parametrize("key", ["gen_ai.output.messages", "gen_ai.input.messages", "junk"])
def test_text_that_is_no_utf8_costs_no_other_text(key: str) -> None:
    """As a limit on bytes leaves it, in the middle of a character."""
    cut = '[{"role": "assistant", "parts": [{"type": "text", "content": "12 xyz'
    attributes = {key: cut}
    collector = SampleCollector(KEEPING, CollectorRegistry())
    sample = decide(collector, ref(body(**attributes).replace(b"xyz", b"\xe2\x82\xe2")))
    assert sample is not None
    assert "\ufffd" not in sample.prompt + sample.response
    said = sample.conversation
    assert said is not None
    cuts = [part for turn in (*said.messages, *said.choices) for part in turn["parts"] if "truncated" in part]
    assert [part["content"] for part in cuts] == ([] if key == "junk" else ["12 "])
    assert said.is_asked
    assert said.is_answered


ASKED = Conversation(messages=[{"role": "user", "parts": [text("Why?")]}])


def waiting(**attributes: str) -> tuple[SampleCollector, CallRef]:
    """A sampled call whose span has this content alone."""
    collector = SampleCollector(KEEPING, CollectorRegistry())
    call = ref(body(**{"gen_ai.input.messages": "", "gen_ai.output.messages": "", **attributes}))
    return collector, call


def test_a_prompt_whose_answer_never_comes_is_kept() -> None:
    collector, call = waiting()
    assert decide(collector, call) is None
    logged = Logged("", ASKED, 10, "acme")
    assert collector.join(call.call.span_key, logged, Journals().begin(), Tally()) is None
    assert collector.expire(2.0) == []
    [late] = collector.expire(100.0)
    assert late.conversation == ASKED
    assert late.inclusion_probability == 1.0
    assert collector.expire(200.0) == []


def test_a_prompt_that_only_a_second_span_has_is_kept() -> None:
    collector, first = waiting()
    assert decide(collector, first) is None
    second = ref(body(**{"gen_ai.output.messages": ""}))
    key = first.call.span_key
    assert collector.complete(second, key, Journals().begin(), Tally()) is None
    [late] = collector.expire(100.0)
    assert late.conversation is not None
    assert [turn["role"] for turn in late.conversation.messages] == ["user"]
    assert late.conversation.choices == []


@pytest.mark.parametrize("one_by_one", [False, True])
def test_what_span_and_logs_both_tell_is_told_once(one_by_one: bool) -> None:
    """The span has the prompt, records repeat it in words of their own, and only they have the answer."""
    collector, first = waiting()
    assert decide(collector, first) is None
    key = first.call.span_key
    second = ref(body(**{"gen_ai.output.messages": ""}))
    assert collector.complete(second, key, Journals().begin(), Tally()) is None
    answer = Conversation(choices=[{"role": "assistant", "parts": [text("So.")]}])
    records = [ASKED, answer] if one_by_one else [Conversation(messages=ASKED.messages, choices=answer.choices)]
    found = [collector.join(key, Logged("", said, 10, "acme"), Journals().begin(), Tally()) for said in records]
    sample = found[-1]
    assert sample is not None
    assert sample.conversation is not None
    assert len(sample.conversation.messages) == 1
    assert [choice["parts"] for choice in sample.conversation.choices] == [answer.choices[0]["parts"]]


@pytest.mark.parametrize("answer", ["[{", "{}", "[]", '"', "[REDACTED]", '[{"role": "assistant", "parts": 5}]'])
def test_an_answer_that_cannot_be_read_does_not_cost_the_prompt(answer: str) -> None:
    collector, _ = waiting()
    sample = decide(collector, ref(body(**{"gen_ai.output.messages": answer})))
    assert sample is not None
    assert sample.conversation is not None
    assert [turn["role"] for turn in sample.conversation.messages] == ["user"]


@pytest.mark.parametrize("asked", ["[{", "{}", "[]", "__REDACTED__", '[{"role": "user", "parts": 5}]'])
def test_a_prompt_that_cannot_be_read_does_not_cost_the_answer(asked: str) -> None:
    collector, _ = waiting()
    sample = decide(collector, ref(body(**{"gen_ai.input.messages": asked})))
    assert sample is not None
    assert sample.conversation is not None
    assert sample.conversation.messages == []
    assert len(sample.conversation.choices) == 1
