"""Changes objects that give access, one at a time. Each is read again right before it is changed."""

from tasks.access.models.declared import Wanted
from tasks.access_apply.models import Act, Change
from tasks.access_apply.observe import compare_now, read_object
from tasks.access_apply.policy.compare import is_ours, removed
from tasks.clients.kube import JSON, KubeClient
from tasks.core.errors import Refused
from tasks.core.models.outside import AccessObject
from tasks.core.models.plan import Refusal

CHANGED_SINCE = "`kube-runbooks run access-apply CLUSTER --mode=plan` shows the new plan"


def apply_change(kube: KubeClient, change: Change) -> bool:
    """Makes an object as the policy wants it. Returns whether it was not so already.

    Raises `Refused` if the difference is no longer that of the plan.
    """
    place = change.place
    wanted = Wanted(**place._asdict(), subject=change.subject, body=change.body)
    now = compare_now(kube, wanted)
    if now is None:
        return False
    if isinstance(now, Refusal):
        raise Refused(f"{now.subject}: {now.problem}", hint=now.next_step)
    if now.act is Act.CREATE and change.act is Act.REPLACE:
        now = change  # an earlier attempt has deleted it
    elif now.is_same_as != change.is_same_as:
        raise _changed(change)
    elif now.act is Act.REPLACE:
        kube.delete(place.path, {"preconditions": _preconditions(now)})
    if change.act is Act.CHANGE:
        kube.apply(place.path, _at_version(change.body, now.version.resource_version), force=True)
    else:
        kube.apply(place.path, change.body)
    return True


def delete_change(kube: KubeClient, change: Change) -> bool:
    """Deletes an object that the policy no longer has. Returns whether it still existed.

    Raises `Refused` if it is no longer the object of the plan.
    """
    live = read_object(kube, change.place)
    if live is None:
        return False
    if not _is_still(change, live):
        raise _changed(change)
    kube.delete(change.place.path, {"preconditions": _preconditions(removed(change.place, live))})
    return True


def _is_still(change: Change, live: AccessObject) -> bool:
    """Checks whether it is the object that the plan names, with the same content."""
    same = is_ours(live) and live.metadata.uid == change.version.uid
    return same and removed(change.place, live).is_same_as == change.is_same_as


def _preconditions(change: Change) -> JSON:
    return {"uid": change.version.uid, "resourceVersion": change.version.resource_version}


def _at_version(body: JSON, version: str) -> JSON:
    return body | {"metadata": body["metadata"] | {"resourceVersion": version}}


def _changed(change: Change) -> Refused:
    return Refused(f"{change.place.label} has changed since the plan was made", hint=CHANGED_SINCE)
