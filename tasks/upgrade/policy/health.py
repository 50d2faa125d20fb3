"""What is wrong with a cluster now: nothing is taken away from one that is not well."""

from collections.abc import Iterator
from datetime import timedelta

from tasks.core.models.etcd import Member
from tasks.core.models.findings import Finding, cautioned, refused
from tasks.core.models.plan import figure
from tasks.drain.models import CORDONED_BY, FAILED
from tasks.drain.policy.findings import findings_of_drain
from tasks.etcd.policy.health import ALARM_STEP
from tasks.etcd.policy.quorum import MOST_LAG, unhealthy_members, why_quorum_needs
from tasks.node_work.policy.controllers import is_alone, who_does_not_lead, who_would_not_go_on
from tasks.node_work.policy.earlier import known_before
from tasks.node_work.policy.findings import findings_of_proof
from tasks.node_work.policy.health import API_READY, KNOWN, READY
from tasks.nodes.models.nodes import KubeNode
from tasks.nodes.policy.standing import nodes_that_may_be_away
from tasks.upgrade.policy.scope import ADDONS, PARTS, NodeState, Scene, cordon_of_another_runbook

OK = "200"
NO_ANSWER = {"", "000"}
"""As curl writes it."""

SYSTEM = "kube-system/"
PRESSURES = {"MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable"}
UNDER_WAY = "an upgrade is under way, which may be why: this run goes on with it"
STALE = timedelta(seconds=90)
"""Kubelets renew their lease every 10 s, and a node is NotReady after 50 s without; clocks may differ by some."""


def rules_of_health(scene: Scene) -> Iterator[Finding]:
    """Nodes, API servers, etcd, kube-system, webhooks and drains."""
    for node in scene.nodes:
        yield from _node(scene, node)
        yield from _api_server(node)
    yield from _etcd(scene)
    yield from _downtime(scene)
    yield from _controllers(scene)
    yield from _system(scene)
    yield from _apis(scene)
    yield from _webhooks(scene)
    yield from _addons(scene)
    for node in scene.nodes:
        yield from _proof(scene, node) if node.is_due else _stale_pods(scene, node)
    for said in scene.facts.gates:
        yield refused("gates", said, "wait until it lets the run go on, or change gates: of the profile")
    for node in scene.drained:
        forecast = next((one for one in scene.facts.api.forecasts if one.node == node.name), None)
        yield from findings_of_drain(node.name, forecast)


def _ill(node: NodeState, problem: str, next_step: str) -> Finding:
    """Refused, unless its own upgrade is under way, or it is a worker that this run leaves alone."""
    if node.begun:
        return cautioned(node.name, problem, UNDER_WAY)
    if not node.selected and not node.is_control_plane:
        return cautioned(node.name, problem, next_step)
    return refused(node.name, problem, next_step)


def _node(scene: Scene, node: NodeState) -> Iterator[Finding]:
    kube = node.kube
    if kube is None:
        return
    if not kube.ready:
        told = figure(f": {kube.ready_message}") if kube.ready_message else ""
        yield _ill(node, f"it is not Ready{told}", "look at its kubelet (`journalctl -u kubelet`)")
    elif (age := _age_of_heartbeat(scene, kube)) > STALE:
        problem = f"its last heartbeat is {figure(f'{age.total_seconds():.0f} s')} old, although it is called Ready"
        yield _ill(node, problem, "look at its kubelet, and at the controller manager, which should have seen it")
    if kube.pressures:
        yield _ill(node, f"it reports {', '.join(kube.pressures)}", "look at its disk, its memory and its network")
    if others := cordon_of_another_runbook(kube):
        yield _ill(node, f"another runbook has it out of service: {others}", "let that run end, or run it again")
    elif failed := kube.annotations.get(FAILED):
        yield cautioned(node.name, f"an earlier run left it cordoned: {failed}", "make sure that the reason is gone")
    elif kube.cordoned and CORDONED_BY not in kube.annotations:
        quorum = ", and counts as away when quorum is counted" if node.is_control_plane and scene.is_stacked else ""
        yield cautioned(
            node.name, f"somebody has cordoned it: it stays cordoned{quorum}", f"`kubectl uncordon {node.name}`"
        )


