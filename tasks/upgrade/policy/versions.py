"""Checks the versions of an upgrade.

They are the requested one, the running ones, those of etcd, and those of removed APIs.
"""

from collections.abc import Iterator

from tasks.core.models.findings import Finding, cautioned, refused
from tasks.nodes.policy.versions import (
    ETCD_SOURCE_MINIMUM,
    SKEW,
    EtcdVersion,
    KubernetesVersion,
    etcd_minor_of,
    minors_between,
    what_forbids_etcd,
    what_forbids_upgrade,
    what_is_skewed,
    what_is_skewed_beside,
)
from tasks.upgrade.policy.scope import (
    NodeState,
    Scene,
    kube_proxy_images,
    version_before,
    version_of_image,
    versions_of_control_plane,
)

ETCD_FIRST = (
    "move etcd first: `kube-runbooks run rolling-upgrade CLUSTER {current} --etcd-image-tag={minimum}-0`, or a newer one; then "
    "this one with --etcd-image-tag=default"
)
"""This is the next step if members are older than an upgrade of etcd needs."""


def rules_of_input(scene: Scene) -> Iterator[Finding]:
    """Yields findings for parameters that make no sense for this cluster.

    They are also yielded when there is no work.
    """
    yield from _policy(scene)
    yield from _nodes_option(scene)
    yield from _who_is_there(scene)


def rules_of_versions(scene: Scene) -> Iterator[Finding]:
    """Yields findings about version skew, etcd, and APIs that are removed."""
    yield from _api_servers(scene)
    for node in scene.nodes:
        yield from _kubelet(scene, node)
        yield from _kubeadm(scene, node)
    yield from _kube_proxy(scene)
    yield from _etcd(scene)
    yield from _removed_apis(scene)


def _policy(scene: Scene) -> Iterator[Finding]:
    known = versions_of_control_plane(scene.facts)
    if not KubernetesVersion.observed(scene.facts.api.kubeadm_version):
        yield refused(
            "kubeadm-config",
            "kube-system/kubeadm-config does not say a version of Kubernetes",
            "this runbook upgrades clusters that kubeadm made: check that ConfigMap",
        )
    if known and (
        no := what_forbids_upgrade(
            known[0], known[-1], scene.target, allow_patch_rollback=scene.options.allow_patch_rollback
        )
    ):
        yield refused("version", no.text, no.next_step)


def _nodes_option(scene: Scene) -> Iterator[Finding]:
    known = {node.name for node in scene.nodes} | {node.name for node in scene.facts.api.nodes}
    for name in scene.options.nodes:
        if name not in known:
            problem = f"{name} is no node of this cluster"
            yield refused("--nodes", problem, f"use some of {', '.join(sorted(known))}")
    behind = [node.name for node in scene.left_behind]
    workers = [node.name for node in scene.workers if node.is_due]
    if behind and workers:
        yield refused(
            "--nodes",
            f"{', '.join(workers)} would get kubelets newer than the API servers of {', '.join(behind)}",
            f"name {', '.join(behind)} too, or upgrade the control plane first",
        )


def _who_is_there(scene: Scene) -> Iterator[Finding]:
    for node in scene.nodes:
        if node.machine.unreached and (node.selected or node.is_control_plane):
            yield refused(
                node.name,
                f"not reached: {node.machine.unreached}",
                "bring it back, or check nodes: and ssh: of the profile",
            )
        elif node.machine.unreached:
            yield cautioned(node.name, f"not reached: {node.machine.unreached}", "this run leaves it as it is")
        if node.kube is None:
            yield refused(
                node.name,
                "the profile has this node and the API has not",
                "join it to the cluster, or take it out of nodes:",
            )
    ours = {node.name for node in scene.nodes}
    for one in scene.facts.api.nodes:
        if one.name not in ours:
            yield refused(
                one.name,
                f"the API has this node (kubelet v{one.kubelet}) and the profile has not: it would stay behind",
                "add it to nodes: of the profile, or delete it from the API if it is gone",
            )


def _api_servers(scene: Scene) -> Iterator[Finding]:
    told = {node.name: version for node in scene.control_planes if (version := node.api_server)}
    oldest, newest = min(told.values(), default=None), max(told.values(), default=None)
    if oldest and newest and (problem := what_is_skewed("kube-apiserver", oldest, [newest])):
        all_of_them = ", ".join(f"{name} {version}" for name, version in sorted(told.items()))
        yield refused(
            "API servers",
            f"{problem} ({all_of_them})",
            f"upgrade the older ones to v{newest.major}.{newest.minor - 1} first",
        )


