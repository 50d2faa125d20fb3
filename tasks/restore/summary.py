"""Writes what people read first about a restore."""

from collections.abc import Sequence

from tasks.core.commands import AGAIN, CLUSTER, run_command
from tasks.restore.models import Ended, Recovered, Restored, RestorePlan, RestoreRequest, RolledBack


def summarize_restore_plan(plan: RestorePlan) -> tuple[str, ...]:
    """Returns the summary for the report of a plan that nobody has confirmed yet."""
    return (
        f"nothing was done: this is the plan of a restore of backup {plan.backup} on {', '.join(plan.nodes)}",
        f"to do it: {AGAIN} --mode=apply --confirm={CLUSTER}",
    )


def summarize_restore(plan: RestorePlan, etcd: Restored, proof: Recovered, ended: Ended) -> tuple[str, ...]:
    """Returns the summary for the report of a restore.

    It says what was proven, what is left to do, and where the old data is.
    """
    return (
        f"the cluster has the state of backup {plan.backup}",
        f"proven: etcd {etcd.cluster_id} of {', '.join(etcd.members)}, leader {etcd.leader}, has quorum and equal hashes "
        f"({etcd.hash}) at revision {etcd.revision}, with {etcd.key_count} keys",
        f"proven: leases renewed after the restart: {', '.join(proof.leases_renewed)}",
        f"proven: written, read back and seen by a watch: {proof.written}; a watch from before the restore gets: {proof.old_watch}",
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
    """Returns the summary for the report of a rollback."""
    return (
        f"data and manifests from before the restore of backup {plan.backup} are back on {', '.join(done.nodes)}",
        *(f"{name} had no data before: the restored data stays there" for name in done.had_no_data),
        *(_of_attempts(name, folders) for name, folders in done.of_attempts.items()),
        *(f"{skip.subject} was left out: {skip.reason}" for skip in plan.skips),
        "not proven: whether the cluster works, which may have been the reason for the restore; run `kube-runbooks run etcd-health CLUSTER`",
    )


def rollback_command(request: RestoreRequest) -> str:
    """Returns the command that puts the previous state back, as long as no API server has run on the restored data."""
    lost = (f"--lost={name}" for name in request.lost)
    confirmed = ("--mode=apply", f"--confirm={request.cluster}")
    return run_command("etcd_restore_from_s3", request.cluster, "--rollback", *lost, *confirmed)


def _of_attempts(name: str, folders: Sequence[str]) -> str:
    return f"{name}: what earlier attempts of this restore had put in place is in {', '.join(folders)}; remove it"


def _join_again(name: str) -> str:
    return (
        f"kubectl delete node {name}; on a control plane that is left: kubeadm init phase upload-certs --upload-certs, "
        f"kubeadm token create --print-join-command --certificate-key KEY; on {name} or its replacement: kubeadm reset, "
        "then the command that this printed; a worker needs none of this: systemctl restart kubelet on it"
    )
