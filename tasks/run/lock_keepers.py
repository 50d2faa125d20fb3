"""Runs a thread for each place of a lock, and keeps their shared state."""

import threading
import time
from contextlib import suppress
from contextvars import copy_context

from tasks.core.errors import NotYet, RunbookError
from tasks.core.logs import log_about
from tasks.run.lock_places import LEASE, PlacePort
from tasks.run.models.lock import Call, LockRecord, Place, Question, Standing, Terms
from tasks.run.policy import lock as policy
from tasks.run.this_process import boot_clock, is_gone

GIVE_BACK_TRIES = 5


class Board:
    """Holds what this process knows of all places.

    Their keepers write it. Whoever wants to act evaluates it.
    """

    def __init__(self, cluster: str, terms: Terms, machine: str, names: list[str]) -> None:
        self.cluster, self.log = cluster, log_about(cluster)
        self.terms = terms
        self.keeping = False
        """True if the lock is taken, so that it is renewed and can be lost."""
        self.lost = ""
        self._machine = machine
        self._places = {name: Place(name=name, is_lease=name.startswith(LEASE)) for name in names}
        self._changed = threading.Condition()

    def of(self, name: str) -> Place:
        """Returns one place as it was last observed."""
        return self._places[name]

    def may_take(self) -> Standing:
        """Decides whether this process may start to take the lock."""
        with self._changed:
            return policy.may_take(list(self._places.values()), self.terms)

    def is_taken(self) -> Standing:
        """Decides whether this process holds enough places to begin."""
        with self._changed:
            return policy.is_taken(list(self._places.values()), self.terms, boot_clock())

    def may_act(self) -> Standing:
        """Decides whether this process holds enough places now; a lock that was lost once stays lost."""
        with self._changed:
            standing = policy.may_act(list(self._places.values()), self.terms, boot_clock())
            if self.keeping:
                self.lost = self.lost or standing.lost
            return Standing(lost=self.lost) if self.lost else standing

    def wait(self) -> None:
        """Waits for a change, but only briefly, because time alone changes what is held."""
        with self._changed:
            self._changed.wait(min(1.0, self.terms.seconds / 10))

    def put(self, name: str, place: Place) -> None:
        """Stores the new state of a place and wakes those who wait for a change."""
        with self._changed:
            self._places[name] = place
            self._changed.notify_all()

    def saw(self, name: str, found: LockRecord, asked: float) -> None:
        """Records the result of a read of a place."""
        call = Call(asked=asked, answered=boot_clock())
        gone = is_gone(self._machine, found)
        self.put(name, policy.seen(self._places[name], found, self.terms, call, is_gone=gone))

    def wrote(self, name: str, found: LockRecord, asked: float) -> None:
        """Records the result of a write: this process took or renewed the place, or another one was faster."""
        gone = is_gone(self._machine, found)
        with self._changed:
            now = boot_clock()
            backed = self.keeping and policy.is_backed(list(self._places.values()), self.terms, now)
            call = Call(asked=asked, answered=now)
            place = policy.written(self._places[name], found, self.terms, call, backed=backed, is_gone=gone)
            if place.lost and not self._places[name].lost and self.keeping:
                self.lost = self.lost or place.lost
                self.log.error("the lock is lost, so this run stops before its next act: %s", place.lost)
            self.put(name, place)


