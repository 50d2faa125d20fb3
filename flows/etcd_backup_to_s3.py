"""Backs up etcd into S3, verifies the backup, and removes old backups by rules."""

from typing import Annotated

from prefect import flow
from pydantic import StringConstraints

from tasks.backup.backups import (
    apply_retention,
    backup_of_this_run,
    check_store,
    place_of_backup,
    prove_backup,
    sweep_leftovers,
    write_manifest,
)
from tasks.backup.drills import check_drill_tools, restore_drill
from tasks.backup.pki import check_pki, keep_pki
from tasks.backup.policy.sources import choose_source
from tasks.backup.snapshots import read_back, take_snapshot
from tasks.backup.summary import summarize_backup
from tasks.core.models.profile import ClusterName, RouteChoice
from tasks.core.models.report import Report
from tasks.core.models.retention import Retention
from tasks.etcd.observe import observe_etcd
from tasks.run.end_states import ends_in_words
from tasks.run.runbook import RUNBOOK, runbook


@ends_in_words
@flow(name="etcd_backup_to_s3", flow_run_name="backup-{cluster}", **RUNBOOK)
def etcd_backup_to_s3(
    cluster: ClusterName,
    retention: Retention | None = None,
    drill: bool = False,
    route: RouteChoice = "auto",
    member: Annotated[str, StringConstraints(min_length=1, max_length=253)] = "auto",
    allow_no_quorum: bool = False,
    pki: bool = False,
) -> Report:
    """Takes a snapshot of one etcd member, streams it into S3, verifies it, and removes backups that no rule keeps.

    Args:
        cluster: name of the cluster's profile
        retention: which backups to keep; if empty, the profile's rules
        drill: restore the backup into a scratch etcd on the worker and compare it with the live member
        route: how to reach etcd; auto connects directly if that works, and through SSH otherwise
        member: the member to take the snapshot from, by name or hexadecimal id; auto chooses a healthy follower
        allow_no_quorum: accept the snapshot of a surviving member when etcd has lost its quorum
        pki: also back up the control plane's keys, encrypted for the profile's backup.recipients
    """
    with runbook(cluster) as run:
        if pki:
            run.step(check_pki, cluster)
        run.step(check_store, cluster)
        facts = run.step(observe_etcd, cluster, route)
        plan = run.settle(choose_source(facts, asked=member, allow_no_quorum=allow_no_quorum))
        if drill:
            run.step(check_drill_tools, plan)
        swept = run.step(sweep_leftovers, cluster, run.run_id)
        backup = run.step(backup_of_this_run, cluster, run.run_id)
        if backup is None:
            snapshot = run.step(take_snapshot, cluster, plan, run.run_id, allow_no_quorum=allow_no_quorum)
            proof = run.step(read_back, cluster, snapshot)
            drilled = run.step(restore_drill, cluster, snapshot) if drill else None
            keys = run.step(keep_pki, cluster, snapshot.backup_id) if pki else None
            backup = run.step(write_manifest, cluster, snapshot, proof, drilled, keys, run_id=run.run_id)
        proof_of_run = run.step(prove_backup, cluster, backup.id, run.report)
        kept = run.step(apply_retention, cluster, backup.id, retention)
        return run.finish(*summarize_backup(backup, place_of_backup(cluster, backup.id), proof_of_run, swept, kept))
