"""What is checked of a training before it is accepted: that its algorithm can run so, on this data, from there."""

from __future__ import annotations

import importlib.util

from orrery.controllers.contract import Draft
from orrery.domain.access import SYSTEM_OWNER
from orrery.domain.algorithms import REQUIREMENTS_FILE, is_notebook
from orrery.domain.columns import check_target, column_names, find_column
from orrery.domain.records import Json, Record
from orrery.domain.trainings import TrainingSpec
from orrery.errors import Invalid


def check_nodes(spec: TrainingSpec, algorithm: Record) -> None:
    """Raises: Invalid where a notebook is to be what only a script can be."""
    if not is_notebook(algorithm.spec["entry_point"]):
        return
    if spec.torchrun:
        raise _refused(
            "spec.torchrun",
            f"algorithm {algorithm.name} is a notebook, which is one process on each node, in its kernel; "
            "torchrun and processes_per_node need a script (.py)",
        )
    if spec.nodes > 1 and algorithm.owner == SYSTEM_OWNER:
        raise _refused(
            "spec.nodes",
            f"algorithm {algorithm.name} trains on one node; several need a script or a notebook of your own",
        )


def has_torch() -> bool:
    """Whether PyTorch is in the Python that runs are processes of: the platform's own. Imports nothing."""
    found = importlib.util.find_spec("torch")
    return found is not None and found.origin is not None


def check_torchrun(spec: TrainingSpec, algorithm: Record, image: Record | None, *, has_torch: bool) -> None:
    """Raises: Invalid where torchrun is asked for and PyTorch is known not to be there.

    Not known is an environment that the run makes by its requirements, which may bring it, and a container image of
    somebody's own. `has_torch`: whether it is in the Python of runs without an image.
    """
    if not spec.torchrun or any(file["path"] == REQUIREMENTS_FILE for file in algorithm.spec["files"]):
        return
    if image is not None and image.spec["address"]:
        if image.owner != SYSTEM_OWNER or image.outputs.get("framework") == "PYTORCH":
            return
        where, other = f"image {image.name} has none", "choose an image with PyTorch"
    elif has_torch:
        return
    else:
        where, other = "the platform's Python has none", "ask an administrator to install it there (EXTRAS=all)"
    raise _refused(
        "spec.torchrun",
        f"torchrun needs PyTorch, and {where}: add a {REQUIREMENTS_FILE} with torch to the code of {algorithm.name}, "
        f"{other}, or train without torchrun",
    )


def check_checkpoint(draft: Draft) -> None:
    """Raises: Invalid where the training that it is to begin from kept no checkpoint."""
    other = draft.references.get("checkpoint_from")
    if other is not None and not other.outputs.get("checkpoint_files"):
        raise _refused(
            "spec.checkpoint_from",
            f"{other.label} kept no checkpoint; choose one that wrote files to EM_CHECKPOINT_DIR",
        )


def check_datasets(draft: Draft, spec: TrainingSpec, algorithm: Record) -> None:
    """Raises: Invalid for a dataset that the algorithm does not know, that it lacks, or that is archived."""
    declared = {dataset["name"]: dataset for dataset in algorithm.spec["datasets"]}
    for name in spec.datasets:
        if declared and name not in declared:
            raise _refused(
                f"spec.datasets.{name}",
                f"algorithm {algorithm.name} knows no dataset {name!r}; it reads {', '.join(declared)}",
            )
        version = draft.references[f"datasets.{name}"]
        if version.phase == "ARCHIVED":
            raise _refused(
                f"spec.datasets.{name}", f"{version.label} is archived; choose another version, or restore it"
            )
    for name, dataset in declared.items():
        if dataset["required"] and name not in spec.datasets:
            raise _refused(f"spec.datasets.{name}", f"algorithm {algorithm.name} needs a dataset {name!r}")


def chosen_target(draft: Draft, parameters: Json, algorithm: Record) -> Json:
    """`{"target": column}` where a built-in algorithm was given none and takes the last column; else nothing.

    So the training tells which column it learned, and a retry learns the same.
    """
    columns = column_names(_content(draft))
    properties: Json = algorithm.spec["parameters_schema"].get("properties", {})
    schema: Json = properties.get("target") or {}
    is_built_in = algorithm.owner == SYSTEM_OWNER and is_notebook(algorithm.spec["entry_point"])
    if not columns or not is_built_in or not schema.get("x-orrery-column") or parameters.get("target"):
        return {}
    return {"target": columns[-1]}


def check_columns(draft: Draft, parameters: Json, algorithm: Record) -> None:
    """Column parameters must name columns of the training data; the target must be learnable. Raises: Invalid."""
    version, content = draft.references.get("datasets.train"), _content(draft)
    if version is None or not content.get("columns"):
        return
    properties: Json = algorithm.spec["parameters_schema"].get("properties", {})
    for name, schema in properties.items():
        value = parameters.get(name)
        if not schema.get("x-orrery-column") or value in (None, ""):
            continue
        path = f"spec.parameters.{name}"
        column = find_column(content, str(value), dataset=version.qualified_name, path=path)
        if name == "target":
            declared: list[str] = algorithm.spec.get("tasks") or []
            task = str(parameters.get("task") or ("classification" if declared == ["classification"] else "auto"))
            known = {**column, "rows": content.get("rows")}
            check_target(known, task=task, dataset=version.qualified_name, path=path)


def _content(draft: Draft) -> Json:
    """What is known of the training data's columns."""
    version = draft.references.get("datasets.train")
    return {} if version is None else version.spec.get("content") or {}


def _refused(path: str, message: str) -> Invalid:
    return Invalid(message, fields=[{"path": path, "message": message}])
