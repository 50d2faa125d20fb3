"""A site: a cluster's profile over real servers, and a look into its bucket as an operator would take it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.servers.etcd import EtcdCluster
from tests.servers.seaweedfs import Identity, S3Server
from tests.servers.sshd import Sshd


class Site:
    """One cluster: its profile in a folder of its own, its bucket, and the environment that a worker needs for it."""

    def __init__(self, folder: Path, name: str, etcd: EtcdCluster, s3: S3Server) -> None:
        self.folder = folder
        self.name = name
        self.etcd = etcd
        self.s3 = s3
        self.bucket = name
        self.scratch = folder / "scratch"
        self.clusters = folder / "clusters"
        for made in (self.scratch, self.clusters):
            made.mkdir(parents=True)
        self.profile: dict[str, Any] = {
            "name": name,
            "etcd": {"endpoints": [{"url": member.url} for member in etcd.members], "client": self._client_files()},
            "store": {
                "bucket": self.bucket,
                "endpoint": s3.endpoint,
                "access_key": f"file:{folder / 'access-key'}",
                "secret_key": f"file:{folder / 'secret-key'}",
            },
            "backup": {"retention": {"last": 3}},
        }
        self.use_store_keys(s3.admin)
        self.write()

    def use_store_keys(self, identity: Identity) -> None:
        """Whose keys the store is asked with. In files: Prefect's worker writes a run's environment to a disk."""
        self._private_file("access-key", identity.access_key)
        self._private_file("secret-key", identity.secret_key)

    def write(self, **changes: dict[str, Any]) -> None:
        """Write the profile, with fields of its parts changed: `site.write(store={"region": "eu-west-1"})`."""
        for part, fields in changes.items():
            self.profile[part] = self.profile.get(part, {}) | fields
        (self.clusters / f"{self.name}.yaml").write_text(yaml.safe_dump(self.profile))

    def use_api(self, kubeconfig: str) -> None:
        """The cluster's API, with that kubeconfig."""
        config = self.folder / "kubeconfig"
        config.touch(mode=0o600)
        config.write_text(kubeconfig)
        self.write(kubernetes={"kubeconfig": f"file:{config}"})

    def through(self, sshd: Sshd, *, key: Path | None = None) -> None:
        """Give every member a node behind that sshd, which serves the member of each endpoint on its own loopback."""
        key = key or self._private_file("id_ed25519", sshd.key_text)
        nodes = [f"cp{number}" for number, _ in enumerate(self.etcd.members, 1)]
        self.profile["nodes"] = [{"name": node, "address": "127.0.0.1", "port": sshd.port} for node in nodes]
        for endpoint, node in zip(self.profile["etcd"]["endpoints"], nodes, strict=True):
            endpoint["node"] = node
        on_node = {
            "address": "127.0.0.1",
            "port": self.etcd.members[0].port,
            "ca": str(self.etcd.ca),
            "certificate": str(self.etcd.client.certificate),
            "key": str(self.etcd.client.key),
        }
        self.write(
            etcd={"on_node": on_node},
            ssh={"user": sshd.user, "key": f"file:{key}", "known_hosts": str(sshd.known_hosts), "sudo": False},
        )

    @property
    def environment(self) -> dict[str, str]:
        """What a worker of this site has in its environment."""
        return {
            "KUBE_RUNBOOKS_CLUSTERS": str(self.clusters),
            "KUBE_RUNBOOKS_SCRATCH": str(self.scratch),
            "KUBE_RUNBOOKS_BIN": str(self.etcd.binaries),
        }

    @property
    def secrets(self) -> list[str]:
        """What must not be found anywhere: the store's key, lines of every private key, and keys of Secrets in etcd."""
        keys = [path.read_text() for path in self.folder.rglob("*") if path.is_file() and path.stat().st_size < 10_000]
        keys += [self.etcd.client.key.read_text()]
        private = [text for text in keys if "PRIVATE KEY" in text]
        lines = [line for text in private for line in text.splitlines() if len(line) > 20 and not line.startswith("-")]
        of_secrets = [
            line.split()[1] for text in keys for line in text.splitlines() if line.strip().startswith("secret: ")
        ]
        return [self.s3.admin.secret_key, *lines, *of_secrets]

    def keys(self, prefix: str = "") -> list[str]:
        """Object keys in the bucket."""
        answer = self.s3.client().list_objects_v2(Bucket=self.bucket, Prefix=prefix)
        return [found["Key"] for found in answer.get("Contents", [])]

    def read(self, key: str) -> bytes:
        """An object, whole."""
        return self.s3.client().get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def manifests(self) -> list[dict[str, Any]]:
        """Every manifest, that is every backup, oldest first."""
        keys = [key for key in self.keys(f"{self.name}/etcd/") if key.endswith("/manifest.json")]
        return sorted((json.loads(self.read(key)) for key in keys), key=lambda manifest: str(manifest["written_at"]))

    def data(self) -> list[str]:
        """Keys of the snapshots, with a manifest or without."""
        return [key for key in self.keys(f"{self.name}/etcd/") if key.endswith("/snapshot.db.zst")]

    def uploads(self) -> list[str]:
        """Keys of unfinished multipart uploads."""
        answer = self.s3.client().list_multipart_uploads(Bucket=self.bucket)
        return [found["Key"] for found in answer.get("Uploads", [])]

    def reports(self) -> list[dict[str, Any]]:
        """Every report, oldest first."""
        keys = [key for key in self.keys(f"{self.name}/reports/") if key.endswith(".json")]
        reports = [json.loads(self.read(key)) for key in keys]
        return sorted(reports, key=lambda report: str(report["ended_at"] or report["started_at"]))

    def texts(self) -> Iterator[str]:
        """Everything in the bucket but the snapshots, for a search."""
        for key in self.keys():
            if not key.endswith(".zst"):
                yield self.read(key).decode(errors="replace")

    def _client_files(self) -> dict[str, str]:
        client = self.etcd.client
        return {"ca": f"file:{self.etcd.ca}", "certificate": f"file:{client.certificate}", "key": f"file:{client.key}"}

    def _private_file(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o600)
        return path
