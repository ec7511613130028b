"""Notebooks on one machine: each is a local process with a folder of its own.

Nobody needs a Unix account: everything runs under the hub's own, which makes everybody on the machine one circle of
trust. Where the hub runs as root, `use_unix_accounts` runs each person's servers under the Unix account of their name.
"""

# JupyterHub is not typed.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import sys
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from jupyterhub.spawner import LocalProcessSpawner, set_user_setuid
from traitlets import Bool, Unicode, default

from orrery_hub.launch import Launch, fetch_launch
from orrery_hub.leftovers import end_leftovers
from orrery_hub.start.records import describe_progress

#: outside it are the system's own accounts (`nobody` is 65534), which no sign-up may ever reach
PERSON_UIDS: Final = range(1000, 60_000)
#: by which numerical libraries learn how many cores are theirs
THREADS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
LISTEN_PAUSE_SECONDS: Final = 0.2
CONFIG_FOLDER: Final = Path(__file__).with_name("jupyter")


class ServerEnded(RuntimeError):
    """Said to whoever wanted it."""

    @property
    def jupyterhub_message(self) -> str:
        return str(self)


def remove_folder(folder: Path) -> None:
    """Everything below it, and no link's target. Raises: OSError."""
    if folder.exists():
        shutil.rmtree(folder)


def escape(name: str) -> str:
    """A folder's name for any user or server name: distinct, and never `.` or `..`."""
    quoted = quote(name, safe="@+")
    return f"%2E{quoted[1:]}" if quoted.startswith(".") else quoted


def find_account(name: str) -> pwd.struct_passwd | None:
    """The Unix account of a person, never one of the system's."""
    try:
        account = pwd.getpwnam(name)
    except KeyError:
        return None
    return account if account.pw_uid in PERSON_UIDS else None


class OrrerySpawner(LocalProcessSpawner):
    """Usage: `c.JupyterHub.spawner_class = "orrery"`."""

    users_folder = Unicode(help="Each user gets a folder below this one: $ORRERY_HOME/users.").tag(config=True)
    platform_url = Unicode(help="The platform as notebooks reach it, with its prefix and no trailing slash.").tag(
        config=True
    )
    platform_key = Unicode(help="What the hub shows the platform when it asks with what to start a notebook.").tag(
        config=True
    )
    use_unix_accounts = Bool(
        False,
        help="""Run a person's servers under the Unix account of the same name, where there is one (uid 1000 to 59999)
        and the hub runs as root. Whoever gets a hub account of that name gets the Unix account: close the sign-up, or
        let an administrator allow each one (OrreryAuthenticator.open_signup = False).""",
    ).tag(config=True)

    launch: Launch | None = None

    @property
    def account(self) -> pwd.struct_passwd | None:
        """The Unix account to switch to; None: stay with the hub's."""
        if not self.use_unix_accounts or os.geteuid() != 0:
            return None
        return find_account(self.user.name)

    @property
    def home_folder(self) -> Path:
        account = self.account
        return Path(account.pw_dir) if account else Path(self.users_folder, escape(self.user.name))

    @property
    def data_folder(self) -> Path:
        """What this server opens; a named server has its own."""
        return self.home_folder / "servers" / escape(self.name) if self.name else self.home_folder / "notebooks"

    @default("cmd")
    def _default_cmd(self) -> list[str]:
        # -P: nothing in the notebook's folder is imported
        start = [sys.executable, "-P", "-m", "orrery_hub.start", "--"]
        return [*start, str(Path(sys.executable).with_name("jupyterhub-singleuser"))]

    @default("default_url")
    def _default_default_url(self) -> str:
        return "/lab"

    def get_args(self) -> list[str]:
        root = ["--allow-root"] if os.geteuid() == 0 and self.account is None else []
        return [*super().get_args(), *root]

    def user_env(self, env: dict[str, str]) -> dict[str, str]:
        if self.account is not None:
            return super().user_env(env)
        return env | {
            "USER": self.user.name,
            "HOME": str(self.home_folder),
            "SHELL": os.environ.get("SHELL") or "/bin/sh",
        }

    def get_env(self) -> dict[str, str]:
        env: dict[str, str] = super().get_env()
        # not before what is there already: a site's own settings are read later, and win
        config = [path for path in (env.get("JUPYTER_CONFIG_PATH"), str(CONFIG_FOLDER)) if path]
        own = {"ORRERY_URL": self.platform_url, "ORRERY_DATA_DIR": str(self.data_folder)}
        return {**env, **self.notebook_env(), **own, "JUPYTER_CONFIG_PATH": os.pathsep.join(config)}

    def notebook_env(self) -> dict[str, str]:
        """What a notebook's form says, and its size as programs read it."""
        launch = self.launch
        if launch is None:
            return {}
        threads = str(max(1, int(launch.instance_type.cores)))
        return {
            **launch.environment,
            "ORRERY_NOTEBOOK_ID": launch.notebook_id,
            "CPU_LIMIT": str(launch.instance_type.cores),
            "MEM_LIMIT": str(launch.instance_type.memory_bytes),
            **dict.fromkeys(THREADS, threads),
        }

    def make_preexec_fn(self, name: str) -> Callable[[], None]:
        account, folder = self.account, self.data_folder
        switch = set_user_setuid(name, chdir=False) if account is not None else None

        def prepare() -> None:
            """In the new process, as whoever it runs as."""
            if switch is not None:
                switch()
            os.umask(0o077)
            folder.mkdir(parents=True, exist_ok=True)
            os.chdir(folder)

        return prepare

    async def start(self) -> Any:
        """Raises: NoLaunch where the platform has no such notebook, or cannot be asked."""
        if self.name:
            self.launch = await fetch_launch(self.platform_url, self.platform_key, self.user.name, self.name)
            left = await asyncio.to_thread(end_leftovers, self.launch.notebook_id)
            if left:
                self.log.warning("%s: ended servers that the hub had forgotten: %s", self._log_name, left)
        self.notebook_dir = str(self.data_folder)
        if self.account is None:
            self.data_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        address = await super().start()
        # noted before it answers: a hub that is killed meanwhile finds it again
        assert self.server is not None
        self.server.ip, self.server.port = address
        self.orm_spawner.state = self.get_state()
        self.db.commit()
        await self.wait_for_answer(*address)
        return address

    async def wait_for_answer(self, host: str, port: int) -> None:
        """Until the server listens. JupyterHub itself would not see it end before.

        Raises: ServerEnded where it ends first.
        """
        while True:
            status = await self.poll()
            if status is not None:
                raise ServerEnded(f"its server ended with {status} before it answered; start it again")
            try:
                _, writer = await asyncio.open_connection(host or "127.0.0.1", port)
            except OSError:
                await asyncio.sleep(LISTEN_PAUSE_SECONDS)
            else:
                writer.close()
                return

    async def progress(self) -> AsyncGenerator[dict[str, Any]]:
        """What runs before the server, as the hub's page shows it."""
        told = ""
        while True:
            line = await asyncio.to_thread(describe_progress, self.data_folder)
            if line and line != told:
                told = line
                yield {"progress": 50, "message": line}
            await asyncio.sleep(1)

    async def delete_forever(self) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The data volume goes with the notebook."""
        if self.name:
            await asyncio.to_thread(remove_folder, self.data_folder)

    def move_certs(self, paths: Any) -> Any:
        return paths if self.account is None else super().move_certs(paths)
