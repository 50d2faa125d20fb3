"""Checks what blocks a patch of these nodes now: problems of the nodes, of the cluster, and of the drains."""

from collections.abc import Iterator
from datetime import timedelta

from tasks.core.commands import LOG_OF_API_SERVER
from tasks.core.models.findings import Finding, cautioned, listed, refused
from tasks.core.models.plan import figure
from tasks.drain.models import FAILED, REASON
from tasks.drain.policy.findings import findings_of_drain
from tasks.etcd.policy.quorum import MOST_LAG, unhealthy_members, why_quorum_needs
from tasks.node_work.policy.blockers import cordon_of_others, what_blocks
from tasks.node_work.policy.controllers import is_alone, who_does_not_lead, who_would_not_go_on
from tasks.node_work.policy.earlier import noted_unhealthy
from tasks.node_work.policy.findings import findings_of_proof
from tasks.node_work.policy.health import API_READY, KNOWN, READY
from tasks.nodes.models.nodes import PackageManager
from tasks.nodes.policy.standing import nodes_that_may_be_away
from tasks.os_patch.models.packages import Scope
from tasks.os_patch.policy.intent import ASK_AGAIN
from tasks.os_patch.policy.proof import WELL
from tasks.os_patch.policy.reboots import is_kernel, why_pinned
from tasks.os_patch.policy.scope import PATCH_JOBS, PatchScene, PatchState

OK = "200"
CLOCK_LIMIT = timedelta(seconds=30)
WAIT = "wait until it is over, then run it again"


def rules_of_input(scene: PatchScene) -> Iterator[Finding]:
    """Yields findings for parameters that make no sense for this cluster."""
    known = {node.name for node in scene.nodes}
    if unknown := [name for name in scene.options.nodes if name not in known]:
        yield refused("--nodes", f"not in the profile: {listed(unknown)}", f"known are {listed(sorted(known))}")
    for node in scene.nodes:
        if node.selected and node.kube is None and not node.unreached:
            yield refused(
                node.name, "no Node object with this name", "correct nodes: of the profile; names are the API's"
            )
    if strange := [node.name for node in scene.facts.nodes if node.name not in known]:
        yield cautioned("nodes", f"not in the profile, and not patched: {listed(strange)}", "add them to nodes:")


def rules_of_machines(scene: PatchScene) -> Iterator[Finding]:
    """Yields findings for every selected node, also for one that cannot report if it has work to do."""
    for node in scene.nodes:
        if not node.selected:
            continue
        if node.unreached:
            yield _of_silence(node)
            continue
        yield from (refused(node.name, f"not known: {said}", ASK_AGAIN) for said in node.patch.unseen)
        yield from _packages(node, scene.options.scope, repair=scene.options.repair)
        if node.is_pending:
            yield from _machine(node)
            yield from _proof(scene, node)


def _of_silence(node: PatchState) -> Finding:
    failed = node.kube.annotations.get(FAILED) if node.kube else None
    before = f"; an earlier run left it cordoned: {failed}" if failed else ""
    return refused(
        node.name,
        f"{node.unreached}{before}",
        "check its console; once it is back, run it again: it resumes",
    )


def _packages(node: PatchState, scope: Scope, *, repair: bool) -> Iterator[Finding]:
    updates = node.patch.updates
    at_work = any(job.startswith(PATCH_JOBS) for job in node.machine.jobs)
    if scope is Scope.NONE:
        pass
    elif updates.manager is PackageManager.NONE:
        yield refused(node.name, "it has neither apt nor dnf nor zypper", "leave it out of --nodes")
    elif updates.manager is not PackageManager.APT:
        yield cautioned(node.name, f"{updates.manager}: not proven end to end, apt is", "try it on one worker first")
    if at_work:
        return
    if updates.broken and not repair:
        told = listed(list(updates.broken))
        yield refused(
            node.name,
            f"not wholly installed, for example by a power cut: {told}",
            "check `dpkg --audit`; `kube-runbooks run node-os-patch CLUSTER --repair` repairs it",
        )
    elif updates.broken:
        yield cautioned(node.name, f"not wholly installed: {listed(list(updates.broken))}", "--repair finishes it")
    elif updates.problem:
        yield refused(node.name, f"what would change is not known: {updates.problem}", updates.repair)
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
        told = figure(f"{node.patch.updates.locked_by} has the package manager's lock")
        yield cautioned(node.name, told, "it is waited for")
    yield from _kernel(node)
    if node.patch.reboot_unknown:
        told = f"whether it needs a reboot is not known: {node.patch.reboot_unknown}"
        yield cautioned(node.name, told, "only kernels and the packages of this run are checked")
    for blocked in node.patch.inhibitors if node.reboot else ():
        yield cautioned(
            node.name, figure(f"a shutdown is blocked now: {blocked}"), "it is checked again before the reboot"
        )
    if node.begun and node.kube and (failed := node.kube.annotations.get(FAILED)):
        yield cautioned(node.name, f"an earlier run left it cordoned: {failed}", "make sure that the reason is gone")
    if abs(node.machine.clock_offset) > CLOCK_LIMIT:
        away = node.machine.clock_offset.total_seconds()
        yield refused(node.name, f"its clock is {figure(f'{away:.0f} s')} off the worker's", "check `timedatectl`")
    elif node.patch.clock_synced is False:
        yield cautioned(node.name, "its clock is not in sync with a time service", "check `timedatectl`")
    if node.patch.failed_units:
        yield cautioned(node.name, f"failed already: {listed(list(node.patch.failed_units))}", "`systemctl --failed`")


