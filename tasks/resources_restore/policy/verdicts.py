"""Judges the API server's answer to a dry run: what would happen to the object, or what is in the way."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple

from tasks.core.models.findings import listed
from tasks.core.models.outside import Outside
from tasks.resources_restore.models import ACTED, JSON, Existing, Judged, Key, Target, Verdict
from tasks.resources_restore.policy.compare import differences

OWN = "kube-runbooks"

DIFFER = frozenset({Verdict.CONFLICT, Verdict.IMMUTABLE, Verdict.INVALID})
"""Lists the verdicts about an object that exists which say that it differs from the backup."""

HOOK_WORDS = ("failed calling webhook", "admission webhook", "conversion webhook")
"""Marks what a webhook says, or that it says nothing."""

NOT_APPLIED = "failed to create typed"
"""Marks what the API server says if server-side apply does not take an object. With other words the run stops with its answer."""

SILENT_WORDS = (*HOOK_WORDS, "503 service unavailable", "error trying to reach service")
"""Marks what the API server says if something else answers for a kind, and does not: a conversion webhook, or an aggregated API.

With other words the run stops with its answer.
"""

POLICY_WORDS = ("ValidatingAdmissionPolicy", "MutatingAdmissionPolicy")
IMMUTABLE_WORDS = ("immutable", "updates to", "may not change", "cannot change", "may not be updated")
ALLOCATED = (
    "provided IP is already allocated",
    "provided port is already allocated",
    "provided port is not in the valid range",
    "does not match the current range",
    "not in the valid range",
)
NO_PATH = "404 page not found"
BUSY = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT})


class _Cause(Outside):
    reason: str = ""
    message: str = ""
    field: str = ""


class _Details(Outside):
    causes: tuple[_Cause, ...] = ()
    kind: str = ""
    name: str = ""


class _Status(Outside):
    message: str = ""
    reason: str = ""
    details: _Details = _Details()


class Tried(NamedTuple):
    """Holds the answer to a dry run."""

    status: int
    body: JSON

    @property
    def is_fine(self) -> bool:
        """Checks whether the API server would take the object."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def is_busy(self) -> bool:
        """Checks for a failure that has nothing to do with the object, so that it is asked again."""
        if self.status in BUSY or self.is_not_served_yet:
            return True
        said = _Status.read(self.body, "the answer").message
        told = (*HOOK_WORDS, "not declared in schema", NOT_APPLIED)
        return self.status >= HTTPStatus.INTERNAL_SERVER_ERROR and not any(word in said for word in told)

    @property
    def cannot_be_applied(self) -> bool:
        """Checks whether server-side apply does not take what a create takes: a list with the same key twice."""
        return NOT_APPLIED in _Status.read(self.body, "the answer").message

    @property
    def is_not_served_yet(self) -> bool:
        """Checks whether the API has no path for the kind: it comes and goes while a definition is made."""
        return self.status == HTTPStatus.NOT_FOUND and NO_PATH in str(self.body.get("message", ""))

    @property
    def wants_other_claims(self) -> bool:
        """Checks whether an address or a port of a Service cannot be had."""
        said = _Status.read(self.body, "the answer").message
        return self.status == HTTPStatus.UNPROCESSABLE_ENTITY and any(word in said for word in ALLOCATED)


class Said(NamedTuple):
    """Holds the verdict about one object, with its reason and the next step."""

    verdict: Verdict
    reason: str = ""
    next_step: str = ""
    difference: tuple[str, ...] = ()
    after: Key | None = None
    """The object of this run without which it cannot be written."""


def judge(  # noqa: PLR0913 - each has a name at the call
    target: Target,
    live: JSON | None,
    tried: Tried,
    *,
    coming: Collection[Key] = (),
    existing: Existing = Existing.LEAVE,
    served: bool = True,
    finishes: bool = False,
) -> Said:
    """Returns what would happen to the object.

    Args:
        target: the object
        live: the object in the cluster; None if there is none
        tried: the answer to the dry run
        coming: objects that the same run creates before this one
        existing: what is done with objects that exist and differ
        served: whether the API serves its kind
        finishes: whether the difference is the rest of an earlier run of ours, which is always done
    """
    if live is not None and live.get("metadata", {}).get("deletionTimestamp"):
        finalizers = ", ".join(live["metadata"].get("finalizers") or ())
        left = f", and waits for {finalizers}" if finalizers else ""
        return Said(
            Verdict.TERMINATING,
            f"the object in the cluster is being deleted{left}",
            "wait until it is gone, then run this again: `kubectl get` shows it",
        )
    if not tried.is_fine:
        said = _refused(target, tried, coming, served=served)
        leaves = live is not None and existing is Existing.LEAVE and not finishes
        known = "differs" if said.verdict in DIFFER else "nobody knows whether it differs"
        return Said(Verdict.LEAVE, f"it exists, and {known}: {said.reason}") if leaves else said
    if live is None:
        return Said(Verdict.CREATE, "it is not in the cluster")
    found = differences(live, tried.body)
    if not found:
        return Said(Verdict.UNCHANGED, "it is as the backup has it")
    if existing is Existing.LEAVE and not finishes:
        return Said(Verdict.LEAVE, f"it exists, and differs: {'; '.join(found)}", difference=found)
    return Said(Verdict.UPDATE, "it differs from the backup", difference=found)


