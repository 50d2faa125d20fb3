"""A real S3 server on loopback: SeaweedFS, which checks signatures, checksums, conditions and object locks."""

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.servers.binaries import weed
from tests.servers.pki import KeyPair
from tests.servers.processes import Process, free_port

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

START_LIMIT = 150.0
"""Seconds until it has to take objects; three are usual."""

REGION = "us-east-1"

DOMAIN = "s3.test"
"""Whose subdomains are buckets, where a request names one."""

ROOMY = {"master.volumeSizeLimitMB": 2048, "volume.max": 200}
"""Every bucket takes volumes: with few of them the third bucket already fails with 500."""

ADMIN_ACTIONS = ["Admin", "Read", "Write", "List", "Tagging"]
READER_ACTIONS = ["Read", "List"]


class Identity(NamedTuple):
    """Who signs a request. Long and random, so that a test may look for them in every file that was written."""

    access_key: str
    secret_key: str


class S3Server:
    """A context manager: it takes objects when the block begins, and nothing of it runs when the block ends."""

    def __init__(
        self, folder: Path, *, address: str = "127.0.0.1", tls: KeyPair | None = None, volumes: int | None = None
    ) -> None:
        """`volumes` of 1 MB each make a store that is soon full; `tls` adds `https_endpoint`."""
        self.address = address
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.admin, self.reader = _identity(), _identity()
        self.access_key, self.secret_key = self.admin
        self._clients: dict[tuple[Identity, str, Path | None], S3Client] = {}
        self.port = free_port()
        self.https_port = free_port() if tls else None
        self._master_port = free_port()
        self._sizes = {"master.volumeSizeLimitMB": 1, "volume.max": volumes} if volumes else ROOMY
        self._write_identities()
        self.sockets: list[Path] = []
        command = [str(weed()), f"-logdir={folder}", "server", *self._flags(tls)]
        environment = {
            **os.environ,
            "WEED_S3_SSE_KEY": secrets.token_hex(16),
            "WEED_MASTER_VOLUME_GROWTH_COPY_1": "1",
        }
        self.process = Process(command, folder=folder, name="weed", env=environment, cwd=folder)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def endpoint(self) -> str:
        """Plain HTTP."""
        return f"http://{self.address}:{self.port}"

    @property
    def https_endpoint(self) -> str:
        """With the certificate that was given."""
        assert self.https_port, "give a `tls` key pair"
        return f"https://{self.address}:{self.https_port}"

    def start(self) -> None:
        """Start, also again on the same data and ports, and wait until it lists its buckets."""
        self.process.start()
        self.process.wait_until(self._serves, START_LIMIT, "SeaweedFS serves S3")

    def kill(self) -> None:
        """SIGKILL: an orderly end takes it 30 s."""
        self.process.kill()
        for socket in self.sockets:
            socket.unlink(missing_ok=True)

    def freeze(self) -> None:
        """Connections stay, nothing answers."""
        self.process.freeze()

    def thaw(self) -> None:
        """Go on after `freeze`."""
        self.process.thaw()

    def client(
        self, identity: Identity | None = None, *, endpoint: str | None = None, verify: Path | None = None
    ) -> "S3Client":
        """A boto3 client that does not retry, as the administrator unless told otherwise; kept: one takes 0.2 s to make."""
        wanted = identity or self.admin, endpoint or self.endpoint, verify
        if wanted not in self._clients:
            self._clients[wanted] = self._new_client(*wanted)
        return self._clients[wanted]

    def _new_client(self, who: Identity, endpoint: str, verify: Path | None) -> "S3Client":
        return boto3.session.Session().client(
            "s3",
            endpoint_url=endpoint,
            region_name=REGION,
            aws_access_key_id=who.access_key,
            aws_secret_access_key=who.secret_key,
            verify=str(verify) if verify else None,
            config=Config(
                s3={"addressing_style": "path"},
                retries={"mode": "standard", "total_max_attempts": 1},
                connect_timeout=5,
                read_timeout=30,
                proxies={},
            ),
        )

    def create_bucket(self, name: str, *, object_lock: bool = False) -> str:
        """Make a bucket, with versions if it can lock objects; returns its name."""
        self.client().create_bucket(Bucket=name, ObjectLockEnabledForBucket=object_lock)
        return name

    def environment(self, identity: Identity | None = None) -> dict[str, str]:
        """The credentials as the default chain of boto3 finds them."""
        who = identity or self.admin
        return {
            "AWS_ACCESS_KEY_ID": who.access_key,
            "AWS_SECRET_ACCESS_KEY": who.secret_key,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def _serves(self) -> bool:
        """The port opens before the filer and the volumes behind it are ready."""
        with suppress(BotoCoreError, ClientError):
            self.client().list_buckets()
            return self._has_volume_server()
        return False

    def _has_volume_server(self) -> bool:
        """Has the master heard of it?"""
        connection = HTTPConnection(self.address, self._master_port, timeout=2)
        with suppress(OSError, HTTPException), closing(connection):
            connection.request("GET", "/dir/status")
            return bool(json.load(connection.getresponse())["Topology"]["Max"])
        return False

    def _write_identities(self) -> None:
        who = (("admin", self.admin, ADMIN_ACTIONS), ("reader", self.reader, READER_ACTIONS))
        identities = [
            {
                "name": name,
                "credentials": [{"accessKey": identity.access_key, "secretKey": identity.secret_key}],
                "actions": actions,
            }
            for name, identity, actions in who
        ]
        path = self.folder / "identities.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps({"identities": identities}))

    def _flags(self, tls: KeyPair | None) -> Iterator[str]:
        data = self.folder / "data"
        data.mkdir(exist_ok=True)
        yield "-master.telemetry=false"
        yield f"-ip={self.address}"
        yield f"-ip.bind={self.address}"
        yield f"-dir={data}"
        yield "-s3"
        yield f"-s3.port={self.port}"
        yield f"-s3.domainName={DOMAIN}"
        yield f"-s3.port.grpc={self._port_with_socket('s3-grpc')}"
        yield f"-master.port={self._master_port}"
        yield f"-master.port.grpc={self._port_with_socket('master-grpc')}"
        yield "-master.electionTimeout=1s"  # the default makes a restart take 20 s
        for part in ("volume", "filer"):
            yield f"-{part}.port={self._port_with_socket(part)}"
            yield f"-{part}.port.grpc={self._port_with_socket(f'{part}-grpc')}"
        yield "-s3.port.iceberg=0"
        yield "-s3.port.lance=0"
        yield f"-s3.config={self.folder / 'identities.json'}"
        yield "-s3.localSocket=s3.sock"  # relative: the path of a socket must be short
        for name, value in self._sizes.items():
            yield f"-{name}={value}"
        if tls:
            yield f"-s3.port.https={self.https_port}"
            yield f"-s3.cert.file={tls.certificate}"
            yield f"-s3.key.file={tls.key}"

    def _port_with_socket(self, part: str) -> int:
        """A port; SeaweedFS puts a socket beside some of them, always into /tmp, and a SIGKILL leaves it there."""
        port = free_port()
        self.sockets.append(Path(f"/tmp/seaweedfs-{part}-{port}.sock"))  # noqa: S108 - its choice, not ours
        return port


def _identity() -> Identity:
    return Identity(f"AK{secrets.token_hex(9).upper()}", secrets.token_hex(24))
