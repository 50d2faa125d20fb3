"""The S3 bucket that keeps backups and reports, in our own words: the only importer of boto3."""

from tasks.clients.objectstore.bucket import ObjectStore
from tasks.clients.objectstore.values import AlreadyThere, StoredObject, StoreKeys, UnfinishedUpload

__all__ = ["AlreadyThere", "ObjectStore", "StoreKeys", "StoredObject", "UnfinishedUpload"]
