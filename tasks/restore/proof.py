"""The proofs of a restore: etcd before any API server runs on it, each API server, and the cluster as a whole."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import NamedTuple

from tasks.backup.models.backups import Backup
from tasks.clients.ssh import CALL
from tasks.cluster import Cluster
from tasks.control_plane.probes.look import look, parse
from tasks.control_plane.probes.readyz import ask_readyz
from tasks.core.at_once import on_all, wait_for
from tasks.core.errors import NotYet, Refused
from tasks.core.models.etcd import ListedMember, MemberStatus
from tasks.core.models.profile import EtcdEndpoint, Route
from tasks.restore import scripts
from tasks.restore.models import OBJECT, Recovered, Restored, RestorePlan, RestoreTarget, Write
from tasks.restore.policy.acts import REVISION_BUMP
from tasks.restore.policy.proof import problem_of_write
from tasks.restore.probes import recovery

START_LIMIT = timedelta(minutes=5)
"""For etcd, API servers and controllers to come up, and for nodes to say that they live."""


class _Answer(NamedTuple):
    """What a member says of itself and of its cluster."""

    member: str
    cluster_id: str
    status: MemberStatus
    listed: tuple[ListedMember, ...]


def prove_etcd(handle: Cluster, plan: RestorePlan, backup: Backup) -> Restored:
    """Quorum, one cluster of exactly these members, equal hashes, no alarm. `NotYet` where that may come by itself."""
    back = "name another backup: that begins again" if plan.serving else "put the old state back with rollback=true"
    answers = on_all(partial(_ask_member, handle), plan.targets)
    if len(ids := {answer.cluster_id for answer in answers}) > 1:
        raise Refused(f"the members are of {len(ids)} clusters", hint=back)
    _await_quorum(answers)
    revision = min(answer.status.revision for answer in answers)
    if revision < backup.snapshot.revision + REVISION_BUMP:
        raise Refused(f"etcd is at revision {revision}: not bumped", hint=back)
    hashes = on_all(partial(_hash_at, handle, revision), plan.targets)
    if len(set(hashes)) > 1:
        raise Refused(f"members differ in hash or number of keys: {hashes}", hint=back)
    return Restored(
        cluster_id=ids.pop(),
        members=tuple(answer.member for answer in answers),
        revision=revision,
        hash=hashes[0][0],
        key_count=hashes[0][1],
        leader=next(answer.member for answer in answers if answer.status.is_leader),
    )


def await_ready(handle: Cluster, plan: RestorePlan, pods: tuple[str, ...]) -> None:
    """Until these static pods run on every control plane node, and its API server says that it is ready."""

    def is_ready(name: str) -> None:
        shell = handle.shell(name)
        facts = parse(name, shell.ask(look()))
        if missing := [pod for pod in pods if pod not in facts.running]:
            raise NotYet(
                f"{name}: not running: {', '.join(missing)}", hint=f"look at `journalctl -u kubelet` on {name}"
            )
        if (status := shell.run(ask_readyz()).strip()) != "200":
            raise NotYet(f"{name}: /readyz answers {status}", hint=f"look at the API server's log on {name}")

    wait_for(lambda: on_all(is_ready, plan.control_planes), START_LIMIT)


def prove_cluster(handle: Cluster, plan: RestorePlan, backup: Backup) -> Recovered:
    """Leases of all nodes and of both leaders are renewed, nodes Ready, a write and a watch work, old watches end."""
    before = wait_for(lambda: _take_pulse(handle, plan), START_LIMIT)
    expected = tuple(name for name in plan.nodes if name in before.ready)
    now = wait_for(lambda: _is_alive(handle, plan, before, expected), START_LIMIT)
    written = wait_for(lambda: _write(handle, plan, backup), START_LIMIT)
    # For most of a minute the API calls a node Ready that is off: the backup says so.
    silent = recovery.what_is_not_alive(before, now, tuple(now.ready))
    only_etcd = {target.node for target in plan.targets if target.node not in plan.control_planes}
    return Recovered(
        nodes_ready=tuple(name for name in now.ready if name not in silent),
        nodes_not_ready={name: silent[name] for name in now.ready if name in silent},
        not_in_backup=tuple(name for name in plan.nodes if name not in before.ready and name not in only_etcd),
        leases_renewed=(*expected, *recovery.LEADERS),
        written=f"configmap kube-system/{OBJECT} at revision {written.revision}",
        old_watch=(written.old or "")[:200],
    )


def _ask_member(handle: Cluster, target: RestoreTarget) -> _Answer:
    with handle.etcd(_endpoint_of(target), Route.TUNNEL, name=target.member.name) as client:
        cluster_id, _, status = client.status()
        return _Answer(target.member.name, cluster_id, status, client.members())


def _await_quorum(answers: Sequence[_Answer]) -> None:
    """`NotYet` until each member is healthy and lists all of them and nobody else."""
    names = {answer.member for answer in answers}
    for name, _, status, listed in answers:
        if not status.healthy or status.alarms:
            raise NotYet(f"{name}: no quorum yet, or an alarm: {', '.join(status.alarms)}", hint="look at its log")
        if {member.name for member in listed} != names:
            raise NotYet(f"{name} lists {', '.join(member.name for member in listed)}", hint="look at its log")


def _hash_at(handle: Cluster, revision: int, target: RestoreTarget) -> tuple[int, int]:
    """And the number of keys."""
    with handle.etcd(_endpoint_of(target), Route.TUNNEL, name=target.member.name) as client:
        return client.hash_kv(revision).hash, client.count(revision)


def _endpoint_of(target: RestoreTarget) -> EtcdEndpoint:
    return EtcdEndpoint(url=target.member.client_url, node=target.node, on_node=target.member.on_node)


def _take_pulse(handle: Cluster, plan: RestorePlan) -> recovery.Pulse:
    return recovery.parse_pulse(_kubectl(handle, plan, recovery.take_pulse()))


def _is_alive(handle: Cluster, plan: RestorePlan, before: recovery.Pulse, expected: tuple[str, ...]) -> recovery.Pulse:
    """`NotYet` until each of these nodes and both leaders have renewed their leases, and the nodes are Ready."""
    now = _take_pulse(handle, plan)
    if wrong := recovery.what_is_not_alive(before, now, expected):
        told = "; ".join(f"{name} {problem}" for name, problem in wrong.items())
        raise NotYet(told, hint="look at kubelet and containerd there; a node that joined after the backup joins again")
    return now


def _write(handle: Cluster, plan: RestorePlan, backup: Backup) -> Write:
    """`NotYet` until it is read and watched as it has to be."""
    data = {"id": plan.id, "backup": backup.id, "at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"}
    script = scripts.write_and_watch(data, backup.snapshot.newest_revision)
    written = scripts.parse_write(_kubectl(handle, plan, script))
    if problem := problem_of_write(written, plan.id):
        raise NotYet(problem.text, hint="look at the API servers' logs")
    return written


def _kubectl(handle: Cluster, plan: RestorePlan, script: str) -> bytes:
    """On the first control plane node. `NotYet` when it fails: an API server that has just started does not know everything yet."""
    name = plan.control_planes[0]
    output = handle.node(name).run(script, timeout=CALL, sudo=True, check=False)
    if output.status != 0:
        raise NotYet(f"{name}: kubectl: {output.complaint}", hint="look at the API server there")
    return output.stdout
