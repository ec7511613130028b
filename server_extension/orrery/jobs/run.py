"""The one entry of every job: `python -m orrery.jobs.run JOB_DIR`, or `main()` in a pre-warmed process's child.

It reads the accepted `job.json`, goes to the job's work folder and runs the program there. The process's exit status is
the job's; what went wrong is told by a report, once, in words for the person who started it.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from orrery.errors import OrreryError
from orrery.jobs import distributed, report

EXIT_FAILED = 1
#: the job's own description is unusable: a defect of whoever wrote it
EXIT_UNUSABLE = 64


def main(job_dir: Path) -> int:
    """Run the job in `job_dir` and return its exit status. A command replaces this process and never returns."""
    job_dir = Path(job_dir).resolve()
    job: dict[str, Any] = json.loads((job_dir / "job.json").read_text("utf-8"))
    work = job_dir / "work"
    work.mkdir(exist_ok=True)
    _set_environment(job_dir, work, job)
    os.chdir(work)
    program: dict[str, Any] = job["program"]
    nodes = int(job.get("nodes") or 1)
    if nodes > 1 and distributed.NODE_RANK not in os.environ:
        # a script tells its ranks apart itself: a node may have several
        label = "node" if program["type"] == "python" else "rank"
        return distributed.run_nodes(job_dir, nodes, label=label, grace_seconds=float(job.get("grace_seconds") or 10.0))
    match program["type"]:
        case "notebook":
            from orrery.jobs.warm import warm

            warm()  # nothing is left to do in a pre-warmed process
            from orrery.jobs import notebook
            from orrery.jobs.state import STATE_FOLDER

            output_path = work / program.get("output_path", "output.ipynb")
            if program.get("folder"):
                status = _enter_source(work / program["folder"])
                if status:
                    return status
                node = distributed.this_node()
                os.environ |= distributed.variables(node, 1, has_gpus=bool(os.environ.get("CUDA_VISIBLE_DEVICES")))
                output_path = _output_on(node, output_path)
            return notebook.run(
                input_path=work / program.get("input_path", "input.ipynb"),
                output_path=output_path,
                parameters=program.get("parameters") or {},
                kernel_name=program.get("kernel_name") or "python3",
                grace_seconds=float(job.get("grace_seconds") or 10.0),
                state_folder=work / STATE_FOLDER,
            )
        case "python":
            return run_python(program["entry"], program.get("arguments") or {})
        case "command":
            return run_command(program["argv"])
        case unknown:
            report.error("invalid", f"program type {unknown!r} is not one of: notebook, python, command")
            return EXIT_UNUSABLE


def _output_on(node: distributed.Node, output_path: Path) -> Path:
    """The first node's notebook is the result; those of the others lie among the output files."""
    if node.rank == 0:
        return output_path
    folder = Path(os.environ.get("EM_OUTPUT_DIR") or output_path.parent)
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"result.node{node.rank}.ipynb"


def _enter_source(folder: Path) -> int:
    """Work where the notebook lies, with its modules and what its requirements ask for. Returns 0, or the status."""
    requirements = folder / "requirements.txt"
    if requirements.is_file():
        from orrery.jobs import environments

        try:
            packages = environments.site_packages(environments.python_for(requirements))
        except report.JobFailed as failed:
            print(f"{failed.code}: {failed.message}", file=sys.stderr, flush=True)
            return EXIT_FAILED
        _find_first(packages)
    os.chdir(folder)
    _find_first(folder)
    return 0


def _find_first(folder: Path) -> None:
    """Import from this folder before any other, here and in the kernel, forked or not."""
    sys.path.insert(0, str(folder))
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))


def run_python(entry: str, arguments: Mapping[str, Any]) -> int:
    """Call `module:function` with keyword arguments; an exception becomes the job's error."""
    try:
        module_name, _, function_name = entry.partition(":")
        function = getattr(importlib.import_module(module_name), function_name)
        function(**arguments)
    except report.JobFailed as failed:
        print(f"{failed.code}: {failed.message}", file=sys.stderr, flush=True)
        return EXIT_FAILED
    except OrreryError as failed:
        report.error(failed.code, failed.message, **failed.details)
        print(f"{failed.code}: {failed.message}", file=sys.stderr, flush=True)
        return EXIT_FAILED
    except Exception as failed:
        # The boundary of the job: whatever was raised is told, with its traceback in the log.
        traceback.print_exc()
        report.error("failed", f"{type(failed).__name__}: {failed}")
        return EXIT_FAILED
    finally:
        sys.stdout.flush()
    return 0


def run_command(argv: list[str]) -> int:
    """Become `argv`. Returns only when it cannot be started."""
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        os.execvp(argv[0], argv)
    except FileNotFoundError:
        message = f"command {argv[0]!r} is not on this job's PATH; check the spelling, or choose an image that has it"
        status = 127
    except PermissionError:
        message = f"command {argv[0]!r} may not be executed; give it the executable bit (chmod +x)"
        status = 126
    print(message, file=sys.stderr, flush=True)
    report.error("invalid", message, argv=argv)
    return status


def _set_environment(job_dir: Path, work: Path, job: Mapping[str, Any]) -> None:
    """Set the spec's variables and the runner's own, where the executor has not."""
    environment = cast("dict[str, object]", job.get("environment") or {})
    for key, value in environment.items():
        os.environ[key] = str(value)
    # OpenMP's threads wait for each other by spinning; where jobs share cores that makes a training many times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("ORRERY_JOB_ID", str(job.get("id") or job_dir.name))
    os.environ.setdefault("ORRERY_JOB_DIR", str(job_dir))
    os.environ.setdefault("ORRERY_WORK_DIR", str(work))
    os.environ.setdefault(report.REPORTS_VARIABLE, str(job_dir / "reports.jsonl"))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
