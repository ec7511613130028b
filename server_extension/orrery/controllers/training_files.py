"""What a training's job made, kept as objects."""

from __future__ import annotations

from pathlib import PurePosixPath

from orrery.controllers.contract import Platform
from orrery.controllers.training_jobs import CHECKPOINTS, OUTPUT, OUTPUT_NOTEBOOK
from orrery.domain.records import Json


class TrainingFiles:
    """Keeping a file again stores nothing new."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def paths(self, job_id: str) -> list[str]:
        return sorted(info.path for info in self._platform.executor.files(job_id))

    def kept_results(self, job_id: str, paths: list[str]) -> Json:
        """Its executed notebook, its output files and its checkpoints, as objects."""
        kept: Json = {"output_files": self.kept(job_id, paths, OUTPUT, below="")}
        kept |= self.checkpoints(job_id, paths)
        # a script has none, and a notebook that never began neither
        kept["notebook"] = self.keep(job_id, OUTPUT_NOTEBOOK) if OUTPUT_NOTEBOOK in paths else None
        return kept

    def checkpoints(self, job_id: str, paths: list[str]) -> Json:
        """Those of the attempt; where it wrote none, those before stay."""
        checkpoints = self.kept(job_id, paths, CHECKPOINTS)
        return {"checkpoint_files": checkpoints} if checkpoints else {}

    def kept(self, job_id: str, paths: list[str], folder: str, below: str | None = None) -> list[Json]:
        """The files of a folder as objects, by their paths inside it, or as `below` says."""
        found = [path for path in paths if path.startswith(f"{folder}/")]
        return [self.keep(job_id, path, folder if below is None else below) for path in found]

    def keep(self, job_id: str, path: str, below: str = "") -> Json:
        with self._platform.executor.open_file(job_id, path) as stream:
            stored = self._platform.objects.put(stream)
        shown = str(PurePosixPath(path).relative_to(below)) if below else path
        return {"path": shown, "oid": stored.oid, "size": stored.size}
