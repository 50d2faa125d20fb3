"""What a store has: keys to it, objects, and uploads that nobody has finished."""

from dataclasses import dataclass, field

from tasks.core.errors import Refused
from tasks.core.models.base import Model, UtcTime


@dataclass(frozen=True)
class StoreKeys:
    """An access key pair, in memory only."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)


class AlreadyThere(Refused):
    """The key has an object already, and the store honours `If-None-Match`."""


class StoredObject(Model):
    """An object as the store lists it."""

    key: str
    size: int
    modified_at: UtcTime


class UnfinishedUpload(Model):
    """A multipart upload that was neither completed nor aborted: invisible, and paid for."""

    key: str
    upload_id: str
    started_at: UtcTime
