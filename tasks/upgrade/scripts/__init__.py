"""Acts of an upgrade on a node: each script looks at what is there first, so that it can be run again at any point."""

import re
from datetime import UTC, datetime

from tasks.core.models.folders import UPGRADES
from tasks.core.shell import Value, script
from tasks.nodes.models.nodes import PackageManager
from tasks.nodes.probes.node_facts import MINOR_IN_REPOSITORY, PROGRAMS
from tasks.upgrade.models.folders import folder_of, upgraded_file

LOCK_SECONDS = 300
"""That another package manager may take."""

HEALTHY_SECONDS = 60
"""That a kubelet has, to say that it is healthy after its start."""

KUBELET_CONF = "/etc/kubernetes/kubelet.conf"
KUBELET_SERVER = f"{UPGRADES}/kubelet-server"
"""On the node: the API server that its kubelet asked before, and the endpoint that it asks meanwhile."""

COPIES = "/etc/kubernetes/tmp"
"""Where kubeadm keeps what it replaces."""

KINDS_OF_COPY = (
    "kubeadm-backup-etcd-",
    "kubeadm-backup-manifests-",
    "kubeadm-upgraded-manifests",
    "kubeadm-kubelet-config",
)
"""How the names of the folders there begin; that of etcd is as large as its database."""

ROLLED_BACK = re.compile(r"kubeadm has tried to recover everything into the earlier state")
"""What kubeadm says when it has put the old manifests back."""


def _packages(manager: PackageManager, version: str) -> dict[str, Value]:
    """What packages.lib.sh is given."""
    return {
        "manager": manager,
        "version": version,
        "target": ".".join(version.split(".")[:2]),
        "folder": folder_of(version),
        "lock_seconds": LOCK_SECONDS,
        "minor": MINOR_IN_REPOSITORY,
    }


def stage(manager: PackageManager, version: str, configuration: str) -> str:
    """The job that downloads packages and images of a version, and changes nothing of what runs.

    `configuration` is the cluster's ClusterConfiguration with the version: the images come from where the cluster's do. Prints
    `image NAME` for each that kubeadm of that version wants.
    """
    packages = _packages(manager, version)
    return script(__file__, "stage", **packages, programs=PROGRAMS, configuration=configuration)


def parse_images(output: str) -> tuple[str, ...]:
    """Of what `stage` printed."""
    return tuple(line.removeprefix("image ") for line in output.splitlines() if line.startswith("image "))


def install_kubeadm(manager: PackageManager, version: str) -> str:
    """The job that installs the staged kubeadm, once the node's own repository files name its minor."""
    return script(__file__, "install_kubeadm", **_packages(manager, version))


def install_kubelet(manager: PackageManager, version: str) -> str:
    """The job that installs the staged kubelet and kubectl, and restarts the kubelet until it says that it is healthy."""
    return script(__file__, "install_kubelet", **_packages(manager, version), healthy_seconds=HEALTHY_SECONDS)


def parse_restarted(output: str, otherwise: datetime) -> datetime:
    """The node's clock when its kubelet was restarted, of what `install_kubelet` printed."""
    found = re.search(r"^restarted (\d+\.\d+)$", output, re.MULTILINE)
    return datetime.fromtimestamp(float(found[1]), UTC) if found else otherwise


def upgrade_by_kubeadm(version: str, *, apply: bool, ignored: tuple[str, ...]) -> str:
    """The job that has kubeadm upgrade this node: the first control plane by `apply`, all other nodes by `node`."""
    return script(
        __file__,
        "upgrade_by_kubeadm",
        version=version,
        upgraded=upgraded_file(version),
        apply=apply,
        ignored=",".join(ignored),
    )


def point_kubelet_at(endpoint: str) -> str:
    """Has the kubelet ask the control plane's endpoint, not the API server beside it; prints `changed` unless it does so already.

    Where it asks its own, it starts a new etcd only once that one has answered about the mirror pod of the old one, which without
    etcd it does not for 60 s (`tryReconcileMirrorPods` of the kubelet). Nothing is changed where the endpoint does not answer.
    """
    files = {"kubelet_conf": KUBELET_CONF, "kubelet_server": KUBELET_SERVER}
    return script(__file__, "point_kubelet_at", **files, endpoint=f"https://{endpoint}")


def point_kubelet_back() -> str:
    """As it was before `point_kubelet_at`; kubeadm does the same at the end of an upgrade, and then nothing is left to do."""
    return script(__file__, "point_kubelet_back", kubelet_conf=KUBELET_CONF, kubelet_server=KUBELET_SERVER)


def trim_backups(keep: int) -> str:
    """Prints what it removes of kubeadm's copies from before upgrades: of each kind all but the newest ones."""
    return script(__file__, "trim_backups", copies=COPIES, kinds=KINDS_OF_COPY, keep=keep)
