"""Compares an object of the policy with the object in the cluster, by what the server's dry run returns."""

from collections.abc import Collection, Iterable
from http import HTTPStatus
from typing import NamedTuple

from tasks.access.models.declared import GIVEN_TO, MANAGED_BY, MANAGER, SUBJECT, Kind, Place, Wanted
from tasks.access_apply.models import Act, Change, Version
from tasks.access_apply.policy.differences import content_of, differences, role_of
from tasks.core.models.findings import refused
from tasks.core.models.outside import AccessObject
from tasks.core.models.plan import Refusal

DELETION_ORDER = (Kind.CLUSTER_BINDING, Kind.BINDING, Kind.CLUSTER_ROLE, Kind.ROLE, Kind.ACCOUNT)
"""First nobody has a role, then it goes. The namespace of all users is never deleted."""

MISSING_RIGHTS = "attempting to grant RBAC permissions not currently held:"


class Tried(NamedTuple):
    """Holds the answer of a dry run: the object as it would be, or why the API server refuses it."""

    status: int
    found: AccessObject | None = None
    message: str = ""


def is_ours(live: AccessObject) -> bool:
    """Checks whether the access policy made this object."""
    labels = live.metadata.labels
    return labels.get(MANAGED_BY) == MANAGER and GIVEN_TO in labels


def compare(
    wanted: Wanted, live: AccessObject | None, tried: Tried, new: Collection[Place] = ()
) -> Change | Refusal | None:
    """Returns the change that makes an object as the policy wants it, why it is refused, or None if it is so already.

    `live` is an object of ours. `new` are objects that do not exist yet and that are made before this one.
    """
    body = AccessObject.read(wanted.body, wanted.place.label)
    if live is None:
        waits = tried.status == HTTPStatus.NOT_FOUND and bool(_needs(wanted, body) & set(new))
        fine = tried.found is not None or waits
        return _change(wanted, Act.CREATE, content_of(body)) if fine else _refusal(wanted, tried)
    if role_of(live) != role_of(body) or live.aggregation_rule:
        return _change(wanted, Act.REPLACE, differences(live, body), live)
    if tried.found is None:
        return _refusal(wanted, tried)
    found = differences(live, tried.found)
    return _change(wanted, Act.CHANGE, found, live) if found else None


def removed(place: Place, live: AccessObject) -> Change:
    """Returns the deletion of an object of ours that the policy no longer has."""
    metadata = live.metadata
    return Change(
        **place._asdict(),
        subject=metadata.annotations.get(SUBJECT) or metadata.labels[GIVEN_TO],
        act=Act.DELETE,
        difference=content_of(live, "-"),
        version=_version(live),
    )


def in_deletion_order(changes: Iterable[Change]) -> list[Change]:
    """Returns deletions with the bindings first."""
    return sorted(changes, key=lambda one: (DELETION_ORDER.index(one.kind), one.place))


def foreign(place: Place) -> Refusal:
    """Returns the refusal to touch an object that the policy did not make."""
    where = f" -n {place.namespace}" if place.namespace else ""
    return refused(
        place.label,
        "it exists, and kube-runbooks did not make it, so it is never changed",
        f"delete it or give it another name; to see it: `kubectl{where} get {place.kind.lower()} {place.name} -o yaml`",
    )


def _refusal(wanted: Wanted, tried: Tried) -> Refusal:
    who = f"{wanted.place.label} of {wanted.subject}" if wanted.subject else wanted.place.label
    if tried.status == HTTPStatus.FORBIDDEN and MISSING_RIGHTS in tried.message:
        rights = "; ".join(tried.message.partition(MISSING_RIGHTS)[2].split("\n")).strip("; ")
        problem = f"the user of kube-runbooks does not have these rights, so it cannot give them: {rights}"
        return refused(who, problem, "use a kubeconfig of an administrator in kubernetes.kubeconfig")
    step = "correct the cluster's access.yaml"
    if tried.status == HTTPStatus.FORBIDDEN:  # the words may be others in another version: the message has them
        step = f"use a kubeconfig of an administrator in kubernetes.kubeconfig, or {step}"
    return refused(who, f"the API server refuses it: {tried.message}", step)


def _needs(wanted: Wanted, body: AccessObject) -> set[Place]:
    """Returns the objects that have to be there first: the namespace, and the role of a binding."""
    needs = {Place(Kind.NAMESPACE, "", wanted.namespace)}
    if (role := body.role_ref) is None:
        return needs
    within = "" if role.kind == Kind.CLUSTER_ROLE else wanted.namespace
    return needs | {Place(Kind(role.kind), within, role.name)}


def _change(wanted: Wanted, act: Act, difference: tuple[str, ...], live: AccessObject | None = None) -> Change:
    return Change(
        **wanted.place._asdict(),
        subject=wanted.subject,
        act=act,
        difference=difference,
        body=wanted.body,
        version=_version(live) if live else Version(),
    )


def _version(live: AccessObject) -> Version:
    return Version(uid=live.metadata.uid, resource_version=live.metadata.resource_version)
