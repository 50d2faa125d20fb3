"""Wraps the S3 bucket that keeps backups and reports, in this project's own terms: the only importer of boto3."""

from tasks.clients.objectstore.bucket import ObjectStore
from tasks.clients.objectstore.trial import Way, try_each_way, try_out
from tasks.clients.objectstore.values import AlreadyThere, StoredObject, StoreKeys, UnfinishedUpload

__all__ = [
    "AlreadyThere",
    "ObjectStore",
    "StoreKeys",
    "StoredObject",
    "UnfinishedUpload",
    "Way",
    "try_each_way",
    "try_out",
]
