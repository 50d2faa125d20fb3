"""Nodes without a kubelet, for a real control plane: a thread renews their leases, runs their pods and lets them go.

What a runbook sees through the API is as with kubelets: Ready nodes, Running pods, deletions that take as long as the pod
needs to stop. No container runs. A pod says by annotations how it behaves:

- `hollow/ready: "false"`: it runs, but never becomes ready.
- `hollow/stops-after: "3"`: it takes 3 s to stop, or its grace period if that is shorter; by default it stops at once.
- `hollow/waits: "ErrImagePull: not found"`: its containers never run, for this reason and with this message, as the kubelet has them. For
  `CrashLoopBackOff` they have ended twice, with the exit code 3. `hollow/waits-init` is the same for its init containers.

The tag of an image says the same for a release: `web:crash`, `web:missing`, `web:never` and `web:unready`. The readiness probe of
the last one fails: an event has its answer.

A container whose command begins with `/nowhere` cannot be started: its pod ends, as with a kubelet, if it is not to be restarted.

A pod whose volumes have to be attached, as their CSIDriver says, starts when the node has them.
"""

import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from itertools import count
from typing import Self, TypeVar
from uuid import uuid4

import httpx

from tests.servers.kubernetes import Api, ApiError, ControlPlane, Resource, path_of
from tests.servers.processes import wait_until

READY, STOPS_AFTER = "hollow/ready", "hollow/stops-after"
WAITS, WAITS_INIT = "hollow/waits", "hollow/waits-init"

TAGS = {
    "crash": "CrashLoopBackOff: back-off 10s restarting failed container",
    "missing": "ErrImagePull: failed to resolve reference: not found",
    "never": "ErrImageNeverPull: Container image is not present with pull policy of Never",
}
"""What becomes of a container whose image has this tag."""

UNREADY = "unready"
NOWHERE = "/nowhere/"
PROBE = "Readiness probe failed: HTTP probe failed with statuscode: 503"
"""What the kubelet says of a container that never gets ready."""

LOOK_SECONDS = 0.2
RENEW_SECONDS = 2.0
LEASE_SECONDS = 40
"""As kubelet's: a node is lost when nobody has renewed its lease for so long (or longer, as the controllers are told)."""

LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
CAPACITY = {"cpu": "8", "memory": "16Gi", "pods": "110", "ephemeral-storage": "100Gi"}
CONTROL_PLANE = "node-role.kubernetes.io/control-plane"
START_LIMIT = 150.0

PASSING = (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS)
"""Somebody else was faster, or the server is busy."""

Result = TypeVar("Result")


class HollowNode:
    """A machine as the API sees it: on or off, with a boot id of its current boot."""

    def __init__(self, name: str, number: int, *, control_plane: bool = False) -> None:
        self.name = name
        self.address = f"198.18.0.{number}"
        self.control_plane = control_plane
        self.on = True
        self.boot_id = str(uuid4())
        self.renewed = float("-inf")

    @property
    def path(self) -> str:
        """Where the API has it."""
        return f"/api/v1/nodes/{self.name}"

    @property
    def resource(self) -> Resource:
        """As a kubelet registers it, with the taint that kubeadm gives to control planes."""
        role = {CONTROL_PLANE: ""} if self.control_plane else {}
        taints = [{"key": CONTROL_PLANE, "effect": "NoSchedule"}] if self.control_plane else []
        labels = {"kubernetes.io/hostname": self.name, "kubernetes.io/os": "linux", **role}
        return {"metadata": {"name": self.name, "labels": labels}, "spec": {"taints": taints}}

    def status(self, version: str) -> Resource:
        """Of a healthy node."""
        pressures = ("MemoryPressure", "DiskPressure", "PIDPressure")
        conditions = [_condition(name, "KubeletHasEnough", holds=False) for name in pressures]
        return {
            "capacity": CAPACITY,
            "allocatable": CAPACITY,
            "addresses": [
                {"type": "InternalIP", "address": self.address},
                {"type": "Hostname", "address": self.name},
            ],
            "conditions": [*conditions, _condition("Ready", "KubeletReady")],
            "nodeInfo": {
                "bootID": self.boot_id,
                "kubeletVersion": f"v{version}",
                "kubeProxyVersion": "",
                "containerRuntimeVersion": "hollow://1",
                "kernelVersion": "6.1.0",
                "osImage": "hollow",
                "operatingSystem": "linux",
                "architecture": "amd64",
                "machineID": self.name,
                "systemUUID": self.name,
            },
        }

    def power_off(self) -> None:
        """Neither leases nor pods of it are looked after from now on; the API learns it when the lease has run out."""
        self.on = False

    def power_on(self) -> None:
        """Ready again within a second, after a new boot."""
        self.boot_id = str(uuid4())
        self.renewed = float("-inf")
        self.on = True


