"""Checks whether the record of an interrupted rotation still applies to its node.

If not, its copy belongs to another state of the cluster.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from tasks.cert_rotation.models.rotation import CERT_ROTATION, NodeRotation, Phase, RotationRecord, TakenFrom
from tasks.certificates.models.inventory import NodeCertificates
from tasks.certificates.models.kubeadm import AUTHORITIES, LEAVES
from tasks.core.models.kubeadm import ORDER

UNKNOWN = "it does not say what its copy was taken from (an earlier version of these runbooks wrote it)"


def taken_from(node: NodeCertificates) -> TakenFrom:
    """Returns the current state of the node from which a copy of its files is taken."""
    found = {name: node.named(name) for name in (*LEAVES, *AUTHORITIES)}
    return TakenFrom(
        kubeadm=node.kubeadm,
        manifests=dict(node.manifest_sums),
        certificates={name: one.fingerprint for name, one in found.items() if one and one.fingerprint},
    )


def record_of(work: NodeRotation, node: NodeCertificates, run_id: str, now: datetime, runbook: str) -> RotationRecord:
    """Returns the record that a run writes on a node before its first action there."""
    return RotationRecord(
        run_id=run_id,
        begun_at=now,
        leaves=work.leaves,
        anew=work.anew,
        restarts=work.restarts,
        runbook=runbook,
        taken_from=taken_from(node),
    )


def resumed(found: RotationRecord, fresh: RotationRecord) -> RotationRecord:
    """Returns the record that joins the work of the interrupted run with the work wanted now.

    The order is that of kubeadm's names and of the static pods.
    """
    leaves = {*found.leaves, *fresh.leaves}
    anew = {*found.anew, *fresh.anew}
    restarts = {*found.restarts, *fresh.restarts}
    return found.model_copy(
        update={
            "leaves": tuple(leaf for leaf in LEAVES if leaf in leaves),
            "anew": tuple(leaf for leaf in LEAVES if leaf in anew),
            "restarts": tuple(pod for pod in ORDER if pod in restarts),
            "phase": Phase.RENEWING,
        }
    )


def what_has_changed(record: RotationRecord, node: NodeCertificates) -> tuple[str, ...]:
    """Returns what someone else has changed since the record was begun.

    After such a change the copy must not be restored, and the record does not describe the remaining work.
    """
    if record.taken_from is None:
        return (UNKNOWN,)
    return tuple(_changes(record, record.taken_from, taken_from(node)))


def what_ended_since(
    record: RotationRecord, node: NodeCertificates, *, now: datetime, renew_before: timedelta
) -> tuple[str, ...]:
    """Returns leaves that the interrupted run renewed and that are due again.

    The resumed run would leave them alone, so a record this old is void.
    """
    before = record.taken_from.certificates if record.taken_from else {}
    renewed = [
        one
        for leaf in record.leaves
        if (one := node.named(leaf)) and one.fingerprint != before.get(leaf) and one.lifetime > renew_before
    ]
    return tuple(
        f"{one.name} was renewed since, and expires at {one.not_after:%Y-%m-%d %H:%M} UTC"
        for one in renewed
        if one.not_after and one.not_after - now <= renew_before
    )


def _changes(record: RotationRecord, then: TakenFrom, now: TakenFrom) -> Iterator[str]:
    if then.kubeadm != now.kubeadm:
        yield f"kubeadm is {now.kubeadm or 'gone'}, it was {then.kubeadm or 'not known'}"
    for pod in sorted(then.manifests.keys() | now.manifests.keys()):
        if then.manifests.get(pod) != now.manifests.get(pod):
            yield f"the manifest of {pod} has changed"
    own = set(record.leaves) | (set() if record.runbook == CERT_ROTATION else set(AUTHORITIES))
    for name in then.certificates:
        if name not in own and then.certificates[name] != now.certificates.get(name):
            yield f"{name} is another certificate"
