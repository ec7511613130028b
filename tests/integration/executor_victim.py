"""A platform to be killed: it submits jobs and services as fast as it can, and says what was acknowledged."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

from orrery.executors.contract import CommandProgram, InputFile, JobSpec, Resources
from orrery.executors.local import LocalExecutor
from orrery.testing.executor_services import spec
from orrery.testing.executors import FolderObjects


def main(home: Path, prefix: str, oid: str) -> None:
    executor = LocalExecutor(
        home, FolderObjects(home / "test-objects"), capacity=Resources(cores=4, memory_bytes=4 << 30), preload=False
    )
    executor.start()
    print("started", flush=True)
    executor.apply_service(spec(replicas=1, environment={"WORD": prefix}))
    for number in itertools.count():
        job_id = f"{prefix}-{number}"
        # One line for each start: more than one is a double start. The child must not outlive the job.
        script = f"cat input > /dev/null && echo {job_id} >> {home}/starts; (sleep 30 &) ; sleep 0.05"
        program = CommandProgram(("sh", "-c", script))
        executor.submit(JobSpec(job_id, "alice", program, Resources(1, 64 << 20), files=(InputFile("input", oid),)))
        print(f"acknowledged {job_id}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
