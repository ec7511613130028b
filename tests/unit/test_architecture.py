"""Arrows run downwards only, and each process imports no more than its work needs."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "server_extension" / "orrery"
#: what each folder may import of ours, besides itself and errors
MAY_IMPORT = {
    "domain": set[str](),
    "store": {"domain"},
    "executors": {"plain_json"},
    # of apps, what a process is told
    "controllers": {
        *("domain", "store", "executors", "jobs", "serving"),
        *("tracking", "notebooks", "apps", "tuning", "hub", "plain_json"),
    },
    "tuning": {"domain"},
    # a dashboard's environment is made as a job's is
    "apps": {"jobs"},
    "tracking": {"domain", "store"},
    "api": {
        "domain",
        "store",
        "executors",
        "controllers",
        "tracking",
        "notebooks",
        "tuning",
        "hub",
        "plain_json",
        "http_status",
    },
    # JupyterHub as a client of its API sees it
    "hub": set[str](),
    "gateway": {"serving"},
    "serving": set[str](),
    "jobs": {"serving", "executors", "plain_json"},
    # what JSON can hold is one answer on both sides
    "client": {"plain_json"},
}
#: the few that reach up, and why
EXCEPTIONS = {
    # the CLI starts and stops the platform, which it otherwise knows by its API alone
    "client/cli/server.py": "orrery.api.up",
    # a cell's variables are packed here as the job unpacks them
    "client/cell_jobs.py": "orrery.jobs",
    # the process that jobs are forked from has their runner loaded
    "executors/zygote.py": "orrery.jobs",
    # a door of the API, kept beside what it opens to
    "tracking/proxy.py": "orrery.api.errors",
}
FOREIGN = {"domain": {"fastapi", "tornado", "sqlalchemy", "kubernetes", "starlette", "httpx"}}


def imports(folder: str) -> Iterator[tuple[Path, str]]:
    """Every module that a folder's files import, `from x import y` as x.y, at whatever depth."""
    for path in (PACKAGE / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from ((path, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield from ((path, f"{node.module}.{alias.name}") for alias in node.names)


@pytest.mark.parametrize("folder", sorted(MAY_IMPORT))
def test_arrows_run_downwards(folder: str) -> None:
    allowed = MAY_IMPORT[folder] | {folder, "errors", "_version", "__version__"}
    wrong: list[str] = []
    for path, module in imports(folder):
        parts = module.split(".")
        name = path.relative_to(PACKAGE).as_posix()
        if name in EXCEPTIONS and module.startswith(EXCEPTIONS[name]):
            continue
        if parts[0] == "orrery" and len(parts) > 1 and parts[1] not in allowed:
            wrong.append(f"{name} imports {module}")
        if parts[0] in FOREIGN.get(folder, set()):
            wrong.append(f"{name} imports {module}")
    assert wrong == []


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        (
            "orrery.api.up",
            [
                *("torch", "transformers", "pandas", "sklearn", "xgboost", "mlflow", "matplotlib", "jupyterhub"),
                *("voila", "tensorboard", "optuna"),
            ],
        ),
        ("orrery.gateway.app", ["fastapi", "pydantic", "sqlalchemy", "numpy", "pandas", "mlflow"]),
        ("orrery.executors.shim", ["asyncio", "pydantic", "orrery.executors.local", "subprocess"]),
        ("orrery.serving.app", ["pandas", "sklearn", "torch", "fastapi", "sqlalchemy", "pydantic"]),
        ("orrery.client", ["fastapi", "sqlalchemy", "orrery.api"]),
        ("orrery_hub", ["jupyter_server", "fastapi", "sqlalchemy"]),
    ],
)
def test_a_process_does_not_load_what_it_does_not_need(module: str, heavy: list[str]) -> None:
    code = f"import sys, {module}; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
