"""Lists what a restore does on each node, in the order of execution, with the commands that do it."""

import shlex
from collections.abc import Iterator

from tasks.backup.models.backups import Backup
from tasks.core.models.plan import Step, figure
from tasks.restore.models import RestorePlan, RestoreTarget, aside_folder, kept_folder, restored_folder

REVISION_BUMP = 1_000_000_000
"""This number is added to the revision of the backup.

It is more than any cluster writes in the week between a backup and its restore. Controllers and kubelets then see every
object as newer than what they remember.
"""


def steps_of(plan: RestorePlan, backup: Backup) -> tuple[Step, ...]:
    """Returns the steps in the order of execution.

    Nothing is stopped before all new data is ready. Nothing is started before what it needs is proven.
    """
    return (*_prepare(plan, backup), *_stop(plan), *_swap(plan), *_start(plan))


def etcdutl_words(plan: RestorePlan, target: RestoreTarget) -> tuple[str, ...]:
    """Returns the command line that makes a member's new data directory, in the folder with `snapshot.db`."""
    member = target.member
    return (
        *(f"{target.tools}/etcdutl", "snapshot", "restore", "snapshot.db"),
        *("--data-dir", str(restored_folder(member, plan.id)), "--name", member.name),
        *("--initial-cluster", plan.initial_cluster, "--initial-cluster-token", plan.id),
        *("--initial-advertise-peer-urls", member.peer_url),
        *("--bump-revision", str(REVISION_BUMP), "--mark-compacted"),
    )


def _prepare(plan: RestorePlan, backup: Backup) -> Iterator[Step]:
    size = backup.snapshot.plain.size
    for target in plan.targets:
        yield Step(
            subject=target.node,
            act=f"fetch {size} bytes, check their sha256, `{shlex.join(etcdutl_words(plan, target))}`",
            reason="nothing is stopped before every member's new data is there",
        )


def _stop(plan: RestorePlan) -> Iterator[Step]:
    for name in plan.control_planes:
        yield Step(
            subject=name,
            act="move the manifests of API server, controller manager and scheduler into kube-runbooks-parked, beside the kubelet's folder "
            "of static pods; then etcd's; prove that they are gone",
            reason="no API server may run while etcd is replaced",
        )


def _swap(plan: RestorePlan) -> Iterator[Step]:
    for target in plan.targets:
        yield Step(
            subject=target.node,
            act=_swap_in_words(plan, target),
            reason=f"{figure(target.member.data_bytes)} bytes of old data are never deleted by us",
        )


def _swap_in_words(plan: RestorePlan, target: RestoreTarget) -> str:
    member = target.member
    data, kept, restored = member.data_dir, kept_folder(member, plan.id), restored_folder(member, plan.id)
    below = "/member" if member.is_mount else ""
    aside = aside_folder(member, plan.id)
    told = f" (to {aside} where an earlier attempt has kept the original already)" if plan.record.attempts[1:] else ""
    return f"`mv {data}{below} {kept}{below}`{told}, `mv {restored}{below} {data}{below}`"


def _start(plan: RestorePlan) -> Iterator[Step]:
    yield Step(
        subject=", ".join(target.node for target in plan.targets),
        act="put etcd's manifest back, or start its unit; prove quorum, one cluster, equal hashes",
        reason=f"a new cluster, its revision {REVISION_BUMP} above the backup's: no watcher takes old for new",
    )
    yield Step(
        subject=", ".join(plan.control_planes),
        act="put back the manifests of API servers, then of controller managers and schedulers",
        reason="etcd is proven by then",
    )
    yield Step(
        subject=", ".join(plan.nodes),
        act="`systemctl restart kubelet`; prove leases, nodes, a write, a watch",
        reason="kubelets must not continue from what they remember",
    )
