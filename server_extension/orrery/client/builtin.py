"""The kinds that this version of the client knows by name: their fields typed, their results at hand."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal, Self

from orrery.client.apps import open_app
from orrery.client.collection import Collection
from orrery.client.failures import RunFailed
from orrery.client.memory_fit import MemoryEstimate, estimate_memory
from orrery.client.resources import Json, Resource, read_number
from orrery.client.times import parse_duration, parse_moment
from orrery.client.uploads import Sources, plan, upload_files
from orrery.errors import Invalid

Purpose = Literal["training", "validation", "testing"]
Priority = Literal["HIGH", "NORMAL", "LOW"]
Visibility = Literal["private", "group", "public"]


class Dataset(Resource):
    """A working copy of files; trainings use a published version of it."""

    def publish(self, description: str = "") -> DatasetVersion:
        """Publish the files as they are now, as the next version. Raises: WrongPhase before they have been read."""
        made = self.act("publish", description=description)
        if isinstance(made, DatasetVersion):
            return made
        return self.client.dataset_versions.get(self.qualified_name)

    def has_settled(self) -> bool:
        """Asked to be published, it is not done before its version is there."""
        is_publishing = self.spec.get("publish") and self.status.state != "Failed" and not self.is_deleted
        return super().has_settled() and not (is_publishing and self.latest_version is None)

    @property
    def latest_version(self) -> int | None:
        return self.status.outputs.get("latest_version")

    @property
    def rows(self) -> int | None:
        return self.status.outputs.get("rows")

    @property
    def columns(self) -> list[str]:
        return self.status.outputs.get("columns") or []

    def profile(self) -> Json:
        """What its rows hold: statistics by column, correlations, findings about quality, a random sample.

        Raises: NotFound with the remedy where it was read before there were profiles.
        """
        return self.client.transport.json("GET", f"{self.path}/profile")


class DatasetVersion(Resource):
    """An immutable snapshot of a dataset."""

    def profile(self) -> Json:
        """As `Dataset.profile`, of this version."""
        return self.client.transport.json("GET", f"{self.path}/profile")


class Experiment(Resource):
    """A folder of trainings."""

    def tensorboard(self, *, timeout: float = 120.0) -> str:
        """Wake the TensorBoard over all its trainings; the address at which it opens for you, once, within a minute."""
        return open_app(self, timeout=timeout)


class Algorithm(Resource):
    """A notebook or a script that trains, with what it takes."""

    def fetch(self, *, wait: bool = True, progress: bool = True) -> Algorithm:
        """Take its code from its source again. Raises: RunFailed with the reason, Invalid for one that was uploaded.

        What it had stays where that goes wrong.
        """
        self.act("retry" if self.status.phase == "FETCH_FAILED" else "fetch")
        if not wait:
            return self
        self.wait(progress=progress)
        if self.status.reason == "fetch_refused":
            raise RunFailed(
                f"algorithm {self.qualified_name}: {self.status.message}", id=self.id, phase=self.status.phase
            )
        return self

    @property
    def parameters_schema(self) -> Json:
        """JSON schema of what `parameters` of a training may hold."""
        return self.status.outputs.get("parameters_schema") or self.spec.get("parameters_schema") or {}


class Training(Resource):
    """One run of an algorithm."""

    @property
    def metrics(self) -> dict[str, float]:
        """What it reached on the held-out rows; empty until it has."""
        reached: Mapping[str, Any] = self.status.outputs.get("metrics") or {}
        return {name: read_number(value) for name, value in reached.items() if value is not None}

    @property
    def model(self) -> Model:
        """The model that it registered. Raises: Invalid when there is none (yet)."""
        model_id: str | None = self.status.outputs.get("model")
        if model_id is None:
            raise Invalid(
                f"training {self.qualified_name} is {self.status.phase} and has no model; wait for it, "
                "and create it with register_model left on"
            )
        return self.client.models.get(model_id)

    def resume(self, notebook: str | os.PathLike[str] | None = None, *, start_over: bool = False) -> Self:
        """Run on from its checkpoints; of a notebook, from the first cell that is not done, with the variables it had.

            client.trainings.get("report").resume("report.ipynb").wait()

        `notebook`: the notebook with changes in the cells that are not done; `start_over` begins at its first cell.
        Raises: Invalid when nothing was kept, or a cell that is done was changed; WrongPhase.
        """
        from orrery.client.notebook_runs import upload_changed

        self.stop_asked = False
        changed = upload_changed(self.client, notebook) if notebook is not None else None
        self.act("resume", **({"notebook": changed, "start_over": start_over} if changed or start_over else {}))
        return self

    def start_on_cpu(self) -> Training:
        """While it waits for a GPU: start a copy at once on the smallest instance type without; it keeps its place.

        Answers the copy, the same when it is asked again. Raises: Invalid, WrongPhase, both with the reason.
        """
        made = self.act("start-on-cpu")
        assert isinstance(made, Training)
        return made

    @property
    def next_cell(self) -> tuple[int, int] | None:
        """Of a notebook that was cut off: the cell that a resume goes on with, and how many there are."""
        state: Mapping[str, Any] = self.status.outputs.get("kernel_state") or {}
        return (state["cell"], state["cells"]) if state else None

    def tensorboard(self, *, timeout: float = 120.0) -> str:
        """Wake its TensorBoard, live while it runs; the address at which it opens for you, once, within a minute."""
        return open_app(self, timeout=timeout)

    def __repr__(self) -> str:
        metrics = "".join(f" {name}={value:.4g}" for name, value in list(self.metrics.items())[:3])
        return f"<Training {self.qualified_name} {self.status.phase}{metrics}>"


class Model(Resource):
    """A registered model version."""

    @property
    def metrics(self) -> dict[str, float]:
        reached: Mapping[str, Any] = self.spec.get("metrics") or {}
        return {name: read_number(value) for name, value in reached.items() if value is not None}


class Endpoint(Resource):
    """Models that answer requests."""

    @property
    def url(self) -> str:
        """Where it answers: `{url}/v1/models/{name}:predict`, `{url}/v2/models/{name}/infer`."""
        from orrery.client.transport import segment

        return f"{self.client.url}/endpoints/{segment(self.owner)}/{segment(self.name)}"

    def predict(self, instances: Any, *, parameters: Mapping[str, Any] | None = None) -> list[Any]:
        """Predictions for rows: a DataFrame, dicts by column, or lists of values."""
        from orrery.client.predictions import predict

        return predict(self, instances, parameters)

    def ask(self, instances: Any, *, parameters: Mapping[str, Any] | None = None) -> Json:
        """The whole answer: `predictions`, and with `parameters={"probabilities": True}` those of each class."""
        from orrery.client.predictions import predict_document

        return predict_document(self, instances, parameters)


class Datasets(Collection[Dataset]):
    def create(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        name: str,
        files: Sources,
        *,
        type: Literal["tabular", "text", "image", "audio", "video"] = "tabular",
        publish: bool = False,
        purposes: Mapping[str, Purpose] | None = None,
        format: str | None = None,
        description: str = "",
        tags: Sequence[str] = (),
        visibility: Visibility | None = None,
        group: str | None = None,
        progress: bool = True,
        wait: bool = True,
    ) -> Dataset:
        """Upload files and make a dataset of them.

        `files`: paths, a folder, or a mapping of names to paths, bytes or DataFrames. `purposes` says of files by
        name what their rows are for. With `wait` it returns when the files have been read and, with `publish`, version
        1 is there.
        Raises: Invalid for a missing file; RunFailed when the files cannot be read, with the reason.
        """
        planned = plan(files)
        unknown = sorted(set(purposes or {}) - {entry.path for entry in planned})
        if unknown:
            known = ", ".join(entry.path for entry in planned)
            raise Invalid(f"a purpose is given for {unknown[0]!r}, which is not among the files ({known})")
        uploaded = upload_files(self.client.transport, planned, progress=progress)
        for entry in uploaded:
            if purposes and entry["path"] in purposes:
                entry["purpose"] = purposes[entry["path"]]
        dataset = super().create(
            name,
            type=type,
            files=uploaded,
            publish=publish,
            format=format,
            description=description,
            tags=tags,
            visibility=visibility,
            group=group,
        )
        return dataset.wait(progress=progress) if wait else dataset

    def profile(self, reference: str) -> Json:
        """The profile of a dataset as it is now; `name@version` gives that of a published version.

        Raises: NotFound.
        """
        if "@" in reference:
            return self.client.dataset_versions.get(reference).profile()
        return self.get(reference).profile()


def moment(given: datetime | timedelta | str | None) -> str | None:
    """As the platform takes it: a text as on the command line (`22:00`, `2h`); one without a time zone is local.

    Raises: Invalid.
    """
    match given:
        case None:
            return None
        case str():
            found = parse_moment(given)
        case timedelta():
            found = datetime.now().astimezone() + given
        case _:
            found = given if given.tzinfo is not None else given.astimezone()
    return found.isoformat()


def seconds_of(given: int | str | timedelta | None) -> int | None:
    """`2h`, `90s` and a timedelta as seconds. Raises: Invalid."""
    if isinstance(given, timedelta):
        return int(given.total_seconds())
    return parse_duration(given) if isinstance(given, str) else given


def torchrun_of(given: bool | None, processes_per_node: int | None) -> bool | None:
    """Several processes on a node are started by torchrun; None leaves it to the platform's default."""
    return True if given is None and (processes_per_node or 1) > 1 else given


