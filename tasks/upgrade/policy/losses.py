"""Reports what an upgrade by kubeadm would remove from a cluster, before it is gone."""

from collections.abc import Iterator, Mapping
from itertools import groupby

from tasks.core.models.findings import Finding, cautioned, refused
from tasks.core.models.plan import Refusal
from tasks.upgrade.models.manifests import Loss, NodeManifests, StaticManifest
from tasks.upgrade.policy.manifests import KUBELET, flags_not_to_lose, losses_of
from tasks.upgrade.policy.scope import NodeState, Scene

GIVE_IT = (
    "set it in kubeadm-config: extraArgs, extraVolumes and extraEnvs of ClusterConfiguration "
    "(`kubectl -n kube-system edit configmap kubeadm-config`), or as a patch in the folder upgrade.patches of the profile"
)
OF_KUBELET = (
    "set it in kube-system/kubelet-config (`kubectl -n kube-system edit configmap kubelet-config`), or as "
    "kubeletconfiguration*.yaml in the folder upgrade.patches of the profile"
)
OF_ADDON = (
    "write it again after the upgrade; or give it as a patch in the folder upgrade.patches of the profile: "
    "corednsdeployment*.yaml, and kubeproxydaemonset*.yaml where kubeadm knows that (1.37 does)"
)
READ_IT = "compare {file} on {node} with kubeadm's yourself: `kubeadm init phase {phase} --dry-run`"
NOT_LOOKED_AT = NodeManifests(node="", unread="it was not read")
KUBELETS_FILE = "/var/lib/kubelet/config.yaml"


def rules_of_manifests(scene: Scene) -> Iterator[Finding]:
    """Yields findings for each node whose files kubeadm writes, and for the addons.

    There is one row for each component.
    """
    losses: dict[str, dict[str, tuple[Loss, ...]]] = {}
    for node in scene.due:
        if not node.needs_kubeadm or node.machine.unreached:
            continue
        seen = _seen(scene, node)
        if why := _unread(node, seen):
            yield _not_read(node, why)
            continue
        yield from _folders(node, seen)
        yield from _not_known(seen)
        for manifest in _all_of(seen):
            gone = losses_of(manifest, db_bytes=_db_bytes(node))
            yield from _harmful(node, gone)
            losses.setdefault(manifest.component, {})[node.name] = tuple(one for one in gone if not one.harm)
    for component, by_node in losses.items():
        if told := _in_words(by_node):
            yield _cautioned_of(scene, component, told)
    yield from _addons(scene)


def nodes_that_were_not_read(scene: Scene) -> Iterator[Finding]:
    """Yields a refusal for each node that did not answer, or whose connection was lost while it was read."""
    for node in scene.due:
        if node.needs_kubeadm and (why := _seen(scene, node).unread):
            yield _not_read(node, why)


def _seen(scene: Scene, node: NodeState) -> NodeManifests:
    return next((one for one in scene.facts.manifests if one.node == node.name), NOT_LOOKED_AT)


def _not_read(node: NodeState, why: str) -> Refusal:
    return refused(node.name, f"what kubeadm writes there could not be read: {why}", "repair that, then plan again")


def _unread(node: NodeState, seen: NodeManifests) -> str:
    if seen.unread or not node.is_control_plane:
        return seen.unread
    return "" if seen.manifests else "there are no manifests of static pods"


def _all_of(seen: NodeManifests) -> tuple[StaticManifest, ...]:
    return (*seen.manifests, seen.kubelet) if seen.kubelet else seen.manifests


def _folders(node: NodeState, seen: NodeManifests) -> Iterator[Finding]:
    """Checks the folders, because kubeadm does not let anyone choose where it writes."""
    if node.is_control_plane and seen.read_from != seen.written_to:
        yield refused(
            node.name,
            f"its kubelet takes static pods from {seen.read_from}, and kubeadm writes them to {seen.written_to}: nothing would "
            "be upgraded",
            f"let staticPodPath of {seen.configured_by} be /etc/kubernetes/manifests, or make that a link to {seen.read_from}",
        )
    if seen.configured_by != KUBELETS_FILE:
        yield cautioned(
            node.name,
            f"its kubelet reads {seen.configured_by}, and kubeadm writes {KUBELETS_FILE}: it does not reach the kubelet",
            f"compare both after the upgrade, or let --config of the kubelet be {KUBELETS_FILE}",
        )


