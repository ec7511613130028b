"""`orrery secret`: values for the environment of runs, never shown again."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from orrery.client.cli.app import Output, OutputOption, connect, note
from orrery.errors import Invalid

_PANEL = "Main job"
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The secret's name.")]

secret = typer.Typer(
    help="Keep values that runs need and nobody reads.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def register(app: typer.Typer) -> None:
    secret.command("set")(set_secret)
    secret.command("list")(list_secrets)
    secret.command("delete")(delete_secret)
    app.add_typer(secret, name="secret", rich_help_panel=_PANEL)


def set_secret(
    name: NameArgument,
    owner: Annotated[str | None, typer.Option(help="A group of yours that shall own it.")] = None,
) -> None:
    """Keep a value: asked for at a terminal, else read from stdin (its last line end is left away).

    \b
    Examples:
      orrery secret set my-hf-token
      orrery secret set my-hf-token < token.txt
      orrery train --script ./tune --name tune-1 --secret HF_TOKEN=my-hf-token
    """
    value = _ask(name) if sys.stdin.isatty() else sys.stdin.read().removesuffix("\n")
    if not value:
        raise Invalid("no value was given; type it, or pipe it in: orrery secret set NAME < FILE")
    with connect() as client:
        made = client.secrets.set(name, value, owner=owner)
        note(f"secret {made.qualified_name} is set")


def _ask(name: str) -> str:
    return str(typer.prompt(f"Value of {name}", hide_input=True, confirmation_prompt=True, err=True))


def list_secrets(output: OutputOption = Output.TABLE) -> None:
    """List the names of your secrets."""
    from orrery.client.cli.output import print_document, print_resources

    with connect() as client:
        found = list(client.secrets.list())
        if output in (Output.JSON, Output.YAML):
            print_document({"items": [secret.document for secret in found]}, output)
        else:
            print_resources(client.secrets.declaration, found, output)


def delete_secret(name: NameArgument) -> None:
    """Delete a secret: no run can have it any more. For some days `orrery restore secret NAME` takes it back."""
    with connect() as client:
        client.secrets.delete(name)
        note(f"secret {name} is deleted; runs that ask for it fail from now on")
