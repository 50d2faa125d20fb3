"""A second real S3 server on loopback, of another family than SeaweedFS: Versity's gateway, over a folder."""

import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.servers.binaries import VERSITYGW_VERSION, binaries
from tests.servers.processes import Process, free_port
from tests.servers.seaweedfs import DOMAIN, REGION, Identity

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

START_LIMIT = 150.0
"""Seconds until it has to answer."""


class Versitygw:
    """A context manager: it takes objects when the block begins, and nothing of it runs when the block ends."""

    def __init__(self, folder: Path) -> None:
        self.admin = Identity(f"AK{secrets.token_hex(9).upper()}", secrets.token_hex(24))
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        places = {name: folder / name for name in ("data", "meta", "versions")}
        for place in places.values():
            place.mkdir(parents=True)
        command = [
            *(str(binaries("versitygw", VERSITYGW_VERSION) / "versitygw"), "--quiet", "--region", REGION),
            *("--port", f"127.0.0.1:{self.port}", "--virtual-domain", DOMAIN),
            *(
                "posix",
                "--sidecar",
                str(places["meta"]),
                "--versioning-dir",
                str(places["versions"]),
                str(places["data"]),
            ),
        ]
        keys = {"ROOT_ACCESS_KEY": self.admin.access_key, "ROOT_SECRET_KEY": self.admin.secret_key}
        self._process = Process(command, folder=folder, name="versitygw", env={**os.environ, **keys})

    def __enter__(self) -> Self:
        self._process.start()
        try:
            self._process.wait_until(self._serves, START_LIMIT, "Versity's gateway serves S3")
        except BaseException:
            self._process.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()

    def client(self) -> "S3Client":
        """A boto3 client as the administrator that does not retry."""
        return boto3.session.Session().client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=self.admin.access_key,
            aws_secret_access_key=self.admin.secret_key,
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, proxies={}),
        )

    def create_bucket(self, name: str, *, object_lock: bool = False) -> str:
        """Make a bucket, with versions if it can lock objects; returns its name."""
        self.client().create_bucket(Bucket=name, ObjectLockEnabledForBucket=object_lock)
        return name

    def _serves(self) -> bool:
        with suppress(BotoCoreError, ClientError):
            self.client().list_buckets()
            return True
        return False
