"""The restore of a whole cluster: each task looks at what is there, so that a run that died is run again."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from prefect import task

from tasks.backup.models.backups import Backup
from tasks.backup.node_snapshots import find_etcd_tools, store_ca
from tasks.backup.probes import origin
from tasks.backup.scripts.node_snapshot import input_of
from tasks.backup.store import backups_of
from tasks.clients.ssh import Job, run_job
from tasks.cluster import Cluster, open_cluster
from tasks.control_plane.models import ControlPlaneNode, Phase
from tasks.control_plane.park import park, unpark
from tasks.control_plane.probes import parking
from tasks.control_plane.probes.look import API_SERVER, CONTROLLERS, ETCD, PODS, look, parse
from tasks.core.at_once import on_all, wait_for
from tasks.core.errors import NotYet, Refused, RunbookError
from tasks.core.logs import log_about
from tasks.core.models.etcd import ListedMember, MemberStatus
from tasks.core.models.profile import EtcdEndpoint, Route
from tasks.core.retries import ACT, OBSERVE, PATIENT
from tasks.restore.models import (
    ControlPlaneFacts,
    Ended,
    Kept,
    Recovered,
    Restored,
    RestorePlan,
    RestoreTarget,
    RolledBack,
    Stopped,
)
from tasks.restore.policy.plan import REVISION_BUMP, etcdutl_words
from tasks.restore.probes import recovery
from tasks.restore.probes import scripts as restore

CALL = timedelta(seconds=60)
FETCH_LIMIT = timedelta(hours=2)
"""For the job that fetches and restores, and for the address it reads from."""

ANSWERS = ("200", "401", "403")
"""Of an API server that serves; without anonymous requests it says 401, and 403 where they may not ask."""

START_LIMIT = timedelta(minutes=5)


@task(**OBSERVE, task_run_name="observe-control-planes-{cluster}")
def observe_control_planes(cluster: str) -> ControlPlaneFacts:
    """Manifests, processes, disks and traces of restores on all nodes of the profile; works with the API and etcd down."""
    handle = open_cluster(cluster)

    def observe(name: str) -> ControlPlaneNode:
        try:
            found = parse(name, handle.node(name).run(look(), timeout=CALL, sudo=True).stdout)
            return _with_authorities(handle, _with_client(handle, _with_tools(handle, found)))
        except RunbookError as error:  # also one that sshd or sudo refuses: it may be named as lost
            return ControlPlaneNode(name=name, unreached=error.problem if isinstance(error, NotYet) else str(error))

    nodes = on_all(observe, [node.name for node in handle.profile.nodes])
    facts = ControlPlaneFacts(observed_at=datetime.now(UTC), nodes=tuple(nodes))
    if facts.under_way and facts.under_way.phase in {Phase.STOPPED, Phase.SWAPPED}:
        return facts
    return facts.model_copy(update=_live(handle, nodes))


@task(**OBSERVE, task_run_name="find-backup-{cluster}")
def find_restorable(cluster: str, backup: str, from_cluster: str) -> Backup:
    """The manifest of a backup of this cluster, or of another one that is named; `Refused` when there is none."""
    return backups_of(open_cluster(cluster), from_cluster or cluster).pick(backup)


@task(**ACT, task_run_name="prepare-data-{cluster}")
def prepare_data(cluster: str, plan: RestorePlan, backup: Backup, check: Callable[[], None]) -> None:
    """Each member's node fetches the snapshot, checks it and restores it beside its data; nothing is stopped yet."""
    handle = open_cluster(cluster)
    check()

    def prepare(target: RestoreTarget) -> None:
        words = etcdutl_words(plan, target)
        job = Job(f"restore-{plan.id}-{plan.acts}", restore.prepare(plan, target, backup, words), FETCH_LIMIT)
        url = handle.store.url(backup.snapshot.key, FETCH_LIMIT)
        run_job(handle.node(target.node), job, stdin=input_of([url], store_ca(handle)))
        log_about(target.node).info("the restored data is ready beside %s", target.member.data_dir)

    on_all(prepare, plan.targets)