def judge_by_fields(lacks: tuple[str, ...], tried: Tried, existing: Existing) -> Said:
    """Returns the verdict about an object that exists, and that server-side apply does not take, by the fields that it lacks."""
    if not lacks:
        return Said(Verdict.UNCHANGED, "it is as the backup has it")
    told = f"it differs from the backup in {listed(lacks)}"
    if existing is Existing.LEAVE:
        return Said(Verdict.LEAVE, f"it exists, and {told.removeprefix('it ')}")
    why = _Status.read(tried.body, "the answer").message
    return Said(
        Verdict.INVALID, f"{told}, and cannot be applied: {why}", "change it by hand, or delete it and run this again"
    )


def judge_silence(problem: str) -> Said | None:
    """Returns the verdict about an object whose kind does not answer; None if the API server as a whole does not."""
    if not any(word in problem for word in SILENT_WORDS):
        return None
    step = "repair what answers for its kind: `kubectl get apiservices`, or the conversion webhook of its definition"
    return Said(Verdict.SILENT, f"nobody can read it: {problem}", step)


def is_rest_of_ours(live: JSON | None, tried: Tried) -> bool:
    """Checks whether nothing but the owners or the reclaim policy differs, on an object that a restore has written.

    An earlier run was interrupted between its passes.
    """
    if live is None or not tried.is_fine or not is_restored(live):
        return False
    found = differences(live, tried.body)
    ends = ("metadata.ownerReferences", "spec.persistentVolumeReclaimPolicy", "metadata.annotations")
    return bool(found) and all(one.startswith(ends) for one in found)


def is_restored(live: JSON) -> bool:
    """Checks whether kube-runbooks has applied the object before."""
    managed = live.get("metadata", {}).get("managedFields") or ()
    return any(one.get("manager") == OWN and one.get("operation") == "Apply" for one in managed)


def _refused(target: Target, tried: Tried, coming: Collection[Key], *, served: bool) -> Said:
    status = _Status.read(tried.body, "the answer")
    said = status.message or f"HTTP {tried.status}"
    reasons = {one.reason for one in status.details.causes}
    if any(word in said for word in (*HOOK_WORDS, *POLICY_WORDS)):
        return Said(Verdict.WEBHOOK, said, "correct the webhook or the policy that it names, or its backend")
    if tried.status == HTTPStatus.NOT_FOUND:
        return _not_found(target, said, coming, served=served)
    if tried.status == HTTPStatus.CONFLICT:
        return _conflict(target, status)
    if tried.status in {HTTPStatus.FORBIDDEN, HTTPStatus.UNAUTHORIZED}:
        return _forbidden(target, said, reasons)
    if tried.status in {HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.BAD_REQUEST, HTTPStatus.INTERNAL_SERVER_ERROR}:
        return _invalid(said)
    return Said(Verdict.UNKNOWN, f"HTTP {tried.status}: {said}", "read the log of the API server")


def _forbidden(target: Target, said: str, reasons: Collection[str]) -> Said:
    if "NamespaceTerminating" in reasons:
        where = f"the namespace {target.namespace} is being deleted"
        return Said(Verdict.TERMINATING, where, f"wait until `kubectl get namespace {target.namespace}` finds none")
    if "exceeded quota" in said:
        return Said(Verdict.QUOTA, said, f"raise it: `kubectl -n {target.namespace} get resourcequota`")
    return Said(Verdict.FORBIDDEN, said, "give the user of kubernetes.kubeconfig this right")


def _invalid(said: str) -> Said:
    if any(word in said for word in IMMUTABLE_WORDS):
        return Said(
            Verdict.IMMUTABLE, said, "delete the object, then run this again; what it runs or holds is lost with it"
        )
    return Said(Verdict.INVALID, said, "correct the object by hand from the backup, and leave it out of the selection")


def _not_found(target: Target, said: str, coming: Collection[Key], *, served: bool) -> Said:
    if not served and definition_of(target) in coming:
        return _after(definition_of(target))
    if not served:
        return _gone(target)
    if target.namespaced and "namespaces" in said:
        return _no_namespace(target, coming)
    return Said(Verdict.UNKNOWN, said, "run this again")


