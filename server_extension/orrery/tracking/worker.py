"""MLflow's server as one process on a unix socket: `python -m orrery.tracking.worker`.

`mlflow server` runs a supervisor and its workers, twice the memory for nothing here. Settings come as JSON in
`ORRERY_TRACKING`, not as arguments, because the database's URL may hold a password. The process ends when its standard
input does, that is when the platform ends, however it ended.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

SETTINGS_VARIABLE = "ORRERY_TRACKING"


@dataclass(frozen=True)
class WorkerSettings:
    socket: str
    #: SQLAlchemy's; on PostgreSQL MLflow gets a schema of its own in it
    database_url: str
    #: folder of the artifact tree
    artifacts: str
    #: for `ObjectStore.from_url`
    objects_url: str
    #: local folder for objects on their way to a remote store
    staging: str

    def to_json(self) -> str:
        return json.dumps(asdict(self))


def main() -> None:
    settings = WorkerSettings(**json.loads(os.environ.pop(SETTINGS_VARIABLE)))
    threading.Thread(target=_end_with_input, daemon=True).start()
    database_url = _prepare_database(settings.database_url)
    # MLflow reads these when it is imported; they are what its own command line sets
    os.environ.update(
        {
            "_MLFLOW_SERVER_FILE_STORE": database_url,
            "_MLFLOW_SERVER_REGISTRY_STORE": database_url,
            "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
            "_MLFLOW_SERVER_ARTIFACT_DESTINATION": f"orrery-artifacts://{quote(settings.artifacts)}",
            "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
            "MLFLOW_ENABLE_WORKSPACES": "true",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DO_NOT_TRACK": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        }
    )
    import uvicorn
    from mlflow.server.fastapi_app import app
    from mlflow.server.handlers import initialize_backend_stores

    from orrery.store.objects import ObjectStore
    from orrery.tracking import repository

    repository.install(ObjectStore.from_url(settings.objects_url, staging=Path(settings.staging)))
    initialize_backend_stores(database_url, database_url, "mlflow-artifacts:/")
    uvicorn.run(app, uds=settings.socket, log_level="warning", access_log=False, ws="none", timeout_keep_alive=75)


def _prepare_database(url: str) -> str:
    """Make a schema for MLflow on PostgreSQL, and the URL that stays in it: `alembic_version` and others exist twice.

    Any other URL stays as it is.
    """
    from sqlalchemy import create_engine, make_url, text

    parsed = make_url(url)
    if parsed.get_backend_name() != "postgresql":
        return url
    engine = create_engine(parsed)
    with engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA IF NOT EXISTS mlflow"))
    engine.dispose()
    scoped = parsed.update_query_dict({"options": "-csearch_path=mlflow"})
    return scoped.render_as_string(hide_password=False)


def _end_with_input() -> None:
    # unbuffered: a thread inside a buffered read would abort the interpreter's own end
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    try:
        main()
    except Exception as error:
        traceback.print_exc()
        # the last line of the log is what the platform tells
        reason = (str(error).splitlines() or ["no reason given"])[0]
        sys.exit(f"{type(error).__name__}: {reason}")
