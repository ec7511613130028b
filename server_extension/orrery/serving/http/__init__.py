"""The HTTP/1.1 layer under the model server and the gateway: `asyncio.Protocol`, httptools, uvloop.

It is used instead of an ASGI server because at one row a request the framework costs several times what the model does.
Going below ASGI means owing what ASGI servers give: this package owns framing, limits, timeouts, back-pressure, ordered
pipelining, the refusal of ambiguous requests (smuggling) and a graceful stop. An application sees only `Exchange`s.
"""

from orrery.serving.http.exchange import Application, BodySink, Connection, Exchange, RawPeer
from orrery.serving.http.limits import Limits
from orrery.serving.http.messages import Head, HttpError, error_body
from orrery.serving.http.server import Server

__all__ = [
    "Application",
    "BodySink",
    "Connection",
    "Exchange",
    "Head",
    "HttpError",
    "Limits",
    "RawPeer",
    "Server",
    "error_body",
]
