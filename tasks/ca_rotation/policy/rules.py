"""What is in the way of a stage: of the cluster, of its files, and of the stage before."""

from collections.abc import Iterator

from tasks.ca_rotation.models import Stage
from tasks.ca_rotation.policy.left import kubelet_is_behind, leaves_behind, pods_behind, reasons_to_act_on
from tasks.ca_rotation.policy.situation import StageSituation, trusted_by
from tasks.ca_rotation.policy.trust import BEFORE, FROM, readers_of
from tasks.cert_rotation.policy.before import of_leaders, of_proofs
from tasks.cert_rotation.policy.rules import of_kubeadm, of_record
from tasks.certificates.models.authorities import FLAGS, TRUST, State
from tasks.certificates.models.kubeadm import LEAVES
from tasks.core.models.findings import Finding, Problem, cautioned, listed, refused
from tasks.core.models.kubeadm import CONTROLLER_MANAGER, KUBELET_SERVING, Authority
from tasks.core.models.plan import figure
from tasks.etcd.policy.quorum import what_ails

NO_REGENERATION = (
    "until drop-old has come to its end, `kubeadm upgrade`, `kubeadm init phase` and joins of control plane nodes write ca.crt and "
    "manifests as they think right"
)


def findings_of(situation: StageSituation) -> Iterator[Finding]:
    """All of it; a cluster without an API or a control plane node has no more to tell."""
    yield from _of_cluster(situation)
    yield from _of_health(situation)
    yield from _of_proofs(situation)
    if situation.facts.rotation.api_problem or not situation.control_planes:
        return
    yield from _of_files(situation)
    yield from _of_states(situation)
    if taken := _what_is_taken_back(situation):
        yield cautioned(situation.authority, taken.text)
    elif situation.stage is not Stage.TRUST_BOTH:
        yield from _of_the_stage_before(situation)
    if situation.stage is Stage.DROP_OLD:
        yield from _of_what_is_lost(situation)
    elif situation.authority is Authority.CLUSTER:
        yield cautioned(situation.authority, NO_REGENERATION, "do none of it until then")
    yield from _of_bundles(situation)


def _what_is_taken_back(situation: StageSituation) -> Problem | None:
    """The stage after this one, where it has begun on some node."""
    states = {situation.state(node) for node in situation.nodes}
    if situation.stage is Stage.TRUST_BOTH and State.NEW_SIGNS in states:
        return Problem(text="the new one signs already: this takes it back, the old one signs again")
    if situation.stage is Stage.SIGN_WITH_NEW and State.ONLY_NEW in states:
        return Problem(text="the old one is dropped already: this takes it back, it is believed again")
    return None


def _of_cluster(situation: StageSituation) -> Iterator[Finding]:
    found = situation.facts.rotation
    if found.api_problem:
        yield refused(
            "API", f"it cannot be used: {found.api_problem}", "bring it back first: cert_rotation, or look at it"
        )
    if not situation.control_planes:
        yield refused("nodes", "no node of the profile is a control plane node that answers", "correct nodes:")
    unreached = [f"{one.name}: {one.unreached}" for one in found.inventory.nodes if one.unreached]
    if unreached:
        yield refused("nodes", f"not reached: {listed(unreached)}", "bring them back, or take them out of the profile")
    known = {node.name for node in found.inventory.nodes}
    if strangers := [node.name for node in found.nodes if node.name not in known]:
        step = "add them to nodes: of the profile: they would be cut off"
        yield refused("nodes", f"the cluster has nodes that the profile has not: {listed(strangers)}", step)
    if len(situation.control_planes) == 1 and not situation.options.allow_downtime:
        yield refused(
            situation.control_planes[0].name,
            "the only control plane node: the API is away for a minute or two",
            "say options.allow_downtime=true at a time when that is fine",
        )


