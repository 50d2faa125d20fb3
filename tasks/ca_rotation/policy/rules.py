"""Checks what blocks a stage, in the cluster, in its files, and in the previous stage."""

from collections.abc import Iterator

from tasks.ca_rotation.models import Stage
from tasks.ca_rotation.policy.files import of_files, of_others
from tasks.ca_rotation.policy.handed_out import (
    of_bundles,
    of_copies,
    of_what_is_handed_out,
    of_what_is_handed_out_now,
    of_what_stays_behind,
)
from tasks.ca_rotation.policy.left import kubelet_is_behind, leaves_behind, pods_behind, reasons_to_act_on
from tasks.ca_rotation.policy.situation import StageSituation, trusted_by
from tasks.ca_rotation.policy.trust import BEFORE, FROM, readers_of
from tasks.cert_rotation.policy.before import of_leaders, of_proofs
from tasks.cert_rotation.policy.rules import of_kubeadm, of_record
from tasks.cert_rotation.policy.unknown import of_unasked
from tasks.certificates.models.authorities import State
from tasks.certificates.models.inventory import NodeCertificates
from tasks.certificates.models.kubeadm import LEAVES
from tasks.certificates.policy.pairs import of_split_pairs
from tasks.core.commands import CLUSTER, run_command
from tasks.core.models.findings import Finding, Problem, cautioned, listed, refused
from tasks.core.models.kubeadm import KUBELET_SERVING, Authority
from tasks.core.models.plan import figure
from tasks.core.words import duration_as_typed, duration_in_words
from tasks.etcd.policy.quorum import what_ails

NO_REGENERATION = (
    "until drop-old is finished, `kubeadm upgrade`, `kubeadm init phase` and joins of control plane nodes overwrite ca.crt and "
    "manifests"
)


def findings_of(situation: StageSituation) -> Iterator[Finding]:
    """Yields all findings. Without an API or a control plane node, only those of the cluster, its health and its proofs."""
    yield from _of_cluster(situation)
    yield from _of_health(situation)
    yield from _of_proofs(situation)
    if situation.facts.rotation.api_problem or not situation.control_planes:
        return
    yield from of_files(situation)
    yield from of_others(situation)
    yield from _of_states(situation)
    yield from of_what_is_handed_out_now(situation)
    if taken := _what_is_taken_back(situation):
        yield cautioned(situation.authority, taken.text)
    elif situation.stage is not Stage.TRUST_BOTH:
        yield from _of_the_stage_before(situation)
    if situation.stage is Stage.DROP_OLD:
        yield from _of_what_is_lost(situation)
    elif situation.authority is Authority.CLUSTER:
        yield cautioned(situation.authority, NO_REGENERATION, "do none of it until then")
    yield from of_copies(situation)
    yield from of_bundles(situation)


def _what_is_taken_back(situation: StageSituation) -> Problem | None:
    """Returns the problem that the next stage has already begun on some node and is now taken back.

    The result is None otherwise.
    """
    states = {situation.state(node) for node in situation.nodes}
    if situation.stage is Stage.TRUST_BOTH and State.NEW_SIGNS in states:
        return Problem(text="the new one signs already: this stage reverts that, and the old one signs again")
    if situation.stage is Stage.SIGN_WITH_NEW and State.ONLY_NEW in states:
        return Problem(text="the old CA is already dropped: this stage makes nodes trust it again")
    return None


def _of_cluster(situation: StageSituation) -> Iterator[Finding]:
    found = situation.facts.rotation
    if found.api_problem:
        yield refused(
            "API",
            f"it cannot be used: {found.api_problem}",
            "repair it first: `kube-runbooks run cert-rotation CLUSTER` shows what is wrong",
        )
    if not situation.control_planes:
        yield refused("nodes", "no node of the profile is a control plane node that answers", "correct nodes:")
    unreached = [f"{one.name}: {one.unreached}" for one in found.inventory.nodes if one.unreached]
    if unreached:
        yield refused(
            "nodes", f"not reached: {listed(unreached)}", "bring them back, or remove them from nodes: in the profile"
        )
    known = {node.name for node in found.inventory.nodes}
    if strangers := [node.name for node in found.nodes if node.name not in known]:
        step = "add them to nodes: of the profile: they would be cut off"
        yield refused("nodes", f"the cluster has nodes that the profile has not: {listed(strangers)}", step)
    if len(situation.control_planes) == 1 and not situation.options.allow_downtime:
        yield refused(
            situation.control_planes[0].name,
            "the only control plane node: the API does not answer for a minute or two",
            "add --allow-downtime during an acceptable window",
        )


def _of_health(situation: StageSituation) -> Iterator[Finding]:
    """Yields refusals for an unhealthy cluster.

    Every node must follow the rotation, and no other may be missing while one is away.
    Nodes with an interrupted run are exempt.
    """
    found = situation.facts.rotation
    begun = {left.node for left in found.left if left.record}
    for node in found.nodes:
        if not node.ready and node.name not in begun:
            yield refused(node.name, f"it is not Ready: {node.ready_message}", "bring it back first: it has to follow")
        elif node.heartbeat is None and situation.authority is Authority.CLUSTER and node.name not in begun:
            yield refused(
                node.name,
                "its kubelet renews no Lease in kube-node-lease: that it runs again could not be proven",
                f"kubectl -n kube-node-lease get lease {node.name}",
            )
    for said in found.gates:
        yield refused("gates", said, "wait until it lets the run go on, or change gates: of the profile")
    if found.etcd_problem:
        yield refused("etcd", f"its members are not known: {found.etcd_problem}", "repair it first")
    for member in found.etcd.members if found.etcd else ():
        if (ails := what_ails(member)) and member.node not in begun:
            yield refused(member.label, ails.text, "repair it first: quorum needs it while another member restarts")


