"""Amounts in words, for messages of every process: the shim's too, so that nothing is imported here."""

from __future__ import annotations


def human_bytes(count: float) -> str:
    """`512 bytes`, `640 MiB`, `1.9 GiB`, `8 GiB`."""
    for unit in ("bytes", "KiB", "MiB"):
        if abs(count) < 1024:
            return f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:.1f}".removesuffix(".0") + " GiB"
