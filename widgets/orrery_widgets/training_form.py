"""Begin a training from a form that is made from the algorithm's own parameters, and see it to its end.

from orrery_widgets import TrainingForm
TrainingForm("xgboost", dataset="breast", target="diagnosis")
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orrery.client import Algorithm, Client, Dataset, DatasetVersion, Experiment, Template, Training
from orrery.client.collection import Collection
from orrery.client.memory_fit import MemoryEstimate
from orrery_widgets import code
from orrery_widgets.notebook_offer import NotebookOffer
from orrery_widgets.notebooks import Notebook, with_parameters
from orrery_widgets.progress import Progress
from orrery_widgets.run_form import RunForm
from orrery_widgets.run_view import RunView


class TrainingForm(RunForm[Training]):
    """A form; once it is sent, the run below it in the place of the buttons.

    What is given opens the form with it, over what a `template` says; `settings` are further arguments of
    `client.train`: `priority`, `max_seconds`, `start_after`, `image`, `nodes`, `environment`, `secrets` ... `id` shows
    that training instead of a form. With a `key` the run that the form begins is tagged, and the panel made again with
    the same key shows that run.
    """

    _kinds = ("training", "endpoint")
    _kind = "training"

    def __init__(
        self,
        algorithm: str | Algorithm | None = None,
        dataset: str | Dataset | DatasetVersion | None = None,
        target: str | None = None,
        *,
        datasets: Mapping[str, str | Dataset | DatasetVersion] | None = None,
        parameters: Mapping[str, Any] | None = None,
        experiment: str | Experiment | None = None,
        instance_type: str | None = None,
        template: str | Template | None = None,
        name: str = "",
        id: str | None = None,
        key: str | None = None,
        client: Client | None = None,
        **settings: Any,
    ) -> None:
        """Raises: TypeError for a setting that there is not."""
        super().__init__(
            "Train a model",
            "Start training",
            algorithm=algorithm,
            dataset=dataset,
            target=target,
            parameters=parameters,
            experiment=experiment,
            instance_type=instance_type,
            name=name,
            datasets=datasets,
            template=template,
            settings=settings,
            key=key,
            client=client,
        )
        #: the run, below the form that began it
        self.view: RunView | None = None
        tooltip = "Write the notebook that will run, with these values"
        self._offer = NotebookOffer("Open as notebook", self._make_notebook, tooltip=tooltip, run=self.run)
        self._buttons.children = [*self._buttons.children, self._offer.button]
        self.run(lambda: self._begin(id))

    # what a person does

    def write_notebook(self) -> None:
        """Write the notebook that will run beside the current one, and link it."""
        self._offer.write()

    @property
    def training(self) -> Training | None:
        """What it began; None before it is sent."""
        return self._begun

    @property
    def progress(self) -> Progress | None:
        """The run's progress; None before there is a run."""
        return self.view.progress if self.view is not None else None

    def code(self) -> str:
        if self.training is not None:
            lines = [code.call("client.trainings.get", self.training.id, result="training"), "training.wait()"]
            return code.program(*lines)
        return self._call_code("client.train", "training")

    # making it

    @property
    def _collection(self) -> Collection[Training]:
        return self.client.trainings

    def _laid_out(self) -> list[Any]:
        return [*self._data(), *self._place_to_run(), self._sending, self._offer.said]

    def _follow(self) -> None:
        if self.view is None:
            self._show_cost()
        else:
            self.view.follow()

    def _arguments(self) -> dict[str, Any]:
        """The arguments of `client.train`. Raises: Invalid."""
        named = self._common_arguments()
        others: dict[str, Any] = named.pop("datasets") or {}
        known = {name: others.pop(name) for name in ("validation", "test") if name in others}
        first = {name: named.pop(name) for name in ("algorithm", "name", "dataset", "target")}
        return {**first, **known, "datasets": others or None, **named}

    def _create(self, algorithm: str, tags: Sequence[str], named: Mapping[str, Any]) -> Training:
        return self.client.train(algorithm, tags=tags, **named)

    def _estimate(self, named: Mapping[str, Any]) -> MemoryEstimate:
        asked = ("algorithm", "dataset", "target", "datasets", "parameters", "instance_type", "nodes")
        given: dict[str, Any] = {name: named.get(name) for name in asked}
        others = {name: named[name] for name in ("validation", "test") if named.get(name)}
        given["datasets"] = {**others, **(given["datasets"] or {})}
        return self.client.trainings.estimate(**given)

    def _make_view(self, run: Training) -> RunView:
        self.view = RunView(self, run, self.new_run)
        return self.view

    def _new_run(self) -> None:
        self._offer.clear()
        super()._new_run()
        self.view = None

    def _make_notebook(self) -> tuple[Notebook, str] | None:
        if self._algorithm is None:
            return None
        notebook = with_parameters(self._algorithm.notebook(), self._parameters())
        return notebook, self.name_input.value or self._algorithm.name
