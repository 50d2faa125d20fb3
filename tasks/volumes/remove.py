"""Removes a snapshot of ours. Its content gets the deletion policy of its class back first, so that the storage removes it too."""

from datetime import timedelta

from tasks.clients.kube import Conflicted, KubeClient
from tasks.core.at_once import wait_for
from tasks.core.errors import NotYet, RunbookError
from tasks.core.logs import log_about
from tasks.core.models.plan import Skip
from tasks.volumes.models.snapshots import Pair
from tasks.volumes.observe import path_of_snapshots
from tasks.volumes.probes.objects import BEING_DELETED, CONTENTS

GONE_WITHIN = timedelta(minutes=1)
"""Limits the wait until the storage has removed a snapshot. What takes longer is removed later, by the controllers."""


def remove_pair(kube: KubeClient, pair: Pair) -> Skip | None:
    """Removes both objects, and the snapshot at the storage if its class says so. Returns what stays, and why.

    Each change is safe to make twice, and an interrupted removal is found again by its label.
    """
    try:
        _delete(kube, pair)
    except RunbookError as error:
        log_about(pair.id).warning("it is not removed: %s", error.problem)
        return Skip(subject=pair.id, reason=error.problem)
    log_about(pair.id).info("removed")
    return None


def _delete(kube: KubeClient, pair: Pair) -> None:
    snapshot, content = pair.snapshot, pair.content
    content_path = f"{CONTENTS}/{content.name}" if content else ""
    if content and content.policy != (policy := content.class_policy or content.policy) and kube.find(content_path):
        kube.patch(content_path, {"spec": {"deletionPolicy": policy}})
    if snapshot:
        path = f"{path_of_snapshots(snapshot.namespace)}/{snapshot.name}"
        try:
            kube.delete(path, {"preconditions": {"uid": snapshot.uid}})
        except Conflicted:
            return  # another one has its name now
        _wait_gone(kube, path, snapshot.uid, pair.id)
    if content and kube.find(content_path):  # its class says Retain, or its snapshot was gone before
        kube.patch(content_path, {"metadata": {"annotations": {BEING_DELETED: "yes"}}})
        kube.delete(content_path)
        _wait_gone(kube, content_path, "", pair.id)


def _wait_gone(kube: KubeClient, path: str, uid: str, about: str) -> None:
    def look() -> None:
        found = kube.find(path)
        if found and uid in {"", found["metadata"]["uid"]}:
            held = ", ".join(found["metadata"].get("finalizers", ())) or "nothing"
            raise NotYet(f"it is being deleted, and held by: {held}", hint="a later run looks again")

    wait_for(look, GONE_WITHIN, what="the storage to remove it", about=about)
