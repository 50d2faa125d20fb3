"""Decides which kinds a backup has."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from tasks.core.models.profile.resources import ResourceFilter, ResourceRules
from tasks.resources.models import Filters, Kind, LeftOut

Rules = ResourceRules | Filters

BY_RULE = "of the profile"
"""Marks the reasons that come from the rules of a profile."""


GENERATED = {
    "events": "events expire within hours",
    "events.events.k8s.io": "events expire within hours",
    "leases.coordination.k8s.io": "their holders write them again all the time",
    "nodes": "a kubelet registers its own Node",
    "componentstatuses": "they are no objects",
    "csinodes.storage.k8s.io": "kubelets write them",
    "csistoragecapacities.storage.k8s.io": "provisioners write them",
    "volumeattachments.storage.k8s.io": "a controller makes them for pods on nodes",
    "resourceslices.resource.k8s.io": "drivers write them",
    "podcertificaterequests.certificates.k8s.io": "kubelets make them, and they expire",
    "certificatesigningrequests.certificates.k8s.io": "they expire within a day",
    "storageversionmigrations.storagemigration.k8s.io": "they are work that is done once",
    "storageversions.internal.apiserver.k8s.io": "API servers write them",
    "ipaddresses.networking.k8s.io": "the cluster makes them from Services",
    "leasecandidates.coordination.k8s.io": "their holders write them again all the time",
}
"""Maps kinds that the cluster or its nodes make by themselves to the reason why they are left out."""


def choose_kinds(kinds: Iterable[Kind], rules: Rules) -> tuple[tuple[Kind, ...], tuple[LeftOut, ...]]:
    """Returns the kinds to read, in a stable order, and those left out with the reason.

    A kind that nobody can list or create is no part of a configuration, and is in neither of them.
    """
    chosen: list[Kind] = []
    left: list[LeftOut] = []
    for one in sorted(kinds):
        if reason := _why_not(one, rules):
            left.append(LeftOut(what=one.label, count=0, reason=reason))
        else:
            chosen.append(one)
    return tuple(chosen), tuple(left)


def _why_not(kind: Kind, rules: Rules) -> str:
    if reason := GENERATED.get(kind.label, ""):
        return reason
    if rules.include and not any(_fits_kind(one, kind) for one in rules.include):
        return f"resources.include {BY_RULE} does not name it"
    if any(_fits_kind(one, kind) and not one.namespaces for one in rules.exclude):
        return f"resources.exclude {BY_RULE} names it"
    return ""


def why_filtered(kind: Kind, namespace: str, rules: Rules) -> str:
    """Returns why the profile's rules leave out the objects of this kind in this namespace; empty if they do not."""
    if rules.include and not any(_fits(one, kind, namespace) for one in rules.include):
        return f"resources.include {BY_RULE} does not name it"
    if any(_fits(one, kind, namespace) for one in rules.exclude):
        return f"resources.exclude {BY_RULE} names it"
    return ""


def place_of(kind: Kind, namespace: str, name: str) -> str:
    """Returns the namespace by which the rules judge an object; a Namespace is in itself."""
    return name if kind.label == "namespaces" else namespace


def _fits(one: ResourceFilter, kind: Kind, namespace: str) -> bool:
    return _fits_kind(one, kind) and (not one.namespaces or _any(one.namespaces, namespace))


def _fits_kind(one: ResourceFilter, kind: Kind) -> bool:
    return not one.kinds or _any(one.kinds, kind.label)


def _any(patterns: Sequence[str], text: str) -> bool:
    return any(fnmatchcase(text, one) for one in patterns)
