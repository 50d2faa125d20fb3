"""Parses who uses claims. Asked at: /api/v1/namespaces/NAMESPACE/pods, /apis/apps/v1/namespaces/NAMESPACE/{deployments,statefulsets,daemonsets}."""

from collections.abc import Iterable
from typing import Any

from pydantic import Field

from tasks.core.errors import Refused
from tasks.core.models.base import Model
from tasks.core.models.outside import Metadata, Outside, name_of
from tasks.volumes_restore.models.facts import REPLICAS

JSON = dict[str, Any]

OVER = frozenset({"Succeeded", "Failed"})


class PodUse(Model):
    """This is a pod, and the claims that it uses."""

    name: str
    uid: str
    node: str = ""
    claims: tuple[str, ...] = ()
    owner: tuple[str, str] | None = Field(default=None, description="kind and name of its controller")
    is_over: bool = Field(default=False, description="whether it has Succeeded or Failed")


class _Owner(Outside):
    kind: str
    name: str
    controller: bool = False


class _Owned(Metadata):
    owner_references: tuple[_Owner, ...] = ()


class _ClaimSource(Outside):
    claim_name: str = ""


class _Ephemeral(Outside):
    volume_claim_template: JSON = Field(default={})


class _PodVolume(Outside):
    name: str = ""
    persistent_volume_claim: _ClaimSource = _ClaimSource()
    ephemeral: _Ephemeral | None = None


class _PodSpec(Outside):
    node_name: str = ""
    volumes: tuple[_PodVolume, ...] = ()


class _PodStatus(Outside):
    phase: str = ""


class _Pod(Outside):
    metadata: _Owned
    spec: _PodSpec = _PodSpec()
    status: _PodStatus = _PodStatus()


class _Retention(Outside):
    when_scaled: str = ""


class _ScaledSpec(Outside):
    replicas: int = 1
    persistent_volume_claim_retention_policy: _Retention = _Retention()


class _Scaled(Outside):
    metadata: _Owned
    spec: _ScaledSpec = _ScaledSpec()


class Scaled(Model):
    """This is a workload that can be scaled."""

    uid: str
    version: str
    replicas: int
    recorded: int | None = Field(default=None, description="replicas before a restore stopped it; None if none did")
    when_scaled: str = ""


def parse_pod(raw: JSON) -> PodUse:
    """Parses a pod. A generic ephemeral volume has a claim of its own, named after pod and volume."""
    one = _Pod.read(raw, name_of("pod", raw))
    named = [each.persistent_volume_claim.claim_name for each in one.spec.volumes]
    named += [f"{one.metadata.name}-{each.name}" for each in one.spec.volumes if each.ephemeral]
    return PodUse(
        name=one.metadata.name,
        uid=one.metadata.uid,
        node=one.spec.node_name,
        claims=tuple(dict.fromkeys(each for each in named if each)),
        owner=_controller(one.metadata),
        is_over=one.status.phase in OVER,
    )


def controller_of(raw: JSON) -> tuple[str, str] | None:
    """Returns kind and name of the controller of an object; None if it has none."""
    return _controller(_Scaled.read(raw, name_of("object", raw)).metadata)


def _controller(metadata: _Owned) -> tuple[str, str] | None:
    return next(((each.kind, each.name) for each in metadata.owner_references if each.controller), None)


def parse_scaled(raw: JSON) -> Scaled:
    """Parses a workload: its replicas now, and those that a restore recorded before it stopped it. `Refused` if that is no number."""
    one = _Scaled.read(raw, name_of("workload", raw))
    text = one.metadata.annotations.get(REPLICAS)
    if text is not None and not text.isdigit():
        raise Refused(
            f"{one.metadata.namespace}/{one.metadata.name}: its annotation {REPLICAS} is {text!r}, which is no number",
            hint="a restore noted there how many replicas it had: write that number, or remove the annotation and scale it by hand",
        )
    return Scaled(
        uid=one.metadata.uid,
        version=str((raw.get("metadata") or {}).get("resourceVersion", "")),
        replicas=one.spec.replicas,
        recorded=int(text) if text is not None else None,
        when_scaled=one.spec.persistent_volume_claim_retention_policy.when_scaled,
    )


def users_of(pods: Iterable[PodUse], claims: Iterable[str]) -> tuple[PodUse, ...]:
    """Returns the pods that use one of the claims and have not ended."""
    wanted = set(claims)
    return tuple(one for one in pods if not one.is_over and wanted.intersection(one.claims))