def _of_health(situation: StageSituation) -> Iterator[Finding]:
    """Every node has to follow, and nobody may be missing when one of them is away; but one that a dead run was at work on."""
    found = situation.facts.rotation
    begun = {left.node for left in found.left if left.record}
    for node in found.nodes:
        if not node.ready and node.name not in begun:
            yield refused(node.name, f"it is not Ready: {node.ready_message}", "bring it back first: it has to follow")
    for said in found.gates:
        yield refused("gates", said, "wait until it lets the run go on, or change gates: of the profile")
    if found.etcd_problem:
        yield refused("etcd", f"its members are not known: {found.etcd_problem}", "look at it first")
    for member in found.etcd.members if found.etcd else ():
        if (ails := what_ails(member)) and member.node not in begun:
            yield refused(member.label, ails.text, "repair it first: while another one restarts it is needed")


def _of_proofs(situation: StageSituation) -> Iterator[Finding]:
    """As of a renewal: what an interrupted run left, and what a proof would find wrong already."""
    for state in situation.renewal.control_planes:
        yield from of_record(state)
        if state.name in situation.trust and reasons_to_act_on(state.node, situation):
            leaves = [leaf for leaf in leaves_behind(state.node, situation) if leaf in LEAVES]
            yield from of_kubeadm(state, leaves)
            yield from of_proofs(situation.renewal, state, readers_of(situation.authority), leaves)
    yield from of_leaders(situation.renewal)


def _of_files(situation: StageSituation) -> Iterator[Finding]:
    """Only what kubeadm has laid out is understood."""
    path = TRUST[situation.authority]
    for node in situation.control_planes:
        trust = situation.trust[node.name]
        if trust.unreached:
            yield refused(node.name, trust.unreached, "look at its sshd and its network")
            continue
        if not node.openssl:
            yield refused(node.name, "it has no openssl: nothing could be proven", "install openssl there")
        if not trust.trusted:
            step = "an external etcd is rotated where it is" if situation.authority is Authority.ETCD else "look at it"
            yield refused(node.name, f"there is no {path}", step)
        elif not trust.signs:
            yield refused(
                node.name, f"the key of {path} is not there", "an external authority is rotated where its key is"
            )
        for flag, file in FLAGS[situation.authority].items():
            found = trust.flags.get(flag, "")
            if not found.endswith(f"/{file}"):
                yield refused(
                    node.name, f"{flag} is {found or 'not there'}, kubeadm has {file}", "this is not understood"
                )


def _of_states(situation: StageSituation) -> Iterator[Finding]:
    for node in situation.nodes:
        state = situation.state(node)
        if state in FROM[situation.stage]:
            continue
        step = {
            State.FOREIGN: "look at the file: it has an authority of nobody's rotation",
            State.BROKEN: "put its file and its key back from their halves: docs/ca-rotation.md",
            State.ONLY_NEW: "a rotation has come to its end: begin another one when all nodes have",
        }.get(state, f"run stage={BEFORE[situation.stage]} first")
        yield refused(
            node.name, f"it is {state}: {situation.stage} goes on from {' or '.join(FROM[situation.stage])}", step
        )


def _of_the_stage_before(situation: StageSituation) -> Iterator[Finding]:
    """It is proven on every node: what is believed was read, and what the API hands out has it."""
    if situation.new is None:
        return  # told by the states
    both = {half.id for half in situation.halves if half}
    step = f"run stage={BEFORE[situation.stage]} again: it goes on where it was"
    for node in situation.nodes:
        if situation.state(node) is not situation.before:
            continue  # it has begun there
        for pod in pods_behind(node, situation):
            yield refused(node.name, f"{pod} has not read what it is to believe", step)
        if kubelet_is_behind(node, situation):
            yield refused(node.name, "its kubelet has not read what it is to believe", step)
        if situation.authority is Authority.CLUSTER:
            for config in node.kubeconfigs:
                if not config.missing and not both <= set(trusted_by(node, config.path)):
                    yield refused(f"{node.name}: {config.path}", "it does not believe both", step)
    if situation.stage is Stage.SIGN_WITH_NEW:
        yield from _of_what_is_handed_out(situation, both, step)


