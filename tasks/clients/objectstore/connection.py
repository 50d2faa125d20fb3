"""Configures how boto3 connects to a profile's store."""

import base64
import hashlib
from typing import TYPE_CHECKING, Any, Literal

import boto3
from botocore.config import Config

from tasks.clients.objectstore.values import StoreKeys
from tasks.core.models.profile import Store

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

READ_BYTES = 2**20

UPLOADS_AT_ONCE = 3
"""Limits how many parts are sent at once.

Each is in memory, and more than three gained nothing on one stream.
"""


def connect(store: Store, keys: StoreKeys | None) -> "S3Client":
    """Returns a client for the bucket; it sends nothing yet."""
    config = Config(
        region_name=store.region,
        signature_version="s3v4",  # without it boto3 presigns with SigV2
        s3={"addressing_style": _addressing(store)},
        connect_timeout=5,
        read_timeout=60,
        tcp_keepalive=True,
        retries={"mode": "standard", "total_max_attempts": 4},
        # Who reads a snapshot compares its sha256 and says more than "checksum mismatch"; small objects ask for theirs.
        response_checksum_validation="when_required",
        request_checksum_calculation=store.checksums,
        max_pool_connections=UPLOADS_AT_ONCE + 2,
    )
    session = boto3.session.Session()
    client = session.client(
        "s3",
        endpoint_url=store.endpoint,
        verify=store.ca,
        config=config,
        aws_access_key_id=keys.access_key if keys else None,
        aws_secret_access_key=keys.secret_key if keys else None,
    )
    if store.object_lock and store.checksums == "when_required":
        for call in ("PutObject", "UploadPart"):
            client.meta.events.register(f"before-call.s3.{call}", _with_md5)
    return client


def _addressing(store: Store) -> Literal["auto", "path", "virtual"]:
    if store.addressing != "auto":
        return store.addressing
    return "path" if store.endpoint else "auto"


def _with_md5(params: dict[str, Any], **_: object) -> None:
    """Adds an MD5 checksum, because S3 accepts nothing under Object Lock without a checksum.

    Every store supports this oldest kind.
    """
    body = params["body"]
    digest = hashlib.md5(usedforsecurity=False)
    if isinstance(body, (bytes, bytearray)):
        digest.update(body)
    else:
        start = body.tell()
        while piece := body.read(READ_BYTES):
            digest.update(piece)
        body.seek(start)
    params["headers"]["Content-MD5"] = base64.b64encode(digest.digest()).decode()
