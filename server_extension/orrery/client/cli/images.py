"""`orrery image` and `orrery registry-account`: what containers are started with, and how it is pulled."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated

import typer

from orrery.client.cli.app import connect, note
from orrery.errors import Invalid

_PANEL = "Main job"
_HELP = {"help_option_names": ["-h", "--help"]}
image = typer.Typer(help="Register images of your own.", no_args_is_help=True, context_settings=_HELP)
account = typer.Typer(help="Keep log-ins at registries.", no_args_is_help=True, context_settings=_HELP)


class Use(StrEnum):
    NOTEBOOK = "NOTEBOOK"
    TRAINING = "TRAINING"


def register(app: typer.Typer) -> None:
    image.command("add")(add_image)
    image.command("check")(check_image)
    account.command("set")(set_account)
    account.command("check")(check_account)
    app.add_typer(image, name="image", rich_help_panel=_PANEL)
    app.add_typer(account, name="registry-account", rich_help_panel=_PANEL)


def add_image(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it shall be called.")],
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="registry/repository:tag, or @sha256:...")],
    type: Annotated[Use, typer.Option(help="What it is for.", case_sensitive=False)] = Use.NOTEBOOK,
    registry_account: Annotated[str | None, typer.Option("--account", help="The log-in at its registry.")] = None,
    description: Annotated[str, typer.Option(help="What it is good for.")] = "",
) -> None:
    """Register an image, and see it checked.

    \b
    Examples:
      orrery image add lightgbm registry.example.org/team/lightgbm:1.0 --account team-registry
      orrery image add train-2 ghcr.io/me/train@sha256:... --type TRAINING
    """
    with connect() as client:
        made = client.images.add(
            name, address, type=type.value, registry_account=registry_account, description=description
        )
        note(f"image {made.qualified_name} is checked; containers start with {made.pinned}")


def check_image(name: Annotated[str, typer.Argument(metavar="NAME", help="The image's name.")]) -> None:
    """Read an image at its registry again: what its tag means now is what containers start with."""
    with connect() as client:
        checked = client.images.get(name).check()
        note(f"image {checked.qualified_name} is checked; containers start with {checked.pinned or 'this Python'}")


def set_account(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the account shall be called.")],
    username: Annotated[str, typer.Option(help="The ID that one logs in with.")],
    registry: Annotated[str | None, typer.Option(help="Its host: registry.example.org:5000.")] = None,
    category: Annotated[
        str | None, typer.Option(help="OCI, DOCKER_HUB, GHCR, GITLAB, QUAY, HARBOR or NCR.", show_default="OCI")
    ] = None,
    owner: Annotated[str | None, typer.Option(help="A group of yours that shall own it.")] = None,
) -> None:
    """Keep a log-in, and try it. The password is asked for at a terminal, else read from stdin.

    \b
    Examples:
      orrery registry-account set team --registry registry.example.org --username robot
      orrery registry-account set hub --category DOCKER_HUB --username me < token.txt
    """
    password = _ask(name) if sys.stdin.isatty() else sys.stdin.read().removesuffix("\n")
    if not password:
        raise Invalid("no password was given; type it, or pipe it in: orrery registry-account set NAME ... < FILE")
    with connect() as client:
        made = client.registry_accounts.set(name, username, password, registry=registry, category=category, owner=owner)
        note(f"registry account {made.qualified_name} is set")
        note(made.wait().status.message)


def _ask(name: str) -> str:
    return str(typer.prompt(f"Password of {name}", hide_input=True, err=True))


def check_account(name: Annotated[str, typer.Argument(metavar="NAME", help="The account's name.")]) -> None:
    """Log in with an account, to see whether it goes well."""
    with connect() as client:
        note(client.registry_accounts.get(name).check().status.message)
