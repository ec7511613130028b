"""Resources as files: export and apply."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orrery.client.cli.app import KindArgument, NamesArgument, connect, note
from orrery.errors import Invalid

if TYPE_CHECKING:
    from orrery.client.applying import Step


def register(app: typer.Typer) -> None:
    for command in (export, apply):
        app.command(command.__name__, rich_help_panel="Resources")(command)


def export(
    kind: KindArgument,
    names: NamesArgument,
    files: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Save their files there; else texts stand in the YAML itself."),
    ] = None,
) -> None:
    """Print resources as YAML that `orrery apply` takes, here or on another platform, with names in the place of ids.

    \b
    Examples:
      orrery export template quick deep > templates.yaml
      orrery export algorithm forest > forest.yaml
      orrery export dataset breast --files files > breast.yaml
    """
    from orrery.client.manifest_files import with_files
    from orrery.client.manifests import export as document_of
    from orrery.client.manifests import write_manifests

    with connect() as client:
        declaration = client.declaration(kind)
        if not declaration.creatable:
            raise Invalid(f"a {declaration.title.lower()} is made by the platform and cannot be applied from a file")
        if files is not None and files.is_absolute():
            raise Invalid(f"--files {str(files)!r} must lie beside the YAML; give a folder below this one")
        found = [client.kind(kind).get(name) for name in names]
        documents = [with_files(resource, document_of(resource), files) for resource in found]
    typer.echo(write_manifests(documents), nl=False)


def apply(
    file: Annotated[str, typer.Option("--file", "-f", help="YAML or JSON with one or more resources; - for stdin.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")] = False,
) -> None:
    """Make what is there as a file says: create what is missing, change what differs.

    All of it is checked first; what cannot be changed is refused before anything is done. Nothing is deleted.

    \b
    Examples:
      orrery apply -f project.yaml --dry-run
      orrery export training breast-1 | sed 's/breast-1/breast-2/' | orrery apply -f -
    """
    from orrery.client.applying import carry_out, make_plan
    from orrery.client.manifest_files import send_files
    from orrery.client.manifests import read_manifests

    manifests = read_manifests(_read(file), "stdin" if file == "-" else file)
    with connect() as client:
        # files are sent for a dry run as well: what nothing holds is removed by and by
        sent = send_files(client, manifests, None if file == "-" else Path(file).parent)
        steps = make_plan(client, sent)
        if dry_run:
            for step in steps:
                _tell(step, dry_run=True)
            return
        carry_out(client, steps, lambda step, _: _tell(step))


def _read(file: str) -> bytes:
    from orrery.client.manifests import MAX_BYTES

    # one byte more than is taken tells that it is too much
    if file == "-":
        return sys.stdin.buffer.read(MAX_BYTES + 1)
    try:
        with Path(file).open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise Invalid(f"{file!r} cannot be read: {error.strerror}") from error


def _tell(step: Step, *, dry_run: bool = False) -> None:
    words: dict[str, Any] = {"create": "created", "change": "changed", "nothing": "as it should be"}
    would = {"create": "would be created", "change": "would be changed", "nothing": "is as it should be"}
    note(f"{step.label} {(would if dry_run else words)[step.does]}")
    for difference in step.differences:
        note(f"  {difference}")
