"""What a run needs beside what it has, and how that is said and mended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from orrery.domain.memory_fit import Prediction, Verdict, judge, worst
from orrery.domain.records import Json, Record
from orrery.executors.words import human_bytes


@dataclass(frozen=True)
class Room:
    """What an instance type has: of all nodes together, and on each GPU (0: it has none, or that is not known)."""

    memory_bytes: int
    gpu_bytes: int = 0


@dataclass(frozen=True)
class Need:
    """The peaks of a run; None where nothing is known. `gpu`: on each GPU."""

    memory: Prediction | None
    gpu: Prediction | None = None

    @property
    def runs(self) -> int:
        """Like runs that it rests on."""
        return max((one.runs for one in (self.memory, self.gpu) if one is not None), default=0)

    def verdict(self, room: Room) -> Verdict:
        """Of memory and GPUs together; of GPUs only where both sides are known."""
        return worst(self.of_memory(room), self.of_gpus(room))

    def of_memory(self, room: Room) -> Verdict:
        return judge(self.memory.peak_bytes, room.memory_bytes) if self.memory is not None else Verdict.UNKNOWN

    def of_gpus(self, room: Room) -> Verdict | None:
        return judge(self.gpu.peak_bytes, room.gpu_bytes) if self.gpu is not None and room.gpu_bytes else None


def say(need: Need, room: Room, name: str, remedies: list[Json]) -> str:
    """`about 1.9 GiB of 2 GiB of memory: tight; cpu-medium has 8 GiB (from 3 like runs)`."""
    if need.memory is None:
        parts = ["how much memory it takes is not known; its first run tells"]
    else:
        parts = [_compare(need.memory, room.memory_bytes, "memory", name)]
    if need.gpu is not None and room.gpu_bytes:
        parts.append(_compare(need.gpu, room.gpu_bytes, "each GPU's memory", name))
    if remedies:
        parts.append(str(remedies[0]["message"]))
    elif need.verdict(room) is Verdict.EXCEEDS:
        parts.append("no instance type that could start here has so much")
    said = "; ".join(parts)
    return f"{said} (from {need.runs} like {'run' if need.runs == 1 else 'runs'})" if need.runs else said


def _compare(predicted: Prediction, allowed: int, what: str, name: str) -> str:
    about = f"about {human_bytes(predicted.peak_bytes)}"
    match judge(predicted.peak_bytes, allowed):
        case Verdict.EXCEEDS:
            return f"needs {about} of {what}, and {name} has {human_bytes(allowed)}"
        case Verdict.TIGHT:
            return f"{about} of {human_bytes(allowed)} of {what}: tight"
        case _:
            return f"{about} of {human_bytes(allowed)} of {what}"


def propose_smaller(
    algorithm: Record, names: list[str], parameters: Json, room: Room, need_with: Callable[[Json], Need]
) -> Iterator[Json]:
    """Those of the parameters named that make it fit by themselves: halved as often as needed, or another choice."""
    properties: Json = algorithm.spec["parameters_schema"].get("properties") or {}
    for name in names:
        for value in _lesser(parameters.get(name), properties.get(name) or {}):
            need = need_with({**parameters, name: value})
            if need.verdict(room) is not Verdict.FITS:
                continue
            written = f"{value:g}" if isinstance(value, float) else str(value)
            takes = [human_bytes(one.peak_bytes) for one in (need.memory, need.gpu) if one is not None]
            on_gpus = f", and {takes[1]} on each GPU" if len(takes) > 1 else ""
            yield {
                "title": f"{name} = {written}",
                "message": f"with {name} = {written} it takes about {takes[0]}{on_gpus}",
                "spec": {"parameters": {name: value}},
            }
            break


def _lesser(value: Any, schema: Json) -> Iterator[Any]:
    """What may be tried in its place, the nearest first."""
    choices: list[Any] = [True, False] if isinstance(value, bool) else list(schema.get("enum") or [])
    if choices:
        yield from (choice for choice in choices if choice is not None and choice != value)
    elif isinstance(value, int | float):
        is_whole = schema.get("type") == "integer"
        lowest = schema.get("minimum", 1)
        while (value := value // 2 if is_whole else value / 2) >= lowest and value > 0:
            yield value
