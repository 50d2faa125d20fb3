"""Compares the objects of an access policy with those in the cluster. Every change that it sends is a dry run."""

from collections.abc import Sequence
from datetime import UTC, datetime

from tasks.access.models.declared import OURS, Kind, Place, Wanted
from tasks.access.models.policy import AccessPolicy
from tasks.access.observe import judge_cells, read_namespaces, read_rbac, read_resources
from tasks.access.policy.declared import declare
from tasks.access.policy.known import accept
from tasks.access.policy.matrix import cells_of
from tasks.access_apply.models import Change, Comparison
from tasks.access_apply.policy.compare import Tried, compare, foreign, in_deletion_order, is_ours, removed
from tasks.access_apply.policy.expected import (
    expect,
    find_contradictions,
    find_dangers,
    find_extras,
    find_missing,
    find_staying,
    tell_cells,
    tell_danger,
)
from tasks.clients.kube import AT_ONCE, KubeClient
from tasks.core.at_once import on_all
from tasks.core.models.outside import AccessObject
from tasks.core.models.plan import Refusal

Live = tuple[Wanted, AccessObject | None]
Ours = dict[Place, AccessObject]


def compare_access(kube: KubeClient, policy: AccessPolicy, *, remove: bool = True) -> Comparison:
    """Returns each object that is not as the policy wants it, what forbids a run, and what people have to know.

    Without `remove`, objects of ours that the policy no longer has keep their rights.
    """
    now, resources, namespaces = datetime.now(UTC), read_resources(kube), read_namespaces(kube)
    rbac, ours = read_rbac(kube), read_ours(kube)
    wanted, refusals = declare(policy, resources)
    places = {one.place for one in wanted}
    gone = in_deletion_order(removed(place, live) for place, live in ours.items() if place not in places)
    expected = expect(rbac, wanted, [one.place for one in gone] if remove else [])
    asked = cells_of(policy, resources, namespaces, expected.after)
    cells = judge_cells(kube, asked)
    stay = find_staying(asked, cells, rbac, expected.after)
    known = namespaces | {one.name for one in wanted if one.kind is Kind.NAMESPACE}
    missing = tuple(find_missing(wanted, expected, namespaces, find_absent_accounts(kube, policy)))
    compared = compare_objects(kube, [one for one in wanted if not one.namespace or one.namespace in known])
    dangers = accept(find_dangers(expected), policy.accepted, today=now.date())
    return Comparison(
        observed_at=now,
        policy=policy,
        changes=(*(one for one in compared if isinstance(one, Change)), *gone),
        same=sum(one is None for one in compared),
        refusals=(
            *refusals,
            *missing,
            *find_contradictions(asked, expected),
            *(one for one in compared if isinstance(one, Refusal)),
        ),
        cautions=(*map(tell_danger, dangers), *find_extras(policy, expected), *tell_cells(cells, stay)),
        cells=cells,
        stay=stay,
    )


def compare_objects(kube: KubeClient, wanted: Sequence[Wanted]) -> tuple[Change | Refusal | None, ...]:
    """Compares each object of the policy with that in the cluster."""
    found = on_all(lambda one: (one, read_object(kube, one.place)), wanted, most=AT_ONCE)
    new = {one.place for one, live in found if live is None}
    return tuple(on_all(lambda each: _try(kube, *each, new), found, most=AT_ONCE))


def compare_now(kube: KubeClient, wanted: Wanted) -> Change | Refusal | None:
    """Compares one object, right before it is changed."""
    return _try(kube, wanted, read_object(kube, wanted.place), set())


def read_object(kube: KubeClient, place: Place) -> AccessObject | None:
    """Reads an object; returns None if it does not exist."""
    raw = kube.find(place.path)
    return None if raw is None else AccessObject.read(raw, place.label)


def read_ours(kube: KubeClient) -> Ours:
    """Reads all objects that the access policy has made, but not the namespace of all users."""
    kinds = [kind for kind in Kind if kind is not Kind.NAMESPACE]
    lists = on_all(lambda kind: kube.items(f"{kind.root}/{kind.plural}", labelSelector=OURS), kinds)
    found = [(kind, AccessObject.read(raw, kind)) for kind, items in zip(kinds, lists, strict=True) for raw in items]
    return {Place(kind, one.metadata.namespace, one.metadata.name): one for kind, one in found}


def find_absent_accounts(kube: KubeClient, policy: AccessPolicy) -> list[str]:
    """Returns the ServiceAccounts to which the policy gives rights, and that do not exist."""
    given = [one for one in policy.service_accounts if one.can or one.roles]
    places = [Place(Kind.ACCOUNT, one.subject.namespace, one.subject.name) for one in given]
    found = on_all(lambda place: kube.find(place.path), places, most=AT_ONCE)
    return [one.name for one, raw in zip(given, found, strict=True) if raw is None]


def _try(kube: KubeClient, wanted: Wanted, live: AccessObject | None, new: set[Place]) -> Change | Refusal | None:
    if live is not None and not is_ours(live):
        return foreign(wanted.place)
    answer = kube.try_apply(wanted.place.path, wanted.body, force=live is not None)
    found = AccessObject.read(answer.body, wanted.place.label) if answer.is_fine else None
    return compare(wanted, live, Tried(answer.status, found, answer.message), new)