def _kernel(node: PatchState) -> Iterator[Finding]:
    """Yields which kernel a reboot starts, if that is not simply the newest one."""
    patch = node.patch
    if pinned := why_pinned(patch):
        yield cautioned(node.name, pinned, "it is not rebooted for that; check GRUB_DEFAULT in /etc/default/grub")
    elif node.reboot and not patch.default_kernel and patch.newest_kernel and _brings_kernel(node):
        yield cautioned(
            node.name,
            "which kernel its boot loader starts by default is not known",
            "the proof asks for another boot, not for the newest kernel; the report has the one that runs",
        )


def _brings_kernel(node: PatchState) -> bool:
    return node.patch.kernel != node.patch.newest_kernel or any(is_kernel(one) for one in node.changes)


def _proof(scene: PatchScene, node: PatchState) -> Iterator[Finding]:
    """Yields what the proof would find wrong before any change. Other rules check a part of it themselves."""
    found = [one for one in scene.facts.symptoms.get(node.name, ()) if one.of not in {KNOWN, READY, API_READY}]
    known = noted_unhealthy(node.kube.annotations) or () if node.begun and node.kube else None
    yield from findings_of_proof(node.name, found, grave_stops=not (node.begun or scene.urgent), known=known)
    if node.patch.system_state not in WELL:
        yield cautioned(
            node.name, f"already before: systemd says {node.patch.system_state or 'nothing'}", "`systemctl list-jobs`"
        )


def rules_of_cluster(scene: PatchScene) -> Iterator[Finding]:
    """Yields findings about blockers, quorum, API servers, and the site's own gates."""
    begun = [node.name for node in scene.pending if node.begun]
    facts = scene.facts
    rollouts = [one.model_copy(update={"rollout": figure(one.rollout)}) for one in facts.workloads if one.rollout]
    nodes = [one.model_copy(update={"ready_message": figure(one.ready_message)}) for one in facts.nodes]
    for said in what_blocks(nodes, rollouts, facts.alerts, begun, allow_cordoned=scene.options.allow_cordoned):
        yield (
            cautioned("blocker", said, "it may be why this is urgent")
            if scene.urgent
            else refused("blocker", said, WAIT)
        )
    if scene.options.allow_cordoned:
        for other in filter(None, map(cordon_of_others, facts.nodes)):
            yield cautioned("blocker", other.text, "this run allows it; the node stays cordoned")
    for said in facts.gates:
        yield refused("gates", said, "wait until it lets the run go on, or change gates: of the profile")
    yield from _api_servers(scene)
    yield from _controllers(scene)
    yield from _etcd(scene)


def _api_servers(scene: PatchScene) -> Iterator[Finding]:
    for node in scene.control_planes:
        if not node.unreached and not node.begun and node.machine.api_ready != OK:
            yield refused(
                node.name,
                f"its API server's /readyz answers {node.machine.api_ready or 'nothing'}",
                LOG_OF_API_SERVER,
            )
    disturbed = [node for node in scene.pending if node.is_control_plane and node.is_disturbed]
    if len(scene.control_planes) == 1 and disturbed:
        problem = "the only control plane node: the API does not answer while it reboots"
        if scene.options.allow_downtime:
            yield cautioned(disturbed[0].name, problem, "--allow-downtime allows it")
        else:
            yield refused(disturbed[0].name, problem, "add --allow-downtime during an acceptable window")


def _controllers(scene: PatchScene) -> Iterator[Finding]:
    """Checks that pods are scheduled and reconciled while a control plane node is away.

    A single control plane node is a different case.
    """
    names = [node.name for node in scene.control_planes]
    disturbed = [node.name for node in scene.control_planes if node in scene.pending and node.is_disturbed]
    if len(names) == 1 or not disturbed:
        return
    out = nodes_that_may_be_away(scene.facts.nodes, ours=[node.name for node in scene.nodes if node.begun])
    found = [("control plane", said) for said in who_does_not_lead(scene.facts.controllers)]
    for name in disturbed:
        others = [other for other in names if other != name]
        found += [(name, said) for said in who_would_not_go_on(scene.facts.controllers, others, out=out)]
    under_way = any(node.begun for node in scene.control_planes)
    alone = {one for one in names if is_alone([name for name in names if name != one], out)}
    for subject, said in found:
        if under_way:
            yield cautioned(
                subject,
                said,
                "a patch is under way, which may be why: it is checked again before each act",
                lasting=said.partition(":")[0],
            )
        elif subject in alone and scene.options.allow_downtime:
            yield cautioned(subject, said, "--allow-downtime allows it")
        else:
            yield refused(subject, said, "repair it first: `kubectl -n kube-system get pods,leases`, and its log")


def _etcd(scene: PatchScene) -> Iterator[Finding]:
    members = scene.facts.etcd.members
    begun = {node.member.id for node in scene.nodes if node.begun and node.member}
    ill = unhealthy_members(members, besides=begun)
    for one, ails in ill:
        yield refused(one.label, ails.text, "repair it first: quorum needs it while another member restarts")
    for one in members:
        if one.status and one.status.raft_lag > MOST_LAG and any(node.is_control_plane for node in scene.pending):
            problem = f"it is more than {MOST_LAG} entries behind"
            yield cautioned(one.label, problem, "the proof of each control plane node waits for it")
    if ill or sum(not one.learner for one in members) == 1:
        return
    for node in scene.pending:
        if node.member and node.is_disturbed and (kept := why_quorum_needs(node.member, members)):
            yield refused(node.name, kept.text, "join another control plane node first")


def rules_of_drains(scene: PatchScene) -> Iterator[Finding]:
    """Yields findings for the nodes whose pods are evicted."""
    for node in scene.pending:
        if node.is_disturbed:
            yield from findings_of_drain(node.name, node.forecast)
