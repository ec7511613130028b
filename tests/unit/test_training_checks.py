"""What a training is refused for before it begins, and what is filled in for it."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from orrery.api.assembly import Assembly, assemble
from orrery.controllers.built_in_algorithms import synchronise_built_ins
from orrery.controllers.contract import NewResource
from orrery.controllers.settings import Settings
from orrery.controllers.training_checks import check_torchrun, has_torch
from orrery.domain.access import User
from orrery.domain.catalogue import KINDS
from orrery.domain.records import Json, Record
from orrery.domain.trainings import TrainingSpec
from orrery.errors import Invalid

ANN = User("ann")
TABLE = b"species,width\na,1\nb,2\na,3\nb,4\n"
COLUMNS = [
    {"name": "species", "kind": "category", "dtype": "text", "missing": 0, "distinct": 2},
    {"name": "width", "kind": "number", "dtype": "int", "missing": 0, "distinct": 4},
]


class Bench:
    def __init__(self, folder: Path) -> None:
        self.assembly: Assembly = assemble(Settings(home=folder / "home"))
        self.store = self.assembly.platform.store
        synchronise_built_ins(self.assembly.platform)

    def create(self, kind: str, name: str, spec: Json) -> Record:
        new = NewResource(name=name, spec=spec)
        return self.assembly.commands.create(ANN, KINDS.named(kind), new, by_platform=True)

    def put(self, path: str, content: bytes) -> Json:
        stored = self.assembly.platform.objects.put(io.BytesIO(content))
        return {"path": path, "oid": stored.oid, "size": stored.size}

    def script(self, name: str, paths: Sequence[str]) -> Record:
        files = [self.put(path, f"# {path} of {name}\n".encode()) for path in paths]
        return self.create("algorithm", name, {"files": files, "entry_point": paths[0]})

    def table(self) -> None:
        files = [self.put("data.csv", TABLE)]
        dataset = self.create("dataset", "iris", {"files": files})
        spec: Json = {"dataset": dataset.id, "type": "tabular", "files": files}
        version = self.create("dataset-version", "iris", spec)
        content = {"columns": COLUMNS, "rows": 4}
        self.store.update(
            version.id, lambda fresh: replace(fresh, phase="PUBLISHED", spec={**fresh.spec, "content": content})
        )


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.assembly.tunings.studies.close()
    made.assembly.algorithms.fetches.close()
    made.store.database.close()


def check(algorithm: Record, image: Record | None = None, *, torch: bool) -> None:
    spec = TrainingSpec.model_validate({"algorithm": algorithm.name, "torchrun": True})
    check_torchrun(spec, algorithm, image, has_torch=torch)


def test_torchrun_is_refused_where_pytorch_is_not_there_and_nothing_brings_it(bench: Bench) -> None:
    plain = bench.script("ddp", ["train.py"])
    with pytest.raises(Invalid, match=r"the platform's Python has none: add a requirements\.txt with torch") as refused:
        check(plain, torch=False)
    assert refused.value.details["fields"] == [{"path": "spec.torchrun", "message": refused.value.message}]
    check(plain, torch=True)
    check(bench.script("own", ["train.py", "requirements.txt"]), torch=False)
    with pytest.raises(Invalid, match="torchrun needs PyTorch"):
        # only the one beside all of the code is installed
        check(bench.script("deep", ["train.py", "docs/requirements.txt"]), torch=False)


def test_torchrun_goes_by_the_image_where_runs_are_containers(bench: Bench) -> None:
    plain = bench.script("ddp", ["train.py"])
    image = replace(plain, kind="image", name="train-tensorflow-cpu", owner="orrery", spec={"address": "r/x:1"})
    with pytest.raises(Invalid, match=r"image train-tensorflow-cpu has none: .* choose an image with PyTorch"):
        check(plain, replace(image, outputs={"framework": "TENSORFLOW"}), torch=True)
    check(plain, replace(image, outputs={"framework": "PYTORCH"}), torch=False)
    # what somebody has put into an image of their own is not known
    check(plain, replace(image, owner="ann", outputs={"framework": "TENSORFLOW"}), torch=False)


@pytest.mark.skipif(has_torch(), reason="torch is installed")
def test_a_training_and_a_tuning_by_torchrun_are_refused_when_they_are_made(bench: Bench) -> None:
    bench.script("ddp", ["train.py"])
    with pytest.raises(Invalid, match="torchrun needs PyTorch"):
        bench.create("training", "one", {"algorithm": "ddp", "torchrun": True})
    search: Json = {"space": {"x": {"low": 0, "high": 1}}, "objectives": ["minimize:loss"]}
    with pytest.raises(Invalid, match="torchrun needs PyTorch"):
        bench.create("tuning", "many", {"algorithm": "ddp", "torchrun": True, **search})
    assert bench.create("training", "two", {"algorithm": "ddp"}).spec["torchrun"] is False


def test_a_training_tells_which_column_it_learns_where_none_was_named(bench: Bench) -> None:
    bench.table()
    spec: Json = {"algorithm": "xgboost", "datasets": {"train": "iris"}}
    assert bench.create("training", "left-open", spec).spec["parameters"] == {"target": "width"}
    named = bench.create("training", "named", {**spec, "parameters": {"target": "species"}})
    assert named.spec["parameters"] == {"target": "species"}


def test_secrets_count_among_what_a_program_can_be_given(bench: Bench) -> None:
    bench.script("plain", ["train.py"])
    for number in range(10):
        bench.create("secret", f"key-{number}", {"value": "x" * 65_000})
    spec: Json = {
        "algorithm": "plain",
        "environment": {f"TEXT_{number}": "y" * 65_000 for number in range(10)},
        "secrets": {f"KEY_{number}": f"key-{number}" for number in range(5)},
    }
    assert bench.create("training", "fits", spec).spec["secrets"] == spec["secrets"]
    much = {**spec, "secrets": {f"KEY_{number}": f"key-{number}" for number in range(10)}}
    with pytest.raises(Invalid, match="all variables, secrets and hyperparameters together take 1,3") as refused:
        bench.create("training", "much", much)
    fields = refused.value.details["fields"]
    assert fields == [{"path": "spec.secrets", "message": refused.value.message}]
    assert "x" * 10 not in refused.value.message
    # one that was set before sizes were noted is measured
    old = bench.store.find_named("secret", ["ann"], "key-0")
    assert old is not None
    bench.store.update(old.id, lambda fresh: replace(fresh, internal={"sealed": fresh.internal["sealed"]}))
    with pytest.raises(Invalid, match="together take 1,3"):
        bench.create("training", "much", much)
