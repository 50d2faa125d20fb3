"""A thread for each place of a lock, and what they know together."""

import threading
import time
from contextlib import suppress
from contextvars import copy_context

from tasks.core.errors import NotYet, RunbookError
from tasks.core.logs import log_about
from tasks.run.lock_places import LEASE_NAME, PlacePort
from tasks.run.models.lock import Call, LockRecord, Place, Question, Standing, Terms
from tasks.run.policy import lock as policy
from tasks.run.this_process import boot_clock, is_gone

GIVE_BACK_TRIES = 5


class Board:
    """What this process knows of all places: written by their keepers, judged by whoever wants to act."""

    def __init__(self, cluster: str, terms: Terms, machine: str, names: list[str]) -> None:
        self.log = log_about(cluster)
        self.terms = terms
        self.keeping = False
        """The lock is taken, so it is renewed, and can be lost."""
        self.lost = ""
        self._machine = machine
        self._places = {name: Place(name=name, is_lease=name == LEASE_NAME) for name in names}
        self._changed = threading.Condition()

    def of(self, name: str) -> Place:
        """One place, as it was last seen."""
        return self._places[name]

    def may_take(self) -> Standing:
        """Whether to begin with taking."""
        with self._changed:
            return policy.may_take(list(self._places.values()), self.terms)

    def is_taken(self) -> Standing:
        """Whether enough is held to begin."""
        with self._changed:
            return policy.is_taken(list(self._places.values()), self.terms, boot_clock())

    def may_act(self) -> Standing:
        """Whether enough is held, now. What was lost once is lost for good."""
        with self._changed:
            standing = policy.may_act(list(self._places.values()), self.terms, boot_clock())
            if self.keeping:
                self.lost = self.lost or standing.lost
            return Standing(lost=self.lost) if self.lost else standing

    def wait(self) -> None:
        """For news, and not for long: time alone changes what is held."""
        with self._changed:
            self._changed.wait(min(1.0, self.terms.seconds / 10))

    def put(self, name: str, place: Place) -> None:
        """What is known of it from now on."""
        with self._changed:
            self._places[name] = place
            self._changed.notify_all()

    def saw(self, name: str, found: LockRecord, asked: float) -> None:
        """A place was looked at."""
        call = Call(asked=asked, answered=boot_clock())
        gone = is_gone(self._machine, found)
        self.put(name, policy.seen(self._places[name], found, self.terms, call, is_gone=gone))

    def wrote(self, name: str, found: LockRecord, asked: float) -> None:
        """A place was taken or renewed, or somebody else was faster."""
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
    """The thread of one place. One that hangs holds up no other."""

    def __init__(self, name: str, port: PlacePort, board: Board) -> None:
        self.name = name
        self.port = port
        self._board = board
        self._attempted = False
        """Our record may be there, even where nobody answered that it is."""
        self._one_at_a_time = threading.Lock()
        self._wake = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=copy_context().run, args=(self._keep,), name=f"lock {name}", daemon=True)

    def start(self) -> None:
        """From now on the place is asked, and renewed once it is ours."""
        self._thread.start()

    def wake(self) -> None:
        """Asks it now."""
        self._wake.set()

    def end(self) -> None:
        """After the question that is under way the place is given back."""
        self._ended.set()
        self._wake.set()

    def ends_within(self, seconds: float) -> bool:
        """Whether it has given the place back, or does so in this time."""
        if self._thread.is_alive():
            self._thread.join(seconds)
        return not self._thread.is_alive()

    def take(self) -> bool:
        """Takes the place if it may be taken; whether nobody else was faster."""
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
        """Gives the place back if it was taken, or may have been, and begins again with looking."""
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
    """Of an answer, or of one that nobody expected: a thread that died of it would renew nothing more."""
    return error.problem if isinstance(error, RunbookError) else f"{type(error).__name__}: {error}"
