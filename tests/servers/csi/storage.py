"""Storage for a real control plane: snapshot CRDs and their controller, the CSI sidecars, and a driver of our own.

Snapshots get ready, and their handles are real. Claims are bound to volumes that exist already; with `provisioning`, new claims get
volumes too, also from snapshots. With `attaches`, a volume is attached to a node before its pod starts, and detached after it.
Without a kubelet nothing is mounted; `node.py` is for those.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, Protocol, Self

import yaml
from typing_extensions import TypeVar

from tests.servers.binaries import binaries
from tests.servers.csi.driver import GIB, Driver
from tests.servers.kubernetes import Api, ControlPlane, Resource
from tests.servers.processes import Process, wait_until

SNAPSHOTTER_VERSION = "8.7.0"
PROVISIONER_VERSION = "6.4.0"
ATTACHER_VERSION = "4.13.0"
LIMIT = 60.0

SNAPSHOTS = "/apis/snapshot.storage.k8s.io/v1"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
STORAGE = "/apis/storage.k8s.io/v1"
VOLUMES = "/api/v1/persistentvolumes"
CLASS, NAMESPACE = "directory", "namespace"


class Cluster(Protocol):
    """What has an API: a control plane of processes, or a lab."""

    @property
    def api(self) -> Api:
        """As its administrator."""

    def kubeconfig(self) -> str:
        """Of its administrator."""


C = TypeVar("C", bound=Cluster, default=ControlPlane)


class Storage(Generic[C]):
    """A context manager. `controller` and `snapshotter` are processes, to be killed and started again."""

    def __init__(self, cluster: C, folder: Path, data: Path | None = None, *, attaches: bool = False) -> None:
        """`data` is where the storage has the volumes."""
        folder.mkdir(parents=True, exist_ok=True)
        self.cluster, self.api, self.folder = cluster, cluster.api, folder
        self.driver = Driver(data or folder / "storage", attaches=attaches)
        self._snapshotter = binaries("csi-snapshotter", SNAPSHOTTER_VERSION)
        config = folder / "kubeconfig"
        config.touch(mode=0o600)
        config.write_text(cluster.kubeconfig())
        flags = [f"--kubeconfig={config}", "--kube-api-qps=200", "--kube-api-burst=400"]
        sidecar = [*flags, f"--csi-address={self.driver.address}"]
        groups = "--feature-gates=CSIVolumeGroupSnapshot=false"  # without their CRDs both wait 30 s for them
        self.controller = Process([self._snapshotter / "snapshot-controller", *flags, groups], folder=folder)
        self.snapshotter = Process([self._snapshotter / "csi-snapshotter", *sidecar, groups], folder=folder)
        self.processes = [self.controller, self.snapshotter]
        if attaches:
            program = binaries("csi-attacher", ATTACHER_VERSION) / "csi-attacher"
            self.processes.append(Process([program, *sidecar], folder=folder))
        self._provisioner_flags = sidecar

    def __enter__(self) -> Self:
        for file in sorted(self._snapshotter.glob("*.yaml")):
            body = yaml.safe_load(file.read_text())
            self.api.create(CRDS, body)
            kind = body["spec"]["names"]["plural"]
            wait_until(lambda kind=kind: self.api.is_fine(f"{SNAPSHOTS}/{kind}"), LIMIT, f"{kind} are served")  # type: ignore[misc]
        self.driver.__enter__()
        self.api.create(
            f"{STORAGE}/csidrivers",
            {"metadata": {"name": self.driver.name}, "spec": {"attachRequired": self.driver.attaches}},
        )
        self.api.create(f"{STORAGE}/storageclasses", {"metadata": {"name": CLASS}, "provisioner": self.driver.name})
        self.make_class(CLASS)
        for process in self.processes:
            process.start()
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            process.kill()
        self.driver.__exit__()

    def make_class(self, name: str, policy: str = "Delete", *, default: bool = False, driver: str = "") -> None:
        """A VolumeSnapshotClass."""
        notes = {"snapshot.storage.kubernetes.io/is-default-class": "true"} if default else {}
        body = {
            "apiVersion": "snapshot.storage.k8s.io/v1",
            "kind": "VolumeSnapshotClass",
            "metadata": {"name": name, "annotations": notes},
            "driver": driver or self.driver.name,
            "deletionPolicy": policy,
        }
        self.api.create(f"{SNAPSHOTS}/volumesnapshotclasses", body)

    @contextmanager
    def provisioning(self) -> Iterator[None]:
        """New claims get volumes while the block lasts."""
        program = binaries("csi-provisioner", PROVISIONER_VERSION) / "csi-provisioner"
        with Process([program, *self._provisioner_flags], folder=self.folder):
            yield

    def attach_to(self, node: str) -> None:
        """Lets a node without a kubelet have volumes: what the kubelet's plugin would say."""
        self.driver.nodes.add(node)
        driver = {"name": self.driver.name, "nodeID": node, "topologyKeys": []}
        self.api.create(f"{STORAGE}/csinodes", {"metadata": {"name": node}, "spec": {"drivers": [driver]}})
        notes = {"volumes.kubernetes.io/controller-managed-attach-detach": "true"}
        self.api.patch(f"/api/v1/nodes/{node}", {"metadata": {"annotations": notes}})

    def attachments(self, claim: Resource) -> list[Resource]:
        """The VolumeAttachments of a claim's volume."""
        found = self.api.get(f"{STORAGE}/volumeattachments")["items"]
        name = claim["spec"]["volumeName"]
        return [one for one in found if one["spec"]["source"]["persistentVolumeName"] == name]

    def claim(self, namespace: str, name: str, *, labels: dict[str, str] | None = None, text: str = "") -> Resource:
        """A claim that is bound to a volume with a file in it."""
        volume = f"{namespace}-{name}"
        handle = self.driver.make_volume(volume, GIB, None)["id"]
        common = {"accessModes": ["ReadWriteOnce"], "storageClassName": CLASS}
        spec = {
            "capacity": {"storage": "1Gi"},
            "csi": {"driver": self.driver.name, "volumeHandle": handle},
            "persistentVolumeReclaimPolicy": "Retain",
        }
        labelled = {"name": volume, "labels": {NAMESPACE: namespace}}
        self.api.create(VOLUMES, {"metadata": labelled, "spec": common | spec})
        wanted = {"resources": {"requests": {"storage": "1Gi"}}, "volumeName": volume}
        path = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims"
        self.api.create(path, {"metadata": {"name": name, "labels": labels or {}}, "spec": common | wanted})
        bound = self.bound(namespace, name)
        (self.data(bound) / "file").write_text(text or name)
        return bound

    def bound(self, namespace: str, name: str) -> Resource:
        """The claim, as soon as it has its volume."""
        path = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/{name}"
        wait_until(
            lambda: self.api.get(path).get("status", {}).get("phase") == "Bound",
            LIMIT,
            f"{name} is bound",
            log=self.folder / "csi-provisioner.log",
        )
        return self.api.get(path)

    def forget(self, namespace: str) -> None:
        """All that a namespace has of it, also what has Retain."""
        for content in self.contents(namespace):
            path = f"{SNAPSHOTS}/volumesnapshotcontents/{content['metadata']['name']}"
            self.api.patch(path, {"spec": {"deletionPolicy": "Delete"}})
        self.api.delete(f"{SNAPSHOTS}/namespaces/{namespace}/volumesnapshots")
        self.api.delete(f"/api/v1/namespaces/{namespace}/persistentvolumeclaims")
        for volume in self.api.get(VOLUMES, labelSelector=f"{NAMESPACE}={namespace}")["items"]:
            self.api.delete(f"{VOLUMES}/{volume['metadata']['name']}")

    def data(self, claim: Resource) -> Path:
        """Where the storage has the files of a claim."""
        volume = self.api.get(f"{VOLUMES}/{claim['spec']['volumeName']}")
        handle: str = volume["spec"]["csi"]["volumeHandle"]
        return self.driver.volumes / handle / "data"

    def snapshots(self, namespace: str) -> list[Resource]:
        """The VolumeSnapshots of a namespace."""
        found: list[Resource] = self.api.get(f"{SNAPSHOTS}/namespaces/{namespace}/volumesnapshots")["items"]
        return found

    def contents(self, namespace: str) -> list[Resource]:
        """The VolumeSnapshotContents of a namespace."""
        found = self.api.get(f"{SNAPSHOTS}/volumesnapshotcontents")["items"]
        return [one for one in found if one["spec"]["volumeSnapshotRef"]["namespace"] == namespace]