def _of_what_is_handed_out(situation: StageSituation, both: set[str], step: str) -> Iterator[Finding]:
    api = situation.facts.api
    if situation.authority is Authority.FRONT_PROXY:
        if not both <= set(api.front_proxies):
            yield refused("extension-apiserver-authentication", "aggregated APIs are not told both", step)
        return
    if situation.authority is not Authority.CLUSTER:
        return
    if api.joinable and not both <= set(api.cluster_info):
        yield refused("cluster-info", "nodes that join are not told both", step)
    if not both <= set(api.clients):
        yield refused("extension-apiserver-authentication", "aggregated APIs are not told both", step)
    if behind := [name for name, ids in api.root_cas.items() if not both <= set(ids)]:
        yield refused(
            "kube-root-ca.crt", f"it has not both yet in {listed(behind)}", f"wait for {CONTROLLER_MANAGER}; or {step}"
        )
    if api.worker and not both <= set(api.worker):
        step = "write a new one there, with both: else this worker locks itself out"
        yield refused("kubernetes.kubeconfig", "the worker's own kubeconfig does not believe both", step)
    if api.old_pods and all(situation.state(node) is situation.before for node in situation.nodes):
        problem = (
            f"{figure(len(api.old_pods))} pods were started before both were handed out: {figure(listed(api.old_pods))}"
        )
        step = "restart them (`kubectl rollout restart`), or say options.old_pods_are_fine=true"
        yield (
            cautioned("pods", problem, step) if situation.options.old_pods_are_fine else refused("pods", problem, step)
        )


def _of_what_is_lost(situation: StageSituation) -> Iterator[Finding]:
    """After it, whoever has only something of the old one is out."""
    step = f"run stage={Stage.SIGN_WITH_NEW} again: it goes on where it was"
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
                    "move it away, restart the kubelet, and run cert_rotation, which approves the new request",
                )
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
            "make sure that none is in use any more, then say options.old_clients_gone=true",
        )


def _of_tokens(situation: StageSituation) -> Iterator[Finding]:
    if tokens := situation.facts.api.old_tokens:
        step = "make them anew, or delete them"
        yield refused("secrets", f"with a token of the old key: {listed(tokens)}", step)
    for node in situation.control_planes:
        since, clock = situation.trust[node.name].signs_since, node.observed_at
        if since and clock and clock - since < situation.options.token_age and situation.state(node) is State.NEW_SIGNS:
            hours = (clock - since).total_seconds() / 3600
            yield refused(
                node.name,
                f"the new key has signed tokens for {figure(f'{hours:.1f} h')}, options.token_age is {situation.options.token_age}",
                "wait: pods get a new token within the hour, and some programs read theirs late",
            )


def _of_bundles(situation: StageSituation) -> Iterator[Finding]:
    """`caBundle`s are their owners'; the cluster's authority is rarely in one."""
    if situation.authority is not Authority.CLUSTER or situation.old is None:
        return
    places: dict[str, set[str]] = {}
    for one in situation.facts.rotation.inventory.objects:
        places.setdefault(one.path, set()).add(one.fingerprint)
    new = situation.new.id if situation.new else ""
    for place, ids in places.items():
        if situation.old.id not in ids:
            continue
        if situation.stage is Stage.DROP_OLD:
            yield cautioned(place, "its caBundle still has the old one", "take it out where it is managed")
        elif new not in ids:
            problem = f"its caBundle has the old one, and {'not the new one' if new else 'will need the new one'}"
            step = "add the new one where it is managed, before its server has a certificate of it"
            yield (
                cautioned(place, problem, step)
                if situation.stage is Stage.TRUST_BOTH
                else refused(place, problem, step)
            )
