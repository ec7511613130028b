"""MLflow's REST API as the platform itself calls it, in one workspace."""

from __future__ import annotations

from typing import Any, Final

import httpx

from orrery.errors import OrreryError, Unavailable
from orrery.tracking.workspaces import HEADER

#: without it MLflow's UI opens an experiment as one of language-model traces
_KIND: Final = {"key": "mlflow.experimentKind", "value": "custom_model_development"}


class TrackingError(OrreryError):
    """MLflow refused what the platform told it."""

    code = "tracking"

    def __init__(self, message: str, error_code: str) -> None:
        super().__init__(message)
        self.error_code = error_code


class WorkspaceCalls:
    """`get` and `post` answer the JSON.

    Raise: `TrackingError` for a refusal, `Unavailable` when MLflow cannot answer.
    """

    def __init__(self, client: httpx.AsyncClient, workspace: str) -> None:
        self._client = client
        self._headers = {HEADER: workspace}
        self.workspace = workspace

    async def get(self, endpoint: str, **query: Any) -> dict[str, Any]:
        return await self._call("GET", f"/api/2.0/mlflow/{endpoint}", params=query)

    async def post(self, endpoint: str, **body: Any) -> dict[str, Any]:
        return await self._call("POST", f"/api/2.0/mlflow/{endpoint}", json=body)

    async def ensure_workspace(self) -> None:
        """Make the workspace. Idempotent."""
        try:
            await self._call("POST", "/api/3.0/mlflow/workspaces", json={"name": self.workspace})
        except TrackingError as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    async def ensure_experiment(self, name: str) -> str:
        """The id of the experiment, made or restored if need be."""
        try:
            found = (await self.get("experiments/get-by-name", experiment_name=name))["experiment"]
        except TrackingError as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            try:
                return str((await self.post("experiments/create", name=name, tags=[_KIND]))["experiment_id"])
            except TrackingError as race:
                if race.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
                found = (await self.get("experiments/get-by-name", experiment_name=name))["experiment"]
        if found["lifecycle_stage"] == "deleted":
            await self.post("experiments/restore", experiment_id=found["experiment_id"])
        return str(found["experiment_id"])

    async def _call(
        self, method: str, path: str, params: dict[str, Any] | None = None, json: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        # a header that names a workspace not yet made is refused
        headers = {} if path.endswith("/workspaces") else self._headers
        try:
            answer = await self._client.request(method, path, params=params, json=json, headers=headers)
        except httpx.TransportError as error:
            raise Unavailable(f"MLflow's server went away during {path}: {error!r}; trying again") from error
        if answer.is_success:
            return answer.json()
        if answer.status_code >= 500:
            raise Unavailable(f"MLflow answered {path} with {answer.status_code}: {answer.text[:500]}")
        try:
            told: dict[str, Any] = answer.json()
        except ValueError:
            told = {}
        message = f"MLflow refused {path}: {told.get('message', answer.text)[:500]}"
        raise TrackingError(message, str(told.get("error_code", answer.status_code)))
