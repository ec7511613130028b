"""Commands about resources as such: get, describe, create, update, copy, delete, restore."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from orrery.client.cli.app import (
    KindArgument,
    NameArgument,
    NamesArgument,
    Output,
    OutputOption,
    connect,
    label,
    note,
    wait_for,
)
from orrery.errors import Invalid

_PANEL = "Resources"
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Set a field: spec.priority=HIGH. May be given several times."),
]


def register(app: typer.Typer) -> None:
    commands = (get, describe, create, update, copy, delete, restore)
    for command in commands:
        app.command(command.__name__, rich_help_panel=_PANEL)(command)


def get(
    kind: KindArgument,
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="One of them; left out, a list.")] = None,
    owner: Annotated[str | None, typer.Option(help="Only those of this user or group.")] = None,
    phase: Annotated[str | None, typer.Option(help="Only those in this phase: RUNNING, COMPLETE ...")] = None,
    state: Annotated[str | None, typer.Option(help="Only those in this state: Running, Completed, Failed ...")] = None,
    tag: Annotated[str | None, typer.Option(help="Only those with this tag.")] = None,
    search: Annotated[str | None, typer.Option("--search", "-q", help="A part of the name or description.")] = None,
    order: Annotated[str | None, typer.Option(help="A field to sort by; '-' before it for descending.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    trashed: Annotated[bool, typer.Option("--trashed", help="What lies in the trash instead.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """List resources, or show one.

    \b
    Examples:
      orrery get trainings
      orrery get trainings --state Running
      orrery get training breast-1 -o json
      orrery get models --owner alice -o wide
    """
    from orrery.client.cli.output import print_document, print_one, print_resources

    with connect() as client:
        collection = client.kind(kind)
        if name is not None:
            print_one(collection.find_trashed(name) if trashed else collection.get(name), output)
            return
        filters: dict[str, Any] = {
            "owner": owner,
            "phase": phase,
            "state": state,
            "tag": tag,
            "q": search,
            "order": order,
        }
        # one more than shown tells whether there are more
        found = list(collection.list(**filters, trashed=trashed, limit=limit + 1))
        if output in (Output.JSON, Output.YAML):
            print_document({"items": [resource.document for resource in found[:limit]]}, output)
        elif found:
            print_resources(collection.declaration, found[:limit], output)
        else:
            where = "in the trash" if trashed else "here"
            note(f"There are no {collection.declaration.title_plural.lower()} {where} that match.")
        if len(found) > limit:
            note(f"There are more than {limit}; raise --limit, or narrow the list.")


def describe(kind: KindArgument, name: NameArgument, output: OutputOption = Output.TABLE) -> None:
    """Show everything about a resource: status, spec, outputs, what uses it.

    \b
    Example:
      orrery describe training breast-1
    """
    from orrery.client.cli.output import print_description, print_document

    with connect() as client:
        resource = client.kind(kind).get(name)
        if output in (Output.JSON, Output.YAML):
            print_document(resource.document, output)
        else:
            print_description(resource)


def create(
    kind: Annotated[str | None, typer.Argument(metavar="KIND", help="Left out, each document's own 'kind'.")] = None,
    file: Annotated[
        str | None, typer.Option("--file", "-f", help="YAML or JSON with one or more resources; - for stdin.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name; over the file's.")] = None,
    set_: SetOption = None,
    wait: Annotated[bool, typer.Option("--wait", help="Follow it until it has settled.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Create resources from a file, or from --name and --set.

    \b
    Examples:
      orrery create experiment --name heart
      orrery create training -f training.yaml --set spec.priority=HIGH
      orrery get training breast-1 -o yaml | orrery create -f - --name breast-2
    """
    from orrery.client.cli.values import parse_pairs, read_documents
    from orrery.client.paths import set_path

    if file is None and name is None:
        raise Invalid("nothing says what to create; give -f FILE, or --name NAME with --set spec.key=value")
    documents: list[dict[str, Any]] = read_documents(file) if file is not None else [{}]
    if name is not None and len(documents) > 1:
        raise Invalid(
            f"--name {name!r} is one name, and {file!r} holds {len(documents)} resources; name them in the file"
        )
    with connect() as client:
        for given in documents:
            named = kind or given.get("kind")
            if not named:
                raise Invalid("the file does not say its kind; give KIND, or write kind: training into it")
            collection = client.kind(str(named))
            document = _writable(given)
            if name is not None:
                document["name"] = name
            for path, value in parse_pairs(set_ or (), "--set").items():
                set_path(document, path, value)
            if "name" not in document:
                raise Invalid(f"a {collection.declaration.title.lower()} needs a name; give --name")
            made = collection.create_from({"spec": {}, **document})
            _report(made, "created", output, wait=wait)


