"""The platform's configuration, read once from `ORRERY_*` variables."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from orrery._version import __version__
from orrery.controllers.storages import StorageSettings
from orrery.domain.idle import IdleLimits
from orrery.domain.image_addresses import check_registry
from orrery.domain.upgrades import Upgrade
from orrery.errors import Invalid
from orrery.executors.contract import Resources
from orrery.executors.policy import Limit, Limits

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def parse_bytes(text: str | int) -> int:
    """`"2G"` -> 2147483648. Raises: ValueError."""
    if isinstance(text, int):
        return text
    number = text.strip().upper().removesuffix("B").removesuffix("I")
    unit = number[-1:] if number[-1:] in _UNITS else ""
    try:
        return int(float(number.removesuffix(unit)) * _UNITS[unit])
    except ValueError as error:
        raise ValueError(f"{text!r} is no size; write bytes, or a number with K, M, G or T") from error


class InstanceType(BaseModel):
    """A named size: what a job or a replica of this type holds while it runs."""

    model_config = ConfigDict(frozen=True)
    title: str = ""
    cores: float = Field(gt=0)
    memory_bytes: int = Field(gt=0)
    gpus: int = Field(default=0, ge=0)
    #: of each GPU; 0: as much as the smallest of this machine has, where the driver tells
    gpu_memory_bytes: int = Field(default=0, ge=0)

    @field_validator("memory_bytes", "gpu_memory_bytes", mode="before")
    @classmethod
    def written_with_a_unit(cls, value: Any) -> int:
        return parse_bytes(value)

    @property
    def resources(self) -> Resources:
        return Resources(cores=self.cores, memory_bytes=self.memory_bytes, gpus=self.gpus)


class UpgradeSettings(BaseModel):
    """A new version that notebooks are restarted for; empty: none."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    message: str = ""
    since: AwareDatetime | None = None
    expires_at: AwareDatetime | None = None

    @model_validator(mode="after")
    def whole(self) -> UpgradeSettings:
        if (self.since is None) != (self.expires_at is None) or (self.since is not None and not self.message):
            raise ValueError("say all of message, since and expires_at, the moments with their time zone")
        return self

    @property
    def upgrade(self) -> Upgrade | None:
        if self.since is None or self.expires_at is None:
            return None
        return Upgrade(self.message, self.since, self.expires_at)


def default_instance_types() -> dict[str, InstanceType]:
    return {
        "cpu-small": InstanceType(title="1 core, 2 GiB", cores=1, memory_bytes=2 << 30),
        "cpu-medium": InstanceType(title="2 cores, 8 GiB", cores=2, memory_bytes=8 << 30),
        "cpu-large": InstanceType(title="8 cores, 32 GiB", cores=8, memory_bytes=32 << 30),
        "gpu-small": InstanceType(title="4 cores, 16 GiB, 1 GPU", cores=4, memory_bytes=16 << 30, gpus=1),
        "serve-small": InstanceType(title="0.1 core, 512 MiB", cores=0.1, memory_bytes=512 << 20),
        "serve-medium": InstanceType(title="1 core, 2 GiB", cores=1, memory_bytes=2 << 30),
    }


def check_names(limits: Mapping[str, Any]) -> Mapping[str, Any]:
    """Raises: ValueError where a limit is nobody's."""
    if any(not name.strip() for name in limits):
        raise ValueError("one of the names is empty; say whose limit it is")
    return limits


#: limits by the name of a user or of a group
Named = AfterValidator(check_names)


