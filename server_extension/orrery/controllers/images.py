"""Images: read at their registry, pinned to what was read there, and given to whoever starts a container."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from orrery.controllers.contract import Controller, Draft, Outcome, Platform
from orrery.controllers.image_catalogue import base_name, local_facts, own_address
from orrery.controllers.image_contents import read_image
from orrery.controllers.registries import Registry, RegistryProblem
from orrery.controllers.registry_accounts import after_problem, check_is_idle, login_of
from orrery.domain.access import SYSTEM_OWNER, Act, User, is_allowed
from orrery.domain.image_addresses import parse_image_address
from orrery.domain.images import BASE_LABEL, FACTS, IMAGE, LABELS, LOCAL, ImageSpec
from orrery.domain.records import Json, Record
from orrery.domain.references import parse_reference
from orrery.errors import Conflict, Invalid, OrreryError

_WORDS: Final = {
    "type": "use",
    "core_type": "core type",
    "framework": "framework",
    "framework_version": "framework version",
    "python_version": "Python version",
}


class ImageController(Controller):
    kind = IMAGE

    def admit(self, draft: Draft) -> Json:
        spec = draft.spec
        assert isinstance(spec, ImageSpec)
        account = draft.references.get("registry_account")
        host = parse_image_address(spec.address).registry
        if account is not None and account.spec["registry"] != host:
            message = f"{account.label} logs in at {account.spec['registry']}, and the image is at {host}"
            raise Invalid(message, fields=[{"path": "spec.registry_account", "message": message}])
        if draft.before is not None:
            if draft.before.spec["address"] == "":
                raise Invalid(f"{draft.before.label} is what is installed on this machine; nothing in it can be set")
            check_is_idle(self.platform.store, draft.before)
        return spec.model_dump(mode="json")

    def reconcile(self, record: Record) -> Outcome:
        if record.phase != "CHECK_IN_PROGRESS":
            # changed while what it was before was checked
            return Outcome(event="check" if record.internal.get("checked") != record.spec else None)
        if record.spec["address"] == "":
            return Outcome(event="checked", outputs=local_facts(self.platform), internal={"checked": record.spec})
        try:
            outputs = self._read(record)
        except RegistryProblem as problem:
            return after_problem(record, problem, {"checked": record.spec})
        return Outcome(event="checked", outputs=outputs, internal={"checked": record.spec, "tries": 0})

    def _read(self, record: Record) -> Json:
        settings = self.platform.settings.images
        address = parse_image_address(record.spec["address"])
        account = record.spec["registry_account"]
        login = login_of(self.platform, self.platform.store.get(account, trashed=True)) if account else None
        with Registry(address.registry, login, settings) as registry:
            contents = read_image(registry, address, settings.platform, settings.max_bytes)
        facts = read_facts(record.spec, contents.labels, own_address(self.platform.settings, record.spec["type"]))
        return {
            **facts,
            "base": contents.labels[BASE_LABEL],
            "pinned": address.pinned(contents.digest),
            "pinned_from": record.spec["address"],
            "digest": contents.digest,
            "size_bytes": contents.size_bytes,
            "built_at": contents.created,
            "checked_at": self.platform.store.clock().isoformat().replace("+00:00", "Z"),
        }


def read_facts(spec: Mapping[str, Any], labels: Mapping[str, str], base: str) -> Json:
    """What the image says of itself, where the form says the same or nothing.

    `base`: an image that it could have been built on. Raises: RegistryProblem.
    """
    address = spec["address"]
    if not labels.get(BASE_LABEL):
        raise RegistryProblem(
            "no_base",
            f"{address} is not built on an image of the catalogue: it lacks the label {BASE_LABEL}. "
            f"Begin its Containerfile with one of them (FROM {base}), and push it again",
        )
    facts: Json = {}
    for name, label in LABELS.items():
        asked, told = spec.get(name), labels.get(label)
        if name in ("type", "core_type", "framework") and told is not None:
            told = told.upper()
        if asked is not None and told is not None and asked != told and not told.startswith(f"{asked}."):
            raise RegistryProblem(
                "facts_differ",
                f"{address} has {_WORDS[name]} {told} by its label {label}, not {asked}; "
                f"{'leave it empty' if name in FACTS else 'register it as such'}, or build it on another base",
            )
        facts[name] = told if told is not None else asked
    facts["framework_version"] = facts["framework_version"] or (
        facts["python_version"] if facts["framework"] == "PYTHON" else None
    )
    missing = [name for name in FACTS if not facts[name]]
    if missing:
        raise RegistryProblem(
            "facts_missing",
            f"{address} has no label {LABELS[missing[0]]}; say its {_WORDS[missing[0]]} in the form, "
            f"or build it on an image of the catalogue",
        )
    return {name: facts[name] for name in FACTS}


def resolve_image(platform: Platform, owner: str, name: str, type: str, path: str = "spec.image") -> Record:
    """The image that `name` means to `owner`, if it may be used for `type` (NOTEBOOK, TRAINING) here.

    `name`: an id (of a reference that was resolved for the user), `name` or `owner/name`; one's own come first.
    Raises: Invalid with the field.
    """
    try:
        locator = parse_reference(name)
    except OrreryError as error:
        raise _refused(error.message, path) from error
    store = platform.store
    if locator.id is not None:
        record = store.find(locator.id)
        if record is not None and (record.kind != IMAGE.name or record.deleted_at is not None):
            record = None
    else:
        record = store.find_named(IMAGE.name, [locator.owner] if locator.owner else [owner, SYSTEM_OWNER], locator.name)
        if record is not None and not is_allowed(User(owner), Act.USE, record):
            record = None
    if record is None:
        raise _refused(f"image {name!r} does not exist, or {owner} may not use it; choose one of the catalogue", path)
    return check_image(platform, record, type, path)


def check_image(platform: Platform, record: Record, type: str, path: str = "spec.image") -> Record:
    """The image, if it may be used for `type` here. Raises: Invalid with the field."""
    is_local = record.spec["address"] == ""
    if is_local and platform.settings.containers:
        raise _refused(f"{record.label} is no container image, and here everything is a container; choose one", path)
    if not is_local and not platform.settings.containers:
        raise _refused(
            f"{record.label} is a container image, and here nothing runs in containers (ORRERY_CONTAINERS): "
            f"choose {LOCAL!r}, this machine's Python",
            path,
        )
    if not is_local and record.spec["type"] != type:
        raise _refused(f"{record.label} is for a {record.spec['type'].lower()}, not for a {type.lower()}", path)
    if record.phase != "ACTIVE":
        raise _refused(
            f"{record.label} is {record.phase}{f' ({record.message})' if record.message else ''}; "
            "it can be used once its check has succeeded",
            path,
        )
    return record


def base_image(platform: Platform, type: str, instance_type: object) -> str:
    """The name of the catalogue's image that something is started with where none was chosen."""
    if not platform.settings.containers:
        return LOCAL
    size = platform.settings.instance_types.get(str(instance_type))
    return base_name(type, "GPU" if size is not None and size.gpus else "CPU")


