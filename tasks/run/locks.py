"""One run at a time: the lock of a cluster, held at the Lease and on its control plane nodes (docs/operations.md).

Each place has a thread of its own that asks it and renews it, so that one that hangs holds up no other. What the answers mean
is decided in `tasks/run/policy/lock.py`.
"""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import copy_context
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol
from uuid import uuid4

from tasks.clients.ssh import SshNode
from tasks.cluster import Cluster, open_cluster
from tasks.core.at_once import wait_for
from tasks.core.errors import NotYet, Refused, RunbookError
from tasks.core.logs import log_about
from tasks.core.models import outside
from tasks.core.models.kubeadm import CONTROL_PLANE
from tasks.core.models.outside import name_of
from tasks.run import scripts
from tasks.run.leases import LeasePlace
from tasks.run.models.lock import (
    Call,
    Holder,
    LockRecord,
    Owner,
    Place,
    Question,
    Standing,
    Terms,
    machine_of,
    micro_time,
    pid_on,
    process_named,
)
from tasks.run.policy import lock as policy
from tasks.run.probes import lock as probe

Check = Callable[[], None]
"""Right before an act: raises where the lock is not certainly this run's."""

LEASE = timedelta(seconds=30)
"""Without a renewal, after which a run is dead; it renews three times as often."""

CALL = timedelta(seconds=5)
"""For one question to one place."""

TAKE_LIMIT = timedelta(minutes=2)
"""For places to answer, and for a holder to be seen alive or dead."""

CHECK_LIMIT = timedelta(minutes=3)
"""For a run that does not know whether the lock is still its own."""

GIVE_BACK_LIMIT = timedelta(seconds=20)
GIVE_BACK_TRIES = 5

