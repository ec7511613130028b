"""Registry accounts: the log-ins that private images are pulled with. The password is sealed and never answered."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field, field_validator, model_validator

from orrery.domain.image_addresses import DOCKER_HUB, check_registry
from orrery.domain.kinds import AGE_COLUMNS, COMMON_COLUMNS, Action, Column, Kind, Spec
from orrery.domain.machine import Phase, machine

#: the registries that have one host, by category
HOSTS: Final = {"DOCKER_HUB": DOCKER_HUB, "GHCR": "ghcr.io", "QUAY": "quay.io", "GITLAB": "registry.gitlab.com"}
MOST_CHARACTERS: Final = 16_384


class RegistryAccountSpec(Spec):
    category: Literal["OCI", "DOCKER_HUB", "GHCR", "GITLAB", "QUAY", "HARBOR", "NCR"] = Field(
        "OCI", description="Which registry it is; OCI is any that follows the OCI distribution specification."
    )
    registry: str = Field(
        "",
        validate_default=False,
        description="Its host, with a port where it needs one: registry.example.org:5000. "
        "Empty for the registries that have only one.",
    )
    username: str = Field(
        min_length=1, max_length=255, description="The ID that one logs in with; of a robot or a token, its name."
    )
    password: str | None = Field(
        None,
        repr=False,
        description="Its password or token. It is never shown again; setting another replaces it.",
        json_schema_extra={"format": "password", "writeOnly": True},
    )

    @field_validator("registry")
    @classmethod
    def known_host(cls, registry: str) -> str:
        return check_registry(registry) if registry.strip() else ""

    @field_validator("username")
    @classmethod
    def fits_basic(cls, username: str) -> str:
        if ":" in username or not username.isprintable():
            raise ValueError(f"{username!r} cannot be logged in with: an ID has no ':' and no control characters")
        return username

    @field_validator("password")
    @classmethod
    def good_password(cls, password: str | None) -> str | None:
        if password is not None and (not password or len(password) > MOST_CHARACTERS or not password.isprintable()):
            raise ValueError(f"a password has 1 to {MOST_CHARACTERS:,} characters, and no line breaks")
        return password

    @model_validator(mode="after")
    def has_a_host(self) -> RegistryAccountSpec:
        if not self.registry:
            host = HOSTS.get(self.category)
            if host is None:
                raise ValueError(f"registry is needed: a registry of category {self.category} may be at any host")
            self.registry = host
        return self


REGISTRY_ACCOUNT = Kind(
    name="registry-account",
    plural="registry-accounts",
    prefix="rac",
    title="Registry account",
    title_plural="Registry accounts",
    section="notebooks",
    order=50,
    description="A log-in at a container registry, for images that are not public; kept sealed.",
    spec=RegistryAccountSpec,
    mutable=frozenset({"username", "password"}),
    changed_event="check",
    is_private=True,
    concealed=frozenset({"password"}),
    machine=machine(
        Phase("CHECK_IN_PROGRESS", "Pending"),
        (Phase("ACTIVE", "Active", settled=True), Phase("CHECK_FAILED", "Failed", settled=True)),
        {
            ("CHECK_IN_PROGRESS", "checked"): "ACTIVE",
            ("CHECK_IN_PROGRESS", "refused"): "CHECK_FAILED",
            ("CHECK_IN_PROGRESS", "check"): "CHECK_IN_PROGRESS",
            ("ACTIVE", "check"): "CHECK_IN_PROGRESS",
            ("CHECK_FAILED", "check"): "CHECK_IN_PROGRESS",
        },
    ),
    actions=(Action("check", "Log in to check", event="check", phases=frozenset({"ACTIVE", "CHECK_FAILED"})),),
    columns=(
        *COMMON_COLUMNS,
        Column("spec.category", "Category"),
        Column("spec.registry", "Registry"),
        Column("spec.username", "ID"),
        *AGE_COLUMNS,
    ),
)
