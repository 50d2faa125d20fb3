"""The plan of a stage: what is left on each node and why, and what has to be proven before it may begin."""

from collections.abc import Iterator
from datetime import datetime

from tasks.ca_rotation.models import CaRotationFacts, CaRotationOptions, CaRotationPlan, Stage
from tasks.ca_rotation.policy.scene import CaScene, believed_by
from tasks.ca_rotation.policy.trust import AFTER, BEFORE, FROM, readers_of
from tasks.cert_rotation.policy.plan import of_kubeadm, of_leaders, of_proofs, of_record
from tasks.certificates.models.authorities import FLAGS, TRUST, State
from tasks.certificates.models.kubeadm import LEAVES
from tasks.core.models.findings import Finding, cautioned, listed, refused
from tasks.core.models.kubeadm import CONTROLLERS, KUBELET_SERVING, Authority
from tasks.core.models.plan import Caution, Refusal, Skip, Step, figure
from tasks.core.models.profile import CertificateRules
from tasks.etcd.policy.quorum import what_ails

NO_REGENERATION = (
    "until drop-old has come to its end, `kubeadm upgrade`, `kubeadm init phase` and joins of control plane nodes write ca.crt and "
    "manifests as they think right"
)


def plan_ca_rotation(
    facts: CaRotationFacts,
    stage: Stage,
    options: CaRotationOptions,
    rules: CertificateRules,
    *,
    now: datetime,
) -> CaRotationPlan:
    """Control planes one at a time, the leader of etcd last, then workers. A node that is done is a skip."""
    scene = CaScene(facts, stage, options, rules, now)
    left = {node.name: scene.what_is_left(node) for node in scene.nodes}
    away = [node.name for node in scene.nodes if scene.is_to_be_put_away(node)]
    publishes = tuple(scene.what_is_not_published())
    findings = list(_rules(scene))
    return CaRotationPlan(
        authority=facts.authority,
        stage=stage,
        nodes=tuple(scene.work_on(node) for node in scene.nodes if left[node.name]),
        machines=tuple(node.name for node in scene.control_planes),
        puts_away=tuple(away),
        steps=(
            *(Step(subject=name, act=scene.act(name), reason="; ".join(why)) for name, why in left.items() if why),
            *(Step(subject="API", act="hand out what nodes believe", reason=why) for why in publishes),
            *(
                Step(subject=name, act="put the halves away", reason="nobody needs the old one any more")
                for name in away
            ),
        ),
        skips=tuple(Skip(subject=name, reason=f"it is {AFTER[stage]}") for name, why in left.items() if not why),
        refusals=tuple(one for one in findings if isinstance(one, Refusal)),
        cautions=tuple(one for one in findings if isinstance(one, Caution)),
    )


# --- what is in the way


def _rules(scene: CaScene) -> Iterator[Finding]:
    """All of it."""
    yield from _of_cluster(scene)
    yield from _of_health(scene)
    yield from _of_proofs(scene)
    if scene.facts.rotation.api_problem or not scene.control_planes:
        return
    yield from _of_files(scene)
    yield from _of_states(scene)
    if taken := _what_is_taken_back(scene):
        yield cautioned(scene.authority, taken)
    elif scene.stage is not Stage.TRUST_BOTH:
        yield from _of_the_stage_before(scene)
    if scene.stage is Stage.DROP_OLD:
        yield from _of_what_is_lost(scene)
    elif scene.authority is Authority.CLUSTER:
        yield cautioned(scene.authority, NO_REGENERATION, "do none of it until then")
    yield from _of_bundles(scene)


def _what_is_taken_back(scene: CaScene) -> str:
    """The stage after this one has begun on some node: in words; empty when it has not."""
    states = {scene.state(node) for node in scene.nodes}
    if scene.stage is Stage.TRUST_BOTH and State.NEW_SIGNS in states:
        return "the new one signs already: this takes it back, the old one signs again"
    if scene.stage is Stage.SIGN_WITH_NEW and State.ONLY_NEW in states:
        return "the old one is dropped already: this takes it back, it is believed again"
    return ""


