"""Starting on CPU meanwhile: a copy of a training that waits for a GPU, on the smallest size without one, at once.

The one that waits keeps its place. Each tells of the other: `spec.meanwhile_of` of the copy, `outputs.meanwhile` of the
one that waits.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import Final

from orrery.controllers.contract import Maker, NewResource, Platform
from orrery.controllers.settings import InstanceType
from orrery.domain.access import User
from orrery.domain.memory_fit import Verdict
from orrery.domain.records import Json, Record
from orrery.domain.trainings import TRAINING, TrainingSpec
from orrery.errors import Invalid, NameTaken, WrongPhase
from orrery.executors.contract import Priority, Resources

#: a size of a smaller part of a core is for what mostly waits: a replica
LEAST_CORES: Final = 1.0
LONGEST_NAME: Final = 63
ENDED_BADLY: Final = ("Failed", "Cancelled")


class Meanwhile:
    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def offer(self, record: Record) -> str | None:
        """The instance type that a copy would start on now; None where there is no such thing."""
        if not wants_gpus(self.platform, record) or self.present(record) is not None:
            return None
        try:
            return self.find_type(record)
        except (Invalid, WrongPhase):
            return None

    def present(self, record: Record) -> Record | None:
        """The copy that was started before, unless it was deleted or ended badly."""
        told: Json = record.outputs.get("meanwhile") or {}
        copy = self.platform.store.find(str(told["training"])) if told else None
        if copy is None or copy.deleted_at is not None:
            return None
        return None if TRAINING.machine.phases[copy.phase].state in ENDED_BADLY else copy

    def find_type(self, record: Record) -> str:
        """The smallest instance type without GPUs that the run fits into, and that may start at once.

        Raises: WrongPhase where it does not wait for a GPU, Invalid where nothing would start; both say why.
        """
        asked = str(record.spec["instance_type"])
        if not wants_gpus(self.platform, record):
            raise Invalid(f"{record.label} asks for no GPU ({asked}): it starts as soon as there is room")
        if record.spec.get("trial"):
            raise Invalid(
                f"{record.label} is a trial, and its tuning compares runs on {asked}; start a training instead"
            )
        if self.platform.executor.queue_entry(str(record.outputs.get("job_id"))) is None:
            raise WrongPhase(f"{record.label} does not wait in the queue; look at it again", phase=record.phase)
        name, size = self._smallest(record)
        resources = size.resources.times(int(record.spec.get("nodes") or 1))
        self._check_room(record, name, resources)
        return name

    def _smallest(self, record: Record) -> tuple[str, InstanceType]:
        sizes = sorted(
            ((name, size) for name, size in self._types() if size.gpus == 0 and size.cores >= LEAST_CORES),
            key=lambda item: (item[1].memory_bytes, item[1].cores),
        )
        if not sizes:
            raise Invalid("no instance type without a GPU has a whole core; ask an administrator for one")
        said = ""
        for name, size in sizes:
            estimate = self._estimate(record, name)
            if estimate["verdict"] != Verdict.EXCEEDS.value:
                return name, size
            said = str(estimate["message"])
        raise Invalid(f"{record.label} fits into no instance type without a GPU: {said}")

    def _types(self) -> list[tuple[str, InstanceType]]:
        return list(self.platform.settings.instance_types.items())

    def _estimate(self, record: Record, instance_type: str) -> Json:
        store = self.platform.store
        names = sorted(record.spec["datasets"], key=lambda name: name != "train")
        found = store.find_many([record.spec["algorithm"], *record.spec["datasets"].values()])
        versions = [found[id] for name in names if (id := record.spec["datasets"][name]) in found]
        spec = {**record.spec, "instance_type": instance_type}
        return self.platform.memory_fit.estimate(owner_of(record), spec, found[record.spec["algorithm"]], versions)

    def _check_room(self, record: Record, name: str, resources: Resources) -> None:
        executor = self.platform.executor
        executor.check(record.owner, resources)
        reason = executor.explain_newcomer(record.owner, resources, Priority[record.spec["priority"]])
        if reason:
            raise Invalid(f"a copy of {record.label} on {name} would not start at once either: {reason}")

    def start(self, record: Record, commands: Maker) -> Record:
        """The copy: one that was made before, unless it ended badly. Raises: as `find_type` does."""
        if (present := self.present(record)) is not None:
            return present
        name = self.find_type(record)
        told: Json = record.outputs.get("meanwhile") or {}
        before = str(told.get("training", ""))
        copy = self._make(record, name, commands, key=f"meanwhile:{record.id}:{before}")
        link = {"training": copy.id, "name": copy.name}
        self.platform.store.update(
            record.id, lambda fresh: replace(fresh, outputs={**fresh.outputs, "meanwhile": link}), due=False
        )
        return copy

    def _make(self, record: Record, instance_type: str, commands: Maker, *, key: str) -> Record:
        """Under the first name that is free. Whoever asks twice at the same time gets the same one."""
        spec: Json = {name: value for name, value in record.spec.items() if name not in TrainingSpec.made_by_platform}
        spec |= {
            "instance_type": instance_type,
            # what it asked for is made for GPUs; the catalogue's image for CPUs stands in
            "image": None,
            "start_after": None,
            "meanwhile_of": {"training": record.id, "name": record.name},
        }
        for number in count(1):
            suffix = "-cpu" if number == 1 else f"-cpu-{number}"
            new = NewResource(
                name=record.name[: LONGEST_NAME - len(suffix)] + suffix,
                spec=spec,
                owner=record.owner,
                description=record.description,
                visibility=record.visibility,
                group=record.group,
                tags=record.tags,
            )
            try:
                return commands.create(owner_of(record), TRAINING, new, idempotency_key=key, by_platform=True)
            except NameTaken:
                continue
        raise AssertionError("there is always another number")


def wants_gpus(platform: Platform, record: Record) -> bool:
    size = platform.settings.instance_types.get(str(record.spec.get("instance_type")))
    return size is not None and size.gpus > 0


def owner_of(record: Record) -> User:
    return User(record.owner, frozenset({record.group}) if record.group else frozenset[str]())