class LimitSettings(BaseModel):
    """At most so much held at a time, and the share of the turns; what is left out has no limit of its own."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    cores: float | None = Field(default=None, ge=0, description="Cores held at a time.")
    memory_bytes: int | None = Field(default=None, ge=0, description="Memory held at a time, in bytes or 8G.")
    gpus: int | None = Field(default=None, ge=0, description="GPUs held at a time.")
    jobs: int | None = Field(default=None, ge=0, description="Jobs that run at a time; replicas are not counted.")
    share: float | None = Field(default=None, ge=0.001, le=1000, description="One's due beside the others, who have 1.")

    @field_validator("memory_bytes", mode="before")
    @classmethod
    def written_with_a_unit(cls, value: Any) -> int | None:
        return None if value is None else parse_bytes(value)

    @property
    def limit(self) -> Limit:
        return Limit(**self.model_dump())


class LimitsSettings(BaseModel):
    """Who may hold how much."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    everyone: LimitSettings = Field(
        default=LimitSettings(), description="Each user, as far as nothing is said by name."
    )
    users: Annotated[dict[str, LimitSettings], Named] = Field(default_factory=dict[str, LimitSettings])
    groups: Annotated[dict[str, LimitSettings], Named] = Field(
        default_factory=dict[str, LimitSettings], description="All members of a group together."
    )

    @property
    def limits(self) -> Limits:
        def named(part: dict[str, LimitSettings]) -> dict[str, Limit]:
            return {name: given.limit for name, given in part.items()}

        return Limits(self.everyone.limit, named(self.users), named(self.groups))


class ImageSettings(BaseModel):
    """Where images come from, and how they are checked."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    registry: str = Field(
        default="ghcr.io/orrery", description="What the addresses of the platform's own images begin with."
    )
    tag: str = Field(default=__version__, description="The tag of the platform's own images.")
    platform: str = Field(default="linux/amd64", description="What images must be made for.")
    private_registries: list[str] = Field(
        default_factory=list[str],
        description="Hosts (host or host:port) that may be asked although their addresses are not public ones.",
    )
    insecure_registries: list[str] = Field(
        default_factory=list[str], description="Hosts that are asked by plain http, log-ins and all."
    )
    timeout_seconds: float = Field(default=30.0, gt=0, description="Longest time that one check may take.")
    max_bytes: int = Field(default=64 << 30, gt=0, description="Largest image, packed; in bytes or 64G.")

    @field_validator("max_bytes", mode="before")
    @classmethod
    def written_with_a_unit(cls, value: Any) -> int:
        return parse_bytes(value)

    @field_validator("private_registries", "insecure_registries")
    @classmethod
    def hosts(cls, hosts: list[str]) -> list[str]:
        return [check_registry(host) for host in hosts]


class SourceSettings(BaseModel):
    """From where code is taken, and how much of it; Git's protocols are `git_protocols`."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    private_hosts: list[str] = Field(
        default_factory=list[str],
        description="Hosts (host or host:port) whose archives and repositories may be fetched although not public.",
    )
    insecure_hosts: list[str] = Field(
        default_factory=list[str], description="Hosts whose archives are fetched by plain http, tokens and all."
    )
    timeout_seconds: float = Field(default=120.0, gt=0, description="Longest time that one fetch may take.")
    max_bytes: int = Field(default=256 << 20, gt=0, description="Largest archive, packed; in bytes or 256M.")
    max_unpacked_bytes: int = Field(
        default=256 << 20, gt=0, description="Most that the files of one source may hold; in bytes or 256M."
    )

    @field_validator("max_bytes", "max_unpacked_bytes", mode="before")
    @classmethod
    def written_with_a_unit(cls, value: Any) -> int:
        return parse_bytes(value)

    @field_validator("private_hosts", "insecure_hosts")
    @classmethod
    def hosts(cls, hosts: list[str]) -> list[str]:
        return [check_registry(host) for host in hosts]


class IdlePart(BaseModel):
    """Limits of one instance type; what is left out is everybody's."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    server_minutes: float | None = Field(default=None, gt=0)
    kernel_minutes: float | None = Field(default=None, gt=0)


class IdleSettings(BaseModel):
    """What becomes of notebooks that nobody uses; without limits, nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    server_minutes: float | None = Field(default=None, gt=0, description="Idle so long, a notebook is stopped.")
    kernel_minutes: float | None = Field(
        default=None, gt=0, description="Idle so long, a kernel that holds a GPU or much memory is freed."
    )
    kernel_memory: int = Field(default=2 << 30, gt=0, description="Much memory, in bytes or 2G.")
    warning_minutes: float = Field(default=10.0, gt=0, description="So long before, it is said in Lab.")
    longest_minutes: float | None = Field(
        default=None, gt=0, description="The most that a notebook may ask for itself, where it is more."
    )
    instance_types: dict[str, IdlePart] = Field(default_factory=dict[str, IdlePart])

    @field_validator("kernel_memory", mode="before")
    @classmethod
    def written_with_a_unit(cls, value: Any) -> int:
        return parse_bytes(value)

    def limits(self, instance_type: str, own_minutes: float | None) -> IdleLimits:
        """Of one notebook."""
        part = self.instance_types.get(instance_type, IdlePart())
        site = IdleLimits(
            server_seconds=_seconds(part.server_minutes or self.server_minutes),
            kernel_seconds=_seconds(part.kernel_minutes or self.kernel_minutes),
            kernel_bytes=self.kernel_memory,
            warning_seconds=self.warning_minutes * 60,
        )
        return site.for_notebook(_seconds(own_minutes), _seconds(self.longest_minutes))


