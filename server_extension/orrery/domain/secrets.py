"""Secrets: values for the environment of runs that nobody reads again: not in answers, logs, events or lists."""

from __future__ import annotations

from typing import Final

from pydantic import Field, field_validator

from orrery.domain.kinds import AGE_COLUMNS, COMMON_COLUMNS, Kind, Spec
from orrery.domain.machine import Phase, machine
from orrery.domain.variables import LONGEST_NAME, MOST_BYTES, size_of

#: a shorter one would be found in every log, and guessed
LEAST_CHARACTERS: Final = 6
MOST_CHARACTERS: Final = 65_536


class SecretSpec(Spec):
    value: str | None = Field(
        None,
        repr=False,
        description="What is kept: a token, a password, a key. It is never shown again; setting another replaces it.",
        json_schema_extra={"format": "password", "writeOnly": True},
    )

    @field_validator("value")
    @classmethod
    def long_enough(cls, value: str | None) -> str | None:
        length = LEAST_CHARACTERS if value is None else len(value)
        if not LEAST_CHARACTERS <= length <= MOST_CHARACTERS:
            raise ValueError(f"a secret has {LEAST_CHARACTERS} to {MOST_CHARACTERS:,} characters; this has {length:,}")
        if value is not None and "\0" in value:
            raise ValueError("a secret becomes an environment variable, which cannot hold the character NUL")
        size = 0 if value is None else size_of("", value) + LONGEST_NAME
        if size > MOST_BYTES:
            most = MOST_BYTES - LONGEST_NAME - 2
            raise ValueError(f"a secret has {most:,} bytes in UTF-8 at most; this has {size_of('', value or '') - 2:,}")
        return value


SECRET = Kind(
    name="secret",
    plural="secrets",
    prefix="sec",
    title="Secret",
    title_plural="Secrets",
    section="training",
    order=60,
    description="A value for the environment of your runs that is kept sealed and never shown again.",
    spec=SecretSpec,
    mutable=frozenset({"value"}),
    is_private=True,
    concealed=frozenset({"value"}),
    machine=machine(Phase("ACTIVE", "Active", settled=True), (), {}),
    columns=(*COMMON_COLUMNS, *AGE_COLUMNS),
    tabs=("overview",),
)