class Trainings(Collection[Training]):
    def create(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        name: str,
        *,
        algorithm: str | Algorithm,
        dataset: str | Dataset | DatasetVersion | None = None,
        target: str | None = None,
        validation: str | Dataset | DatasetVersion | None = None,
        test: str | Dataset | DatasetVersion | None = None,
        datasets: Mapping[str, str | Dataset | DatasetVersion] | None = None,
        parameters: Mapping[str, Any] | None = None,
        experiment: str | Experiment | None = None,
        instance_type: str | None = None,
        image: str | Resource | None = None,
        priority: Priority | None = None,
        max_seconds: int | str | timedelta | None = None,
        start_after: datetime | timedelta | str | None = None,
        model_name: str | None = None,
        register_model: bool | None = None,
        checkpoint_from: str | Training | None = None,
        input_checkpoint: str | None = None,
        output: str | None = None,
        output_checkpoint: str | None = None,
        data_gib: float | None = None,
        environment: Mapping[str, str] | None = None,
        nodes: int | None = None,
        processes_per_node: int | None = None,
        torchrun: bool | None = None,
        secrets: Mapping[str, str] | None = None,
        description: str = "",
        tags: Sequence[str] = (),
        visibility: Visibility | None = None,
        group: str | None = None,
    ) -> Training:
        """Begin a training. A dataset's name means its latest published version, pinned now.

            client.trainings.create("breast-1", algorithm="xgboost", dataset="breast", target="diagnosis",
                                    parameters={"max_depth": 4}, priority="LOW", max_seconds="2h")

        `nodes` run a script side by side, each holding the instance type; torchrun starts `processes_per_node` on each
        (of more than one, `torchrun` need not be said). `secrets`: environment variables by the names of secrets of
        one's own (`client.secrets.set(name, value)`). `target` is the column to predict, short for
        `parameters={"target": ...}`; `datasets` gives further ones by the names that the algorithm knows them by.
        `max_seconds` (7200, or "2h") ends it when it is exceeded. `start_after` is a moment before which it waits
        (without a time zone, in the local one; "22:00" is the next time that it is so), or how long it waits ("2h").
        `input_checkpoint`, `output` and
        `output_checkpoint` are folders in storages that an administrator has set up (`obs://bucket/folder`); `data_gib`
        is the most that each node's files may take, GiB.
        """
        named = {"train": dataset, "validation": validation, "test": test, **(datasets or {})}
        return super().create(
            name,
            algorithm=algorithm,
            **data_and_parameters(named, target, parameters),
            experiment=experiment,
            instance_type=instance_type,
            image=image,
            priority=priority,
            max_seconds=seconds_of(max_seconds),
            start_after=moment(start_after),
            model_name=model_name,
            register_model=register_model,
            checkpoint_from=checkpoint_from,
            input_checkpoint=input_checkpoint,
            output=output,
            output_checkpoint=output_checkpoint,
            data_gib=data_gib,
            environment=environment,
            nodes=nodes,
            processes_per_node=processes_per_node,
            torchrun=torchrun_of(torchrun, processes_per_node),
            secrets=secrets,
            description=description,
            tags=tags,
            visibility=visibility,
            group=group,
        )

    def estimate(
        self,
        algorithm: str | Algorithm,
        *,
        dataset: str | Dataset | DatasetVersion | None = None,
        target: str | None = None,
        validation: str | Dataset | DatasetVersion | None = None,
        test: str | Dataset | DatasetVersion | None = None,
        datasets: Mapping[str, str | Dataset | DatasetVersion] | None = None,
        parameters: Mapping[str, Any] | None = None,
        instance_type: str | None = None,
        nodes: int | None = None,
    ) -> MemoryEstimate:
        """Whether such a training would fit into memory, from its algorithm, its data and what like runs took.

            print(client.trainings.estimate("xgboost", dataset="breast", target="diagnosis"))

        Raises: NotFound, Invalid.
        """
        named = {"train": dataset, "validation": validation, "test": test, **(datasets or {})}
        spec = {
            "algorithm": algorithm,
            **data_and_parameters(named, target, parameters),
            "instance_type": instance_type,
            "nodes": nodes,
        }
        return estimate_memory(self.client.transport, self.plural, spec)


