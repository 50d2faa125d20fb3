"""Allows one run at a time by a lock at the Lease and on the control plane nodes (docs/operations.md).

Each place has its own thread that queries and renews it (`lock_keepers`). `tasks/run/policy/lock.py` decides what the
answers mean.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from tasks.cluster import Cluster, open_cluster
from tasks.core.errors import Refused, TimedOut
from tasks.core.waits import Clock, Wait
from tasks.run.lock_keepers import Board, Keeper
from tasks.run.lock_places import open_places
from tasks.run.models.lock import Holder, Standing, Terms
from tasks.run.this_process import boot_clock, owner_of, this_machine
from tasks.run.voters import find_voters

Check = Callable[[], None]
"""This is the check right before an action: it raises if the lock is not certainly this run's."""

LEASE = timedelta(seconds=30)
"""This is the time without a renewal after which a run counts as dead; a run renews three times as often."""


@dataclass(frozen=True)
class Limits:
    """Limits how long a run waits for its lock."""

    take: timedelta = timedelta(minutes=2)
    """Limits the wait for places to answer, and for a holder to prove alive or dead."""

    check: timedelta = timedelta(minutes=3)
    """Limits the wait of a run that does not know whether it still holds the lock."""

    give_back: timedelta = timedelta(seconds=20)
    """Limits the time to give back all places together, at the end."""


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
    """Holds the lock of the cluster and yields the check that belongs right before each action.

    The check raises `Refused` for good once another process has had the lock. If nothing can tell whether this run
    still holds the lock, the check waits for some minutes. Then it raises `TimedOut`.

    Args:
        cluster: name of its profile
        run_id: id of the flow run
        holder: what others see about this run
        nodes: nodes that must be locked besides the control plane nodes
        lost: nodes that are gone for good and do not count
        without_api: the run may begin if the API gives no Lease; it takes the Lease as soon as there is one
        duration: time without a renewal after which a holder is dead
        limits: how long the run waits

    Raises:
        Refused: another process has the lock and lives, which takes at most `duration` to see.
        TimedOut: too few places answer, or a holder that may be dead was not silent for long enough.
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
    """Holds the lock as `locked` does, if its terms are already known."""
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
    """Represents the lock of one run in this process."""

    def __init__(
        self, board: Board, keepers: Sequence[Keeper], limits: Limits, of: str = "the lock of the cluster"
    ) -> None:
        """Stores the places; `of` says in a sentence whose lock it is."""
        self._of = of
        self._board = board
        self._keepers = keepers
        self._limits = limits

    def take(self) -> None:
        """Queries all places until they may be taken, and takes them in the order of their names, the Lease last."""
        for keeper in self._keepers:
            keeper.start()
        limit = max(timedelta(seconds=self._board.terms.seconds * 4), self._limits.take)
        with self._wait(self._of, limit) as wait:
            while (standing := self._try_to_take()) != Standing():
                if standing.lost:
                    raise _taken(standing)
                if wait.is_over:
                    raise TimedOut(
                        standing.waits,
                        hint="make the API, and SSH to the control plane nodes, answer; then run it again",
                    )
                wait.says(standing.waits)
                self._board.wait()
        self._board.keeping = True

    def _wait(self, what: str, limit: timedelta) -> Wait:
        return Wait(what, limit, about=self._board.cluster, clock=Clock(seconds=boot_clock))

    def _try_to_take(self) -> Standing:
        """Tries once to take the lock: nodes first and the Lease last, one after the other.

        If two runs start together, one of them already fails at the first place. All places are given back if another
        owner was faster at any of them, or if too few answer.
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
        """Checks the lock right before an action.

        It returns if this run certainly holds the lock. If that is not known, it queries all places.
        """
        with self._wait("the lock to be certainly ours, before the next act", self._limits.check) as wait:
            while (standing := self._certain()).waits:
                if wait.is_over:
                    raise TimedOut(
                        f"it is not known whether this run still has {self._of}: {standing.waits}",
                        hint="make the API or SSH work again; this run has stopped, and resumes when you run it again",
                    )
                wait.says(standing.waits)
                for keeper in self._keepers:
                    keeper.wake()
                self._board.wait()

    def _certain(self) -> Standing:
        standing = self._board.may_act()
        if standing.lost:
            raise Refused(
                f"this run has lost {self._of}: {standing.lost}",
                hint="wait until that run ends; this run has stopped",
            )
        return standing

    def give_back(self) -> None:
        """Gives back every place in parallel if this run still holds it.

        A place that hangs stays taken until its lifetime is over.
        """
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
        return Refused(standing.lost, hint="wait until that run ends, then run this again")
    return Refused(
        f"{standing.lost}, and renews it",
        hint=f"wait until it ends, or cancel it: `prefect flow-run cancel {standing.run_id}`; then run this again",
    )
