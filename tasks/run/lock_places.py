"""The places of a cluster's lock, each asked in the same words: the Lease, and a file on each control plane node."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Protocol

from tasks.clients.ssh import SshNode
from tasks.cluster import Cluster
from tasks.run import scripts
from tasks.run.leases import LeasePlace
from tasks.run.models.lock import Holder, LockRecord, Owner, Terms, micro_time
from tasks.run.probes import lock as probe

LEASE_NAME = "the Lease kube-system/kube-runbooks"

ANSWER_LIMIT = timedelta(seconds=5)
"""For one question to one place: three renewals fit into the life of a lock with room."""


class PlacePort(Protocol):
    """How a place is asked. Each call says what the place says then, or raises a `RunbookError`."""

    def look(self) -> LockRecord:
        """Changes nothing."""

    def take(self, found: LockRecord) -> LockRecord:
        """Writes our record, if the place still says what was found."""

    def renew(self) -> LockRecord:
        """Renews our record, if it is there."""

    def give_back(self) -> LockRecord:
        """Removes our record, if it is there."""

    def close(self) -> None:
        """Ends connections that it alone has."""


class NodePlace:
    """The lock file of a node."""

    def __init__(self, connect: Callable[[], SshNode], owner: Owner, holder: Holder, seconds: float) -> None:
        self._connect = connect
        self._own = LockRecord(
            holder=owner.run_id,
            process=owner.process,
            runbook=holder.runbook,
            run_name=holder.run_name,
            since=micro_time(datetime.now(UTC)),
            seconds=round(seconds),
        )

    def look(self) -> LockRecord:
        """Changes nothing."""
        return self._ask(probe.look_at_lock())

    def take(self, found: LockRecord) -> LockRecord:
        """Writes our record, if the file still says what was found."""
        return self._ask(scripts.take_lock(), f"{probe.expected(found)}\n{probe.record_on_node(self._own)}")

    def renew(self) -> LockRecord:
        """Touches our record, if it is there."""
        return self._ask(scripts.renew_lock(), probe.record_on_node(self._own))

    def give_back(self) -> LockRecord:
        """Removes our record, if it is there."""
        return self._ask(scripts.return_lock(), probe.record_on_node(self._own))

    def close(self) -> None:
        """Nothing: the connection is the cluster's."""

    def _ask(self, script: str, stdin: str = "") -> LockRecord:
        return probe.parse_lock(
            self._connect().run(script, stdin=stdin.encode(), timeout=ANSWER_LIMIT, sudo=True).stdout
        )


def open_places(handle: Cluster, terms: Terms, holder: Holder, lost: Sequence[str]) -> dict[str, PlacePort]:
    """By name, in the order in which they are taken: nodes first, and the Lease last. None where the profile names neither."""
    names = sorted({*terms.voters, *terms.machines} - set(lost))
    places: dict[str, PlacePort] = {
        name: NodePlace(partial(handle.node, name), terms.owner, holder, terms.seconds) for name in names
    }
    if handle.profile.kubernetes.kubeconfig or names:
        kube = handle.own_kube(terms.voters, ANSWER_LIMIT)
        places[LEASE_NAME] = LeasePlace(kube, terms.owner, holder, terms.seconds)
    return places