def _seconds(minutes: float | None) -> float | None:
    return None if minutes is None else minutes * 60


class Settings(BaseSettings):
    """Set each by `ORRERY_<NAME>`, e.g. `ORRERY_HOME`, `ORRERY_TRASH_DAYS`."""

    model_config = SettingsConfigDict(env_prefix="ORRERY_", env_nested_delimiter="__", extra="ignore")

    home: Path = Field(
        default=Path("~/.orrery"), validate_default=True, description="Folder of everything the platform keeps."
    )
    database_url: str = Field(
        default="", description="SQLAlchemy URL of the database; empty: SQLite in the home folder."
    )
    objects_url: str = Field(
        default="", description="fsspec URL of the object store; empty: a folder in the home folder."
    )
    instance_types: dict[str, InstanceType] = Field(
        default_factory=default_instance_types,
        description="Named sizes, as JSON: {name: {title, cores, memory_bytes, gpus, gpu_memory_bytes}}.",
    )
    housekeeping_minutes: float = Field(
        default=10.0,
        gt=0,
        description="How often the trash is looked through, and what is old is removed.",
    )
    trash_days: float = Field(default=7.0, ge=0, description="Days that deleted things can be restored.")
    max_upload_bytes: int = Field(default=100 << 30, gt=0, description="Largest single upload, bytes.")
    max_request_bytes: int = Field(default=8 << 20, gt=0, description="Largest JSON body, bytes.")
    mlflow_idle_minutes: float = Field(
        default=15.0, gt=0, description="Minutes without a request after which MLflow's server is stopped."
    )
    tensorboard_idle_minutes: float = Field(
        default=15.0,
        gt=0,
        description="Minutes without a request after which a TensorBoard or an optuna-dashboard is put to sleep.",
    )
    notebook_state_bytes: int = Field(
        default=1 << 30,
        ge=0,
        description="Largest state of a notebook job's kernel, from which a failed job is resumed at the failed cell; "
        "bytes, or with K, M, G. 0: none is saved.",
    )
    notebook_state_seconds: float = Field(
        default=60.0, gt=0, description="Longest time that saving such a state may take, seconds."
    )
    tensorboard_days: float = Field(
        default=120.0, gt=0, description="Days after a training's end that its TensorBoard logs are kept."
    )
    cores: float | None = Field(default=None, description="Cores that may be handed out; empty: all of the machine's.")
    memory_bytes: int | None = Field(
        default=None, description="Memory that may be handed out; empty: all of the machine's."
    )
    limits: LimitsSettings = Field(
        default_factory=LimitsSettings,
        description="Who may hold how much at a time, as JSON: {everyone, users: {name}, groups: {name}}, each with "
        "cores, memory_bytes, gpus, jobs, share.",
    )
    idle: IdleSettings = Field(
        default_factory=IdleSettings,
        description="When notebooks that nobody uses are freed and stopped, as JSON: {server_minutes, kernel_minutes, "
        "kernel_memory, warning_minutes, longest_minutes, instance_types: {name: {server_minutes, kernel_minutes}}}.",
    )
    notebook_upgrade: UpgradeSettings = Field(
        default_factory=UpgradeSettings,
        description="A new version for which notebooks are restarted, as JSON: {message, since, expires_at}. Those "
        "started before `since` show the notice; from `expires_at` on each is restarted as soon as nothing runs in it. "
        "Administrators say another by `orrery notebook upgrade`.",
    )
    hub_key: str = Field(
        default="",
        repr=False,
        description="What the hub shows when it asks with what a notebook is to be started; the hub has the same.",
    )
    hub_url: str = Field(
        default="", description="The hub's proxy as the platform reaches it, http://host:port; set by the hub."
    )
    kernel_instance_types: list[str] = Field(
        default_factory=list[str],
        description="Instance types that kernels of notebooks are offered on, as a JSON list; empty: all but those "
        "named serve-*.",
    )
    kernel_transport: Literal["ipc", "tcp"] = Field(
        default="ipc",
        description="How a notebook reaches its kernel on an instance: ipc on one machine, tcp between machines.",
    )
    kernel_lease_seconds: float = Field(
        default=60.0,
        gt=1,
        description="Seconds without a word from its notebook server after which a kernel's instance is given back.",
    )
    region: str = Field(default="local", description="Value of EM_REGION in jobs.")
    git_protocols: list[str] = Field(
        default_factory=lambda: ["https"],
        description="Protocols by which code may be taken from Git, as a JSON list: https, http, file.",
    )
    sources: SourceSettings = Field(
        default_factory=SourceSettings,
        description="From where archives of code may be fetched and how large they may be, as JSON: {private_hosts, "
        "insecure_hosts, timeout_seconds, max_bytes, max_unpacked_bytes}; or one by one, `ORRERY_SOURCES__MAX_BYTES`.",
    )
    training_scripts: Path | None = Field(
        default=None,
        description="A folder with training scripts for everybody, <model type>/<name>/train.py: LLM, DIFFUSION, "
        "NLP_CLASSIFICATION, NLP_NER, CV_CLASSIFICATION, OBJECT_DETECTION. Read when the platform starts.",
    )
    storages: dict[str, StorageSettings] = Field(
        default_factory=dict[str, StorageSettings],
        description="Storage outside the platform by what its addresses begin with, as JSON: "
        '{"nas://projects:/": {"url": "file:///mnt/projects"}, "obs://": {"url": "s3://", "options": {}}}; each with '
        "{url, options, read_only, users, groups}.",
    )
    containers: bool = Field(
        default=False,
        description="Whether notebooks and runs are containers: the catalogue then has the platform's container images "
        "in place of the one `local`, this machine's Python.",
    )
    images: ImageSettings = Field(
        default_factory=ImageSettings,
        description="Where images come from, as JSON: {registry, tag, platform, private_registries, "
        "insecure_registries, timeout_seconds, max_bytes}; or one by one, `ORRERY_IMAGES__REGISTRY`.",
    )
    admins: list[str] = Field(
        default_factory=list[str], description="Users who see and may do everything, as a JSON list."
    )

    @field_validator("storages")
    @classmethod
    def prefixes(cls, storages: dict[str, StorageSettings]) -> dict[str, StorageSettings]:
        for prefix in storages:
            if re.fullmatch(r"[a-z][a-z0-9+.-]*://[^?#*]*", prefix) is None:
                raise ValueError(f"storage {prefix!r} must be what addresses begin with: obs://, nas://projects:/")
        return storages

    @field_validator("home")
    @classmethod
    def absolute(cls, home: Path) -> Path:
        return Path(os.path.abspath(home.expanduser()))

    @field_validator("notebook_state_bytes", mode="before")
    @classmethod
    def state_with_unit(cls, value: Any) -> int:
        return parse_bytes(value)

    @field_validator("memory_bytes", mode="before")
    @classmethod
    def memory_with_unit(cls, value: Any) -> int | None:
        return None if value in (None, "") else parse_bytes(value)

    @property
    def sql_url(self) -> str:
        return self.database_url or f"sqlite:///{self.home / 'orrery.db'}"

    @property
    def run_dir(self) -> Path:
        return self.home / "run"

    def is_for_kernels(self, name: str) -> bool:
        if self.kernel_instance_types:
            return name in self.kernel_instance_types
        return not name.startswith("serve-")

    def instance_type(self, name: str) -> InstanceType:
        """Raises: Invalid listing the known names."""
        found = self.instance_types.get(name)
        if found is None:
            raise Invalid(
                f"instance type {name!r} is unknown; choose one of {', '.join(sorted(self.instance_types))}",
                fields=[{"path": "spec.instance_type", "message": f"{name!r} is unknown"}],
            )
        return found