def _age_of_heartbeat(scene: Scene, kube: KubeNode) -> timedelta:
    return scene.facts.api.observed_at - kube.heartbeat if kube.heartbeat else timedelta()


def _api_server(node: NodeState) -> Iterator[Finding]:
    if node.is_control_plane and not node.machine.unreached and node.machine.api_ready != OK:
        answer = node.machine.api_ready
        told = "no answer" if answer in NO_ANSWER else f"HTTP {answer}"
        yield _ill(node, f"its own API server's /readyz: {figure(told)}", "look at it: `crictl ps -a`, and its log")


# --- etcd


def _etcd(scene: Scene) -> Iterator[Finding]:
    members = scene.facts.etcd.members
    if not members:
        yield refused(
            "etcd", "no members are known", "look at the manifests of etcd and at etcd.endpoints of the profile"
        )
        return
    ill = unhealthy_members(members)
    for member, ails in ill:
        yield _ill_member(scene, member, ails.text, "repair it first: while another one restarts it is needed")
    for member in members:
        alarms = [alarm for alarm in (member.status.alarms if member.status else ()) if alarm != "CORRUPT"]
        if alarms:
            yield refused(member.label, f"alarm {' and '.join(alarms)}", ALARM_STEP)
        if member.status and member.status.raft_lag > MOST_LAG:
            problem = f"it is more than {MOST_LAG} entries behind"
            yield cautioned(member.label, problem, "the proof of each control plane node waits for it")
    if not any(member.status and member.status.is_leader for member in members):
        yield refused("etcd", "no member that answers leads", "look at the members and the network between them")
    if not ill:
        yield from _quorum(scene)


def _ill_member(scene: Scene, member: Member, problem: str, next_step: str) -> Finding:
    node = scene.node_of(member)
    if node and node.begun:
        return cautioned(member.label, problem, UNDER_WAY, lasting="it is not healthy")
    return refused(member.label, problem, next_step)


def _quorum(scene: Scene) -> Iterator[Finding]:
    """All are healthy; are there enough of them? A single one is another question."""
    members = scene.facts.etcd.members
    leaving = [node for node in scene.control_planes if node.is_due and node.needs_kubeadm]
    if not scene.is_stacked or sum(not member.learner for member in members) == 1:
        return
    for node in leaving:
        if node.member and (why := why_quorum_needs(node.member, members)):
            yield refused(node.name, why.text, "join another control plane node first")


def _downtime(scene: Scene) -> Iterator[Finding]:
    control_planes = scene.control_planes
    if len(control_planes) > 1 or not any(node.is_due and node.needs_kubeadm for node in control_planes):
        return
    problem = "the only control plane node: API, scheduler and controller manager are away while it is upgraded"
    if scene.options.allow_downtime:
        yield cautioned(control_planes[0].name, problem, "options.allow_downtime says that this is fine")
    else:
        yield refused(control_planes[0].name, problem, "say options.allow_downtime=true at a time when that is fine")


