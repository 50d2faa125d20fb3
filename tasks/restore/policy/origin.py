"""Whether a backup is of the cluster that it is to replace, and whether that cluster has to be replaced at all."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from tasks.backup.models.backups import Backup
from tasks.control_plane.models import ControlPlaneNode
from tasks.core.models.findings import Finding, cautioned, listed, refused
from tasks.restore.models import ControlPlaneFacts, Difference

SHOWN = 16
"""Digits of a fingerprint that a line shows."""


def findings_of_origin(
    facts: ControlPlaneFacts, backup: Backup, present: Sequence[ControlPlaneNode], may_differ: Sequence[Difference]
) -> Iterator[Finding]:
    """Another CA, or other nodes, is another cluster, unless the operator knows better; etcd's own id changes with every restore."""
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
            "it does not say which CA its cluster has, as backups of earlier versions: it is not compared with this cluster's",
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
                f"{problem}; may_differ says so",
                "afterwards objects still name the other CA: cluster-info, caBundle fields, kubeconfigs in Secrets",
            )
        else:
            yield refused(
                backup.id,
                f"{problem}: it is the backup of another cluster, or from before a rotation of the CA",
                "choose a backup of this cluster; if it is from before a rotation of its CA, say may_differ=['ca']",
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
            "choose a backup of this cluster; if all machines were replaced, say may_differ=['nodes']",
        )
    elif missing := sorted(theirs - ours):
        yield cautioned(
            backup.id,
            f"nodes of the backup that the profile does not have: {listed(missing)}",
            "their kubelets are not restarted; delete the Node objects of those that are gone",
        )


def findings_of_service(
    facts: ControlPlaneFacts, backup: Backup, cluster: str, *, now: datetime, replace_healthy: bool
) -> Iterator[Finding]:
    """A cluster that works is replaced only if the operator says so in so many words."""
    if not facts.serves:
        return
    snapshot, age = backup.snapshot, in_words((now - backup.snapshot.taken_at).total_seconds())
    problem = (
        f"it works: etcd has quorum on {listed(facts.in_quorum)} at revision {facts.live_revision}, and the API server of "
        f"{listed(facts.api_answers)} answers; the backup is at revision {snapshot.revision}, of "
        f"{snapshot.taken_at:%Y-%m-%d %H:%M:%S} UTC ({age} ago)"
    )
    if replace_healthy:
        yield cautioned(cluster, f"{problem}; replace_healthy says to replace it", "all that was written since is lost")
    else:
        yield refused(
            cluster,
            f"{problem}: all that was written since would be lost",
            "if what it holds is wrong and has to go, say replace_healthy=true; take a backup of it first",
        )


def in_words(seconds: float) -> str:
    """An age."""
    minutes = int(seconds) // 60
    days, hours = minutes // 1440, minutes // 60 % 24
    return f"{days} d {hours} h" if days else f"{hours} h {minutes % 60} min"


def _short(fingerprints: set[str]) -> str:
    return listed(sorted(one[:SHOWN] for one in fingerprints))
