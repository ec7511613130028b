"""JupyterHub with more patience: `python -m orrery_hub.hub`, otherwise as `python -m jupyterhub`.

JupyterHub gives a service that it starts ten seconds to answer and then ends itself. On a busy machine the platform may
need longer, and a hub that waits is better than one that is gone.
"""

# JupyterHub is not typed.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false

from __future__ import annotations

import time
from typing import Any, Final

from jupyterhub.app import JupyterHub
from jupyterhub.objects import Server
from jupyterhub.utils import AnyTimeoutError

SERVICE_SECONDS: Final = 180.0


class OrreryHub(JupyterHub):
    name = "jupyterhub"

    async def start_service(self, service_name: str, service: Any, ssl_context: Any = None) -> bool:
        """As JupyterHub's, save that a service which it started may be slow as long as its process lives."""
        if await super().start_service(service_name, service, ssl_context):
            return True
        deadline = time.monotonic() + SERVICE_SECONDS
        while service.managed and service.spawner is not None and time.monotonic() < deadline:
            if await service.spawner.poll() is not None:
                return False
            try:
                await Server.from_orm(service.orm.server).wait_up(http=True, timeout=5, ssl_context=ssl_context)
            except AnyTimeoutError:
                self.log.warning("Service %s still starts", service_name)
            else:
                return True
        return False


main = OrreryHub.launch_instance

if __name__ == "__main__":
    main()
