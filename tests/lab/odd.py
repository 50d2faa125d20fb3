"""What makes a cluster less kind than kubeadm's defaults, before it begins: files of a machine, and kubeadm's configuration."""

import shutil
from pathlib import Path
from typing import Any

from tests.lab import packages, sudo_rs
from tests.lab.shape import Family, Place, Role, Shape

PATCHES = "/etc/kubernetes/patches"
PATCHED_FLAG = "--event-ttl=2h0m0s"
"""Of the API server; the patches alone have it."""

ENCRYPTION = "/etc/kubernetes/encryption"
ENCRYPTION_FLAG = f"--encryption-provider-config={ENCRYPTION}/config.yaml"
ENCRYPTION_FILE = """\
apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
  - resources: [secrets]
    providers:
      - aescbc: {keys: [{name: k, secret: c2l4dGVlbiBieXRlcyBvaw==}]}
      - identity: {}
"""
AUDIT = "/etc/kubernetes/audit"
AUDIT_FILE = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n"

NOISE = """\
echo "Welcome to $HOSTNAME. Today is $(date)."
echo "Unauthorised use is forbidden." >&2
echo
"""
"""Before Debian's own .bashrc returns where nobody types: bash reads it for each command over SSH."""


def hostname(shape: Shape, name: str) -> str:
    """Of the machine itself."""
    return f"{name}-machine" if shape.hostname_differs else name


def files(shape: Shape, place: Place) -> dict[str, str]:
    """What a machine has on its disk before it is started first."""
    found: dict[str, str] = {}
    if shape.patches:
        flag = f'[{{"op": "add", "path": "/spec/containers/0/command/-", "value": "{PATCHED_FLAG}"}}]\n'
        found[f"{PATCHES}/kube-apiserver0+json.yaml"] = flag
    if place.role is Role.CONTROL_PLANE and (shape.encrypted_secrets or shape.hand_edited):
        found[f"{ENCRYPTION}/config.yaml"] = ENCRYPTION_FILE
    if place.role is Role.CONTROL_PLANE and shape.hand_edited:
        found[f"{AUDIT}/policy.yaml"] = AUDIT_FILE
    return {path.removeprefix("/"): text for path, text in found.items()}


def put(shape: Shape, root: Path, base: Path) -> None:
    """What on a disk is more than a text."""
    if shape.pki_link:
        folder = root / shape.pki.removeprefix("/")
        (folder.parent / "ssl").mkdir(parents=True)
        folder.symlink_to("ssl")
    if shape.login_noise:
        place, kind = root / "home/ops/.bashrc", base / "home/ops/.bashrc"
        place.write_text(NOISE + kind.read_text())
        shutil.copystat(kind, place)
    if shape.legacy_apt_key:
        (root / "etc/apt").mkdir(parents=True, exist_ok=True)
        shutil.copyfile(packages.public_key(), root / "etc/apt/trusted.gpg")
    if shape.sudo_rs:
        sudo_rs.put(root, base)


def registration(shape: Shape, place: Place) -> dict[str, Any]:
    """kubeadm's nodeRegistration."""
    addresses = ",".join(place.addresses[family] for family in shape.families)
    node_ip = {"kubeletExtraArgs": _arguments({"node-ip": addresses})}
    return ({"name": place.name} if shape.hostname_differs else {}) | (
        {} if shape.families == (Family.V4,) else node_ip
    )


def patches(shape: Shape) -> dict[str, Any]:
    """Of kubeadm's configuration."""
    return {"patches": {"directory": PATCHES}} if shape.patches else {}


def api_server(shape: Shape, place: Place) -> dict[str, Any]:
    """kubeadm's apiServer."""
    flags: dict[str, str] = {}
    more: dict[str, Any] = {}
    if shape.bind_address:
        flags["bind-address"] = place.address
    if shape.etcd_port:
        flags["etcd-servers"] = f"https://{_loopback(shape)}:{shape.etcd_port}"
    if shape.encrypted_secrets:
        name, _, value = ENCRYPTION_FLAG.removeprefix("--").partition("=")
        flags[name] = value
        volume = {"name": "encryption", "hostPath": ENCRYPTION, "mountPath": ENCRYPTION}
        more["extraVolumes"] = [volume | {"readOnly": True, "pathType": "DirectoryOrCreate"}]
    return ({"extraArgs": _arguments(flags)} if flags else {}) | more


def etcd(shape: Shape, place: Place) -> dict[str, Any]:
    """kubeadm's etcd.local. It asks etcd at 2379 of the node's own address itself, whatever the flags say."""
    if not shape.etcd_port:
        return {}
    listens = f"https://{_loopback(shape)}:{shape.etcd_port},https://{place.url_host}:2379"
    return {"extraArgs": _arguments({"listen-client-urls": listens})}


def healthz_for_init(shape: Shape) -> dict[str, Any]:
    """Of KubeletConfiguration. kubeadm waits for it there: none, and the node's own address, come afterwards."""
    port = shape.kubelet_healthz.removeprefix("node:")
    return {"healthzPort": int(port)} if port not in {"", "0"} else {}


def _loopback(shape: Shape) -> str:
    return "[::1]" if shape.families[0] is Family.V6 else "127.0.0.1"


def _arguments(flags: dict[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in flags.items()]
