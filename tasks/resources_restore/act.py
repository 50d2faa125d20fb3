"""Writes and deletes single objects. Each is judged again right before it is written."""

from datetime import timedelta
from http import HTTPStatus
from typing import NamedTuple

from tasks.clients.kube import JSON, Answer, Conflicted, KubeClient
from tasks.core.at_once import wait_for
from tasks.core.errors import NotYet, RunbookError
from tasks.resources_restore.models import Failure, Judged, Target, Verdict
from tasks.resources_restore.observe import Look, forget_claim, send
from tasks.resources_restore.policy.allowed import STEP, why_not_now
from tasks.resources_restore.policy.verdicts import Tried
from tasks.run.locks import Check

SERVED = timedelta(seconds=30)
"""Limits the wait until the API serves a kind whose definition is new."""

MERGE = "application/merge-patch+json"
GONE_STEP = "wait until it is gone, then run this again"


class Wrote(NamedTuple):
    """Holds what was done with one object."""

    target: Target
    act: str = ""
    """created, updated, already; empty if it failed."""
    failure: Failure | None = None


def write(kube: KubeClient, planned: Judged, look: Look, check: Check, *, finishing: bool = False) -> Wrote:
    """Writes an object by server-side apply, unless it is no longer as the plan says."""
    target, now = look.judged.target, look.judged
    if now.verdict is Verdict.UNCHANGED or (planned.is_released and not look.is_released):
        return Wrote(target, "already")
    if problem := why_not_now(planned, now, finishing=finishing or look.is_rest):
        return _failed(target, problem, now.next_step or STEP)
    body = _sent(look)
    check()

    def act() -> Answer:
        if look.is_released:
            return kube.send("PATCH", target.path, body, content_type=MERGE)
        answer = send(kube, target, body, forced=look.forced, is_post=look.is_post)
        if Tried(answer.status, answer.body).is_not_served_yet:
            raise NotYet(f"the API does not serve {target.resource} of {target.api_version} yet")
        return answer

    try:
        answer = wait_for(act, SERVED, what="the API to serve the kind", about=target.label)
    except NotYet as error:
        return _failed(target, error.problem, "run this again: it looks whether the object was written")
    if not answer.is_fine:
        return _failed(target, f"the API server refuses it: {answer.status} {answer.message}", STEP)
    if answer.body.get("metadata", {}).get("deletionTimestamp"):
        return _failed(target, "the object is being deleted, so that what was written is lost", GONE_STEP)
    return Wrote(target, "created" if answer.status == HTTPStatus.CREATED else "updated")


def _sent(look: Look) -> JSON:
    """Returns what is sent, with the condition that nobody has changed the object since it was judged."""
    if not look.version:
        return look.body
    condition = {"resourceVersion": look.version, "uid": look.judged.uid}
    if look.is_released:
        return forget_claim({"metadata": condition})
    return look.body | {"metadata": look.body["metadata"] | condition}


def delete(kube: KubeClient, extra: Judged, check: Check) -> Wrote:
    """Deletes an object that the backup does not have, if it is still the one of the plan."""
    live = kube.find(extra.target.path)
    if live is None:
        return Wrote(extra.target, "already")
    if live["metadata"]["uid"] != extra.uid:
        return _failed(extra.target, "another object has its name now", STEP)
    conditions: JSON = {"uid": extra.uid, "resourceVersion": live["metadata"]["resourceVersion"]}
    check()
    try:
        kube.delete(extra.target.path, {"preconditions": conditions, "propagationPolicy": "Background"})
    except Conflicted as error:
        return _failed(extra.target, f"it changed meanwhile: {error.problem}", STEP)
    except RunbookError as error:
        return _failed(extra.target, error.problem, error.hint)
    return Wrote(extra.target, "deleted")


def _failed(target: Target, problem: str, step: str) -> Wrote:
    return Wrote(target, failure=Failure(label=target.label, problem=problem, next_step=step))
