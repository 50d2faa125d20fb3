"""What a kubelet of some minor does not start with any more, found on a node before it gets there."""

from collections.abc import Iterator

from tasks.core.models.findings import Finding, cautioned, refused
from tasks.nodes.models.nodes import NodeFacts
from tasks.nodes.policy.versions import KubernetesVersion
from tasks.upgrade.models.upgrade import ApiFacts

CGROUP_V2_SINCE = 35
"""The kubelet refuses to start on cgroup v1, unless failCgroupV1 is false in its configuration."""

REMOVED_FLAGS = {"pod-infra-container-image": 35}
"""Flag to the minor whose kubelet says `unknown flag` and ends."""

STRIPPED = "/var/lib/kubelet/kubeadm-flags.env"
"""kubeadm takes removed flags out of this file during its upgrade, and out of no other."""

CONTAINERD_2_SINCE = 38
"""The runtime has to answer RuntimeConfig."""

CONTAINERD_NEEDED = KubernetesVersion(2, 0, 0)
CONTAINERD_WISE = KubernetesVersion(1, 7, 0)


def kubelet_traps(node: NodeFacts, api: ApiFacts, version: KubernetesVersion) -> Iterator[Finding]:
    """All that keeps the kubelet of this version from starting on this node."""
    yield from _cgroup(node, api, version)
    yield from _flags(node, version)
    runtime = next((one.runtime for one in api.nodes if one.name == node.name), "")
    if not runtime or runtime.startswith("containerd://"):
        yield from _containerd(node, version)


def _cgroup(node: NodeFacts, api: ApiFacts, version: KubernetesVersion) -> Iterator[Finding]:
    """What kube-system/kubelet-config says counts: kubeadm writes the node's own configuration from it."""
    if version.minor < CGROUP_V2_SINCE or node.cgroup_version != 1 or api.kubelet_fail_cgroup_v1 is False:
        return
    problem = f"it runs cgroup v1, which kubelet {version} refuses to start on (since v1.{CGROUP_V2_SINCE})"
    if node.fail_cgroup_v1 is False:
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
    """Where it is set that kubeadm does not look at."""
    files = [file for file, flags in node.flag_files.items() if flag in flags]
    if flag in node.kubelet_flags and not files:
        return ["the kubelet's unit or a drop-in of it"]
    return [file for file in files if file != STRIPPED]


def _containerd(node: NodeFacts, version: KubernetesVersion) -> Iterator[Finding]:
    runs = KubernetesVersion.observed(node.containerd_runs or node.containerd)
    if runs is None:
        return
    if KubernetesVersion.observed(node.containerd) not in {None, runs}:
        yield cautioned(
            node.name,
            f"containerd {runs.bare} runs, although {node.containerd} is installed: it was not restarted",
            "`systemctl restart containerd` there: pods go on",
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
            f"containerd {runs.bare} is older than 1.7: kubelet {version} warns and goes on",
            f"upgrade containerd: v1.{CONTAINERD_2_SINCE} needs 2.0",
        )
