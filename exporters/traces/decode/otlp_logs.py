"""Log records out of an ExportLogsServiceRequest (opentelemetry-proto, logs/v1), those that can be read.

Protobuf's own parser takes a request whole or not at all. One that it does not take is read in parts: what is refused
is a record, or all records of a resource.
"""

from __future__ import annotations

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs

from exporters.traces.decode.faults import Faults
from exporters.traces.decode.otlp_protobuf import items
from exporters.traces.decode.protobuf import CUT_OFF, Malformed, children

IDS = (0, 16), (0, 8)


def read(body: bytes, faults: Faults) -> ExportLogsServiceRequest:
    """The records that can be read; those that cannot go to `faults`. Raises Malformed for what has no resources."""
    try:
        request = ExportLogsServiceRequest.FromString(body)
    except DecodeError:
        request = _in_parts(body, faults)
    for resource in request.resource_logs:
        for scope in resource.scope_logs:
            _refuse_wrong_ids(scope, faults)
    return request


def number(request: ExportLogsServiceRequest) -> int:
    """How many records a request has."""
    return sum(len(scope.log_records) for resource in request.resource_logs for scope in resource.scope_logs)


def _in_parts(body: bytes, faults: Faults) -> ExportLogsServiceRequest:
    request = ExportLogsServiceRequest()
    try:
        found = children(body, 0, len(body), 0x0A)
    except IndexError as error:
        raise Malformed(CUT_OFF) from error
    for start, end in found:
        inner = Faults()
        try:
            read = _resource(body, start, end, inner)
        except (DecodeError, IndexError, Malformed) as error:
            faults.add(_why(error), max(1, items(body, start, end)))
        else:
            request.resource_logs.append(read)
            faults.join(inner)
    return request


def _resource(body: bytes, pos: int, end: int, faults: Faults) -> ResourceLogs:
    read = ResourceLogs()
    for start, stop in children(body, pos, end, 0x0A):
        read.resource.MergeFromString(body[start:stop])
    for start, stop in children(body, pos, end, 0x12):
        inner = Faults()
        try:
            scope = _scope(body, start, stop, inner)
        except (IndexError, Malformed) as error:
            faults.add(_why(error))
        else:
            read.scope_logs.append(scope)
            faults.join(inner)
    return read


def _scope(body: bytes, pos: int, end: int, faults: Faults) -> ScopeLogs:
    """Its records; the scope itself tells nothing that is used."""
    read = ScopeLogs()
    for start, stop in children(body, pos, end, 0x12):
        try:
            read.log_records.append(LogRecord.FromString(body[start:stop]))
        except DecodeError as error:
            faults.add(_why(error))
    return read


def _refuse_wrong_ids(scope: ScopeLogs, faults: Faults) -> None:
    wrong = [
        place
        for place, record in enumerate(scope.log_records)
        if len(record.trace_id) not in IDS[0] or len(record.span_id) not in IDS[1]
    ]
    for place in reversed(wrong):
        faults.add("an id has not its length")
        del scope.log_records[place]


def _why(error: Exception) -> str:
    """A reason; protobuf's own names only its message."""
    return str(error) if isinstance(error, Malformed) else CUT_OFF
