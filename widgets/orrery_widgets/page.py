"""What a dashboard's address asks for: Voila gives the query string to the kernel in `QUERY_STRING`."""

from __future__ import annotations

import os
from urllib.parse import parse_qs


def asked(name: str) -> str | None:
    """`asked("id")` is `trn_01...` on a page that was opened with `?id=trn_01...`; None in a plain notebook."""
    values = parse_qs(os.environ.get("QUERY_STRING", "")).get(name)
    return values[0] if values else None


def asked_all(name: str) -> tuple[str, ...]:
    """All values, also those of one list with commas: `?id=trn_01...,trn_02...`."""
    values = parse_qs(os.environ.get("QUERY_STRING", "")).get(name, [])
    return tuple(part for value in values for part in value.split(",") if part)