def _writable(document: dict[str, Any]) -> dict[str, Any]:
    """What a create takes of a resource, so that one that was printed can be created anew."""
    taken = ("name", "description", "visibility", "group", "tags", "spec")
    return {key: document[key] for key in taken if document.get(key) is not None}


def _report(resource: Any, done: str, output: Output, *, wait: bool = False) -> None:
    from orrery.client.cli.output import print_document

    note(f"{resource.kind} {resource.qualified_name} {done}")
    if wait:
        wait_for(resource)
    if output in (Output.JSON, Output.YAML):
        print_document(resource.document, output)


def update(
    kind: KindArgument,
    name: NameArgument,
    set_: SetOption = None,
    rename: Annotated[str | None, typer.Option(help="A new name.")] = None,
    description: Annotated[str | None, typer.Option(help="A new description.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="All its tags from now on; several times for several.")] = None,
    visibility: Annotated[str | None, typer.Option(help="private, group or public.")] = None,
    group: Annotated[str | None, typer.Option(help="Whose members see it, where visibility is group.")] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Change what may be changed of a resource.

    \b
    Examples:
      orrery update training breast-1 --description "first try" --tag paper
      orrery update endpoint breast --set spec.deployments.0.replicas=2
    """
    from orrery.client.cli.values import parse_pairs
    from orrery.client.paths import set_path

    with connect() as client:
        resource = client.kind(kind).get(name)
        changed: dict[str, Any] = {"spec": dict(resource.spec)}
        paths = parse_pairs(set_ or (), "--set")
        for path, value in paths.items():
            if not path.startswith("spec."):
                raise Invalid(f"--set {path} is outside the spec; use --rename, --description, --tag or --visibility")
            set_path(changed, path, value)
        touched = {path.split(".")[1] for path in paths}
        resource.update(
            name=rename,
            description=description,
            tags=tag,
            visibility=visibility,
            group=group,
            only_if_unchanged=bool(touched),
            **{field: changed["spec"][field] for field in touched},
        )
        _report(resource, "changed", output)


def delete(
    kind: KindArgument,
    names: NamesArgument,
    cascade: Annotated[
        bool, typer.Option("--cascade", help="With everything that depends on it; lists it and asks.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Move resources to the trash; `orrery restore` takes them out again.

    \b
    Examples:
      orrery delete training breast-1
      orrery delete dataset breast --cascade
    """
    with connect() as client:
        collection = client.kind(kind)
        for name in names:
            resource = collection.get(name)
            if cascade:
                _delete_with_dependents(client, resource, yes=yes)
            else:
                resource.delete()
                note(f"{resource.kind} {resource.qualified_name} moved to the trash")


def _delete_with_dependents(client: Any, resource: Any, *, yes: bool) -> None:
    """List, ask, and delete exactly what was listed."""
    preview = resource.deletion_preview()
    doomed = [f"{resource.kind} {resource.qualified_name}", *(label(summary) for summary in preview["items"])]
    note("\n".join(["This moves to the trash:", *(f"  {line}" for line in doomed)]))
    if not yes:
        if not sys.stdin.isatty():
            raise Invalid("nobody can be asked here; add --yes to delete all of it")
        if not typer.confirm(f"Delete these {len(doomed)}?", err=True):
            note("Nothing was deleted.")
            raise typer.Exit(130)
    client.transport.request("DELETE", resource.path, query={"cascade": 1, "preview": preview["digest"]})
    note(f"{len(doomed)} moved to the trash")


def restore(kind: KindArgument, names: NamesArgument) -> None:
    """Take resources out of the trash.

    \b
    Example:
      orrery get trainings --trashed
      orrery restore training breast-1
    """
    with connect() as client:
        for name in names:
            restored = client.kind(kind).restore(name)
            note(f"{restored.kind} {restored.qualified_name} restored")


def copy(
    kind: KindArgument,
    name: NameArgument,
    new_name: Annotated[str, typer.Argument(metavar="NEW_NAME", help="The copy's name.")],
    set_: SetOption = None,
    wait: Annotated[bool, typer.Option("--wait", help="Follow the copy until it has settled.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Create a resource with the spec of another, and what --set changes in it.

    \b
    Example:
      orrery copy training breast-1 breast-2 --set spec.parameters.max_depth=4 --wait
    """
    from orrery.client.cli.values import parse_pairs
    from orrery.client.paths import set_path

    with connect() as client:
        source = client.kind(kind).get(name)
        changed: dict[str, Any] = {"spec": dict(source.spec)}
        paths = parse_pairs(set_ or (), "--set")
        for path, value in paths.items():
            if not path.startswith("spec."):
                raise Invalid(
                    f"--set {path} is outside the spec; a copy keeps the rest, change it with `orrery update`"
                )
            set_path(changed, path, value)
        touched = {path.split(".")[1] for path in paths}
        made = source.copy(new_name, **{field: changed["spec"][field] for field in touched})
        _report(made, f"created, a copy of {source.qualified_name}", output, wait=wait)
