"""Training workflows: train again when a dataset has a new version, and keep the best model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from orrery.client.builtin import Dataset, Endpoint, Model, Training, Visibility
from orrery.client.collection import Collection
from orrery.client.resources import Json, Resource
from orrery.client.templates import Template
from orrery.errors import Invalid


class Workflow(Resource):
    """Trains with a template whenever its dataset has a new version."""

    @property
    def best(self) -> Json | None:
        """The best run so far: `{"training", "model", "name", "value", "dataset_version"}`; None: there is none yet."""
        return self.status.outputs.get("best")

    @property
    def best_model(self) -> Model:
        """The model of the best run. Raises: Invalid while there is none."""
        if self.best is None:
            raise Invalid(f"workflow {self.qualified_name} has no best model yet: {self.status.message}")
        return self.client.models.get(self.best["model"])

    @property
    def last_run(self) -> Json | None:
        """The last run: `{"number", "training", "dataset_version", "phase", "value", "verdict", "ended_at", ...}`.

        `phase`: RUNNING, COMPLETE, FAILED, STOPPED or DELETED; `value` is None where the metric was not told.
        """
        return self.status.outputs.get("last_run")

    def run(self) -> Workflow:
        """Train with the newest version now, whether or not it was trained with before.

        Raises: Invalid where no version is published, WrongPhase while a training of it runs.
        """
        self.act("run")
        return self

    def runs(self) -> list[Training]:
        """Its trainings that were not deleted, the newest first."""
        found = [self.client.trainings.get(item["id"]) for item in self.dependents() if item["kind"] == "training"]
        return sorted(found, key=lambda training: training.spec["workflow"]["number"], reverse=True)

    def disable(self) -> Workflow:
        """New versions begin no training from now on; one that runs goes on."""
        self.act("disable")
        return self

    def enable(self) -> Workflow:
        """Follow the dataset again; a version that was published meanwhile is trained with at once."""
        self.act("enable")
        return self


class Workflows(Collection[Workflow]):
    """`client.workflows`"""

    def create(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        name: str,
        *,
        template: str | Template,
        dataset: str | Dataset,
        metric: str,
        direction: Literal["maximize", "minimize"] = "maximize",
        role: str | None = None,
        minimum_gain: float | None = None,
        endpoint: str | Endpoint | None = None,
        train_at_once: bool = True,
        description: str = "",
        tags: Sequence[str] = (),
        visibility: Visibility | None = None,
        group: str | None = None,
        owner: str | None = None,
    ) -> Workflow:
        """Train with `template` for each new version of `dataset`, and keep the model whose `metric` is best.

        `minimum_gain`: by how much it must be better. `endpoint`: it gets each model that is the best so far.
        `train_at_once`: begin with the version published now, else wait for the next.
        Raises: NameTaken; Invalid, naming the field.
        """
        return super().create(
            name,
            template=template,
            dataset=dataset,
            metric=metric,
            direction=direction,
            role=role,
            minimum_gain=minimum_gain,
            endpoint=endpoint,
            train_at_once=train_at_once,
            description=description,
            tags=tags,
            visibility=visibility,
            group=group,
            owner=owner,
        )
