"""The way in for programs.

import orrery

with orrery.Client() as client:
    client.datasets.create("breast", files=["breast.csv"], publish=True)
    training = client.train("xgboost", name="breast-1", dataset="breast", target="diagnosis", wait=True)
    client.deploy(training.model, endpoint="breast")
    client.predict("breast", [{"mean radius": 17.99}])
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from orrery.client import deployments
from orrery.client.algorithms import Algorithms
from orrery.client.apps import Dashboard, Dashboards
from orrery.client.builtin import (
    Algorithm,
    Dataset,
    Datasets,
    DatasetVersion,
    DatasetVersions,
    Endpoint,
    Endpoints,
    Experiment,
    Experiments,
    Model,
    Models,
    Training,
    Trainings,
    Visibility,
)
from orrery.client.classes import CLASSES
from orrery.client.collection import Collection
from orrery.client.discovery import find_platform
from orrery.client.events import ResourceEvents
from orrery.client.images import Image, Images, RegistryAccount, RegistryAccounts
from orrery.client.kinds import Kind, Kinds, read_kinds
from orrery.client.notebooks import Notebook, Notebooks
from orrery.client.references import find_resource
from orrery.client.resources import Json, Resource, plain
from orrery.client.secrets import Secret, Secrets
from orrery.client.templates import Template, Templates, from_template, merged
from orrery.client.transport import Patience, Transport
from orrery.client.tunings import Tuning, Tunings
from orrery.client.uploads import Sources
from orrery.client.workflows import Workflow, Workflows
from orrery.errors import Invalid, NameTaken, NotFound, Stale

if TYPE_CHECKING:
    from orrery.client.applied import Applied, Documents
    from orrery.client.comparisons import Comparison

_ATTEMPTS = 3


class Client:
    """A connection to a platform. Thread-safe; close it, or use it as a context manager.

    Without arguments: `ORRERY_URL` and `ORRERY_TOKEN`, else the platform that runs in `$ORRERY_HOME`.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        timeout_seconds: float = 60.0,
        patience: Patience | None = None,
    ) -> None:
        """Raises: NoPlatform when none is given and none is running."""
        self.transport = Transport(find_platform(url, token), timeout_seconds=timeout_seconds, patience=patience)
        self.datasets = Datasets(self, "datasets", Dataset)
        self.dataset_versions = DatasetVersions(self, "dataset-versions", DatasetVersion)
        self.experiments = Experiments(self, "experiments", Experiment)
        self.algorithms = Algorithms(self, "algorithms", Algorithm)
        self.trainings = Trainings(self, "trainings", Training)
        self.tunings = Tunings(self, "tunings", Tuning)
        self.templates = Templates(self, "templates", Template)
        self.workflows = Workflows(self, "workflows", Workflow)
        self.models = Models(self, "models", Model)
        self.endpoints = Endpoints(self, "endpoints", Endpoint)
        self.dashboards = Dashboards(self, "dashboards", Dashboard)
        self.notebooks = Notebooks(self, "notebooks", Notebook)
        self.secrets = Secrets(self, "secrets", Secret)
        self.images = Images(self, "images", Image)
        self.registry_accounts = RegistryAccounts(self, "registry-accounts", RegistryAccount)

    @property
    def url(self) -> str:
        return self.transport.platform.url

    @cached_property
    def user(self) -> str:
        """Who one is to the platform, read once."""
        return str(self.transport.json("GET", "/auth/whoami")["name"])

    # kinds

    @cached_property
    def kinds(self) -> Kinds:
        """What the platform serves, read once."""
        return read_kinds(self.transport.json("GET", "/kinds"))

    def declaration(self, kind: str) -> Kind:
        return self.kinds.find(kind)

    def kind(self, name: str) -> Collection[Any]:
        """The resources of any kind, also of one that is newer than this client, by its plural or singular."""
        declaration = self.kinds.find(name)
        known = getattr(self, declaration.plural.replace("-", "_"), None)
        if isinstance(known, Collection):
            return known  # pyright: ignore[reportUnknownVariableType]
        return Collection(self, declaration.plural, CLASSES.get(declaration.name, Resource))

    def find(self, reference: str | Resource, *kinds: str) -> Resource:
        """What is meant by an id, `NAME`, `OWNER/NAME`, `training/NAME` or `training/OWNER/NAME`.

            client.find("training/breast-1").wait()

        With `kinds` ("training", "tuning" ...) it is one of those; a name that several have is the first one's.
        Raises: NotFound; Invalid for a resource of another kind.
        """
        return find_resource(self, reference, *kinds)

    def wrap(self, document: Mapping[str, Any]) -> Resource:
        """The object for a resource's JSON."""
        return CLASSES.get(document["kind"], Resource)(self, document)

    # the main job

    def train(
        self,
        algorithm: str | Algorithm | None = None,
        *,
        name: str,
        dataset: str | Dataset | DatasetVersion | None = None,
        target: str | None = None,
        script: Sources | None = None,
        entry_point: str | None = None,
        log_metrics: Mapping[str, str] | None = None,
        template: str | Template | None = None,
        wait: bool = False,
        progress: bool = True,
        **options: Any,
    ) -> Training:
        """Begin a training, and with `wait` see it to its end; `options` are those of `trainings.create`.

            client.train("xgboost", name="breast-1", dataset="breast", target="diagnosis", wait=True)
            client.train(template="quick", name="breast-2", parameters={"max_depth": 8})

        With a `template` what is given goes over it; datasets, hyperparameters and variables one by one.

        With `script`, a folder or files of one's own, it runs `entry_point` there; `log_metrics` are read from its log:
        `{"accuracy": r"accuracy=([0-9.]+)"}`. The code is registered as an algorithm named `algorithm`, or as the
        training is named; where the training is refused, it is registered no more, or its code is again as it was.
        Raises: Invalid when there is neither an algorithm nor a script; with `wait`, RunFailed.
        """
        settings: dict[str, Any] = {"dataset": dataset, "target": target, **options}
        if script is not None:
            own = algorithm.name if isinstance(algorithm, Algorithm) else algorithm or name
            with self.algorithms.put_for_run(
                own, script, entry_point=entry_point, metrics=log_metrics, progress=progress
            ) as made:
                training = self._begin(name, made, template, settings)
        else:
            training = self._begin(name, algorithm, template, settings)
        return training.wait(progress=progress) if wait else training

    def _begin(
        self, name: str, algorithm: str | Algorithm | None, template: str | Template | None, settings: dict[str, Any]
    ) -> Training:
        if template is not None:
            given = {"algorithm": algorithm, **settings}
            settings = from_template(self._template(template).settings, {}, given)
            algorithm = settings.pop("algorithm")
        if algorithm is None:
            raise Invalid(
                "what is to be trained? give an algorithm ('xgboost'), `script=` with code of your own, or `template=`"
            )
        return self.trainings.create(name, algorithm=algorithm, **settings)

    def _template(self, template: str | Template) -> Template:
        return self.templates.get(template) if isinstance(template, str) else template

    def tune(
        self,
        algorithm: str | Algorithm | None = None,
        *,
        name: str,
        space: Mapping[str, str | Mapping[str, Any] | Sequence[Any]],
        objective: str | Mapping[str, str] | Sequence[str | Mapping[str, str]],
        template: str | Template | None = None,
        wait: bool = False,
        progress: bool = True,
        **options: Any,
    ) -> Tuning:
        """Begin a tuning, and with `wait` see it to its end; `options` are those of `tunings.create`.

            client.tune("xgboost", name="trees", dataset="breast", target="diagnosis", objective="maximize:roc_auc",
                        space={"max_depth": "2..8", "learning_rate": "log:0.01..0.3"}, trials=20, parallel=2, wait=True)

        With a `template` what is given goes over it; what is searched is no longer fixed.
        Raises: Invalid when there is neither an algorithm nor a template; with `wait`, RunFailed when too many of its
        trainings fail.
        """
        if template is not None:
            given = {**options, **({"algorithm": algorithm} if algorithm is not None else {})}
            options = from_template(self._template(template).settings, space, given)
            algorithm = options.pop("algorithm")
        if algorithm is None:
            raise Invalid("what is to be tuned? give an algorithm ('xgboost'), or `template=`")
        tuning = self.tunings.create(name, algorithm=algorithm, space=space, objective=objective, **options)
        return tuning.wait(progress=progress) if wait else tuning

    def sweep(
        self,
        name: str,
        *,
        spec: Mapping[str, Any] | None = None,
        template: str | Template | None = None,
        parameters: Mapping[str, Sequence[Any]] | None = None,
        datasets: Sequence[Mapping[str, str]] | None = None,
        description: str = "",
        tags: Sequence[str] = (),
    ) -> list[Training]:
        """Begin one training for every combination of `parameters`' values and `datasets`, under one experiment.

            client.sweep("depths", template="quick", parameters={"max_depth": [2, 4, 8]})

        `spec` is what all have alike, laid over what a `template` says; `datasets` are laid over its own:
        `[{"train": "iris"}, {"train": "iris-clean"}]`.
        Raises: Invalid when one of them could not be; then none is made.
        """
        whole = merged(self._template(template).settings if template is not None else {}, spec or {})
        body = {"name": name, "spec": whole, "parameters": parameters, "datasets": datasets}
        body |= {"description": description, "tags": list(tags)}
        given = {key: plain(value) for key, value in body.items() if value is not None}
        answer = self.transport.create("/trainings/sweep", given)
        return [Training(self, document) for document in answer["items"]]

    def compare(self, *trainings: str | Training) -> Comparison:
        """Trainings side by side: settings and where they are from, durations, each metric's last and best value.

            found = client.compare("breast-1", "breast-2")
            for row in found.differing: print(row.name, [setting.value for setting in row.settings])

        Raises: Invalid for fewer than two, or one that is given twice; NotFound.
        """
        from orrery.client.comparisons import compare

        return compare(self, trainings)

    def run_notebook(
        self,
        path: str | os.PathLike[str],
        *,
        name: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        wait: bool = True,
        **options: Any,
    ) -> Training:
        """Run a notebook of one's own as a job; see `orrery.client.notebook_runs.run_notebook`.

        client.run_notebook("report.ipynb", parameters={"year": 2026}, instance_type="cpu-medium")
        """
        from orrery.client.notebook_runs import run_notebook

        return run_notebook(self, path, name=name, parameters=parameters, wait=wait, **options)

    def deploy(
        self,
        model: str | Model | Training,
        *,
        endpoint: str | None = None,
        replicas: int | None = None,
        traffic: int | None = None,
        instance_type: str | None = None,
        visibility: Visibility | None = None,
        wait: bool = True,
        progress: bool = True,
    ) -> Endpoint:
        """Put a model behind an endpoint, which is made when it is not there (default name: the model's).

            client.deploy("breast-1", endpoint="breast")

        On an existing endpoint the model takes the others' place without a request being lost; with `traffic` it is
        added for that percentage, and the others share the rest.
        Raises: with `wait`, RunFailed when no replica comes up, with the end of its log.
        """
        chosen = model.model if isinstance(model, Training) else model
        found = self.models.get(chosen) if isinstance(chosen, str) else chosen
        found.wait(progress=False)
        made = self._deploy(
            found,
            endpoint or found.name,
            replicas=replicas,
            traffic=traffic,
            instance_type=instance_type,
            visibility=visibility,
        )
        return made.wait(progress=progress) if wait else made

    def _deploy(
        self,
        model: Model,
        name: str,
        *,
        replicas: int | None,
        traffic: int | None,
        instance_type: str | None,
        visibility: Visibility | None,
    ) -> Endpoint:
        """Read, change, write; again when somebody else did so in between."""
        for attempt in range(_ATTEMPTS):
            try:
                endpoint = self.endpoints.get(name)
            except NotFound:
                try:
                    return self.endpoints.create(
                        name,
                        deployments=deployments.deploy([], model.id, replicas=replicas, traffic=traffic),
                        instance_type=instance_type,
                        visibility=visibility,
                    )
                except NameTaken:
                    if attempt + 1 == _ATTEMPTS:
                        raise
                    continue
            wanted = deployments.deploy(endpoint.spec["deployments"], model.id, replicas=replicas, traffic=traffic)
            changes: Json = {"deployments": wanted}
            if instance_type is not None:
                changes["instance_type"] = instance_type
            try:
                endpoint.update(visibility=visibility, only_if_unchanged=True, **changes)
            except Stale:
                if attempt + 1 == _ATTEMPTS:
                    raise
                continue
            if endpoint.status.phase == "STOPPED":
                endpoint.start()
            return endpoint
        raise AssertionError("unreachable")

    def predict(self, endpoint: str | Endpoint, instances: Any) -> list[Any]:
        """Predictions for rows: a DataFrame, dicts by column, or lists of values."""
        found = self.endpoints.get(endpoint) if isinstance(endpoint, str) else endpoint
        return found.predict(instances)

    # the platform

    def apply(self, source: Documents, *, dry_run: bool = False) -> list[Applied]:
        """Make what is there as documents say: create what is missing, change what differs, delete nothing.

            client.apply("project.yaml", dry_run=True)
            client.apply(client.trainings.get("breast-1").export() | {"name": "breast-2"})

        `source`: the path of a YAML or JSON file, a document, or several. All of it is checked before the first thing
        is done. Raises: Invalid with the field; PartlyApplied when something failed that could not be foreseen.
        """
        from orrery.client.applied import apply

        return apply(self, source, dry_run=dry_run)

    def whoami(self) -> Json:
        """`{"name", "groups", "admin", "mode"}`."""
        return self.transport.json("GET", "/auth/whoami")

    def make_token(self, expires_seconds: int | None = None) -> Json:
        """A token for scripts: `{"token", "expires_at"}`."""
        body = {} if expires_seconds is None else {"expires_seconds": expires_seconds}
        return self.transport.json("POST", "/auth/token", body=body)

    def queue(self) -> Json:
        """Jobs that wait and the machine's capacity: `{"items", "capacity", "pause", "limits"}`."""
        return self.transport.json("GET", "/queue")

    def pause_queue(self, reason: str = "", *, drain: bool = False) -> Json:
        """Start no more jobs; what runs goes on. With `drain`, for emptying the machine. For administrators."""
        return self.transport.json("POST", "/queue/drain" if drain else "/queue/pause", body={"reason": reason})

    def resume_queue(self) -> Json:
        """Start jobs again. For administrators."""
        return self.transport.json("POST", "/queue/resume", body={})

    def queue_limits(self, **changes: Any) -> Json:
        """Who may hold how much, with changes: `users={"alice": {"cores": 4, "jobs": None}}`, `groups`, `everyone`.

        For administrators.
        """
        if not changes:
            return self.transport.json("GET", "/queue/limits")
        return self.transport.json("PATCH", "/queue/limits", body=plain(changes))

    def instance_types(self) -> list[Json]:
        return self.transport.json("GET", "/instance-types")["items"]

    def overview(self) -> Json:
        return self.transport.json("GET", "/overview")

    def events(self, kinds: Sequence[str] = (), *, after: str = "") -> ResourceEvents:
        """What happens, as it happens, to the resources that the caller may see; `after`: an event's id."""
        return ResourceEvents(self.transport, kinds, after=after)

    def batch(self, operations: Sequence[Mapping[str, Any]]) -> list[Json]:
        """Many requests in one: `{"method", "path", "body"}` each, and `{"status", "body"}` of each."""
        return self.transport.json("POST", "/batch", body={"operations": plain(list(operations))})["results"]

    def close(self) -> None:
        self.transport.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> Literal[False]:
        self.close()
        return False

    def __repr__(self) -> str:
        return f"<Client {self.url}>"
