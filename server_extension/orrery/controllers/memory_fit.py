"""Whether a run that is about to be started will fit into its instance type, and what would make it fit.

The algorithm's own formula says what to expect; what like runs took corrects it. Nothing is promised: where neither
says anything, the answer is that it is not known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from pydantic import ValidationError

from orrery.controllers.settings import InstanceType, Settings
from orrery.domain.access import User
from orrery.domain.memory_fit import Facts, PastRun, Prediction, Verdict, facts_of, judge, predict
from orrery.domain.records import Json, Record
from orrery.domain.search_space import Dimension
from orrery.errors import Invalid, OrreryError
from orrery.executors.contract import Executor, ExitReason
from orrery.store.resources import ResourceStore
from orrery.store.summaries import Summaries

#: of an algorithm's runs, so many of the newest are learned from
LOOKED_AT: Final = 200


class MemoryFit:
    """Thread-safe."""

    def __init__(self, settings: Settings, store: ResourceStore, executor: Executor) -> None:
        self._settings = settings
        self._store = store
        self._executor = executor
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
        allowed = chosen.memory_bytes * nodes
        parameters = parameters_of(spec, algorithm)
        facts = make_facts(versions, parameters, algorithm)
        runs = self._runs_of(algorithm)

        def predicted_with(changed: Json) -> Prediction | None:
            """None where nothing is known, and where the formula names a parameter that has no value."""
            try:
                return predict(formula_of(algorithm), facts, changed, name, runs)
            except Invalid:
                return None

        predicted = predicted_with(parameters)
        answer: Json = {
            "instance_type": name,
            "allowed_bytes": allowed,
            "predicted_bytes": None,
            "runs": 0,
            "verdict": Verdict.UNKNOWN.value,
            "message": "how much memory it takes is not known; its first run tells",
            "remedies": [],
        }
        if predicted is None:
            return answer
        verdict = judge(predicted.peak_bytes, allowed)
        remedies: list[Json] = []
        if verdict is not Verdict.FITS:
            larger = self._larger(user, chosen, nodes, predicted.peak_bytes)
            searched: Json = spec.get("space") or {}
            declared: list[str] = _declared(algorithm).get("smaller") or []
            fixed = [name for name in declared if name not in searched]
            smaller = _smaller(algorithm, fixed, parameters, allowed, predicted_with)
            remedies = [*([larger] if larger else []), *smaller]
        return answer | {
            "predicted_bytes": predicted.peak_bytes,
            "runs": predicted.runs,
            "verdict": verdict.value,
            "message": say(verdict, predicted, allowed, name, remedies),
            "remedies": remedies,
        }

    def _runs_of(self, algorithm: Record) -> list[PastRun]:
        found = self._summaries.ended_runs(algorithm.id, LOOKED_AT)
        return [run for record in found if (run := past_run(record, algorithm)) is not None]

    def _larger(self, user: User, chosen: InstanceType, nodes: int, peak: int) -> Json | None:
        """The smallest instance type on which it fits well, that this machine has and the user may hold."""
        total = self._executor.capacity().total
        rules = self._executor.rules()
        sizes = sorted(
            self._settings.instance_types.items(),
            key=lambda item: (item[1].gpus, item[1].memory_bytes, item[1].cores),
        )
        for name, size in sizes:
            held = size.resources.times(nodes)
            if size.gpus < chosen.gpus or judge(peak, held.memory_bytes) is not Verdict.FITS:
                continue
            if held.memory_bytes > total.memory_bytes or held.cores > total.cores or held.gpus > total.gpus:
                continue
            try:
                rules.check(user.name, held)
            except OrreryError:
                continue
            return {
                "title": f"Use {name}",
                "message": f"{name} has {human_bytes(held.memory_bytes)}",
                "spec": {"instance_type": name},
            }
        return None


def _smaller(
    algorithm: Record,
    names: list[str],
    parameters: Json,
    allowed: int,
    predicted_with: Callable[[Json], Prediction | None],
) -> Iterator[Json]:
    """Those of the parameters named that, halved as often as needed, make it fit by themselves."""
    properties: Json = algorithm.spec["parameters_schema"].get("properties") or {}
    for name in names:
        value = parameters.get(name)
        schema: Json = properties.get(name) or {}
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        is_whole = schema.get("type") == "integer"
        lowest = schema.get("minimum", 1)
        while (value := value // 2 if is_whole else value / 2) >= lowest and value > 0:
            tried = {**parameters, name: value}
            found = predicted_with(tried)
            if found is not None and judge(found.peak_bytes, allowed) is Verdict.FITS:
                yield {
                    "title": f"{name} = {value:g}",
                    "message": f"with {name} = {value:g} it takes about {human_bytes(found.peak_bytes)}",
                    "spec": {"parameters": {name: value}},
                }
                break


def formula_of(algorithm: Record) -> str:
    return str(_declared(algorithm).get("bytes") or "")


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


def past_run(record: Record, algorithm: Record) -> PastRun | None:
    """What can be learned from a run that has ended: one that was whole, or that ran out of memory."""
    peak, facts = record.outputs.get("peak_memory_bytes"), record.internal.get("memory_facts")
    is_cut_short = record.outputs.get("exit_reason") == ExitReason.OUT_OF_MEMORY.value
    if not peak or not facts or not (is_cut_short or record.phase == "COMPLETE"):
        return None
    parameters = parameters_of(record.spec, algorithm)
    return PastRun(Facts.from_json(facts), parameters, int(peak), str(record.spec.get("instance_type")), is_cut_short)


def say(verdict: Verdict, predicted: Prediction, allowed: int, name: str, remedies: list[Json]) -> str:
    """`about 1.9 GiB of 2 GiB: tight; cpu-medium has 8 GiB`."""
    about = f"about {human_bytes(predicted.peak_bytes)}"
    basis = f"from {predicted.runs} like {'run' if predicted.runs == 1 else 'runs'}" if predicted.runs else ""
    remedy = f"; {remedies[0]['message']}" if remedies else ""
    match verdict:
        case Verdict.EXCEEDS:
            nothing = "" if remedies else "; no instance type that could start here has so much"
            said = f"needs {about} of memory, and {name} has {human_bytes(allowed)}{remedy}{nothing}"
        case Verdict.TIGHT:
            said = f"{about} of {human_bytes(allowed)} of memory: tight{remedy}"
        case _:
            said = f"{about} of {human_bytes(allowed)} of memory"
    return f"{said} ({basis})" if basis else said


def human_bytes(count: float) -> str:
    """`640 MiB`, `1.9 GiB`, `8 GiB`."""
    if count < 1 << 30:
        return f"{count / (1 << 20):.0f} MiB"
    return f"{count / (1 << 30):.1f}".removesuffix(".0") + " GiB"
