"""One inference request: who asks, which replica answers, what happens when it does not.

The body is held here until a replica has answered, so that the request can be given to another one: when a connection
cannot be made, or is lost before a byte of the answer came. Once the answer has begun nothing is tried again.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import orjson

from orrery.gateway.auth import Identity, bearer_token, may_call, unauthenticated
from orrery.gateway.forwarding import Headers, answer_headers, replica_head, request_id
from orrery.serving.http import Exchange, HttpError

if TYPE_CHECKING:
    from orrery.gateway.balancing import DeploymentState, EndpointState, ReplicaState
    from orrery.gateway.contract import GatewayParts
    from orrery.gateway.upstream import UpstreamConnection

#: Answers lost after the request was sent: a request that kills replicas must not get at all of them.
MOST_LOSSES: Final = 2
CLIENT_GONE: Final = 499


class EndpointCall:
    __slots__ = (
        "_body",
        "_charged",
        "_connection",
        "_deployment",
        "_endpoint",
        "_exchange",
        "_fresh",
        "_gateway",
        "_id",
        "_losses",
        "_replica",
        "_target",
        "_user",
        "deadline",
        "done",
        "wait_until",
    )

    def __init__(self, gateway: GatewayParts, exchange: Exchange, endpoint: EndpointState, target: bytes) -> None:
        self._gateway = gateway
        self._exchange = exchange
        self._endpoint = endpoint
        self._target = target
        self._id = request_id(exchange.head)
        self._body = b""
        self._charged = 0
        self._user: str | None = None
        self._deployment: DeploymentState | None = None
        self._replica: ReplicaState | None = None
        self._connection: UpstreamConnection | None = None
        self._losses = 0
        #: after a loss a kept connection is not trusted again
        self._fresh = False
        self.done = False
        #: loop time after which it is 504; None while the client still sends
        self.deadline: float | None = None
        #: loop time until which it waits for a replica, set when none can be had at first
        self.wait_until: float | None = None

    # ---- the request

    def start(self) -> None:
        exchange = self._exchange
        exchange.on_gone = self._gone
        if self._endpoint.route.visibility == "public":
            self._authorised()
            return
        token = bearer_token(exchange.head.get(b"authorization"))
        if token is None:
            self._refuse(unauthenticated(no_access(self._endpoint.route.owner, self._endpoint.route.name)))
            return
        self._gateway.authenticator.identify(token, self._identified)

    def _identified(self, result: Identity | HttpError) -> None:
        if self.done:
            return
        if isinstance(result, HttpError):
            self._refuse(result)
            return
        self._user = result.name
        route = self._endpoint.route
        if not may_call(route, result):
            self._refuse(not_found(route.owner, route.name))
            return
        self._authorised()

    def _authorised(self) -> None:
        if self._target in (b"", b"/") or self._target.startswith((b"?", b"/?")):
            self._card()
            return
        try:
            self._exchange.collect(self._endpoint.route.limits.max_body_bytes, self._collected, self._charge)
        except HttpError as error:
            self._refuse(error)
        if self._exchange.ended:
            self._record(self._exchange.status)

    def _charge(self, size: int) -> None:
        self._charged += size
        self._gateway.charge(size)

    def _collected(self, body: bytes) -> None:
        self._body = body
        self.deadline = self._gateway.now() + self._endpoint.route.limits.timeout_seconds
        self._gateway.active.add(self)
        self.attempt()

    def _card(self) -> None:
        if self._exchange.head.method not in ("GET", "HEAD"):
            self._refuse(
                HttpError(405, "method_not_allowed", "use GET here, or POST to a path below", headers=b"allow: GET\r\n")
            )
            return
        endpoint = self._endpoint
        document = {
            "owner": endpoint.route.owner,
            "name": endpoint.route.name,
            "visibility": endpoint.route.visibility,
            "stopped": endpoint.route.stopped,
            "ready_replicas": endpoint.ready_replicas,
            "deployments": [
                {
                    "id": state.deployment.id,
                    "model": state.deployment.model,
                    "model_version": state.deployment.model_version,
                    "weight": state.deployment.weight,
                    "ready_replicas": len(state.replicas),
                }
                for state in endpoint.deployments.values()
            ],
        }
        self._exchange.respond(200, orjson.dumps(document))
        self.done = True

    # ---- an attempt

    def attempt(self) -> None:
        """Give the request to a replica, or wait for one. Called again after a change of the routes."""
        gateway, exchange = self._gateway, self._exchange
        route = self._endpoint.route
        endpoint = gateway.table.find(route.owner, route.name)
        if endpoint is None or endpoint.route.endpoint_id != route.endpoint_id:
            self._refuse(not_found(route.owner, route.name))
            return
        self._endpoint = endpoint
        wanted = exchange.head.get(b"x-orrery-deployment")
        name = None if wanted is None else wanted.decode("latin-1")
        if name is not None and name not in endpoint.deployments:
            known = ", ".join(endpoint.deployments) or "none"
            self._refuse(HttpError(404, "not_found", f"this endpoint has no deployment {name!r}; it has {known}"))
            return
        now = gateway.now()
        chosen = None if endpoint.route.stopped else endpoint.choose(name, now)
        if chosen is None:
            self._wait(endpoint, now)
            return
        gateway.waiting.discard(self)
        self._deployment, replica = chosen
        self._hold(replica)
        connection = None if self._fresh else replica.pool.idle()
        if connection is not None:
            self._send(connection)
        else:
            replica.pool.dial(self._dialled)

    def _wait(self, endpoint: EndpointState, now: float) -> None:
        route = endpoint.route
        if route.stopped:
            message = f"endpoint {route.owner}/{route.name} is stopped; start it and try again"
            self._refuse(HttpError(503, "stopped", message, headers=b"retry-after: 30\r\n"))
            return
        if self.wait_until is None:
            self.wait_until = now + self._gateway.settings.wait_seconds
        if now >= self.wait_until:
            message = f"endpoint {route.owner}/{route.name} has no replica that is ready; it is starting, try again"
            self._refuse(HttpError(503, "starting", message, headers=b"retry-after: 2\r\n"))
            return
        self._gateway.waiting.add(self)

    def _hold(self, replica: ReplicaState) -> None:
        self._replica = replica
        replica.outstanding += 1

    def _release(self) -> None:
        if self._replica is not None:
            self._replica.outstanding -= 1
            self._replica = None

    def _dialled(self, connection: UpstreamConnection | None, reason: str) -> None:
        if self.done:
            if connection is not None:
                connection.close()
            return
        if connection is None:
            if self._replica is not None:
                self._replica.down_until = self._gateway.now() + self._gateway.down_seconds
            self._release()
            self.attempt()
            return
        self._send(connection)

    def _send(self, connection: UpstreamConnection) -> None:
        self._connection = connection
        exchange = self._exchange
        exchange.on_writable = self._client_writable
        head = replica_head(exchange.head, self._target, len(self._body), self._id, self._gateway.forwarded(exchange))
        connection.send(head + self._body, self, is_head_request=exchange.head.method == "HEAD")

    def _client_writable(self, writable: bool) -> None:
        if self._connection is not None:
            (self._connection.resume if writable else self._connection.pause)()

    # ---- the answer (upstream.Consumer)

    def on_head(self, status: int, headers: Headers) -> None:
        lines, length = answer_headers(headers)
        if self._deployment is not None:
            lines += b"x-orrery-deployment: %b\r\n" % self._deployment.deployment.id.encode()
        self._exchange.start(status, b"%bx-request-id: %b\r\n" % (lines, self._id), length)
        self._renew()

    def on_answer(self, data: bytes) -> None:
        self._exchange.write(data)
        self._renew()

    def on_answer_end(self) -> None:
        self._connection = None
        self._exchange.end()
        self._record(self._exchange.status)

    def on_lost(self, reason: str) -> None:
        connection, self._connection = self._connection, None
        if self._exchange.started:
            self._exchange.abort()
            self._record(502)
            return
        self._release()
        self._losses += 1
        self._fresh = True
        if (connection is not None and connection.heard) or self._losses > MOST_LOSSES:
            self._refuse(
                HttpError(502, "replica_lost", f"the replica went away before it answered: {reason}; try again")
            )
            return
        self.attempt()

    def on_drain(self, writable: bool) -> None: ...

    def on_switch(self, status: int, headers: Headers, rest: bytes) -> None:
        self.on_lost("it switched protocols without being asked")

    def _renew(self) -> None:
        self.deadline = self._gateway.now() + self._endpoint.route.limits.timeout_seconds

    def expire(self) -> None:
        """Called by the gateway when the deadline has passed."""
        if not self._exchange.writable:
            self._renew()  # the client reads slowly; the HTTP layer ends that
            return
        if self._exchange.started:
            self._exchange.abort()
            self._record(504)
            return
        seconds = self._endpoint.route.limits.timeout_seconds
        self._refuse(HttpError(504, "timeout", f"the model did not answer within {seconds:g} seconds"))

    # ---- the end

    def _refuse(self, error: HttpError) -> None:
        self._exchange.fail(error)
        self._record(error.status)

    def _gone(self) -> None:
        if not self.done:
            self._record(self._exchange.status if self._exchange.started else CLIENT_GONE)

    def _record(self, status: int) -> None:
        if self.done:
            return
        self.done = True
        self._release()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abandon()
        gateway, exchange = self._gateway, self._exchange
        gateway.active.discard(self)
        gateway.waiting.discard(self)
        gateway.charge(-self._charged)
        self._body = b""
        seconds = time.perf_counter() - exchange.started_at
        deployment = None if self._deployment is None else self._deployment.deployment.id
        gateway.stats.record(
            self._endpoint.counts, deployment, status, seconds, exchange.received_bytes, exchange.sent_bytes
        )
        if gateway.access_log is not None:
            route = self._endpoint.route
            gateway.access_log.write(
                exchange,
                status,
                seconds,
                self._id,
                endpoint=f"{route.owner}/{route.name}",
                deployment=deployment,
                user=self._user,
            )


def not_found(owner: str, name: str) -> HttpError:
    return HttpError(404, "not_found", f"there is no endpoint {owner}/{name}, or you may not see it")


def no_access(owner: str, name: str) -> str:
    """The same words whether the endpoint is there or not."""
    return f"there is no public endpoint {owner}/{name}; if it is a private one, send `Authorization: Bearer <token>`"
