"""The job of a training: its program, the files put beside it, and the `EM_*` contract in its environment."""

from __future__ import annotations

import json
from typing import Any, Final

from orrery.controllers import jobs
from orrery.controllers.contract import Platform
from orrery.controllers.inputs import dataset_files
from orrery.controllers.run_tokens import TOKEN_VARIABLES, token_secrets
from orrery.controllers.training_images import container_image
from orrery.domain.access import SYSTEM_OWNER
from orrery.domain.algorithms import is_notebook
from orrery.domain.records import Json, Record
from orrery.domain.trainings import TrainingSpec, count_ranks
from orrery.executors.contract import InputFile, JobSpec, NotebookProgram, Priority, Program, PythonProgram
from orrery.executors.sampling import RANKS
from orrery.jobs.log_progress import LAST_STEPS
from orrery.jobs.script_parameters import FLAG
from orrery.jobs.state import LIMIT_BYTES_VARIABLE, LIMIT_SECONDS_VARIABLE

#: filled in by the executor, which alone knows the folder
WORK: Final = "$(ORRERY_WORK_DIR)"
OUTPUT_NOTEBOOK: Final = "output.ipynb"
#: inside the work folder
SOURCE, CHECKPOINTS, CHECKPOINT_INPUT, MODEL, OUTPUT = "source", "checkpoints", "checkpoint_input", "model", "output"


def pin_source(algorithm: Record) -> Json:
    """What is run, as it is now: a retry runs the same even if the algorithm has been changed since."""
    spec = algorithm.spec
    properties: Json = spec["parameters_schema"].get("properties") or {}
    return {
        "algorithm": algorithm.name,
        "files": spec["files"],
        "entry_point": spec["entry_point"],
        # built-in notebooks work in the job's folder itself
        "folder": "" if algorithm.owner == SYSTEM_OWNER and is_notebook(spec["entry_point"]) else SOURCE,
        "metrics": [{"name": m["name"], "pattern": m["pattern"]} for m in spec["metrics"] if m.get("pattern")],
        "flags": {name: p[FLAG] for name, p in properties.items() if p.get(FLAG)},
    }


def make_job(platform: Platform, record: Record, job_id: str) -> JobSpec:
    """The job of the record's present attempt; its source must have been pinned."""
    spec = TrainingSpec.model_validate(record.spec)
    source: Json = record.internal["source"]
    folder = f"{source['folder']}/" if source["folder"] else ""
    files = [InputFile(f"{folder}{file['path']}", file["oid"]) for file in source["files"]]
    for name, reference in spec.datasets.items():
        files.extend(dataset_files(platform.objects, name, platform.store.get(reference, trashed=True)))
    checkpoint: list[Json] = record.internal.get("checkpoint") or []
    files.extend(InputFile(f"{CHECKPOINT_INPUT}/{file['path']}", file["oid"]) for file in checkpoint)
    state: Json = record.internal.get("state_begun_from") or {"files": []}
    files.extend(InputFile(file["path"], file["oid"]) for file in state["files"])
    return JobSpec(
        id=job_id,
        owner=record.owner,
        title=record.name,
        program=_program(spec, source, folder),
        resources=platform.settings.instance_type(spec.instance_type).resources,
        nodes=spec.nodes,
        priority=Priority[spec.priority],
        time_limit_seconds=spec.max_seconds,
        storage_bytes=None if spec.data_gib is None else max(1, int(spec.data_gib * (1 << 30))),
        environment=_environment(platform, record, spec, source, has_checkpoint=bool(checkpoint)),
        secrets={
            **{variable: f"{record.owner}/{name}" for variable, name in spec.secrets.items()},
            **token_secrets(job_id),
        },
        files=tuple(files),
        image=container_image(record.internal.get("image")),
    )


def _program(spec: TrainingSpec, source: Json, folder: str) -> Program:
    entry = str(source["entry_point"])
    if is_notebook(entry):
        return NotebookProgram(f"{folder}{entry}", OUTPUT_NOTEBOOK, spec.parameters, folder=source["folder"])
    arguments = {
        "folder": source["folder"],
        "entry_point": entry,
        "parameters": spec.parameters,
        "flags": source["flags"],
        "metrics": source["metrics"],
        "torchrun": spec.torchrun,
        "processes": spec.processes_per_node,
    }
    return PythonProgram("orrery.jobs.script:run", arguments)


def _environment(
    platform: Platform, record: Record, spec: TrainingSpec, source: Json, *, has_checkpoint: bool
) -> dict[str, str]:
    """The `EM_*` contract, our own variables and MLflow's; a user's own cannot replace any of them.

    The token is not among them: it is a secret.
    """
    folders = {name: f"{WORK}/datasets/{name}" for name in spec.datasets}
    url = platform.url()
    return {
        **{name: value for name, value in spec.environment.items() if name not in TOKEN_VARIABLES},
        "ORRERY_URL": url,
        "ORRERY_ENVIRONMENTS": str(platform.settings.home / "environments"),
        "MLFLOW_TRACKING_URI": f"{url}/mlflow",
        "EM_SOURCE_DIR": f"{WORK}/{source['folder']}" if source["folder"] else WORK,
        "EM_ENTRY_POINT": source["entry_point"],
        "EM_DATASETS": json.dumps(folders),
        **{f"EM_DATASET_{name.upper()}": path for name, path in folders.items()},
        "EM_MODEL_DIR": f"{WORK}/{MODEL}",
        "EM_OUTPUT_DIR": f"{WORK}/{OUTPUT}",
        "EM_CHECKPOINT_INPUT_DIR": f"{WORK}/{CHECKPOINT_INPUT}" if has_checkpoint else "",
        "EM_CHECKPOINT_DIR": f"{WORK}/{CHECKPOINTS}",
        "EM_TENSORBOARD_LOG_DIR": f"{WORK}/tensorboard",
        "EM_CONFIG": f"{WORK}/config.json",
        "EM_HPS": json.dumps(spec.parameters),
        **{f"EM_HP_{variable_name(key)}": _as_text(value) for key, value in spec.parameters.items()},
        "EM_REGION": platform.settings.region,
        "EM_APPKEY": record.owner,
        **_last_steps(platform, record),
        **(_state_limits(platform, source) if spec.nodes == 1 else {}),
        RANKS: str(count_ranks(record.spec)),
        "ORRERY_TRAINING": record.name,
        "ORRERY_ALGORITHM": str(source["algorithm"]),
    }


def _last_steps(platform: Platform, record: Record) -> dict[str, str]:
    """Where a resumed run's metrics go on that tell no step of their own."""
    if not record.internal.get("goes_on_from"):
        return {}
    history = jobs.metric_history(platform.metrics, record)
    steps = {key: [point.step for point in points if point.step is not None] for key, points in history.items()}
    return {LAST_STEPS: json.dumps({key: max(known) for key, known in steps.items() if known})}


def _state_limits(platform: Platform, source: Json) -> dict[str, str]:
    """A notebook of a user's own, on one node, can go on in the middle; the built-in ones are short."""
    if not source["folder"] or not is_notebook(str(source["entry_point"])):
        return {}
    settings = platform.settings
    return {
        LIMIT_BYTES_VARIABLE: str(settings.notebook_state_bytes),
        LIMIT_SECONDS_VARIABLE: str(settings.notebook_state_seconds),
    }


def variable_name(key: str) -> str:
    """`learning-rate` -> `LEARNING_RATE`: what a shell can name."""
    return "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in key).upper()


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
