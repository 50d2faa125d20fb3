"""One run at a time: a Lease of the cluster; where there is no API to ask, a lock on every control plane node."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import copy_context
from datetime import timedelta
from functools import partial

from tasks.at_once import wait_for
from tasks.clients.ssh import SshNode
from tasks.cluster import open_cluster
from tasks.errors import NotYet, Refused, RunbookError
from tasks.leases import ClusterLease
from tasks.logs import log_about
from tasks.models.lock import Holder
from tasks.probes.lock import STALE_SECONDS, renew_lock, return_lock, take_lock

RENEW_SECONDS = 5
WAIT = timedelta(seconds=STALE_SECONDS + 20)
"""For the lock of a run that may be dead."""

CALL = timedelta(seconds=20)

LEASE = timedelta(seconds=30)
"""Without a renewal, after which a run is dead; it renews three times as often."""


@contextmanager
def locked_cluster(
    cluster: str, run_id: str, holder: Holder, duration: timedelta = LEASE
) -> Iterator[Callable[[], None]]:
    """Holds the cluster's Lease; gives what raises `Refused` when another process has taken it meanwhile.

    To be called right before each act. An API that does not answer then is no lost lock: it gives it to nobody else, and one
    control plane alone is down for minutes during its own upgrade.

    Raises:
        Refused: another run has the lock and is alive, which takes at most `duration` to see.
        NotYet: the API has not answered for longer than that.
    """
    lease = ClusterLease(open_cluster(cluster).kube, cluster, run_id, holder, duration)
    wait_for(lease.take, max(duration, LEASE) * 2)
    ended = threading.Event()

    def keep() -> None:
        while not ended.wait(duration.total_seconds() / 3):
            lease.renew()

    threading.Thread(target=copy_context().run, args=(keep,), name="lease", daemon=True).start()
    try:
        yield lease.check
    finally:
        ended.set()
        lease.give_back()


@contextmanager
def locked_nodes(cluster: str, nodes: Sequence[str], run_id: str) -> Iterator[Callable[[], None]]:
    """Holds the lock on all nodes, taken in the order of their names; gives what raises `Refused` when another run has taken one of them meanwhile.

    Raises `NotYet` when another run holds one: a dead run's lock is free after 30 s, which is waited for.
    """
    handle, locks = open_cluster(cluster), _Locks(run_id)
    try:
        for name in sorted(nodes):
            wait_for(partial(locks.take, handle.node(name)), WAIT)
        locks.keep()
        yield locks.check
    finally:
        locks.give_back()


@contextmanager
def locked_everywhere(cluster: str, nodes: Sequence[str], run_id: str, holder: Holder) -> Iterator[Callable[[], None]]:
    """Holds the lock on all nodes, and the Lease as soon as there is an API that gives it; gives what raises `Refused` when one is lost.

    For a run that begins without an API and brings it back: whoever comes then, by the Lease, finds it taken.
    """
    kube, leasing = open_cluster(cluster).kube, threading.Lock()
    with locked_nodes(cluster, nodes, run_id) as check_nodes, ExitStack() as later:
        of_lease: list[Callable[[], None]] = []

        def take_lease() -> None:
            try:
                kube.get("/api/v1/namespaces/kube-system")
            except RunbookError:
                return
            of_lease.append(later.enter_context(locked_cluster(cluster, run_id, holder)))

        def check() -> None:
            check_nodes()
            with leasing:
                if not of_lease:
                    take_lease()
            for check_lease in of_lease:
                check_lease()

        check()
        yield check


class _Locks:
    """The locks of a run, and the thread that renews them."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._taken: list[SshNode] = []
        self._lost: set[str] = set()
        self._ended = threading.Event()

    def take(self, node: SshNode) -> None:
        holder = _told(node, take_lock(self._run_id))
        if holder != self._run_id:
            raise NotYet(
                f"{node.name}: run {holder} is at work on this cluster",
                hint=f"wait for its end; if it is dead, its lock is free after {STALE_SECONDS} s",
            )
        self._taken.append(node)

    def keep(self) -> None:
        threading.Thread(target=copy_context().run, args=(self._renew,), name="locks", daemon=True).start()

    def check(self) -> None:
        if self._lost:
            raise Refused(
                f"another run has taken the lock of {', '.join(sorted(self._lost))}",
                hint="let it end; this run has stopped where it was",
            )

    def give_back(self) -> None:
        self._ended.set()
        for node in self._taken:
            try:
                _told(node, return_lock(self._run_id))
            except RunbookError as error:
                log_about(node.name).warning("its lock stays until it is stale: %s", error)

    def _renew(self) -> None:
        while not self._ended.wait(RENEW_SECONDS):
            for node in self._taken:
                try:
                    if _told(node, renew_lock(self._run_id)) != self._run_id:
                        self._lost.add(node.name)
                except RunbookError as error:  # nobody else can reach it either, or else has to wait
                    log_about(node.name).warning("the lock could not be renewed: %s", error)


def _told(node: SshNode, script: str) -> str:
    return node.run(script, timeout=CALL, sudo=True).stdout.decode().strip()