@task(**PATIENT, task_run_name="stop-control-plane-{cluster}")
def stop_control_plane(cluster: str, plan: RestorePlan, check: Callable[[], None]) -> Stopped:
    """API servers and controllers first, on all; when they are gone, etcd. Proven by their processes."""
    handle = open_cluster(cluster)
    check()
    park(handle, plan.control_planes, (API_SERVER, *CONTROLLERS))
    check()
    park(handle, plan.machines, (ETCD,))
    on_all(lambda name: _run(handle, name, restore.mark(Phase.STOPPED, plan.record)), plan.machines)
    return Stopped(nodes=plan.machines)


@task(**ACT, task_run_name="swap-data-{cluster}")
def swap_data(cluster: str, plan: RestorePlan, check: Callable[[], None]) -> None:
    """The restored data takes the place of the old, which is kept."""
    handle = open_cluster(cluster)
    check()
    on_all(lambda target: _run(handle, target.node, restore.swap(plan, target)), plan.targets)


@task(**PATIENT, task_run_name="start-etcd-{cluster}")
def start_etcd(cluster: str, plan: RestorePlan, backup: Backup, check: Callable[[], None]) -> Restored:
    """etcd on all at once, and its proof: quorum, one cluster of exactly these members, equal hashes, no alarm."""
    handle = open_cluster(cluster)
    check()
    unpark(handle, [target.node for target in plan.targets], (ETCD,))
    proven = wait_for(lambda: _prove_etcd(handle, plan, backup), START_LIMIT)
    # From here on API servers may write to it.
    check()
    on_all(lambda name: _run(handle, name, restore.mark(Phase.SERVING, plan.record)), plan.machines)
    log_about(cluster).info("etcd %s has quorum at revision %d", proven.cluster_id, proven.revision)
    return proven


@task(**PATIENT, task_run_name="start-api-servers-{cluster}")
def start_api_servers(cluster: str, plan: RestorePlan, check: Callable[[], None]) -> None:
    """Until each says on its own node that it is ready."""
    check()
    _start(cluster, plan, (API_SERVER,))


@task(**PATIENT, task_run_name="start-controllers-{cluster}")
def start_controllers(cluster: str, plan: RestorePlan, check: Callable[[], None]) -> None:
    """Controller managers and schedulers, which find API servers that are ready."""
    check()
    _start(cluster, plan, CONTROLLERS)


@task(**ACT, task_run_name="restart-kubelets-{cluster}")
def restart_kubelets(cluster: str, plan: RestorePlan, check: Callable[[], None]) -> None:
    """On all nodes: they must not go on with what they remember."""
    check()
    handle = open_cluster(cluster)
    on_all(lambda name: _run(handle, name, parking.restart_kubelet()), plan.nodes)


@task(**PATIENT, task_run_name="prove-recovery-{cluster}")
def prove_recovery(cluster: str, plan: RestorePlan, backup: Backup) -> Recovered:
    """Leases of all nodes and of both leaders are renewed, nodes Ready, a write and a watch work, old watches end."""
    handle = open_cluster(cluster)
    asked = plan.control_planes[0]

    def pulse() -> recovery.Pulse:
        return recovery.parse_pulse(_kubectl(handle, asked, recovery.take_pulse()))

    before = wait_for(pulse, START_LIMIT)
    expected = tuple(name for name in plan.nodes if name in before.ready)

    def is_alive() -> recovery.Pulse:
        now = pulse()
        if wrong := recovery.what_is_not_alive(before, now, expected):
            told = "; ".join(f"{name} {problem}" for name, problem in wrong.items())
            raise NotYet(
                told, hint="look at kubelet and containerd there; a node that joined after the backup joins again"
            )
        return now

    def writes() -> dict[str, str]:
        data = {"id": plan.id, "backup": backup.id, "at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"}
        script = recovery.write_and_watch(data, backup.snapshot.newest_revision)
        told = recovery.parse_write(_kubectl(handle, asked, script))
        if wrong := recovery.what_did_not_work(told, plan.id):
            raise NotYet(wrong, hint="look at the API servers' logs")
        return told

    now = wait_for(is_alive, START_LIMIT)
    told = wait_for(writes, START_LIMIT)
    # For most of a minute the API calls a node Ready that is off: the backup says so.
    silent = recovery.what_is_not_alive(before, now, tuple(now.ready))
    return Recovered(
        nodes_ready=tuple(name for name in now.ready if name not in silent),
        nodes_not_ready={name: silent[name] for name in now.ready if name in silent},
        not_in_backup=tuple(name for name in plan.nodes if name not in before.ready and name not in _only_etcd(plan)),
        leases_renewed=(*expected, *recovery.LEADERS),
        written=f"configmap kube-system/{recovery.OBJECT} at revision {told['read'].partition(' ')[2]}",
        old_watch=told["old"][:200],
    )


