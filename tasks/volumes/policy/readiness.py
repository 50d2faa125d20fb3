"""Decides whether a snapshot is cut, is ready, and is the one that was asked for.

An error in the status is retried by the controllers, so it is a reason to wait, until the limit of the run. Its words are
those of other programs and decide nothing. What never passes is seen in fields: the claim and both objects of the snapshot.
"""

from datetime import timedelta

from tasks.core.models.findings import Problem
from tasks.volumes.models.facts import Claim, Target
from tasks.volumes.models.snapshots import Content, Pair, Snapshot

UNSEEN_FOR = timedelta(minutes=1)
"""This is how long a controller may leave a new object as it is."""

NO_CONTROLLER = "`kubectl get pods -A | grep snapshot-controller` shows whether it runs"
AGAIN = "run this again: it takes new snapshots"


class Waits(Problem):
    """This is why a snapshot is not there yet."""


def judge(target: Target, pair: Pair, *, waited: timedelta, ready: bool) -> Waits | Problem | None:
    """Returns what is missing, as `Waits` if it may still come; None if the snapshot is cut, or is ready if `ready`."""
    snapshot, content = pair.snapshot, pair.content
    if snapshot is None or snapshot.deleting:
        return Problem(text="its VolumeSnapshot is deleted, or about to be", next_step=AGAIN)
    error = _error_of(pair)
    if content is None:
        return _without_content(snapshot, error, waited)
    return what_is_misbound(target, pair) or _of_content(snapshot, content, error, waited=waited, ready=ready)


def doubts_claim(pair: Pair) -> bool:
    """Checks whether a snapshot has an error before it is cut, so that its claim has to be looked at."""
    return bool(_error_of(pair)) and not (pair.content and pair.content.handle)


def what_is_wrong_with_claim(target: Target, now: Claim | None) -> Problem | None:
    """Returns why no retry can cut a snapshot of this claim any more; None if one can."""
    planned = target.claim
    step = f"`kubectl get pvc -n {planned.namespace}`; {AGAIN}"
    if now is None:
        return Problem(text=f"the claim {planned.id} does not exist any more", next_step=step)
    if now.uid != planned.uid:
        return Problem(text=f"another claim has the name {planned.id} now", next_step=step)
    if (now.phase, now.volume) != ("Bound", planned.volume):
        text = f"the claim {planned.id} is {now.phase or 'not bound'}, and was bound to the volume {planned.volume}"
        return Problem(text=text, next_step=step)
    return None


def _error_of(pair: Pair) -> str:
    return next((one.error for one in pair.parts if one.error), "")


def _without_content(snapshot: Snapshot, error: str, waited: timedelta) -> Problem:
    if not snapshot.is_seen and waited >= UNSEEN_FOR:
        return Problem(text=f"no snapshot-controller has processed {snapshot.id}", next_step=NO_CONTROLLER)
    return Waits(text=_or(error, "it has no VolumeSnapshotContent yet"))


def _of_content(
    snapshot: Snapshot, content: Content, error: str, *, waited: timedelta, ready: bool
) -> Waits | Problem | None:
    if not content.is_seen and waited >= UNSEEN_FOR:
        text = f"no csi-snapshotter of {content.driver} has processed {content.name}"
        return Problem(text=text, next_step="check the sidecar csi-snapshotter in the pods of the driver's controller")
    if not (content.handle and content.cut_at):
        return Waits(text=_or(error, "the storage has not cut it yet"))
    if ready and not (snapshot.is_ready and content.is_ready and snapshot.content == content.name):
        return Waits(text=_or(error, "it is cut, and not ready to use yet"))
    return None


def what_is_misbound(target: Target, pair: Pair) -> Problem | None:
    """Returns why the two objects of a snapshot do not belong together; None if each names the other."""
    snapshot, content = pair.snapshot, pair.content
    if snapshot is None or content is None:
        return Problem(text="one of the two objects of the snapshot does not exist", next_step=AGAIN)
    names = {
        "snapshot": (content.snapshot, snapshot.id),
        "uid of the snapshot": (content.snapshot_uid, snapshot.uid),
        "driver": (content.driver, target.volume.driver),
        "claim": (snapshot.claim, target.claim.name),
        "volume": (content.volume, target.volume.handle),  # another claim may have had the name when it was taken
        "content": (snapshot.content or content.name, content.name),
    }
    wrong = [f"{what} is {found!r}, not {wanted!r}" for what, (found, wanted) in names.items() if found != wanted]
    if not wrong:
        return None
    return Problem(text=f"{snapshot.id} and {content.name} do not belong together: {', '.join(wrong)}", next_step=AGAIN)


def _or(error: str, reason: str) -> str:
    return f"{reason}; the last error, which is retried: {error}" if error else reason
