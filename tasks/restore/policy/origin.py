"""Decides whether a backup is of the cluster that it replaces, and whether that cluster must be replaced."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from tasks.backup.models.backups import Backup
from tasks.control_plane.models import ControlPlaneNode
from tasks.core.models.findings import Finding, cautioned, listed, refused
from tasks.core.models.plan import figure
from tasks.core.words import duration_in_words
from tasks.restore.models import ControlPlaneFacts, Difference

SHOWN = 16
"""Limits how many digits of a fingerprint a line shows."""


def findings_of_origin(
    facts: ControlPlaneFacts, backup: Backup, present: Sequence[ControlPlaneNode], may_differ: Sequence[Difference]
) -> Iterator[Finding]:
    """Returns what suggests that the backup is from another cluster.

    Another CA, or only other nodes, means another cluster unless the operator allows it. etcd's own id changes with
    every restore.
    """
    yield from _authorities(backup, present, "ca" in may_differ)
    yield from _nodes(facts, backup, "nodes" in may_differ)
    names = {node.member.name for node in present if node.member}
    if backup.snapshot.origin.members and names.isdisjoint(backup.snapshot.origin.members):
        told = f"its etcd had the members {listed(backup.snapshot.origin.members)}, here are {listed(sorted(names))}"
        yield cautioned(backup.id, told, "make sure that it is of this cluster")
    if facts.live_ids and backup.snapshot.cluster_id not in facts.live_ids:
        yield cautioned(
            backup.id,
            f"it is of etcd cluster {backup.snapshot.cluster_id}; what runs now is etcd cluster {listed(facts.live_ids)}",
            "each restore makes a new id; if this cluster was never restored, it is the backup of another one",
        )


def _authorities(backup: Backup, present: Sequence[ControlPlaneNode], allowed: bool) -> Iterator[Finding]:  # noqa: FBT001
    theirs = set(backup.snapshot.origin.authorities)
    ours = {one for node in present for one in node.authorities}
    if not theirs:
        yield cautioned(
            backup.id,
            "it does not say which CA its cluster has, as backups of earlier versions and those that could not read it: it is not "
            "compared with this cluster's",
            "make sure that it is of this cluster",
        )
    elif not ours:
        files = sorted({file for node in present for file in node.authority_files})
        yield cautioned(
            backup.id,
            f"no control plane node shows its CA ({listed(files) or 'no manifest names one'}): it is not compared with the backup's",
            "make sure that it is of this cluster",
        )
    elif ours.isdisjoint(theirs):
        problem = f"its cluster has the CA {_short(theirs)}, this cluster has {_short(ours)} (sha256)"
        if allowed:
            yield cautioned(
                backup.id,
                f"{problem}; --may-differ allows it",
                "afterwards objects still name the other CA: cluster-info, caBundle fields, kubeconfigs in Secrets",
            )
        else:
            yield refused(
                backup.id,
                f"{problem}: it is the backup of another cluster, or from before a rotation of the CA",
                "choose a backup of this cluster; if it is from before a rotation of its CA, add --may-differ=ca",
            )


def _nodes(facts: ControlPlaneFacts, backup: Backup, allowed: bool) -> Iterator[Finding]:  # noqa: FBT001
    theirs, ours = set(backup.snapshot.origin.nodes), {node.name for node in facts.nodes}
    if not theirs:
        yield cautioned(
            backup.id,
            "it does not say which nodes its cluster has: they are not compared with the profile's",
            "make sure that it is of this cluster",
        )
    elif theirs.isdisjoint(ours) and not allowed:
        yield refused(
            backup.id,
            f"none of its nodes ({listed(sorted(theirs))}) is a node of the profile ({listed(sorted(ours))}): it is the backup of "
            "another cluster",
            "choose a backup of this cluster; if all nodes were replaced, add --may-differ=nodes",
        )
    elif missing := sorted(theirs - ours):
        yield cautioned(
            backup.id,
            f"nodes of the backup that the profile does not have: {listed(missing)}",
            "their kubelets are not restarted; delete the Node objects of those that are gone",
        )


def findings_of_proofs(facts: ControlPlaneFacts) -> Iterator[Finding]:
    """Refuses now what would fail at the end, after the cluster was stopped and replaced."""
    if facts.administrator_problem:
        yield refused(
            "API",
            f"{facts.administrator_problem}: the run could not check afterwards whether the API works",
            "on a control plane node: kubeadm certs renew admin.conf; or give kubernetes.kubeconfig",
        )


def findings_of_service(
    facts: ControlPlaneFacts, backup: Backup, cluster: str, *, now: datetime, replace_healthy: bool
) -> Iterator[Finding]:
    """Refuses to replace a working cluster unless the operator explicitly asks for it."""
    if not facts.serves:
        if facts.not_asked:
            yield cautioned(
                cluster,
                f"it may work all the same: {figure('; '.join(facts.not_asked))}",
                "make sure that it does not: all that was written since the backup is lost",
            )
        return
    snapshot, age = backup.snapshot, duration_in_words(now - backup.snapshot.taken_at)
    problem = (
        f"it works: etcd has quorum on {listed(facts.in_quorum)} at revision {facts.live_revision}, and the API server of "
        f"{listed(facts.api_answers)} answers; the backup is at revision {snapshot.revision}, of "
        f"{snapshot.taken_at:%Y-%m-%d %H:%M:%S} UTC ({age} ago)"
    )
    if replace_healthy:
        yield cautioned(cluster, f"{problem}; --replace-healthy allows it", "all that was written since is lost")
    else:
        yield refused(
            cluster,
            f"{problem}: all that was written since would be lost",
            "if what it holds is wrong and has to go, add --replace-healthy; take a backup of it first",
        )


def _short(fingerprints: set[str]) -> str:
    return listed(sorted(one[:SHOWN] for one in fingerprints))
