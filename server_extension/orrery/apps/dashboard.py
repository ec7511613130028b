"""A published notebook as a page: Voila on `ORRERY_SOCKET`, with a kernel for each visitor.

The kernel is this process's own Python and no other, whatever kernel the notebook was written in, with what a
`requirements.txt` among the published files asks for: that is the environment which the dashboard is pinned to.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import nbformat
from jupyter_client.kernelspec import NATIVE_KERNEL_NAME, KernelSpecManager
from tornado import web
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.netutil import bind_unix_socket
from traitlets.config import Config
from voila.app import Voila  # pyright: ignore[reportMissingTypeStubs]
from voila.tornado.handler import TornadoVoilaHandler  # pyright: ignore[reportMissingTypeStubs]

from orrery.apps.settings import DASHBOARD_VARIABLE, HEALTH_PATH, REQUIREMENTS_FILE, DashboardSettings

#: a kernel that no page is connected to any more ends after so long
KERNEL_IDLE_SECONDS: Final = 60
_CULL_SECONDS: Final = 15


def with_parameters(notebook: Any, parameters: Mapping[str, Any]) -> Any:
    """The notebook with the values set right after its parameters cell, or before everything where it has none."""
    if not parameters:
        return notebook
    lines = [f"{name} = {value!r}" for name, value in parameters.items()]
    cell = nbformat.v4.new_code_cell("\n".join(lines), metadata={"tags": ["injected-parameters"]})  # pyright: ignore[reportUnknownMemberType]
    tagged = (i for i, old in enumerate(notebook.cells) if "parameters" in old.metadata.get("tags", ()))
    notebook.cells.insert(next(tagged, -1) + 1, cell)
    return notebook


def prepare(settings: DashboardSettings, work: Path, folder: Path) -> Path:
    """Lay out in `folder` what was published, the notebook with its parameters set; return where that is."""
    published = work / DashboardSettings.FOLDER
    shutil.rmtree(folder, ignore_errors=True)  # of a start before
    shutil.copytree(published, folder, copy_function=os.symlink)
    target = folder / Path(settings.notebook)
    read: Any = nbformat.read(published / settings.notebook, as_version=4)  # pyright: ignore[reportUnknownMemberType,reportUnknownVariableType]
    notebook = with_parameters(read, settings.parameters)
    notebook.metadata["kernelspec"] = {"name": NATIVE_KERNEL_NAME, "display_name": "Python 3", "language": "python"}
    notebook.metadata["title"] = settings.title
    target.unlink()
    nbformat.write(notebook, target)  # pyright: ignore[reportUnknownMemberType]
    return target


def fulfil(requirements: Path) -> None:
    """Let the kernels find what is asked for, before all else. Made once for the same content, then taken as it is.

    Raises: JobFailed, with the installer's last lines.
    """
    from orrery.jobs import environments

    packages = environments.site_packages(environments.python_for(requirements))
    found = [str(packages), os.environ.get("PYTHONPATH")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, found))


class OwnKernel(KernelSpecManager):
    """Knows this Python alone, not what is installed for the account or the machine."""

    def _kernel_dirs_default(self) -> list[str]:
        return []


class HealthHandler(web.RequestHandler):
    def get(self) -> None:
        self.finish("ready")  # pyright: ignore[reportUnknownMemberType]


class Page(TornadoVoilaHandler):
    """The page, with addresses as this visitor's browser sees them: one process is mounted in several places."""

    @property
    def base_url(self) -> str:
        return self.request.headers.get("X-Forwarded-Prefix", "").rstrip("/") + "/"


class Dashboard(Voila):
    """Voila on a unix socket. Nobody reaches it but through the gateway, which asks who they are."""

    def init_settings(self) -> Any:
        # a page acts by what is in its address, not by a cookie: there is nothing to forge
        settings: Any = super().init_settings()
        return {**settings, "disable_check_xsrf": True}

    def init_handlers(self) -> Any:
        handlers: Any = super().init_handlers()  # pyright: ignore[reportUnknownMemberType,reportUnknownVariableType]
        shown = [(entry[0], Page, *entry[2:]) if entry[1] is TornadoVoilaHandler else entry for entry in handlers]
        return [(HEALTH_PATH, HealthHandler), *shown]

    def listen(self) -> None:
        server = HTTPServer(self.app, xheaders=True)
        server.add_socket(bind_unix_socket(os.environ["ORRERY_SOCKET"], mode=0o600))
        self.ioloop = IOLoop.current()
        try:
            self.ioloop.start()
        finally:
            self.stop()


def make_config(settings: DashboardSettings, connections: Path) -> Config:
    return Config(
        {
            "Dashboard": {"open_browser": False, "connection_dir_root": str(connections)},
            "VoilaConfiguration": {
                "kernel_spec_manager_class": f"{__name__}.OwnKernel",
                # JupyterLab's panels have no place on a page
                "extension_denylist": ["@orrery/lab"],
                "strip_sources": not settings.show_code,
                "show_tracebacks": settings.show_code,
            },
            "MappingKernelManager": {
                "cull_idle_timeout": KERNEL_IDLE_SECONDS,
                "cull_interval": _CULL_SECONDS,
                "cull_connected": False,
                "cull_busy": False,
            },
        }
    )


def main() -> None:
    settings = DashboardSettings(**json.loads(os.environ.pop(DASHBOARD_VARIABLE)))
    work, own = Path(os.environ["ORRERY_WORK_DIR"]), Path(os.environ["ORRERY_REPLICA_DIR"])
    requirements = work / DashboardSettings.FOLDER / Path(settings.notebook).parent / REQUIREMENTS_FILE
    if requirements.is_file():
        fulfil(requirements)
    shown = prepare(settings, work, own / DashboardSettings.FOLDER)
    connections = own / "connections"
    connections.mkdir(mode=0o700, exist_ok=True)
    # what is configured on this machine for other Voilas is not this dashboard's
    app = Dashboard(config=make_config(settings, connections), config_file_paths=[])
    app.initialize([str(shown)])
    os.chdir(shown.parent)
    app.start()


if __name__ == "__main__":
    main()