def _cautioned_of(scene: Scene, component: str, told: str) -> Finding:
    patches = scene.rules.patches
    no_patch = f"nor a patch in {patches}" if patches else "and the profile has no upgrade.patches"
    if component == KUBELET:
        problem = f"kubeadm removes {told}: kubelet-config does not set it, {no_patch}"
        return cautioned("kubelet's configuration", problem, OF_KUBELET)
    problem = f"kubeadm removes {told}: kubeadm-config does not set it, {no_patch}"
    return cautioned(component, problem, f"{GIVE_IT}; what has no place there, write again after the upgrade")


def _db_bytes(node: NodeState) -> int:
    return node.member.status.db_size if node.member and node.member.status else 0


def _not_known(seen: NodeManifests) -> Iterator[Finding]:
    for manifest in _all_of(seen):
        if manifest.problem:
            is_kubelet = manifest.component == KUBELET
            file = KUBELETS_FILE if is_kubelet else f"/etc/kubernetes/manifests/{manifest.component}.yaml"
            yield refused(
                seen.node,
                f"{file} could not be parsed, so it is not known what kubeadm would remove: {manifest.problem}",
                f"repair {file}",
            )
    if seen.problem:
        problem = f"kubeadm could not render what it writes there: {seen.problem}"
        dear = [flag for manifest in seen.manifests for flag in flags_not_to_lose(manifest)]
        if dear:
            yield refused(seen.node, f"{problem}; it may remove {', '.join(dear)}", GIVE_IT)
        else:
            phase, file = (
                ("control-plane", "/etc/kubernetes/manifests") if seen.manifests else ("kubelet-start", KUBELETS_FILE)
            )
            yield cautioned(
                seen.node,
                problem,
                READ_IT.format(file=file, node=seen.node, phase=phase),
                lasting="kubeadm could not render what it writes there",  # its words name a temporary folder
            )


def _harmful(node: NodeState, gone: tuple[Loss, ...]) -> Iterator[Finding]:
    for loss in gone:
        if loss.harm:
            step = OF_KUBELET if loss.component == KUBELET else GIVE_IT
            yield refused(node.name, f"kubeadm would write {loss.component} without {loss.words}: {loss.harm}", step)


# --- kube-proxy and CoreDNS, which kubeadm writes with the last control plane node


def _addons(scene: Scene) -> Iterator[Finding]:
    is_last = any(node.is_due and node.needs_kubeadm for node in scene.control_planes) and not scene.left_behind
    if not is_last:
        return
    seen = scene.facts.addons
    if seen.problem:
        told = "kubeadm could not render the objects of kube-proxy and CoreDNS"
        step = "compare them with `kubeadm init phase addon all --print-manifest` yourself"
        yield cautioned("addons", f"{told}: {seen.problem}", step, lasting=told)
    for one in seen.objects:
        yield from _addon(one)


def _addon(one: StaticManifest) -> Iterator[Finding]:
    if one.problem:
        told = "what kubeadm removes of it is not known"
        yield cautioned(one.component, f"{told}: {one.problem}", "compare it yourself after the upgrade", lasting=told)
    elif one.found is None and one.rendered is not None:
        name = one.component.partition(" ")[2]
        yield cautioned(
            one.component,
            "it is not there, and kubeadm makes it: its ConfigMap is there",
            f"where something else does its work, delete ConfigMap {'coredns' if name == 'kube-dns' else name} of kube-system "
            "before: kubeadm leaves it out then",
        )
    elif gone := losses_of(one):
        yield cautioned(one.component, f"kubeadm removes {', '.join(loss.words for loss in gone)}", OF_ADDON)


def _in_words(by_node: Mapping[str, tuple[Loss, ...]]) -> str:
    """Returns the losses as text, such as `--a=1 and --b=2 (cp1, cp2), --c=3 (cp3)`."""
    nodes_of: dict[str, list[str]] = {}
    for name, losses in by_node.items():
        for loss in losses:
            nodes_of.setdefault(loss.words, []).append(name)
    ordered = sorted(nodes_of.items(), key=lambda item: item[1])
    return "; ".join(
        f"{', '.join(words for words, _ in group)} ({', '.join(names)})"
        for names, group in ((names, list(items)) for names, items in groupby(ordered, key=lambda item: item[1]))
    )
