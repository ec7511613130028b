"""Whether a run that is about to be started will fit into its instance type, and what would make it fit.

The algorithm's own formula says what to expect; what like runs took corrects it. Nothing is promised: where neither
says anything, the answer is that it is not known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from pydantic import ValidationError

from orrery.controllers.memory_words import Need, Room, propose_smaller, say
from orrery.controllers.settings import InstanceType, Settings
from orrery.domain.access import User
from orrery.domain.memory_fit import Facts, PastRun, Prediction, Verdict, facts_of, on_gpus, predict
from orrery.domain.records import Json, Record
from orrery.domain.search_space import Dimension
from orrery.errors import Invalid, OrreryError
from orrery.executors.contract import Executor, ExitReason
from orrery.executors.words import human_bytes
from orrery.store.resources import ResourceStore
from orrery.store.summaries import Summaries

#: of an algorithm's runs, so many of the newest are learned from
LOOKED_AT: Final = 200


class MemoryFit:
    """Thread-safe."""

    def __init__(
        self, settings: Settings, store: ResourceStore, executor: Executor, gpu_bytes: Callable[[], int] = lambda: 0
    ) -> None:
        """`gpu_bytes`: how much memory the smallest GPU of this machine has; 0 where that is not known."""
        self._settings = settings
        self._store = store
        self._executor = executor
        self._gpu_bytes = gpu_bytes
        self._summaries = Summaries(store.database)

    def facts_of_run(self, record: Record) -> Facts:
        """What is known of the data of a training whose references are ids."""
        ids = [str(reference) for reference in record.spec["datasets"].values()]
        found = self._store.find_many(ids)
        algorithm = self._store.find(record.spec["algorithm"])
        versions = [found[id] for id in ids if id in found]
        return make_facts(versions, parameters_of(record.spec, algorithm), algorithm)

    def estimate(self, user: User, spec: Json, algorithm: Record, versions: list[Record]) -> Json:
        """What a run of `spec` would take, beside what its instance type has. `versions`: the training data first.

        Raises: Invalid for an instance type that there is not.
        """
        name = str(spec.get("instance_type") or "cpu-small")
        nodes = max(1, int(spec.get("nodes") or 1))
        chosen = self._settings.instance_type(name)
        room = self._room(chosen, nodes)
        parameters = parameters_of(spec, algorithm)
        facts = make_facts(versions, parameters, algorithm)
        runs = self._runs_of(algorithm)
        runs_on_gpus = on_gpus(runs)
        declared = _declared(algorithm)

        def need_with(changed: Json) -> Need:
            memory = _predict(str(declared.get("bytes") or ""), facts, changed, name, runs)
            gpu_formula = str(declared.get("gpu_bytes") or "")
            return Need(memory, _predict(gpu_formula, facts, changed, name, runs_on_gpus) if room.gpu_bytes else None)

        need = need_with(parameters)
        remedies: list[Json] = []
        if need.verdict(room) in (Verdict.TIGHT, Verdict.EXCEEDS):
            searched: Json = spec.get("space") or {}
            named: list[str] = declared.get("smaller") or []
            fixed = [one for one in named if one not in searched]
            sizes = list(self._sizes_that_start(user, chosen, nodes))

            def smaller_in(room: Room) -> Iterator[Json]:
                return propose_smaller(algorithm, fixed, parameters, room, need_with)

            remedies = [*_enough(sizes, need), *smaller_in(room)] or list(_both(sizes, smaller_in))
        return {
            "instance_type": name,
            "allowed_bytes": room.memory_bytes,
            "predicted_bytes": need.memory.peak_bytes if need.memory else None,
            "runs": need.runs,
            "gpu_allowed_bytes": room.gpu_bytes or None,
            "gpu_predicted_bytes": need.gpu.peak_bytes if need.gpu else None,
            "verdict": need.verdict(room).value,
            "message": say(need, room, name, remedies),
            "remedies": remedies,
        }

    def _room(self, size: InstanceType, nodes: int) -> Room:
        gpu_bytes = (size.gpu_memory_bytes or self._gpu_bytes()) if size.gpus else 0
        return Room(size.memory_bytes * nodes, gpu_bytes)

    def _runs_of(self, algorithm: Record) -> list[PastRun]:
        found = self._summaries.ended_runs(algorithm.id, LOOKED_AT)
        runs: list[PastRun] = []
        for record in found:
            size = self._settings.instance_types.get(str(record.spec.get("instance_type")))
            gpus = size.gpus * int(record.spec.get("nodes") or 1) if size is not None else 0
            if (run := past_run(record, algorithm, gpus)) is not None:
                runs.append(run)
        return runs

    def _sizes_that_start(self, user: User, chosen: InstanceType, nodes: int) -> Iterator[tuple[str, Room]]:
        """Instance types that this machine has and the user may hold, the smallest first."""
        total = self._executor.capacity().total
        rules = self._executor.rules()
        sizes = sorted(
            self._settings.instance_types.items(),
            key=lambda item: (item[1].gpus, item[1].memory_bytes, item[1].cores),
        )
        for name, size in sizes:
            held = size.resources.times(nodes)
            if size.gpus < chosen.gpus:
                continue
            if held.memory_bytes > total.memory_bytes or held.cores > total.cores or held.gpus > total.gpus:
                continue
            try:
                rules.check(user.name, held)
            except OrreryError:
                continue
            yield name, self._room(size, nodes)


def _enough(sizes: Iterable[tuple[str, Room]], need: Need) -> Iterator[Json]:
    """The first of the sizes on which it fits well."""
    for name, room in sizes:
        if (need.gpu and not room.gpu_bytes) or need.verdict(room) is not Verdict.FITS:
            continue
        gpu_memory = f" and GPUs of {human_bytes(room.gpu_bytes)}" if need.gpu else ""
        yield {
            "title": f"Use {name}",
            "message": f"{name} has {human_bytes(room.memory_bytes)}{gpu_memory}",
            "spec": {"instance_type": name},
        }
        return


def _both(sizes: Iterable[tuple[str, Room]], smaller_in: Callable[[Room], Iterator[Json]]) -> Iterator[Json]:
    """Where neither alone will do: the first size on which a smaller value of a parameter makes it fit."""
    for name, room in sizes:
        together = [
            {
                "title": f"Use {name}, {smaller['title']}",
                "message": f"on {name}, {smaller['message']}",
                "spec": {**smaller["spec"], "instance_type": name},
            }
            for smaller in smaller_in(room)
        ]
        if together:
            yield from together
            return


def _predict(
    formula: str, facts: Facts, parameters: Json, instance_type: str, runs: list[PastRun]
) -> Prediction | None:
    """None where nothing is known, and where the formula names a parameter that has no value."""
    try:
        return predict(formula, facts, parameters, instance_type, runs)
    except Invalid:
        return None


def _declared(algorithm: Record) -> Json:
    """Its `MemoryDeclaration`; empty of one that was made before there were any."""
    return algorithm.spec.get("memory") or {}


def parameters_of(spec: Json, algorithm: Record | None) -> Json:
    """Given values over the algorithm's defaults; of what a tuning searches, the largest, which takes the most."""
    properties: Json = (algorithm.spec["parameters_schema"].get("properties") or {}) if algorithm is not None else {}
    defaults = {name: schema["default"] for name, schema in properties.items() if "default" in schema}
    told: Json = spec.get("parameters") or {}
    given = {name: value for name, value in told.items() if value is not None}
    space: Json = spec.get("space") or {}
    searched = {name: most for name, dimension in space.items() if (most := _largest(dimension))}
    return {**defaults, **given, **searched}


