"""What speaks against a patch of these nodes now: of the machines, of the cluster, and of the drains."""

from collections.abc import Iterator
from datetime import timedelta

from tasks.models.drain import FAILED, REASON
from tasks.models.nodes import PackageManager
from tasks.models.patch import Scope
from tasks.models.plan import figure
from tasks.policy.blockers import cordon_of_others, what_blocks
from tasks.policy.findings import Finding, cautioned, findings_of_drain, listed, refused
from tasks.policy.patch_scope import PATCH_JOBS, PatchScene, PatchState
from tasks.policy.quorum import what_ails, what_keeps_it

OK = "200"
CLOCK_LIMIT = timedelta(seconds=30)
WAIT = "wait until it is over, then run it again"


def rules_of_input(scene: PatchScene) -> Iterator[Finding]:
    """What was asked for makes no sense for this cluster."""
    known = {node.name for node in scene.nodes}
    if unknown := [name for name in scene.options.nodes if name not in known]:
        yield refused("options.nodes", f"not in the profile: {listed(unknown)}", f"known are {listed(sorted(known))}")
    for node in scene.nodes:
        if node.selected and node.kube is None and not node.unreached:
            yield refused(node.name, "the API does not know it", "correct nodes: of the profile; names are the API's")
    if strange := [node.name for node in scene.facts.nodes if node.name not in known]:
        yield cautioned("nodes", f"not in the profile, and not patched: {listed(strange)}", "add them to nodes:")


def rules_of_machines(scene: PatchScene) -> Iterator[Finding]:
    """Of every machine that was asked for: also one that cannot say whether it has something to do."""
    for node in scene.nodes:
        if not node.selected:
            continue
        if node.unreached:
            yield _of_silence(node)
            continue
        yield from _packages(node, scene.options.scope, repair=scene.options.repair)
        if node.is_pending:
            yield from _machine(node)


def _of_silence(node: PatchState) -> Finding:
    failed = node.kube.annotations.get(FAILED) if node.kube else None
    before = f"; an earlier run left it cordoned: {failed}" if failed else ""
    return refused(
        node.name,
        f"{node.unreached}{before}",
        "look at its console; once it is back, run it again: it is gone on with",
    )


def _packages(node: PatchState, scope: Scope, *, repair: bool) -> Iterator[Finding]:
    updates = node.patch.updates
    at_work = any(job.startswith(PATCH_JOBS) for job in node.machine.jobs)
    if scope is Scope.NONE:
        pass
    elif updates.manager is PackageManager.NONE:
        yield refused(node.name, "it has neither apt nor dnf nor zypper", "leave it out of options.nodes")
    elif updates.manager is not PackageManager.APT:
        yield cautioned(node.name, f"{updates.manager}: not proven end to end, apt is", "try it on one worker first")
    if at_work:
        return
    if updates.broken and not repair:
        told = listed(list(updates.broken))
        yield refused(
            node.name,
            f"not wholly installed, for example by a power cut: {told}",
            "look at `dpkg --audit`; node_os_patch with options.repair=true ends it by `dpkg --configure -a`",
        )
    elif updates.broken:
        yield cautioned(node.name, f"not wholly installed: {listed(list(updates.broken))}", "options.repair ends it")
    elif updates.problem:
        yield refused(node.name, f"what would change is not known: {updates.problem}", "look at its repositories")
    if updates.removals:
        yield refused(node.name, f"would be removed: {listed(list(updates.removals))}", "do this by hand")


