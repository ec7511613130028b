"""The whole of JupyterHub's configuration, from a few settings.

    # jupyterhub_config.py
    from orrery_hub import configure
    configure(c)                # afterwards, change what you like: c.JupyterHub.port = 9000

What is set on `c` before the call and matters here is kept: `c.JupyterHub.base_url`.
"""

from __future__ import annotations

import logging
import os
import secrets
import sys
from pathlib import Path
from typing import Any, Final

from orrery_hub.front import find_proxy_command
from orrery_hub.settings import HubSettings, choose_inner_ports
from orrery_hub.tied import tie

log = logging.getLogger("orrery_hub")

SERVICE: Final = "orrery"
ACCESS_SCOPE: Final = f"access:services!service={SERVICE}"
TEMPLATES: Final = Path(__file__).with_name("templates")
#: variables of the hub's environment that the platform gets, and those of a client that it must not
PASSED_ON: Final = ("ORRERY_", "MLFLOW_", "AWS_")
CLIENTS_OWN: Final = frozenset({"ORRERY_URL", "ORRERY_TOKEN"})
#: until a server listens: what runs before it (`cont-init.d`) has time limits of its own
START_SECONDS: Final = 3600
#: from then on; and so long a hub that was started again looks for each server that it knew
ANSWER_SECONDS: Final = 90
SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


def configure(c: Any, settings: HubSettings | None = None) -> None:
    """Raises: InvalidSetting."""
    settings = settings or HubSettings.from_environment()
    base_url = c.JupyterHub.base_url if isinstance(c.JupyterHub.base_url, str) else "/"
    prefix = f"{base_url.rstrip('/')}/services/{SERVICE}"
    configure_accounts(c, settings)
    configure_pages(c, prefix, is_shared=not is_in_kubernetes())
    c.Spawner.server_token_scopes = ["users:activity!user", "access:servers!server", ACCESS_SCOPE]
    c.Spawner.default_url = "/lab"
    c.JupyterHub.allow_named_servers = True
    # a request to start or stop is answered at once: whoever asked follows it
    c.JupyterHub.tornado_settings = {"slow_spawn_timeout": 0, "slow_stop_timeout": 0}
    c.Spawner.http_timeout = ANSWER_SECONDS
    c.Spawner.start_timeout = START_SECONDS
    if is_in_kubernetes():
        configure_cluster(c, settings, prefix)
    else:
        configure_machine(c, settings, prefix)


def configure_machine(c: Any, settings: HubSettings, prefix: str) -> None:
    settings.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    ports = choose_inner_ports(settings.folder)
    platform = settings.platform_url or f"http://127.0.0.1:{ports['platform']}"
    configure_hub(c, settings, ports)
    key = find_key(settings)
    c.JupyterHub.services = [make_service(settings, platform, key)]
    c.JupyterHub.load_roles = make_roles()
    c.JupyterHub.spawner_class = "orrery_hub.spawner.OrrerySpawner"
    # looking at a process costs nothing
    c.OrrerySpawner.poll_interval = 5
    c.OrrerySpawner.users_folder = str(settings.users)
    c.OrrerySpawner.platform_url = f"{platform}{prefix}"
    c.OrrerySpawner.platform_key = key


def configure_cluster(c: Any, settings: HubSettings, prefix: str) -> None:
    """The hub's address, proxy and database are the chart's to say."""
    from orrery_hub.kubernetes.cluster import added, configure_spawner

    configure_spawner(c, settings, prefix)
    c.JupyterHub.services = added(c.JupyterHub.services, [make_service(settings, str(settings.platform_url), "")])
    c.JupyterHub.load_roles = added(c.JupyterHub.load_roles, make_roles())


def is_in_kubernetes() -> bool:
    """Whether this process runs in a pod that may talk to its cluster."""
    return "KUBERNETES_SERVICE_HOST" in os.environ and SERVICE_ACCOUNT.exists()


def configure_hub(c: Any, settings: HubSettings, ports: dict[str, int]) -> None:
    c.JupyterHub.bind_url = f"http://{settings.host}:{settings.port}"
    c.JupyterHub.hub_ip = "127.0.0.1"
    c.JupyterHub.hub_port = ports["hub"]
    c.JupyterHub.db_url = f"sqlite:///{settings.folder / 'jupyterhub.sqlite'}"
    c.JupyterHub.cookie_secret_file = str(settings.folder / "cookie_secret")
    c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{ports['proxy']}"
    c.ConfigurableHTTPProxy.pid_file = str(settings.folder / "proxy.pid")
    c.ConfigurableHTTPProxy.command = tie(find_proxy_command())


def configure_accounts(c: Any, settings: HubSettings) -> None:
    c.JupyterHub.authenticator_class = "orrery_hub.authenticator.OrreryAuthenticator"
    c.OrreryAuthenticator.open_signup = True
    c.OrreryAuthenticator.ask_email_on_signup = True
    c.OrreryAuthenticator.allowed_failed_logins = 10
    c.OrreryAuthenticator.seconds_before_next_try = 60
    # An account is made by signing up; whoever has one may log in.
    c.Authenticator.allow_all = True
    c.Authenticator.admin_users = set(settings.admins)


def configure_pages(c: Any, prefix: str, *, is_shared: bool) -> None:
    c.JupyterHub.template_paths = [str(TEMPLATES)]
    c.JupyterHub.template_vars = {"orrery_prefix": prefix, "orrery_is_shared": is_shared}


def find_key(settings: HubSettings) -> str:
    """What the hub shows the platform: `$ORRERY_HUB_KEY`, else one made at the first start."""
    given = os.environ.get("ORRERY_HUB_KEY")
    if given:
        return given
    path = settings.folder / "platform.key"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(32))
    return path.read_text().strip()


def make_service(settings: HubSettings, platform: str, key: str) -> dict[str, Any]:
    """The platform; the hub starts it, save where it runs elsewhere."""
    service: dict[str, Any] = {"name": SERVICE, "url": platform, "oauth_no_confirm": True, "display": True}
    if settings.platform_url is not None:
        return service | {"api_token": os.environ.get("ORRERY_SERVICE_TOKEN", "")}
    own = {name: value for name, value in os.environ.items() if name.startswith(PASSED_ON) and name not in CLIENTS_OWN}
    return service | {
        "command": tie([sys.executable, "-m", "orrery", "up", "--hub", "--home", str(settings.home)]),
        "environment": {
            **own,
            "ORRERY_HOME": str(settings.home),
            "ORRERY_HUB_KEY": key,
            "ORRERY_HUB_URL": settings.public_url,
            "PYTHONUNBUFFERED": "1",
        },
        "cwd": str(settings.folder),
    }


def make_roles() -> list[dict[str, Any]]:
    """Everybody may use the platform as themselves; the platform itself may start, stop and see notebook servers.

    It learns who somebody is from that person's own token, which always tells its owner's name and groups.
    """
    return [
        {"name": "user", "description": "A person with an account", "scopes": ["self", ACCESS_SCOPE]},
        {
            "name": "orrery",
            "description": "The platform, which keeps the notebooks",
            "scopes": ["list:users", "servers"],
            "services": [SERVICE],
        },
    ]
