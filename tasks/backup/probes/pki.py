"""Key material on a control plane node: which files there are, which others they name, and kubeadm's own configuration."""

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

import yaml

from tasks.backup.models.pki import ENCRYPTION, NamedFile, NodeFile
from tasks.control_plane.probes.manifests import flags_of, place_on_host
from tasks.core.errors import CommandFailed, Refused
from tasks.core.shell import script

_SUM = re.compile(r"^([0-9a-f]{64}) [ *](.+)$", re.MULTILINE)
_STAT = re.compile(r"^([0-7]{3,4}) (\S+:\S+) (.+)$", re.MULTILINE)
_COMPLAINT = re.compile(r"^(?:sha256sum|stat): (?!.*: No such file or directory$).+$", re.MULTILINE)
"""Of a file that is there and cannot be read. Whatever else is on stderr, sudo's remarks for example, is no complaint."""

CLIENT_OF_ETCD = ("etcd-cafile", "etcd-certfile", "etcd-keyfile")


def files_below(folder: PurePosixPath, names: Iterable[str]) -> str:
    """Describes those of kubeadm's files that are there, and every manifest."""
    files = "\n".join(str(folder / name) for name in names)
    return script(__file__, "describe_files", files=files, folder=folder)


def files_at(paths: Iterable[str]) -> str:
    """Describes those of these files that are there; for `parse_files`."""
    return script(__file__, "describe_files", files="\n".join(paths), folder="")


def parse_files(node: str, stdout: bytes, stderr: bytes) -> tuple[NodeFile, ...]:
    """The files that are there, by path; `Refused` when one is there and cannot be read."""
    if complaint := _COMPLAINT.search(stderr.decode(errors="replace")):
        raise Refused(
            f"{node}: {complaint[0]}", hint="key material is readable for root only: ssh.sudo: true, or log in as root"
        )
    text = stdout.decode(errors="replace")
    sums = {path: found for found, path in _SUM.findall(text)}
    return tuple(
        NodeFile(path=path, sha256=sums[path], mode=mode, owner=owner)
        for mode, owner, path in sorted(_STAT.findall(text), key=lambda found: str(found[2]))
        if path in sums
    )


def files_named_by(node: str, manifest: str, *, external_etcd: bool) -> tuple[NamedFile, ...]:
    """What the API server's manifest names beside kubeadm's own files, and where the node itself has it.

    That is the encryption provider configuration, without which nobody can read the Secrets in a snapshot, and with an
    external etcd the client certificate for it, which kubeadm cannot issue.
    """
    flags = flags_of(manifest)
    if "etcd-servers" not in flags:
        raise Refused(
            f"{node}: its kube-apiserver.yaml has no --etcd-servers: this is not understood",
            hint="look at the manifest: which files does this API server need?",
        )
    names = (ENCRYPTION, *(CLIENT_OF_ETCD if external_etcd else ()))
    return tuple(NamedFile(flag=name, path=place_on_host(manifest, flags[name])) for name in names if name in flags)


def cluster_configuration(folder: PurePosixPath) -> str:
    """Prints the ConfigMap in which kubeadm keeps its configuration."""
    return script(__file__, "cluster_configuration", config=folder / "admin.conf")


def parse_cluster_configuration(node: str, status: int, stdout: bytes, stderr: bytes) -> bytes:
    """The ClusterConfiguration in it, as `kubeadm init --config` takes it; CommandFailed when there is none."""
    if status != 0:
        said = stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no reason was told"]
        raise CommandFailed(f"{node}: kubectl ended with status {status}: {said[0]}")
    try:
        text = yaml.safe_load(stdout)["data"]["ClusterConfiguration"]
        if yaml.safe_load(text)["kind"] == "ClusterConfiguration":
            return str(text).encode()
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError):
        pass
    raise CommandFailed(f"{node}: the ConfigMap kubeadm-config holds no ClusterConfiguration")
