"""What is asked for out of the ring is read again; what cannot be read is passed over."""

from __future__ import annotations

from collector_process import chat
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from prometheus_client import CollectorRegistry

from exporters.traces import normalise, shortcut, wire
from exporters.traces.call import Held
from exporters.traces.keeper import Keeper
from telltale.settings import Settings

CONTEXT = normalise.Context("acme", (), {})


def held(body: bytes) -> Held:
    [found] = normalise.read(wire.split(body, 10)[0], CONTEXT, shortcut.table(())).calls
    return found


def test_a_call_that_cannot_be_read_in_full_does_not_stop_the_others() -> None:
    keeper = Keeper(Settings(), CollectorRegistry())
    good, bad = encode_spans(chat()), encode_spans(chat())
    bad.resource_spans[0].scope_spans[0].spans[0].attributes.add(key="nobody.reads.it").value.string_value = "xyz"
    # Not UTF-8, in a place that the short way passes over.
    broken = held(bad.SerializeToString().replace(b"xyz", b"\xff\xfe\xff"))
    whole = held(good.SerializeToString())
    for one in (broken, whole):
        keeper.ring.add(one, 1.0)
    [sample] = keeper.promote([broken.call.trace_id, whole.call.trace_id], "feedback")
    assert (sample.trace_id, sample.tenant, sample.promoted_by) == (whole.call.trace_id.hex(), "acme", "feedback")


def test_content_that_cannot_be_read_refuses_no_request() -> None:
    """Else a request of many calls would be refused or taken by whether this one is drawn for a sample."""
    settings = Settings.model_validate({"sampling": {"per_minute": 1000}})
    registry = CollectorRegistry()
    keeper = Keeper(settings, registry)
    broken = held(encode_spans(chat(prompt="xyz")).SerializeToString().replace(b"xyz", b"\xff\xfe\xff"))
    whole = held(encode_spans(chat()).SerializeToString())
    assert [keeper.decide(one, 1.0) is not None for one in (broken, whole)] == [False, True]
    keeper.expire(1000.0)
    assert registry.get_sample_value("telltale_samples_total", {"outcome": "no_content"}) == 1
