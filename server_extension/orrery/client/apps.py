"""Apps: dashboards, the TensorBoard of trainings, tunings and experiments, the optuna-dashboard of tunings."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urljoin

from orrery.client.collection import Collection
from orrery.client.discovery import public_url
from orrery.client.failures import RunFailed, WaitTimeout
from orrery.client.resources import Json, Resource
from orrery.client.transport import segment
from orrery.client.uploads import Sources, plan, upload_files
from orrery.errors import Invalid, WrongPhase

_PAUSE_SECONDS: Final = 0.25


def open_app(resource: Resource, *, app: str | None = None, timeout: float = 120.0) -> str:
    """Wake the app of a resource that has one; the address at which it opens for you, in any browser.

    `app`: which, where it has several, as a tuning has `tensorboard` and `optuna`; None: the first.
    The address lets whoever opens it in, as you: once, and within a minute. That browser may come back for 12 hours.
    Raises: Invalid for a kind without one, RunFailed with its log, WrongPhase where it is stopped, WaitTimeout.
    """
    declared = resource.client.declaration(resource.kind)
    known_apps = [visit for visit in (declared.visit, *declared.more_visits) if visit]
    verb = app or declared.visit
    if verb is not None and verb not in known_apps:
        raise Invalid(f"a {resource.kind} has no app {verb!r}; it has: {', '.join(known_apps) or 'none'}")
    if verb is None:
        known = ", ".join(kind.name for kind in resource.client.kinds if kind.visit)
        raise Invalid(f"a {resource.kind} has nothing to open; these have: {known}")
    deadline = time.monotonic() + timeout
    again = True
    while True:
        answer: Json = resource.client.transport.json(
            "POST", f"{resource.path}/{segment(verb)}", query={"again": 1 if again else 0}, repeatable=True
        )
        again = False
        match answer["state"]:
            case "awake":
                entrance = str(answer["entrance"])
                platform = public_url(resource.client.url)
                if entrance.startswith("/apps/"):
                    return f"{platform}{entrance}"
                return urljoin(platform, entrance)  # the hub leads there, not the platform
            case "failed":
                message = f"{resource.kind} {resource.qualified_name} could not start: {answer['message']}"
                raise RunFailed(message, log_tail=answer["log"])
            case "stopped":
                raise WrongPhase(f"{resource.qualified_name} is stopped; `orrery start {resource.kind} ...` starts it")
            case _ if time.monotonic() > deadline:
                raise WaitTimeout(f"{resource.qualified_name} is not awake after {timeout:g} s: {answer['message']}")
            case _:
                time.sleep(_PAUSE_SECONDS)


class Dashboard(Resource):
    """A notebook published as a page."""

    @property
    def url(self) -> str:
        """Where those who are logged in open it."""
        return f"{public_url(self.client.url)}/apps/{self.id}/"

    def open(self, *, timeout: float = 120.0) -> str:
        """Wake it; the address at which it opens for you, in any browser: once, and within a minute."""
        return open_app(self, timeout=timeout)


class Dashboards(Collection[Dashboard]):
    def create(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        name: str,
        notebook: Sources,
        *,
        datasets: Mapping[str, str | Resource] | None = None,
        models: Mapping[str, str | Resource] | None = None,
        parameters: Mapping[str, Any] | None = None,
        show_code: bool | None = None,
        instance_type: str | None = None,
        idle_minutes: float | None = None,
        description: str = "",
        tags: Sequence[str] = (),
        visibility: str | None = None,
        group: str | None = None,
        progress: bool = True,
    ) -> Dashboard:
        """Publish a notebook as a page that sleeps until somebody visits.

        `notebook`: its path; or a list, the notebook first, then what it needs beside it. `datasets` and `models` go by
        the names that it knows them by: `datasets={"train": "iris"}` is the folder in EM_DATASET_TRAIN.
        Raises: Invalid for what is no notebook, or a parameter that its parameters cell has not.
        """
        planned = plan(notebook)
        shown = [entry.path for entry in planned if entry.path.endswith(".ipynb")]
        return super().create(
            name,
            files=upload_files(self.client.transport, planned, progress=progress),
            entry_point=shown[0] if len(shown) > 1 else None,
            datasets=_references(datasets),
            models=_references(models),
            parameters=dict(parameters) if parameters else None,
            show_code=show_code,
            instance_type=instance_type,
            idle_minutes=idle_minutes,
            description=description,
            tags=tags,
            visibility=visibility,
            group=group,
        )


def _references(given: Mapping[str, str | Resource] | None) -> dict[str, str] | None:
    return {name: _reference(value) for name, value in given.items()} if given else None


def _reference(value: str | Resource) -> str:
    """A dataset stands for its latest published version, which its name means."""
    if isinstance(value, str):
        return value
    return value.qualified_name if value.kind == "dataset" else value.id
