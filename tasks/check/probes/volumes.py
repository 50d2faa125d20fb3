"""Parses what volumes need. Asked at: /api/v1/namespaces/NAMESPACE/pods, /apis/apps/v1/deployments, /apis/snapshot.storage.k8s.io/v1/..."""

from typing import Any

from pydantic import Field

from tasks.check.models import FittingPod, SnapshotController
from tasks.core.models import outside
from tasks.core.models.outside import Outside, PlacedMetadata, name_of
from tasks.nodes.probes.pods import parse_pod

JSON = dict[str, Any]

GROUP = "/apis/snapshot.storage.k8s.io/v1"
CLASSES = f"{GROUP}/volumesnapshotclasses"
DEPLOYMENTS = "/apis/apps/v1/deployments"
CONTROLLER = "snapshot-controller"


class _Container(Outside):
    image: str = ""


class _PodSpec(Outside):
    containers: tuple[_Container, ...] = ()


class _Template(Outside):
    spec: _PodSpec = _PodSpec()


class _Spec(Outside):
    template: _Template = _Template()


class _Status(Outside):
    available_replicas: int = Field(default=0)


class _Deployment(Outside):
    metadata: PlacedMetadata
    spec: _Spec = _Spec()
    status: _Status = _Status()


def parse_fitting(raw: JSON) -> FittingPod | None:
    """Parses a pod; None if it has finished for good."""
    told, pod = outside.Pod.read(raw, name_of("pod", raw)), parse_pod(raw)
    if pod.is_finished:
        return None
    containers = tuple(one.name for one in told.spec.containers)
    return FittingPod(name=pod.name, containers=containers, has_claim=bool(pod.every_claim))


def parse_controller(raw: JSON) -> SnapshotController | None:
    """Parses a Deployment; None if no image of it is that of a snapshot-controller."""
    told = _Deployment.read(raw, name_of("Deployment", raw))
    if not any(CONTROLLER in one.image.rpartition("/")[2] for one in told.spec.template.spec.containers):
        return None
    name = f"{told.metadata.namespace}/{told.metadata.name}"
    return SnapshotController(id=name, available=told.status.available_replicas)