def _largest(dimension: Any) -> float | None:
    """Of what may be tried of a parameter, in whatever way it is written; None where that is no number."""
    try:
        parsed = Dimension.model_validate(dimension)
    except ValidationError:
        return None  # the form is not filled in yet
    tried = [parsed.high, *(parsed.values or ())]
    return max((value for value in tried if isinstance(value, int | float)), default=None)


def make_facts(versions: list[Record], parameters: Json, algorithm: Record | None) -> Facts:
    tasks: list[str] = (algorithm.spec.get("tasks") or []) if algorithm is not None else []
    task = str(parameters.get("task") or ("classification" if tasks == ["classification"] else "auto"))
    return facts_of(
        [version.spec.get("content") or {} for version in versions],
        [int(file["size"]) for version in versions for file in version.spec["files"]],
        str(parameters.get("target") or ""),
        task,
    )


def past_run(record: Record, algorithm: Record, gpus: int) -> PastRun | None:
    """What can be learned from a run that has ended: one that was whole, or that ran out of memory. It had `gpus`."""
    peak, facts = record.outputs.get("peak_memory_bytes"), record.internal.get("memory_facts")
    is_cut_short = record.outputs.get("exit_reason") == ExitReason.OUT_OF_MEMORY.value
    if not peak or not facts or not (is_cut_short or record.phase == "COMPLETE"):
        return None
    held = record.outputs.get("peak_gpu_memory_bytes")
    return PastRun(
        Facts.from_json(facts),
        parameters_of(record.spec, algorithm),
        int(peak),
        str(record.spec.get("instance_type")),
        is_cut_short,
        int(held) // gpus if held and gpus else None,
    )
