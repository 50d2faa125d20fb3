"""Finds who owns a workload: a change beside the owner would be undone, or would be lost at its next release."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Owner(NamedTuple):
    """Says who owns a workload, and how this owner wants it to be changed."""

    who: str
    way: str


HELM_RELEASE = "meta.helm.sh/release-name"
OWN_GROUPS = ("apps/", "batch/")

NOTES: tuple[tuple[str, str, str], ...] = (
    ("argocd.argoproj.io/tracking-id", "Argo CD", "commit the change to the application's repository, and sync it"),
    ("helm.toolkit.fluxcd.io/name", "Flux", "change the values of its HelmRelease in the repository"),
    ("kustomize.toolkit.fluxcd.io/name", "Flux", "commit the change to the repository of its Kustomization"),
    (HELM_RELEASE, "Helm", "helm upgrade of its release, with the new values"),
    ("olm.owner", "the Operator Lifecycle Manager", "change its ClusterServiceVersion or its Subscription"),
    ("kapp.k14s.io/app", "kapp", "kapp deploy of its app"),
    ("objectset.rio.cattle.io/id", "Rancher", "change what Rancher deploys"),
    ("applyset.kubernetes.io/part-of", "an ApplySet", "kubectl apply --prune of its ApplySet"),
    ("addonmanager.kubernetes.io/mode", "the addon manager", "change its manifest on the control plane nodes"),
)
"""Lists annotations and labels, the owner that sets each, and the owner's way."""

MANAGERS: tuple[tuple[str, str, str], ...] = (
    ("argocd", "Argo CD", NOTES[0][2]),
    ("kustomize-controller", "Flux", NOTES[2][2]),
    ("helm-controller", "Flux", NOTES[1][2]),
    ("helm", "Helm", NOTES[3][2]),
)
"""Lists managers in managedFields, by the beginning of their names."""


def owner_of(
    notes: Mapping[str, str], controller: tuple[str, str, str] | None, managers: Sequence[str]
) -> Owner | None:
    """Returns the owner; None if nobody but people and programs without a memory wrote it.

    `notes` are the annotations and labels, `controller` is the API version, kind and name of the owner reference that
    controls the workload.
    """
    if controller and not controller[0].startswith(OWN_GROUPS):
        version, kind, name = controller
        return Owner(f"{kind} {name} ({version})", f"change the {kind} {name}; its operator changes the workload")
    for key, who, way in NOTES:
        if key in notes:
            return Owner(f"{who} ({key}: {notes[key]})", way)
    for name, who, way in MANAGERS:
        if any(one.startswith(name) for one in managers):
            return Owner(f"{who} (managedFields)", way)
    return None
