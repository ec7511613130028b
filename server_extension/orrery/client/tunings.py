"""Tunings: studies of many trainings, their trials and what they found."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from orrery.client.apps import open_app
from orrery.client.builtin import (
    Algorithm,
    Dataset,
    DatasetVersion,
    Experiment,
    Model,
    Priority,
    Training,
    Visibility,
    data_and_parameters,
    moment,
    seconds_of,
    torchrun_of,
)
from orrery.client.collection import Collection
from orrery.client.downloads import download
from orrery.client.memory_fit import MemoryEstimate, estimate_memory
from orrery.client.references import split_reference
from orrery.client.resources import Json, Resource
from orrery.errors import Invalid, Unavailable

if TYPE_CHECKING:
    from orrery.client.client import Client

Sampler = Literal["tpe", "random", "grid", "cma-es", "gp", "qmc", "nsga2"]
EarlyStop = Literal["none", "median", "asha", "hyperband"]
#: trials are read so many at a time
_PAGE = 1000


class Tuning(Resource):
    """A study of many trainings that looks for good hyperparameters."""

    @property
    def best(self) -> Json | None:
        """The best trial so far: `{"trial", "training", "value", "values", "parameters"}`; None: there is none yet.

        None as well where there are several objectives: `front` has those that no other beats.
        """
        return self.status.outputs.get("best")

    @property
    def front(self) -> list[Json]:
        """Of several objectives, the trials that no other beats in all of them, each as `best` is."""
        found: list[Json] | None = self.status.outputs.get("front")
        return found if found is not None else [self.best] if self.best else []

    @property
    def best_training(self) -> Training:
        """The training of the best trial. Raises: Invalid while no trial has succeeded."""
        if self.best is None:
            raise Invalid(f"tuning {self.qualified_name} is {self.status.phase} and has no best trial")
        return self.client.trainings.get(self.best["training"])

    def trials(self, *, order: str = "number", skip: int = 0) -> list[Json]:
        """All its trials: number, status, parameters, targets, is_final, training.

        Of one that was stopped before its end (KILLED, EARLY_STOPPED) the targets are the last that it reported, and
        `is_final` is False. `order`: number or target, `-` downwards; by target, those come behind the final ones.
        With `skip` the first so many are left out: whoever follows a tuning knows those that have ended.
        """
        found: list[Json] = []
        while True:
            query = {"order": order, "limit": _PAGE, "offset": skip + len(found)}
            page = self.client.transport.json("GET", f"{self.path}/trials", query=query)
            found += page["items"]
            if not page["items"] or skip + len(found) >= page["total"]:
                return found

    def importances(self) -> dict[str, dict[str, float]]:
        """For each metric, the share of its variance that each parameter explains; empty: too little is known."""
        items = self.client.transport.json("GET", f"{self.path}/importances")["items"]
        return {item["metric"]: item["importances"] for item in items}

    def register_model(self, name: str | None = None, *, trial: int | None = None) -> Model:
        """Register the model of the best trial, or of `trial`, of a complete tuning.

            tuning.register_model("trees", trial=3)

        Raises: Invalid for a trial that has not succeeded; WrongPhase for a tuning that is not complete (a training of
        its that is becomes a model by `training.register_model()`).
        """
        made = self.act("register-model", name=name, trial=trial)
        assert isinstance(made, Model)
        return made

    def stop_trial(self, number: int) -> Training:
        """Stop one trial that runs or waits; the tuning goes on. Raises: Invalid where there is none such."""
        for trial in self.trials():
            if trial["number"] == number:
                if trial["ended_at"] is not None or trial["training"] is None:
                    raise Invalid(f"trial {number} of {self.qualified_name} has ended: {trial['status']}")
                return self.client.trainings.get(trial["training"]["id"]).stop()
        raise Invalid(f"{self.qualified_name} has no trial {number}; tuning.trials() lists them")

    def download_study(self, to: str | Path = ".") -> Path:
        """Save the study as Optuna's journal, which `optuna-dashboard FILE` opens."""
        return download(self.client.transport, f"{self.path}/journal", f"{self.name}-journal.log", Path(to))

    def study(self) -> Any:
        """The study as Optuna has it (`optuna.Study`), as it is now. Raises: Unavailable where Optuna is not there."""
        try:
            import optuna
            from optuna.storages.journal import JournalFileBackend, JournalStorage
        except ImportError:
            raise Unavailable("Optuna is not installed here: pip install optuna; or use download_study()") from None
        folder = tempfile.mkdtemp(prefix="orrery-study-")
        journal = self.download_study(folder)
        return optuna.load_study(study_name=self.id, storage=JournalStorage(JournalFileBackend(str(journal))))

    def tensorboard(self, *, timeout: float = 120.0) -> str:
        """Wake the TensorBoard over all its trials; the address at which it opens for you, once, within a minute."""
        return open_app(self, timeout=timeout)

    def dashboard(self, *, timeout: float = 120.0) -> str:
        """Wake optuna-dashboard over its study, live while it runs; the address at which it opens for you, once."""
        return open_app(self, app="optuna", timeout=timeout)


