"""Owners as MLflow workspaces: each user and each group has one, and nobody but they (and administrators) enters it.

MLflow wants `[a-z0-9]([-a-z0-9]*[a-z0-9])?`, 2 to 63 long. A name like that is taken as it is; any other gets a
readable stem, two hyphens and a hash. Names that hold two hyphens are always hashed, so that no two owners meet.
"""

from __future__ import annotations

import hashlib
import re

from orrery.domain.access import User

#: MLflow's header; the proxy alone sets it
HEADER = "X-MLFLOW-WORKSPACE"
_PLAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_RESERVED = frozenset({"default", "workspaces", "api", "ajax-api", "static-files"})


def make_workspace(owner: str) -> str:
    """The workspace of a user or a group."""
    if _PLAIN.fullmatch(owner) and 2 <= len(owner) <= 63 and "--" not in owner and owner not in _RESERVED:
        return owner
    stem = re.sub(r"[^a-z0-9]+", "-", owner.lower()).strip("-")[:40].strip("-") or "owner"
    return f"{stem}--{hashlib.sha256(owner.encode()).hexdigest()[:12]}"


def workspaces_of(user: User) -> list[str]:
    """Their own first, then their groups'."""
    return [make_workspace(user.name), *(make_workspace(group) for group in sorted(user.groups - {user.name}))]


def choose_workspace(user: User, asked: str | None) -> str | None:
    """Where a request of `user` goes; None when they may not enter the one they ask for.

    No wish, and MLflow's own `default`, mean one's own.
    """
    own = workspaces_of(user)
    wish = (asked or "").strip()
    if wish in ("", "default"):
        return own[0]
    return wish if wish in own or user.admin else None
