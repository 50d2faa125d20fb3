"""Proves a restore: etcd before any API server runs on it, each API server, and the cluster as a whole."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import NamedTuple

from tasks.backup.models.backups import Backup
from tasks.clients.kube import KubeClient
from tasks.cluster import Cluster
from tasks.control_plane.probes.look import look, parse
from tasks.control_plane.probes.readyz import ask_readyz
from tasks.core.at_once import on_all, wait_for
from tasks.core.commands import LOG_OF_API_SERVER, LOG_OF_ETCD
from tasks.core.errors import NotYet, Refused
from tasks.core.models.etcd import ListedMember, MemberStatus
from tasks.core.models.profile import EtcdEndpoint, Route
from tasks.restore.api import api_of, take_pulse, write_and_watch
from tasks.restore.models import OBJECT, Recovered, Restored, RestorePlan, RestoreTarget, Write
from tasks.restore.policy.acts import REVISION_BUMP
from tasks.restore.policy.proof import problem_of_write
from tasks.restore.probes import recovery

START_LIMIT = timedelta(minutes=5)
"""Limits how long etcd, API servers and controllers may take to start, and nodes to renew their Leases."""


class _Answer(NamedTuple):
    """Holds what a member reports on itself and on its cluster."""

    member: str
    cluster_id: str
    status: MemberStatus
    listed: tuple[ListedMember, ...]


def prove_etcd(handle: Cluster, plan: RestorePlan, backup: Backup) -> Restored:
    """Proves quorum, one cluster of exactly these members, equal hashes, and no alarm.

    It raises `NotYet` if that may still become true without help.
    """
    back = (
        "name another one with --backup: that begins again"
        if plan.serving
        else "put the old state back with --rollback"
    )
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
    """Waits until these static pods run on every control plane node that has them.

    It also waits until the API server of each node reports that it is ready.
    """

    def is_ready(name: str) -> None:
        shell = handle.shell(name)
        shape = handle.shape(name)
        facts = parse(name, shell.ask(look(shape.kubelet.manifests, shape.parked))).node
        if missing := [pod for pod in pods if pod in facts.manifests and pod not in facts.running]:
            raise NotYet(f"{name}: not running: {', '.join(missing)}", hint=f"check `journalctl -u kubelet` on {name}")
        if (status := shell.run(ask_readyz(shape)).strip()) != "200":
            raise NotYet(f"{name}: /readyz answers {status}", hint=LOG_OF_API_SERVER)

    what = f"{', '.join(pods)} on every control plane node"
    wait_for(lambda: on_all(is_ready, plan.control_planes), START_LIMIT, what=what, about=handle.profile.name)


def prove_cluster(handle: Cluster, plan: RestorePlan, backup: Backup) -> Recovered:
    """Proves that the cluster works.

    All nodes that were healthy before and all leaders renew their Leases, and these nodes are Ready. A write and a
    watch work, and old watches end.
    """
    name = handle.profile.name
    with api_of(handle, plan.control_planes) as kube:
        before = wait_for(lambda: take_pulse(kube), START_LIMIT, what="the API to answer", about=name)
        expected = tuple(one for one in plan.nodes if one in before.ready and one not in plan.unwell)
        what = "every node and every leader to renew its Lease"
        now = wait_for(lambda: _is_alive(kube, before, expected, plan.leaders), START_LIMIT, what=what, about=name)
        what = "the API to write, read and watch an object"
        written = wait_for(lambda: _write(kube, plan, backup), START_LIMIT, what=what, about=name)
    # For most of a minute the API calls a node Ready that is off: the backup says so.
    silent = recovery.what_is_not_alive(before, now, tuple(now.ready), plan.leaders)
    only_etcd = {target.node for target in plan.targets if target.node not in plan.control_planes}
    return Recovered(
        nodes_ready=tuple(name for name in now.ready if name not in silent),
        nodes_not_ready={name: silent[name] for name in now.ready if name in silent},
        not_in_backup=tuple(name for name in plan.nodes if name not in before.ready and name not in only_etcd),
        leases_renewed=(*expected, *plan.leaders),
        written=f"configmap kube-system/{OBJECT} at revision {written.revision}",
        old_watch=written.old[:200],
    )


def _ask_member(handle: Cluster, target: RestoreTarget) -> _Answer:
    with handle.etcd(_endpoint_of(target), Route.TUNNEL, name=target.member.name) as client:
        cluster_id, _, status = client.status()
        return _Answer(target.member.name, cluster_id, status, client.members())


def _await_quorum(answers: Sequence[_Answer]) -> None:
    """Raises `NotYet` until each member is healthy, has no alarm, and lists exactly the expected members."""
    names = {answer.member for answer in answers}
    for name, _, status, listed in answers:
        if not status.healthy or status.alarms:
            raise NotYet(f"{name}: no quorum yet, or an alarm: {', '.join(status.alarms)}", hint=LOG_OF_ETCD)
        if {member.name for member in listed} != names:
            raise NotYet(f"{name} lists {', '.join(member.name for member in listed)}", hint=LOG_OF_ETCD)


def _hash_at(handle: Cluster, revision: int, target: RestoreTarget) -> tuple[int, int]:
    """Returns the hash of a member's key space at a revision, and the number of keys."""
    with handle.etcd(_endpoint_of(target), Route.TUNNEL, name=target.member.name) as client:
        return client.hash_kv(revision).hash, client.count(revision)


def _endpoint_of(target: RestoreTarget) -> EtcdEndpoint:
    return EtcdEndpoint(url=target.member.client_url, node=target.node, on_node=target.member.on_node)


def _is_alive(
    kube: KubeClient, before: recovery.Pulse, expected: tuple[str, ...], leaders: tuple[str, ...]
) -> recovery.Pulse:
    """Raises `NotYet` until these nodes and leaders have renewed their Leases, and the nodes are Ready."""
    now = take_pulse(kube)
    if wrong := recovery.what_is_not_alive(before, now, expected, leaders):
        told = "; ".join(f"{name} {problem}" for name, problem in wrong.items())
        raise NotYet(
            told,
            hint="check kubelet and the container runtime there; a node that joined after the backup must join again",
        )
    return now


def _write(kube: KubeClient, plan: RestorePlan, backup: Backup) -> Write:
    """Writes the object; `NotYet` until it is read and watched as expected."""
    data = {"id": plan.id, "backup": backup.id, "at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"}
    written = write_and_watch(kube, data, backup.snapshot.newest_revision)
    if problem := problem_of_write(written, plan.id):
        raise NotYet(problem.text, hint="check the API servers' logs")
    return written
