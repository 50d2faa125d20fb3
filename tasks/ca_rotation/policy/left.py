"""What a stage has left to do, on each node and in the API, and why."""

from collections.abc import Iterator

from tasks.ca_rotation.models import NodeStage, Stage
from tasks.ca_rotation.policy.situation import StageSituation, trusted_by
from tasks.ca_rotation.policy.trust import readers_of
from tasks.cert_rotation.models.rotation import NodeRotation
from tasks.cert_rotation.policy.before import unled, unproven
from tasks.certificates.models.authorities import FILES, SIGNING_FLAG, is_single, signing_file
from tasks.certificates.models.inventory import NodeCertificates
from tasks.certificates.models.kubeadm import LEAVES
from tasks.certificates.policy.inventory import who_has_not_read
from tasks.core.models.kubeadm import CONTROLLER_MANAGER, KUBELET, KUBELET_CLIENT, Authority

WORDS = {
    Stage.TRUST_BOTH: "believe the old and the new one",
    Stage.SIGN_WITH_NEW: "sign with the new one, and have everything signed by it",
    Stage.DROP_OLD: "believe the new one alone",
}
"""What a stage does on a node, for the plan."""


def reasons_to_act_on(node: NodeCertificates, situation: StageSituation) -> tuple[str, ...]:
    """Why there is something to do on a node; none when the stage has come to its end there."""
    state = situation.state(node)
    leaves = tuple(
        f"{leaf} is not signed by the {FILES[situation.target].signs} one" for leaf in leaves_behind(node, situation)
    )
    if state is not situation.target:
        return (f"it is {state}", *leaves)
    return (
        *leaves,
        *(f"{path} believes something else" for path in _kubeconfigs_behind(node, situation)),
        *(f"{pod} has not read its files" for pod in pods_behind(node, situation)),
        *(["its kubelet has not read its files"] if kubelet_is_behind(node, situation) else []),
        *([f"{CONTROLLER_MANAGER} signs with another file"] if _signs_with_another_file(node, situation) else []),
    )


def reasons_to_publish(situation: StageSituation) -> Iterator[str]:
    """What the API hands out, and the run itself changes; the cluster's own controllers do the rest, and are waited for."""
    api, old = situation.facts.api, situation.old
    if situation.authority is Authority.CLUSTER and api.joinable and set(api.cluster_info) != set(situation.wanted):
        yield "cluster-info has something else for nodes that join"
    if situation.stage is not Stage.DROP_OLD or old is None:
        return
    handed = {Authority.CLUSTER: api.clients, Authority.FRONT_PROXY: api.front_proxies}
    if old.id in handed.get(situation.authority, ()):
        yield "extension-apiserver-authentication keeps the old one for ever: API servers only add to it"


def is_to_be_put_away(node: NodeCertificates, situation: StageSituation) -> bool:
    """At the end of the last stage: what the rotation has laid down there."""
    found = situation.trust.get(node.name)
    return situation.stage is Stage.DROP_OLD and found is not None and bool(found.old or found.new)


def work_on(node: NodeCertificates, situation: StageSituation) -> NodeStage:
    """Of a node on which something is left."""
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
    """In words, for the plan."""
    is_control_plane = name in {one.name for one in situation.control_planes}
    anew = ", ".join(readers_of(situation.authority)) if is_control_plane else KUBELET
    return f"{WORDS[situation.stage]}; {anew} anew"


def leaves_behind(node: NodeCertificates, situation: StageSituation) -> tuple[str, ...]:
    """By kubeadm's names. In trust-both only what a stage that is taken back has signed."""
    own = {name for name, made in LEAVES.items() if made.authority == situation.authority}
    own |= {KUBELET_CLIENT} if situation.authority is Authority.CLUSTER else set()
    signed = {one.name: one for one in situation.signed_by_halves(node) if one.name in own}
    return tuple(
        name for name in (*LEAVES, KUBELET_CLIENT) if name in signed and signed[name].signer != situation.signer
    )


def pods_behind(node: NodeCertificates, situation: StageSituation) -> tuple[str, ...]:
    """Static pods that were started before a file of theirs was written."""
    behind = who_has_not_read(node)
    return tuple(pod for pod in readers_of(situation.authority) if pod in behind)


def kubelet_is_behind(node: NodeCertificates, situation: StageSituation) -> bool:
    """It reads ca.crt and its kubeconfig when it starts."""
    process = node.process(KUBELET)
    if situation.authority is not Authority.CLUSTER or process is None:
        return False
    trust = situation.trust.get(node.name)
    conf = (one.written_at for one in node.certificates if one.path.endswith("/kubelet.conf"))
    times = [moment for moment in (trust.trusted_since if trust else None, *conf) if moment]
    return any(moment > process.started_at for moment in times)


def _kubeconfigs_behind(node: NodeCertificates, situation: StageSituation) -> Iterator[str]:
    """Those that do not trust what they are to trust; of the cluster's CA alone."""
    if situation.authority is not Authority.CLUSTER:
        return
    for config in node.kubeconfigs:
        if not config.missing and set(trusted_by(node, config.path)) != set(situation.wanted):
            yield config.path


def _signs_with_another_file(node: NodeCertificates, situation: StageSituation) -> bool:
    if situation.authority is not Authority.CLUSTER or not node.is_control_plane:
        return False
    trust = situation.trust[node.name]
    found = trust.flags.get(f"{CONTROLLER_MANAGER} --{SIGNING_FLAG}", "")
    if not found.endswith(f"/{signing_file(situation.authority, situation.target)}"):
        return True
    needs_one = not is_single(situation.authority, situation.target)
    return needs_one and [half.id for half in trust.signing] != [situation.signer]
