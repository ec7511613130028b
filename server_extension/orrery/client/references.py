"""What a person writes for a resource, in one form for all: its id, its name, or its kind with its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from orrery.client.kinds import ID, Kind
from orrery.client.resources import Resource
from orrery.errors import Invalid, NotFound

if TYPE_CHECKING:
    from orrery.client.client import Client

#: where a name alone is looked for first: what runs, before what it made
_FIRST: Final = ("training", "tuning", "workflow", "endpoint", "model", "dataset")


def split_reference(client: Client, reference: str) -> tuple[Kind | None, str]:
    """The kind that a reference says, and the rest, which a collection's `get` takes.

    `trn_01...`, `training/NAME`, `trainings/OWNER/NAME` say one; `NAME` and `OWNER/NAME` do not. An owner who is called
    like a kind is written with the kind before.
    Raises: NotFound for an id of a kind that the platform does not serve.
    """
    if ID.fullmatch(reference):
        prefix = reference.partition("_")[0]
        for kind in client.kinds:
            if kind.prefix == prefix:
                return kind, reference
        raise NotFound(f"{reference!r} is no id of a resource; take the `id` of a training, a dataset or an endpoint")
    first, slash, rest = reference.partition("/")
    if slash:
        for kind in client.kinds:
            if first in (kind.name, kind.plural):
                return kind, rest
    return None, reference


def find_resource(client: Client, reference: str | Resource, *kinds: str) -> Resource:
    """What `reference` means, of one of `kinds` (their singular names); of none named, of any kind.

        find_resource(client, "training/breast-1")
        find_resource(client, "ann/trees", "tuning")

    A name that several kinds have is that of the first of `kinds`; of any kind, a training's before others'.
    Raises: NotFound; Invalid for a resource of another kind than is wanted.
    """
    if isinstance(reference, Resource):
        _check(reference.kind, str(reference.qualified_name), kinds)
        return reference
    text = reference.strip()
    kind, rest = split_reference(client, text)
    if kind is not None:
        _check(kind.name, text, kinds)
        return client.kind(kind.plural).get(rest)
    known = [kind.name for kind in client.kinds]
    wanted = list(kinds) or [
        *(name for name in _FIRST if name in known),
        *(name for name in known if name not in _FIRST),
    ]
    refusals: list[NotFound] = []
    for name in wanted:
        try:
            return client.kind(name).get(rest)
        except NotFound as error:
            refusals.append(error)  # another kind may have it
    if kinds:
        raise refusals[0]
    raise NotFound(f"there is nothing called {text!r} that you may see; `orrery get trainings` lists trainings")


def _check(kind: str, said: str, kinds: tuple[str, ...]) -> None:
    if kinds and kind not in kinds:
        raise Invalid(f"{said!r} is a {kind}; give a {' or a '.join(kinds)}")