def split_earlier(
    client: Client, earlier: Sequence[str | Training | Tuning]
) -> tuple[list[str | Tuning], list[str | Training]]:
    """Tunings, and trainings: those that are not said to be tunings. Raises: Invalid for what is neither."""
    tunings: list[str | Tuning] = []
    trainings: list[str | Training] = []
    for run in earlier:
        if isinstance(run, Tuning):
            tunings.append(run)
        elif not isinstance(run, str):
            trainings.append(run)
        else:
            kind, rest = split_reference(client, run)
            if kind is not None and kind.name not in ("tuning", "training"):
                raise Invalid(f"earlier: {run!r} is a {kind.name}; give trainings (NAME) and tunings (tuning/NAME)")
            (tunings if kind is not None and kind.name == "tuning" else trainings).append(rest)
    return tunings, trainings


class Tunings(Collection[Tuning]):
    def create(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        name: str,
        *,
        algorithm: str | Algorithm,
        space: Mapping[str, str | Mapping[str, Any] | Sequence[Any]],
        objective: str | Mapping[str, str] | Sequence[str | Mapping[str, str]],
        dataset: str | Dataset | DatasetVersion | None = None,
        target: str | None = None,
        datasets: Mapping[str, str | Dataset | DatasetVersion] | None = None,
        parameters: Mapping[str, Any] | None = None,
        trials: int | None = None,
        parallel: int | None = None,
        sampler: Sampler | None = None,
        seed: int | None = None,
        goal: float | None = None,
        max_failed: int | None = None,
        early_stop: EarlyStop | None = None,
        early_stop_metric: str | None = None,
        min_trials: int | None = None,
        start_step: int | None = None,
        earlier: Sequence[str | Training | Tuning] = (),
        experiment: str | Experiment | None = None,
        instance_type: str | None = None,
        image: str | Resource | None = None,
        priority: Priority | None = None,
        max_seconds: int | str | timedelta | None = None,
        start_after: datetime | timedelta | str | None = None,
        environment: Mapping[str, str] | None = None,
        secrets: Mapping[str, str] | None = None,
        nodes: int | None = None,
        processes_per_node: int | None = None,
        torchrun: bool | None = None,
        input_checkpoint: str | None = None,
        output: str | None = None,
        output_checkpoint: str | None = None,
        data_gib: float | None = None,
        description: str = "",
        tags: Sequence[str] = (),
        visibility: Visibility | None = None,
        group: str | None = None,
    ) -> Tuning:
        """Begin a tuning.

            client.tunings.create("trees", algorithm="xgboost", dataset="breast", target="diagnosis", trials=20,
                                  space={"max_depth": "2..8"}, objective="maximize:roc_auc")

        `space`: what may be tried for each hyperparameter: `"2..8"`, `"log:0.01..0.3"`, `"gbtree,dart"`,
        `"0.1..0.5 if booster=dart"`, or `{"low", "high", "step", "log"}` or `{"values": [...]}`. `objective`:
        `"maximize:roc_auc"`, or several. `earlier`: tunings (`"tuning/trees"`, an id or an object) and trainings (a
        name) that the search knows from the beginning. `early_stop_metric`: what is watched for early stopping,
        `"minimize:validation_log_loss"`; else the objective. `start_after` and all from `environment` to `data_gib` are
        of each training, as `trainings.create` takes them.
        """
        objectives = [objective] if isinstance(objective, str | Mapping) else list(objective)
        tunings, runs = split_earlier(self.client, earlier)
        named = {"train": dataset, **(datasets or {})}
        return super().create(
            name,
            algorithm=algorithm,
            **data_and_parameters(named, target, parameters),
            space=dict(space),
            objectives=objectives,
            max_trials=trials,
            parallel=parallel,
            sampler=sampler,
            seed=seed,
            goal_value=goal,
            max_failed=max_failed,
            early_stop=early_stop,
            early_stop_metric=early_stop_metric,
            min_trials=min_trials,
            start_step=start_step,
            earlier_tunings=tunings or None,
            earlier_trainings=runs or None,
            experiment=experiment,
            instance_type=instance_type,
            image=image,
            priority=priority,
            max_seconds=seconds_of(max_seconds),
            start_after=moment(start_after),
            environment=environment,
            secrets=secrets,
            nodes=nodes,
            processes_per_node=processes_per_node,
            torchrun=torchrun_of(torchrun, processes_per_node),
            input_checkpoint=input_checkpoint,
            output=output,
            output_checkpoint=output_checkpoint,
            data_gib=data_gib,
            description=description,
            tags=tags,
            visibility=visibility,
            group=group,
        )

    def estimate(
        self,
        algorithm: str | Algorithm,
        *,
        space: Mapping[str, str | Mapping[str, Any] | Sequence[Any]],
        dataset: str | Dataset | DatasetVersion | None = None,
        target: str | None = None,
        datasets: Mapping[str, str | Dataset | DatasetVersion] | None = None,
        parameters: Mapping[str, Any] | None = None,
        instance_type: str | None = None,
        nodes: int | None = None,
    ) -> MemoryEstimate:
        """Whether its largest trial would fit into memory.

            print(client.tunings.estimate("xgboost", dataset="breast", space={"max_depth": "2..8"}))

        Raises: NotFound, Invalid.
        """
        named = {"train": dataset, **(datasets or {})}
        spec = {
            "algorithm": algorithm,
            **data_and_parameters(named, target, parameters),
            "space": dict(space),
            "instance_type": instance_type,
            "nodes": nodes,
        }
        return estimate_memory(self.client.transport, self.plural, spec)
