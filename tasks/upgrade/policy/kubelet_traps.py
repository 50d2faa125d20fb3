"""Finds settings with which the kubelet of some minor version no longer starts, before a node gets there."""

from collections.abc import Iterator

from tasks.core.models.findings import Finding, cautioned, refused
from tasks.nodes.models.nodes import NodeFacts
from tasks.nodes.policy.versions import KubernetesVersion
from tasks.upgrade.models.upgrade import ApiFacts

CGROUP_V2_SINCE = 35
"""This is the minor version since which the kubelet refuses to start on cgroup v1.

It starts there only if failCgroupV1 is false in its configuration.
"""

REMOVED_FLAGS = {"pod-infra-container-image": 35}
"""Maps a flag to the first minor version whose kubelet exits with `unknown flag`."""

STRIPPED = "/var/lib/kubelet/kubeadm-flags.env"
"""Names the only file from which kubeadm removes obsolete flags during its upgrade."""

CONTAINERD_2_SINCE = 38
"""This is the minor version since which the runtime must answer RuntimeConfig."""

CONTAINERD_NEEDED = KubernetesVersion(2, 0, 0)
CONTAINERD_WISE = KubernetesVersion(1, 7, 0)


def kubelet_traps(node: NodeFacts, api: ApiFacts, version: KubernetesVersion) -> Iterator[Finding]:
    """Yields everything that prevents the kubelet of this version from starting on this node."""
    yield from _cgroup(node, api, version)
    yield from _flags(node, version)
    runtime = next((one.runtime for one in api.nodes if one.name == node.name), "")
    if not runtime or runtime.startswith("containerd://"):
        yield from _containerd(node, version, told=runtime.removeprefix("containerd://"))


def _cgroup(node: NodeFacts, api: ApiFacts, version: KubernetesVersion) -> Iterator[Finding]:
    """Checks failCgroupV1.

    A drop-in or a flag of the kubelet takes precedence. Otherwise kube-system/kubelet-config counts, because
    kubeadm writes the node's file from it.
    """
    stays = node.fail_cgroup_v1_stays
    will_fail = (api.kubelet_fail_cgroup_v1 if stays is None else stays) is not False
    if not node.cgroup_version and version.minor >= CGROUP_V2_SINCE:
        told = f"which cgroup version it runs is not known; kubelet {version} refuses to start on v1"
        yield cautioned(node.name, told, "`stat -fc %T /sys/fs/cgroup` there says cgroup2fs for v2")
    if version.minor < CGROUP_V2_SINCE or node.cgroup_version != 1 or not will_fail:
        return
    problem = f"it runs cgroup v1, which kubelet {version} refuses to start on (since v1.{CGROUP_V2_SINCE})"
    if stays:
        problem += "; a drop-in of its --config-dir, or a flag, has failCgroupV1: true"
    elif node.fail_cgroup_v1 is False:
        problem += "; failCgroupV1: false in its own configuration goes away: kubeadm writes it from kubelet-config"
    yield refused(
        node.name,
        problem,
        "boot it with cgroup v2 (systemd.unified_cgroup_hierarchy=1), or set failCgroupV1: false in "
        "kube-system/kubelet-config",
    )


def _flags(node: NodeFacts, version: KubernetesVersion) -> Iterator[Finding]:
    for flag, since in REMOVED_FLAGS.items():
        if version.minor >= since:
            for place in _places(node, flag):
                yield refused(
                    node.name,
                    f"{place} has --{flag}, which the kubelet does not know since v1.{since}: it would not start",
                    f"take --{flag} out of {place}: kubeadm does that in {STRIPPED} only",
                )


def _places(node: NodeFacts, flag: str) -> list[str]:
    """Returns the places that set the flag and that kubeadm does not clean."""
    files = [file for file, flags in node.flag_files.items() if flag in flags]
    if flag in node.kubelet_flags and not files:
        return ["the kubelet's unit or a drop-in of it"]
    return [file for file in files if file != STRIPPED]


def _containerd(node: NodeFacts, version: KubernetesVersion, *, told: str) -> Iterator[Finding]:
    """Checks the version of containerd.

    It comes from the process, else from the program, else from what the kubelet reported to the API.
    """
    runs = KubernetesVersion.observed(node.containerd_runs or node.containerd or told)
    if runs is None:
        if version.minor >= CONTAINERD_2_SINCE:
            needed = f"kubelet {version} needs containerd 2.0 or newer (since v1.{CONTAINERD_2_SINCE})"
            yield cautioned(
                node.name, f"which version its container runtime has is not known: {needed}", "`crictl version` there"
            )
        return
    if KubernetesVersion.observed(node.containerd) not in {None, runs}:
        yield cautioned(
            node.name,
            f"containerd {runs.bare} runs, although {node.containerd} is installed: it was not restarted",
            "`systemctl restart containerd` there: pods keep running",
        )
    if version.minor >= CONTAINERD_2_SINCE and runs < CONTAINERD_NEEDED:
        yield refused(
            node.name,
            f"containerd {runs.bare}: kubelet {version} needs 2.0 or newer (since v1.{CONTAINERD_2_SINCE})",
            "upgrade containerd to 2.0 or newer first",
        )
    elif runs < CONTAINERD_WISE:
        yield cautioned(
            node.name,
            f"containerd {runs.bare} is older than 1.7: kubelet {version} warns and still starts",
            f"upgrade containerd: v1.{CONTAINERD_2_SINCE} needs 2.0",
        )
