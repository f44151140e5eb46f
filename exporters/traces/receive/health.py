"""gRPC's health service (grpc/proto, health/v1/health.proto): its two messages, and what is served."""

from __future__ import annotations

from typing import Final

from exporters.traces.decode.protobuf import CUT_OFF, Malformed, delimited, skip_value, varint

CHECK: Final = b"/grpc.health.v1.Health/Check"
WATCH: Final = b"/grpc.health.v1.Health/Watch"
# Bytes of a request: a service's name.
MAX_BODY: Final = 4096

# HealthCheckResponse, whose one field is the status.
SERVING: Final = b"\x08\1"
NOT_SERVING: Final = b"\x08\2"
SERVICE_UNKNOWN: Final = b"\x08\3"


def service(body: bytes) -> str:
    """Of which service a HealthCheckRequest asks; empty: of the whole server. Raises Malformed."""
    name, pos, end = "", 0, len(body)
    try:
        while pos < end:
            tag, pos = varint(body, pos)
            if tag == 0x0A:
                start, pos = delimited(body, pos, end)
                name = body[start:pos].decode()
            else:
                pos = skip_value(body, pos, tag)
    except (IndexError, UnicodeDecodeError) as error:
        raise Malformed(CUT_OFF) from error
    return name
