"""Defines the places of a cluster's lock: the Lease, and a file on each control plane node.

All places have the same methods.
"""

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

LEASE = "the Lease "
"""Begins the name of each place that is a Lease."""

LEASE_NAME = f"{LEASE}kube-system/kube-runbooks"

ANSWER_LIMIT = timedelta(seconds=5)
"""Limits one query to one place, so that three renewals easily fit into the lifetime of a lock."""


class PlacePort(Protocol):
    """Defines the methods of a place.

    Each call returns the content of the place at that moment, or raises a `RunbookError`.
    """

    def look(self) -> LockRecord:
        """Reads the place without any change."""

    def take(self, found: LockRecord) -> LockRecord:
        """Writes this process's record if the place still has the content that was found."""

    def renew(self) -> LockRecord:
        """Renews this process's record if it is there."""

    def give_back(self) -> LockRecord:
        """Removes this process's record if it is there."""

    def close(self) -> None:
        """Closes the connections that only this place uses."""


class NodePlace:
    """Represents the lock file of a node."""

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
        """Reads the lock file without any change."""
        return self._ask(probe.look_at_lock())

    def take(self, found: LockRecord) -> LockRecord:
        """Writes this process's record if the file still has the content that was found."""
        return self._ask(scripts.take_lock(), f"{probe.expected(found)}\n{probe.record_on_node(self._own)}")

    def renew(self) -> LockRecord:
        """Touches the file if it has this process's record."""
        return self._ask(scripts.renew_lock(), probe.record_on_node(self._own))

    def give_back(self) -> LockRecord:
        """Removes the file if it has this process's record."""
        return self._ask(scripts.return_lock(), probe.record_on_node(self._own))

    def close(self) -> None:
        """Does nothing, because the connection belongs to the cluster."""

    def _ask(self, script: str, stdin: str = "") -> LockRecord:
        return probe.parse_lock(
            self._connect().run(script, stdin=stdin.encode(), timeout=ANSWER_LIMIT, sudo=True).stdout
        )


def open_places(handle: Cluster, terms: Terms, holder: Holder, lost: Sequence[str]) -> dict[str, PlacePort]:
    """Returns the places by name, in the order in which they are taken: nodes first, and the Lease last.

    It returns no place if the profile has neither a kubeconfig nor nodes to lock.
    """
    names = sorted({*terms.voters, *terms.machines} - set(lost))
    places: dict[str, PlacePort] = {
        name: NodePlace(partial(handle.node, name), terms.owner, holder, terms.seconds) for name in names
    }
    if handle.profile.kubernetes.kubeconfig or names:
        kube = handle.own_kube(terms.voters, ANSWER_LIMIT)
        places[LEASE_NAME] = LeasePlace(kube, terms.owner, holder, terms.seconds)
    return places
