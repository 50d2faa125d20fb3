"""The first lines of a report: where the backup is, how long it took, what was proven, what was not."""

from collections.abc import Mapping, Sequence

from tasks.models.backups import Backup, BackupProof, Drill, Freshness, Pki, Swept
from tasks.models.ca_rotation import CaRotationPlan, NodeStaged, Published, Stage
from tasks.models.certificates import Inventory
from tasks.models.drain import Drained
from tasks.models.etcd import EtcdFacts
from tasks.models.issue import IssuedAll, IssuePlan
from tasks.models.maintenance import Defragmented, Disarmed, MaintenancePlan
from tasks.models.node_service import Request, Uncordoned
from tasks.models.patch import NodePatched, PatchPlan, Waits
from tasks.models.plan import Plan, Skip
from tasks.models.restore import Ended, Recovered, Restored, RestorePlan, RolledBack
from tasks.models.retention import RetentionDecision
from tasks.models.rotation import Approved, NodeRotated, RotationPlan, RotationProof
from tasks.models.upgrade import NodeUpgraded, Upgraded, UpgradePlan


def summarize_backup(
    backup: Backup, place: str, proof: BackupProof, swept: Swept, kept: RetentionDecision
) -> tuple[str, ...]:
    """For the report of a backup."""
    taken, read_back = backup.snapshot, backup.read_back
    seconds = taken.took.total_seconds()
    return (
        f"backup {backup.id} in {place}",
        f"member {taken.member} by route {taken.route}: {taken.plain.size} bytes, stored as {taken.stored.size}, "
        f"in {seconds:.1f} s ({taken.plain.size / 1e6 / max(seconds, 0.001):.0f} MB/s)",
        f"proven: etcd's own sha256 trailer of all {taken.plain.size} bytes, recomputed",
        f"proven: the stored object, read back whole in {read_back.took.total_seconds():.1f} s, "
        f"has sha256 {read_back.stored.sha256}",
        _drill_line(backup.drill),
        *_pki_lines(backup.pki),
        f"proven: made by this flow run, {proof.flow_run}; snapshot taken at {proof.taken_at:%Y-%m-%d %H:%M:%S} UTC",
        f"retention: {len(kept.kept)} kept, {len(kept.removed)} removed",
        *_left_lines((*swept.left, *kept.left)),
    )


def _left_lines(left: Sequence[Skip]) -> tuple[str, ...]:
    """The first of what the store did not let go; all of it is in the evidence of the steps."""
    return (f"left in the store: {len(left)}; the first: {left[0].subject}: {left[0].reason}",) if left else ()


def summarize_drill(backup: Backup, place: str, drill: Drill, fresh: Freshness) -> tuple[str, ...]:
    """For the report of a restore drill."""
    return (
        f"backup {backup.id} in {place}",
        "proven: every byte in the store is the one that was sent, and etcd's own sha256 trailer holds",
        _drill_line(drill),
        *_pki_lines(backup.pki),
        *summarize_freshness(fresh),
    )


def summarize_freshness(fresh: Freshness) -> tuple[str, ...]:
    """How old the newest backup is, and which ones do not count."""
    return (
        f"the newest backup, {fresh.newest}, is {str(fresh.age).partition('.')[0]} old; the recovery point objective is {fresh.rpo}",
        *(f"not counted: {skip.subject}: {skip.reason}" for skip in fresh.not_counted),
    )


def summarize_restore_plan(plan: RestorePlan) -> tuple[str, ...]:
    """For the report of a plan that nobody has confirmed yet."""
    return (
        f"nothing was done: this is the plan of a restore of backup {plan.backup} on {', '.join(plan.nodes)}",
        "to do it: the same parameters with mode=apply and confirm=<name of the cluster>",
    )


def summarize_restore(plan: RestorePlan, etcd: Restored, proof: Recovered, ended: Ended) -> tuple[str, ...]:
    """For the report of a restore: what was proven, what is left to do, and where the old data is."""
    return (
        f"the cluster has the state of backup {plan.backup}",
        f"proven: etcd {etcd.cluster_id} of {', '.join(etcd.members)}, leader {etcd.leader}, has quorum and equal hashes "
        f"({etcd.hash}) at revision {etcd.revision}, with {etcd.key_count} keys",
        f"proven: leases renewed after the restart: {', '.join(proof.leases_renewed)}",
        f"proven: written, read back and seen by a watch: {proof.written}; a watch from before is told: {proof.old_watch}",
        f"Ready: {', '.join(proof.nodes_ready)}",
        *(f"NOT Ready: {name} {why}" for name, why in proof.nodes_not_ready.items()),
        *(f"{name} joined after the backup: it is unknown to it, join it again" for name in proof.not_in_backup),
        *(
            f"old data of {node}: {kept.original}; remove it when you are sure"
            if kept.original
            else f"{node} had no data before"
            for node, kept in ended.kept.items()
        ),
        *(_of_attempts(node, kept.of_attempts) for node, kept in ended.kept.items() if kept.of_attempts),
        *(f"{skip.subject} was left out: {_join_again(skip.subject)}" for skip in plan.skips),
    )


