"""The HTTP/1.1 layer under the model server and the gateway: `asyncio.Protocol`, httptools, uvloop.

It is used instead of an ASGI server because at one row a request the framework costs several times what the model does.
Going below ASGI means owing what ASGI servers give: this package owns framing, limits, timeouts, back-pressure, ordered
pipelining, the refusal of ambiguous requests (smuggling) and a graceful stop. An application sees only `Exchange`s.
"""

from orrery.serving.http.exchange import BodySink, Exchange
from orrery.serving.http.messages import Head, HttpError, error_body
from orrery.serving.http.server import Application, Limits, Server

__all__ = ["Application", "BodySink", "Exchange", "Head", "HttpError", "Limits", "Server", "error_body"]
