"""What a person says of themselves at sign-up beyond what NativeAuthenticator keeps; a table in the hub's database."""

# JupyterHub is not typed.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from typing import Any

from jupyterhub.orm import Base
from sqlalchemy import Column, String, inspect

FULL_NAME_LENGTH = 128


class Profile(Base):
    __tablename__ = "orrery_profiles"

    username: Any = Column(String(128), primary_key=True)
    #: empty where none was given
    full_name: Any = Column(String(FULL_NAME_LENGTH), nullable=False, default="")


def ensure_table(session: Any) -> None:
    """Idempotent."""
    if Profile.__tablename__ not in inspect(session.bind).get_table_names():
        Profile.__table__.create(session.bind)  # pyright: ignore


def full_name(session: Any, username: str) -> str:
    found = session.get(Profile, username)
    return found.full_name if found else ""


def save(session: Any, username: str, name: str) -> None:
    session.merge(Profile(username=username, full_name=name))
    session.commit()


def remove(session: Any, username: str) -> None:
    found = session.get(Profile, username)
    if found is not None:
        session.delete(found)
        session.commit()
