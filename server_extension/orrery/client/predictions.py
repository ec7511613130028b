"""Calling an endpoint by the KServe v1 protocol: rows in, predictions out."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

from orrery.client.resources import plain
from orrery.client.transport import Patience, segment
from orrery.errors import NotFound

if TYPE_CHECKING:
    from orrery.client.builtin import Endpoint

#: an endpoint that has no replica ready says so with 503; waiting long for one is the caller's choice
_PATIENCE = Patience(refused_seconds=5.0, away_seconds=5.0)

#: gateways follow a new route a moment after the endpoint has become active
_ROUTE_SECONDS = 3.0


@runtime_checkable
class Frame(Protocol):
    def to_dict(self, orient: Any) -> Any: ...


def make_rows(instances: Any) -> list[Any]:
    """Rows from a DataFrame, from one row given as a dict, from an array, or from a list of rows."""
    if isinstance(instances, Mapping):
        document = cast("Mapping[str, Any]", instances)
        return make_rows(document["instances"]) if "instances" in document else [plain(document)]
    if isinstance(instances, Frame):
        return [plain(_without_nan(row)) for row in instances.to_dict("records")]
    if hasattr(instances, "tolist"):
        return plain(instances.tolist())
    return plain(list(cast("Sequence[Any]", instances)))


def _without_nan(row: Mapping[str, Any]) -> dict[str, Any]:
    """JSON has no NaN: a value that is missing is null."""
    return {str(name): None if value is None or value != value else value for name, value in row.items()}


def predict(endpoint: Endpoint, instances: Any, parameters: Mapping[str, Any] | None = None) -> list[Any]:
    """Raises: Invalid naming the column, Unavailable when no replica is ready."""
    return predict_document(endpoint, instances, parameters)["predictions"]


def predict_document(endpoint: Endpoint, instances: Any, parameters: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The endpoint's whole answer."""
    body: dict[str, Any] = {"instances": make_rows(instances)}
    if parameters:
        body["parameters"] = plain(parameters)
    address = f"{endpoint.url}/v1/models/{segment(endpoint.name)}:predict"
    deadline = time.monotonic() + _ROUTE_SECONDS
    while True:
        try:
            return endpoint.client.transport.json("POST", address, body=body, patience=_PATIENCE)
        except NotFound:
            if endpoint.status.state != "Active" or time.monotonic() > deadline:
                raise
            time.sleep(0.1)
            endpoint.refresh()  # raises, when it is the endpoint that is gone