def _of_proofs(situation: StageSituation) -> Iterator[Finding]:
    """Yields the findings of a renewal: what an interrupted run left, and what a proof would already find wrong."""
    for state in situation.renewal.control_planes:
        yield from of_record(state)
        if state.name in situation.trust and reasons_to_act_on(state.node, situation):
            leaves = [leaf for leaf in leaves_behind(state.node, situation) if leaf in LEAVES]
            yield from of_kubeadm(state, leaves)
            yield from of_split_pairs(state.node, leaves)
            yield from of_proofs(situation.renewal, state, readers_of(situation.authority), leaves)
    yield from of_unasked(situation.renewal)
    yield from of_leaders(situation.renewal)


def _of_states(situation: StageSituation) -> Iterator[Finding]:
    for node in situation.nodes:
        state = situation.state(node)
        if state in FROM[situation.stage]:
            continue
        step = {
            State.FOREIGN: "check the file: it contains a CA that no rotation installed",
            State.BROKEN: "put its file and its key back from their halves: docs/ca-rotation.md",
            State.ONLY_NEW: "a rotation is finished there: begin the next one when it is finished on all nodes",
        }.get(state, f"run its stage first: `{_command(situation, BEFORE[situation.stage] or Stage.TRUST_BOTH)}`")
        yield refused(
            node.name, f"it is {state}: {situation.stage} goes on from {' or '.join(FROM[situation.stage])}", step
        )


def _of_the_stage_before(situation: StageSituation) -> Iterator[Finding]:
    """Yields refusals until the previous stage is proven on every node.

    Programs must have read what they trust, and the API must publish it.
    """
    if situation.new is None:
        return  # told by the states
    both = {half.id for half in situation.halves if half}
    step = f"run its stage again, which resumes: `{_command(situation, BEFORE[situation.stage] or Stage.TRUST_BOTH)}`"
    for node in situation.nodes:
        if situation.state(node) is situation.before:  # else it has begun there
            yield from _of_what_was_read(node, situation, both, step)
    if situation.stage is Stage.SIGN_WITH_NEW:
        yield from of_what_is_handed_out(situation, both, step)


def _of_what_was_read(
    node: NodeCertificates, situation: StageSituation, both: set[str], step: str
) -> Iterator[Finding]:
    for pod in pods_behind(node, situation):
        yield refused(node.name, f"{pod} has not read the CAs that it must trust", step)
    for pod in readers_of(situation.authority):
        if pod in node.manifests and node.process(pod) is None:
            yield refused(node.name, f"{pod} is not seen to run: what it has read is not known", _bring_up(pod))
    if kubelet_is_behind(node, situation):
        yield refused(node.name, "its kubelet has not read the CAs that it must trust", step)
    for config in node.kubeconfigs if situation.authority is Authority.CLUSTER else ():
        found = set(trusted_by(node, config.path))
        if found and not config.missing and not both <= found:
            yield refused(f"{node.name}: {config.path}", "it does not trust both CAs", step)


def _command(situation: StageSituation, stage: Stage) -> str:
    return run_command("ca_rotation", CLUSTER, situation.authority, stage, "--mode=apply")


def _bring_up(pod: str) -> str:
    return f"`crictl ps -a --name {pod}` on that node"


def _of_what_is_lost(situation: StageSituation) -> Iterator[Finding]:
    """Yields refusals for whatever has only certificates or tokens of the old half. The last stage locks it out."""
    step = f"run its stage again, which resumes: `{_command(situation, Stage.SIGN_WITH_NEW)}`"
    for node in situation.nodes:
        if situation.state(node) not in FROM[situation.stage]:
            continue  # told by its state
        for leaf in leaves_behind(node, situation):
            yield refused(f"{node.name}: {leaf}", "it is signed by the old one", step)
        for one in situation.signed_by_halves(node):
            if one.name == KUBELET_SERVING and one.signer != situation.signer:
                yield refused(
                    one.label,
                    "it is signed by the old one",
                    "move it away, restart the kubelet, and run `kube-runbooks run cert-rotation CLUSTER`, which approves the new request",
                )
    yield from of_what_stays_behind(situation)
    if situation.authority is Authority.SERVICE_ACCOUNTS:
        yield from _of_tokens(situation)
    if (
        situation.authority in {Authority.CLUSTER, Authority.SERVICE_ACCOUNTS}
        and not situation.options.old_clients_gone
    ):
        what = "tokens" if situation.authority is Authority.SERVICE_ACCOUNTS else "client certificates"
        yield refused(
            situation.authority,
            f"{what} of the old one that people and programs outside of the nodes have cannot be seen from here",
            "make sure that none is in use any more, then add --old-clients-gone",
        )


def _of_tokens(situation: StageSituation) -> Iterator[Finding]:
    if tokens := situation.facts.api.old_tokens:
        step = "recreate them, or delete them"
        yield refused("secrets", f"with a token of the old key: {listed(tokens)}", step)
    for node in situation.control_planes:
        since, clock = situation.trust[node.name].signs_since, node.observed_at
        if since and clock and clock - since < situation.options.token_age and situation.state(node) is State.NEW_SIGNS:
            yield refused(
                node.name,
                f"the new key has signed tokens for {figure(duration_in_words(clock - since))}, --token-age is {duration_as_typed(situation.options.token_age)}",
                "wait: pods get a new token within the hour, and some programs read theirs late",
            )
