"""A namespace on a real control plane with workloads whose pods run, or fail as they are told (`hollow.py`)."""

from collections.abc import Mapping
from typing import Any

from tests.servers.kubernetes import ControlPlane, Resource, path_of
from tests.servers.processes import wait_until

LIMIT = 150.0
"""Seconds for anything that the control plane has to do; two are usual."""

KINDS = {"deployment": "deployments", "statefulset": "statefulsets", "daemonset": "daemonsets"}


class Shop:
    """Short words for what is in the namespace."""

    def __init__(self, cluster: ControlPlane, name: str) -> None:
        self.cluster = cluster
        self.api = cluster.api
        self.name = name
        self.pods_path = f"/api/v1/namespaces/{name}/pods"
        self.api.create("/api/v1/namespaces", {"metadata": {"name": name}})
        account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
        wait_until(lambda: self.api.is_fine(account), LIMIT, "pods may be created")

    def path(self, workload: str) -> str:
        """Of `deployment/web`."""
        kind, _, name = workload.partition("/")
        return f"/apis/apps/v1/namespaces/{self.name}/{KINDS[kind]}/{name}"

    def make(self, workload: str, replicas: int = 2, *, notes: Mapping[str, str] | None = None, **more: Any) -> None:  # noqa: ANN401 - fields of its spec, or `pod`, of its pods'
        """Creates a workload; it does not wait."""
        kind, _, name = workload.partition("/")
        pod = more.pop("pod", {})
        containers = [{"name": "main", "image": "web:1"}]
        spec: Resource = {
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}, "annotations": dict(notes or {})},
                "spec": {"containers": containers, "terminationGracePeriodSeconds": 1, **pod},
            },
        }
        spec |= {} if kind == "daemonset" else {"replicas": replicas}
        spec |= {"serviceName": name} if kind == "statefulset" else {}
        metadata = {"name": name, **more.pop("metadata", {})}
        self.api.create(self.path(workload).rpartition("/")[0], {"metadata": metadata, "spec": spec | more})

    def run(self, workload: str, replicas: int = 2, **more: Any) -> None:  # noqa: ANN401 - as `make`
        """Creates a workload, and waits until all its pods are available."""
        self.make(workload, replicas, **more)
        self.wait_available(workload, replicas)

    def wait_available(self, workload: str, replicas: int) -> None:
        """All of its pods, of its newest template."""

        def is_available() -> bool:
            found = self.get(workload)
            status = found.get("status", {})
            available = status.get("availableReplicas", status.get("numberAvailable", 0))
            updated = status.get("updatedReplicas", status.get("updatedNumberScheduled", 0))
            return bool(
                status.get("observedGeneration") == found["metadata"]["generation"]
                and (available, updated) == (replicas, replicas)
                and status.get("replicas", replicas) == replicas
            )

        wait_until(is_available, LIMIT, f"{workload} is available")

    def get(self, workload: str) -> Resource:
        """As the API has it."""
        return self.api.get(self.path(workload))

    def change(self, workload: str, **spec: Any) -> Resource:  # noqa: ANN401 - any JSON
        """A strategic patch of its spec, by somebody else."""
        return self.api.patch(self.path(workload), {"spec": spec}, "strategic")

    def annotate_pods(self, workload: str, **notes: str | None) -> None:
        """A new template whose pods behave in another way: `waits="ErrImagePull: x"`."""
        named = {f"hollow/{name.replace('_', '-')}": value for name, value in notes.items()}
        self.change(workload, template={"metadata": {"annotations": named}})

    def pods(self, workload: str) -> list[Resource]:
        """Those that are not on their way out."""
        app = workload.partition("/")[2]
        found = self.api.get(self.pods_path, labelSelector=f"app={app}")["items"]
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def images(self, workload: str) -> set[str]:
        """Of the pods that are there."""
        return {pod["spec"]["containers"][0]["image"] for pod in self.pods(workload)}

    def warn(self, pod: Resource, reason: str, message: str) -> None:
        """An event as the kubelet writes it."""
        metadata = pod["metadata"]
        about = {"kind": "Pod", "namespace": self.name, "name": metadata["name"], "uid": metadata["uid"]}
        name = f"{metadata['name']}.{reason.lower()}"
        body = {
            "metadata": {"name": name},
            "involvedObject": about,
            "reason": reason,
            "message": message,
            "type": "Warning",
        }
        self.api.create(f"/api/v1/namespaces/{self.name}/events", body)

    def wait_quota(self, name: str, resource: str, used: str) -> None:
        """The controller has counted what is used of it."""
        path = f"/api/v1/namespaces/{self.name}/resourcequotas/{name}"
        wait_until(
            lambda: self.api.get(path).get("status", {}).get("used", {}).get(resource) == used,
            LIMIT,
            f"{name} is counted",
        )

    def remove(self) -> None:
        """With all that is in it."""
        for kind in ("deployments", "replicasets", "statefulsets", "daemonsets"):
            self.api.delete(f"/apis/apps/v1/namespaces/{self.name}/{kind}", {"propagationPolicy": "Background"})
        for pod in self.api.get(self.pods_path)["items"]:
            if pod["metadata"].get("finalizers"):
                self.api.patch(path_of(pod), {"metadata": {"finalizers": None}})
        self.api.delete(self.pods_path, {"gracePeriodSeconds": 0})
        self.api.delete(f"/api/v1/namespaces/{self.name}")
        wait_until(lambda: not self.api.is_fine(f"/api/v1/namespaces/{self.name}"), LIMIT, f"{self.name} is gone")
