"""What a run would take of memory, asked before it is begun."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from orrery.client.resources import plain

if TYPE_CHECKING:
    from orrery.client.transport import Transport


@dataclass(frozen=True)
class Remedy:
    """One change that makes it fit."""

    title: str
    message: str
    #: what it changes of the run's settings: `{"instance_type": "cpu-medium"}`
    spec: Mapping[str, Any]


@dataclass(frozen=True)
class MemoryEstimate:
    """Whether a run would fit; printed, it is one sentence."""

    verdict: Literal["fits", "tight", "exceeds", "unknown"]
    message: str
    instance_type: str
    allowed_bytes: int
    #: the peak; None where it is not known
    predicted_bytes: int | None
    #: like runs that it rests on; 0: on what the algorithm declares alone
    runs: int
    #: of each GPU, and the peak on each; None: it has none, or that is not known
    gpu_allowed_bytes: int | None
    gpu_predicted_bytes: int | None
    remedies: tuple[Remedy, ...]

    def __str__(self) -> str:
        return self.message


def estimate_memory(transport: Transport, plural: str, spec: Mapping[str, Any]) -> MemoryEstimate:
    """Raises: NotFound for an algorithm or a dataset that there is not; Invalid for an instance type."""
    body = {"spec": {name: plain(value) for name, value in spec.items() if value is not None}}
    answer = transport.json("POST", f"/{plural}/estimate", body=body, repeatable=True)
    remedies = tuple(Remedy(**remedy) for remedy in answer.pop("remedies"))
    return MemoryEstimate(**answer, remedies=remedies)
