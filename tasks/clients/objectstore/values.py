"""Models what a store has: its keys, its objects, and unfinished uploads."""

from dataclasses import dataclass, field

from tasks.core.errors import Refused
from tasks.core.models.base import Model, UtcTime


@dataclass(frozen=True)
class StoreKeys:
    """This is an access key pair, in memory only."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)


class AlreadyThere(Refused):
    """The key already has an object, and the store supports `If-None-Match`."""


class StoredObject(Model):
    """This is an object as the store lists it."""

    key: str
    size: int
    modified_at: UtcTime


class UnfinishedUpload(Model):
    """This is a multipart upload that was neither completed nor aborted. It is invisible, but it costs money."""

    key: str
    upload_id: str
    started_at: UtcTime
