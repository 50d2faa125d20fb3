"""Allows one run at a time to change an object: a lock at a Lease in the namespace of the object.

Work in one namespace does not need the lock of the cluster. The Lease stays when the lock is given back, without a
holder.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta

from tasks.cluster import Cluster, open_cluster
from tasks.core.errors import Refused
from tasks.run.leases import PLACE, LeasePlace, parse_lease
from tasks.run.lock_keepers import Board, Keeper
from tasks.run.lock_places import ANSWER_LIMIT, LEASE
from tasks.run.locks import Check, Limits, Lock
from tasks.run.models.lock import Holder, Owner, Terms
from tasks.run.this_process import owner_of, this_machine

PATIENCE = timedelta(seconds=30)
"""This is the time without a renewal after which a run counts as dead, as for the lock of the cluster."""

LONGEST = 63
"""Limits the characters of the name of a Lease."""


def lease_of(name: str) -> str:
    """Returns the name of the Lease for an object, such as `kube-runbooks-deployment-web` for `deployment/web`."""
    plain = f"kube-runbooks-{name.replace('/', '-')}"
    return plain if len(plain) <= LONGEST else f"{plain[:46]}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"


@contextmanager
def objects_locked(
    cluster: str, run_id: str, holder: Holder, objects: Sequence[tuple[str, str]], *, respect_cluster: bool = False
) -> Iterator[Check]:
    """Holds one lock for each object, and yields the check that belongs right before each action.

    Args:
        cluster: name of its profile
        run_id: id of the flow run
        holder: what others see about this run
        objects: namespace and name, such as `deployment/web`
        respect_cluster: refuse while another run holds the lock of the cluster

    Raises:
        Refused: another run has one of the locks and lives, or holds the lock of the cluster.
        TimedOut: the API does not answer, or a holder that may be dead was not silent for long enough.
    """
    handle = open_cluster(cluster)
    if respect_cluster:
        _respect(handle, run_id)
    owner = owner_of(run_id, this_machine())
    with ExitStack() as stack:
        checks: list[Callable[[], None]] = [
            stack.enter_context(_held(handle, owner, holder, namespace, name))
            for namespace, name in sorted(set(objects))
        ]

        def check() -> None:
            for one in checks:
                one()

        yield check


def _respect(handle: Cluster, run_id: str) -> None:
    record = parse_lease(handle.kube.find(PLACE))
    if not record.is_free and record.holder != run_id:
        raise Refused(
            f"the lock of the cluster is held: {record.sentence}",
            hint="wait until that run ends, or add --no-respect-cluster-lock",
        )


@contextmanager
def _held(handle: Cluster, owner: Owner, holder: Holder, namespace: str, name: str) -> Iterator[Check]:
    terms = Terms(owner=owner, seconds=PATIENCE.total_seconds())
    through = () if handle.profile.kubernetes.kubeconfig else handle.control_planes
    lease, kube = lease_of(name), handle.own_kube(through, ANSWER_LIMIT)
    place = LeasePlace(kube, owner, holder, terms.seconds, namespace=namespace, name=lease)
    place_name = f"{LEASE}{namespace}/{lease}"
    board = Board(f"{namespace}/{name}", terms, this_machine(), [place_name])
    lock = Lock(board, [Keeper(place_name, place, board)], Limits(), f"the lock of {namespace}/{name}")
    try:
        lock.take()
        yield lock.check
    finally:
        lock.give_back()
