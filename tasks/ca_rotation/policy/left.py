"""Finds the remaining work of a stage on each node and in the API, with the reasons."""

from collections.abc import Iterator

from tasks.ca_rotation.models import NodeStage, Stage
from tasks.ca_rotation.policy.situation import StageSituation, trusts_exactly
from tasks.ca_rotation.policy.trust import readers_of
from tasks.cert_rotation.models.rotation import NodeRotation
from tasks.cert_rotation.policy.before import unled, unproven
from tasks.certificates.models.authorities import FILES, is_single
from tasks.certificates.models.inventory import NodeCertificates
from tasks.certificates.models.kubeadm import LEAVES
from tasks.certificates.policy.inventory import who_has_not_read
from tasks.core.models.kubeadm import CONTROLLER_MANAGER, KUBELET, KUBELET_CLIENT, Authority

WORDS = {
    Stage.TRUST_BOTH: "trust the old and the new CA",
    Stage.SIGN_WITH_NEW: "sign with the new one, and have everything signed by it",
    Stage.DROP_OLD: "trust only the new CA",
}
"""Describes the work of each stage on a node, for the plan."""


def reasons_to_act_on(node: NodeCertificates, situation: StageSituation) -> tuple[str, ...]:
    """Returns why a node still needs work. The result is empty if the stage is finished there."""
    state = situation.state(node)
    leaves = tuple(
        f"{leaf} is not signed by the {FILES[situation.target].signs} one" for leaf in leaves_behind(node, situation)
    )
    if state is not situation.target:
        return (f"it is {state}", *leaves)
    return (
        *leaves,
        *(f"{path} trusts something else" for path in _kubeconfigs_behind(node, situation)),
        *(f"{pod} has not read its files" for pod in pods_behind(node, situation)),
        *(["its kubelet has not read its files"] if kubelet_is_behind(node, situation) else []),
        *([f"{CONTROLLER_MANAGER} signs with another file"] if _signs_with_another_file(node, situation) else []),
    )


def reasons_to_publish(situation: StageSituation) -> Iterator[str]:
    """Yields what the run itself must still publish in the API.

    The cluster's own controllers publish the rest, and the run waits for them.
    """
    api, old = situation.facts.api, situation.old
    if situation.authority is Authority.CLUSTER and api.joinable and set(api.cluster_info) != set(situation.wanted):
        yield "cluster-info has something else for nodes that join"
    if situation.stage is not Stage.DROP_OLD or old is None:
        return
    handed = {Authority.CLUSTER: api.clients, Authority.FRONT_PROXY: api.front_proxies}
    if old.id in handed.get(situation.authority, ()):
        yield "extension-apiserver-authentication keeps the old one for ever: API servers only add to it"


def is_to_be_put_away(node: NodeCertificates, situation: StageSituation) -> bool:
    """Checks whether the node still has halves that the last stage must put away."""
    found = situation.trust.get(node.name)
    return situation.stage is Stage.DROP_OLD and found is not None and bool(found.old or found.new)


def work_on(node: NodeCertificates, situation: StageSituation) -> NodeStage:
    """Returns the work on a node that is not finished."""
    behind, readers = leaves_behind(node, situation), readers_of(situation.authority)
    leaves = [leaf for leaf in behind if leaf in LEAVES]
    state = next((one for one in situation.renewal.control_planes if one.name == node.name), None)
    copies = [copy.path for copy in node.kubeconfigs if copy.copy_of in leaves and not copy.missing]
    return NodeStage(
        name=node.name,
        control_plane=state is not None,
        state=situation.state(node),
        rotation=NodeRotation(
            name=node.name,
            leaves=tuple(leaves),
            restarts=readers if state else (),
            copies=tuple(copies),
            configuration=situation.renewal.configuration(state) if state and leaves else "",
            begun=state.begun if state else False,
            unproven=unproven(situation.renewal, state, readers, leaves) if state else (),
            unled=unled(situation.renewal) if state else (),
        ),
        kubelet=KUBELET_CLIENT in behind,
    )


def act_on(name: str, situation: StageSituation) -> str:
    """Returns the work on a node as text for the plan."""
    is_control_plane = name in {one.name for one in situation.control_planes}
    readers = ", ".join(readers_of(situation.authority)) if is_control_plane else KUBELET
    return f"{WORDS[situation.stage]}; restart {readers}"


def leaves_behind(node: NodeCertificates, situation: StageSituation) -> tuple[str, ...]:
    """Returns the leaves that the other half has signed, by kubeadm's names.

    In trust-both, these are only leaves of a later stage that is taken back.
    """
    own = {name for name, made in LEAVES.items() if made.authority == situation.authority}
    own |= {KUBELET_CLIENT} if situation.authority is Authority.CLUSTER else set()
    signed = {one.name: one for one in situation.signed_by_halves(node) if one.name in own}
    return tuple(
        name for name in (*LEAVES, KUBELET_CLIENT) if name in signed and signed[name].signer != situation.signer
    )


def pods_behind(node: NodeCertificates, situation: StageSituation) -> tuple[str, ...]:
    """Returns the static pods that started before one of their files was written."""
    behind = who_has_not_read(node)
    return tuple(pod for pod in readers_of(situation.authority) if pod in behind)


def kubelet_is_behind(node: NodeCertificates, situation: StageSituation) -> bool:
    """Checks whether the kubelet started before ca.crt or its kubeconfig was written. It reads both when it starts."""
    process = node.process(KUBELET)
    if situation.authority is not Authority.CLUSTER or process is None:
        return False
    trust = situation.trust.get(node.name)
    conf = (one.written_at for one in node.certificates if trust and one.path == trust.kubelet_config)
    times = [moment for moment in (trust.trusted_since if trust else None, *conf) if moment]
    return any(moment > process.started_at for moment in times)


def _kubeconfigs_behind(node: NodeCertificates, situation: StageSituation) -> Iterator[str]:
    """Yields the kubeconfigs that do not trust the wanted CAs. This applies only to the cluster CA."""
    if situation.authority is not Authority.CLUSTER:
        return
    for config in node.kubeconfigs:
        if not config.missing and not trusts_exactly(situation.wanted, node, config.path, situation):
            yield config.path


def _signs_with_another_file(node: NodeCertificates, situation: StageSituation) -> bool:
    if situation.authority is not Authority.CLUSTER or not node.is_control_plane:
        return False
    trust = situation.trust[node.name]
    if is_single(situation.authority, situation.target):
        return trust.signs_by != trust.files.trust
    return trust.signs_by != trust.files.signing or [half.id for half in trust.signing] != [situation.signer]
