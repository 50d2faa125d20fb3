"""One bucket, in our own words."""

import io
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import IO, TYPE_CHECKING, Any, cast

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

from tasks.clients.objectstore.failures import MISSING, code_of, in_our_words, other_region, place_of
from tasks.clients.objectstore.values import StoredObject, StoreKeys, UnfinishedUpload
from tasks.core.errors import Refused
from tasks.core.models.profile import Store

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client


PART_BYTES = 8 * 2**20
"""Of a multipart upload: 10,000 parts make 78 GiB, ten times the largest etcd that is advised."""

UPLOADS_AT_ONCE = 3
"""Parts under way; each is in memory, and more than three gained nothing on one stream."""

READ_BYTES = 2**20

FOREVER = datetime(9999, 12, 31, tzinfo=UTC)
"""Until when an object under a legal hold is locked: until somebody lifts it."""


class ObjectStore:
    """One bucket and prefix. Errors are `NotYet` (away, slow, throttling) or `Refused` (wrong, forbidden, full)."""

    def __init__(self, store: Store, keys: StoreKeys | None) -> None:
        self.store = store
        self._client = _client(store, keys)
        self._checked = False
        self._transfer = TransferConfig(
            multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES, max_concurrency=UPLOADS_AT_ONCE
        )
        # Of a stream, parts wait in memory: one more than are under way. boto3's constructor does not pass this on.
        self._transfer.max_in_memory_upload_chunks = UPLOADS_AT_ONCE + 1

    @property
    def place(self) -> str:
        """Where this is, for people: bucket, and endpoint if it is not AWS."""
        return place_of(self.store)

    def key(self, *parts: str) -> str:
        """An object key below the prefix of the profile."""
        return "/".join(part for part in (self.store.prefix, *parts) if part)

    def uri(self, key: str) -> str:
        """`s3://bucket/key`, as reports name an object."""
        return f"s3://{self.store.bucket}/{key}"

    def check(self) -> None:
        """Proves that the bucket is there, in the region of the profile, and open to us; `Refused` with the fix if not."""
        region = self._region()
        if region != self.store.region:
            raise Refused(
                f"{self.place} is in region {region}, the profile says {self.store.region}",
                hint=f"set store.region to {region}",
            )
        self._checked = True

    def check_once(self) -> None:
        """As `check`, until that has passed: before a first write, for SeaweedFS makes a bucket that is missing."""
        if not self._checked:
            self.check()

    def _region(self) -> str:
        """Where the bucket is; a store that does not tell is believed to be where the profile says."""
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
        """Stores a stream of unknown length without a disk; aborted, and invisible, when `chunks` or the store fails."""
        with in_our_words(self.store, "upload"):
            self._client.upload_fileobj(
                cast("IO[bytes]", _Readable(chunks)),
                self.store.bucket,
                key,
                ExtraArgs=self._protection(),
                Config=self._transfer,
            )

    def start_upload(self, key: str) -> UnfinishedUpload:
        """Begins a multipart upload whose parts somebody else sends, by the addresses of `part_urls`."""
        with in_our_words(self.store, "CreateMultipartUpload"):
            answer = self._client.create_multipart_upload(Bucket=self.store.bucket, Key=key, **self._protection())
            return UnfinishedUpload(key=key, upload_id=answer["UploadId"], started_at=datetime.now(UTC))

    def part_urls(self, upload: UnfinishedUpload, parts: int, lifetime: timedelta) -> list[str]:
        """A presigned address for each part. Whoever has one may send that part until it expires: keep them secret."""
        place = {"Bucket": self.store.bucket, "Key": upload.key, "UploadId": upload.upload_id}
        return [
            self._presigned("upload_part", {**place, "PartNumber": number}, lifetime) for number in range(1, parts + 1)
        ]

    def complete(self, upload: UnfinishedUpload, etags: Sequence[str]) -> None:
        """Makes the parts an object; it appears only now."""
        parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
        with in_our_words(self.store, "CompleteMultipartUpload"):
            self._client.complete_multipart_upload(
                Bucket=self.store.bucket,
                Key=upload.key,
                UploadId=upload.upload_id,
                MultipartUpload=cast("Any", {"Parts": parts}),
            )

    def url(self, key: str, lifetime: timedelta) -> str:
        """A presigned address to read an object by; as secret as the object until it expires."""
        return self._presigned("get_object", {"Bucket": self.store.bucket, "Key": key}, lifetime)

    def _presigned(self, call: str, parameters: dict[str, Any], lifetime: timedelta) -> str:
        with in_our_words(self.store, call):
            return self._client.generate_presigned_url(
                cast("Any", call), Params=parameters, ExpiresIn=int(lifetime.total_seconds())
            )

    def put(self, key: str, body: bytes, content_type: str) -> None:
        """Stores a small object, over an older one if there is one."""
        with in_our_words(self.store, "PutObject"):
            self._client.put_object(Bucket=self.store.bucket, Key=key, Body=body, ContentType=content_type)

    def put_new(self, key: str, body: bytes, content_type: str) -> None:
        """Stores a small object under a key that has none; `Refused` when it has one, where the store can tell."""
        arguments: dict[str, Any] = {"Bucket": self.store.bucket, "Key": key, "Body": body, "ContentType": content_type}
        arguments |= self._protection()
        with in_our_words(self.store, "PutObject"):
            try:
                self._client.put_object(**arguments, IfNoneMatch="*")
            except ClientError as error:
                if code_of(error) not in _UNKNOWN_HEADER:
                    raise
                self._client.put_object(**arguments)

    def get(self, key: str) -> bytes:
        """A small object, whole; `Refused` when there is none."""
        with in_our_words(self.store, "GetObject"):
            answer = self._client.get_object(Bucket=self.store.bucket, Key=key, ChecksumMode="ENABLED")
            return answer["Body"].read()

    def read(self, key: str) -> Iterator[bytes]:
        """An object in pieces of at most 1 MiB; a connection that ends early is `NotYet`, never a short object."""
        with in_our_words(self.store, "GetObject"):
            answer = self._client.get_object(Bucket=self.store.bucket, Key=key)
            with closing(answer["Body"]) as body:
                yield from iter(lambda: body.read(READ_BYTES), b"")

    def objects(self, prefix: str) -> list[StoredObject]:
        """Every object below a prefix; an incomplete listing is an error, never a shorter list."""
        with in_our_words(self.store, "ListObjectsV2"):
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.store.bucket, Prefix=prefix)
            return [
                StoredObject(key=found["Key"], size=found["Size"], modified_at=found["LastModified"])
                for page in pages
                for found in page.get("Contents", [])
            ]

    def size(self, key: str) -> int | None:
        """Of an object, in bytes; None when there is none."""
        with in_our_words(self.store, "HeadObject"):
            return self._head(key).get("ContentLength")

    def locked_until(self, key: str) -> datetime | None:
        """Until when Object Lock keeps an object (a legal hold: for ever), or None."""
        with in_our_words(self.store, "HeadObject"):
            answer = self._head(key)
        if answer.get("ObjectLockLegalHoldStatus") == "ON":
            return FOREVER
        until: datetime | None = answer.get("ObjectLockRetainUntilDate")
        return until

    def delete(self, key: str) -> None:
        """Deletes an object; one that is not there is fine.

        In a versioned bucket this adds a delete marker, and the version stays until the bucket's lifecycle rule expires
        it. So a wrong rule, a wrong clock or stolen keys can be undone, and the keys need no s3:DeleteObjectVersion.
        """
        with in_our_words(self.store, "DeleteObject"):
            if self._head(key):  # else the store would add a delete marker for nothing
                self._client.delete_object(Bucket=self.store.bucket, Key=key)

    def _head(self, key: str) -> dict[str, Any]:
        """What the store knows of an object; empty when there is none."""
        try:
            return dict(self._client.head_object(Bucket=self.store.bucket, Key=key))
        except ClientError as error:
            if code_of(error) in MISSING:
                return {}
            raise

    def unfinished_uploads(self, prefix: str) -> list[UnfinishedUpload]:
        """Multipart uploads below a prefix that nobody completed or aborted."""
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
        """Ends an unfinished upload and frees its parts; one that is gone already is fine."""
        with in_our_words(self.store, "AbortMultipartUpload"):
            try:
                self._client.abort_multipart_upload(Bucket=self.store.bucket, Key=upload.key, UploadId=upload.upload_id)
            except ClientError as error:
                if code_of(error) != "NoSuchUpload":
                    raise

    def _protection(self) -> dict[str, Any]:
        """Encryption, storage class and Object Lock of the profile, for every object of a backup."""
        arguments: dict[str, Any] = {}
        if self.store.kms_key:
            arguments |= {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": self.store.kms_key}
        if self.store.storage_class:
            arguments["StorageClass"] = self.store.storage_class
        if lock := self.store.object_lock:
            until = datetime.now(UTC) + timedelta(days=lock.days)
            arguments |= {"ObjectLockMode": lock.mode, "ObjectLockRetainUntilDate": until}
        return arguments


class _Readable(io.RawIOBase):
    """Chunks of any size as a file that can be read and not sought, which is how boto3 takes a stream."""

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


def _client(store: Store, keys: StoreKeys | None) -> "S3Client":
    config = Config(
        region_name=store.region,
        signature_version="s3v4",  # without it boto3 presigns with SigV2
        s3={"addressing_style": "path" if store.endpoint else "auto"},
        connect_timeout=5,
        read_timeout=60,
        tcp_keepalive=True,
        retries={"mode": "standard", "total_max_attempts": 4},
        # Who reads a snapshot compares its sha256 and says more than "checksum mismatch"; small objects ask for theirs.
        response_checksum_validation="when_required",
        max_pool_connections=UPLOADS_AT_ONCE + 2,
    )
    session = boto3.session.Session()
    return session.client(
        "s3",
        endpoint_url=store.endpoint,
        verify=store.ca,
        config=config,
        aws_access_key_id=keys.access_key if keys else None,
        aws_secret_access_key=keys.secret_key if keys else None,
    )


_UNKNOWN_HEADER = {"NotImplemented", "501", "InvalidArgument"}
