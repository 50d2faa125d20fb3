"""Whether what an interrupted rotation wrote down on a node is still true: else its copy is of another cluster than this one."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from tasks.cert_rotation.models.rotation import CERT_ROTATION, NodeRotation, Phase, RotationRecord, TakenFrom
from tasks.certificates.models.inventory import NodeCertificates
from tasks.certificates.models.kubeadm import AUTHORITIES, LEAVES
from tasks.core.models.kubeadm import ORDER

UNKNOWN = "it does not say what its copy was taken from (an earlier version of these runbooks wrote it)"


def taken_from(node: NodeCertificates) -> TakenFrom:
    """What a copy of the node's files is of, at this moment."""
    found = {name: node.named(name) for name in (*LEAVES, *AUTHORITIES)}
    return TakenFrom(
        kubeadm=node.kubeadm,
        manifests=dict(node.manifest_sums),
        certificates={name: one.fingerprint for name, one in found.items() if one and one.fingerprint},
    )


def record_of(work: NodeRotation, node: NodeCertificates, run_id: str, now: datetime, runbook: str) -> RotationRecord:
    """What is written down on a node before the first act there."""
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
    """What the interrupted run wanted, and what is wanted now, in the order of kubeadm's names and of the pods."""
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
    """What somebody else has changed since the record was begun: its copy must not be put back any more, and its work is not what is left."""
    if record.taken_from is None:
        return (UNKNOWN,)
    return tuple(_changes(record, record.taken_from, taken_from(node)))


def what_ended_since(
    record: RotationRecord, node: NodeCertificates, *, now: datetime, renew_before: timedelta
) -> tuple[str, ...]:
    """Leaves that were renewed since, so that the run would leave them alone, and that are due again: the record is that old."""
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
