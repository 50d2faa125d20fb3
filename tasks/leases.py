"""The lock of a cluster: the Lease `kube-system/kube-runbooks`, taken and renewed as client-go's leader election does it.

Clocks of two machines are never compared. Whoever finds it taken watches it for its whole duration by its own clock; if
nothing in it changes meanwhile, the holder is dead. Each change is a PUT with the version that was read: of two, one is told
that the other was faster.
"""

import os
import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from tasks.clients.kube import KubeClient
from tasks.errors import NotYet, Refused, RunbookError
from tasks.logs import log_about
from tasks.models.lock import Holder, LockRecord, micro_time

NAMESPACE, NAME = "kube-system", "kube-runbooks"
COLLECTION = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"
PLACE = f"{COLLECTION}/{NAME}"
ANNOTATION = "kube-runbooks.io/"

JSON = dict[str, Any]


class ClusterLease:
    """The lock as one process of one run sees it. `take` is called until it raises `NotYet` no more."""

    def __init__(self, kube: KubeClient, cluster: str, run_id: str, holder: Holder, duration: timedelta) -> None:
        self._kube = kube
        self._log = log_about(cluster)
        self._run_id = run_id
        self._holder = holder
        self._duration = duration
        self._process = f"process {os.getpid()} on {socket.gethostname()}, {uuid4().hex[:8]}"
        self._watched: tuple[LockRecord, float] | None = None
        self._writing = threading.Lock()
        self._returned = False
        self._transitions = 0
        self._renewed = True
        self._lost = False

    def take(self) -> None:
        """One look, and the lock if it is free, this run's own, or was seen unchanged for its duration.

        Raises:
            Refused: its holder has renewed it before our eyes.
            NotYet: it is not known yet whether its holder lives, the API does not answer, or somebody was faster.
        """
        lease = self._kube.find(PLACE)
        if lease is None:
            self._kube.create(COLLECTION, self._written({}, taken=True))
            return
        found = _record(lease)
        if found.holder not in {"", self._run_id}:
            self._watch(found)
            self._log.warning("the lock is taken over: for %s s nobody has renewed it", found.seconds)
        written = self._kube.replace(PLACE, self._written(lease, taken=True))
        self._transitions = _record(written).transitions

    def _watch(self, found: LockRecord) -> None:
        """Returns when the holder is dead."""
        if self._watched is None:
            self._watched = found, time.monotonic()
            self._log.info("%s; watched for up to %s s, whether it lives", found.sentence, self._patience(found))
        watched, since = self._watched
        if found != watched:
            raise Refused(
                f"{found.sentence}, and renews it",
                hint=f"let it end, or cancel flow run {found.holder}; then run this again",
            )
        if time.monotonic() - since < self._patience(found):
            raise NotYet(f"{found.sentence}", hint="if it is dead, its lock is free when its time is up")

    def _patience(self, found: LockRecord) -> float:
        return max(self._duration.total_seconds(), found.seconds)

    def renew(self) -> None:
        """Renews it, if nobody else has it; what fails is told once, and tried again the next time."""
        with self._writing:
            if self._returned:
                return
            try:
                lease = self._kube.find(PLACE)
                if lease is None:
                    self._kube.create(COLLECTION, self._written({}))
                    self._transitions = 0
                elif self._is_mine(_record(lease)):
                    self._kube.replace(PLACE, self._written(lease))
                elif not self._lost:
                    self._lost = True
                    self._log.error(
                        "the lock is lost, so this run stops before its next act: %s", _record(lease).sentence
                    )
            except RunbookError as error:
                if self._renewed:
                    self._log.warning("the lock could not be renewed, which is tried again: %s", error)
                self._renewed = False
            else:
                if not self._renewed:
                    self._log.info("the lock is renewed again")
                self._renewed = True

    def check(self) -> None:
        """Asks the API, now: a process that was frozen may have lost the lock since it last looked.

        Raises `Refused` when the Lease names another one. An API that does not answer gives the lock to nobody.
        """
        try:
            lease = self._kube.find(PLACE)
        except RunbookError as error:
            self._log.warning("nobody can say who has the lock, so nobody can have taken it: %s", error)
            return
        found = _record(lease) if lease else None
        if found and not self._is_mine(found):
            raise Refused(
                f"this run has lost the lock of the cluster: {found.sentence}",
                hint="let that one end; this run has stopped where it was",
            )

    def give_back(self) -> None:
        """Frees it, if it is still this process's."""
        with self._writing:
            self._returned = True
            try:
                lease = self._kube.find(PLACE)
                if lease and _record(lease).holder and self._is_mine(_record(lease)):
                    self._kube.replace(PLACE, self._freed(lease))
            except RunbookError as error:
                self._log.warning("the lock stays until nobody has renewed it for its time: %s", error)

    def _is_mine(self, found: LockRecord) -> bool:
        """Also when a person has emptied it, but not when somebody has had it meanwhile."""
        mine = not found.holder or (found.holder, found.process) == (self._run_id, self._process)
        return mine and found.transitions == self._transitions

    def _written(self, lease: JSON, *, taken: bool = False) -> JSON:
        """With the version that was read in its metadata, if any was."""
        metadata, spec, now = lease.get("metadata", {}), lease.get("spec", {}), micro_time(datetime.now(UTC))
        before = _record(lease)
        own = {
            "runbook": self._holder.runbook,
            "run-name": self._holder.run_name,
            "started": micro_time(self._holder.started_at),
            "process": self._process,
        }
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": metadata
            | {
                "name": NAME,
                "namespace": NAMESPACE,
                "annotations": metadata.get("annotations", {}) | {f"{ANNOTATION}{name}": own[name] for name in own},
            },
            "spec": spec
            | {
                "holderIdentity": self._run_id,
                "leaseDurationSeconds": max(1, round(self._duration.total_seconds())),
                "acquireTime": now if taken or not before.since else before.since,
                "renewTime": now,
                "leaseTransitions": before.transitions + (taken and bool(lease) and before.holder != self._run_id),
            },
        }

    def _freed(self, lease: JSON) -> JSON:
        annotations = lease["metadata"].get("annotations", {})
        kept = {name: value for name, value in annotations.items() if not name.startswith(ANNOTATION)}
        return lease | {
            "metadata": lease["metadata"] | {"annotations": kept},
            "spec": lease["spec"] | {"holderIdentity": "", "renewTime": micro_time(datetime.now(UTC))},
        }


def _record(lease: JSON) -> LockRecord:
    spec, annotations = lease.get("spec", {}), lease.get("metadata", {}).get("annotations", {})
    return LockRecord(
        holder=spec.get("holderIdentity") or "",
        process=annotations.get(f"{ANNOTATION}process", ""),
        runbook=annotations.get(f"{ANNOTATION}runbook", ""),
        run_name=annotations.get(f"{ANNOTATION}run-name", ""),
        since=spec.get("acquireTime") or "",
        renewed=spec.get("renewTime") or "",
        transitions=spec.get("leaseTransitions") or 0,
        seconds=spec.get("leaseDurationSeconds") or 0,
    )
