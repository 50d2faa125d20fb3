"""Control plane nodes as kubeadm leaves them: /etc/kubernetes of each, below a root of its own that only its sshd shows."""

import base64
import secrets
import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.facts.ca_nodes import manifest
from tests.servers.pki import Authority
from tests.servers.site import Site
from tests.servers.sshd import Sshd

FOLDER = "/proc/self/cwd/etc/kubernetes"
"""The profile's `kubeadm.folder`: an absolute path that leads each process below the folder that it was started in."""

START_BELOW = 'ForceCommand cd {root} && eval "$SSH_ORIGINAL_COMMAND"'
"""Of a node's sshd_config: its commands run as they came, only somewhere else."""

RECORDED = Path(__file__).parents[1] / "unit" / "data" / "kubeadm"
"""What kubeadm 1.36.3 wrote."""

AUTHORITIES = ("ca", "front-proxy-ca", "etcd/ca")


class ControlPlane:
    """A context manager: its nodes answer when the block begins. All have the same keys until a test changes one."""

    def __init__(self, folder: Path, names: tuple[str, ...] = ("cp1", "cp2", "cp3")) -> None:
        """`folder` gets a root for each node, and what their sshds need."""
        self.folder = folder
        self.names = names
        self._write(self.file(names[0], ""))
        for name in names[1:]:
            shutil.copytree(self.root(names[0]), self.root(name))
        self.sshds = {name: Sshd(folder / f"sshd-{name}", START_BELOW.format(root=self.root(name))) for name in names}
        self._started = ExitStack()

    def __enter__(self) -> Self:
        for sshd in self.sshds.values():
            self._started.enter_context(sshd)
        return self

    def __exit__(self, *_: object) -> None:
        self._started.close()

    def root(self, node: str) -> Path:
        """What a node's `/` would be."""
        return self.folder / node

    def file(self, node: str, name: str) -> Path:
        """A node's file below its /etc/kubernetes."""
        return self.root(node) / "etc/kubernetes" / name

    def files(self, node: str) -> dict[str, bytes]:
        """All that a node has, by the path that the worker knows it by."""
        below = self.file(node, "")
        found = [path for path in below.rglob("*") if path.is_file()]
        return {f"{FOLDER}/{path.relative_to(below)}": path.read_bytes() for path in found}

    def join(self, site: Site) -> None:
        """Make these the nodes of a site, and the first ones those that its members run on."""
        first = self.sshds[self.names[0]]
        site.through(first)
        authorized = (first.folder / "authorized_keys").read_text()
        for sshd in self.sshds.values():
            (sshd.folder / "authorized_keys").write_text(authorized)
        known = self.folder / "known_hosts"
        known.write_text("".join(sshd.known_hosts.read_text() for sshd in self.sshds.values()))
        site.profile["nodes"] = [
            {"name": name, "address": "127.0.0.1", "port": sshd.port} for name, sshd in self.sshds.items()
        ]
        site.write(ssh={"known_hosts": str(known)}, kubeadm={"folder": FOLDER})

    def _write(self, folder: Path) -> None:
        for name in ("pki/etcd", "manifests", "encryption"):
            (folder / name).mkdir(parents=True)
        for name in AUTHORITIES:
            path = folder / "pki" / name
            Authority(path.parent, path.name).write_key()
        _write_service_account_keys(folder / "pki")
        api_server = (RECORDED / "kube-apiserver.yaml").read_text().replace("/etc/kubernetes", FOLDER)
        (folder / "manifests/kube-apiserver.yaml").write_text(api_server)
        for name in ("etcd", "kube-controller-manager"):
            (folder / f"manifests/{name}.yaml").write_text(manifest(name, f"{FOLDER}/pki"))
        (folder / "manifests/kube-scheduler.yaml").write_text("apiVersion: v1\nkind: Pod\n")
        (folder / "encryption/config.yaml").write_text(_encryption_configuration())


def _write_service_account_keys(folder: Path) -> None:
    """As kubeadm has them: RSA."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = serialization.Encoding.PEM
    plain, traditional = serialization.NoEncryption(), serialization.PrivateFormat.TraditionalOpenSSL
    (folder / "sa.key").write_bytes(key.private_bytes(pem, traditional, plain))
    public = key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    (folder / "sa.pub").write_bytes(public)


def _encryption_configuration() -> str:
    return f"""\
apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
  - resources: [secrets]
    providers:
      - aescbc:
          keys:
            - name: key1
              secret: {base64.b64encode(secrets.token_bytes(32)).decode()}
      - identity: {{}}
"""
