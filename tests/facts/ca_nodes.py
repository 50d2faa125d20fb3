"""A node whose folders are those of a test, for the scripts of a rotation of a CA."""

import base64
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

import yaml

from tasks.ca_rotation.models import Half, TrustOnNode
from tasks.ca_rotation.policy.trust import state_of
from tasks.ca_rotation.probes.trust import halves_in, look, parse
from tasks.ca_rotation.scripts import halves, lay_down, make
from tasks.certificates.authority import SigningAuthority, new_key_pair
from tasks.certificates.models.authorities import TRUST, State
from tasks.core.models.folders import CA_ROTATIONS
from tasks.core.models.kubeadm import PARKED, Authority
from tests.servers.kubeadm_pki import KubeadmPki

NOW = datetime.now(UTC)
CONTROLLERS = """\
apiVersion: v1
kind: Pod
spec:
  containers:
  - command:
    - kube-controller-manager
    - --client-ca-file=FOLDER/pki/ca.crt
    - --cluster-signing-cert-file=FOLDER/pki/ca.crt
    - --cluster-signing-key-file=FOLDER/pki/ca.key
    - --root-ca-file=FOLDER/pki/ca.crt
"""
CONFIGS = ("admin.conf", "controller-manager.conf", "scheduler.conf", "kubelet.conf")


class Node:
    """A folder that kubeadm has filled, and a folder for the halves; commands that change something can be counted."""

    def __init__(self, folder: Path, kubeadms_files: Path) -> None:
        shutil.copytree(kubeadms_files, folder / "kubernetes")
        self.kubeadm = KubeadmPki(folder / "kubernetes", controlPlaneEndpoint="api.example.org:6443")
        self.root = self.kubeadm.folder
        (self.root / "manifests").mkdir()
        (self.root / "manifests/kube-controller-manager.yaml").write_text(CONTROLLERS.replace("FOLDER", str(self.root)))
        self.folder = PurePosixPath(self.root)
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

    def begin(self, authority: Authority) -> None:
        """Lays a new one down beside the old one."""
        old = (self.root / TRUST[authority]).read_bytes()
        if authority is Authority.SERVICE_ACCOUNTS:
            key, pem = new_key_pair()
        else:
            made = SigningAuthority.made({"ca": "kubernetes"}.get(authority, authority), NOW, timedelta(days=3650))
            key, pem = made.key, made.certificate
        done = self.sh(lay_down(self.folder, authority), halves([("new.key", key), ("new.pem", pem), ("old.pem", old)]))
        assert done.returncode == 0, done.stderr
        [before], [after] = halves_in(old), halves_in(pem)
        self.halves[authority] = (before, after)

    def make(self, authority: Authority, state: State, *, commands: int | None = None) -> list[str]:
        """What it changed."""
        paths = [str(self.root / name) for name in CONFIGS]
        script = make(self.folder, authority, state, control_plane=True, kubeconfigs=paths)
        done = self.sh(script, commands=commands)
        assert done.returncode == (-9 if commands else 0), done.stderr
        return [line.partition(" ")[2] for line in done.stdout.decode().splitlines()]

    def look(self, authority: Authority) -> TrustOnNode:
        """As it is."""
        return parse("cp1", self.sh(look(self.folder, authority)).stdout)

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