def summarize_rollback(plan: RestorePlan, done: RolledBack) -> tuple[str, ...]:
    """For the report of a rollback."""
    return (
        f"data and manifests from before the restore of backup {plan.backup} are back on {', '.join(done.nodes)}",
        *(f"{name} had no data before: the restored data stays there" for name in done.had_no_data),
        *(_of_attempts(name, folders) for name, folders in done.of_attempts.items()),
        *(f"{skip.subject} was left out: {skip.reason}" for skip in plan.skips),
        "not proven: whether the cluster works, which may have been why it was to be restored; run etcd_health",
    )


def _of_attempts(name: str, folders: Sequence[str]) -> str:
    return f"{name}: what earlier attempts of this restore had put in place is in {', '.join(folders)}; remove it"


def summarize_inventory(inventory: Inventory, plan: Plan) -> tuple[str, ...]:
    """For the report of certificates that hold."""
    ends = sorted((one.not_after, one.label) for one in inventory.certificates if one.not_after)
    memory = sorted({f"{one.name} at {one.port}" for node in inventory.nodes for one in node.served if not one.path})
    return (
        f"{len(inventory.certificates)} certificates of {len(inventory.nodes)} nodes and of the API hold",
        *(f"the first one to end: {label}, {end:%Y-%m-%d %H:%M} UTC" for end, label in ends[:1]),
        *(f"made in memory at each start, and in no file: {name}" for name in memory),
        f"{len(plan.cautions)} to look at",
    )


def summarize_rotation_plan(plan: RotationPlan) -> tuple[str, ...]:
    """For the report of a plan that is not done, or of certificates that all last."""
    if not plan.steps:
        return ("nothing to do: no certificate ends within that time, and every program has read what is on disk",)
    return (
        f"nothing was done: {len(plan.steps)} steps on {', '.join(dict.fromkeys(node.name for node in plan.nodes)) or 'no node'}",
        "to do them: the same parameters with mode=apply, or mode=approve to be asked first",
    )


def summarize_rotation(
    plan: RotationPlan, done: Sequence[NodeRotated], requests: Approved, proof: RotationProof
) -> tuple[str, ...]:
    """For the report of a rotation: what is new on each node, what was started anew, what was proven, what is left."""
    lines = []
    for one in done:
        ends = ", ".join(f"{name} until {end:%Y-%m-%d %H:%M}" for name, end in one.renewed.items()) or "nothing renewed"
        restarted = (
            f"; started anew, with the file's serial on the wire: {', '.join(one.restarted)}" if one.restarted else ""
        )
        lines.append(f"{_times(one)}: {ends}{restarted}")
    users = {user for one in done for user in one.users.values()}
    return (
        *lines,
        *([f"proven: the API knows {', '.join(sorted(users))}"] if users else []),
        f"proven: the worker gets in as {proof.worker_is}; leases renewed: {', '.join(proof.leases_renewed)}",
        *(f"NOT alive: {name}" for name in proof.not_ready),
        *(f"refreshed: {one.node}: {', '.join(one.copies)}" for one in done if one.copies),
        *(f"NOT refreshed: {one.node}: {path}: {why}" for one in done for path, why in one.copies_left.items()),
        *(f"approved: {name}" for name in requests.approved),
        *(f"NOT approved: {name}: {why}" for name, why in requests.left.items()),
        *(f"the folder of before: {one.copy_file} on {one.node}; it has keys in it" for one in done if one.copy_file),
        *(f"look at {caution.subject}: {caution.problem}" for caution in plan.cautions),
    )


def summarize_maintenance_plan(plan: MaintenancePlan) -> tuple[str, ...]:
    """For the report of a plan that nobody has asked to apply."""
    if not plan.steps:
        return ("nothing is worth a defragmentation, and there is no alarm",)
    return (
        f"nothing was done: {len(plan.steps)} steps are in the plan",
        "to do them: the same parameters with mode=apply, or mode=approve to be asked first",
    )


