"""Freezes applications by commands in their containers, and thaws them again, whatever happens meanwhile.

Three things thaw: the run itself, a timer on the node if the run is gone, and the next run, by the journal in the bucket.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from tasks.cluster import Cluster
from tasks.core.at_once import on_all, wait_for
from tasks.core.errors import FailedForGood, NotYet, Refused, RunbookError, in_one_line
from tasks.core.logs import log_about
from tasks.core.models.findings import listed
from tasks.core.words import duration_in_words
from tasks.volumes.journal import FreezeJournals, journals_of
from tasks.volumes.models.freezes import Freeze, FreezeJournal, Quiesced, Thawed
from tasks.volumes.observe import pods_of_hook
from tasks.volumes.policy.hooks import by_hand, is_same, window_of
from tasks.volumes.probes.hooks import Ended, parse_end
from tasks.volumes.scripts.hooks import THAW_SECONDS, freeze_container, thaw_container, words_of

TRIES, PAUSE = 3, 2.0
"""Limits how often a run tries to thaw a container, and gives the seconds between two tries."""

GRACE = timedelta(seconds=10)
"""Is how long after its limit a node may take to thaw a container."""

NEW_PLAN = "run this again: it makes a new plan"


class Freezing:
    """This is the time in which all containers are frozen."""

    def __init__(self, window: timedelta) -> None:
        self.window = window
        self.quiesced: tuple[Quiesced, ...] = ()
        self._at, self._began = datetime.now(UTC), time.monotonic()

    @property
    def left(self) -> timedelta:
        """Returns how long they may still be frozen."""
        return max(self.window - timedelta(seconds=time.monotonic() - self._began), timedelta())

    def record(self, freezes: Sequence[Freeze]) -> None:
        """Keeps how long they were frozen, at most."""
        seconds = round(time.monotonic() - self._began, 3)
        self.quiesced = tuple(
            Quiesced(
                hook=one.hook,
                pod=f"{one.namespace}/{one.pod}",
                container=one.container,
                claims=one.claims,
                frozen_at=self._at,
                seconds=seconds,
            )
            for one in freezes
        )


@contextmanager
def frozen(handle: Cluster, freezes: Sequence[Freeze], run_id: str) -> Iterator[Freezing]:
    """Freezes the containers while the block lasts.

    Raises:
        Refused: a container is no longer that of the plan, or the command that freezes failed; all are thawed.
        FailedForGood: a container could not be thawed.
    """
    journals, window = journals_of(handle), window_of(freezes)
    _check(handle, freezes)
    journals.write(FreezeJournal(run=run_id, until=datetime.now(UTC) + window + GRACE, freezes=tuple(freezes)))
    freezing = Freezing(window)
    try:
        on_all(lambda one: _freeze(handle, one, run_id, freezing), freezes)
        yield freezing
    except BaseException as error:
        ends = _thaw_all(handle, freezes, run_id, after=error)
        _forget(journals, run_id)
        if unsure := [one for one, end in ends if end is Ended.UNSURE]:
            raise _unsure(unsure, error) from error
        raise
    ends = _thaw_all(handle, freezes, run_id)
    freezing.record(freezes)
    _forget(journals, run_id)
    if early := [one for one, end in ends if end is not Ended.THAWED]:
        names = listed([one.id for one in early])
        raise Refused(
            f"not frozen until all snapshots were cut: {names}; their nodes thawed them before, or they ended",
            hint="raise the limit of the hooks in volumes.hooks of the profile, then run this again",
        )


def thaw_what_is_left(handle: Cluster, run_id: str) -> Thawed:
    """Thaws what interrupted runs and earlier attempts left frozen, by their journals.

    A journal of another run may be of a run in progress: it waits until the time of that is over.
    """
    journals, thawed, over = journals_of(handle), [], []
    for journal in journals.known():
        if journal.run != run_id and not _is_over(journals, journal):
            continue
        freezes = [one for one in journal.freezes if _is_there(handle, one)]
        ends = _thaw_left(handle, journals, freezes, journal.run)
        mine = [one for one, end in ends if end is Ended.THAWED]
        thawed += [one.id for one in mine]
        over += [one.id for one in journal.freezes if one not in mine]
        journals.remove(journal.run)
    return Thawed(thawed=tuple(thawed), over=tuple(over))


def _thaw_left(
    handle: Cluster, journals: FreezeJournals, freezes: Sequence[Freeze], run_id: str
) -> list[tuple[Freeze, Ended]]:
    try:
        return _thaw_all(handle, freezes, run_id)
    except FailedForGood as error:
        place = journals.place(run_id)
        problem = f"run {run_id} left frozen: {in_one_line(error.problem)}"
        raise FailedForGood(problem, hint=f"{in_one_line(error.hint)}; then delete {place}") from error


def _is_over(journals: FreezeJournals, journal: FreezeJournal) -> bool:
    """Waits until the other run has thawed its containers, or should have; False if it has."""
    limit = min(journal.until - datetime.now(UTC), timedelta(minutes=2))

    def look() -> bool:
        if not journals.has(journal.run):
            return False
        if datetime.now(UTC) < journal.until:
            raise NotYet(f"run {journal.run} may have frozen containers")
        return True

    if limit <= timedelta():
        return True
    return wait_for(look, limit + GRACE, what="another run to thaw its containers", about=journal.run)


def _is_there(handle: Cluster, freeze: Freeze) -> bool:
    """Checks whether the pod still exists: a container that ended is not frozen."""
    raw = handle.kube.find(f"/api/v1/namespaces/{freeze.namespace}/pods/{freeze.pod}")
    return raw is not None and raw["metadata"]["uid"] == freeze.pod_uid


def _check(handle: Cluster, freezes: Sequence[Freeze]) -> None:
    """Reads the pods again, right before they are frozen."""
    hooks = [one for one in handle.profile.volumes.hooks if one.name in {each.hook for each in freezes}]
    now = {(pod.hook, pod.id): pod for hook in hooks for pod in pods_of_hook(handle, hook)}
    pods = [(one, now.get((one.hook, f"{one.namespace}/{one.pod}"))) for one in freezes]
    if wrong := [one.id for one, pod in pods if not is_same(one, pod) or (pod and pod.problem)]:
        raise Refused(f"no longer the containers of the plan: {listed(wrong)}; nothing is frozen", hint=NEW_PLAN)


def _freeze(handle: Cluster, freeze: Freeze, run_id: str, freezing: Freezing) -> None:
    endpoint, within = handle.shape(freeze.node).kubelet.runtime_endpoint, freezing.left
    told = handle.shell(freeze.node).run(
        freeze_container(freeze, run_id, endpoint, limit=freezing.window, within=within),
        stdin=words_of(freeze.freeze, freeze.thaw),
        limit=within + GRACE,
    )
    ended = parse_end(told)
    if ended is Ended.BUSY:
        raise Refused(f"{freeze.id}: another run has frozen it; no snapshot is taken", hint="run this again later")
    if ended is not Ended.FROZEN:
        raise Refused(
            f"{freeze.id}: the command of the hook {freeze.hook} that freezes failed: {ended}; no snapshot is taken",
            hint=f"run it by hand: {by_hand(freeze, freeze.freeze)}; then thaw it: {by_hand(freeze, freeze.thaw)}",
        )
    log_about(freeze.id).info("frozen by the hook %s, for %s at most", freeze.hook, duration_in_words(freezing.window))


def _thaw_all(
    handle: Cluster, freezes: Sequence[Freeze], run_id: str, *, after: BaseException | None = None
) -> list[tuple[Freeze, Ended]]:
    """Returns how each ended. Raises `FailedForGood` if one may still be frozen: its journal stays."""
    ends = on_all(lambda one: _thaw(handle, one, run_id), freezes)
    if stuck := [(one, end) for one, end in zip(freezes, ends, strict=True) if isinstance(end, RunbookError)]:
        before = f"{in_one_line(str(after))}; " if after else ""
        problem = "\n".join(
            f"{before}{one.id} MAY STILL BE FROZEN: {in_one_line(end.problem)}; node {one.node} tries again every 5 s"
            for one, end in stuck
        )
        raise FailedForGood(problem, hint="\n".join(by_hand(one, one.thaw) for one, _ in stuck))
    return [(one, end) for one, end in zip(freezes, ends, strict=True) if isinstance(end, Ended)]


def _thaw(handle: Cluster, freeze: Freeze, run_id: str) -> Ended | RunbookError:
    """Thaws one container; returns the last error if it cannot."""
    for tried in range(1, TRIES + 1):
        try:
            endpoint = handle.shape(freeze.node).kubelet.runtime_endpoint
            script = thaw_container(freeze, run_id, endpoint)
            told = handle.shell(freeze.node).run(script, limit=timedelta(seconds=THAW_SECONDS) + GRACE)
        except RunbookError as error:
            log_about(freeze.id).warning("not thawed, try %d of %d: %s", tried, TRIES, error.problem)
            last: RunbookError = error
            time.sleep(PAUSE if tried < TRIES else 0)
        else:
            ended = parse_end(told)
            log_about(freeze.id).info("%s", ended)
            return ended if isinstance(ended, Ended) else RunbookError(f"its node answers {ended!r}")
    return last


def _unsure(freezes: Sequence[Freeze], error: BaseException) -> RunbookError:
    names = listed([one.id for one in freezes])
    return Refused(
        f"{in_one_line(str(error))}; the command that thaws failed too, check whether it is frozen: {names}",
        hint="; ".join(by_hand(one, one.thaw) for one in freezes),
    )


def _forget(journals: FreezeJournals, run_id: str) -> None:
    """Removes the journal. If the store is away, the next run finds nothing frozen, and removes it."""
    try:
        journals.remove(run_id)
    except RunbookError as error:
        log_about(run_id).warning("its journal stays, and the next run removes it: %s", error.problem)