def _of_cluster(scene: CaScene) -> Iterator[Finding]:
    found = scene.facts.rotation
    if found.api_problem:
        yield refused(
            "API", f"it cannot be used: {found.api_problem}", "bring it back first: cert_rotation, or look at it"
        )
    if not scene.control_planes:
        yield refused("nodes", "no node of the profile is a control plane node that answers", "correct nodes:")
    unreached = [f"{one.name}: {one.unreached}" for one in found.inventory.nodes if one.unreached]
    if unreached:
        yield refused("nodes", f"not reached: {listed(unreached)}", "bring them back, or take them out of the profile")
    known = {node.name for node in found.inventory.nodes}
    if strangers := [node.name for node in found.nodes if node.name not in known]:
        step = "add them to nodes: of the profile: they would be cut off"
        yield refused("nodes", f"the cluster has nodes that the profile has not: {listed(strangers)}", step)
    if len(scene.control_planes) == 1 and not scene.options.allow_downtime:
        yield refused(
            scene.control_planes[0].name,
            "the only control plane node: the API is away for a minute or two",
            "say options.allow_downtime=true at a time when that is fine",
        )


def _of_health(scene: CaScene) -> Iterator[Finding]:
    """Every node has to follow, and nobody may be missing when one of them is away; but one that a dead run was at work on."""
    found = scene.facts.rotation
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


def _of_proofs(scene: CaScene) -> Iterator[Finding]:
    """As of a renewal: what an interrupted run left, and what a proof would find wrong already."""
    for state in scene.renewal.control_planes:
        yield from of_record(state)
        if state.name in scene.trust and scene.what_is_left(state.node):
            leaves = [leaf for leaf in scene.leaves_behind(state.node) if leaf in LEAVES]
            yield from of_kubeadm(state, leaves)
            yield from of_proofs(scene.renewal, state, readers_of(scene.authority), leaves)
    yield from of_leaders(scene.renewal)


def _of_files(scene: CaScene) -> Iterator[Finding]:
    """Only what kubeadm has laid out is understood."""
    path = TRUST[scene.authority]
    for node in scene.control_planes:
        trust = scene.trust[node.name]
        if trust.unreached:
            yield refused(node.name, trust.unreached, "look at its sshd and its network")
            continue
        if not node.openssl:
            yield refused(node.name, "it has no openssl: nothing could be proven", "install openssl there")
        if not trust.trusted:
            step = "an external etcd is rotated where it is" if scene.authority is Authority.ETCD else "look at it"
            yield refused(node.name, f"there is no {path}", step)
        elif not trust.signs:
            yield refused(
                node.name, f"the key of {path} is not there", "an external authority is rotated where its key is"
            )
        for flag, file in FLAGS[scene.authority].items():
            found = trust.flags.get(flag, "")
            if not found.endswith(f"/{file}"):
                yield refused(
                    node.name, f"{flag} is {found or 'not there'}, kubeadm has {file}", "this is not understood"
                )


def _of_states(scene: CaScene) -> Iterator[Finding]:
    for node in scene.nodes:
        state = scene.state(node)
        if state in FROM[scene.stage]:
            continue
        step = {
            State.FOREIGN: "look at the file: it has an authority of nobody's rotation",
            State.BROKEN: "put its file and its key back from their halves: docs/ca-rotation.md",
            State.ONLY_NEW: "a rotation has come to its end: begin another one when all nodes have",
        }.get(state, f"run stage={BEFORE[scene.stage]} first")
        yield refused(node.name, f"it is {state}: {scene.stage} goes on from {' or '.join(FROM[scene.stage])}", step)


def _of_the_stage_before(scene: CaScene) -> Iterator[Finding]:
    """It is proven on every node: what is believed was read, and what the API hands out has it."""
    if scene.new is None:
        return  # told by the states
    both = {half.id for half in scene.halves if half}
    step = f"run stage={BEFORE[scene.stage]} again: it goes on where it was"
    for node in scene.nodes:
        if scene.state(node) is not scene.before:
            continue  # it has begun there
        for pod in scene.pods_behind(node):
            yield refused(node.name, f"{pod} has not read what it is to believe", step)
        if scene.kubelet_is_behind(node):
            yield refused(node.name, "its kubelet has not read what it is to believe", step)
        if scene.authority is Authority.CLUSTER:
            for config in node.kubeconfigs:
                if not config.missing and not both <= set(believed_by(node, config.path)):
                    yield refused(f"{node.name}: {config.path}", "it does not believe both", step)
    if scene.stage is Stage.SIGN_WITH_NEW:
        yield from _of_what_is_handed_out(scene, both, step)


