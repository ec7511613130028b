"""The catalogue: the images that the platform itself brings, kept at what is shipped.

With containers these are six for notebooks and four for trainings, at an address that the administrator may change;
without, the one `local`: what is installed on this machine.
"""

from __future__ import annotations

import importlib.metadata
import logging
import platform as python
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from orrery.controllers.contract import Platform
from orrery.controllers.settings import Settings
from orrery.domain.access import SYSTEM_OWNER, User, Visibility
from orrery.domain.ids import make_id
from orrery.domain.images import IMAGE, LOCAL
from orrery.domain.records import Json, Record, Target
from orrery.errors import InUse
from orrery.store.rows import Query

log = logging.getLogger(__name__)

#: what `images/` builds them with
PYTHON: Final = "3.12"
FRAMEWORKS: Final = {"PYTHON": PYTHON, "PYTORCH": "2.13.0", "TENSORFLOW": "2.20.0"}
USES: Final = {"NOTEBOOK": ("PYTHON", "PYTORCH", "TENSORFLOW"), "TRAINING": ("PYTORCH", "TENSORFLOW")}
_SHORT: Final = {"NOTEBOOK": "notebook", "TRAINING": "train"}


@dataclass(frozen=True)
class Shipped:
    """An image of the catalogue."""

    name: str
    description: str
    spec: Json
    outputs: Json


def base_name(use: str, core: str) -> str:
    """What something for this use is started with where nothing else was chosen."""
    return f"{_SHORT[use]}-{USES[use][0].lower()}-{core.lower()}"


def own_address(settings: Settings, use: str, framework: str = "PYTORCH", core: str = "CPU") -> str:
    """Where the platform's own image for this is."""
    name = f"{_SHORT[use]}-{framework.lower()}-{core.lower()}"
    return f"{settings.images.registry.rstrip('/')}/{name}:{settings.images.tag}"


def shipped(platform: Platform) -> Iterator[Shipped]:
    if not platform.settings.containers:
        facts = local_facts(platform)
        yield Shipped(
            LOCAL, "This machine's Python, with what is installed there.", _spec("", "NOTEBOOK", facts), facts
        )
        return
    for use, frameworks in USES.items():
        for framework in frameworks:
            for core in ("CPU", "GPU"):
                facts = {
                    "core_type": core,
                    "framework": framework,
                    "framework_version": FRAMEWORKS[framework],
                    "python_version": PYTHON,
                }
                address = own_address(platform.settings, use, framework, core)
                name = address.rpartition("/")[2].partition(":")[0]
                title = {"PYTHON": "Python", "PYTORCH": "PyTorch", "TENSORFLOW": "TensorFlow"}[framework]
                purpose = "Notebooks" if use == "NOTEBOOK" else "Trainings and tunings"
                described = f"{purpose} with {title} {FRAMEWORKS[framework]} on a {core}."
                yield Shipped(name, described, _spec(address, use, facts), facts)


def local_facts(platform: Platform) -> Json:
    """What is installed on this machine."""
    framework, version = "PYTHON", python.python_version()
    for name, package in (("PYTORCH", "torch"), ("TENSORFLOW", "tensorflow")):
        try:
            framework, version = name, importlib.metadata.version(package).partition("+")[0]
            break
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "core_type": "GPU" if platform.executor.capacity().total.gpus else "CPU",
        "framework": framework,
        "framework_version": version,
        "python_version": python.python_version(),
    }


def synchronise_images(platform: Platform) -> None:
    """Bring the catalogue to what is shipped; what is not any more goes, unless something still needs it."""
    images = {image.name: image for image in shipped(platform)}
    known = {
        record.name: record
        for record in platform.store.every(Query(kind=IMAGE.name, viewer=User(SYSTEM_OWNER), owner=SYSTEM_OWNER))
    }
    for image in images.values():
        _write(platform, image, known.get(image.name))
    now = platform.store.clock()
    for name in known.keys() - images.keys():
        try:
            platform.store.trash([known[name].id], lambda r: replace(r, target=Target.DELETED, deleted_at=now))
        except InUse as error:
            log.warning("%s", error.message, extra={"action": "image_kept"})


def _spec(address: str, use: str, facts: Json) -> Json:
    return {"address": address, "type": use, "registry_account": None, **facts}


def _write(platform: Platform, image: Shipped, known: Record | None) -> None:
    store = platform.store
    now = store.clock()
    if known is None:
        record = Record(
            id=make_id(IMAGE.prefix),
            kind=IMAGE.name,
            owner=SYSTEM_OWNER,
            name=image.name,
            version=0,
            spec=image.spec,
            phase="ACTIVE",
            created_at=now,
            updated_at=now,
            visibility=Visibility.PUBLIC,
            description=image.description,
            outputs=image.outputs,
            internal={"checked": image.spec},
        )
        store.create(record, (), due=False)
        return
    # an administrator may have given it an account
    spec = {**image.spec, "registry_account": known.spec["registry_account"]}
    if known.spec != spec or known.description != image.description:
        store.update(
            known.id,
            lambda fresh: replace(
                fresh,
                spec=spec,
                description=image.description,
                outputs=image.outputs,
                internal={**fresh.internal, "checked": spec},
            ),
            due=False,
        )
