"""The server's side of HTTP/2 (RFC 9113) for calls of one request and one response, without I/O.

Less than a general server: nothing is pushed, no priorities, no header of ours is put into a table, and a whole body
fits into its stream's window. What a peer may cost is bounded: streams, headers, bodies, and frames that
advance no request (`budget`).
"""

from exporters.traces.receive.http2.connection import Connection, NotHttp2
from exporters.traces.receive.http2.frames import CANCEL, Broken
from exporters.traces.receive.http2.headers import block
from exporters.traces.receive.http2.stream import Stream

__all__ = ["CANCEL", "Broken", "Connection", "NotHttp2", "Stream", "block"]
