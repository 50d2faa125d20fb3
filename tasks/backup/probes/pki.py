"""Reads key material on control plane nodes.

It finds which files exist, which others they name, and kubeadm's own configuration.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

import yaml

from tasks.backup.models.pki import ENCRYPTION, NamedFile, NodeFile
from tasks.core.errors import CommandFailed, Refused
from tasks.core.models.kubeadm import API_SERVER as API_SERVER_POD
from tasks.core.models.kubeadm import CONTROLLER_MANAGER
from tasks.core.models.kubeadm import ETCD as ETCD_POD
from tasks.core.models.shape import NodeShape
from tasks.core.shell import script

_SUM = re.compile(r"^(\\?)([0-9a-f]{64}) [ *](.+)$", re.MULTILINE)
"""Matches a line of sha256sum; a backslash at the start means that each backslash of the path is doubled."""

_STAT = re.compile(r"^([0-7]{3,4}) (\S+:\S+) (.+)$", re.MULTILINE)
CLIENT_OF_ETCD = ("etcd-cafile", "etcd-certfile", "etcd-keyfile")


def describe(paths: Iterable[str], manifests: PurePosixPath | None = None) -> str:
    """Describes the files that exist, and every manifest in a folder, for `parse_files`."""
    return script(__file__, "describe_files", files="\n".join(paths), manifests=manifests or "")


def parse_files(node: str, status: int, stdout: bytes, stderr: bytes) -> tuple[NodeFile, ...]:
    """Returns the files that exist, by path; `Refused` when one exists and cannot be read."""
    if status != 0:
        said = stderr.decode(errors="replace").strip().splitlines() or [f"status {status}"]
        raise Refused(
            f"{node}: its key material cannot be read: {said[0]}",
            hint="key material is readable for root only: ssh.sudo: true, or log in as root",
        )
    text = stdout.decode(errors="replace")
    sums = {path.replace(r"\\", "\\") if escaped else path: found for escaped, found, path in _SUM.findall(text)}
    return tuple(
        NodeFile(path=path, sha256=sums[path], mode=mode, owner=owner)
        for mode, owner, path in sorted(_STAT.findall(text), key=lambda found: str(found[2]))
        if path in sums
    )


def places_of(shape: NodeShape) -> dict[str, str]:
    """Returns where a control plane node has each file of `SHARED`, by the flags of its own programs.

    Files that no flag names are left out.
    """
    api, controllers = (_files(shape, pod) for pod in (API_SERVER_POD, CONTROLLER_MANAGER))
    etcd = _files(shape, ETCD_POD)
    etcd_ca = etcd.get("trusted-ca-file", api.get("etcd-cafile")) if runs_etcd(shape) else None
    named = {
        "pki/ca.crt": api.get("client-ca-file"),
        "pki/ca.key": controllers.get("cluster-signing-key-file", _key_beside(api.get("client-ca-file"))),
        "pki/sa.key": api.get("service-account-signing-key-file", controllers.get("service-account-private-key-file")),
        "pki/sa.pub": api.get("service-account-key-file"),
        "pki/front-proxy-ca.crt": api.get("requestheader-client-ca-file"),
        "pki/front-proxy-ca.key": _key_beside(api.get("requestheader-client-ca-file")),
        "pki/etcd/ca.crt": etcd_ca,
        "pki/etcd/ca.key": _key_beside(etcd_ca),
    }
    return {name: str(path) for name, path in named.items() if path}


def runs_etcd(shape: NodeShape) -> bool:
    """True if the node has its own member, even if its manifest could not be parsed."""
    return ETCD_POD in shape.pods or any(ETCD_POD in problem for problem in shape.problems)


def files_named_by(node: str, shape: NodeShape) -> tuple[NamedFile, ...]:
    """Returns the files that the API server's manifest names, besides those that all control plane nodes share.

    Each has its path on the node. One is the encryption provider configuration, without which nobody can read the
    Secrets in a snapshot. With an external etcd, the others are the client certificate for it, which kubeadm cannot
    issue.
    """
    found = shape.pods[API_SERVER_POD]
    if "etcd-servers" not in found.flags:
        raise Refused(
            f"{node}: its kube-apiserver.yaml has no --etcd-servers: it could not be parsed",
            hint=f"add --etcd-servers to kube-apiserver.yaml on {node}, or leave out --pki",
        )
    names = (ENCRYPTION, *(() if runs_etcd(shape) else CLIENT_OF_ETCD))
    return tuple(NamedFile(flag=name, path=str(found.files[name])) for name in names if name in found.files)


def _files(shape: NodeShape, pod: str) -> Mapping[str, PurePosixPath]:
    return shape.pods[pod].files if pod in shape.pods else {}


def _key_beside(certificate: PurePosixPath | None) -> PurePosixPath | None:
    """Returns the path of the key beside a certificate, where kubeadm puts it without any flag that names it."""
    return certificate.with_suffix(".key") if certificate else None


def cluster_configuration(folder: PurePosixPath) -> str:
    """Prints the ConfigMap in which kubeadm keeps its configuration."""
    return script(__file__, "cluster_configuration", config=folder / "admin.conf")


def parse_cluster_configuration(node: str, status: int, stdout: bytes, stderr: bytes) -> bytes:
    """Returns the ClusterConfiguration as `kubeadm init --config` takes it; CommandFailed when there is none."""
    if status != 0:
        said = stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no reason was given"]
        raise CommandFailed(f"{node}: kubectl ended with status {status}: {said[0]}")
    try:
        text = yaml.safe_load(stdout)["data"]["ClusterConfiguration"]
        if yaml.safe_load(text)["kind"] == "ClusterConfiguration":
            return str(text).encode()
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError):
        pass
    raise CommandFailed(f"{node}: the ConfigMap kubeadm-config holds no ClusterConfiguration")