LEASE_NAME = "the Lease kube-system/kube-runbooks"


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
) -> Iterator[Callable[[], None]]:
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

    Raises:
        Refused: another process has the lock and lives, which takes at most `duration` to see.
        NotYet: too few places answer, or a holder that may be dead was not seen silent for long enough.
    """
    handle = open_cluster(cluster)
    lock = _Lock(handle, run_id, holder, nodes, lost=lost, without_api=without_api, duration=duration)
    try:
        lock.take()
        yield lock.check
    finally:
        lock.give_back()


class _Port(Protocol):
    """How a place is asked. Each call says what the place says then, or raises a `RunbookError`."""

    def look(self) -> LockRecord:
        """Changes nothing."""

    def take(self, found: LockRecord) -> LockRecord:
        """Writes our record, if the place still says what was found."""

    def renew(self) -> LockRecord:
        """Renews our record, if it is there."""

    def give_back(self) -> LockRecord:
        """Removes our record, if it is there."""


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

    def _ask(self, script: str, stdin: str = "") -> LockRecord:
        return probe.parse_lock(self._connect().run(script, stdin=stdin.encode(), timeout=CALL, sudo=True).stdout)


class _Lock:
    """The lock of one run in this process: its places, and the threads that keep them."""

    def __init__(  # noqa: PLR0913 - as `locked`
        self,
        handle: Cluster,
        run_id: str,
        holder: Holder,
        nodes: Sequence[str],
        *,
        lost: Sequence[str],
        without_api: bool,
        duration: timedelta,
    ) -> None:
        self._log = log_about(handle.profile.name)
        self._machine = _this_machine()
        self._owner = Owner(
            run_id=run_id,
            process=process_named(os.getpid(), socket.gethostname(), self._machine, uuid4().hex[:8]),
        )
        self._seconds = duration.total_seconds()
        found = _find_voters(handle, nodes, lost, without_api=without_api)
        self._terms = Terms(
            owner=self._owner,
            voters=found,
            machines=tuple(sorted(nodes)),
            without_lease=without_api,
            seconds=self._seconds,
        )
        names = sorted({*found, *nodes} - set(lost))
        self._ports: dict[str, _Port] = {name: self._on_node(handle, name, holder) for name in names}
        self._lease: LeasePlace | None = None
        if handle.profile.kubernetes.kubeconfig or names:
            self._lease = LeasePlace(handle.own_kube(found, CALL), self._owner, holder, self._seconds)
            self._ports[LEASE_NAME] = self._lease
        if not self._ports:
            self._log.warning("no lock: the profile has neither kubernetes.kubeconfig nor ssh with control plane nodes")
        self._places = {name: Place(name=name, is_lease=name == LEASE_NAME) for name in self._ports}
        self._one_at_a_time = {name: threading.Lock() for name in self._ports}
        self._wake = {name: threading.Event() for name in self._ports}
        self._changed = threading.Condition()
        self._ended = threading.Event()
        self._keeping = False
        self._lost = ""
        self._attempted: set[str] = set()
        self._keepers = [
            threading.Thread(target=copy_context().run, args=(self._keep, name), name=f"lock {name}", daemon=True)
            for name in self._ports
        ]

    def _on_node(self, handle: Cluster, name: str, holder: Holder) -> NodePlace:
        return NodePlace(lambda: handle.node(name), self._owner, holder, self._seconds)

    # --- taking

    def take(self) -> None:
        """Looks at all places until they say that they may be taken, and takes them in the order of their names."""
        for keeper in self._keepers:
            keeper.start()
        began, told = _now(), ""
        end = began + max(self._seconds * 4, TAKE_LIMIT.total_seconds())
        while True:
            standing = self._may_take()
            if standing == Standing():
                standing = self._take_all()
                if standing == Standing():
                    self._keeping = True
                    return
                self._put_back()
            if standing.lost:
                raise _taken(standing)
            if _now() >= end:
                raise NotYet(standing.waits, hint="if that is over, run it again")
            if standing.waits != told and _now() - began > 1:
                told = standing.waits
                self._log.info("waiting for the lock, for up to %.0f s: %s", end - _now(), told)
            self._wait()

    def _may_take(self) -> Standing:
        with self._changed:
            return policy.may_take(list(self._places.values()), self._terms)

    def _take_all(self) -> Standing:
        """Nodes first and the Lease last, one after the other: of two that come at once, one is told at the first place."""
        for name, port in self._ports.items():
            with self._one_at_a_time[name]:
                place = self._places[name]
                if place.found is None or not policy.is_free_to_take(place, self._terms):
                    continue
                if not (place.found.is_free or place.found.is_of(self._owner)):
                    why = "its process is gone" if place.is_gone else f"it was silent for {self._seconds:.0f} s"
                    self._log.warning("%s is taken over: %s: %s", name, why, place.found.sentence)
                self._write(name, port, place.found)
            if self._places[name].confirmed is None and not self._places[name].problem:
                break  # somebody else was faster
        with self._changed:
            return policy.is_taken(list(self._places.values()), self._terms, _now())

    def _write(self, name: str, port: _Port, found: LockRecord) -> None:
        asked = _now()
        self._attempted.add(name)
        try:
            told = port.take(found)
        except Exception as error:  # noqa: BLE001 - as in `_ask`
            self._set(name, policy.unwritten(self._places[name], _problem_of(error)))
            return
        self._set_written(name, told, asked)

    def _put_back(self) -> None:
        """All that were taken, or may have been: another owner was faster somewhere, or too few answer."""
        for name, port in self._ports.items():
            with self._one_at_a_time[name]:
                if name in self._attempted:
                    with suppress(RunbookError):
                        port.give_back()
                    self._set(name, Place(name=name, is_lease=name == LEASE_NAME, problem=self._places[name].problem))

    # --- holding

    def check(self) -> None:
        """Right before an act: returns while the lock is certainly ours; asks all places where that is not known."""
        end, told = _now() + CHECK_LIMIT.total_seconds(), ""
        while True:
            standing = self._may_act()
            if standing.lost:
                raise Refused(
                    f"this run has lost the lock of the cluster: {standing.lost}",
                    hint="let that one end; this run has stopped where it was",
                )
            if not standing.waits:
                return
            if _now() >= end:
                raise NotYet(
                    f"it is not known whether this run still has the lock of the cluster: {standing.waits}",
                    hint="bring the API or SSH back; this run has stopped where it was, and goes on when it is run again",
                )
            if standing.waits != told:
                told = standing.waits
                self._log.warning("waiting, before the next act, for up to %.0f s: %s", end - _now(), told)
            for wake in self._wake.values():
                wake.set()
            self._wait()

    def _may_act(self) -> Standing:
        with self._changed:
            standing = policy.may_act(list(self._places.values()), self._terms, _now())
            if self._keeping:
                self._lost = self._lost or standing.lost
            return Standing(lost=self._lost) if self._lost else standing

    def _wait(self) -> None:
        with self._changed:
            self._changed.wait(min(1.0, self._seconds / 10))

    # --- the thread of each place

    def _keep(self, name: str) -> None:
        while not self._ended.is_set():
            with self._one_at_a_time[name]:
                if not self._ended.is_set() and not self._lost:
                    self._ask(name, self._ports[name])
            self._wake[name].wait(policy.pause(self._places[name], self._terms, keeps=self._keeping))
            self._wake[name].clear()
        self._give_back(name)

    def _ask(self, name: str, port: _Port) -> None:
        place, asked = self._places[name], _now()
        question = policy.what_to_ask(place, self._terms, keeps=self._keeping)
        try:
            if question is Question.RENEW:
                self._set_written(name, port.renew(), asked)
            elif question is Question.TAKE and place.found:
                self._attempted.add(name)
                self._set_written(name, port.take(place.found), asked)
            else:
                found, call = port.look(), Call(asked=asked, answered=_now())
                self._set(name, policy.seen(place, found, self._terms, call, is_gone=self._is_gone(found)))
        except Exception as error:  # noqa: BLE001 - whatever it was, this place did not answer
            problem = _problem_of(error)
            if question is Question.RENEW and not place.problem:
                self._log.warning("%s could not be renewed, which is tried again: %s", name, problem)
            self._set(name, policy.missed(place, problem))
        else:
            if question is Question.RENEW and place.problem and not self._places[name].lost:
                self._log.info("%s is renewed again", name)

    def _is_gone(self, found: LockRecord) -> bool:
        pid = pid_on(self._machine, found.process)
        return pid > 0 and not _exists(pid)

    def _set_written(self, name: str, found: LockRecord, asked: float) -> None:
        is_gone = self._is_gone(found)
        with self._changed:
            now = _now()
            backed = self._keeping and policy.is_backed(list(self._places.values()), self._terms, now)
            call = Call(asked=asked, answered=now)
            place = policy.written(self._places[name], found, self._terms, call, backed=backed, is_gone=is_gone)
            if place.lost and not self._places[name].lost and self._keeping:
                self._lost = self._lost or place.lost
                self._log.error("the lock is lost, so this run stops before its next act: %s", place.lost)
            self._set(name, place)

    def _set(self, name: str, place: Place) -> None:
        with self._changed:
            self._places[name] = place
            self._changed.notify_all()

    # --- the end

    def give_back(self) -> None:
        """Every place at once, as far as it is still ours; one that hangs is left to its time."""
        self._ended.set()
        for wake in self._wake.values():
            wake.set()
        end = _now() + GIVE_BACK_LIMIT.total_seconds()
        for keeper in self._keepers:
            if keeper.is_alive():
                keeper.join(max(0.0, end - _now()))
            if keeper.is_alive():
                self._log.warning("%s does not answer: it stays taken for %.0f s", keeper.name, self._seconds)
        if self._lease and not any(keeper.is_alive() for keeper in self._keepers):
            self._lease.close()  # which waits for a connection that is being opened

    def _give_back(self, name: str) -> None:
        if name not in self._attempted:
            return
        for left in reversed(range(GIVE_BACK_TRIES)):
            try:
                self._ports[name].give_back()
            except NotYet as error:
                if not left or self._places[name].confirmed is None:
                    self._tell_kept(name, error)
                    return
                time.sleep(0.2)
            except RunbookError as error:
                self._tell_kept(name, error)
                return
            else:
                return

    def _tell_kept(self, name: str, error: RunbookError) -> None:
        if self._places[name].confirmed is not None:
            self._log.warning("%s stays taken until it was silent for %.0f s: %s", name, self._seconds, error)


def _find_voters(handle: Cluster, nodes: Sequence[str], lost: Sequence[str], *, without_api: bool) -> tuple[str, ...]:
    """The control plane nodes of the profile: by their manifests, else by the API.

    One that neither can tell counts as one of them. Where no control plane is found at all, there is none yet: the machines count.
    Where nobody answers and no machines are named, every node counts.
    """
    if handle.profile.ssh is None or not handle.profile.nodes:
        return ()
    told = handle.who_is_control_plane()
    known = {name for name, is_one in told.items() if is_one is True}
    silent = {name for name, is_one in told.items() if isinstance(is_one, RunbookError)}
    if silent or (not known and handle.profile.kubernetes.kubeconfig):
        try:
            labelled = wait_for(lambda: _labelled(handle), timedelta() if without_api else LEASE)
            known, silent = known | (labelled & set(told)), set()
        except RunbookError:
            if not without_api:
                raise
    known = (known | (silent if known else set())) - set(lost)
    return tuple(sorted(known or nodes or silent - set(lost)))


def _labelled(handle: Cluster) -> set[str]:
    told = (outside.Node.read(one, name_of("node", one)).metadata for one in handle.kube.items("/api/v1/nodes"))
    return {one.name for one in told if CONTROL_PLANE in one.labels}


def _taken(standing: Standing) -> Refused:
    if not standing.run_id:
        return Refused(standing.lost, hint="let that one end; then run this again")
    return Refused(
        f"{standing.lost}, and renews it",
        hint=f"let it end, or cancel flow run {standing.run_id}; then run this again",
    )


def _problem_of(error: Exception) -> str:
    """Of an answer, or of one that nobody expected: a thread that died of it would renew nothing more."""
    return error.problem if isinstance(error, RunbookError) else f"{type(error).__name__}: {error}"


def _this_machine() -> str:
    """Empty where it cannot be told: then no process is ever known to be gone."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = str(Path("/proc/self/ns/pid").readlink())
        identity = Path("/etc/machine-id")
        installed = identity.read_text(errors="replace").strip() if identity.is_file() else ""
    except OSError:
        return ""
    return machine_of(boot, namespace, installed, socket.gethostname()) if boot else ""


def _exists(pid: int) -> bool:
    """Also one that is stopped, somebody else's, or dead and not reaped, and another one with its number: only what is certain counts.

    It asks the kernel: /proc may hide the processes of other users.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _now() -> float:
    """Seconds that go on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
