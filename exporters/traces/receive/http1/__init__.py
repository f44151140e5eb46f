"""An HTTP/1.1 server (RFC 9112) for responses that are ready at once or later. llhttp parses; the limits are here.

A connection has one request at a time: the next one is not read before the response to it is sent. One that is refused
before it is complete gets its response at once; the rest of it is read and dropped.
"""

from exporters.traces.receive.http1.connection import Connection
from exporters.traces.receive.http1.request import TEXT, Application, Field, Request

__all__ = ["TEXT", "Application", "Connection", "Field", "Request"]