def summarize_maintenance(done: Sequence[Defragmented], disarmed: Disarmed | None) -> tuple[str, ...]:
    """For the report of a maintenance."""
    lines = [
        f"{one.member}: {one.before} bytes before, {one.after} after, in {one.took.total_seconds():.1f} s"
        + (f"; {one.leader_moved_to} leads now" if one.leader_moved_to else "")
        for one in done
    ]
    if disarmed:
        lines.append(f"the alarm NOSPACE of {', '.join(disarmed.members)} is over: the cluster takes writes again")
    return tuple(lines) or ("nothing was worth a defragmentation, and there was no alarm",)


def summarize_health(facts: EtcdFacts, plan: Plan) -> tuple[str, ...]:
    """For the report of a healthy etcd."""
    leader = next((member.label for member in facts.members if member.status and member.status.is_leader), "")
    return (
        f"healthy: {', '.join(member.label for member in facts.members)}; {leader} leads, at revision {facts.newest_revision}",
        *(f"look at {caution.subject}: {caution.problem}; {caution.next_step}" for caution in plan.cautions),
    )


def summarize_upgrade_plan(plan: UpgradePlan) -> tuple[str, ...]:
    """For the report of an upgrade that nobody has asked to do, or that has nothing to do."""
    if not plan.nodes:
        return (f"nothing to do: every node is at v{plan.version}",)
    return (
        f"nothing was done: this is the plan of an upgrade from v{plan.before} to v{plan.version} of {len(plan.nodes)} nodes",
        "to do it: the same parameters with mode=approve, or mode=apply",
    )


def summarize_upgrade(
    plan: UpgradePlan, backup: Backup, done: Sequence[NodeUpgraded], failed: Mapping[str, str], proof: Upgraded
) -> tuple[str, ...]:
    """For the report of an upgrade: the way back, what was proven, what each node took, what is left to do."""
    return (
        f"v{plan.before} to v{plan.version}: {len(done)} nodes upgraded"
        + (f", {len(failed)} failed" if failed else ""),
        f"backup {backup.id} was there before; back to it: {restore_command(backup)}",
        f"proven: every upgraded kubelet is v{plan.version}; etcd: {', '.join(f'{name} {v}' for name, v in proof.etcd.items())}",
        f"proven: the ClusterIPs of kubernetes and kube-dns answer from {', '.join(proof.service_paths)}",
        f"rolled out: {', '.join(proof.addons)}",
        *(_node_line(one) for one in done),
        *(f"NOT upgraded: {name}: {why}" for name, why in failed.items()),
        *(f"{one.node} was cordoned before the run, and stays so" for one in done if one.stays_cordoned),
        *_noticed(done),
    )


def summarize_patch_plan(plan: PatchPlan) -> tuple[str, ...]:
    """For the report of a run that did nothing: outside of a window, with no time left, or with nothing to do."""
    if plan.closed:
        return (f"skipped: {plan.closed}",)
    if not plan.nodes:
        told = f"skipped: no time is left for {', '.join(plan.waiting)}" if plan.waiting else "nothing to do"
        return (told, *(f"{skip.subject}: {skip.reason}" for skip in plan.skips))
    return (
        f"nothing was done: {len(plan.nodes)} nodes are in the plan",
        *(f"{skip.subject}: {skip.reason}" for skip in plan.skips),
        "to do it: the same parameters with mode=apply, or mode=approve to be asked first",
    )


def summarize_patch(
    plan: PatchPlan, done: Sequence[NodePatched], waiting: Sequence[Waits], failed: Mapping[str, str]
) -> tuple[str, ...]:
    """For the report of a patch: what each node took and was proven to be, who waits for the next window, what is left."""
    rebooted, packages = sum(one.rebooted for one in done), sum(len(one.changes) for one in done)
    counts = [f"{len(done)} nodes done", f"{packages} packages changed", f"{rebooted} reboots"]
    counts += [f"{len(failed)} nodes failed"] if failed else []
    return (
        ", ".join(counts),
        *(_patch_line(one) for one in done),
        *_proofs_of_patch(done),
        *(f"NOT done: {name}: {why}" for name, why in failed.items()),
        *(f"{one.node} waits: {one.reason}" for one in waiting),
        *(f"{skip.subject}: {skip.reason}" for skip in plan.skips if skip.subject in plan.waiting),
        *(f"{one.node}: a reboot is pending: {'; '.join(one.reboot_pending)}" for one in done if one.reboot_pending),
        *(f"{one.node} was cordoned before the run, and stays so" for one in done if one.stays_cordoned),
        *_noticed(done),
    )


