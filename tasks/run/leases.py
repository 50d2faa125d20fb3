"""Uses a Lease as a place of a lock, in the format of client-go's leader election.

The lock of the cluster has the Lease `kube-system/kube-runbooks`. The lock of an object has a Lease in its namespace.

Each change is a PUT with the version that was read. If two processes write, one of them learns that the other was
faster. `tasks/run/policy/lock.py` decides who may take the Lease.
"""

from datetime import UTC, datetime
from typing import Any

from tasks.clients.kube import KubeClient
from tasks.core.models import outside
from tasks.run.models.lock import Holder, LockRecord, Owner, micro_time

NAMESPACE, NAME = "kube-system", "kube-runbooks"


def collection_of(namespace: str) -> str:
    """Returns the path of the Leases of a namespace."""
    return f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"


COLLECTION = collection_of(NAMESPACE)
PLACE = f"{COLLECTION}/{NAME}"
ANNOTATION = "kube-runbooks.io/"

JSON = dict[str, Any]


class LeasePlace:
    """Represents the Lease for one process of one run.

    Every method queries the API once and returns the content of the Lease at that moment. Every method raises `NotYet`
    if no API server answers or another process was faster, and `Refused` if the API forbids it.
    """

    def __init__(  # noqa: PLR0913 - what a Lease is made of
        self,
        kube: KubeClient,
        owner: Owner,
        holder: Holder,
        seconds: float,
        *,
        namespace: str = NAMESPACE,
        name: str = NAME,
    ) -> None:
        self._namespace, self._name = namespace, name
        self._collection = collection_of(namespace)
        self._place = f"{self._collection}/{name}"
        self._kube = kube
        self._owner = owner
        self._holder = holder
        self._seconds = seconds

    def look(self) -> LockRecord:
        """Reads the Lease without any change."""
        return parse_lease(self._kube.find(self._place))

    def take(self, found: LockRecord) -> LockRecord:
        """Writes this process's record if the Lease still has the content that was found."""
        lease = self._kube.find(self._place)
        if parse_lease(lease) != found:
            return parse_lease(lease)
        return self._write(lease, taken=True)

    def renew(self) -> LockRecord:
        """Renews the Lease if this process holds it."""
        lease = self._kube.find(self._place)
        found = parse_lease(lease)
        return self._write(lease, taken=False) if found.is_of(self._owner) else found

    def give_back(self) -> LockRecord:
        """Frees the Lease if this process holds it."""
        lease = self._kube.find(self._place)
        if lease is None or not parse_lease(lease).is_of(self._owner):
            return parse_lease(lease)
        return parse_lease(self._kube.replace(self._place, _freed(lease)))

    def close(self) -> None:
        """Closes the connections of the Lease's client."""
        self._kube.close()

    def _write(self, lease: JSON | None, *, taken: bool) -> LockRecord:
        if lease is None:
            return parse_lease(self._kube.create(self._collection, self._written({}, taken=True)))
        return parse_lease(self._kube.replace(self._place, self._written(lease, taken=taken)))

    def _written(self, lease: JSON, *, taken: bool) -> JSON:
        """Builds the Lease to write; its metadata has the version that was read, if there was one."""
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
            "metadata": metadata | {"name": self._name, "namespace": self._namespace, "annotations": annotations},
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
    """Parses the content of a Lease; the record is free if there is no Lease."""
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
