"""Whether a run can ever start here, asked before it is accepted: nothing waits for what no wait could bring.

An executor that cannot know (the nodes of a cluster come and go) refuses nothing, and its scheduler decides.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from orrery.controllers.contract import Platform
from orrery.domain.trainings import RunSpec
from orrery.errors import Unschedulable
from orrery.executors.contract import Resources

#: so many instance types that fit are named
_NAMED: Final = 5


def check_size(platform: Platform, owner: str, spec: RunSpec) -> None:
    """Raises: Unschedulable naming the field, with what would fit; Invalid for an unknown instance type."""
    one = platform.settings.instance_type(spec.instance_type).resources
    refusal = _refusal(platform, owner, one.times(spec.nodes))
    if refusal is None:
        return
    if spec.nodes > 1 and _refusal(platform, owner, one) is None:
        field, what = "nodes", f"{spec.nodes} nodes of {spec.instance_type}"
        most = _most_nodes(platform, owner, one, spec.nodes)
        remedy = f"at most {most} node{'' if most == 1 else 's'} of it can be had"
    else:
        field, what = "instance_type", f"instance type {spec.instance_type}"
        remedy = _other_types(_fitting_types(platform, owner))
    if refusal.details.get("resource") == "jobs":
        message = f"nothing can start: {refusal.message}"
    else:
        message = f"{what} can never start here: {refusal.message} ({remedy})"
    raise Unschedulable(message, **refusal.details, fields=[{"path": f"spec.{field}", "message": message}])


def _refusal(platform: Platform, owner: str, resources: Resources) -> Unschedulable | None:
    try:
        platform.executor.check(owner, resources)
    except Unschedulable as error:
        return error
    return None


def _most_nodes(platform: Platform, owner: str, one: Resources, asked: int) -> int:
    return max(nodes for nodes in range(1, asked) if _refusal(platform, owner, one.times(nodes)) is None)


def _fitting_types(platform: Platform, owner: str) -> Iterable[str]:
    for name, size in platform.settings.instance_types.items():
        if not name.startswith("serve-") and _refusal(platform, owner, size.resources) is None:
            yield name


def _other_types(names: Iterable[str]) -> str:
    found = sorted(names)
    more = " …" if len(found) > _NAMED else ""
    return f"what fits: {', '.join(found[:_NAMED])}{more}" if found else "no instance type of a run is small enough"
