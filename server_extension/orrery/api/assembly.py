"""Putting the platform together: stores, executor, controllers, engine, and the app over them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from fastapi import Depends, FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from orrery._version import __version__
from orrery.api import (
    apps,
    batch,
    details,
    docs,
    errors,
    events,
    hub_servers,
    kernels,
    memory_fit,
    notebook_upgrade,
    notebook_use,
    overview,
    profiles,
    queue,
    resources,
    sweeps,
    system,
    trial_usage,
    tunings,
    uploads,
)
from orrery.api.auth import Authenticator, Signer, TokenVerifier
from orrery.api.limits import BodyLimit
from orrery.controllers import run_tokens
from orrery.controllers.algorithms import AlgorithmController
from orrery.controllers.apps import AppHost, Apps
from orrery.controllers.boards import CHECK_SECONDS, Boards, check_boards
from orrery.controllers.built_in_algorithms import synchronise_built_ins
from orrery.controllers.commands import Commands
from orrery.controllers.contract import Controller, Platform
from orrery.controllers.dashboards import DashboardController
from orrery.controllers.datasets import DatasetController, DatasetVersionController
from orrery.controllers.endpoints import EndpointController
from orrery.controllers.engine import Engine
from orrery.controllers.estimates import Estimates
from orrery.controllers.experiments import ExperimentController
from orrery.controllers.housekeeping import Housekeeping
from orrery.controllers.image_catalogue import synchronise_images
from orrery.controllers.images import ImageController
from orrery.controllers.jobs import resource_id_of
from orrery.controllers.kernels import KernelController, KernelKeys
from orrery.controllers.memory_fit import MemoryFit
from orrery.controllers.mirroring import MirrorOutbox
from orrery.controllers.models import ModelController
from orrery.controllers.monitoring import Monitor
from orrery.controllers.notebooks import HubLink, NotebookController
from orrery.controllers.optuna import StudyBoards
from orrery.controllers.registry_accounts import RegistryAccountController
from orrery.controllers.routing import Router
from orrery.controllers.run_tokens import RunTokens
from orrery.controllers.secrets import SecretController, Secrets
from orrery.controllers.settings import Settings
from orrery.controllers.templates import TemplateController
from orrery.controllers.tensorboard import TensorBoards
from orrery.controllers.training_images import ImageLogins
from orrery.controllers.trainings import TrainingController
from orrery.controllers.tunings import TuningController
from orrery.controllers.workflows import WorkflowController
from orrery.domain.catalogue import KINDS
from orrery.executors.contract import Executor, Resources, SecretSource
from orrery.executors.local import LocalExecutor
from orrery.executors.machine import detect_capacity, detect_gpus
from orrery.executors.meter import Meter, smallest_gpu_bytes
from orrery.hub.client import HubClient
from orrery.hub.watch import HubWatch
from orrery.store.database import open_database
from orrery.store.events import EventLog
from orrery.store.metrics import MetricStore
from orrery.store.notebook_use import NotebookUseStore
from orrery.store.objects import ObjectStore
from orrery.store.outbox import OutboxStore
from orrery.store.resources import ResourceStore
from orrery.store.trials import TrialStore
from orrery.store.uploads import Limits, Uploads
from orrery.store.vault import Vault
from orrery.tracking import proxy as mlflow
from orrery.tracking.server import ServerSettings
from orrery.tracking.service import Tracking
from orrery.tuning.studies import Studies

log = logging.getLogger(__name__)


@dataclass
class Assembly:
    """A platform ready to run. `base_path` is where it is mounted behind a hub, '' for the root."""

    platform: Platform
    controllers: Mapping[str, Controller]
    engine: Engine
    commands: Commands
    router: Router
    #: by kind and by what a visit is called
    app_hosts: Mapping[tuple[str, str], AppHost]
    apps: Apps
    boards: Sequence[Boards]
    algorithms: AlgorithmController
    trainings: TrainingController
    tunings: TuningController
    notebooks: NotebookController
    hub: events.EventHub
    housekeeping: Housekeeping
    authenticator: Authenticator
    signer: Signer
    tracking: Tracking
    monitor: Monitor
    uses: NotebookUseStore
    app: FastAPI
    base_path: str = ""
    #: where jobs reach the platform; known once the gateway listens
    address: dict[str, str] = field(default_factory=lambda: {"url": ""})

    @property
    def asgi(self) -> ASGIApp:
        return BasePath(self.app, self.base_path) if self.base_path else self.app


def make_executor(settings: Settings, objects: ObjectStore, secrets: SecretSource) -> LocalExecutor:
    capacity = detect_capacity(len(detect_gpus()))
    capacity = Resources(
        cores=settings.cores or capacity.cores,
        memory_bytes=settings.memory_bytes or capacity.memory_bytes,
        gpus=capacity.gpus,
    )
    return LocalExecutor(settings.home, objects, capacity=capacity, limits=settings.limits.limits, secrets=secrets)


def make_tracking(platform: Platform) -> Tracking:
    settings = platform.settings
    server = ServerSettings(
        home=settings.home / "mlflow",
        objects_url=settings.objects_url or str(settings.home / "objects"),
        database_url=settings.database_url or None,
        idle_seconds=settings.mlflow_idle_minutes * 60,
    )
    return Tracking(server, platform.objects, MirrorOutbox(platform))


def instance_of(home: Path) -> str:
    """The name of the platform over this home, the same after every restart."""
    path = home / "instance"
    if not path.exists():
        path.write_text(secrets.token_hex(6))
    return path.read_text().strip()


def assemble(
    settings: Settings,
    *,
    hub_tokens: TokenVerifier | None = None,
    base_path: str = "",
    mode: str = "local",
    hub: HubClient | None = None,
    executor: Executor | None = None,
) -> Assembly:
    """Open everything. Nothing runs yet; `running` does that. `hub`: where notebooks are started."""
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings.run_dir.mkdir(mode=0o711, exist_ok=True)
    database = open_database(settings.sql_url)
    objects = ObjectStore.from_url(settings.objects_url or settings.home / "objects")
    store = ResourceStore(database, KINDS, instance=instance_of(settings.home))
    signer = Signer.open(settings.home / "secrets" / "jwt.key")
    address = {"url": ""}
    vault = Vault(settings.home / "secrets" / "vault.key")
    tokens = RunTokens(store, lambda user, seconds: signer.sign(user, seconds)[0], Secrets(store, vault))
    logins = ImageLogins(KernelKeys(store, vault, tokens))
    executor = executor or make_executor(settings, objects, logins)
    platform = Platform(
        settings=settings,
        store=store,
        metrics=MetricStore(database),
        outbox=OutboxStore(database),
        objects=objects,
        uploads=Uploads(settings.home / "uploads", objects, Limits(upload_bytes=settings.max_upload_bytes)),
        executor=executor,
        estimates=Estimates(store, executor),
        memory_fit=MemoryFit(settings, store, executor, smallest_gpu_bytes),
        vault=vault,
        url=lambda: address["url"],
    )
    logins.platform = platform
    router = Router(settings.home, f"unix:{settings.run_dir / 'platform.sock'}")
    apps_ = Apps(platform, router)
    dashboards = DashboardController(platform, apps_)
    boards = TensorBoards(platform, apps_)
    algorithms = AlgorithmController(platform)
    trainings = TrainingController(platform)
    tunings = TuningController(platform, trainings, TrialStore(database), Studies(settings.home / "tunings"))
    studies = StudyBoards(platform, apps_, tunings.studies)
    notebooks = NotebookController(platform)
    controllers: dict[str, Controller] = {
        controller.kind.name: controller
        for controller in (
            DatasetController(platform),
            DatasetVersionController(platform),
            ExperimentController(platform),
            algorithms,
            trainings,
            tunings,
            TemplateController(platform),
            WorkflowController(platform),
            ModelController(platform),
            EndpointController(platform, router),
            dashboards,
            SecretController(platform),
            notebooks,
            ImageController(platform),
            RegistryAccountController(platform),
            KernelController(platform),
        )
    }
    engine = Engine(store, controllers)
    algorithms.wake = trainings.wake = engine.wake_resource
    commands = Commands(platform, controllers, engine.wake)
    for controller in controllers.values():
        controller.commands = commands
    if hub is not None:
        watch = HubWatch(hub, lambda user, server: _wake_notebook(notebooks, engine, user, server))
        notebooks.hub = HubLink(hub, watch)
    event_hub = events.EventHub(store, EventLog(database))
    is_alive = partial(run_tokens.is_alive, executor)
    authenticator = Authenticator(signer, is_alive, hub_tokens, frozenset(settings.admins))
    tracking = make_tracking(platform)
    assembly = Assembly(
        platform=platform,
        controllers=controllers,
        engine=engine,
        commands=commands,
        router=router,
        app_hosts={
            ("dashboard", "visit"): dashboards,
            ("training", "tensorboard"): boards,
            ("tuning", "tensorboard"): boards,
            ("tuning", "optuna"): studies,
            ("experiment", "tensorboard"): boards,
            ("notebook", "open"): notebooks,
        },
        apps=apps_,
        boards=(boards, studies),
        algorithms=algorithms,
        trainings=trainings,
        tunings=tunings,
        notebooks=notebooks,
        hub=event_hub,
        housekeeping=Housekeeping(platform, controllers, EventLog(database), (tracking.artifacts.oids,)),
        authenticator=authenticator,
        signer=signer,
        tracking=tracking,
        monitor=Monitor(settings.home, Meter(settings.home, detect_capacity(0).cores), lambda: router.ask("/stats")),
        uses=NotebookUseStore(database),
        app=FastAPI(
            title="Orrery",
            version=__version__,
            description="A machine-learning platform that lives inside Jupyter.",
            docs_url=None,
            redoc_url=None,
            dependencies=[Depends(errors.check_body)],
        ),
        base_path=base_path.rstrip("/"),
        address=address,
    )
    _install_routes(assembly, mode)
    return assembly


def _install_routes(assembly: Assembly, mode: str) -> None:
    app, commands, user = assembly.app, assembly.commands, assembly.authenticator
    errors.install(app)
    docs.install(app)
    app.add_middleware(BodyLimit, max_bytes=assembly.platform.settings.max_request_bytes)
    app.include_router(system.make_router(commands, assembly.signer, user, mode))
    app.include_router(queue.make_router(commands, user))
    app.include_router(overview.make_router(overview.Overview(commands, assembly.router, assembly.monitor), user))
    app.include_router(events.make_router(assembly.hub, user))
    app.include_router(batch.make_router(app, user))
    app.include_router(uploads.make_router(assembly.platform.uploads, assembly.platform.objects, user))
    app.include_router(apps.make_api(commands, assembly.app_hosts, assembly.signer, user))
    app.include_router(apps.make_router(commands, assembly.app_hosts, assembly.signer, user, assembly.base_path))
    app.include_router(sweeps.make_router(commands, user))
    app.include_router(memory_fit.make_router(commands, user))
    for kind in commands.store.kinds:
        if kind.name == "notebook":
            uses = notebook_use.NotebookUses(commands, assembly.uses, assembly.notebooks.upgrades)
            app.include_router(notebook_use.make_router(uses, kind, user))
        app.include_router(resources.make_router(kind, commands, user))
    app.include_router(kernels.make_router(commands, user))
    upgrades = assembly.notebooks.upgrades
    app.include_router(notebook_upgrade.make_router(commands, upgrades, assembly.uses, user))
    app.include_router(tunings.make_router(commands, assembly.tunings, user))
    app.include_router(trial_usage.make_router(commands, assembly.tunings, user))
    app.include_router(profiles.make_router(commands, user))
    app.include_router(mlflow.make_router(assembly.tracking, user))
    app.include_router(hub_servers.make_router(assembly.notebooks, assembly.platform.settings.hub_key))
    app.include_router(details.make_router(commands, assembly.router, assembly.monitor, user))


@contextlib.asynccontextmanager
async def running(assembly: Assembly) -> AsyncGenerator[None]:
    """The executor, the engine and the housekeeping, for as long as the block lasts."""
    platform, engine = assembly.platform, assembly.engine
    assembly.hub.attach(asyncio.get_running_loop())
    await _build_routes(assembly.app)
    await asyncio.to_thread(platform.executor.start)
    try:
        await asyncio.to_thread(synchronise_built_ins, platform)
        await asyncio.to_thread(synchronise_images, platform)
        platform.executor.subscribe(lambda executor_id: engine.wake_resource(resource_id_of(executor_id)))
        await asyncio.to_thread(assembly.housekeeping.wake_all)
        async with asyncio.TaskGroup() as tasks:
            loops = [
                tasks.create_task(engine.run(), name="engine"),
                tasks.create_task(assembly.tracking.run(), name="tracking"),
                tasks.create_task(_keep_house(assembly), name="housekeeping"),
                tasks.create_task(assembly.monitor.run(), name="monitor"),
                tasks.create_task(_keep_boards(assembly), name="boards"),
            ]
            if assembly.notebooks.hub is not None:
                loops.append(tasks.create_task(assembly.notebooks.hub.watch.run(), name="hub"))
            try:
                yield
            finally:
                for loop in loops:
                    loop.cancel()
    finally:
        if assembly.notebooks.hub is not None:
            assembly.notebooks.hub.client.close()
        await assembly.tracking.close()
        await asyncio.to_thread(assembly.algorithms.fetches.close)
        await asyncio.to_thread(assembly.trainings.storage.close)
        await asyncio.to_thread(assembly.tunings.studies.close)
        await asyncio.to_thread(platform.executor.close)
        platform.store.database.close()


def _wake_notebook(notebooks: NotebookController, engine: Engine, user: str, server: str) -> None:
    record = notebooks.find(user, server)
    if record is not None:
        engine.wake_resource(record.id)


async def _build_routes(app: FastAPI) -> None:
    """FastAPI builds a router's routes when it first looks for one there; nobody should wait for that."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://platform") as client:
        await client.get("/api/v1/found-in-no-router")


async def _keep_house(assembly: Assembly) -> None:
    while True:
        await asyncio.sleep(assembly.platform.settings.housekeeping_minutes * 60)
        await asyncio.to_thread(assembly.housekeeping.check_all)
        await asyncio.to_thread(assembly.uses.thin, int(time.time()))


async def _keep_boards(assembly: Assembly) -> None:
    while True:
        await asyncio.sleep(CHECK_SECONDS)
        await asyncio.to_thread(check_boards, assembly.apps, assembly.boards)


class BasePath:
    """Mounts the app below a prefix that the proxy before it does not strip."""

    def __init__(self, app: ASGIApp, base_path: str) -> None:
        self.app = app
        self.base_path = base_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket") and _is_below(scope["path"], self.base_path):
            scope = {**scope, "root_path": self.base_path}
        await self.app(scope, receive, send)


def _is_below(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(f"{prefix}/")


def make_openapi() -> dict[str, Any]:
    """The API's description without a platform behind it: what the Lab extension's types are generated from."""
    import tempfile

    with tempfile.TemporaryDirectory() as home:
        assembly = assemble(Settings(home=Path(home)))
        document = assembly.app.openapi()
        assembly.platform.store.database.close()
    return document