@task(**ACT, task_run_name="end-restore-{cluster}")
def end_restore(cluster: str, plan: RestorePlan, check: Callable[[], None]) -> Ended:
    """The traces that a later run would go on from are put away; what is kept is named."""
    check()
    handle = open_cluster(cluster)
    members = {target.node: target.member for target in plan.targets}

    def end(name: str) -> Kept:
        originals, of_attempts, _ = restore.parse_kept(_run(handle, name, restore.end(plan.record, members.get(name))))
        return Kept(original=", ".join(originals), of_attempts=of_attempts)

    kept = on_all(end, plan.machines)
    return Ended(kept={name: one for name, one in zip(plan.machines, kept, strict=True) if name in members})


@task(**ACT, task_run_name="roll-back-{cluster}")
def roll_back(cluster: str, plan: RestorePlan, check: Callable[[], None]) -> RolledBack:
    """The control plane stops, its original data and its manifests are put back, and it starts as it was."""
    handle = open_cluster(cluster)
    check()
    park(handle, plan.control_planes, (API_SERVER, *CONTROLLERS))
    check()
    park(handle, plan.machines, (ETCD,))
    check()
    attempts = plan.record.attempts
    told = on_all(
        lambda target: restore.parse_kept(_run(handle, target.node, restore.swap_back(attempts, target.member))),
        plan.targets,
    )
    check()
    unpark(handle, plan.machines, PODS)
    on_all(lambda name: _run(handle, name, restore.forget(plan.record)), plan.machines)
    on_all(lambda name: _run(handle, name, restore.close(plan.record)), plan.machines)
    by_node = {target.node: found for target, found in zip(plan.targets, told, strict=True)}
    return RolledBack(
        nodes=plan.machines,
        had_no_data=tuple(name for name, (_, _, nothing) in by_node.items() if nothing),
        of_attempts={name: left for name, (_, left, _) in by_node.items() if left},
    )


def _with_tools(handle: Cluster, found: ControlPlaneNode) -> ControlPlaneNode:
    if found.member is None:
        return found
    try:
        tools = find_etcd_tools(handle.node(found.name), found.member.minor, found.member.image)
    except Refused as error:
        return found.model_copy(update={"tools_problem": error.problem})
    return found.model_copy(update={"tools": tools})


def _with_client(handle: Cluster, found: ControlPlaneNode) -> ControlPlaneNode:
    """Whether the certificate is good that etcd is asked with afterwards; found out before anything is stopped."""
    if found.member is None:
        return found
    try:
        handle.check_certificate_on(_endpoint(found))
    except Refused as error:
        return found.model_copy(update={"client_problem": error.problem})
    return found


def _with_authorities(handle: Cluster, found: ControlPlaneNode) -> ControlPlaneNode:
    """Which CA its files have: a control plane that has none shows none."""
    if not found.authority_files:
        return found
    told = handle.node(found.name).run(origin.look(found.authority_files), timeout=CALL, sudo=True, check=False)
    return found.model_copy(update={"authorities": origin.parse(told.stdout)})


def _live(handle: Cluster, nodes: Sequence[ControlPlaneNode]) -> dict[str, object]:
    """What running members and API servers say of the cluster as it is; a cluster that is gone does not answer."""

    def ask(node: ControlPlaneNode) -> tuple[str, MemberStatus] | None:
        try:
            with handle.etcd(_endpoint(node), Route.TUNNEL) as client:
                cluster_id, _, status = client.status()
                return cluster_id, status
        except RunbookError:
            return None

    def answers(node: ControlPlaneNode) -> bool:
        try:
            return _run(handle, node.name, parking.ready()).decode().strip() in ANSWERS
        except RunbookError:
            return False

    members = [node for node in nodes if node.member and ETCD in node.running]
    api_servers = [node for node in nodes if API_SERVER in node.running]
    told = {node.name: found for node, found in zip(members, on_all(ask, members), strict=True) if found}
    serving = on_all(answers, api_servers)
    return {
        "live_revision": max((status.revision for _, status in told.values()), default=None),
        "live_ids": tuple(sorted({cluster_id for cluster_id, _ in told.values()})),
        "in_quorum": tuple(name for name, (_, status) in told.items() if status.healthy),
        "api_answers": tuple(node.name for node, yes in zip(api_servers, serving, strict=True) if yes),
    }


