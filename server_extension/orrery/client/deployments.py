"""What an endpoint's deployments become when a model is deployed on it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orrery.errors import Invalid

Deployment = Mapping[str, Any]


def deploy(
    present: Sequence[Deployment], model: str, *, replicas: int | None = None, traffic: int | None = None
) -> list[dict[str, Any]]:
    """The deployments after `model` is deployed.

    Without `traffic` it takes the place of all others. With it the model is added, or its share changed, and the
    others share what is left in the proportions that they had.
    """
    earlier = next((entry for entry in present if entry["model"] == model), None)
    if replicas is None:
        replicas = int(earlier["replicas"]) if earlier is not None else 1
    if traffic is None:
        return [{"model": model, "replicas": replicas, "traffic": 100}]
    if not 0 <= traffic <= 100:
        raise Invalid(f"traffic {traffic} is no percentage; give 0 to 100")
    others = [entry for entry in present if entry["model"] != model]
    shares = [int(entry.get("traffic", 0)) for entry in others]
    if traffic == 0 and not sum(shares):
        left = 0
    elif not others:
        if traffic != 100:
            raise Invalid(
                f"the only model of an endpoint gets 100 % of the traffic, or 0 while it is tested; not {traffic}"
            )
        left = 0
    else:
        left = 100 - traffic
    rescaled = [{**entry, "traffic": share} for entry, share in zip(others, rescale(shares, left), strict=True)]
    return [*rescaled, {"model": model, "replicas": replicas, "traffic": traffic}]


def rescale(shares: Sequence[int], total: int) -> list[int]:
    """Whole numbers in the proportions of `shares` adding up to `total` (largest remainders; equal when all are 0)."""
    if not shares:
        return []
    weights = list(shares) if sum(shares) else [1] * len(shares)
    exact = [weight * total / sum(weights) for weight in weights]
    floors = [int(value) for value in exact]
    by_remainder = sorted(range(len(shares)), key=lambda index: floors[index] - exact[index])
    for index in by_remainder[: total - sum(floors)]:
        floors[index] += 1
    return floors
