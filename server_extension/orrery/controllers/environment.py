"""What a program that uses the platform's own Python runs in: its identity, and what has changed since."""

from __future__ import annotations

import functools
import hashlib
import platform
from importlib.metadata import distributions
from typing import Final

from orrery.domain.records import Json

#: of what changed, so many are named
_NAMED: Final = 3


@functools.cache
def packages() -> dict[str, str]:
    """What is installed, by normalised name. Read once: an upgrade takes a new process."""
    found = {str(entry.metadata["Name"]).lower().replace("_", "-"): entry.version for entry in distributions()}
    return dict(sorted(found.items()))


def identity() -> Json:
    """The Python version, and a hash over the names and versions of all that is installed."""
    lines = "\n".join(f"{name}=={version}" for name, version in packages().items())
    digest = hashlib.sha256(lines.encode()).hexdigest()
    return {"python": platform.python_version(), "lock": digest, "packages": len(packages())}


def describe_change(before: Json, packages_before: dict[str, str]) -> str:
    """What is different now from an earlier environment; empty where nothing is."""
    now = identity()
    if (before["python"], before["lock"]) == (now["python"], now["lock"]):
        return ""
    changes: list[str] = []
    if before["python"] != now["python"]:
        changes.append(f"Python {before['python']} is now {now['python']}")
    here = packages()
    for name in sorted({*packages_before, *here}):
        old, new = packages_before.get(name), here.get(name)
        if old != new:
            changes.append(f"{name} {old or '(absent)'} is now {new or 'absent'}")
    more = f" and {len(changes) - _NAMED} more" if len(changes) > _NAMED else ""
    return f"its environment is not the one it was published with: {', '.join(changes[:_NAMED])}{more}"
