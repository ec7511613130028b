"""The kernels of a notebook's environments, beside those that Jupyter finds itself.

They are read anew each time that somebody asks, so that an environment is a kernel as soon as it is made. The manager
that was configured is wrapped and asked for everything else; whoever adds kernels of another origin wraps this one.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_server.gateway.managers import GatewayKernelSpecManager
from jupyter_server.serverapp import ServerApp

from orrery.extension.environments import (
    FOLDER,
    Environment,
    OwnKernel,
    find_environments,
    find_own_kernels,
    is_like_ours,
    kernel_name,
)

HERE: Final = Path(__file__).parent
#: run by their paths: the first with nothing imported but the standard library
STARTER: Final = str(HERE / "environment_kernel.py")
EXPLAINER: Final = str(HERE / "explaining_kernel.py")


class EnvironmentKernels(KernelSpecManager):
    """`inner` with the environments under `folder` added. A name that `inner` knows is `inner`'s."""

    def __init__(self, inner: KernelSpecManager, folder: Path) -> None:
        super().__init__(parent=inner.parent, allowed_kernelspecs=inner.allowed_kernelspecs)
        self.inner = inner
        self.folder = folder

    def find_environment_specs(self) -> dict[str, KernelSpec]:
        specs: dict[str, KernelSpec] = {}
        for environment in find_environments(self.folder):
            if environment.python_version is not None:
                specs[kernel_name(environment.name)] = make_python_spec(environment)
            for own in find_own_kernels(environment):
                specs[kernel_name(environment.name, own.name)] = make_own_spec(environment, own)
        allowed = cast("set[str]", self.allowed_kernelspecs)
        return {name: spec for name, spec in specs.items() if not allowed or name in allowed}

    def find_kernel_specs(self) -> dict[str, str]:
        own = {name: str(spec.resource_dir) for name, spec in self.find_environment_specs().items()}
        return own | self.inner.find_kernel_specs()

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        if kernel_name.startswith("env-"):
            spec = self.find_environment_specs().get(kernel_name)
            if spec is not None:
                return spec
        return self.inner.get_kernel_spec(kernel_name)

    def get_all_specs(self) -> dict[str, Any]:
        own = {
            name: {"resource_dir": spec.resource_dir, "spec": spec.to_dict()}
            for name, spec in self.find_environment_specs().items()
        }
        return own | self.inner.get_all_specs()

    def remove_kernel_spec(self, name: str) -> str:
        return self.inner.remove_kernel_spec(name)


def kernel_resources() -> str:
    """Where ipykernel keeps its logos; empty where it is not installed."""
    found = importlib.util.find_spec("ipykernel")
    return str(Path(found.origin).parent / "resources") if found and found.origin else ""


def make_python_spec(environment: Environment) -> KernelSpec:
    """With the environment's own ipykernel, else the server's where that fits, else one that says what to install."""
    python, prefix = str(environment.python), str(environment.path)
    connection = ["-f", "{connection_file}"]
    if environment.has_ipykernel:
        source = "own"
        argv = [sys.executable, "-I", STARTER, prefix, "--", python, "-m", "ipykernel_launcher", *connection]
    elif is_like_ours(environment):
        source = "lent"
        argv = [sys.executable, "-I", STARTER, prefix, "--lend", "--", python, *connection]
    else:
        source = "missing"
        argv = [sys.executable, "-P", EXPLAINER, python, environment.name, *connection]
    described = {"environment": environment.name, "path": prefix, "tool": environment.tool, "ipykernel": source}
    needs = " – needs ipykernel" if source == "missing" else ""
    return KernelSpec(
        argv=argv,
        display_name=f"Python {environment.python_version} ({environment.name}){needs}",
        language="python",
        metadata={"debugger": source == "own", "orrery": described},
        resource_dir=kernel_resources(),
    )


def make_own_spec(environment: Environment, own: OwnKernel) -> KernelSpec:
    prefix = str(environment.path)
    metadata: dict[str, Any] = own.spec.get("metadata") or {}
    variables: dict[str, Any] = own.spec.get("env") or {}
    described = {"environment": environment.name, "path": prefix, "tool": environment.tool}
    return KernelSpec(
        argv=[sys.executable, "-I", STARTER, prefix, "--", *own.spec["argv"]],
        display_name=f"{own.spec.get('display_name') or own.name} ({environment.name})",
        language=str(own.spec.get("language") or ""),
        env={name: str(value) for name, value in variables.items()},
        interrupt_mode="message" if own.spec.get("interrupt_mode") == "message" else "signal",
        metadata=metadata | {"orrery": described},
        resource_dir=str(own.folder),
    )


def add_environments(server: ServerApp) -> None:
    """Wraps the manager of a server that has a data volume; one that asks a gateway for its kernels stays as it is."""
    named = os.environ.get("ORRERY_DATA_DIR")
    if named and not isinstance(server.kernel_spec_manager, GatewayKernelSpecManager):
        replace_manager(server, lambda inner: EnvironmentKernels(inner, Path(named).absolute() / FOLDER))


def replace_manager(server: ServerApp, wrap: Callable[[KernelSpecManager], KernelSpecManager]) -> None:
    """Everywhere that the server keeps it."""
    wrapped = wrap(cast("KernelSpecManager", server.kernel_spec_manager))
    server.kernel_spec_manager = wrapped
    server.kernel_manager.kernel_spec_manager = wrapped
    server.web_app.settings["kernel_spec_manager"] = wrapped