def summarize_ca_rotation_plan(plan: CaRotationPlan) -> tuple[str, ...]:
    """For the report of a stage that is not begun, or has come to its end already."""
    if not plan.steps:
        return (f"nothing to do: {plan.stage} of {plan.authority} has come to its end on every node",)
    names = ", ".join(dict.fromkeys(step.subject for step in plan.steps))
    return (f"nothing was done: this is the plan of {plan.stage} of {plan.authority} for {names}",)


def summarize_ca_rotation(
    plan: CaRotationPlan, done: Sequence[NodeStaged], published: Published, halves: Mapping[str, str]
) -> tuple[str, ...]:
    """For the report of a stage: what was done, what is to be waited for, and what comes next."""
    following = {
        Stage.TRUST_BOTH: "next: restart pods that were started before, and run stage=sign-with-new",
        Stage.SIGN_WITH_NEW: "next: give people and programs outside of the nodes certificates or tokens of the new one, and run stage=drop-old",
        Stage.DROP_OLD: "the rotation has come to its end",
    }
    return (
        f"{plan.stage} of {plan.authority} has come to its end on every node",
        *(f"{one.node}: {one.before} to {one.after} in {one.took.total_seconds():.0f} s" for one in done),
        *(f"changed in the API: {name}" for name in published.changed),
        *(f"handed out by the cluster itself: {name}" for name in published.waited_for),
        *(f"{name}: the old key is in {folder}: destroy it when you are sure" for name, folder in halves.items()),
        following[plan.stage],
    )


def way_back(cluster: str, plan: CaRotationPlan) -> str:
    """What undoes a stage, as long as the next one has not begun."""
    if plan.stage is Stage.TRUST_BOTH:
        return "believing both harms nobody: leave it so, or take the new one out by hand (docs/ca-rotation.md)"
    stage = Stage.TRUST_BOTH if plan.stage is Stage.SIGN_WITH_NEW else Stage.SIGN_WITH_NEW
    parameters = f"-p cluster={cluster} -p authority={plan.authority} -p stage={stage}"
    return f"prefect deployment run ca_rotation/ca-rotation {parameters}"


def summarize_issue_plan(plan: IssuePlan) -> tuple[str, ...]:
    """For the report of a plan of certificates, or where there is nothing to make."""
    if not plan.steps:
        return ("nothing to do: every machine has all of its certificates, as they are asked for",)
    return (
        f"nothing was done: {len(plan.steps)} things are to be made on {', '.join(one.name for one in plan.machines)}",
    )


def summarize_issue(issued: IssuedAll, proven: Sequence[str]) -> tuple[str, ...]:
    """For the report of certificates from nothing."""
    return (
        *(f"{name}: {origin}" for name, origin in issued.authorities.items()),
        *(f"{one.name}: {len(one.written)} files are in place" for one in issued.machines),
        f"proven: {len(proven)} certificates are as asked for, have their keys, and are good for it by openssl's judgement",
        *(
            f"{one.name}: what was there before is in {one.kept}; remove it when you are sure"
            for one in issued.machines
            if one.kept
        ),
        "nothing was started or restarted: what runs there already reads its files when it starts anew",
    )


def summarize_service(request: Request, plan: Plan) -> tuple[str, ...]:
    """For the report of a plan that nobody has asked to apply, or that has nothing to do."""
    if not plan.steps:
        return tuple(f"{skip.subject}: {skip.reason}" for skip in plan.skips)
    return (
        f"nothing was done: {plan.steps[0].act} {request.node} is the plan, for {request.in_words}",
        "to do it: the same parameters with mode=apply, or mode=approve to be asked first",
    )


def summarize_drain(request: Request, drained: Drained, cluster: str) -> tuple[str, ...]:
    """For the report of a node that is out of service."""
    back = f"prefect deployment run node_uncordon/node-uncordon -p cluster={cluster} -p node={request.node}"
    whose = (
        f"{request.node} was cordoned before, by somebody else, and stays so"
        if drained.cordoned_before
        else f"{request.node} is out of service for {request.in_words}; back: {back} -p reason=..."
    )
    return (
        whose,
        f"{len(drained.evicted)} pods evicted in {drained.took.total_seconds():.0f} s, {len(drained.left)} stay",
        *drained.waited_for,
        *drained.still_attached,
    )


def summarize_uncordon(request: Request, done: Uncordoned) -> tuple[str, ...]:
    """For the report of a node that is back."""
    before = f"; it was cordoned: {done.reason}" if done.reason else ""
    return (
        f"{done.node} is in service, for {request.in_words}{before}",
        f"proven in {done.took.total_seconds():.0f} s: Ready, its own pods ready, Services answer from it, no workload is worse",
        *_noticed([done]),
    )


