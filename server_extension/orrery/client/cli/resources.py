"""Commands that every kind has: get, describe, create, update, delete, its actions, logs, files."""

from __future__ import annotations

import sys
from pathlib import Path
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
    tell,
    wait_for,
)
from orrery.errors import Invalid, OrreryError

_PANEL = "Resources"
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Set a field: spec.priority=HIGH. May be given several times."),
]


def register(app: typer.Typer) -> None:
    commands = (
        get,
        describe,
        create,
        update,
        delete,
        restore,
        copy,
        wait,
        stop,
        start,
        retry,
        action,
        logs,
        files,
        download,
    )
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
    from orrery.client.cli.values import parse_pairs, read_documents, set_path

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
    from orrery.client.cli.values import parse_pairs, set_path

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
    from orrery.client.cli.values import parse_pairs, set_path

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


def wait(
    kind: KindArgument,
    name: NameArgument,
    timeout: Annotated[str | None, typer.Option(help="Give up after 90s, 15m, 2h; then the exit code is 124.")] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Follow a resource until it has settled; exit code 1 when it failed.

    \b
    Example:
      orrery wait training breast-1 --timeout 30m && echo done
    """
    from orrery.client.cli.output import print_one
    from orrery.client.cli.values import parse_duration

    seconds = parse_duration(timeout) if timeout else None
    with connect() as client:
        resource = client.kind(kind).get(name)
        wait_for(resource, timeout=seconds)
        print_one(resource, output)


def _act(kind: str, names: list[str], action_name: str, done: str, body: dict[str, Any] | None = None) -> None:
    """The action on each; what fails does not keep the others from it."""
    with connect() as client:
        collection = client.kind(kind)
        failures: list[OrreryError] = []
        for name in names:
            try:
                resource = collection.get(name)
                result = resource.act(action_name, **(body or {}))
            except OrreryError as error:
                if len(names) == 1:
                    raise
                tell(error)
                failures.append(error)
                continue
            made = "" if result.id == resource.id else f": {result.kind} {result.qualified_name}"
            note(f"{resource.kind} {resource.qualified_name} {done}{made} (now {result.status.phase})")
        if failures:
            from orrery.client.cli.app import exit_code

            raise typer.Exit(exit_code(failures[0]))


def stop(kind: KindArgument, names: NamesArgument) -> None:
    """Stop trainings or endpoints; they can be started again.

    \b
    Example:
      orrery stop training breast-1
    """
    _act(kind, names, "stop", "is being stopped")


def start(kind: KindArgument, names: NamesArgument) -> None:
    """Start what was stopped."""
    _act(kind, names, "start", "is being started")


def retry(kind: KindArgument, names: NamesArgument) -> None:
    """Try again what failed."""
    _act(kind, names, "retry", "is tried again")


def action(
    kind: KindArgument,
    name: NameArgument,
    action_name: Annotated[
        str, typer.Argument(metavar="ACTION", help="One of the kind's actions: orrery kinds lists them.")
    ],
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A field of the action's body.")
    ] = None,
) -> None:
    """Do any action that a kind declares.

    \b
    Examples:
      orrery action training breast-1 register-model --set name=breast
      orrery action dataset-version breast@1 archive
    """
    from orrery.client.cli.values import parse_pairs

    _act(kind, [name], action_name, f"{action_name}: done", parse_pairs(set_ or (), "--set"))


def logs(
    kind: KindArgument,
    name: NameArgument,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as it is written, until it ends.")] = False,
    tail: Annotated[int | None, typer.Option(min=1, help="Only the last so many lines.")] = None,
) -> None:
    """Print a resource's log.

    \b
    Examples:
      orrery logs training breast-1 --follow
      orrery logs endpoint breast --tail 50
    """
    from collections import deque

    with connect() as client:
        resource = client.kind(kind).get(name)
        lines = resource.logs(follow=follow)
        if tail is not None and not follow:
            lines = iter(deque(lines, maxlen=tail))
        for line in lines:
            typer.echo(line)


def files(kind: KindArgument, name: NameArgument, output: OutputOption = Output.TABLE) -> None:
    """List a resource's files."""
    from orrery.client.cli.output import bytes_text, print_document, print_table

    with connect() as client:
        resource = client.kind(kind).get(name)
        if output in (Output.JSON, Output.YAML):
            print_document(client.transport.json("GET", f"{resource.path}/files"), output)
            return
        print_table(
            ["Path", "Size"], [[entry.path.replace("[", "\\["), bytes_text(entry.size)] for entry in resource.files()]
        )


def download(
    kind: KindArgument,
    name: NameArgument,
    path: Annotated[
        str | None, typer.Argument(metavar="PATH", help="One of its files; left out, all as a zip.")
    ] = None,
    to: Annotated[Path, typer.Option(help="A folder, or the file's new name.")] = Path("."),
    notebook: Annotated[bool, typer.Option("--notebook", help="The executed notebook instead.")] = False,
) -> None:
    """Save a resource's files, or its executed notebook.

    \b
    Examples:
      orrery download model breast --to models/
      orrery download training breast-1 --notebook
    """
    with connect() as client:
        resource = client.kind(kind).get(name)
        if notebook:
            saved = to / f"{resource.name}.ipynb" if to.is_dir() else to
            resource.notebook(to=saved)
        else:
            saved = resource.download(path, to)
    typer.echo(str(saved))
