"""How long a notebook job takes to its first cell, and what running it as a job adds, against `papermill` itself.

    python bench/jobs/run.py [--runs 5]

Prints medians in seconds. `forked` is how the platform starts jobs: from a process that has everything imported.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
XGBOOST = ROOT / "notebooks" / "algorithms" / "tabular" / "xgboost.ipynb"

#: forks one job for each line on its standard input and answers with its exit status
WARM = """
import os, sys
from pathlib import Path
from orrery.jobs.warm import warm
warm()
print("ready", flush=True)
for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1); os.dup2(null, 2)
        from orrery.jobs.run import main
        os._exit(main(Path(line.strip())))
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


def notebook_that_tells(path: Path, told: Path) -> None:
    """A notebook whose only cell writes the time at which it runs."""
    source = f"import time; open({str(told)!r}, 'w').write(repr(time.time()))"
    cell = {
        "cell_type": "code",
        "id": "first",
        "metadata": {},
        "source": source,
        "outputs": [],
        "execution_count": None,
    }
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    path.write_text(json.dumps({"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}))


def make_job(folder: Path, notebook: Path, parameters: dict[str, object], environment: dict[str, str]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "work").mkdir(parents=True)
    shutil.copy(notebook, folder / "work" / "input.ipynb")
    job = {"program": {"type": "notebook", "parameters": parameters}, "environment": environment}
    (folder / "job.json").write_text(json.dumps(job))


def with_papermill(notebook: Path, folder: Path, parameters: dict[str, object], environment: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    argv = [
        str(Path(sys.executable).parent / "papermill"),
        str(notebook),
        str(folder / "out.ipynb"),
        "--cwd",
        str(folder),
    ]
    for name, value in parameters.items():
        argv += ["-p", name, str(value)]
    subprocess.run(argv, env={**os.environ, **environment}, check=True, capture_output=True)


class Warm:
    """The process that jobs are forked from."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", WARM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._answer()

    def run(self, folder: Path) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{folder}\n")
        self.process.stdin.flush()
        status = self._answer()
        if status != "0":
            raise SystemExit(f"the job in {folder} ended with {status}")

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()

    def _answer(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


def median(runs: int, measure: Callable[[], float]) -> float:
    measure()  # not counted: it fills the caches of bytecode and of the disk for whoever is first
    return statistics.median(measure() for _ in range(runs))


def first_cell(runs: int, folder: Path, warm: Warm) -> dict[str, float]:
    notebook, told = folder / "first.ipynb", folder / "told"
    notebook_that_tells(notebook, told)

    def until_first_cell(start: Callable[[], None]) -> float:
        began = time.time()
        start()
        return float(told.read_text()) - began

    def fresh() -> None:
        argv = [sys.executable, "-P", "-m", "orrery.jobs.run", str(folder / "job")]
        subprocess.run(argv, check=True, capture_output=True)

    def prepared(start: Callable[[], None]) -> Callable[[], float]:
        def measure() -> float:
            make_job(folder / "job", notebook, {}, {})
            return until_first_cell(start)

        return measure

    return {
        "papermill, command line": median(runs, lambda: until_first_cell(
            lambda: with_papermill(notebook, folder / "papermill", {}, {}))),
        "orrery.jobs.run, fresh process": median(runs, prepared(fresh)),
        "orrery.jobs.run, forked": median(runs, prepared(lambda: warm.run(folder / "job"))),
    }  # fmt: skip


def training(runs: int, folder: Path, warm: Warm) -> dict[str, float]:
    from sklearn.datasets import load_breast_cancer

    data = folder / "train"
    data.mkdir()
    bunch: Any = load_breast_cancer(as_frame=True)
    bunch.frame.to_csv(data / "breast_cancer.csv", index=False)
    parameters: dict[str, object] = {"target": "target"}
    # The waiting policy is a job's default; papermill gets it too, so that only what the job adds is compared.
    environment = {"EM_DATASET_TRAIN": str(data), "EM_MODEL_DIR": str(folder / "model"), "OMP_WAIT_POLICY": "PASSIVE"}

    def timed(start: Callable[[], None]) -> float:
        began = time.perf_counter()
        start()
        return time.perf_counter() - began

    def as_job() -> None:
        make_job(folder / "training", XGBOOST, parameters, environment)
        warm.run(folder / "training")

    def as_papermill() -> None:
        with_papermill(XGBOOST, folder / "plain", parameters, environment)

    # In turn, so that whatever else the machine does falls on both alike.
    pairs = [(timed(as_papermill), timed(as_job)) for _ in range(runs + 1)][1:]
    plain, job = (statistics.median(side) for side in zip(*pairs, strict=True))
    return {"papermill, command line": plain, "orrery.jobs.run, forked": job}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    # Without cached bytecode papermill would compile all it imports each time, and look worse than it is.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as scratch:
        warm = Warm()
        try:
            for title, found in (
                ("to the first cell", first_cell(runs, Path(scratch), warm)),
                ("XGBoost on breast_cancer, whole", training(runs, Path(scratch), warm)),
            ):
                print(f"{title} (median of {runs}, seconds)")
                reference = next(iter(found.values()))
                for name, seconds in found.items():
                    print(f"  {name:34} {seconds:7.3f}   {seconds / reference:6.2f} x")
        finally:
            warm.close()


if __name__ == "__main__":
    main()
