"""Templates: what they say is checked as far as it goes; nothing is computed for them."""

from __future__ import annotations

from orrery.controllers.contract import Controller, Draft, NewResource, Outcome
from orrery.controllers.training_images import check_run_image, offer_image
from orrery.controllers.training_storage import check_storages
from orrery.domain.algorithms import check_is_ready
from orrery.domain.records import Json, Record
from orrery.domain.templates import TEMPLATE, TemplateSpec
from orrery.domain.trainings import SaveTemplateBody
from orrery.errors import Invalid
from orrery.jobs.parameters import validate


class TemplateController(Controller):
    kind = TEMPLATE

    def offer(self, schema: Json) -> Json:
        return offer_image(self.platform, schema)

    def admit(self, draft: Draft) -> Json:
        spec = draft.spec
        assert isinstance(spec, TemplateSpec)
        self.platform.settings.instance_type(spec.instance_type)
        check_run_image(self.platform, draft, spec.instance_type)
        check_storages(self.platform, draft)
        algorithm = draft.references["algorithm"]
        check_is_ready(algorithm)
        declared = [dataset["name"] for dataset in algorithm.spec["datasets"]]
        for name in spec.datasets:
            if declared and name not in declared:
                message = f"algorithm {algorithm.name} knows no dataset {name!r}; it reads {', '.join(declared)}"
                raise Invalid(message, fields=[{"path": f"spec.datasets.{name}", "message": message}])
        stored = spec.model_dump(mode="json")
        # what a training must be given may be left open here
        schema: Json = {**algorithm.spec["parameters_schema"], "required": []}
        stored["parameters"] = validate(schema, spec.parameters, path="spec.parameters")
        return stored

    def reconcile(self, record: Record) -> Outcome:
        match record.phase:
            case "CREATE_REQUESTED":
                return Outcome(event="accepted")
            case "CREATE_IN_PROGRESS" | "UPDATE_IN_PROGRESS":
                names = ", ".join(record.spec.get("parameters") or {})
                return Outcome(event="created", outputs={"hyperparameters": names})
            case _:
                return Outcome()


def template_of(training: Record, body: SaveTemplateBody) -> NewResource:
    """The template that a training's settings make."""
    taken = TemplateSpec.model_fields.keys() - TemplateSpec.made_by_platform
    spec = {name: value for name, value in training.spec.items() if name in taken}
    return NewResource(name=body.name, description=body.description, spec=spec, tags=training.tags)
