"""Trainings and models of the platform as MLflow runs and registered models.

Every write may come twice: a run is found again by its tag `orrery.id`, metrics and parameters that are there already
stay as they are, a model version is made only if none has the tag. Artifacts are named, not copied.
"""

from __future__ import annotations

import math
import posixpath
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from anyio import to_thread

from orrery.store.objects import ObjectStore
from orrery.tracking.artifacts import ArtifactTree
from orrery.tracking.calls import TrackingError, WorkspaceCalls
from orrery.tracking.records import ArtifactFile, Metric, ModelRecord, RunStatus, TrainingRecord
from orrery.tracking.server import TrackingServer
from orrery.tracking.workspaces import make_workspace

ID_TAG: Final = "orrery.id"
#: where a run without an experiment of its own goes
MODELS_EXPERIMENT: Final = "Models"
#: MLflow's limits
_METRICS_A_CALL: Final = 1000
_PARAMS_A_CALL: Final = 100
_PARAM_LENGTH: Final = 6000
_TAG_LENGTH: Final = 8000
_KEY_LENGTH: Final = 250


class Mirror:
    def __init__(self, server: TrackingServer, artifacts: ArtifactTree, objects: ObjectStore) -> None:
        self._server = server
        self._artifacts = artifacts
        self._objects = objects

    async def training(self, record: TrainingRecord) -> str:
        """Make or update the training's run; its id in MLflow. Raises: `TrackingError`, `Unavailable`, `NotFound`."""
        async with self._server.use(keeps_awake=False) as client:
            calls = WorkspaceCalls(client, make_workspace(record.owner))
            await calls.ensure_workspace()
            experiment_id = await calls.ensure_experiment(record.experiment)
            run = await self._ensure_run(calls, record.id, record.name, record.owner, experiment_id, record.started_at)
            run_id = str(run["run_id"])
            await _log(calls, run_id, record)
            await to_thread.run_sync(self._name_files, str(run["artifact_uri"]), calls.workspace, record.artifacts)
            await _finish(calls, run_id, record.name, record.status, record.ended_at)
            return run_id

    async def model(self, record: ModelRecord) -> str:
        """Register the version; its number in MLflow. Raises: `TrackingError`, `Unavailable`, `NotFound`."""
        async with self._server.use(keeps_awake=False) as client:
            calls = WorkspaceCalls(client, make_workspace(record.owner))
            await calls.ensure_workspace()
            await self._ensure_model(calls, record.name)
            known = await calls.get("model-versions/search", filter=f"name = {_quote(record.name)}", max_results=10_000)
            for version in known.get("model_versions", []):
                if _tags(version.get("tags", [])).get(ID_TAG) == record.id:
                    return str(version["version"])
            run = await self._run_of_model(calls, record)
            folder = f"models/{record.id}"
            files = [ArtifactFile(posixpath.join(folder, file.path), file.oid) for file in record.files]
            await to_thread.run_sync(self._name_files, str(run["artifact_uri"]), calls.workspace, files)
            made = await calls.post(
                "model-versions/create",
                name=record.name,
                source=f"{run['artifact_uri']}/{folder}",
                run_id=run["run_id"],
                description=record.description,
                tags=_make_tags({**record.tags, ID_TAG: record.id, "orrery.version": str(record.version)}),
            )
            return str(made["model_version"]["version"])

    async def _ensure_run(
        self, calls: WorkspaceCalls, record_id: str, name: str, owner: str, experiment_id: str, started_at: datetime
    ) -> dict[str, Any]:
        found = await self._find_run(calls, record_id)
        if found is not None:
            if found["lifecycle_stage"] == "deleted":
                await calls.post("runs/restore", run_id=found["run_id"])
            return found
        made = await calls.post(
            "runs/create",
            experiment_id=experiment_id,
            run_name=name,
            start_time=_milliseconds(started_at),
            tags=_make_tags({ID_TAG: record_id, "mlflow.user": owner, "mlflow.source.name": "orrery"}),
        )
        return made["run"]["info"]

    async def _find_run(self, calls: WorkspaceCalls, record_id: str) -> dict[str, Any] | None:
        """In whichever experiment it is by now."""
        experiments: list[str] = []
        page: dict[str, Any] = {"max_results": 1000, "view_type": "ALL"}
        while True:
            listed = await calls.post("experiments/search", **page)
            experiments += [str(experiment["experiment_id"]) for experiment in listed.get("experiments", [])]
            if not (token := listed.get("next_page_token")):
                break
            page["page_token"] = token
        if not experiments:
            return None
        found = await calls.post(
            "runs/search",
            experiment_ids=experiments,
            filter=f"tags.`{ID_TAG}` = {_quote(record_id)}",
            run_view_type="ALL",
            max_results=1,
        )
        runs: list[dict[str, Any]] = found.get("runs", [])
        return runs[0]["info"] if runs else None

    async def _run_of_model(self, calls: WorkspaceCalls, record: ModelRecord) -> dict[str, Any]:
        run = await self._find_run(calls, record.training_id) if record.training_id is not None else None
        if run is not None:
            return run
        experiment_id = await calls.ensure_experiment(MODELS_EXPERIMENT)
        name = f"{record.name} v{record.version}"
        run = await self._ensure_run(calls, record.id, name, record.owner, experiment_id, record.created_at)
        await _finish(calls, str(run["run_id"]), name, RunStatus.FINISHED, record.created_at)
        return run

    async def _ensure_model(self, calls: WorkspaceCalls, name: str) -> None:
        try:
            await calls.post("registered-models/create", name=name)
        except TrackingError as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def _name_files(self, artifact_uri: str, workspace: str, files: Sequence[ArtifactFile]) -> None:
        """Put the objects under the run's artifacts, as MLflow's server would."""
        root = urlsplit(artifact_uri).path.lstrip("/")
        if not root.startswith("workspaces/"):
            root = f"workspaces/{workspace}/{root}"
        for file in files:
            self._artifacts.put(posixpath.join(root, file.path.lstrip("/")), self._objects.claim(file.oid))