def _of_what_is_handed_out(scene: CaScene, both: set[str], step: str) -> Iterator[Finding]:
    api = scene.facts.api
    if scene.authority is Authority.FRONT_PROXY:
        if not both <= set(api.front_proxies):
            yield refused("extension-apiserver-authentication", "aggregated APIs are not told both", step)
        return
    if scene.authority is not Authority.CLUSTER:
        return
    if api.joinable and not both <= set(api.cluster_info):
        yield refused("cluster-info", "nodes that join are not told both", step)
    if not both <= set(api.clients):
        yield refused("extension-apiserver-authentication", "aggregated APIs are not told both", step)
    if behind := [name for name, ids in api.root_cas.items() if not both <= set(ids)]:
        yield refused(
            "kube-root-ca.crt", f"it has not both yet in {listed(behind)}", f"wait for {CONTROLLERS}; or {step}"
        )
    if api.worker and not both <= set(api.worker):
        step = "write a new one there, with both: else this worker locks itself out"
        yield refused("kubernetes.kubeconfig", "the worker's own kubeconfig does not believe both", step)
    if api.old_pods and all(scene.state(node) is scene.before for node in scene.nodes):
        problem = (
            f"{figure(len(api.old_pods))} pods were started before both were handed out: {figure(listed(api.old_pods))}"
        )
        step = "restart them (`kubectl rollout restart`), or say options.old_pods_are_fine=true"
        yield cautioned("pods", problem, step) if scene.options.old_pods_are_fine else refused("pods", problem, step)


def _of_what_is_lost(scene: CaScene) -> Iterator[Finding]:
    """After it, whoever has only something of the old one is out."""
    step = f"run stage={Stage.SIGN_WITH_NEW} again: it goes on where it was"
    for node in scene.nodes:
        if scene.state(node) not in FROM[scene.stage]:
            continue  # told by its state
        for leaf in scene.leaves_behind(node):
            yield refused(f"{node.name}: {leaf}", "it is signed by the old one", step)
        for one in scene.signed_by_it(node):
            if one.name == KUBELET_SERVING and one.signer != scene.signer:
                yield refused(
                    one.label,
                    "it is signed by the old one",
                    "move it away, restart the kubelet, and run cert_rotation, which approves the new request",
                )
    if scene.authority is Authority.SERVICE_ACCOUNTS:
        yield from _of_tokens(scene)
    if scene.authority in {Authority.CLUSTER, Authority.SERVICE_ACCOUNTS} and not scene.options.old_clients_gone:
        what = "tokens" if scene.authority is Authority.SERVICE_ACCOUNTS else "client certificates"
        yield refused(
            scene.authority,
            f"{what} of the old one that people and programs outside of the nodes have cannot be seen from here",
            "make sure that none is in use any more, then say options.old_clients_gone=true",
        )


def _of_tokens(scene: CaScene) -> Iterator[Finding]:
    if tokens := scene.facts.api.old_tokens:
        step = "make them anew, or delete them"
        yield refused("secrets", f"with a token of the old key: {listed(tokens)}", step)
    for node in scene.control_planes:
        since, clock = scene.trust[node.name].signs_since, node.observed_at
        if since and clock and clock - since < scene.options.token_age and scene.state(node) is State.NEW_SIGNS:
            hours = (clock - since).total_seconds() / 3600
            yield refused(
                node.name,
                f"the new key has signed tokens for {figure(f'{hours:.1f} h')}, options.token_age is {scene.options.token_age}",
                "wait: pods get a new token within the hour, and some programs read theirs late",
            )


def _of_bundles(scene: CaScene) -> Iterator[Finding]:
    """`caBundle`s are their owners'; the cluster's authority is rarely in one."""
    if scene.authority is not Authority.CLUSTER or scene.old is None:
        return
    places: dict[str, set[str]] = {}
    for one in scene.facts.rotation.inventory.objects:
        places.setdefault(one.path, set()).add(one.fingerprint)
    new = scene.new.id if scene.new else ""
    for place, ids in places.items():
        if scene.old.id not in ids:
            continue
        if scene.stage is Stage.DROP_OLD:
            yield cautioned(place, "its caBundle still has the old one", "take it out where it is managed")
        elif new not in ids:
            problem = f"its caBundle has the old one, and {'not the new one' if new else 'will need the new one'}"
            step = "add the new one where it is managed, before its server has a certificate of it"
            yield (
                cautioned(place, problem, step) if scene.stage is Stage.TRUST_BOTH else refused(place, problem, step)
            )