def _kubelet(scene: Scene, node: NodeState) -> Iterator[Finding]:
    """Checks the skew of a kubelet.

    A control plane node's kubelet talks to its own API server, a worker's to any of them.
    """
    kubelet, oldest = node.kubelet, scene.oldest_api_server
    reference = (node.api_server if node.is_control_plane else None) or oldest
    if kubelet is None or reference is None:
        return
    if minors_between(reference, kubelet) > 0 and (newer := what_is_skewed("kubelet", kubelet, [reference])):
        yield refused(node.name, newer.text, f"put its kubelet back to {reference} first")
    elif problem := what_is_skewed("kubelet", kubelet, [scene.target]):
        yield refused(
            node.name,
            f"once the control plane is at {scene.target}, {problem}",
            f"upgrade its kubelet to v{scene.target.major}.{scene.target.minor - SKEW['kubelet'].older} or newer first",
        )
    elif node.is_due and (jump := minors_between(kubelet, scene.target)) > 1:
        yield cautioned(
            node.name, f"its kubelet skips {jump} minors at once, from {kubelet}", "the node is drained for that"
        )


def _kubeadm(scene: Scene, node: NodeState) -> Iterator[Finding]:
    kubeadm = KubernetesVersion.observed(node.machine.kubeadm)
    if node.is_due and kubeadm and kubeadm > scene.target:
        yield cautioned(node.name, f"kubeadm {kubeadm} is newer than the target", f"it is put back to {scene.target}")
    elif (
        kubeadm and node.kubelet and not node.is_due and (no := what_is_skewed_beside("kubeadm", kubeadm, node.kubelet))
    ):
        yield cautioned(
            node.name, no.text, "install the kubeadm of its kubelet there: nothing else of it is to be done"
        )


def _kube_proxy(scene: Scene) -> Iterator[Finding]:
    for image in kube_proxy_images(scene.facts):
        version = KubernetesVersion.observed(version_of_image(image))
        if version and (problem := what_is_skewed("kube-proxy", version, [scene.target])):
            yield refused("kube-proxy", problem.text, "upgrade kube-proxy to the version of the control plane first")


def _etcd(scene: Scene) -> Iterator[Finding]:
    """Checks etcd only if kubeadm upgrades it, and only if it does so now."""
    if not scene.is_stacked or not any(node.is_due and node.needs_kubeadm for node in scene.control_planes):
        return
    own, tag, pinned = etcd_minor_of(scene.target), scene.etcd_tag, scene.pinned_etcd
    if tag:
        yield from _pin(scene, own, tag, pinned)
    elif not own:
        yield cautioned(
            "etcd",
            f"which etcd kubeadm {scene.target} brings is not known here",
            "it is checked again when the packages are staged, before anything stops",
        )
    if to := pinned.minor_name if pinned else own:
        yield from _etcd_members(scene, to)


def _pin(scene: Scene, own: str, tag: str, pinned: EtcdVersion | None) -> Iterator[Finding]:
    if pinned is None:
        yield cautioned("etcd", f"kubeadm-config pins etcd {tag}, which is no version", "check that image yourself")
    elif pinned.minor_name != own:
        its_own = f"its own for {scene.target} is {own}" if own else "its own is not known here"
        yield cautioned(
            "etcd",
            f"kubeadm-config pins etcd {tag}: kubeadm keeps it, {its_own}",
            "add --etcd-image-tag=default for kubeadm's own",
        )


def _etcd_members(scene: Scene, to_minor: str) -> Iterator[Finding]:
    current = version_before(scene.facts)
    for member in scene.facts.etcd.members:
        version = EtcdVersion.observed(member.status.version) if member.status else None
        if version and (problem := what_forbids_etcd(version, to_minor)):
            minimum = ETCD_SOURCE_MINIMUM.get(to_minor)
            yield refused(
                member.label,
                problem.text,
                problem.next_step or ETCD_FIRST.format(minimum=minimum, current=current.bare if current else ""),
            )


def _removed_apis(scene: Scene) -> Iterator[Finding]:
    for name, release in sorted(scene.facts.api.deprecated.items()):
        gone = KubernetesVersion.observed(f"{release}.0")
        if gone is None or minors_between(gone, scene.last) < 0:
            yield cautioned(
                name,
                f"a client uses it; v{release} has removed it",
                "find the client (audit log, user agents) and update it",
            )
        elif scene.options.allow_removed_apis:
            yield cautioned(
                name, f"a client uses it, and {scene.last} does not have it", "--allow-removed-apis allows it"
            )
        else:
            yield refused(
                name,
                f"a client uses it, and v{release} removes it: {scene.last} does not have it",
                "find the client (audit log, user agents) and update it, or add --allow-removed-apis",
            )
