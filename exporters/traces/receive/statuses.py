"""What each refusal is in HTTP and in gRPC (OTLP specification, "Failures"; google.rpc.Code)."""

from __future__ import annotations

from dataclasses import dataclass

from google.rpc import code_pb2 as codes

from exporters.traces.decode.bodies import Reason

RETRY_AFTER_S = 1


@dataclass(frozen=True, slots=True)
class Status:
    """`is_retryable`: the same request may succeed in RETRY_AFTER_S seconds, and its sender is told so."""

    http: int
    grpc: int
    is_retryable: bool = False


STATUSES: dict[Reason, Status] = {
    "malformed": Status(400, codes.INVALID_ARGUMENT),
    "unauthenticated": Status(401, codes.UNAUTHENTICATED),
    # What asks what there is here, and sends no calls.
    "probe": Status(404, codes.UNIMPLEMENTED),
    "not_found": Status(404, codes.UNIMPLEMENTED),
    "method_not_allowed": Status(405, codes.UNIMPLEMENTED),
    "too_large": Status(413, codes.RESOURCE_EXHAUSTED),
    "content_type": Status(415, codes.INVALID_ARGUMENT),
    "encoding": Status(415, codes.UNIMPLEMENTED),
    # OTLP allows 429 too, which OpenTelemetry's SDK for Python takes as a final refusal before 1.45.
    "busy": Status(503, codes.RESOURCE_EXHAUSTED, is_retryable=True),
    "store_busy": Status(503, codes.RESOURCE_EXHAUSTED, is_retryable=True),
    "internal": Status(500, codes.INTERNAL),
    "store_unavailable": Status(503, codes.UNAVAILABLE, is_retryable=True),
}
