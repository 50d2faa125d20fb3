"""Holds the acts of an upgrade on a node.

Each script checks the current state first, so that it can run again at any point.
"""

import re
from datetime import UTC, datetime
from pathlib import PurePosixPath

from tasks.core.models.shape import Address
from tasks.core.shell import Value, script
from tasks.nodes.models.nodes import PackageManager
from tasks.nodes.probes.node_facts import PROGRAMS
from tasks.upgrade.models.folders import KEPT_IN, folder_of, upgraded_file

LOCK_SECONDS = 300
"""Limits the wait for another package manager, in seconds."""

HEALTHY_SECONDS = 60
"""Limits the wait until a kubelet reports that it is healthy after its start, in seconds."""

COPIES = "/etc/kubernetes/tmp"
"""Names the folder where kubeadm keeps what it replaces."""

KINDS_OF_COPY = (
    "kubeadm-backup-etcd-",
    "kubeadm-backup-manifests-",
    "kubeadm-upgraded-manifests",
    "kubeadm-kubelet-config",
)
"""Lists the prefixes of the folders there. The copy of etcd is as large as its database."""


def _packages(manager: PackageManager, version: str) -> dict[str, Value]:
    """Returns the input of packages.lib.sh."""
    return {
        "manager": manager,
        "version": version,
        "folder": folder_of(version),
        "lock_seconds": LOCK_SECONDS,
    }


def minor_of(version: str) -> str:
    """Returns the minor version as repositories name it: `1.37` for 1.37.2."""
    return ".".join(version.split(".")[:2])


def place_sources(version: str) -> str:
    """Returns the script that writes the package sources of a version.

    It reads them from standard input: `in_lines` of copies of the node's own files.
    """
    return script(__file__, "place_sources", folder=folder_of(version))


def rewrite_sources() -> str:
    """Returns the script that writes the node's own files of package sources.

    It reads them from standard input: `rewritten_in_lines`.
    """
    return script(__file__, "rewrite_sources")


def stage(
    manager: PackageManager, version: str, configuration: str, *, control_plane: bool = False, endpoint: str = ""
) -> str:
    """Returns the script of the job that downloads packages and images of a version.

    It changes nothing that is running. `configuration` is the cluster's ClusterConfiguration with the version.
    The images come from the same place as those of the cluster, through the container runtime at `endpoint`. It
    prints `image NAME` for each image that kubeadm of that version wants.
    """
    packages = _packages(manager, version)
    target = minor_of(version)
    return script(
        __file__,
        "stage",
        **packages,
        target=target,
        programs=PROGRAMS,
        configuration=configuration,
        control_plane=control_plane,
        endpoint=endpoint,
    )


def parse_images(output: str) -> tuple[str, ...]:
    """Returns the images from the output of `stage`."""
    return tuple(line.removeprefix("image ") for line in output.splitlines() if line.startswith("image "))


def install_kubeadm(manager: PackageManager, version: str) -> str:
    """Returns the script of the job that installs the staged kubeadm.

    The node's own source files must name its minor version before.
    """
    return script(__file__, "install_kubeadm", **_packages(manager, version))


def install_kubelet(manager: PackageManager, version: str, healthz: Address | None) -> str:
    """Returns the script of the job that installs the staged kubelet and kubectl.

    It restarts the kubelet and waits until it reports healthy. A kubelet without `healthz`, or one that did not
    answer there before, is proven by its heartbeat alone.
    """
    return script(
        __file__,
        "install_kubelet",
        **_packages(manager, version),
        healthy_seconds=HEALTHY_SECONDS,
        healthz=healthz.text if healthz else "",
    )


def parse_restarted(output: str, otherwise: datetime) -> datetime:
    """Returns the time by the node's clock when its kubelet was restarted, from the output of `install_kubelet`."""
    found = re.search(r"^restarted (\d+\.\d+)$", output, re.MULTILINE)
    return datetime.fromtimestamp(float(found[1]), UTC) if found else otherwise


def upgrade_by_kubeadm(
    version: str, *, apply: bool, ignored: tuple[str, ...], patches: PurePosixPath | None = None
) -> str:
    """Returns the script of the job in which kubeadm upgrades this node.

    The first control plane node uses `apply`, all other nodes use `node`.
    """
    return script(
        __file__,
        "upgrade_by_kubeadm",
        version=version,
        upgraded=upgraded_file(version),
        apply=apply,
        patches=patches or "",
        ignored=",".join(ignored),
    )


def set_kubelet_server(kubeconfig: PurePosixPath, *, endpoint: str, ca: str, ca_file: str, kept: str) -> str:
    """Returns the script that writes the kubelet's kubeconfig from standard input, if the endpoint answers.

    It prints `changed` then.
    """
    return script(
        __file__,
        "set_kubelet_server",
        kubelet_conf=kubeconfig,
        kubelet_server=KEPT_IN,
        endpoint=endpoint,
        ca=ca,
        ca_file=ca_file,
        kept=kept,
    )


def forget_kubelet_server() -> str:
    """Returns the script that removes the file of an upgrade that died, once it no longer applies."""
    return script(__file__, "forget_kubelet_server", kubelet_server=KEPT_IN)


def trim_backups(keep: int) -> str:
    """Returns the script that removes kubeadm's copies from before upgrades, and prints their names.

    Of each kind it keeps the newest ones.
    """
    return script(__file__, "trim_backups", copies=COPIES, kinds=KINDS_OF_COPY, keep=keep)
