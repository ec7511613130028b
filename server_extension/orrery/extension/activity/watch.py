"""The loop of a notebook server's activity: sample, judge, report, and do what the platform decided.

Only the platform decides. Before each act everything is looked at once more, and what works by then is left alone. What
the platform cannot be told of does not happen.
"""

# Jupyter's managers carry few types
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Any, Final, Protocol

import httpx

from orrery.errors import OrreryError
from orrery.extension.activity.meter import Figures, KernelPlace, ServerMeter
from orrery.extension.activity.quota import QuotaWatch
from orrery.extension.activity.use import ActivityLog, Judgement, KernelUse
from orrery.extension.activity.variables import KernelFailed, VariableStore
from orrery.extension.forwarding import Upstream

SAMPLE_SECONDS: Final = 5.0
#: reports go at every third sample, and at each one while something is about to happen
REPORT_EVERY: Final = 3
#: points kept while the platform does not answer: half an hour
UNREPORTED: Final = 120
SETTLE_SECONDS: Final = 2.0


class Log(Protocol):
    def info(self, msg: str, *args: object) -> None: ...
    def warning(self, msg: str, *args: object) -> None: ...


class Platform(Protocol):
    async def upstream(self) -> Upstream: ...


class Watch:
    """`notebook_id` is None where this server is no notebook of a platform: then nothing is reported, nor ended."""

    def __init__(
        self,
        kernel_manager: Any,
        meter: ServerMeter,
        variables: VariableStore,
        platform: Platform,
        log: Log,
        *,
        notebook_id: str | None,
    ) -> None:
        self.kernel_manager = kernel_manager
        self.meter = meter
        self.variables = variables
        self.platform = platform
        self.log = log
        self.notebook_id = notebook_id
        self.judgement: Judgement | None = None
        self.figures: Figures | None = None
        #: the platform's last answer to a report
        self.answer: dict[str, Any] = {}
        #: kernels that were freed, and what became of their variables
        self.freed: deque[dict[str, Any]] = deque(maxlen=20)
        #: kernel id -> its notebook's variables were loaded into it, or are not wanted there
        self.settled: set[str] = set()
        self.quotas = {"memory": QuotaWatch(), "disk": QuotaWatch()}
        self._activity = ActivityLog(time.time())
        self._points: deque[list[Any]] = deque(maxlen=UNREPORTED)
        self._turn = 0
        self._lock = asyncio.Lock()
        self._http = httpx.AsyncClient(timeout=20.0, trust_env=False)

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                try:
                    await self.check()
                except (OSError, OrreryError, httpx.HTTPError, ValueError, KeyError) as error:
                    self.log.warning("the server's use is not reported: %s", error)
                await asyncio.sleep(SAMPLE_SECONDS)
        finally:
            await self._http.aclose()

    async def check(self) -> None:
        """One turn."""
        async with self._lock:
            await self._look()
            self._note()
            is_near = bool(self.answer.get("warnings"))
            if self._turn % REPORT_EVERY == 0 or is_near:
                await self._report_and_act()
            self._turn += 1

    async def keep(self) -> None:
        """Put everything off for an hour. Raises: OrreryError, httpx.HTTPError."""
        async with self._lock:
            self.answer = await self._post("keep", {})

    async def _look(self) -> Judgement:
        sample, self.figures = await self.meter.read()
        self.judgement = self._activity.observe(sample)
        return self.judgement

    def _note(self) -> None:
        figures = self.figures
        if figures is None:
            return
        for name, fraction in fractions(figures).items():
            self.quotas[name].check(fraction)
        if self._turn % REPORT_EVERY == 0:
            cores = None if figures.cores is None else round(figures.cores, 3)
            gpus = [[gpu.used, gpu.memory_bytes] for gpu in figures.gpus]
            self._points.append([round(figures.at), cores, figures.memory_bytes, figures.volume.used_bytes, gpus])

    async def _report_and_act(self) -> None:
        if self.notebook_id is None:
            return
        await self._report()
        for kernel_id in list(self.answer.get("free", ())):
            await self._free(kernel_id)
        if self.answer.get("stop"):
            await self._end()

    async def _report(self, *, is_ready_to_stop: bool = False) -> None:
        assert self.judgement is not None
        assert self.figures is not None
        points = list(self._points)
        body = {**make_report(self.judgement, self.figures), "points": points, "is_ready_to_stop": is_ready_to_stop}
        self.answer = await self._post("", body)
        for _ in points:
            self._points.popleft()
        self.meter.volume.quota_bytes = self.answer.get("data_bytes")

    async def _post(self, action: str, body: dict[str, Any]) -> dict[str, Any]:
        upstream = await self.platform.upstream()
        path = f"/api/v1/notebooks/{self.notebook_id}/use{f'/{action}' if action else ''}"
        headers = {"Authorization": f"Bearer {upstream.token}"}
        answer = await self._http.post(f"{upstream.url}{path}", json=body, headers=headers)
        if answer.is_error:
            raise ValueError(f"the platform answered {answer.status_code}: {answer.text[:300]}")
        return answer.json()

    async def _free(self, kernel_id: str) -> None:
        """Save its variables and shut it down, unless it works by now."""
        before = self._idle(await self._look(), kernel_id)
        if before is None:
            return
        place = next((kernel for kernel in await self.meter.kernels() if kernel.id == kernel_id), None)
        if place is None:
            return
        said = await self._save(place)
        after = self._idle(await self._look(), kernel_id)
        if after is None or after.use.idle_since != before.use.idle_since:
            self.log.info("kernel %s is used again, and is left", before.title)
            return
        await self.kernel_manager.shutdown_kernel(kernel_id)
        self.log.info("freed the kernel of %s, idle since %s: %s", place.path, before.use.idle_since, said)
        self.freed.append({"path": place.path, "at": time.time(), "idle_since": before.use.idle_since, "saved": said})

    async def _end(self) -> None:
        """Save what can be saved of every kernel, look again, and let the platform stop this server."""
        if (await self._look()).server.idle_since is None:
            return
        for place in await self.meter.kernels():
            await self._save(place)
        if (await self._look()).server.idle_since is not None:
            await self._report(is_ready_to_stop=True)

    def _idle(self, judgement: Judgement, kernel_id: str) -> KernelUse | None:
        return next((k for k in judgement.kernels if k.id == kernel_id and k.use.idle_since is not None), None)

    async def _save(self, place: KernelPlace) -> str:
        """In words, what became of its variables."""
        if place.pid is None or not place.path.endswith(".ipynb"):
            return "it is no kernel of a notebook on this machine, and nothing of it was saved"
        kernel: Any = self.kernel_manager.get_kernel(place.id)
        if place.execution_state != "idle" or "python" not in kernel.kernel_spec.language.lower():
            return "its variables cannot be read"
        self.meter.saving.add(place.id)
        asked_at = time.time()
        try:
            saved = await self.variables.save(kernel, place.id, place.path)
            said = f"{len(saved.variables)} variables saved, {len(saved.unsaved)} could not be"
        except (KernelFailed, OSError, ValueError) as error:
            said = f"its variables could not be saved: {error}"
        finally:
            await self._settle(kernel, place.id, asked_at)
            self.meter.saving.discard(place.id)
        return said

    async def _settle(self, kernel: Any, kernel_id: str, asked_at: float) -> None:
        """Wait until Jupyter has heard that the kernel is idle again; until then what it did was our asking.

        Its messages come on another channel than the answer, and may be later.
        """
        deadline = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < deadline:
            if kernel.execution_state != "busy" and kernel.last_activity.timestamp() >= asked_at:
                break
            await asyncio.sleep(0.02)
        self.meter.asked_until[kernel_id] = max(asked_at, kernel.last_activity.timestamp())


