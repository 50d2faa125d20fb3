"""Reads and writes manifests of backups, of any kind: `<prefix>/<id>/manifest.json`, the object that makes a backup."""

from collections.abc import Callable
from contextlib import suppress
from typing import Protocol, Self, TypeVar

from pydantic import ValidationError

from tasks.clients.objectstore import AlreadyThere, ObjectStore
from tasks.core.errors import Refused
from tasks.core.wrong_fields import places_of

MANIFEST = "manifest.json"


class Manifest(Protocol):
    """This is what the manifests of all kinds of backups have."""

    @property
    def id(self) -> str:
        """Returns the id of the backup."""

    @property
    def cluster(self) -> str:
        """Returns the cluster that was backed up."""

    @classmethod
    def model_validate_json(cls, json_data: bytes, /) -> Self:
        """Parses one, as pydantic does."""

    def model_dump_json(self, *, indent: int | None = None) -> str:
        """Returns its text, as pydantic does."""


Id = TypeVar("Id")
M = TypeVar("M", bound=Manifest)


def ids_below(store: ObjectStore, prefix: str, parse: Callable[[str], Id | None]) -> list[Id]:
    """Returns every backup that has a manifest, oldest first; an incomplete listing is an error."""
    names = [found.key.removeprefix(prefix).split("/") for found in store.objects(prefix)]
    ids = [parse(name[0]) for name in names if name[1:] == [MANIFEST]]
    return sorted((found for found in ids if found), key=str)


def read_manifest(store: ObjectStore, key: str, model: type[M], *, backup: str, cluster: str) -> M:
    """Reads a manifest. `Refused` when it does not exist, is not valid, or is of another backup or cluster."""
    try:
        manifest = model.model_validate_json(store.get(key))
    except ValidationError as error:
        problem = f"{store.uri(key)} is no manifest of ours: {places_of(error)}"
        raise Refused(problem, hint="name another backup, or take a new one") from None
    if (manifest.id, manifest.cluster) != (backup, cluster):
        raise Refused(
            f"{store.uri(key)} is the manifest of backup {manifest.id} of cluster {manifest.cluster}",
            hint="somebody moved it there: name another backup",
        )
    return manifest


def write_manifest(store: ObjectStore, key: str, manifest: M, read: Callable[[], M], same: Callable[[M], object]) -> M:
    """Writes a manifest under a new key, and reads it back; `Refused` when there is one of other contents, by `same`."""
    with suppress(AlreadyThere):  # by a try of ours whose answer was lost, or by somebody else: compared below
        store.put_new(key, manifest.model_dump_json(indent=2).encode(), "application/json")
    written = read()
    if same(written) != same(manifest):
        raise Refused(
            f"{store.uri(key)} is of another backup", hint="find what else writes there, then run the backup again"
        )
    return written
