"""A good request of which one span, record, scope or resource is damaged: its neighbours arrive, and it is counted."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support.receiver_in_process import InProcess, make

from exporters.traces.decode.bodies import Refused
from exporters.traces.decode.otlp_json import varint
from exporters.traces.receive.receiver import ExportRequest
from telltale.store import samples

END = 1_790_000_000_000_000_000
PROTOBUF, JSON = "application/x-protobuf", "application/json"
# Two resources of two scopes of two spans.
PLACES = list(itertools.product(range(2), range(2), range(2)))
# A text that a body holds as bytes which are no UTF-8.
BAD = "no-utf-eight"
BYTES = b"no-\xff\xfe\xc3\x28-eight"
FIXTURES = [HealthCheck.function_scoped_fixture]
# Each example has names and ids of its own, so that one collector serves all.
runs = itertools.count(1)

Tree = dict[str, Any]


@pytest.fixture
def here(tmp_path: Path) -> Iterator[InProcess]:
    made = make(tmp_path, sampling={"per_minute": 100_000})
    yield made
    made.store.close()


def span(run: int, number: int, **changed: Any) -> Tree:
    words = {"gen_ai.operation.name": "chat", "gen_ai.request.model": f"r{run}n{number}x"}
    return {
        "traceId": f"{run:016x}{number + 1:016x}",
        "spanId": f"{run:08x}{number + 1:08x}",
        "name": "chat",
        "startTimeUnixNano": END - 10**9,
        "endTimeUnixNano": END,
        "attributes": [text(key, value) for key, value in words.items()],
    } | changed


def text(key: str, value: str) -> Tree:
    return {"key": key, "value": {"stringValue": value}}


def tree(run: int) -> list[list[list[Tree]]]:
    """Spans by scope by resource."""
    made: list[list[list[Tree]]] = [[[], []], [[], []]]
    for number, (resource, scope, _) in enumerate(PLACES):
        made[resource][scope].append(span(run, number))
    return made


def deep(levels: int) -> Tree:
    value: Tree = {"intValue": 1}
    for _ in range(levels):
        value = {"arrayValue": {"values": [value]}}
    return {"key": "gen_ai.request.model", "value": value}


# What a damage changes in a span, as both encodings can express it.
DAMAGED: dict[str, Tree] = {
    "model": {"attributes": [text("gen_ai.operation.name", "chat"), text("gen_ai.request.model", BAD)]},
    "key": {"attributes": [text("gen_ai.operation.name", "chat"), text("gen_ai." + BAD, "m")]},
    "name": {"name": BAD, "events": [{"name": "x", "timeUnixNano": END}]},
    "event": {"events": [{"name": BAD, "timeUnixNano": END}]},
    "status": {"status": {"code": 2, "message": BAD}},
    "trace id": {"traceId": "ab" * 15},
    "no trace id": {"traceId": ""},
    "long trace id": {"traceId": "ab" * 24},
    "span id": {"spanId": "ab"},
    "no span id": {"spanId": ""},
    "parent": {"parentSpanId": "abcd"},
    "levels": {"attributes": [text("gen_ai.operation.name", "chat"), deep(120)]},
    "kind": {"kind": 77},
    "early": {"startTimeUnixNano": 2**64 - 1},
}
REFUSED = DAMAGED.keys() - {"key", "kind", "early"}


def field(number: int, body: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(body)) + body


def value_bytes(value: Tree) -> bytes:
    if "stringValue" in value:
        return field(1, raw(value["stringValue"]))
    if "arrayValue" in value:
        return field(5, b"".join(field(1, value_bytes(one)) for one in value["arrayValue"]["values"]))
    return b"\x18" + varint(value["intValue"])


def raw(word: str) -> bytes:
    return word.encode().replace(BAD.encode(), BYTES)


def pair(attribute: Tree) -> bytes:
    return field(1, raw(attribute["key"])) + field(2, value_bytes(attribute["value"]))


def span_bytes(made: Tree) -> bytes:
    """In protobuf, whatever is wrong with it."""
    parts = [
        field(1, bytes.fromhex(made["traceId"])),
        field(2, bytes.fromhex(made["spanId"])),
        field(4, bytes.fromhex(made.get("parentSpanId", ""))),
        field(5, raw(made["name"])),
        b"\x30" + varint(made.get("kind", 3)),
        b"\x39" + made["startTimeUnixNano"].to_bytes(8, "little"),
        b"\x41" + made["endTimeUnixNano"].to_bytes(8, "little"),
    ]
    parts += [field(9, pair(one)) for one in made["attributes"]]
    parts += [field(11, field(2, raw(one["name"]))) for one in made.get("events", ())]
    if "status" in made:
        parts.append(field(15, field(2, raw(made["status"]["message"])) + b"\x18\2"))
    return b"".join(parts)


def in_protobuf(scopes: list[list[list[bytes]]], resource: bytes = b"", scope: bytes = b"") -> bytes:
    """`resource` and `scope` go into the first one."""
    return b"".join(
        field(
            1,
            field(1, resource if not place else b"")
            + b"".join(
                field(2, field(1, scope if not place and not at else b"") + b"".join(field(2, one) for one in spans))
                for at, spans in enumerate(held)
            ),
        )
        for place, held in enumerate(scopes)
    )


def in_json(scopes: list[list[list[Any]]], first: Tree | None = None, first_scope: Tree | None = None) -> bytes:
    """`first` and `first_scope` change the first resource and its first scope."""
    resources: list[Any] = [{"scopeSpans": [{"spans": spans} for spans in held]} for held in scopes]
    resources[0]["scopeSpans"][0].update(first_scope or {})
    resources[0].update(first or {})
    return json.dumps({"resourceSpans": resources}).encode().replace(BAD.encode(), BYTES)


def send(here: InProcess, signal: Any, body: bytes, media: str) -> tuple[int, str]:
    """How many items were refused, and why."""
    counted = rejected(here)
    batch = here.receiver.ingest(ExportRequest(signal, body, "", media, ""), None)
    response: Any = here.receiver.finish(batch, signal)
    partial = response.partial_success
    number = partial.rejected_spans if signal == "traces" else partial.rejected_log_records
    assert rejected(here) - counted == number
    assert bool(number) == bool(partial.error_message)
    return number, partial.error_message


def rejected(here: InProcess) -> float:
    return here.registry.get_sample_value("telltale_collector_rejected_total", {"reason": "malformed"}) or 0.0


def arrived(here: InProcess, run: int) -> set[int]:
    """The numbers of the spans that were counted as calls."""
    return {int(number) for number in re.findall(rf'model="r{run}n(\d+)x"', here.pipeline.page(False))}


@pytest.mark.parametrize("media", [PROTOBUF, JSON])
@pytest.mark.parametrize("name", DAMAGED)
@pytest.mark.parametrize("at", [0, 3, 7])
def test_a_damaged_span_is_refused_alone_in_both_encodings(here: InProcess, media: str, name: str, at: int) -> None:
    run, found = next(runs), []
    made = tree(run)
    resource, scope, place = PLACES[at]
    made[resource][scope][place] |= DAMAGED[name]
    in_bytes = [[[span_bytes(one) for one in spans] for spans in held] for held in made]
    body = in_protobuf(in_bytes) if media == PROTOBUF else in_json(made)
    found = send(here, "traces", body, media)
    assert found[0] == (name in REFUSED)
    assert arrived(here, run) >= set(range(8)) - {at}
    # A name of an attribute that nobody reads is not looked at.
    if name in ("kind", "early"):
        assert at in arrived(here, run)


@settings(deadline=None, suppress_health_check=FIXTURES, max_examples=150)
@given(
    st.integers(0, 7),
    st.integers(0, 10**6),
    st.binary(min_size=1, max_size=4),
    st.sampled_from(["cut", "change", "put"]),
)
@example(0, 0, b"\xff\xff\xff\xff", "change")
@example(7, 1, b"\x0b", "put")
def test_whatever_is_in_one_span_its_neighbours_arrive(
    here: InProcess, at: int, where: int, other: bytes, how: str
) -> None:
    run = next(runs)
    made = tree(run)
    in_bytes = [[[span_bytes(one) for one in spans] for spans in held] for held in made]
    resource, scope, place = PLACES[at]
    whole = in_bytes[resource][scope][place]
    where %= len(whole)
    rest = {"cut": b"", "change": other + whole[where + len(other) :], "put": other + whole[where:]}[how]
    in_bytes[resource][scope][place] = whole[:where] + rest
    number, _ = send(here, "traces", in_protobuf(in_bytes), PROTOBUF)
    assert number <= 1
    assert arrived(here, run) >= set(range(8)) - {at}
    if number:
        assert at not in arrived(here, run)


WRONG = st.sampled_from([None, 5, "text", [], {}, [5], {"a": 1}, 1.5, True, 2**70, -1, "soon", [None], [[]]])


@settings(deadline=None, suppress_health_check=FIXTURES, max_examples=150)
@given(
    st.integers(0, 7), st.sampled_from(sorted(span(0, 0) | {"events": 0, "status": 0, "kind": 0, "links": 0})), WRONG
)
def test_whatever_type_one_field_of_a_span_has_in_json_its_neighbours_arrive(
    here: InProcess, at: int, key: str, value: object
) -> None:
    run = next(runs)
    made = tree(run)
    resource, scope, place = PLACES[at]
    made[resource][scope][place][key] = value
    number, _ = send(here, "traces", in_json(made), JSON)
    assert number <= 1
    assert arrived(here, run) >= set(range(8)) - {at}


@pytest.mark.parametrize("media", [PROTOBUF, JSON])
def test_of_a_resource_that_cannot_be_read_all_spans_are_refused(here: InProcess, media: str) -> None:
    run = next(runs)
    made = tree(run)
    in_bytes = [[[span_bytes(one) for one in spans] for spans in held] for held in made]
    attribute = text("service.name", BAD)
    body = in_protobuf(in_bytes, resource=field(1, pair(attribute)))
    if media == JSON:
        body = in_json(made, first={"resource": {"attributes": [attribute]}})
    number, why = send(here, "traces", body, media)
    assert (number, "UTF-8" in why, arrived(here, run)) == (4, True, {4, 5, 6, 7})


@pytest.mark.parametrize("media", [PROTOBUF, JSON])
def test_of_a_scope_that_cannot_be_read_all_spans_are_refused(here: InProcess, media: str) -> None:
    run = next(runs)
    made = tree(run)
    in_bytes = [[[span_bytes(one) for one in spans] for spans in held] for held in made]
    body = in_protobuf(in_bytes, scope=field(1, raw(BAD)))
    if media == JSON:
        body = in_json(made, first_scope={"scope": {"name": BAD}})
    number, _ = send(here, "traces", body, media)
    assert (number, arrived(here, run)) == (2, {2, 3, 4, 5, 6, 7})


def test_a_resource_whose_parts_do_not_fit_is_refused_alone(here: InProcess) -> None:
    run = next(runs)
    in_bytes = [[[span_bytes(one) for one in spans] for spans in held] for held in tree(run)]
    whole = in_protobuf(in_bytes[1:])
    number, _ = send(here, "traces", field(1, b"\x12\x7f\x12\x01") + whole, PROTOBUF)
    assert (number, arrived(here, run)) == (1, {4, 5, 6, 7})
    with pytest.raises(Refused):
        # Cut in two, nothing tells where the rest would begin.
        send(here, "traces", whole[:-9], PROTOBUF)


@pytest.mark.parametrize(
    ("first", "first_scope", "lost"),
    [
        ({"resource": 5}, {}, 4),
        ({"resource": {"attributes": {}}}, {}, 4),
        ({"scopeSpans": "text"}, {}, 1),
        ({"scopeSpans": [None, 5]}, {}, 2),
        ({"schemaUrl": 7}, {}, 4),
        ({}, {"scope": []}, 2),
        ({}, {"spans": {}}, 1),
        ({}, {"schemaUrl": 7}, 2),
    ],
)
def test_wrong_types_around_spans_in_json(here: InProcess, first: Tree, first_scope: Tree, lost: int) -> None:
    run = next(runs)
    number, _ = send(here, "traces", in_json(tree(run), first, first_scope), JSON)
    assert number == lost
    assert arrived(here, run) >= {4, 5, 6, 7}
    if first_scope:
        assert arrived(here, run) >= {2, 3}


def record(run: int, number: int, **changed: Any) -> Tree:
    return {
        "traceId": f"{run:016x}{number + 1:016x}",
        "spanId": f"{run:08x}{number + 1:08x}",
        "eventName": "gen_ai.choice",
        "body": {"stringValue": json.dumps({"message": {"role": "assistant", "content": f"r{run}n{number}x"}})},
        "attributes": [text("a", "b")],
    } | changed


def record_bytes(made: Tree) -> bytes:
    parts = [
        field(9, bytes.fromhex(made["traceId"])),
        field(10, bytes.fromhex(made["spanId"])),
        field(12, raw(made["eventName"])),
        field(5, value_bytes(made["body"])),
    ]
    return b"".join(parts + [field(6, pair(one)) for one in made["attributes"]])


def heard(here: InProcess, run: int) -> set[int]:
    """The numbers of the records whose content reached its call."""
    with here.store.read() as connection:
        found = [sample.response for sample in samples.load(connection)]
    return {int(number) for number in re.findall(rf"r{run}n(\d+)x", " ".join(found))}


RECORDS: dict[str, Tree] = {
    "attribute": {"attributes": [text("a", BAD)]},
    "key": {"attributes": [text(BAD, "b")]},
    "event name": {"eventName": BAD},
    "body": {"body": {"stringValue": BAD}},
    "trace id": {"traceId": "abcd"},
    "span id": {"spanId": "ab" * 9},
    "levels": {"attributes": [deep(120)]},
}


def in_logs(media: str, run: int, at: int, changed: Tree, resource: str = "r", scope: str = "s") -> bytes:
    """Two resources of two records; the record `at` is changed, and the first resource's and its scope's names."""
    made = [record(run, number) for number in range(4)]
    made[at] |= changed
    groups = [(made[:2], resource, scope), (made[2:], "r", "s")]
    if media == PROTOBUF:
        return b"".join(
            field(
                1,
                field(1, field(1, pair(text("service.name", named))))
                + field(2, field(1, field(1, raw(within))) + b"".join(field(2, record_bytes(one)) for one in held)),
            )
            for held, named, within in groups
        )
    resources = [
        {
            "resource": {"attributes": [text("service.name", named)]},
            "scopeLogs": [{"scope": {"name": within}, "logRecords": held}],
        }
        for held, named, within in groups
    ]
    return json.dumps({"resourceLogs": resources}).encode().replace(BAD.encode(), BYTES)


def calls_that_wait(here: InProcess, run: int) -> None:
    send(here, "traces", in_json([[[span(run, number) for number in range(4)]]]), JSON)


@pytest.mark.parametrize("media", [PROTOBUF, JSON])
@pytest.mark.parametrize("name", RECORDS)
@pytest.mark.parametrize("at", [0, 3])
def test_a_damaged_log_record_is_refused_alone_in_both_encodings(
    here: InProcess, media: str, name: str, at: int
) -> None:
    run = next(runs)
    calls_that_wait(here, run)
    number, _ = send(here, "logs", in_logs(media, run, at, RECORDS[name]), media)
    assert (number, heard(here, run)) == (1, set(range(4)) - {at})


@pytest.mark.parametrize("media", [PROTOBUF, JSON])
def test_of_a_resource_that_cannot_be_read_all_records_are_refused(here: InProcess, media: str) -> None:
    run = next(runs)
    calls_that_wait(here, run)
    number, _ = send(here, "logs", in_logs(media, run, 0, {}, resource=BAD), media)
    assert (number, heard(here, run)) == (2, {2, 3})


@pytest.mark.parametrize("media", [PROTOBUF, JSON])
def test_a_scopes_name_costs_no_record(here: InProcess, media: str) -> None:
    """Nobody reads it."""
    run = next(runs)
    calls_that_wait(here, run)
    number, _ = send(here, "logs", in_logs(media, run, 0, {}, scope=BAD), media)
    assert (number, heard(here, run)) == (0, {0, 1, 2, 3})


@settings(deadline=None, suppress_health_check=FIXTURES, max_examples=100)
@given(st.integers(0, 10**6), st.binary(min_size=1, max_size=4))
def test_whatever_is_in_one_log_record_its_neighbours_arrive(here: InProcess, where: int, other: bytes) -> None:
    run = next(runs)
    calls_that_wait(here, run)
    records = [record_bytes(record(run, number)) for number in range(3)]
    where %= len(records[1])
    records[1] = records[1][:where] + other + records[1][where + len(other) :]
    body = field(1, field(2, b"".join(field(2, one) for one in records)))
    number, _ = send(here, "logs", body, PROTOBUF)
    assert number <= 1
    assert heard(here, run) >= {0, 2}


def test_a_request_none_of_whose_records_can_be_read_is_refused(here: InProcess) -> None:
    bad = field(1, field(2, field(2, record_bytes(record(1, 1, eventName=BAD)))))
    with pytest.raises(Refused) as refused:
        send(here, "logs", bad, PROTOBUF)
    assert refused.value.reason == "malformed"


def test_a_bad_span_in_a_large_request_costs_no_other(here: InProcess) -> None:
    """Fields of large requests are counted before they are read; what cannot be counted is no reason to refuse all."""
    run = next(runs)
    filler = field(9, field(1, b"a") + field(2, field(1, bytes(100))))
    good, bad = span_bytes(span(run, 0)), span_bytes(span(run, 1)) + filler * 30_000 + b"\x0b"
    number, _ = send(here, "traces", in_protobuf([[[bad, good]]]), PROTOBUF)
    assert (number, arrived(here, run)) == (1, {0})
