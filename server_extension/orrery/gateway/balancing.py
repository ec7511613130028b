"""The live side of the routes: which replica gets the next request.

Deployments are chosen by smooth weighted round-robin (nginx's): exact over each period and without bursts. Within one
the replica with the fewest requests outstanding is taken. State survives a new routes document, by deployment and
replica id.
"""

from __future__ import annotations

import itertools
from typing import Final

from orrery.gateway.routes import Deployment, Replica, Route, Routes
from orrery.gateway.stats import EndpointCounts, Stats
from orrery.gateway.upstream import Pool

#: A replica that refused a connection is left alone for this long, if there is another.
DOWN_SECONDS: Final = 0.5


class ReplicaState:
    def __init__(self, replica: Replica) -> None:
        self.id = replica.id
        self.pool = Pool(replica.address)
        self.outstanding = 0
        self.down_until = 0.0


class DeploymentState:
    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.current = 0.0
        self.replicas: list[ReplicaState] = []
        self._turn = itertools.count()

    def pick(self, now: float) -> ReplicaState | None:
        """The least busy replica; among equals each in its turn. One that is down only when all are, and then none."""
        up = [replica for replica in self.replicas if replica.down_until <= now]
        if len(up) <= 1:
            return up[0] if up else None
        offset = next(self._turn) % len(up)
        best = up[offset]
        for i in range(1, len(up)):
            candidate = up[(offset + i) % len(up)]
            if candidate.outstanding < best.outstanding:
                best = candidate
        return best


class EndpointState:
    def __init__(self, route: Route, counts: EndpointCounts) -> None:
        self.route = route
        self.counts = counts
        self.deployments: dict[str, DeploymentState] = {}

    def choose(self, wanted: str | None, now: float) -> tuple[DeploymentState, ReplicaState] | None:
        """The next replica, of deployment `wanted` if given; None if none can take a request now."""
        if wanted is not None:
            deployment = self.deployments.get(wanted)
            replica = None if deployment is None else deployment.pick(now)
            return None if deployment is None or replica is None else (deployment, replica)
        total = 0.0
        best: DeploymentState | None = None
        best_replica: ReplicaState | None = None
        for deployment in self.deployments.values():
            weight = deployment.deployment.weight
            if weight <= 0:
                continue
            replica = deployment.pick(now)
            if replica is None:
                continue
            total += weight
            deployment.current += weight
            if best is None or deployment.current > best.current:
                best, best_replica = deployment, replica
        if best is None or best_replica is None:
            return None
        best.current -= total
        return best, best_replica

    @property
    def ready_replicas(self) -> int:
        return sum(len(deployment.replicas) for deployment in self.deployments.values())


class RoutingTable:
    def __init__(self, stats: Stats) -> None:
        self._stats = stats
        self._endpoints: dict[tuple[str, str], EndpointState] = {}
        self._replicas: dict[tuple[str, str], ReplicaState] = {}
        #: replicas that are out of the routes and still answer something
        self._leaving: set[ReplicaState] = set()
        self.platform: Pool | None = None
        self.revision: int | None = None

    def find(self, owner: str, name: str) -> EndpointState | None:
        return self._endpoints.get((owner, name))

    def apply(self, document: Routes) -> None:
        before = {
            (state.route.endpoint_id, key): part
            for state in self._endpoints.values()
            for key, part in state.deployments.items()
        }
        replicas: dict[tuple[str, str], ReplicaState] = {}
        endpoints: dict[tuple[str, str], EndpointState] = {}
        for route in document.routes:
            state = EndpointState(route, self._stats.endpoint(route.endpoint_id, route.owner, route.name))
            for deployment in route.deployments:
                part = DeploymentState(deployment)
                known = before.get((route.endpoint_id, deployment.id))
                if known is not None and known.deployment.weight == deployment.weight:
                    part.current = known.current
                for replica in deployment.replicas:
                    key = (replica.id, replica.address)
                    live = self._replicas.get(key) or ReplicaState(replica)
                    replicas[key] = live
                    part.replicas.append(live)
                state.deployments[deployment.id] = part
            endpoints[route.owner, route.name] = state
        for key, live in self._replicas.items():
            if key not in replicas:
                live.pool.retire()
                self._leaving.add(live)
        self._replicas, self._endpoints = replicas, endpoints
        address = None if document.platform is None else document.platform.address
        if address is not None and (self.platform is None or self.platform.address != address):
            if self.platform is not None:
                self.platform.retire()
            self.platform = Pool(address)
        self.revision = document.revision

    def draining(self) -> dict[str, int]:
        """Requests still outstanding, by replica that has left the routes."""
        self._leaving = {replica for replica in self._leaving if replica.outstanding}
        return {replica.id: replica.outstanding for replica in self._leaving}
