"""A node whose folders are those of a test, for the scripts of a rotation of a CA."""

import base64
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from tasks.ca_rotation.models import CaFiles, Half, TrustOnNode
from tasks.ca_rotation.policy.trust import state_of
from tasks.ca_rotation.probes import places, texts
from tasks.ca_rotation.probes.places import Places, files_of
from tasks.ca_rotation.probes.trust import halves_in, look, parse
from tasks.ca_rotation.scripts import edit, halves, lay_down, make
from tasks.certificates.authority import SigningAuthority, new_key_pair
from tasks.certificates.models.authorities import State
from tasks.core.models.folders import CA_ROTATIONS
from tasks.core.models.kubeadm import PARKED, Authority
from tests.servers.kubeadm_pki import KubeadmPki

NOW = datetime.now(UTC)
FLAGS = {
    "etcd": {"trusted-ca-file": "etcd/ca.crt", "peer-trusted-ca-file": "etcd/ca.crt"},
    "kube-apiserver": {
        "client-ca-file": "ca.crt",
        "etcd-cafile": "etcd/ca.crt",
        "requestheader-client-ca-file": "front-proxy-ca.crt",
        "service-account-key-file": "sa.pub",
        "service-account-signing-key-file": "sa.key",
    },
    "kube-controller-manager": {
        "client-ca-file": "ca.crt",
        "cluster-signing-cert-file": "ca.crt",
        "cluster-signing-key-file": "ca.key",
        "requestheader-client-ca-file": "front-proxy-ca.crt",
        "root-ca-file": "ca.crt",
        "service-account-private-key-file": "sa.key",
    },
}
"""That name files of kubeadm's pki folder."""


def manifest(pod: str, pki: str) -> str:
    """As kubeadm writes it."""
    container = {"name": pod, "command": [pod, *(f"--{flag}={pki}/{file}" for flag, file in FLAGS[pod].items())]}
    return yaml.safe_dump({"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [container]}})


def kubelet_config(pki: str) -> str:
    """As kubeadm writes it."""
    return f"kind: KubeletConfiguration\nauthentication:\n  x509:\n    clientCAFile: {pki}/ca.crt\n"


CONFIGS = ("admin.conf", "controller-manager.conf", "scheduler.conf", "kubelet.conf")


class Node:
    """A folder that kubeadm has filled, and a folder for the halves; commands that change something can be counted."""

    def __init__(self, folder: Path, kubeadms_files: Path) -> None:
        shutil.copytree(kubeadms_files, folder / "kubernetes")
        self.kubeadm = KubeadmPki(folder / "kubernetes", controlPlaneEndpoint="api.example.org:6443")
        self.root = self.kubeadm.folder
        self.folder, self.pki = PurePosixPath(self.root), self.root / "pki"
        self.manifests, self.kubelet = self.root / "manifests", self.root / "kubelet.yaml"
        self.overrides: tuple[dict[str, Any], ...] = ()
        self.manifests.mkdir()
        self.tell(str(self.pki))
        self.halves: dict[Authority, tuple[Half, Half]] = {}

    def sh(self, script: str, stdin: bytes = b"", *, commands: int | None = None) -> subprocess.CompletedProcess[bytes]:
        """With `commands` it dies right before its n-th command that changes anything."""
        count = self.root.parent / "count"
        count.write_text("0")
        guard = (
            f"n() {{ c=$(($(cat {count}) + 1)); echo $c > {count}; [ $c -lt {commands or 10000} ] || kill -9 $$; }}\n"
            'for p in mv mkdir rm sync cp chmod chown; do eval "$p() { n; command $p \\"\\$@\\"; }"; done\n'
        )
        text = guard + script.replace(CA_ROTATIONS, str(self.root.parent / "work")).replace(
            PARKED, str(self.root.parent / "parked")
        )
        return subprocess.run(["bash", "-c", text], input=stdin, capture_output=True, check=False)

    def tell(self, pki: str) -> None:
        """Has its programs read their files there."""
        for pod in FLAGS:
            (self.manifests / f"{pod}.yaml").write_text(manifest(pod, pki))
        self.kubelet.write_text(kubelet_config(pki))

    def places(self) -> Places:
        """Where it is told to have its CAs."""
        done = self.sh(places.look(str(self.manifests), PARKED, str(self.kubelet)))
        assert done.returncode == 0, done.stderr
        return places.parse(done.stdout, str(self.kubelet), self.overrides)

    def files(self, authority: Authority) -> CaFiles:
        """Of one CA."""
        return files_of(authority, self.places())

    def begin(self, authority: Authority) -> None:
        """Lays a new one down beside the old one."""
        old = Path(self.files(authority).trust).read_bytes()
        if authority is Authority.SERVICE_ACCOUNTS:
            key, pem = new_key_pair()
        else:
            made = SigningAuthority.made({"ca": "kubernetes"}.get(authority, authority), NOW, timedelta(days=3650))
            key, pem = made.key, made.certificate
        done = self.sh(
            lay_down(self.files(authority), authority), halves([("new.key", key), ("new.pem", pem), ("old.pem", old)])
        )
        assert done.returncode == 0, done.stderr
        [before], [after] = halves_in(old), halves_in(pem)
        self.halves[authority] = (before, after)

    def make(self, authority: Authority, state: State, *, commands: int | None = None) -> list[str]:
        """What it changed."""
        script = make(self.files(authority), authority, state, control_plane=True)
        done = self.sh(script, self.edits(authority, state), commands=commands)
        assert done.returncode == (-9 if commands else 0), done.stderr
        return [line.partition(" ")[2] for line in done.stdout.decode().splitlines()]

    def edits(self, authority: Authority, state: State, *, control_plane: bool = True) -> bytes:
        """For `make`."""
        if authority is not Authority.CLUSTER:
            return b""
        told = self.sh(texts.look(authority, [str(self.root / name) for name in (*CONFIGS, "none.conf")]))
        assert told.returncode == 0, told.stderr
        manifests = texts.manifest_edits(self.places(), state) if control_plane else ()
        staged = f"{self.root.parent}/parked/made"
        return b"".join(
            [
                *(edit(one.path, one.sum, one.made, staged) for one in manifests),
                *(edit(one.path, one.sum, one.made) for one in texts.kubeconfig_edits(texts.parse(told.stdout), state)),
            ]
        )

    def look(self, authority: Authority) -> TrustOnNode:
        """As it is."""
        done = self.sh(look(self.files(authority), authority))
        assert done.returncode == 0, done.stderr
        return parse("cp1", authority, self.places(), done.stdout)

    def state(self, authority: Authority) -> State:
        """Where it stands."""
        return state_of(self.look(authority), *self.halves[authority])

    def modes(self) -> dict[str, str]:
        """Of all of kubeadm's files."""
        return {
            str(one.relative_to(self.root)): f"{one.stat().st_mode & 0o777:o}"
            for one in self.root.rglob("*")
            if one.is_file()
        }

    def believes(self, name: str) -> list[str]:
        """A kubeconfig: the ids of its authorities."""
        [cluster] = yaml.safe_load((self.root / name).read_text())["clusters"]
        return [half.id for half in halves_in(base64.b64decode(cluster["cluster"]["certificate-authority-data"]))]
