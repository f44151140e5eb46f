"""OTLP/gRPC: bytes in, bytes out; bodies are decompressed by us, within our bound.

gRPC's own per-message decompression is switched off, so a gzip body arrives as it was sent (a protobuf message never
begins with gzip's magic bytes).
"""

from __future__ import annotations

from concurrent import futures

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.code_pb2 import RESOURCE_EXHAUSTED, UNAVAILABLE
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse

from exporters.traces.bodies import Refused
from exporters.traces.front import RETRY_AFTER_S, Busy, Front, Signal

GZIP_MAGIC = b"\x1f\x8b"
COMMIT_TIMEOUT_S = 60.0
PREFIX = "opentelemetry.proto.collector"
_CODES = {
    401: grpc.StatusCode.UNAUTHENTICATED,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    400: grpc.StatusCode.INVALID_ARGUMENT,
    415: grpc.StatusCode.INVALID_ARGUMENT,
}


class AddressInUse(Exception):
    """The gRPC server could not take its address."""


def start(address: str, front: Front, limit: int) -> grpc.Server:
    """Serve OTLP/gRPC on an address. Raises AddressInUse."""
    # Few: each handover between threads costs more than a request does, and a commit is waited for by whole groups.
    server = grpc.server(
        futures.ThreadPoolExecutor(max_workers=4, thread_name_prefix="otlp-grpc"),
        options=[
            ("grpc.max_receive_message_length", limit),
            ("grpc.per_message_decompression", 0),
            ("grpc.so_reuseport", 0),
        ],
    )
    server.add_generic_rpc_handlers(
        (
            _service(f"{PREFIX}.trace.v1.TraceService", lambda body, context: _export(front, body, context, "traces")),
            _service(f"{PREFIX}.logs.v1.LogsService", lambda body, context: _export(front, body, context, "logs")),
            _service(f"{PREFIX}.metrics.v1.MetricsService", lambda _body, _context: _drop(front)),
        )
    )
    try:
        if server.add_insecure_port(address) == 0:
            raise AddressInUse(address)
    except RuntimeError as error:
        raise AddressInUse(address) from error
    server.start()
    return server


def _service(name: str, handler: object) -> grpc.GenericRpcHandler:
    return grpc.method_handlers_generic_handler(name, {"Export": grpc.unary_unary_rpc_method_handler(handler)})


def _drop(front: Front) -> bytes:
    """Senders' own metrics: accepted, so that SDKs stay quiet, and not kept."""
    front.accept("metrics")
    answer: bytes = ExportMetricsServiceResponse().SerializeToString()
    return answer


def _export(front: Front, body: bytes, context: grpc.ServicerContext, signal: Signal) -> bytes:
    size = len(body)
    try:
        front.enter(size)
        try:
            authorization = dict(context.invocation_metadata()).get("authorization", "")
            encoding = "gzip" if body.startswith(GZIP_MAGIC) else ""
            batch = front.take(body, encoding, "application/x-protobuf", authorization, signal)
            if batch.commit is not None:
                futures.wait([batch.commit], timeout=COMMIT_TIMEOUT_S)
            answer: bytes = front.finish(batch, signal).SerializeToString()
            return answer
        finally:
            front.leave(size)
    except Refused as error:
        context.abort(_CODES.get(error.status, grpc.StatusCode.INVALID_ARGUMENT), str(error))
    except Busy as error:
        context.abort_with_status(_Retry(str(error), error.full))
    raise AssertionError("abort raises")


class _Retry(grpc.Status):  # type: ignore[misc]  # grpc has no types
    """UNAVAILABLE, or RESOURCE_EXHAUSTED for a full queue, with RetryInfo, which OTLP exporters honour."""

    def __init__(self, message: str, full: bool) -> None:
        self.code = grpc.StatusCode.RESOURCE_EXHAUSTED if full else grpc.StatusCode.UNAVAILABLE
        self.details = message
        detail = AnyMessage()
        detail.Pack(RetryInfo(retry_delay=Duration(seconds=RETRY_AFTER_S)))
        rich = Status(code=RESOURCE_EXHAUSTED if full else UNAVAILABLE, message=message, details=[detail])
        self.trailing_metadata = (("grpc-status-details-bin", rich.SerializeToString()),)
