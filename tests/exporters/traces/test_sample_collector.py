"""Which calls become samples and with what content; what cannot be read is skipped."""

from __future__ import annotations

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from prometheus_client import CollectorRegistry
from support.collector_process import chat

from exporters.traces.calls import fast_path, normalise
from exporters.traces.calls.call import CallRef
from exporters.traces.core.journal import Journals
from exporters.traces.decode import otlp_protobuf
from exporters.traces.keep.sample_collector import SampleCollector
from exporters.traces.keep.tally import Tally
from telltale.records import Sample
from telltale.settings import Settings

CONTEXT = normalise.Context("acme", (), {})


def ref(body: bytes) -> CallRef:
    [found] = normalise.read(otlp_protobuf.split(body, 10)[0], CONTEXT, fast_path.attribute_table(())).calls
    return found


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
    [sample] = collector.promote([broken.call.trace_id, whole.call.trace_id], "feedback", Journals().begin(), Tally())
    assert (sample.trace_id, sample.tenant, sample.promoted_by) == (whole.call.trace_id.hex(), "acme", "feedback")


def test_content_that_cannot_be_read_refuses_no_request() -> None:
    """Otherwise a request of many calls would be refused or accepted depending on whether this one is sampled."""
    settings = Settings.model_validate({"sampling": {"per_minute": 1000}})
    registry = CollectorRegistry()
    collector = SampleCollector(settings, registry)
    broken = ref(encode_spans(chat(prompt="xyz")).SerializeToString().replace(b"xyz", b"\xff\xfe\xff"))
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
