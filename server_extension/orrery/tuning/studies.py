"""The platform's side of the search: starts the search process when it is needed, and asks it.

Optuna and what it brings stay out of the platform's own process, and cost nothing while nobody tunes.
"""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
import threading
from collections.abc import Collection, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from orrery.errors import Invalid, Unavailable
from orrery.tuning.definition import JOURNAL, Definition, EarlierRun, Suggestion

log = logging.getLogger(__name__)

IDLE_SECONDS: Final = 300.0


class Studies:
    """Thread-safe: one request at a time. Every request may be repeated."""

    def __init__(self, root: Path, *, idle_seconds: float = IDLE_SECONDS) -> None:
        self.root = root
        self._idle_seconds = idle_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def folder(self, study_id: str) -> Path:
        return self.root / study_id

    def journal(self, study_id: str) -> Path:
        """The file that Optuna keeps the study in; it may not be there yet."""
        return self.folder(study_id) / JOURNAL

    def forget(self, study_id: str) -> None:
        """Remove all that is kept of a study."""
        shutil.rmtree(self.folder(study_id), ignore_errors=True)

    def begin(self, study: Definition, earlier: Sequence[EarlierRun]) -> int:
        """Make the study, with the earlier runs that lie in its space; returns how many do.

        Raises: Invalid where the sampler cannot search this space; Unavailable.
        """
        return int(self._ask("begin", study, earlier=[asdict(run) for run in earlier]))

    def suggest(self, study: Definition, count: int, known: Collection[int]) -> tuple[list[Suggestion], bool]:
        """Up to `count` suggestions, and whether there are no more; first those of an earlier call not in `known`.

        Raises: Unavailable.
        """
        answer = self._ask("suggest", study, count=count, known=sorted(known))
        return [Suggestion(item["number"], item["parameters"]) for item in answer["suggestions"]], answer["is_over"]

    def tell(
        self, study: Definition, number: int, values: Sequence[float] | None, *, is_stopped_early: bool = False
    ) -> None:
        """What came of a trial; None: nothing that counts. Raises: Unavailable."""
        self._ask("tell", study, number=number, values=values, is_stopped_early=is_stopped_early)

    def report(self, study: Definition, number: int, points: Sequence[tuple[int, float]]) -> bool:
        """The metric by step of a running trial; whether it should be stopped. Raises: Unavailable."""
        return bool(self._ask("report", study, number=number, points=points))

    def importances(self, study: Definition) -> list[dict[str, float]]:
        """For each objective, the share of each parameter. Raises: Unavailable."""
        return self._ask("importances", study)

    def close(self) -> None:
        with self._lock:
            self._end()

    def _ask(self, what: str, study: Definition, **fields: Any) -> Any:
        line = json.dumps({"ask": what, "study": asdict(study), **fields}).encode() + b"\n"
        with self._lock:
            # it may have ended, idle or killed: once more with a fresh one
            answer = self._exchange(line) or self._exchange(line)
        if answer is None:
            raise Unavailable("the search process ends before it answers; the platform's log says why")
        reply = json.loads(answer)
        if "refused" in reply:
            raise Invalid(reply["refused"])
        if "failed" in reply:
            raise Unavailable(f"the search failed: {reply['failed']}")
        return reply["answer"]

    def _exchange(self, line: bytes) -> bytes | None:
        process = self._process
        if process is None or process.poll() is not None:
            self._end()
            process = self._process = subprocess.Popen(
                [sys.executable, "-m", "orrery.tuning.process", str(self._idle_seconds)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(line)
            process.stdin.flush()
            answer = process.stdout.readline()
        except OSError as error:
            log.info("the search process has gone: %s", error)
            answer = b""
        if not answer.endswith(b"\n"):
            self._end()
            return None
        return answer

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.close()
        except OSError as error:
            log.debug("its input was closed already: %s", error)
        process.stdout.close()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
