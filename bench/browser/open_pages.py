"""50 pages that follow the platform cost it less than 10 % of a core while nothing happens.

Each page is what a browser holds open of it: one event stream. Ten of them look at the overview, which reads the
machine's figures every five seconds. Counted is the processor time of the platform and its gateway.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from pathlib import Path

import httpx

from orrery.testing.platform import RunningPlatform, cpu_seconds, descendants

PAGES = 50
OVERVIEWS = 10
LOOK_EVERY_SECONDS = 5.0
SETTLE_SECONDS = 5.0
WATCH_SECONDS = 30.0
LIMIT_PERCENT = 10.0


async def follow(client: httpx.AsyncClient, connected: asyncio.Semaphore) -> None:
    async with client.stream("GET", "events", headers={"Accept": "text/event-stream"}, timeout=None) as stream:
        connected.release()
        async for _ in stream.aiter_raw():
            continue


async def look(client: httpx.AsyncClient) -> None:
    """As an overview in front does."""
    (await client.get("overview")).raise_for_status()
    last = 0.0
    while True:
        history = (await client.get("system/history", params={"after": last})).raise_for_status().json()
        last = history["at"][-1] if history["at"] else last
        await asyncio.sleep(LOOK_EVERY_SECONDS)


async def watch(base: str, token: str, pids: list[int]) -> float:
    """Percent of a core while the pages are open."""
    headers = {"Authorization": f"Bearer {token}"}
    limits = httpx.Limits(max_connections=PAGES + OVERVIEWS + 5)
    connected = asyncio.Semaphore(0)
    async with httpx.AsyncClient(base_url=base, headers=headers, limits=limits, trust_env=False) as client:
        tasks = [asyncio.create_task(follow(client, connected)) for _ in range(PAGES)]
        tasks += [asyncio.create_task(look(client)) for _ in range(OVERVIEWS)]
        for _ in range(PAGES):
            await connected.acquire()
        await asyncio.sleep(SETTLE_SECONDS)
        before = sum(map(cpu_seconds, pids))
        await asyncio.sleep(WATCH_SECONDS)
        percent = (sum(map(cpu_seconds, pids)) - before) / WATCH_SECONDS * 100
        failed = [task for task in tasks if task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    if failed:
        raise RuntimeError(f"{len(failed)} pages lost their connection: {failed[0]}")
    return percent


def main() -> int:
    home = Path(tempfile.mkdtemp(prefix="orr-bench-"))
    with RunningPlatform(home) as platform:
        found = platform.announcement
        pids = descendants(platform.pid)
        percent = asyncio.run(watch(f"{found['url']}/api/v1/", found["token"], pids))
    result = {"pages": PAGES, "overviews": OVERVIEWS, "cpu_percent": round(percent, 2), "limit_percent": LIMIT_PERCENT}
    print(json.dumps(result, indent=2))
    return 0 if percent < LIMIT_PERCENT else 1


if __name__ == "__main__":
    sys.exit(main())
