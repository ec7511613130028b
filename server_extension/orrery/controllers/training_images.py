"""The image that a training runs in: chosen or the catalogue's, checked when it is asked for, pinned when it begins."""

from __future__ import annotations

import base64
import json
from typing import Any, Final

from orrery.controllers.contract import Draft, Platform
from orrery.controllers.images import base_image, check_core_type, check_image, launch_image
from orrery.domain.records import Json, Record
from orrery.domain.trainings import RunSpec
from orrery.errors import Invalid, NotFound
from orrery.executors.contract import ContainerImage, SecretSource
from orrery.store.resources import ResourceStore

_PREFIX: Final = "image-login:"


def offer_image(platform: Platform, schema: Json) -> Json:
    """The schema of a training's spec, without the image where nothing runs in one."""
    if platform.settings.containers:
        return schema
    return {**schema, "properties": {name: field for name, field in schema["properties"].items() if name != "image"}}


def complete_image(platform: Platform, spec: Json) -> Json:
    """The spec, with the catalogue's image where none was chosen and the executor runs containers."""
    if spec.get("image") is not None or not platform.settings.containers or not platform.executor.runs_containers:
        return spec
    size = spec.get("instance_type", RunSpec.model_fields["instance_type"].default)
    return {**spec, "image": base_image(platform, "TRAINING", size)}


def check_run_image(platform: Platform, draft: Draft, instance_type: str) -> None:
    """Raises: Invalid with the field where the image that was chosen cannot be run in."""
    image = draft.references.get("image")
    if image is None:
        return
    check_image(platform, image, "TRAINING")
    if image.spec["address"] and not platform.executor.runs_containers:
        message = (
            f"{image.label} is a container image, and here trainings are processes of the platform's Python, though "
            "notebooks are containers: leave the image out"
        )
        raise Invalid(message, fields=[{"path": "spec.image", "message": message}])
    check_core_type(platform, image, instance_type)


def pin_image(platform: Platform, record: Record) -> Json | None:
    """The training's image as it is now: a retry runs in the same. Raises: Conflict where it was never checked."""
    if not record.spec.get("image"):
        return None
    image = platform.store.get(record.spec["image"], trashed=True)
    launch = launch_image(platform, image)
    if not launch["address"]:
        return None
    return {"address": launch["address"], "login": f"{_PREFIX}{image.id}" if launch["login"] else None}


def container_image(pinned: Json | None) -> ContainerImage | None:
    return None if pinned is None else ContainerImage(pinned["address"], pinned["login"])


class ImageLogins:
    """What the executor asks for the log-in of a private image, beside all other secrets of runs."""

    def __init__(self, others: SecretSource) -> None:
        self._others = others
        #: set when the platform is assembled, which needs an executor
        self.platform: Platform | None = None

    def reveal(self, reference: str) -> str:
        """Raises: NotFound, Conflict where the vault's key is lost."""
        if not reference.startswith(_PREFIX):
            return self._others.reveal(reference)
        assert self.platform is not None
        store: ResourceStore = self.platform.store
        image = store.find(reference.removeprefix(_PREFIX))
        login: dict[str, Any] | None = None if image is None else launch_image(self.platform, image)["login"]
        if login is None:
            raise NotFound("the image of this run is not there any more, or has no log-in now; start another run")
        word = base64.b64encode(f"{login['username']}:{login['password']}".encode()).decode()
        return json.dumps({"auths": {login["registry"]: {"auth": word}}})