def _endpoint(node: ControlPlaneNode | RestoreTarget) -> EtcdEndpoint:
    name = node.node if isinstance(node, RestoreTarget) else node.name
    if node.member is None:
        raise Refused(f"{name}: it has no member", hint="look at its etcd manifest")
    return EtcdEndpoint(url=node.member.client_url, node=name, on_node=node.member.on_node)


def _only_etcd(plan: RestorePlan) -> set[str]:
    return {target.node for target in plan.targets if target.node not in plan.control_planes}


def _run(handle: Cluster, name: str, script: str) -> bytes:
    return handle.node(name).run(script, timeout=CALL, sudo=True).stdout


def _kubectl(handle: Cluster, name: str, script: str) -> bytes:
    """`NotYet` when it fails: an API server that has just started does not know everything yet."""
    output = handle.node(name).run(script, timeout=CALL, sudo=True, check=False)
    if output.status != 0:
        raise NotYet(f"{name}: kubectl: {output.complaint}", hint="look at the API server there")
    return output.stdout


def _start(cluster: str, plan: RestorePlan, pods: tuple[str, ...]) -> None:
    handle = open_cluster(cluster)
    unpark(handle, plan.control_planes, pods)

    def is_ready(name: str) -> None:
        facts = parse(name, _run(handle, name, look()))
        if missing := [pod for pod in pods if pod not in facts.running]:
            raise NotYet(
                f"{name}: not running: {', '.join(missing)}", hint=f"look at `journalctl -u kubelet` on {name}"
            )
        if (status := _run(handle, name, parking.ready()).decode().strip()) != "200":
            raise NotYet(f"{name}: /readyz answers {status}", hint=f"look at the API server's log on {name}")

    wait_for(lambda: on_all(is_ready, plan.control_planes), START_LIMIT)


def _prove_etcd(handle: Cluster, plan: RestorePlan, backup: Backup) -> Restored:
    def ask(target: RestoreTarget) -> tuple[str, MemberStatus, tuple[ListedMember, ...]]:
        with handle.etcd(_endpoint(target), Route.TUNNEL, name=target.member.name) as client:
            cluster_id, _, status = client.status()
            return cluster_id, status, client.members()

    back = "name another backup: that begins again" if plan.serving else "put the old state back with rollback=true"
    told = on_all(ask, plan.targets)
    names = [target.member.name for target in plan.targets]
    ids = {cluster_id for cluster_id, _, _ in told}
    if len(ids) > 1:
        raise Refused(f"the members are of {len(ids)} clusters", hint=back)
    for name, (_, status, listed) in zip(names, told, strict=True):
        if not status.healthy or status.alarms:
            raise NotYet(f"{name}: no quorum yet, or an alarm: {', '.join(status.alarms)}", hint="look at its log")
        if {member.name for member in listed} != set(names):
            raise NotYet(f"{name} lists {', '.join(member.name for member in listed)}", hint="look at its log")
    revision = min(status.revision for _, status, _ in told)
    if revision < backup.snapshot.revision + REVISION_BUMP:
        raise Refused(f"etcd is at revision {revision}: not bumped", hint=back)

    def hashed(target: RestoreTarget) -> tuple[int, int]:
        with handle.etcd(_endpoint(target), Route.TUNNEL, name=target.member.name) as client:
            return client.hash_kv(revision).hash, client.count(revision)

    hashes = on_all(hashed, plan.targets)
    if len(set(hashes)) > 1:
        raise Refused(f"members differ in hash or number of keys: {hashes}", hint=back)
    return Restored(
        cluster_id=ids.pop(),
        members=tuple(names),
        revision=revision,
        hash=hashes[0][0],
        key_count=hashes[0][1],
        leader=next(name for name, (_, status, _) in zip(names, told, strict=True) if status.is_leader),
    )