class Keeper:
    """Runs the thread of one place, so that a place that hangs delays no other."""

    def __init__(self, name: str, port: PlacePort, board: Board) -> None:
        self.name = name
        self.port = port
        self._board = board
        self._attempted = False
        """True if the record of this process may be at the place, even if no answer confirmed it."""
        self._one_at_a_time = threading.Lock()
        self._wake = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=copy_context().run, args=(self._keep,), name=f"lock {name}", daemon=True)

    def start(self) -> None:
        """Starts to query the place, and to renew it once this process holds it."""
        self._thread.start()

    def wake(self) -> None:
        """Queries the place now."""
        self._wake.set()

    def end(self) -> None:
        """Ends the thread; it gives the place back after the query in progress."""
        self._ended.set()
        self._wake.set()

    def ends_within(self, seconds: float) -> bool:
        """Checks whether the keeper has given the place back, or does so within this time."""
        if self._thread.is_alive():
            self._thread.join(seconds)
        return not self._thread.is_alive()

    def take(self) -> bool:
        """Takes the place if it is free to take; returns False if another process was faster."""
        with self._one_at_a_time:
            place, terms = self._board.of(self.name), self._board.terms
            if place.found is None or not policy.is_free_to_take(place, terms):
                return True
            if not (place.found.is_free or place.found.is_of(terms.owner)):
                why = "its process is gone" if place.is_gone else f"it was silent for {terms.seconds:.0f} s"
                self._board.log.warning("%s is taken over: %s: %s", self.name, why, place.found.sentence)
            self._write(place.found)
        place = self._board.of(self.name)
        return place.confirmed is not None or bool(place.problem)

    def _write(self, found: LockRecord) -> None:
        asked = boot_clock()
        self._attempted = True
        try:
            told = self.port.take(found)
        except Exception as error:  # noqa: BLE001 - as in `_ask`
            self._board.put(self.name, policy.unwritten(self._board.of(self.name), _problem_of(error)))
            return
        self._board.wrote(self.name, told, asked)

    def put_back(self) -> None:
        """Gives the place back if it was taken or may have been taken, and starts again with a read."""
        with self._one_at_a_time:
            if self._attempted:
                with suppress(RunbookError):
                    self.port.give_back()
                place = self._board.of(self.name)
                self._board.put(self.name, Place(name=self.name, is_lease=place.is_lease, problem=place.problem))

    def _keep(self) -> None:
        board = self._board
        while not self._ended.is_set():
            with self._one_at_a_time:
                if not self._ended.is_set() and not board.lost:
                    self._ask()
            self._wake.wait(policy.pause(board.of(self.name), board.terms, keeps=board.keeping))
            self._wake.clear()
        self._give_back()

    def _ask(self) -> None:
        board, name = self._board, self.name
        place, asked = board.of(name), boot_clock()
        question = policy.what_to_ask(place, board.terms, keeps=board.keeping)
        try:
            if question is Question.RENEW:
                board.wrote(name, self.port.renew(), asked)
            elif question is Question.TAKE and place.found:
                self._attempted = True
                board.wrote(name, self.port.take(place.found), asked)
            else:
                board.saw(name, self.port.look(), asked)
        except Exception as error:  # noqa: BLE001 - whatever it was, this place did not answer
            problem = _problem_of(error)
            if question is Question.RENEW and not place.problem:
                board.log.warning("%s could not be renewed, which is tried again: %s", name, problem)
            board.put(name, policy.missed(place, problem))
        else:
            if question is Question.RENEW and place.problem and not board.of(name).lost:
                board.log.info("%s is renewed again", name)

    def _give_back(self) -> None:
        if not self._attempted:
            return
        for left in reversed(range(GIVE_BACK_TRIES)):
            try:
                self.port.give_back()
            except NotYet as error:
                if not left or self._board.of(self.name).confirmed is None:
                    self._tell_kept(error)
                    return
                time.sleep(0.2)
            except RunbookError as error:
                self._tell_kept(error)
                return
            else:
                return

    def _tell_kept(self, error: RunbookError) -> None:
        board = self._board
        if board.of(self.name).confirmed is not None:
            board.log.warning(
                "%s stays taken until it was silent for %.0f s: %s", self.name, board.terms.seconds, error
            )


def _problem_of(error: Exception) -> str:
    """Returns the problem of an error, expected or not.

    A thread that dies of an unexpected error would renew nothing more.
    """
    return error.problem if isinstance(error, RunbookError) else f"{type(error).__name__}: {error}"
