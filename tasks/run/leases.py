"""The Lease `kube-system/kube-runbooks` as a place of the lock, written as client-go's leader election does it.

Each change is a PUT with the version that was read: of two, one is told that the other was faster. Who may take it is decided
in `tasks/run/policy/lock.py`.
"""

from datetime import UTC, datetime
from typing import Any

from tasks.clients.kube import KubeClient
from tasks.core.models import outside
from tasks.run.models.lock import Holder, LockRecord, Owner, micro_time

NAMESPACE, NAME = "kube-system", "kube-runbooks"
COLLECTION = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"
PLACE = f"{COLLECTION}/{NAME}"
ANNOTATION = "kube-runbooks.io/"

JSON = dict[str, Any]


class LeasePlace:
    """The Lease as one process of one run sees it. Every method asks the API once and says what the Lease says then.

    Every method raises `NotYet` where no API server answers or another process was faster, and `Refused` where the API forbids it.
    """

    def __init__(self, kube: KubeClient, owner: Owner, holder: Holder, seconds: float) -> None:
        self._kube = kube
        self._owner = owner
        self._holder = holder
        self._seconds = seconds

    def look(self) -> LockRecord:
        """Changes nothing."""
        return parse_lease(self._kube.find(PLACE))

    def take(self, found: LockRecord) -> LockRecord:
        """Writes our record, if the Lease still says what was found."""
        lease = self._kube.find(PLACE)
        if parse_lease(lease) != found:
            return parse_lease(lease)
        return self._write(lease, taken=True)

    def renew(self) -> LockRecord:
        """Renews it, if it is this process's."""
        lease = self._kube.find(PLACE)
        found = parse_lease(lease)
        return self._write(lease, taken=False) if found.is_of(self._owner) else found

    def give_back(self) -> LockRecord:
        """Frees it, if it is this process's."""
        lease = self._kube.find(PLACE)
        if lease is None or not parse_lease(lease).is_of(self._owner):
            return parse_lease(lease)
        return parse_lease(self._kube.replace(PLACE, _freed(lease)))

    def close(self) -> None:
        """Ends its connections."""
        self._kube.close()

    def _write(self, lease: JSON | None, *, taken: bool) -> LockRecord:
        if lease is None:
            return parse_lease(self._kube.create(COLLECTION, self._written({}, taken=True)))
        return parse_lease(self._kube.replace(PLACE, self._written(lease, taken=taken)))

    def _written(self, lease: JSON, *, taken: bool) -> JSON:
        """With the version that was read in its metadata, if any was."""
        metadata, spec, now = lease.get("metadata") or {}, lease.get("spec") or {}, micro_time(datetime.now(UTC))
        before = parse_lease(lease)
        own = {
            "runbook": self._holder.runbook,
            "run-name": self._holder.run_name,
            "started": micro_time(self._holder.started_at),
            "process": self._owner.process,
        }
        annotations = (metadata.get("annotations") or {}) | {f"{ANNOTATION}{name}": own[name] for name in own}
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": metadata | {"name": NAME, "namespace": NAMESPACE, "annotations": annotations},
            "spec": spec
            | {
                "holderIdentity": self._owner.run_id,
                "leaseDurationSeconds": max(1, round(self._seconds)),
                "acquireTime": now if taken or not before.since else before.since,
                "renewTime": now,
                "leaseTransitions": before.transitions + (taken and bool(lease) and not before.is_of(self._owner)),
            },
        }


def parse_lease(lease: JSON | None) -> LockRecord:
    """What it says; free when there is none."""
    told = outside.HeldLease.read(lease or {}, f"the Lease {NAMESPACE}/{NAME}")
    spec, annotations = told.spec, told.metadata.annotations
    return LockRecord(
        holder=spec.holder_identity,
        process=annotations.get(f"{ANNOTATION}process", ""),
        runbook=annotations.get(f"{ANNOTATION}runbook", ""),
        run_name=annotations.get(f"{ANNOTATION}run-name", ""),
        since=spec.acquire_time,
        renewed=spec.renew_time,
        transitions=spec.lease_transitions,
        seconds=spec.lease_duration_seconds,
    )


def _freed(lease: JSON) -> JSON:
    metadata, spec = lease.get("metadata") or {}, lease.get("spec") or {}
    annotations = metadata.get("annotations") or {}
    kept = {name: value for name, value in annotations.items() if not name.startswith(ANNOTATION)}
    return lease | {
        "metadata": metadata | {"annotations": kept},
        "spec": spec | {"holderIdentity": "", "renewTime": micro_time(datetime.now(UTC))},
    }
