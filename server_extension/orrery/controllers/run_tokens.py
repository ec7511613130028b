"""The token by which a run calls the platform as its owner: made when the run starts, worth nothing once it has ended.

It is a secret of the run like any other (`JobSpec.secrets`): in no record of the job, masked in all that the run prints
and tells. It names its job; whoever checks it asks the executor, which knows without a look at the database, whether
that job still lives (`orrery.api.auth`). So it goes on across a restart of the platform, and each attempt has its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from orrery.controllers import jobs
from orrery.domain.access import User
from orrery.errors import NotFound
from orrery.executors.contract import Executor, JobPhase, SecretSource
from orrery.store.resources import ResourceStore

TOKEN_VARIABLES: Final = ("ORRERY_TOKEN", "MLFLOW_TRACKING_TOKEN")
#: of a run without a limit of its own: longer than any may last
LONGEST_SECONDS: Final = 32 * 24 * 3600
#: beyond a run's limit: until it has been started, and for what it does when it is asked to end
MARGIN_SECONDS: Final = 300.0
#: what a reference to a run's token begins with; no owner's name has a colon
_PREFIX: Final = "run-token:"


def token_secrets(job_id: str) -> dict[str, str]:
    """For `JobSpec.secrets`: the variables with the token of this job."""
    return dict.fromkeys(TOKEN_VARIABLES, f"{_PREFIX}{job_id}")


def is_alive(executor: Executor, job_id: str) -> bool:
    """Whether the job waits or runs: its token counts."""
    state = jobs.find_job(executor, job_id)
    return state is not None and state.phase is not JobPhase.ENDED


class RunTokens:
    """Makes the tokens for the executor, and asks `others` for every other secret.

    `sign`: a user, whose `run` is set, and a lifetime in seconds -> the token.
    """

    def __init__(self, store: ResourceStore, sign: Callable[[User, float], str], others: SecretSource) -> None:
        self._store = store
        self._sign = sign
        self._others = others

    def reveal(self, reference: str) -> str:
        """Raises: NotFound where the run's resource has been deleted for good."""
        if not reference.startswith(_PREFIX):
            return self._others.reveal(reference)
        job_id = reference.removeprefix(_PREFIX)
        record = self._store.find(jobs.resource_id_of(job_id))
        if record is None:
            raise NotFound(f"what {job_id} is a run of is not there any more; start another")
        limit = record.spec.get("max_seconds")
        lifetime = LONGEST_SECONDS if limit is None else min(LONGEST_SECONDS, limit + MARGIN_SECONDS)
        return self._sign(User(record.owner, run=job_id), lifetime)