class HollowNodes:
    """A context manager: all nodes are Ready and take pods when the block begins, and gone with their pods when it ends.

    A server that does not answer for a while is endured, as kubelets do.
    """

    def __init__(self, cluster: ControlPlane, workers: Sequence[str], control_planes: Sequence[str] = ()) -> None:
        self._cluster = cluster
        self._api = Api(cluster.url, cluster.ca, cluster.admin)
        names = [*control_planes, *workers]
        self.nodes = {
            name: HollowNode(name, number, control_plane=name in control_planes)
            for number, name in enumerate(names, start=1)
        }
        self._numbers = count(1)
        self._stopping: dict[str, float] = {}
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._work, name="hollow-nodes", daemon=True)

    def __enter__(self) -> Self:
        for node in self.nodes.values():
            self._api.create("/api/v1/nodes", node.resource)
            self._api.create(LEASES, {"metadata": {"name": node.name}, "spec": _lease(node)})
        self._thread.start()
        try:
            wait_until(self._take_pods, START_LIMIT, "hollow nodes take pods", log=self._cluster.controllers.log)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getitem__(self, name: str) -> HollowNode:
        return self.nodes[name]

    def close(self) -> None:
        """End the thread, and take the nodes out of the cluster if it still answers."""
        self._end.set()
        self._thread.join()
        for node in self.nodes.values():
            for path in (node.path, f"{LEASES}/{node.name}"):
                _endured(self._api.delete, path)
        for pod in self._pods():
            _endured(self._api.delete, path_of(pod), {"gracePeriodSeconds": 0})
        self._api.close()

    def _pods(self) -> list[Resource]:
        """Those bound to nodes of these; none while nobody answers."""
        found = _endured(self._bound_pods) or []
        return [pod for pod in found if pod["spec"]["nodeName"] in self.nodes]

    def _bound_pods(self) -> list[Resource]:
        pods: list[Resource] = self._api.get("/api/v1/pods", fieldSelector="spec.nodeName!=")["items"]
        return pods

    def _take_pods(self) -> bool:
        """The controllers have taken the taint away that a new node gets."""
        nodes = (self._api.get(node.path) for node in self.nodes.values())
        taints = [taint["key"] for node in nodes for taint in node["spec"].get("taints", [])]
        return not any(taint.startswith("node.kubernetes.io/") for taint in taints)

    def _work(self) -> None:
        while not self._end.wait(LOOK_SECONDS):
            for node in self.nodes.values():
                if node.on and time.monotonic() - node.renewed >= RENEW_SECONDS:
                    _endured(self._renew, node)
            for pod in self._pods():
                node = self.nodes[pod["spec"]["nodeName"]]
                if node.on:
                    _endured(self._look_after, pod, node)

    def _renew(self, node: HollowNode) -> None:
        """The status only where it is another: the time since when a node is Ready is to stay."""
        self._api.patch(f"{LEASES}/{node.name}", {"spec": _lease(node)})
        known = self._api.get(node.path)["status"]
        if not is_ready(known) or known["nodeInfo"]["bootID"] != node.boot_id:
            self._api.patch(f"{node.path}/status", {"status": node.status(self._cluster.version)}, "strategic")
        node.renewed = time.monotonic()

    def _look_after(self, pod: Resource, node: HollowNode) -> None:
        """The controllers call the pods of a lost node not ready: when it is back, they are as they were."""
        if "deletionTimestamp" in pod["metadata"]:
            self._let_go(pod)
            return
        phase = pod["status"]["phase"]
        if stuck := _stuck(pod):
            if any(pod["status"].get(part) != stuck[part] for part in stuck):
                self._api.patch(f"{path_of(pod)}/status", {"status": stuck}, "strategic")
            return
        if phase == "Pending" and not self._has_volumes(pod, node):
            return
        if phase == "Failed":
            return
        if failed := _cannot_start(pod):
            self._api.patch(f"{path_of(pod)}/status", {"status": failed}, "strategic")
            return
        if phase == "Pending" or (phase == "Running" and is_ready(pod["status"]) != _gets_ready(pod)):
            self._api.patch(f"{path_of(pod)}/status", {"status": self._running(pod, node)}, "strategic")
            if phase == "Pending" and UNREADY in _tags(pod):
                self._probe_fails(pod)

    def _has_volumes(self, pod: Resource, node: HollowNode) -> bool:
        sources = [one.get("persistentVolumeClaim") for one in pod["spec"].get("volumes", [])]
        namespace = pod["metadata"]["namespace"]
        paths = [f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/{one['claimName']}" for one in sources if one]
        needed = {name for path in paths for name in self._to_attach(path)}
        attached = self._api.get(node.path)["status"].get("volumesAttached", []) if needed else []
        return needed <= {one["name"] for one in attached}

    def _to_attach(self, claim: str) -> list[str]:
        """The volume of a claim, as a Node's status names it; none if it is not for a driver that attaches."""
        found = _endured(self._api.get, claim) or {"spec": {}}
        name = found["spec"].get("volumeName", "")
        volume = self._api.get(f"/api/v1/persistentvolumes/{name}") if name else {"spec": {}}
        if not (csi := volume["spec"].get("csi")):
            return []
        driver = _endured(self._api.get, f"/apis/storage.k8s.io/v1/csidrivers/{csi['driver']}") or {"spec": {}}
        is_needed = driver["spec"].get("attachRequired", False)
        return [f"kubernetes.io/csi/{csi['driver']}^{csi['volumeHandle']}"] if is_needed else []

    def _probe_fails(self, pod: Resource) -> None:
        metadata = pod["metadata"]
        about = {"kind": "Pod", **{name: metadata[name] for name in ("namespace", "name", "uid")}}
        event = {
            "metadata": {"name": f"{metadata['name']}.{metadata['uid']}"},
            "involvedObject": about | {"fieldPath": f"spec.containers{{{pod['spec']['containers'][0]['name']}}}"},
            "reason": "Unhealthy",
            "message": PROBE,
            "type": "Warning",
            "count": 1,
            "lastTimestamp": _now(),
        }
        self._api.create(f"/api/v1/namespaces/{metadata['namespace']}/events", event)

    def _let_go(self, pod: Resource) -> None:
        """When it has stopped, it is deleted for good; only this very pod, not one of the same name."""
        metadata = pod["metadata"]
        needs = float(metadata.get("annotations", {}).get(STOPS_AFTER, 0))
        allowed = metadata.get("deletionGracePeriodSeconds", 0)
        began = self._stopping.setdefault(metadata["uid"], time.monotonic())
        if time.monotonic() - began >= min(needs, allowed):
            options = {"gracePeriodSeconds": 0, "preconditions": {"uid": metadata["uid"]}}
            self._api.delete(path_of(pod), options)

    def _running(self, pod: Resource, node: HollowNode) -> Resource:
        number = next(self._numbers)
        ready = _gets_ready(pod)
        # A pod that becomes ready again keeps its address: a list of addresses is merged, and two of IPv4 are refused.
        address = pod["status"].get("podIP") or f"198.18.{128 + number // 250 % 128}.{number % 250 + 1}"
        containers = [
            {
                "name": container["name"],
                "image": container["image"],
                "imageID": container["image"],
                "containerID": f"hollow://{uuid4()}",
                "ready": ready,
                "started": True,
                "restartCount": 0,
                "state": {"running": {"startedAt": _now()}},
            }
            for container in pod["spec"]["containers"]
        ]
        return {
            "phase": "Running",
            "hostIP": node.address,
            "podIP": address,
            "podIPs": [{"ip": address}],
            "startTime": _now(),
            "conditions": [
                _condition("Initialized", ""),
                _condition("ContainersReady", "", holds=ready),
                _condition("Ready", "", holds=ready),
            ],
            "containerStatuses": containers,
        }


def is_ready(status: Resource) -> bool:
    """Of a node or a pod."""
    conditions = status.get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _stuck(pod: Resource) -> Resource:
    """The status of a pod whose containers never run; empty for any other."""
    notes, spec = pod["metadata"].get("annotations", {}), pod["spec"]
    parts = {"containerStatuses": (WAITS, "containers"), "initContainerStatuses": (WAITS_INIT, "initContainers")}
    tags = _tags(pod)
    words = {WAITS: next(iter(TAGS[tag] for tag in tags if tag in TAGS), ""), **notes}
    words = {note: said for note, said in words.items() if said}
    found = {part: _waiting(words[note], spec.get(kind, [])) for part, (note, kind) in parts.items() if note in words}
    return {"phase": "Pending", **found} if found else {}


def _waiting(words: str, containers: list[Resource]) -> list[Resource]:
    reason, _, message = words.partition(": ")
    crashed = reason == "CrashLoopBackOff"
    last = {"terminated": {"exitCode": 3, "reason": "Error", "startedAt": None, "finishedAt": None}} if crashed else {}
    return [
        {
            "name": container["name"],
            "image": container["image"],
            "imageID": "",
            "ready": False,
            "started": False,
            "restartCount": 1 if crashed else 0,
            "state": {"waiting": {"reason": reason, "message": message}},
            "lastState": last,
        }
        for container in containers
    ]


def _cannot_start(pod: Resource) -> Resource:
    """The status of a pod that has ended because a program is not in its image; empty for any other."""
    (container, *_), policy = pod["spec"]["containers"], pod["spec"].get("restartPolicy")
    program = (container.get("command") or [""])[0]
    if policy != "Never" or not program.startswith(NOWHERE):
        return {}
    said = f'exec: "{program}": stat {program}: no such file or directory'
    ended = {"exitCode": 128, "reason": "StartError", "message": said, "startedAt": _now(), "finishedAt": _now()}
    about = {"name": container["name"], "image": container["image"], "imageID": "", "ready": False, "restartCount": 0}
    return {"phase": "Failed", "containerStatuses": [about | {"state": {"terminated": ended}}]}


def _gets_ready(pod: Resource) -> bool:
    return bool(pod["metadata"].get("annotations", {}).get(READY) != "false") and UNREADY not in _tags(pod)


def _tags(pod: Resource) -> set[str]:
    return {container["image"].rpartition(":")[2] for container in pod["spec"]["containers"]}


def _endured(act: Callable[..., Result], *arguments: object) -> Result | None:
    """What cannot be done now is tried again at the next look; a request that is wrong is not endured."""
    try:
        return act(*arguments)
    except httpx.HTTPError:
        return None
    except ApiError as error:
        if error.status in PASSING or error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return None
        raise


def _condition(kind: str, reason: str, *, holds: bool = True) -> Resource:
    now = _now()
    condition = {"type": kind, "status": str(holds), "lastTransitionTime": now}
    if reason:
        condition |= {"reason": reason, "message": reason, "lastHeartbeatTime": now}
    return condition


def _lease(node: HollowNode) -> Resource:
    return {"holderIdentity": node.name, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": _now(micro=True)}


def _now(*, micro: bool = False) -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ" if micro else "%Y-%m-%dT%H:%M:%SZ")
