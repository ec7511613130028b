"""All resources of one kind: create, get, list. What a kind needs beyond this is in `orrery.client.builtin`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from orrery.client.kinds import ID, Kind
from orrery.client.resources import Json, Resource, plain
from orrery.client.transport import segment
from orrery.errors import NotFound

if TYPE_CHECKING:
    from orrery.client.client import Client

R = TypeVar("R", bound=Resource)


class Collection(Generic[R]):
    """Resources are named by id, `name` (one's own first), `owner/name` or `owner/name@version`."""

    def __init__(self, client: Client, plural: str, wrap: type[R]) -> None:
        self.client = client
        self.plural = plural
        self._wrap = wrap

    @property
    def declaration(self) -> Kind:
        return self.client.kinds.find(self.plural)

    def create(
        self,
        name: str,
        *,
        spec: Mapping[str, Any] | None = None,
        description: str = "",
        tags: Sequence[str] = (),
        visibility: str | None = None,
        group: str | None = None,
        owner: str | None = None,
        **fields: Any,
    ) -> R:
        """Create one; `fields` are laid over `spec`, and None leaves a field to its default.

        Raises: NameTaken; Invalid, whose `details["fields"]` names what is wrong where.
        """
        return self.create_from(
            {
                "name": name,
                "spec": {**(spec or {}), **{key: value for key, value in fields.items() if value is not None}},
                "description": description or None,
                "tags": list(tags) or None,
                "visibility": visibility,
                "group": group,
                "owner": owner,
            }
        )

    def create_from(self, document: Mapping[str, Any]) -> R:
        """Create one from the JSON that the API takes: `{"name", "spec", "description"?, "tags"? ...}`."""
        body = {key: plain(value) for key, value in document.items() if value is not None}
        return self._wrap(self.client, self.client.transport.create(f"/{self.plural}", body))

    def get(self, reference: str) -> R:
        """An id finds what lies in the trash as well. Raises: NotFound."""
        found = self._wrap(self.client, self.client.transport.json("GET", self.path_of(reference)))
        if found.is_deleted and reference != found.id:
            raise NotFound(
                f"{found.kind} {reference!r} lies in the trash; take it out: `orrery restore {found.kind} {reference}`"
            )
        return found

    def path_of(self, reference: str) -> str:
        """The address of what `reference` names."""
        owner, slash, rest = reference.rpartition("/")
        if not slash:
            return f"/{self.plural}/{segment(reference)}"
        name, _, version = rest.partition("@")
        query = f"?version={segment(version)}" if version else ""
        return f"/{self.plural}/by-name/{segment(owner)}/{segment(name)}{query}"

    def list(
        self,
        *,
        owner: str | None = None,
        phase: str | None = None,
        state: str | None = None,
        tag: str | None = None,
        name: str | None = None,
        q: str | None = None,
        order: str | None = None,
        trashed: bool = False,
        parts: bool = True,
        refers_to: str | None = None,
        limit: int | None = None,
        page_size: int = 100,
    ) -> Iterator[R]:
        """Those that the caller may see, page by page as they are asked for; at most `limit`, the newest first.

        `q` is searched in names and descriptions; `order` is a column, `metric.NAME` or `parameter.NAME`, with '-' in
        front the other way round. `parts` False leaves out the trials of tunings; `refers_to` is the
        id of a resource, an experiment's for its trainings.
        """
        query: Json = {"owner": owner, "phase": phase, "state": state, "tag": tag, "name": name, "q": q}
        query |= {"order": order, "trashed": 1 if trashed else None, "parts": None if parts else 0}
        query["refers_to"] = refers_to
        left = limit
        cursor: str | None = None
        while left is None or left > 0:
            size = page_size if left is None else min(page_size, left)
            page: Json = self.client.transport.json(
                "GET", f"/{self.plural}", query={**query, "limit": size, "cursor": cursor}
            )
            for document in page["items"]:
                yield self._wrap(self.client, document)
            left = None if left is None else left - len(page["items"])
            cursor = page.get("next")
            if not cursor:
                return

    def __iter__(self) -> Iterator[R]:
        return self.list()

    def find_trashed(self, reference: str) -> R:
        """The latest in the trash that `reference` names. Raises: NotFound."""
        owner, _, rest = reference.rpartition("/")
        name, _, version = rest.partition("@")
        if ID.fullmatch(reference):
            return self.get(reference)
        for found in self.list(trashed=True, owner=owner or None, name=name, order="-updated_at"):
            if not version or str(found.version) == version:
                return found
        title = self.declaration.title.lower()
        raise NotFound(f"there is no {title} {reference!r} in the trash; `orrery get {self.plural} --trashed` lists it")

    def restore(self, reference: str) -> R:
        """Take it out of the trash."""
        return self.find_trashed(reference).restore()

    def delete(self, reference: str, *, cascade: bool = False) -> None:
        self.get(reference).delete(cascade=cascade)

    def __repr__(self) -> str:
        return f"<Collection {self.plural}>"