def _controllers(scene: Scene) -> Iterator[Finding]:
    """Somebody has to schedule and reconcile while one of them is away; a single control plane node is another question."""
    names = [node.name for node in scene.control_planes]
    if len(names) == 1:
        return
    seen = scene.facts.controllers
    begun = [node.name for node in scene.nodes if node.begun]
    out = nodes_that_may_be_away(scene.facts.api.nodes, ours=begun)
    found = [("control plane", problem) for problem in who_does_not_lead(seen)]
    found += [
        (node.name, problem)
        for node in scene.control_planes
        if node.is_due and (node.needs_kubeadm or node.needs_kubelet)
        for problem in who_would_not_go_on(seen, [name for name in names if name != node.name], out=out)
    ]
    alone = {one for one in names if is_alone([name for name in names if name != one], out)}
    for subject, problem in found:
        if scene.is_under_way:
            yield cautioned(subject, problem, UNDER_WAY, lasting=problem.partition(":")[0])
        elif subject in alone and scene.options.allow_downtime:
            yield cautioned(
                subject, problem, "options.allow_downtime says that this is fine", lasting=problem.partition(":")[0]
            )
        else:
            yield refused(subject, problem, "repair it first: `kubectl -n kube-system get pods,leases`, and its log")


# --- what runs in the cluster


def _system(scene: Scene) -> Iterator[Finding]:
    found = [
        (one.name, f"{one.kind} with {figure(f'{one.ready} of {one.desired}')} pods ready", "look at its pods")
        for one in scene.facts.api.workloads
        if one.name.startswith(SYSTEM) and one.ready < one.desired
    ]
    found += [
        (
            pod.partition(" ")[0],
            f"the pod {pod.partition(' ')[0]}{figure(pod.removeprefix(pod.partition(' ')[0]))} is not ready",
            "look at it",
        )
        for pod in scene.facts.api.pods_not_ready
    ]
    for subject, problem, next_step in found:
        yield cautioned(subject, problem, UNDER_WAY) if scene.is_under_way else refused(subject, problem, next_step)


def _addons(scene: Scene) -> Iterator[Finding]:
    for one in scene.facts.api.workloads:
        if one.name in ADDONS and one.by_hand:
            yield cautioned(
                one.name,
                "its pods are replaced only by hand (OnDelete, or paused): they keep the old version, and no proof checks them",
                "delete its pods after the upgrade, or resume it",
            )


def _proof(scene: Scene, node: NodeState) -> Iterator[Finding]:
    """What the proof asks, and would find wrong before anything is done; what other rules ask themselves is not said twice."""
    others = {KNOWN, READY, API_READY, *PRESSURES}
    found = [
        one
        for one in scene.symptoms_of(node)
        if one.of not in others and not one.of.startswith(("unit ", "kubelet v")) and SYSTEM not in one.of
    ]
    known = known_before(node.kube) if node.kube else None
    yield from findings_of_proof(node.name, found, grave_stops=not node.begun, known=known)


def _stale_pods(scene: Scene, node: NodeState) -> Iterator[Finding]:
    """Of a node whose manifests are the target's: its containers may be older, and a skip would hide them."""
    for one in scene.symptoms_of(node):
        if one.of.startswith(PARTS):
            yield cautioned(node.name, one.problem, "its kubelet did not take the manifest up: `journalctl -u kubelet`")


def _apis(scene: Scene) -> Iterator[Finding]:
    for name, reason in sorted(scene.facts.api.unavailable_apis.items()):
        problem = f"the APIService is not available{figure(f': {reason}')}"
        if scene.is_under_way:
            yield cautioned(name, problem, UNDER_WAY)
        else:
            yield refused(name, problem, "repair its backend, or delete the APIService if nobody needs it")


def _webhooks(scene: Scene) -> Iterator[Finding]:
    drained = {node.name for node in scene.drained}
    for hook in scene.facts.api.webhooks:
        backends = set(hook.backends)
        if not backends and not hook.service.startswith("https://"):
            yield cautioned(
                hook.name,
                f"no pod of {hook.service} is ready, and its failurePolicy is Fail: what it judges is refused now",
                "repair it: pods that are evicted may not come back",
            )
        elif len(backends) == 1 and backends <= drained:
            (only,) = backends
            yield cautioned(
                hook.name,
                f"all ready pods of {hook.service} are on {only}, and its failurePolicy is Fail: while {only} is drained "
                "what it judges is refused",
                "run a second pod on another node",
            )
