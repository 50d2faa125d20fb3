"""Wraps one bucket in this project's own terms."""

import io
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import IO, Any, cast

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from tasks.clients.objectstore.connection import UPLOADS_AT_ONCE, connect
from tasks.clients.objectstore.failures import MISSING, code_of, in_our_words, other_region, place_of
from tasks.clients.objectstore.values import StoredObject, StoreKeys, UnfinishedUpload
from tasks.core.errors import Refused
from tasks.core.models.profile import Store

PART_BYTES = 8 * 2**20
"""This is the size of one part of a multipart upload, in bytes.

10,000 parts make 78 GiB, ten times the largest etcd database that is recommended.
"""

READ_BYTES = 2**20

FOREVER = datetime(9999, 12, 31, tzinfo=UTC)
"""This is the end of the lock of an object under a legal hold, which lasts until somebody lifts it."""


class ObjectStore:
    """This is one bucket and prefix.

    Errors are `NotYet` (away, slow, throttling) or `Refused` (wrong, forbidden, full).
    """

    def __init__(self, store: Store, keys: StoreKeys | None) -> None:
        self.store = store
        self._client = connect(store, keys)
        self._checked = False
        self._transfer = TransferConfig(
            multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES, max_concurrency=UPLOADS_AT_ONCE
        )
        # Of a stream, parts wait in memory: one more than are under way. boto3's constructor does not pass this on.
        self._transfer.max_in_memory_upload_chunks = UPLOADS_AT_ONCE + 1

    @property
    def place(self) -> str:
        """Returns the place for people: the bucket, and the endpoint if it is not AWS."""
        return place_of(self.store)

    def key(self, *parts: str) -> str:
        """Returns an object key below the prefix of the profile."""
        return "/".join(part for part in (self.store.prefix, *parts) if part)

    def uri(self, key: str) -> str:
        """Returns `s3://bucket/key`, which is how reports name an object."""
        return f"s3://{self.store.bucket}/{key}"

    def check(self) -> None:
        """Proves that the bucket exists, is in the region of the profile, and is accessible.

        It raises `Refused` with the fix if not.
        """
        region = self._region()
        if region != self.store.region:
            raise Refused(
                f"{self.place} is in region {region}, the profile says {self.store.region}",
                hint=f"set store.region to {region}",
            )
        self._checked = True

    def check_once(self) -> None:
        """Runs `check` unless it has already passed.

        It belongs before a first write, because SeaweedFS creates a missing bucket.
        """
        if not self._checked:
            self.check()

    def _region(self) -> str:
        """Returns the bucket's region.

        If the store does not report one, it is assumed to be the region of the profile.
        """
        with in_our_words(self.store, "HeadBucket"):
            try:
                return self._client.head_bucket(Bucket=self.store.bucket).get("BucketRegion") or self.store.region
            except ClientError as error:
                if not code_of(error).isdigit() or other_region(error, self.store.region):
                    raise
        # The answer to a HEAD has no body, so no reason. A listing has one, and is allowed to keys for our prefix only.
        with in_our_words(self.store, "ListObjectsV2"):
            self._client.list_objects_v2(Bucket=self.store.bucket, Prefix=self.key(""), MaxKeys=1)
        return self.store.region

    def upload(self, key: str, chunks: Iterator[bytes]) -> None:
        """Stores a stream of unknown length without a disk.

        If `chunks` or the store fails, the upload is aborted and stays invisible.
        """
        with in_our_words(self.store, "upload"):
            self._client.upload_fileobj(
                cast("IO[bytes]", _Readable(chunks)),
                self.store.bucket,
                key,
                ExtraArgs=self._protection(),
                Config=self._transfer,
            )

    def start_upload(self, key: str, *, lock: timedelta | None = None) -> UnfinishedUpload:
        """Begins a multipart upload.

        Somebody else sends the parts to the URLs of `part_urls`; `lock` is as in `put_new`.
        """
        with in_our_words(self.store, "CreateMultipartUpload"):
            answer = self._client.create_multipart_upload(Bucket=self.store.bucket, Key=key, **self._protection(lock))
            return UnfinishedUpload(key=key, upload_id=answer["UploadId"], started_at=datetime.now(UTC))

    def send_part(self, upload: UnfinishedUpload, number: int, body: bytes) -> str:
        """Sends one part, and returns its ETag."""
        with in_our_words(self.store, "UploadPart"):
            return self._client.upload_part(
                Bucket=self.store.bucket,
                Key=upload.key,
                UploadId=upload.upload_id,
                PartNumber=number,
                Body=io.BytesIO(body),
            )["ETag"]

    def part_urls(self, upload: UnfinishedUpload, parts: int, lifetime: timedelta) -> list[str]:
        """Returns a presigned URL for each part.

        Anyone with a URL may send that part until it expires: keep them secret.
        """
        place = {"Bucket": self.store.bucket, "Key": upload.key, "UploadId": upload.upload_id}
        return [
            self._presigned("upload_part", {**place, "PartNumber": number}, lifetime) for number in range(1, parts + 1)
        ]

    def complete(self, upload: UnfinishedUpload, etags: Sequence[str]) -> None:
        """Makes the parts an object, which appears only now."""
        parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
        with in_our_words(self.store, "CompleteMultipartUpload"):
            self._client.complete_multipart_upload(
                Bucket=self.store.bucket,
                Key=upload.key,
                UploadId=upload.upload_id,
                MultipartUpload=cast("Any", {"Parts": parts}),
            )

    def url(self, key: str, lifetime: timedelta) -> str:
        """Returns a presigned URL to read an object; it is as secret as the object until it expires."""
        return self._presigned("get_object", {"Bucket": self.store.bucket, "Key": key}, lifetime)

    def _presigned(self, call: str, parameters: dict[str, Any], lifetime: timedelta) -> str:
        with in_our_words(self.store, call):
            return self._client.generate_presigned_url(
                cast("Any", call), Params=parameters, ExpiresIn=int(lifetime.total_seconds())
            )

    def put(self, key: str, body: bytes, content_type: str) -> None:
        """Stores a small object, and replaces an older one if there is one."""
        with in_our_words(self.store, "PutObject"):
            self._client.put_object(Bucket=self.store.bucket, Key=key, Body=body, ContentType=content_type)

    def put_new(self, key: str, body: bytes, content_type: str, *, lock: timedelta | None = None) -> None:
        """Stores a small object under a new key; raises `Refused` if the key exists and the store can detect it.

        Object Lock keeps the object as long as the profile says. If the profile locks at all, `lock` replaces that
        time.
        """
        arguments: dict[str, Any] = {"Bucket": self.store.bucket, "Key": key, "Body": body, "ContentType": content_type}
        arguments |= self._protection(lock)
        with in_our_words(self.store, "PutObject"):
            try:
                self._client.put_object(**arguments, IfNoneMatch="*")
            except ClientError as error:
                if code_of(error) not in _UNKNOWN_HEADER:
                    raise
                self._client.put_object(**arguments)

    def get(self, key: str) -> bytes:
        """Returns a small object as a whole; raises `Refused` if it does not exist."""
        with in_our_words(self.store, "GetObject"):
            answer = self._client.get_object(Bucket=self.store.bucket, Key=key, ChecksumMode="ENABLED")
            return answer["Body"].read()

    def read(self, key: str) -> Iterator[bytes]:
        """Yields an object in pieces of at most 1 MiB; a connection that ends early is `NotYet`, never a short object."""
        with in_our_words(self.store, "GetObject"):
            answer = self._client.get_object(Bucket=self.store.bucket, Key=key)
            with closing(answer["Body"]) as body:
                yield from iter(lambda: body.read(READ_BYTES), b"")

    def objects(self, prefix: str) -> list[StoredObject]:
        """Returns every object below a prefix; an incomplete listing is an error, never a shorter list."""
        with in_our_words(self.store, "ListObjectsV2"):
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.store.bucket, Prefix=prefix)
            return [
                StoredObject(key=found["Key"], size=found["Size"], modified_at=found["LastModified"])
                for page in pages
                for found in page.get("Contents", [])
            ]

    def size(self, key: str) -> int | None:
        """Returns the size of an object in bytes; None if it does not exist."""
        with in_our_words(self.store, "HeadObject"):
            return self._head(key).get("ContentLength")

    def locked_until(self, key: str) -> datetime | None:
        """Returns the time until which Object Lock keeps an object; None if it is not locked.

        A legal hold lasts for ever.
        """
        with in_our_words(self.store, "HeadObject"):
            answer = self._head(key)
        if answer.get("ObjectLockLegalHoldStatus") == "ON":
            return FOREVER
        until: datetime | None = answer.get("ObjectLockRetainUntilDate")
        return until

    def keep_until(self, key: str, until: datetime) -> None:
        """Extends the Object Lock of an object to that time; a longer one stays. Without a lock in the profile it does nothing.

        Raises `Refused` if the object does not exist.
        """
        if not (lock := self.store.object_lock):
            return
        with in_our_words(self.store, "PutObjectRetention"):
            found = self._client.head_object(Bucket=self.store.bucket, Key=key)
            now = found.get("ObjectLockRetainUntilDate")
            if now is None or now < until:
                mode = found.get("ObjectLockMode", lock.mode)  # the store weakens none
                self._client.put_object_retention(
                    Bucket=self.store.bucket, Key=key, Retention={"Mode": mode, "RetainUntilDate": until}
                )

    def delete(self, key: str) -> None:
        """Deletes an object; a missing object is no error.

        In a versioned bucket this adds a delete marker, and the version stays until the bucket's lifecycle rule expires
        it. So a wrong rule, a wrong clock or stolen keys can be undone, and the keys need no s3:DeleteObjectVersion.
        """
        with in_our_words(self.store, "DeleteObject"):
            if self._head(key):  # else the store would add a delete marker for nothing
                self._client.delete_object(Bucket=self.store.bucket, Key=key)

    def _head(self, key: str) -> dict[str, Any]:
        """Returns the store's metadata of an object; empty if the object does not exist."""
        try:
            return dict(self._client.head_object(Bucket=self.store.bucket, Key=key))
        except ClientError as error:
            if code_of(error) in MISSING:
                return {}
            raise

    def unfinished_uploads(self, prefix: str) -> list[UnfinishedUpload]:
        """Returns the multipart uploads below a prefix that nobody completed or aborted."""
        with in_our_words(self.store, "ListMultipartUploads"):
            pages = self._client.get_paginator("list_multipart_uploads").paginate(
                Bucket=self.store.bucket, Prefix=prefix
            )
            return [
                UnfinishedUpload(key=found["Key"], upload_id=found["UploadId"], started_at=found["Initiated"])
                for page in pages
                for found in page.get("Uploads", [])
                if found["Key"].startswith(prefix)
            ]

    def abort(self, upload: UnfinishedUpload) -> None:
        """Aborts an unfinished upload and frees its parts; one that no longer exists is no error."""
        with in_our_words(self.store, "AbortMultipartUpload"):
            try:
                self._client.abort_multipart_upload(Bucket=self.store.bucket, Key=upload.key, UploadId=upload.upload_id)
            except ClientError as error:
                if code_of(error) != "NoSuchUpload":
                    raise

    def _protection(self, lock_for: timedelta | None = None) -> dict[str, Any]:
        """Returns the profile's encryption, storage class and Object Lock, for every object of a backup."""
        arguments: dict[str, Any] = {}
        if self.store.kms_key:
            arguments |= {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": self.store.kms_key}
        if self.store.storage_class:
            arguments["StorageClass"] = self.store.storage_class
        if lock := self.store.object_lock:
            until = datetime.now(UTC) + (lock_for or timedelta(days=lock.days))
            arguments |= {"ObjectLockMode": lock.mode, "ObjectLockRetainUntilDate": until}
        return arguments


class _Readable(io.RawIOBase):
    """Presents chunks of any size as a file without seek, which is how boto3 takes a stream."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._held = bytearray()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while size < 0 or len(self._held) < size:
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            self._held += chunk
        end = len(self._held) if size < 0 else size
        taken = bytes(self._held[:end])
        del self._held[:end]
        return taken


_UNKNOWN_HEADER = {"NotImplemented", "501", "InvalidArgument"}
