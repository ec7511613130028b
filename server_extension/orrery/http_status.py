"""The HTTP status of each error: one table, for the platform's API and for what the Jupyter server answers itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from orrery import errors

STATUS: Final[Mapping[type[errors.OrreryError], int]] = {
    errors.Invalid: 422,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.TooLarge: 413,
    errors.OutOfSpace: 507,
    errors.Unavailable: 503,
    errors.OrreryError: 500,
}


def status_of(error: errors.OrreryError) -> int:
    """The status of the nearest class in the table."""
    return next(STATUS[cls] for cls in type(error).__mro__ if cls in STATUS)
