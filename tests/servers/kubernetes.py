"""A real Kubernetes control plane on loopback, without root: etcd, API server, controllers and scheduler, no kubelet.

Nodes and running pods come from `tests/servers/hollow.py`.
"""

import json
import os
import ssl
import subprocess
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import httpx

from tests.servers.binaries import KUBERNETES_VERSION, kubernetes_binaries
from tests.servers.etcd import EtcdCluster
from tests.servers.pki import Authority, KeyPair
from tests.servers.processes import Process, free_port

START_LIMIT = 150.0
"""Seconds until each server has to work; the whole takes six to nine, on a busy machine more."""

REQUEST_SECONDS = 20.0
SERVICES = "198.19.0.0/16"
"""Of the ranges that RFC 2544 keeps for tests; nothing routes it."""

PATCHES = {
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
}

Resource = dict[str, Any]


class ApiError(Exception):
    """An answer other than success: `status` is HTTP's, `body` what was said about it."""

    def __init__(self, request: str, status: int, text: str) -> None:
        try:
            self.body: Resource = json.loads(text)
        except ValueError:  # a server on its way up or down has no JSON yet
            self.body = {"message": text}
        super().__init__(f"{request} answered {status}: {self.body.get('message', text)}")
        self.status = status


class Api:
    """A small client of the API server: JSON in, JSON out, for one user. May be shared by threads."""

    def __init__(self, url: str, ca: Path, user: KeyPair) -> None:
        tls = ssl.create_default_context(cafile=str(ca))
        tls.load_cert_chain(user.certificate, user.key)
        self._client = httpx.Client(base_url=url, verify=tls, timeout=REQUEST_SECONDS, trust_env=False)

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def get(self, path: str, **query: str) -> Resource:
        """One resource, or a list."""
        return self._send("GET", path, query=query)

    def create(self, path: str, body: Resource) -> Resource:
        """POST to a collection, or to a subresource such as `eviction`."""
        return self._send("POST", path, body)

    def replace(self, path: str, body: Resource) -> Resource:
        """PUT."""
        return self._send("PUT", path, body)

    def patch(self, path: str, body: Resource, kind: str = "merge") -> Resource:
        """PATCH, of a kind in PATCHES."""
        return self._send("PATCH", path, body, content_type=PATCHES[kind])

    def delete(self, path: str, body: Resource | None = None) -> Resource:
        """DELETE, with options if there are any."""
        return self._send("DELETE", path, body)

    def is_fine(self, path: str) -> bool:
        """Does it answer 200?"""
        try:
            return self._client.get(path, timeout=2).status_code == HTTPStatus.OK
        except httpx.HTTPError:
            return False

    def _send(
        self,
        method: str,
        path: str,
        body: Resource | None = None,
        *,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Resource:
        content = None if body is None else json.dumps(body)
        headers = {"Content-Type": content_type, "Accept": "application/json"}
        answer = self._client.request(method, path, content=content, params=query, headers=headers)
        if not answer.is_success:
            raise ApiError(f"{method} {path}", answer.status_code, answer.text)
        told: Resource = answer.json()
        return told


class ControlPlane:
    """A context manager: pods are scheduled when the block begins, and nothing of it runs when the block ends.

    It has three processes of Kubernetes, `apiserver`, `controllers` and `scheduler`, to be killed, frozen and started again,
    and `etcd`. `api` is the administrator's.
    """

    def __init__(
        self,
        folder: Path,
        *,
        version: str = KUBERNETES_VERSION,
        etcd: EtcdCluster | None = None,
        controllers_flags: Sequence[str] = (),
        apiserver_flags: Sequence[str] = (),
    ) -> None:
        """On an `etcd` that runs already, or else with a member of its own.

        `apiserver_flags` are more flags of the API server; `controllers_flags` are more flags of the controller manager, for example `--node-monitor-grace-period=10s`.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.version = version
        self.binaries = kubernetes_binaries(version)
        self.etcd = etcd or EtcdCluster(folder / "etcd")
        self._owns_etcd = etcd is None
        self.authority = Authority(folder / "pki", "kubernetes-ca")
        self.ca = self.authority.ca
        self.port = free_port()
        self._serving = self.authority.server("serving")
        self._accounts = self.authority.issue("service-accounts")
        self.admin = self.user("kubernetes-admin", "system:masters")
        self.api = Api(self.url, self.ca, self.admin)
        self.apiserver = self._process("kube-apiserver", [*self._apiserver_flags(), *apiserver_flags])
        self._controllers_port, self._scheduler_port = free_port(), free_port()
        self.controllers = self._process("kube-controller-manager", [*self._controllers_flags(), *controllers_flags])
        self.scheduler = self._process("kube-scheduler", self._component_flags("kube-scheduler", self._scheduler_port))

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self.api.close()

    @property
    def url(self) -> str:
        """Of the API server."""
        return f"https://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start all, and wait until a pod may be created."""
        if self._owns_etcd:
            self.etcd.start()
        self.start_apiserver()
        self.start_controllers()
        self.start_scheduler()
        account = "/api/v1/namespaces/default/serviceaccounts/default"
        self.controllers.wait_until(lambda: self.api.is_fine(account), START_LIMIT, "pods may be created")

    def start_apiserver(self) -> None:
        """Start it and wait until it is ready."""
        self.apiserver.start()
        self.apiserver.wait_until(lambda: self.api.is_fine("/readyz"), START_LIMIT, "the API server is ready")

    def start_controllers(self) -> None:
        """Start the controller manager and wait until it is healthy."""
        self.controllers.start()
        self._wait_healthy(self.controllers, self._controllers_port)

    def start_scheduler(self) -> None:
        """Start the scheduler and wait until it is healthy."""
        self.scheduler.start()
        self._wait_healthy(self.scheduler, self._scheduler_port)

    def kill(self) -> None:
        """SIGKILL for all, the clients of each server first."""
        for process in (self.scheduler, self.controllers, self.apiserver):
            process.kill()
        if self._owns_etcd:
            self.etcd.kill()

    def user(self, name: str, group: str = "") -> KeyPair:
        """A client certificate for a user of Kubernetes."""
        return self.authority.issue(name, organization=group, server=False)

    def kubeconfig(self, user: KeyPair | None = None) -> str:
        """For a user, by default the administrator: everything in it, nothing beside it. It holds the private key."""
        who = user or self.admin
        cluster = {"server": self.url, "certificate-authority-data": _encoded(self.ca)}
        keys = {"client-certificate-data": _encoded(who.certificate), "client-key-data": _encoded(who.key)}
        return json.dumps(  # which YAML includes
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "test", "cluster": cluster}],
                "users": [{"name": who.key.stem, "user": keys}],
                "contexts": [{"name": "test", "context": {"cluster": "test", "user": who.key.stem}}],
                "current-context": "test",
            }
        )

    def kubectl(self, *arguments: str, text: str | None = None, limit: float = 60.0, both: bool = False) -> str:
        """What kubectl prints for the administrator, given `text` as its input; RuntimeError with its standard error.

        With `both`, its standard error follows also if it succeeds.
        """
        command: list[str | Path] = [self.binaries / "kubectl", f"--kubeconfig={self._config(self.admin)}", *arguments]
        environment = {"HOME": str(self.folder), "PATH": os.defpath}
        done = subprocess.run(
            command, input=text, env=environment, capture_output=True, text=True, timeout=limit, check=False
        )
        if done.returncode:
            raise RuntimeError(f"kubectl {arguments[0]} failed with {done.returncode}: {done.stderr.strip()}")
        return done.stdout + done.stderr if both else done.stdout

    def _process(self, program: str, flags: Iterable[str]) -> Process:
        return Process([self.binaries / program, *flags], folder=self.folder, name=program, cwd=self.folder)

    def _wait_healthy(self, process: Process, port: int) -> None:
        api = Api(f"https://127.0.0.1:{port}", self.ca, self.admin)
        try:
            process.wait_until(lambda: api.is_fine("/healthz"), START_LIMIT, f"{process.name} is healthy")
        finally:
            api.close()

    def _config(self, user: KeyPair) -> Path:
        """The kubeconfig as a file of the owner's only."""
        path = user.key.with_suffix(".conf")
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(self.kubeconfig(user))
        return path

    def _serving_flags(self, port: int) -> Iterator[str]:
        yield "--bind-address=127.0.0.1"
        yield f"--secure-port={port}"
        yield f"--tls-cert-file={self._serving.certificate}"
        yield f"--tls-private-key-file={self._serving.key}"

    def _apiserver_flags(self) -> Iterator[str]:
        yield from self._serving_flags(self.port)
        yield "--advertise-address=127.0.0.1"  # or else it looks for a default route, which a machine need not have
        yield "--endpoint-reconciler-type=none"  # the Service `kubernetes` cannot have an address on loopback
        yield f"--etcd-servers={self.etcd.endpoints}"
        yield f"--etcd-cafile={self.etcd.ca}"
        yield f"--etcd-certfile={self.etcd.client.certificate}"
        yield f"--etcd-keyfile={self.etcd.client.key}"
        yield f"--client-ca-file={self.ca}"
        yield f"--requestheader-client-ca-file={self.ca}"  # without it, the others' logs are full of its absence
        yield "--requestheader-allowed-names=front-proxy-client"
        yield "--authorization-mode=Node,RBAC"
        yield "--enable-admission-plugins=NodeRestriction"
        yield f"--service-cluster-ip-range={SERVICES}"
        yield "--service-account-issuer=https://kubernetes.default.svc.cluster.local"
        yield f"--service-account-key-file={self._accounts.certificate}"
        yield f"--service-account-signing-key-file={self._accounts.key}"

    def _component_flags(self, program: str, port: int) -> Iterator[str]:
        config = self._config(self.user(f"system:{program}"))
        yield from self._serving_flags(port)
        for purpose in ("", "authentication-", "authorization-"):
            yield f"--{purpose}kubeconfig={config}"
        yield "--kube-api-qps=500"  # they hold themselves back by default, the controllers for 4 s at their start
        yield "--kube-api-burst=1000"
        yield "--leader-elect=false"  # there is one; an election would take its seconds after each start

    def _controllers_flags(self) -> Iterator[str]:
        yield from self._component_flags("kube-controller-manager", self._controllers_port)
        yield "--use-service-account-credentials"
        yield f"--service-account-private-key-file={self._accounts.key}"
        yield f"--root-ca-file={self.ca}"


def path_of(pod: Resource) -> str:
    """Where the API has a pod."""
    metadata = pod["metadata"]
    return f"/api/v1/namespaces/{quote(metadata['namespace'])}/pods/{quote(metadata['name'])}"


def _encoded(file: Path) -> str:
    return b64encode(file.read_bytes()).decode()