def summarize_reboot(request: Request, done: Sequence[NodePatched]) -> tuple[str, ...]:
    """For the report of a reboot."""
    return (
        f"{request.node} was rebooted for {request.in_words}",
        *(_patch_line(one) for one in done),
        *_proofs_of_patch(done),
        *(f"{one.node} was cordoned before the run, and stays so" for one in done if one.stays_cordoned),
        *_noticed(done),
    )


def _noticed(done: Sequence[NodePatched | Uncordoned | NodeUpgraded]) -> tuple[str, ...]:
    """What is not well, and was no reason to fail."""
    return tuple(f"{one.node}: noticed, not a failure: {said}" for one in done for said in one.noticed)


def _times(one: NodePatched | NodeUpgraded | NodeRotated) -> str:
    """`cp1: 126 s (gate 1 s, drain 3 s)`."""
    parts = ", ".join(f"{part.what} {part.took.total_seconds():.0f} s" for part in one.parts)
    return f"{one.node}: {one.took.total_seconds():.0f} s ({parts})"


def _patch_line(one: NodePatched) -> str:
    away = f", away for {one.away.total_seconds():.0f} s" if one.away else ""
    reboot = (
        f", rebooted ({one.reboot_reason}){away}" if one.rebooted and one.reboot_reason else ", rebooted" * one.rebooted
    )
    again = "; somebody had uncordoned it meanwhile, it was drained again" if one.drained_again else ""
    moved = f"; {one.leader_moved_to} leads etcd since" if one.leader_moved_to else ""
    return f"{_times(one)}, {len(one.changes)} packages{reboot}, {len(one.evicted)} pods evicted{moved}{again}"


def _proofs_of_patch(done: Sequence[NodePatched]) -> tuple[str, ...]:
    if not done:
        return ()
    names = ", ".join(one.node for one in done)
    return (
        f"proven of {names}: the packages that changed are those of the plan, no unit failed that had not before, protected "
        "packages are as they were, the clock is as it was, pods of DaemonSets are ready, Services answer from the node",
        *(
            f"proven of {one.node}: boot {one.boot_before[:8]} to {one.boot_after[:8]}, also in the API; kernel {one.kernel_after}"
            for one in done
            if one.rebooted
        ),
        *(f"record of {one.node}: {one.record}" for one in done if one.record),
    )


def restore_command(backup: Backup) -> str:
    """What brings the cluster back to the state of a backup."""
    parameters = f"-p cluster={backup.cluster} -p backup={backup.id} -p mode=apply -p confirm={backup.cluster}"
    return f"prefect deployment run etcd_restore_from_s3/etcd-restore {parameters}"


def _node_line(one: NodeUpgraded) -> str:
    moved = f"; {one.leader_moved_to} leads etcd since" if one.leader_moved_to else ""
    return f"{_times(one)}, {len(one.evicted)} pods evicted{moved}"


def _join_again(name: str) -> str:
    return (
        f"kubectl delete node {name}; on a control plane that is left: kubeadm init phase upload-certs --upload-certs, "
        f"kubeadm token create --print-join-command --certificate-key KEY; on {name} or its replacement: kubeadm reset, "
        "then the command that this printed; a worker needs none of this: systemctl restart kubelet on it"
    )


def _drill_line(drill: Drill | None) -> str:
    if drill is None:
        return "not proven by a restore: no drill was asked for (etcd_restore_drill does one on any backup)"
    return (
        f"proven: restored with etcd {drill.etcd_version} in {drill.took.total_seconds():.1f} s; at revision {drill.revision} "
        f"its {drill.restored_keys} keys and their hash {drill.restored_hash.hash} are those of the live member"
    )


def _pki_lines(pki: Pki | None) -> tuple[str, ...]:
    """None when it was not asked for. What is missing in it stands here, in the report, and not only in the manifest."""
    if pki is None:
        return ()
    return (
        f"key material of {pki.node}: {len(pki.paths)} files, encrypted for {len(pki.recipients)} recipients",
        f"proven: the stored key material, read back, has sha256 {pki.stored.sha256}",
        "not proven: that a recipient can read it; with the secret key, type age -d -i key.txt pki.tar.age | tar -t",
        *(f"not in it: {absent.subject}: {absent.reason}" for absent in pki.absent),
        *(f"look at {caution.subject}: {caution.problem}; {caution.next_step}" for caution in pki.cautions),
    )
