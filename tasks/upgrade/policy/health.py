"""Checks what is wrong with a cluster now. Nothing is taken away from an unhealthy cluster."""

from collections.abc import Iterator
from datetime import timedelta

from tasks.core.models.etcd import Member
from tasks.core.models.findings import Finding, cautioned, refused
from tasks.core.models.plan import figure
from tasks.core.words import duration_in_words
from tasks.drain.models import CORDONED_BY, FAILED
from tasks.drain.policy.findings import findings_of_drain
from tasks.etcd.policy.health import ALARM_STEP
from tasks.etcd.policy.quorum import MOST_LAG, unhealthy_members, why_quorum_needs
from tasks.node_work.policy.controllers import is_alone, who_does_not_lead, who_would_not_go_on
from tasks.node_work.policy.earlier import known_before
from tasks.node_work.policy.findings import findings_of_proof
from tasks.node_work.policy.health import API_READY, KNOWN, READY, RUNTIME
from tasks.nodes.models.nodes import KubeNode
from tasks.nodes.policy.standing import nodes_that_may_be_away
from tasks.upgrade.policy.scope import ADDONS, PARTS, NodeState, Scene, cordon_of_another_runbook

OK = "200"
NO_ANSWER = {"", "000"}
"""Lists the values that stand for no answer, as curl writes them."""

SYSTEM = "kube-system/"
PRESSURES = {"MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable"}
UNDER_WAY = "an upgrade is under way, which may be why: this run resumes it"
STALE = timedelta(seconds=90)
"""Limits the age of a heartbeat.

Kubelets renew their Lease every 10 s, and a node is NotReady after 50 s without a renewal. The clocks may
differ by some seconds.
"""


def rules_of_health(scene: Scene) -> Iterator[Finding]:
    """Yields findings about nodes, API servers, etcd, kube-system, webhooks and drains."""
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


def problems_that_may_pass(scene: Scene) -> tuple[Finding, ...]:
    """Returns the findings about what is often over within seconds: an election, a new lease, a pod that starts.

    An alarm of etcd stays until a person acts.
    """
    if any(member.status and member.status.alarms for member in scene.facts.etcd.members):
        return ()
    ready = (one for node in scene.nodes for one in _api_server(node))
    return (*ready, *_unhealthy_etcd(scene), *_controllers(scene), *_system(scene))


def _ill(node: NodeState, problem: str, next_step: str) -> Finding:
    """Returns a refusal for the node.

    It is a caution if the node's own upgrade is under way, or if this run leaves the worker alone.
    """
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
        yield _ill(node, f"it is not Ready{told}", "check its kubelet (`journalctl -u kubelet`)")
    elif (age := _age_of_heartbeat(scene, kube)) > STALE:
        problem = f"its last heartbeat is {figure(duration_in_words(age))} old, although it is called Ready"
        yield _ill(node, problem, "check its kubelet, and the controller manager, which should have noticed")
    if kube.pressures:
        yield _ill(node, f"it reports {', '.join(kube.pressures)}", "check its disk, its memory and its network")
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
        yield _ill(node, f"its own API server's /readyz: {figure(told)}", "check `crictl ps -a` and its log")


# --- etcd


def _etcd(scene: Scene) -> Iterator[Finding]:
    members = scene.facts.etcd.members
    if not members:
        yield refused("etcd", "no members are known", "check the manifests of etcd and etcd.endpoints of the profile")
        return
    yield from _unhealthy_etcd(scene)
    for member in members:
        alarms = [alarm for alarm in (member.status.alarms if member.status else ()) if alarm != "CORRUPT"]
        if alarms:
            yield refused(member.label, f"alarm {' and '.join(alarms)}", ALARM_STEP)
        if member.status and member.status.raft_lag > MOST_LAG:
            problem = f"it is more than {MOST_LAG} entries behind"
            yield cautioned(member.label, problem, "the proof of each control plane node waits for it")
    if not unhealthy_members(members):
        yield from _quorum(scene)


def _unhealthy_etcd(scene: Scene) -> Iterator[Finding]:
    members = scene.facts.etcd.members
    for member, ails in unhealthy_members(members):
        yield _ill_member(scene, member, ails.text, "repair it first: quorum needs it while another member restarts")
    if not any(member.status and member.status.is_leader for member in members):
        yield refused("etcd", "no member that answers leads", "check the members and the network between them")


def _ill_member(scene: Scene, member: Member, problem: str, next_step: str) -> Finding:
    node = scene.node_of(member)
    if node and node.begun:
        return cautioned(member.label, problem, UNDER_WAY, lasting="it is not healthy")
    return refused(member.label, problem, next_step)


def _quorum(scene: Scene) -> Iterator[Finding]:
    """Checks if there are enough members for quorum when all are healthy. A single member is a different case."""
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
    problem = "the only control plane node: API server, scheduler and controller manager stop during its upgrade"
    if scene.options.allow_downtime:
        yield cautioned(control_planes[0].name, problem, "--allow-downtime allows it")
    else:
        yield refused(control_planes[0].name, problem, "add --allow-downtime during an acceptable window")


def _controllers(scene: Scene) -> Iterator[Finding]:
    """Checks that another node schedules and reconciles while one of them is away.

    A single control plane node is a different case.
    """
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
            yield cautioned(subject, problem, "--allow-downtime allows it", lasting=problem.partition(":")[0])
        else:
            yield refused(subject, problem, "repair it first: `kubectl -n kube-system get pods,leases`, and its log")


# --- what runs in the cluster


def _system(scene: Scene) -> Iterator[Finding]:
    found = [
        (one.name, f"{one.kind} with {figure(f'{one.ready} of {one.desired}')} pods ready", "check its pods")
        for one in scene.facts.api.workloads
        if one.name.startswith(SYSTEM) and one.ready < one.desired
    ]
    found += [
        (
            pod.partition(" ")[0],
            f"the pod {pod.partition(' ')[0]}{figure(pod.removeprefix(pod.partition(' ')[0]))} is not ready",
            _describe(pod.partition(" ")[0]),
        )
        for pod in scene.facts.api.pods_not_ready
    ]
    for subject, problem, next_step in found:
        yield cautioned(subject, problem, UNDER_WAY) if scene.is_under_way else refused(subject, problem, next_step)


def _describe(pod: str) -> str:
    namespace, _, name = pod.partition("/")
    return f"`kubectl -n {namespace} describe pod {name}`"


def _addons(scene: Scene) -> Iterator[Finding]:
    for one in scene.facts.api.workloads:
        if one.name in ADDONS and one.by_hand:
            yield cautioned(
                one.name,
                "its pods are replaced only by hand (OnDelete, or paused): they keep the old version, and no proof checks them",
                "delete its pods after the upgrade, or resume it",
            )


def _proof(scene: Scene, node: NodeState) -> Iterator[Finding]:
    """Yields what the proof would find wrong before any change. Findings of other rules are not repeated."""
    others = {KNOWN, READY, API_READY, RUNTIME, *PRESSURES}
    found = [
        one
        for one in scene.symptoms_of(node)
        if one.of not in others and not one.of.startswith(("unit ", "kubelet v")) and SYSTEM not in one.of
    ]
    known = known_before(node.kube) if node.kube else None
    yield from findings_of_proof(node.name, found, grave_stops=not node.begun, known=known)


def _stale_pods(scene: Scene, node: NodeState) -> Iterator[Finding]:
    """Yields cautions for a node that already has the target's manifests.

    Its containers may be older, and a skip would hide them.
    """
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
