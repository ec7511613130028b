"""Algorithms of one's own: from files here, or from where the platform fetches them."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress

from orrery.client.builtin import Algorithm, DatasetVersion, Visibility
from orrery.client.collection import Collection
from orrery.client.resources import Json
from orrery.client.uploads import Sources, plan, upload_files
from orrery.errors import Conflict, Forbidden, InUse, Invalid, NameTaken, NotFound


class Algorithms(Collection[Algorithm]):
    def create(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        name: str,
        files: Sources = (),
        *,
        git: str | Mapping[str, str] | None = None,
        archive: str | Mapping[str, str] | None = None,
        dataset: str | Mapping[str, str] | DatasetVersion | None = None,
        uri: str | None = None,
        entry_point: str | None = None,
        metrics: Mapping[str, str] | None = None,
        model_type: str | None = None,
        title: str | None = None,
        description: str = "",
        tags: Sequence[str] = (),
        visibility: Visibility | None = None,
        group: str | None = None,
        wait: bool = True,
        progress: bool = True,
    ) -> Algorithm:
        """Register code of one's own: a folder or files with a `.py` or an `.ipynb` that is run.

            client.algorithms.create("forest", "./forest", entry_point="train.py", metrics={"f1": r"f1=([0-9.]+)"})

        Instead of files, one of: `git`, the address of a repository, or `{"url", "revision"?, "path"?, "secret"?}`;
        `archive`, that of a .zip or .tar.gz, or `{"url", "sha256"?, "path"?, "secret"?}`; `dataset`, a published one
        whose files are the code, or `{"dataset", "path"?}`; `uri`, a folder in a storage that an administrator has set
        up, `obs://bucket/folder`. The platform fetches them; with `wait`, until it has.
        `model_type`: LLM, DIFFUSION, NLP_CLASSIFICATION, NLP_NER, CV_CLASSIFICATION or OBJECT_DETECTION.
        `metrics`: name -> regular expression that finds its value in the log, `accuracy=([0-9.]+)`.
        Raises: Invalid where nothing says which file is run, or it cannot be read; RunFailed where it is not to be had.
        """
        source = _source(git, archive, dataset, uri)
        if source is not None and files:
            raise Invalid("the code is given twice, as files and by where it is fetched from; leave one away")
        uploaded = None if source else upload_files(self.client.transport, plan(files), progress=progress)
        made = super().create(
            name,
            files=uploaded,
            source=source,
            entry_point=entry_point,
            metrics=metric_declarations(metrics),
            model_type=model_type,
            title=title,
            description=description,
            tags=tags,
            visibility=visibility,
            group=group,
        )
        return made.wait(progress=progress) if source and wait else made

    def put(
        self,
        name: str,
        files: Sources,
        *,
        entry_point: str | None = None,
        metrics: Mapping[str, str] | None = None,
        progress: bool = True,
    ) -> Algorithm:
        """Make one's own algorithm of that name be this code: created, or its files replaced.

        Trainings that have begun keep the code that they began with.
        """
        made, _ = self._put(name, files, entry_point, metrics, progress=progress)
        return made

    @contextmanager
    def put_for_run(
        self,
        name: str,
        files: Sources,
        *,
        entry_point: str | None = None,
        metrics: Mapping[str, str] | None = None,
        progress: bool = True,
    ) -> Generator[Algorithm]:
        """As `put`, for a run that is begun inside the block: where that is refused, nothing has been registered."""
        made, before = self._put(name, files, entry_point, metrics, progress=progress)
        try:
            yield made
        except (Invalid, NotFound, Forbidden, Conflict):
            if before is not None:
                made.update(**before)
            else:
                # another run of the same name may have been begun with it meanwhile
                with suppress(InUse):
                    made.delete()
            raise

    def _put(
        self,
        name: str,
        files: Sources,
        entry_point: str | None,
        metrics: Mapping[str, str] | None,
        *,
        progress: bool,
    ) -> tuple[Algorithm, Json | None]:
        """The algorithm, and what its spec said of the code before; None: there was none of that name."""
        try:
            known = self.get(f"{self.client.user}/{name}")
        except NotFound:
            try:
                return self.create(name, files, entry_point=entry_point, metrics=metrics, progress=progress), None
            except NameTaken:
                # somebody else of the same name was quicker: two runs of one notebook begun together
                known = self.get(f"{self.client.user}/{name}")
        before = {field: known.spec[field] for field in ("files", "entry_point", "metrics")}
        uploaded = upload_files(self.client.transport, plan(files), progress=progress)
        spec: Json = {"files": uploaded, "entry_point": entry_point or ""}
        if metrics is not None:
            spec["metrics"] = metric_declarations(metrics)
        known.update(**spec)
        return known, before


def _source(
    git: str | Mapping[str, str] | None,
    archive: str | Mapping[str, str] | None,
    dataset: str | Mapping[str, str] | DatasetVersion | None,
    uri: str | None,
) -> Json | None:
    """Raises: Invalid for several."""
    if isinstance(dataset, DatasetVersion):
        dataset = dataset.id
    given = {
        kind: {"type": kind, **({field: told} if isinstance(told, str) else told)}
        for kind, field, told in (
            ("git", "url", git),
            ("archive", "url", archive),
            ("dataset", "dataset", dataset),
            ("storage", "uri", uri),
        )
        if told
    }
    if len(given) > 1:
        raise Invalid(f"the code is fetched from one place; {' and '.join(given)} were given")
    return next(iter(given.values()), None)


def metric_declarations(metrics: Mapping[str, str] | None) -> list[Json] | None:
    if metrics is None:
        return None
    return [{"name": name, "pattern": pattern} for name, pattern in metrics.items()]