async def _log(calls: WorkspaceCalls, run_id: str, record: TrainingRecord) -> None:
    params = [{"key": key[:_KEY_LENGTH], "value": str(value)[:_PARAM_LENGTH]} for key, value in record.params.items()]
    for begin in range(0, len(params), _PARAMS_A_CALL):
        await calls.post("runs/log-batch", run_id=run_id, params=params[begin : begin + _PARAMS_A_CALL])
    metrics = [_make_metric(metric) for metric in record.metrics]
    for begin in range(0, len(metrics), _METRICS_A_CALL):
        await calls.post("runs/log-batch", run_id=run_id, metrics=metrics[begin : begin + _METRICS_A_CALL])
    tags = _make_tags(record.tags)
    for begin in range(0, len(tags), _PARAMS_A_CALL):
        await calls.post("runs/log-batch", run_id=run_id, tags=tags[begin : begin + _PARAMS_A_CALL])


async def _finish(calls: WorkspaceCalls, run_id: str, name: str, status: RunStatus, ended_at: datetime | None) -> None:
    end = {} if ended_at is None else {"end_time": _milliseconds(ended_at)}
    await calls.post("runs/update", run_id=run_id, run_name=name, status=status.value, **end)


def _make_metric(metric: Metric) -> dict[str, Any]:
    return {
        "key": metric.key[:_KEY_LENGTH],
        "value": metric.value if math.isfinite(metric.value) else _spell(metric.value),
        "timestamp": _milliseconds(metric.at),
        "step": metric.step,
    }


def _spell(value: float) -> str:
    """As protobuf's JSON writes what JSON has no number for."""
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _make_tags(tags: Any) -> list[dict[str, str]]:
    return [{"key": str(key)[:_KEY_LENGTH], "value": str(value)[:_TAG_LENGTH]} for key, value in tags.items()]


def _tags(listed: Sequence[dict[str, str]]) -> dict[str, str]:
    return {tag["key"]: tag.get("value", "") for tag in listed}


def _quote(text: str) -> str:
    """As a string of MLflow's filter language, which knows no escapes."""
    return f'"{text}"' if "'" in text else f"'{text}'"


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)
