"""Which instance types kernels are offered on, and the kernel specs made of that: `python3.on.gpu-small`.

`InstanceSpecs` adds to whatever kernel spec manager the server has (`with_instances`): for each of its kernels that
runs on this machine, and each type, one more. What the platform offers is read beforehand; listing never waits.
"""

# jupyter_client carries few types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager, NoSuchKernel

PROVISIONER: Final = "orrery-instance"
SEPARATOR: Final = ".on."


@dataclass(frozen=True)
class InstanceType:
    name: str
    title: str
    gpus: int
    memory_bytes: int


def read_instance_types(answer: dict[str, Any]) -> tuple[InstanceType, ...]:
    """Those for kernels of the platform's answer, with a GPU first, then the larger ones."""
    found = [
        InstanceType(item["name"], item["title"], item["gpus"], item["memory_bytes"])
        for item in answer["items"]
        if item["fits"] and item["for_kernels"]
    ]
    return tuple(sorted(found, key=lambda kind: (-kind.gpus, -kind.memory_bytes, kind.name)))


class InstanceSpecs(KernelSpecManager):
    """A kernel spec manager's own kernels, and each of them on each instance type."""

    #: set by the extension whenever it has asked the platform
    instance_types: tuple[InstanceType, ...] = ()

    def find_kernel_specs(self) -> dict[str, str]:
        found: dict[str, str] = super().find_kernel_specs()
        there = {
            f"{name}{SEPARATOR}{kind.name}": folder
            for name, folder in found.items()
            if self._runs_here(name)
            for kind in self.instance_types
        }
        return {**found, **there}

    def _runs_here(self, name: str) -> bool:
        try:
            metadata: dict[str, Any] = super().get_kernel_spec(name).metadata or {}
        except (NoSuchKernel, OSError, ValueError):
            return False
        # a kernel that another provisioner starts is not ours to start elsewhere
        return "kernel_provisioner" not in metadata

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """Raises: NoSuchKernel."""
        base, separator, type_name = kernel_name.rpartition(SEPARATOR)
        if not separator:
            return super().get_kernel_spec(kernel_name)
        kind = next((kind for kind in self.instance_types if kind.name == type_name), None)
        if kind is None:
            raise NoSuchKernel(kernel_name)
        return on_instance(super().get_kernel_spec(base), base, kind)

    def get_all_specs(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            name: known for name, known in super().get_all_specs().items() if SEPARATOR not in name
        }
        for name, known in list(found.items()):
            # what runs here has a name that the others' begin with, so that Lab lists, and proposes, it first
            found[name] = {**known, "spec": {**known["spec"], "display_name": shown(known["spec"]["display_name"])}}
            if "kernel_provisioner" in (known["spec"].get("metadata") or {}):
                continue
            for kind in self.instance_types:
                full = f"{name}{SEPARATOR}{kind.name}"
                spec = on_instance(KernelSpec(resource_dir=known["resource_dir"], **known["spec"]), name, kind)
                found[full] = {**known, "spec": spec.to_dict()}
        return found


def shown(display_name: str) -> str:
    """`Python 3 (ipykernel)` -> `Python 3`."""
    return display_name.removesuffix(" (ipykernel)")


def on_instance(spec: KernelSpec, base: str, kind: InstanceType) -> KernelSpec:
    """The kernel of `spec` on an instance: it is interrupted by a message, where its kind can be."""
    is_ipykernel = any("ipykernel" in argument for argument in spec.argv)
    config = {"instance_type": kind.name, "base": base}
    return KernelSpec(
        argv=spec.argv,
        name=f"{base}{SEPARATOR}{kind.name}",
        env=spec.env,
        language=spec.language,
        resource_dir=spec.resource_dir,
        display_name=f"{shown(spec.display_name)} · {kind.name}",
        interrupt_mode="message" if is_ipykernel else spec.interrupt_mode,
        metadata={
            **(spec.metadata or {}),
            "kernel_provisioner": {"provisioner_name": PROVISIONER, "config": config},
            "orrery": {**config, "title": kind.title},
        },
    )


def with_instances(base: type[KernelSpecManager]) -> type[InstanceSpecs]:
    """The same kernel spec manager, with kernels on instances."""
    if issubclass(base, InstanceSpecs):
        return base
    if base is KernelSpecManager:
        return InstanceSpecs
    return type(f"Instance{base.__name__}", (InstanceSpecs, base), {})
