"""What Lab asks of the Jupyter server about its own use, below `{base_url}orrery-extension/`."""

# Jupyter's managers carry few types
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any, ClassVar

import httpx
from jupyter_server.base.handlers import APIHandler
from tornado import web

from orrery.errors import Invalid, NotFound, OrreryError
from orrery.extension.activity.variables import KernelFailed
from orrery.extension.activity.watch import Watch, figures_view


class ActivityBase(APIHandler):
    auth_resource: ClassVar[str] = "orrery"

    def initialize(self, watch: Watch) -> None:
        self.watch = watch


class ActivityHandler(ActivityBase):
    """`GET activity`: in use or idle since when, what is about to happen, what is used, what can be loaded back."""

    @web.authenticated
    async def get(self) -> None:
        watch = self.watch
        judgement, answer = watch.judgement, watch.answer
        self.finish(
            {
                "notebook_id": watch.notebook_id,
                "now": time.time(),
                "use": asdict(judgement.server) if judgement else None,
                "warnings": answer.get("warnings", []),
                "kept_until": answer.get("kept_until"),
                "limits": answer.get("limits"),
                "figures": figures_view(watch.figures) if watch.figures else None,
                "levels": {name: quota.level for name, quota in watch.quotas.items()},
                "freed": list(watch.freed),
                "saved": await self._saved(),
            }
        )

    async def _saved(self) -> list[dict[str, Any]]:
        """Of the open notebooks, those whose kernel is another than the one that was saved."""
        found: list[dict[str, Any]] = []
        for kernel in await self.watch.meter.kernels():
            saved = self.watch.variables.find(kernel.path) if kernel.path else None
            if saved is not None and saved.kernel_id != kernel.id and kernel.id not in self.watch.settled:
                found.append(
                    {
                        "path": kernel.path,
                        "kernel_id": kernel.id,
                        "saved_at": saved.saved_at,
                        "bytes": saved.bytes,
                        "variables": list(saved.variables),
                        "unsaved": [asdict(unsaved) for unsaved in saved.unsaved],
                    }
                )
        return found


class PersonHandler(ActivityBase):
    """`POST activity/person`: somebody typed, clicked or scrolled; Lab says so once a minute at most."""

    @web.authenticated
    def post(self) -> None:
        self.watch.meter.person_at = time.time()
        self.set_status(204)
        self.finish()


class KeepHandler(ActivityBase):
    """`POST activity/keep`: not before an hour has passed."""

    @web.authenticated
    async def post(self) -> None:
        if self.watch.notebook_id is None:
            raise web.HTTPError(409, "this server is no notebook of the platform, and is never stopped for being idle")
        try:
            await self.watch.keep()
        except (OrreryError, httpx.HTTPError, ValueError) as error:
            raise web.HTTPError(503, f"the platform cannot be told ({error}); it stops nothing meanwhile") from error
        self.finish({"kept_until": self.watch.answer.get("kept_until")})


class VariablesHandler(ActivityBase):
    """`POST variables` with `{"path", "do": "load" | "leave" | "forget"}`: of a notebook whose kernel was freed."""

    @web.authenticated
    async def post(self) -> None:
        body: dict[str, Any] = self.get_json_body() or {}
        path, act = str(body.get("path", "")), body.get("do")
        kernel = next((kernel for kernel in await self.watch.meter.kernels() if kernel.path == path), None)
        if kernel is None or not path:
            raise web.HTTPError(404, f"no kernel runs for {path!r}; open the notebook first")
        if act not in ("load", "leave", "forget"):
            raise web.HTTPError(400, f"do is {act!r}; use load, leave or forget")
        loaded: list[str] = []
        if act == "load":
            loaded = await self._load(path, kernel.id)
        elif act == "forget":
            self.watch.variables.forget(path)
        self.watch.settled.add(kernel.id)
        self.finish({"loaded": loaded})

    async def _load(self, path: str, kernel_id: str) -> list[str]:
        try:
            return await self.watch.variables.load(self.watch.kernel_manager.get_kernel(kernel_id), path)
        except NotFound as error:
            raise web.HTTPError(404, error.message) from error
        except (Invalid, KernelFailed, OSError) as error:
            raise web.HTTPError(409, f"{error}; run the notebook's cells again instead") from error


def make_handlers(watch: Watch) -> list[tuple[str, Any, dict[str, Any]]]:
    options = {"watch": watch}
    return [
        (r"/orrery-extension/activity", ActivityHandler, options),
        (r"/orrery-extension/activity/person", PersonHandler, options),
        (r"/orrery-extension/activity/keep", KeepHandler, options),
        (r"/orrery-extension/variables", VariablesHandler, options),
    ]
