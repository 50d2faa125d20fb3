"""A real Kubernetes control plane on loopback, without root; its nodes are hollow: a thread says that they are Ready."""

import base64
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import httpx
import yaml

from tests.servers.binaries import KUBERNETES_VERSION, binaries
from tests.servers.etcd import EtcdCluster
from tests.servers.pki import Authority
from tests.servers.processes import Process, free_port, wait_until

START_LIMIT = 90.0
SERVICES = "10.96.0.0/16"
CONTROLLER_MANAGER, SCHEDULER = "kube-controller-manager", "kube-scheduler"

PULSE_SECONDS = 0.5
"""Between two looks of a hollow node at its pods."""

LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
PATCH = {"Content-Type": "application/strategic-merge-patch+json"}


class ControlPlane:
    """A context manager: etcd, API server, controller manager and scheduler; ready when the block begins."""

    def __init__(self, folder: Path, version: str = KUBERNETES_VERSION) -> None:
        self.version = version
        self.port = free_port()
        self.etcd = EtcdCluster(folder / "etcd", ("solo",))
        self.processes: dict[str, Process] = {}
        self._folder = folder
        self._authority = Authority(folder / "pki", "kubernetes-ca")
        self._account_key = self._authority.signing_key("service-accounts")
        self._started = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as started:
            started.enter_context(self.etcd)
            api = started.enter_context(self._process("kube-apiserver", *self._api_flags()))
            self.client = started.enter_context(self._client())
            api.wait_until(lambda: self._answers("/readyz"), START_LIMIT, "the API server is ready")
            for name in (CONTROLLER_MANAGER, SCHEDULER):
                started.enter_context(self._process(name, *self._controller_flags(name)))
            # Pods are refused until the controller manager has made this.
            account = "/api/v1/namespaces/default/serviceaccounts/default"
            wait_until(lambda: self._answers(account), START_LIMIT, "the controller manager works")
            self._started = started.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._started.close()

    @property
    def url(self) -> str:
        """Of the API."""
        return f"https://127.0.0.1:{self.port}"

    def kubeconfig(self, user: str = "admin", group: str = "system:masters") -> str:
        """For a user, with certificate and key in it."""
        pair = self._authority.issue(user, group=group, server=False)

        def embedded(path: Path) -> str:
            return base64.b64encode(path.read_bytes()).decode()

        cluster = {"server": self.url, "certificate-authority-data": embedded(self._authority.ca)}
        keys = {"client-certificate-data": embedded(pair.certificate), "client-key-data": embedded(pair.key)}
        return yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "loopback", "cluster": cluster}],
                "users": [{"name": user, "user": keys}],
                "contexts": [{"name": "loopback", "context": {"cluster": "loopback", "user": user}}],
                "current-context": "loopback",
            }
        )

    def create(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST as the administrator; httpx.HTTPStatusError with the API's own answer."""
        answer = self.client.post(path, json=dict(body))
        answer.raise_for_status()
        made: dict[str, Any] = answer.json()
        return made

    def get(self, path: str) -> dict[str, Any]:
        """GET as the administrator."""
        answer = self.client.get(path)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    @contextmanager
    def hollow_nodes(self, *names: str) -> Iterator[None]:
        """Nodes that run nothing: their pods are Running and Ready as soon as they are bound, and gone when deleted."""
        nodes = [_HollowNode(self, name) for name in names]
        for node in nodes:
            node.start()
        try:
            yield
        finally:
            for node in nodes:
                node.stop()

    def _process(self, name: str, *flags: str) -> Process:
        program = binaries("kube", self.version) / name
        self.processes[name] = Process([program, *flags], folder=self._folder, name=name)
        return self.processes[name]

    def _api_flags(self) -> Iterator[str]:
        own = self._authority.issue("kube-apiserver", dns=("localhost",), ips=("127.0.0.1", "10.96.0.1"), client=False)
        etcd = self.etcd.client
        yield f"--etcd-servers={self.etcd.endpoints}"
        yield f"--etcd-cafile={self.etcd.ca}"
        yield f"--etcd-certfile={etcd.certificate}"
        yield f"--etcd-keyfile={etcd.key}"
        yield "--bind-address=127.0.0.1"
        yield f"--secure-port={self.port}"
        yield f"--tls-cert-file={own.certificate}"
        yield f"--tls-private-key-file={own.key}"
        yield f"--client-ca-file={self._authority.ca}"
        yield "--authorization-mode=Node,RBAC"
        yield f"--service-cluster-ip-range={SERVICES}"
        yield "--service-account-issuer=https://kubernetes.default.svc"
        yield f"--service-account-key-file={self._account_key}"
        yield f"--service-account-signing-key-file={self._account_key}"

    def _controller_flags(self, name: str) -> Iterator[str]:
        config = self._folder / f"{name}.kubeconfig"
        config.touch(mode=0o600)
        config.write_text(self.kubeconfig(f"system:{name}", group=""))
        yield f"--kubeconfig={config}"
        yield "--bind-address=127.0.0.1"
        yield f"--secure-port={free_port()}"
        yield "--leader-elect=false"
        if name == CONTROLLER_MANAGER:
            yield "--use-service-account-credentials"
            yield f"--service-account-private-key-file={self._account_key}"
            yield f"--root-ca-file={self._authority.ca}"

    def _client(self) -> httpx.Client:
        admin = self._authority.issue("admin", group="system:masters", server=False)
        tls = ssl.create_default_context(cafile=str(self._authority.ca))
        tls.load_cert_chain(admin.certificate, admin.key)
        return httpx.Client(base_url=self.url, verify=tls, timeout=10, trust_env=False)

    def _answers(self, path: str) -> bool:
        with suppress(httpx.HTTPError):
            return self.client.get(path).is_success
        return False


class _HollowNode:
    """A Node with a lease that a thread renews, and the pods that are bound to it."""

    def __init__(self, plane: ControlPlane, name: str) -> None:
        self._name = name
        self._client = plane.client
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._live, name=f"node {name}", daemon=True)
        plane.create("/api/v1/nodes", {"metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}}})
        lease = {"metadata": {"name": name}, "spec": {"holderIdentity": name, "leaseDurationSeconds": 40}}
        plane.create(LEASES, lease)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()
        for path in (f"{LEASES}/{self._name}", f"/api/v1/nodes/{self._name}"):
            self._client.delete(path)

    def _live(self) -> None:
        while not self._ended.wait(PULSE_SECONDS):
            with suppress(httpx.HTTPError):
                self._beat()
                for pod in self._client.get(f"/api/v1/pods?fieldSelector=spec.nodeName={self._name}").json()["items"]:
                    self._care_for(pod)

    def _beat(self) -> None:
        now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
        self._client.patch(f"{LEASES}/{self._name}", json={"spec": {"renewTime": now}}, headers=PATCH)
        room = {"cpu": "4", "memory": "8Gi", "pods": "110"}
        conditions = [{"type": "Ready", "status": "True", "reason": "Hollow", "lastHeartbeatTime": f"{now[:19]}Z"}]
        status = {"capacity": room, "allocatable": room, "conditions": conditions}
        self._client.patch(f"/api/v1/nodes/{self._name}/status", json={"status": status}, headers=PATCH)

    def _care_for(self, pod: dict[str, Any]) -> None:
        place = f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"
        if "deletionTimestamp" in pod["metadata"]:
            body = {"gracePeriodSeconds": 0, "preconditions": {"uid": pod["metadata"]["uid"]}}
            self._client.request("DELETE", place, json=body)
        elif pod["status"]["phase"] == "Pending":
            conditions = [{"type": kind, "status": "True"} for kind in ("Initialized", "ContainersReady", "Ready")]
            status = {"phase": "Running", "conditions": conditions, "startTime": pod["metadata"]["creationTimestamp"]}
            self._client.patch(f"{place}/status", json={"status": status}, headers=PATCH)