def definition_of(target: Target) -> Key:
    """Returns the CustomResourceDefinition that brings the kind of an object."""
    return Key("apiextensions.k8s.io", "CustomResourceDefinition", "", f"{target.resource}.{target.group}")


def namespace_of(target: Target) -> Key:
    """Returns the Namespace of an object."""
    return Key("", "Namespace", "", target.namespace)


def _after(key: Key) -> Said:
    what = "namespace" if key.kind == "Namespace" else key.kind
    return Said(Verdict.AFTER, f"the {what} {key.name} comes with this run", after=key)


def _gone(target: Target) -> Said:
    definition = definition_of(target).name
    step = f"restore the CustomResourceDefinition {definition} as well, or install what brings it"
    return Said(Verdict.GONE, f"the API does not serve {target.resource} of {target.api_version}", step)


def without_broken_promises(judged: Sequence[Judged]) -> tuple[Judged, ...]:
    """Returns the verdicts again: an object does not come after one that the run does not write."""
    verdicts = {one.target.key: one.verdict for one in judged}

    def settled(one: Judged) -> Judged:
        if one.after is None:
            return one
        verdict = verdicts.get(one.after, Verdict.CREATE)
        if verdict in ACTED:
            return one
        said = _stays_away(one.target, verdict) if one.after.kind == "Namespace" else _gone(one.target)
        return one.model_copy(update=said._asdict())

    return tuple(map(settled, judged))


def _stays_away(target: Target, verdict: Verdict) -> Said:
    return Said(
        Verdict.MISSING,
        f"the namespace {target.namespace} is not restored: {verdict}",
        "correct what the plan says about the namespace",
    )


def _no_namespace(target: Target, coming: Collection[Key]) -> Said:
    name = target.namespace
    if namespace_of(target) in coming:
        return _after(namespace_of(target))
    step = f"`kubectl create namespace {name}`, or name another one with --into-namespace"
    return Said(Verdict.MISSING, f"the namespace {name} is neither in the cluster nor in the backup", step)


def _conflict(target: Target, status: _Status) -> Said:
    fields = [one for one in status.details.causes if one.reason == "FieldManagerConflict"]
    if not fields:
        return Said(Verdict.CONFLICT, status.message, "run this again: somebody else was faster")
    told = "; ".join(f"{one.field.lstrip('.')}: {_owner(one.message)}" for one in fields)
    return Said(
        Verdict.CONFLICT,
        f"others own fields that differ: {told}",
        f"add --force={target.typed} to take them over, or change them where their owner has them",
    )


def _owner(message: str) -> str:
    """Returns who owns a field, from `conflict with "kubectl-edit" using v1`."""
    return message.removeprefix("conflict with ").strip()


def wanted(target: Target, force: Collection[str]) -> bool:
    """Checks whether a person has chosen to take the fields of this object over."""
    return target.typed.lower() in {one.lower() for one in force}


def count_quota(quotas: Iterable[Mapping[str, Any]], creates: Collection[Target]) -> dict[str, str]:
    """Returns, by namespace, which quota has no room for all the objects of the run: a dry run sees one at a time."""
    found: dict[str, str] = {}
    for quota in quotas:
        namespace, name = quota["metadata"]["namespace"], quota["metadata"]["name"]
        spec = quota.get("spec") or {}
        if spec.get("scopes") or spec.get("scopeSelector"):
            continue  # it counts some pods alone: the API server judges those one by one
        hard = quota.get("status", {}).get("hard") or {}
        used = quota.get("status", {}).get("used") or {}
        for resource, most in hard.items():
            count = sum(one.namespace == namespace and resource in counted_as(one) for one in creates)
            if not (str(most).isdigit() and str(used.get(resource, "0")).isdigit()):
                continue
            free = int(most) - int(used.get(resource, "0"))
            if count > free:
                found[namespace] = (
                    f"the quota {name} has room for {max(free, 0)} more {resource}, and {count} are created"
                )
    return found


def counted_as(target: Target) -> tuple[str, ...]:
    """Returns the names under which a quota counts the object."""
    plain = f"count/{target.resource}.{target.group}" if target.group else f"count/{target.resource}"
    return (plain, target.resource) if not target.group else (plain,)


SYSTEM = frozenset({"default", "kube-system", "kube-public", "kube-node-lease"})
"""Lists the namespaces of every cluster."""


def is_system_namespace(target: Target) -> bool:
    """Checks whether it is a namespace that every cluster has."""
    return (target.group, target.kind) == ("", "Namespace") and target.name in SYSTEM
