"""What of a control plane's static pods an upgrade by kubeadm would take away: said before it is gone."""

from collections.abc import Iterator, Mapping
from itertools import groupby

from tasks.core.models.findings import Finding, cautioned, refused
from tasks.upgrade.models.manifests import Loss, NodeManifests
from tasks.upgrade.policy.manifests import flags_not_to_lose, losses_of
from tasks.upgrade.policy.scope import NodeState, Scene

GIVE_IT = (
    "set it in kubeadm-config: extraArgs, extraVolumes and extraEnvs of ClusterConfiguration "
    "(`kubectl -n kube-system edit configmap kubeadm-config`)"
)
AFTERWARDS = f"{GIVE_IT}; what has no place there, write again after the upgrade"
PATCHES = "kubeadm-config does not set it, and this runbook applies no --patches"


def rules_of_manifests(scene: Scene) -> Iterator[Finding]:
    """Of each control plane node whose manifests kubeadm writes; one row for each component."""
    losses: dict[str, dict[str, tuple[Loss, ...]]] = {}
    for node in scene.due:
        if not node.is_control_plane or not node.needs_kubeadm or node.machine.unreached:
            continue
        seen = next((one for one in scene.facts.manifests if one.node == node.name), None)
        if seen is None or not seen.manifests:
            told = seen.problem if seen and seen.problem else "there are none"
            yield refused(node.name, f"its manifests could not be read: {told}", "repair that, then plan again")
            continue
        yield from _not_known(seen)
        for manifest in seen.manifests:
            gone = losses_of(manifest, db_bytes=_db_bytes(node))
            yield from _harmful(node, gone)
            losses.setdefault(manifest.component, {})[node.name] = tuple(one for one in gone if not one.harm)
    for component, by_node in losses.items():
        if told := _in_words(by_node):
            yield cautioned(component, f"kubeadm takes away {told}: {PATCHES}", AFTERWARDS)


def _db_bytes(node: NodeState) -> int:
    return node.member.status.db_size if node.member and node.member.status else 0


def _not_known(seen: NodeManifests) -> Iterator[Finding]:
    for manifest in seen.manifests:
        if manifest.problem:
            yield refused(
                seen.node,
                f"its manifest of {manifest.component} could not be parsed, so nobody knows what kubeadm would take away: "
                f"{manifest.problem}",
                f"repair /etc/kubernetes/manifests/{manifest.component}.yaml",
            )
    if seen.problem:
        problem = f"kubeadm could not render its manifests: {seen.problem}"
        dear = [flag for manifest in seen.manifests for flag in flags_not_to_lose(manifest)]
        if dear:
            yield refused(seen.node, f"{problem}; it may take {', '.join(dear)} away", GIVE_IT)
        else:
            yield cautioned(
                seen.node,
                problem,
                "compare /etc/kubernetes/manifests with `kubeadm init phase control-plane` yourself",
                lasting="kubeadm could not render its manifests",  # its words name a temporary folder
            )


def _harmful(node: NodeState, gone: tuple[Loss, ...]) -> Iterator[Finding]:
    for loss in gone:
        if loss.harm:
            yield refused(node.name, f"kubeadm would write {loss.component} without {loss.words}: {loss.harm}", GIVE_IT)


def _in_words(by_node: Mapping[str, tuple[Loss, ...]]) -> str:
    """`--a=1 and --b=2 (cp1, cp2), --c=3 (cp3)`."""
    nodes_of: dict[str, list[str]] = {}
    for name, losses in by_node.items():
        for loss in losses:
            nodes_of.setdefault(loss.words, []).append(name)
    ordered = sorted(nodes_of.items(), key=lambda item: item[1])
    return "; ".join(
        f"{', '.join(words for words, _ in group)} ({', '.join(names)})"
        for names, group in ((names, list(items)) for names, items in groupby(ordered, key=lambda item: item[1]))
    )
