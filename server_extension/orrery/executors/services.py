"""placeholder"""

from __future__ import annotations
from pathlib import Path
from orrery.executors.contract import ServiceSpec, ServiceState
from orrery.executors.core import Core


class Services:
    def __init__(self, core: Core) -> None: ...
    def adopt(self) -> None: ...
    def close(self) -> None: ...
    def apply(self, spec: ServiceSpec) -> None: ...
    def state(self, service_id: str) -> ServiceState:
        raise NotImplementedError

    def states(self) -> list[ServiceState]:
        return []

    def release(self, service_id: str, replica_ids: frozenset[str]) -> None: ...
    def replica_folder(self, service_id: str, replica_id: str) -> Path:
        raise NotImplementedError

    def remove(self, service_id: str) -> None: ...