class Models(Collection[Model]):
    def create(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        name: str,
        files: Sources,
        *,
        description: str = "",
        tags: Sequence[str] = (),
        visibility: Visibility | None = None,
        group: str | None = None,
        progress: bool = True,
    ) -> Model:
        """Register a model package from a folder or files; an existing name gets its next version."""
        uploaded = upload_files(self.client.transport, plan(files), progress=progress)
        return super().create(
            name, files=uploaded, description=description, tags=tags, visibility=visibility, group=group
        )

    def download(self, reference: str, to: str | os.PathLike[str] = ".") -> Path:
        """Save all files of a model as a zip."""
        return self.get(reference).download(to=to)


class Experiments(Collection[Experiment]):
    pass


class DatasetVersions(Collection[DatasetVersion]):
    pass


class Endpoints(Collection[Endpoint]):
    def create(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        name: str,
        *,
        deployments: Sequence[Mapping[str, Any]],
        instance_type: str | None = None,
        description: str = "",
        tags: Sequence[str] = (),
        visibility: Visibility | None = None,
        group: str | None = None,
    ) -> Endpoint:
        """`deployments`: each with `model`, and where wanted `replicas` (1) and `traffic` in percent (100)."""
        return super().create(
            name,
            deployments=list(deployments),
            instance_type=instance_type,
            description=description,
            tags=tags,
            visibility=visibility,
            group=group,
        )


def version_reference(dataset: str | Dataset | DatasetVersion) -> str:
    """A dataset stands for its latest published version, which its name means."""
    if isinstance(dataset, Dataset):
        return dataset.qualified_name
    return dataset.id if isinstance(dataset, DatasetVersion) else dataset


def data_and_parameters(
    named: Mapping[str, str | Dataset | DatasetVersion | None], target: str | None, parameters: Mapping[str, Any] | None
) -> Json:
    """These two fields of a run's spec; `target` is a parameter like the others."""
    return {
        "datasets": {key: version_reference(value) for key, value in named.items() if value is not None},
        "parameters": {**({"target": target} if target is not None else {}), **(parameters or {})},
    }