def check_core_type(platform: Platform, image: Record, instance_type: str) -> None:
    """Raises: Invalid where the image is made for GPUs and the instance type has none, or the other way round."""
    core_type = "GPU" if platform.settings.instance_type(instance_type).gpus else "CPU"
    made_for = image.outputs.get("core_type")
    if platform.settings.containers and made_for and made_for != core_type:
        message = f"{image.label} is made for {made_for}, and {instance_type} is a {core_type} instance type"
        raise Invalid(message, fields=[{"path": "spec.instance_type", "message": message}])


def launch_image(platform: Platform, record: Record) -> Json:
    """What a container of it is started with: its pinned address and, where it is private, the log-in to pull it.

    The answer holds a password: for the executor or the hub alone. Raises: Conflict where it was never checked.
    """
    spec, found = record.spec, record.outputs
    address = found.get("pinned") if found.get("pinned_from") == spec["address"] else None
    if address is None and record.owner == SYSTEM_OWNER:
        address = spec["address"]
    if address is None:
        raise Conflict(f"{record.label} has not been checked as it is now ({record.phase}): {record.message}")
    login = None
    if spec["registry_account"]:
        account = platform.store.get(spec["registry_account"], trashed=True)
        found_login = login_of(platform, account)
        login = {
            "registry": account.spec["registry"],
            "username": found_login.username,
            "password": found_login.password,
        }
    return {"name": record.name, "address": address, **{name: found.get(name) or "" for name in FACTS}, "login": login}


def _refused(message: str, path: str) -> Invalid:
    return Invalid(message, fields=[{"path": path, "message": message}])