def fractions(figures: Figures) -> dict[str, float | None]:
    """How full memory and the volume are, None where that is not known."""
    volume = figures.volume
    disk = None if volume.used_bytes is None or not volume.total_bytes else volume.used_bytes / volume.total_bytes
    return {"memory": figures.memory_bytes / figures.memory_total_bytes, "disk": disk}


def make_report(judgement: Judgement, figures: Figures) -> dict[str, Any]:
    server = judgement.server
    return {
        "at": figures.at,
        "use": {"idle_since": server.idle_since, "because": server.because, "since": server.since},
        "kernels": [
            {
                "id": kernel.id,
                "title": kernel.title,
                "idle_since": kernel.use.idle_since,
                "because": kernel.use.because,
                "memory_bytes": kernel.memory_bytes,
                "holds_gpu": kernel.holds_gpu,
            }
            for kernel in judgement.kernels
        ],
        "figures": figures_view(figures),
    }


def figures_view(figures: Figures) -> dict[str, Any]:
    return {
        "at": figures.at,
        "cores": figures.cores,
        "cores_total": figures.cores_total,
        "memory_bytes": figures.memory_bytes,
        "memory_total_bytes": figures.memory_total_bytes,
        "disk_bytes": figures.volume.used_bytes,
        "disk_total_bytes": figures.volume.total_bytes,
        "disk_free_bytes": figures.volume.free_bytes,
        "gpus": [
            {
                "name": gpu.name,
                "used": gpu.used,
                "memory_bytes": gpu.memory_bytes,
                "memory_total_bytes": gpu.memory_total_bytes,
            }
            for gpu in figures.gpus
        ],
    }
