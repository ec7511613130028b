"""200 trials, 8 at a time, of a cheap script: against plain Optuna that starts the same script as processes.

Two promises: per trial the platform takes at most 0.3 s longer, and the same seed finds the same best value.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import optuna
from optuna.storages.journal import JournalFileBackend, JournalStorage

from orrery import Client
from orrery.testing.platform import RunningPlatform

TRIALS = 200
PARALLEL = 8
SEED = 42
SCRIPT = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--x", type=float)
parser.add_argument("--n", type=int)
a = parser.parse_args()
print(f"height={10 - (a.x - 2) ** 2 - (a.n - 3) ** 2}")
"""


def run_optuna(folder: Path) -> tuple[float, float]:
    """(seconds in all, best value) of Optuna with so many threads, each of which waits for a process."""
    script = folder / "hill.py"
    script.write_text(SCRIPT)

    def height(trial: optuna.Trial) -> float:
        x, n = trial.suggest_float("x", -5, 5), trial.suggest_int("n", 1, 8)
        command = [sys.executable, str(script), "--x", str(x), "--n", str(n)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return float(done.stdout.partition("=")[2])

    begin = time.perf_counter()
    storage = JournalStorage(JournalFileBackend(str(folder / "journal.log")))
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=SEED), storage=storage)
    study.optimize(height, n_trials=TRIALS, n_jobs=PARALLEL)
    return time.perf_counter() - begin, study.best_value


def best_alone() -> float:
    """The best value of plain Optuna, one trial after another: what the seed determines."""
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=SEED))
    study.optimize(
        lambda trial: 10 - (trial.suggest_float("x", -5, 5) - 2) ** 2 - (trial.suggest_int("n", 1, 8) - 3) ** 2,
        n_trials=TRIALS,
    )
    return study.best_value


def run_platform(home: Path) -> tuple[float, float]:
    """(seconds in all, best value) of a tuning."""
    environment = {"ORRERY_CORES": str(PARALLEL)}
    with RunningPlatform(home, environment=environment) as platform:
        found = platform.announcement
        with Client(found["url"], found["token"]) as client:
            client.algorithms.create("hill", {"hill.py": SCRIPT.encode()}, metrics={"height": r"height=(\S+)"})
            begin = time.perf_counter()
            tuning = client.tune(
                "hill",
                name="hill",
                space={"x": "-5.0..5.0", "n": "1..8"},
                objective="maximize:height",
                sampler="random",
                seed=SEED,
                trials=TRIALS,
                parallel=PARALLEL,
                wait=True,
                progress=False,
            )
            seconds = time.perf_counter() - begin
            assert tuning.best is not None and tuning.status.outputs["trials"]["completed"] == TRIALS
            return seconds, tuning.best["value"]


def main() -> int:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="orr-bench-", ignore_cleanup_errors=True) as name:
        peer_seconds, _ = run_optuna(Path(name))
        seconds, best = run_platform(Path(name) / "home")
    more = (seconds - peer_seconds) / TRIALS
    result = {
        "trials": TRIALS,
        "parallel": PARALLEL,
        "optuna_seconds": round(peer_seconds, 2),
        "platform_seconds": round(seconds, 2),
        "more_seconds_per_trial": round(more, 3),
        "ratio": round(seconds / peer_seconds, 2),
        "best": best,
        "best_of_optuna": best_alone(),
    }
    print(json.dumps(result, indent=2))
    return 0 if more < 0.3 and abs(result["best"] - result["best_of_optuna"]) < 1e-9 else 1


if __name__ == "__main__":
    sys.exit(main())
