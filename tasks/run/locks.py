"""One run at a time: the lock of a cluster, held at the Lease and on its control plane nodes (docs/operations.md).

Each place has a thread of its own that asks it and renews it (`lock_keepers`). What the answers mean is decided in
`tasks/run/policy/lock.py`.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from tasks.cluster import Cluster, open_cluster
from tasks.core.errors import NotYet, Refused
from tasks.run.lock_keepers import Board, Keeper
from tasks.run.lock_places import open_places
from tasks.run.models.lock import Holder, Standing, Terms
from tasks.run.this_process import boot_clock, owner_of, this_machine
from tasks.run.voters import find_voters

Check = Callable[[], None]
"""Right before an act: raises where the lock is not certainly this run's."""

LEASE = timedelta(seconds=30)
"""Without a renewal, after which a run is dead; it renews three times as often."""


@dataclass(frozen=True)
class Limits:
    """How long a run waits for its lock."""

    take: timedelta = timedelta(minutes=2)
    """For places to answer, and for a holder to be seen alive or dead."""

    check: timedelta = timedelta(minutes=3)
    """For a run that does not know whether the lock is still its own."""

    give_back: timedelta = timedelta(seconds=20)
    """For all places together, at the end."""


@contextmanager
def locked(  # noqa: PLR0913 - what the lock is made of, each with a name at the call
    cluster: str,
    run_id: str,
    holder: Holder,
    nodes: Sequence[str] = (),
    *,
    lost: Sequence[str] = (),
    without_api: bool = False,
    duration: timedelta = LEASE,
    limits: Limits = Limits(),
) -> Iterator[Check]:
    """Holds the lock of the cluster; gives the check that belongs right before each act.

    The check raises `Refused` once another process has had the lock, for good. While nothing can say whether the lock is still
    ours it waits for some minutes, and then raises `NotYet`.

    Args:
        cluster: name of its profile
        run_id: of the flow run
        holder: what others are told about it
        nodes: machines that have to be locked beside the control plane nodes
        lost: nodes that are gone for good: they are not counted
        without_api: the run may begin where the API gives no Lease; it takes the Lease as soon as there is one
        duration: without a renewal, after which a holder is dead
        limits: how long it waits

    Raises:
        Refused: another process has the lock and lives, which takes at most `duration` to see.
        NotYet: too few places answer, or a holder that may be dead was not seen silent for long enough.
    """
    handle, machine = open_cluster(cluster), this_machine()
    terms = Terms(
        owner=owner_of(run_id, machine),
        voters=find_voters(handle, nodes, lost, without_api=without_api, patience=LEASE),
        machines=tuple(sorted(nodes)),
        without_lease=without_api,
        seconds=duration.total_seconds(),
    )
    with held(handle, terms, holder, lost, limits) as check:
        yield check


@contextmanager
def held(handle: Cluster, terms: Terms, holder: Holder, lost: Sequence[str], limits: Limits) -> Iterator[Check]:
    """The same, where it is known what the lock is made of."""
    ports = open_places(handle, terms, holder, lost)
    board = Board(handle.profile.name, terms, this_machine(), list(ports))
    if not ports:
        board.log.warning("no lock: the profile has neither kubernetes.kubeconfig nor ssh with control plane nodes")
    lock = Lock(board, [Keeper(name, port, board) for name, port in ports.items()], limits)
    try:
        lock.take()
        yield lock.check
    finally:
        lock.give_back()


class Lock:
    """The lock of one run in this process."""

    def __init__(self, board: Board, keepers: Sequence[Keeper], limits: Limits) -> None:
        self._board = board
        self._keepers = keepers
        self._limits = limits

    def take(self) -> None:
        """Looks at all places until they say that they may be taken, and takes them in the order of their names."""
        for keeper in self._keepers:
            keeper.start()
        began, told = boot_clock(), ""
        end = began + max(self._board.terms.seconds * 4, self._limits.take.total_seconds())
        while (standing := self._try_to_take()) != Standing():
            if standing.lost:
                raise _taken(standing)
            if boot_clock() >= end:
                raise NotYet(standing.waits, hint="if that is over, run it again")
            if standing.waits != told and boot_clock() - began > 1:
                told = standing.waits
                self._board.log.info("waiting for the lock, for up to %.0f s: %s", end - boot_clock(), told)
            self._board.wait()
        self._board.keeping = True

    def _try_to_take(self) -> Standing:
        """Nodes first and the Lease last, one after the other: of two that come at once, one is told at the first place.

        All are put back where another owner was faster somewhere, or too few answer.
        """
        if (standing := self._board.may_take()) != Standing():
            return standing
        for keeper in self._keepers:
            if not keeper.take():
                break  # somebody else was faster
        standing = self._board.is_taken()
        if standing != Standing():
            for keeper in self._keepers:
                keeper.put_back()
        return standing

    def check(self) -> None:
        """Right before an act: returns while the lock is certainly ours; asks all places where that is not known."""
        end, told = boot_clock() + self._limits.check.total_seconds(), ""
        while True:
            standing = self._board.may_act()
            if standing.lost:
                raise Refused(
                    f"this run has lost the lock of the cluster: {standing.lost}",
                    hint="let that one end; this run has stopped where it was",
                )
            if not standing.waits:
                return
            if boot_clock() >= end:
                raise NotYet(
                    f"it is not known whether this run still has the lock of the cluster: {standing.waits}",
                    hint="bring the API or SSH back; this run has stopped where it was, and goes on when it is run again",
                )
            if standing.waits != told:
                told = standing.waits
                self._board.log.warning("waiting, before the next act, for up to %.0f s: %s", end - boot_clock(), told)
            for keeper in self._keepers:
                keeper.wake()
            self._board.wait()

    def give_back(self) -> None:
        """Every place at once, as far as it is still ours; one that hangs is left to its time."""
        for keeper in self._keepers:
            keeper.end()
        end = boot_clock() + self._limits.give_back.total_seconds()
        for keeper in self._keepers:
            if not keeper.ends_within(max(0.0, end - boot_clock())):
                self._board.log.warning(
                    "lock %s does not answer: it stays taken for %.0f s", keeper.name, self._board.terms.seconds
                )
        if all(keeper.ends_within(0.0) for keeper in self._keepers):
            for keeper in self._keepers:
                keeper.port.close()  # which waits for a connection that is being opened


def _taken(standing: Standing) -> Refused:
    if not standing.run_id:
        return Refused(standing.lost, hint="let that one end; then run this again")
    return Refused(
        f"{standing.lost}, and renews it",
        hint=f"let it end, or cancel flow run {standing.run_id}; then run this again",
    )
