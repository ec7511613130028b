"""Models: the package is checked before it becomes ACTIVE; what its manifest says is what lists and forms show."""

from __future__ import annotations

import json

from orrery.controllers.contract import Controller, Draft, Outcome
from orrery.domain.models import MANIFEST, MODEL, ModelSpec
from orrery.domain.records import Json, Record
from orrery.errors import Invalid
from orrery.serving.package import BadPackage, parse_metadata

MAX_MANIFEST_BYTES = 16 << 20


class ModelController(Controller):
    kind = MODEL

    def admit(self, draft: Draft) -> Json:
        spec = draft.spec
        assert isinstance(spec, ModelSpec)
        if not any(file.path == MANIFEST for file in spec.files):
            message = f"a model package has a file {MANIFEST!r} that describes it; add it"
            raise Invalid(message, fields=[{"path": "spec.files", "message": message}])
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
        manifest = files[MANIFEST]
        if manifest["size"] > MAX_MANIFEST_BYTES:
            return Outcome(
                event="failed",
                reason="invalid",
                message=f"{MANIFEST} has {manifest['size']} bytes; a manifest is small",
            )
        with self.platform.objects.open(manifest["oid"]) as stream:
            content = stream.read()
        try:
            document: Json = json.loads(content)
            parse_metadata(document)
        except (ValueError, BadPackage) as error:
            return Outcome(event="failed", reason="invalid", message=f"{MANIFEST} is not valid: {error}")
        named: dict[str, str] = document.get("files") or {}
        missing = [name for name in named.values() if name not in files]
        if missing:
            message = f"{MANIFEST} names {missing[0]!r}, which is not among the model's files; upload it too"
            return Outcome(event="failed", reason="invalid", message=message)
        outputs = {
            key: document.get(key)
            for key in (
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
        }
        outputs.update(self._origin(record))
        outputs["metrics"] = record.spec["metrics"] or document.get("metrics") or {}
        outputs["bytes"] = sum(file["size"] for file in files.values())
        self.platform.outbox.put("model", record.id)
        return Outcome(event="checked", outputs=outputs)

    def _origin(self, record: Record) -> Json:
        """Where it came from: the training's algorithm, or an import."""
        store = self.platform.store
        training = store.find(record.spec["training"]) if record.spec.get("training") else None
        algorithm = store.find(training.spec["algorithm"]) if training is not None else None
        return {
            "source": "training" if training is not None else "import",
            "algorithm": algorithm.name if algorithm is not None else None,
        }
