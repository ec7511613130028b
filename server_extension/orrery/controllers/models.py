"""Models: the package is checked before it becomes ACTIVE; what its manifest says is what lists and forms show."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import Final

from orrery.controllers.contract import Controller, Draft, Outcome
from orrery.domain.models import MANIFEST, MODEL, ModelSpec
from orrery.domain.records import Json, Record
from orrery.plain_json import make_plain
from orrery.serving.package import BadPackage, parse_metadata

MAX_MANIFEST_BYTES = 16 << 20
#: of a manifest, what lists and forms show
_SHOWN: Final = (
    "framework",
    "framework_version",
    "runtime",
    "task",
    "inputs",
    "outputs",
    "classes",
    "target",
    "example",
)
#: the more telling names first
_FRAMEWORKS: Final = {
    "mlflow": ("MLmodel",),
    "transformers": ("model.safetensors", "adapter_model.safetensors", "pytorch_model.bin"),
    "tensorflow": ("saved_model.pb", ".keras"),
    "onnx": (".onnx",),
    "pytorch": (".pt", ".pth", ".safetensors", ".mar"),
    "xgboost": (".ubj",),
    "sklearn": (".joblib", ".pkl", ".skops"),
}


class ModelController(Controller):
    kind = MODEL

    def admit(self, draft: Draft) -> Json:
        assert isinstance(draft.spec, ModelSpec)
        return super().admit(draft)

    def reconcile(self, record: Record) -> Outcome:
        match record.phase:
            case "CREATE_REQUESTED":
                return Outcome(event="accepted")
            case "CREATE_IN_PROGRESS":
                return self._check(record)
            case _:
                return Outcome()

    def _check(self, record: Record) -> Outcome:
        files: dict[str, Json] = {file["path"]: file for file in record.spec["files"]}
        try:
            document = self._manifest(files[MANIFEST], files) if MANIFEST in files else _guess(files)
        except BadPackage as error:
            return Outcome(event="failed", reason="invalid", message=str(error))
        outputs = {key: document.get(key) for key in _SHOWN}
        outputs.update(self._origin(record))
        outputs["metrics"] = record.spec["metrics"] or document.get("metrics") or {}
        outputs["bytes"] = sum(file["size"] for file in files.values())
        self.platform.outbox.put("model", record.id)
        message = "" if MANIFEST in files else f"kept, but it cannot be served: it has no {MANIFEST}"
        return Outcome(event="checked", outputs=outputs, message=message)

    def _manifest(self, manifest: Json, files: Json) -> Json:
        """Raises: BadPackage naming the field, or the file that it names and that is not there."""
        if manifest["size"] > MAX_MANIFEST_BYTES:
            raise BadPackage(f"{MANIFEST} has {manifest['size']} bytes; a manifest is small")
        with self.platform.objects.open(manifest["oid"]) as stream:
            content = stream.read()
        try:
            # it is a run's own file: what JSON cannot hold is kept as text
            document: Json = make_plain(json.loads(content, parse_constant=str))
            parse_metadata(document)
        except (ValueError, BadPackage) as error:
            raise BadPackage(f"{MANIFEST} is not valid: {error}") from error
        named: dict[str, str] = document.get("files") or {}
        missing = [name for name in named.values() if name not in files]
        if missing:
            raise BadPackage(f"{MANIFEST} names {missing[0]!r}, which is not among the model's files; upload it too")
        return document

    def _origin(self, record: Record) -> Json:
        """Where it came from: the training's algorithm, or an import."""
        store = self.platform.store
        training = store.find(record.spec["training"]) if record.spec.get("training") else None
        algorithm = store.find(training.spec["algorithm"]) if training is not None else None
        return {
            "source": "training" if training is not None else "import",
            "algorithm": algorithm.name if algorithm is not None else None,
        }


def _guess(files: Json) -> Json:
    """What a model without a manifest was likely made with, by its files' names."""
    names = [PurePosixPath(path).name for path in files]
    for framework, endings in _FRAMEWORKS.items():
        if any(name.endswith(endings) for name in names):
            return {"framework": framework}
    return {}