def _machine(node: PatchState) -> Iterator[Finding]:
    others = [job for job in node.machine.jobs if not job.startswith(PATCH_JOBS)]
    if others:
        yield refused(node.name, f"jobs of another runbook run there: {listed(others)}", WAIT)
    if node.left_by_another and node.kube:
        reason = node.kube.annotations.get(FAILED) or node.kube.annotations.get(REASON, "no reason is known")
        yield refused(node.name, f"another runbook has it out of service: {reason}", "end that one first")
    if node.patch.updates.locked_by:
        who, process, number = node.patch.updates.locked_by.partition(" (process ")
        yield cautioned(
            node.name, f"{who}{figure(process + number)} has the package manager's lock", "it is waited for"
        )
    for blocked in node.patch.inhibitors if node.reboot else ():
        yield cautioned(
            node.name, f"a shutdown is blocked now: {figure(blocked)}", "it is looked at again before the reboot"
        )
    if node.begun and node.kube and (failed := node.kube.annotations.get(FAILED)):
        yield cautioned(node.name, f"an earlier run left it cordoned: {failed}", "make sure that the reason is gone")
    if abs(node.machine.clock_offset) > CLOCK_LIMIT:
        away = node.machine.clock_offset.total_seconds()
        yield refused(node.name, f"its clock is {figure(f'{away:.0f} s')} off the worker's", "look at `timedatectl`")
    elif node.patch.clock_synced is False:
        yield cautioned(node.name, "its clock is not in sync with a time service", "look at `timedatectl`")
    if node.patch.failed_units:
        yield cautioned(node.name, f"failed already: {listed(list(node.patch.failed_units))}", "`systemctl --failed`")


def rules_of_cluster(scene: PatchScene) -> Iterator[Finding]:
    """Blockers, quorum, API servers, and the site's own gates."""
    begun = [node.name for node in scene.pending if node.begun]
    facts = scene.facts
    rollouts = [one.model_copy(update={"rollout": figure(one.rollout)}) for one in facts.workloads if one.rollout]
    for said in what_blocks(facts.nodes, rollouts, facts.alerts, begun, allow_cordoned=scene.options.allow_cordoned):
        yield (
            cautioned("blocker", said, "it may be why this is urgent")
            if scene.urgent
            else refused("blocker", said, WAIT)
        )
    if scene.options.allow_cordoned:
        for said in filter(None, map(cordon_of_others, facts.nodes)):
            yield cautioned("blocker", said, "options.allow_cordoned says that this is fine; it stays cordoned")
    for said in facts.gates:
        yield refused("gates", said, "wait until it lets the run go on, or change gates: of the profile")
    yield from _api_servers(scene)
    yield from _etcd(scene)


def _api_servers(scene: PatchScene) -> Iterator[Finding]:
    for node in scene.control_planes:
        if not node.unreached and not node.begun and node.machine.api_ready != OK:
            yield refused(
                node.name, f"its API server's /readyz answers {node.machine.api_ready or 'nothing'}", "look at it"
            )
    disturbed = [node for node in scene.pending if node.is_control_plane and node.is_disturbed]
    if len(scene.control_planes) == 1 and disturbed:
        problem = "the only control plane node: the API is away while it is rebooted"
        if scene.options.allow_downtime:
            yield cautioned(disturbed[0].name, problem, "options.allow_downtime says that this is fine")
        else:
            yield refused(disturbed[0].name, problem, "say options.allow_downtime=true at a time when that is fine")


def _etcd(scene: PatchScene) -> Iterator[Finding]:
    members = scene.facts.etcd.members
    begun = {node.member.id for node in scene.nodes if node.begun and node.member}
    ill = [one for one in members if what_ails(one) and one.id not in begun]
    for one in ill:
        yield refused(one.label, what_ails(one), "repair it first: while another one restarts it is needed")
    if ill or sum(not one.learner for one in members) == 1:
        return
    for node in scene.pending:
        if node.member and node.is_disturbed and (kept := what_keeps_it(node.member, members)):
            yield refused(node.name, kept, "join another control plane node first")


def rules_of_drains(scene: PatchScene) -> Iterator[Finding]:
    """Of the nodes whose pods are evicted."""
    for node in scene.pending:
        if node.is_disturbed:
            yield from findings_of_drain(node.name, node.forecast)
