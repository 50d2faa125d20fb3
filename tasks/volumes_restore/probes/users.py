"""Parses who uses claims. Asked at: /api/v1/namespaces/NAMESPACE/pods, /apis/apps/v1/namespaces/NAMESPACE/{deployments,statefulsets,daemonsets}."""

from collections.abc import Iterable
from typing import Any

from pydantic import Field

from tasks.core.errors import Refused
from tasks.core.models.base import Model
from tasks.core.models.outside import Metadata, Outside, name_of
from tasks.nodes.models.pods import Pod
from tasks.volumes_restore.models.facts import REPLICAS

JSON = dict[str, Any]


class _Owner(Outside):
    kind: str
    name: str
    controller: bool = False


class _Owned(Metadata):
    owner_references: tuple[_Owner, ...] = ()


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

    @property
    def wanted(self) -> int:
        """Returns the replicas that it gets again. One that runs has those of now: its note is of a restore that nobody finished."""
        return self.replicas or self.recorded or 0


def controller_of(raw: JSON) -> tuple[str, str] | None:
    """Returns kind and name of the controller of an object; None if it has none."""
    owners = _Scaled.read(raw, name_of("object", raw)).metadata.owner_references
    return next(((each.kind, each.name) for each in owners if each.controller), None)


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


def users_of(pods: Iterable[Pod], claims: Iterable[str]) -> tuple[Pod, ...]:
    """Returns the pods that use one of the claims and have not finished."""
    wanted = set(claims)
    return tuple(one for one in pods if not one.is_finished and wanted.intersection(one.every_claim))
