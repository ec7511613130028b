"""A log's lines: what is there, or as they are written. A lost connection goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from orrery.client.events import EventSource
from orrery.client.transport import Transport

_PAGE_BYTES = 1 << 20


def log_lines(
    transport: Transport, address: str, *, follow: bool, rank: int | None = None, attempt: int | None = None
) -> Iterator[str]:
    """`rank`: of several that train together, one alone. `attempt`: of a run that was started again, an earlier one."""
    chosen = {name: value for name, value in (("rank", rank), ("attempt", attempt)) if value is not None}
    texts = _followed(transport, address, chosen) if follow else _written(transport, address, chosen)
    rest = ""
    for text in texts:
        *lines, rest = (rest + text).split("\n")
        yield from lines
    if rest:
        yield rest


def log_matches(
    transport: Transport, address: str, wanted: str, *, rank: int | None = None, attempt: int | None = None
) -> Iterator[str]:
    """The lines that hold `wanted`, with their numbers before them: `12: loss=nan`."""
    after_line = 0
    while True:
        query = {"search": wanted, "after_line": after_line or None, "rank": rank, "attempt": attempt}
        answer: dict[str, Any] = transport.json("GET", address, query=query)
        for item in answer["items"]:
            yield f"{item['line']}: {item['text']}"
        if not answer["more"]:
            return
        after_line = answer["items"][-1]["line"]


def log_tail(transport: Transport, address: str, lines: int = 20) -> str:
    """The last `lines` lines."""
    kept: list[str] = []
    for line in log_lines(transport, address, follow=False):
        kept = [*kept[-lines + 1 :], line] if lines > 1 else [line]
    return "\n".join(kept).strip()


def _written(transport: Transport, address: str, chosen: Mapping[str, int]) -> Iterator[str]:
    offset = 0
    while True:
        response = transport.request("GET", address, query={"offset": offset, "limit": _PAGE_BYTES, **chosen})
        if not response.content:
            return
        yield response.content.decode("utf-8", "replace")
        following = int(response.headers.get("Orrery-Next-Offset", offset + len(response.content)))
        if following <= offset:
            return
        offset = following


def _followed(transport: Transport, address: str, chosen: Mapping[str, int]) -> Iterator[str]:
    """`offset` in each event is where the next one begins, and its id the attempt too, so that nothing comes twice."""
    offset = 0
    source = EventSource(transport, address, lambda: {"follow": 1, "offset": offset, **chosen})
    for event in source:
        if event.name == "end":
            return
        if event.name == "log":
            document: dict[str, Any] = json.loads(event.data)
            offset = int(document["offset"])
            yield str(document["text"])
