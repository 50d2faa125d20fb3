"""Operators whose budgets open when they are asked, for a real control plane: two databases, and a storage.

What they own is real (a custom resource, pods, a budget, an admission webhook); what their pods do is not. As operators do it:

- `Database(asked_by="cordon")`, as CloudNativePG: its pods belong to a custom resource; the primary is another one once its node is cordoned.
- `Database(asked_by="eviction")`, as Zalando's and as KubeVirt: a StatefulSet of a custom resource; the primary is another one once an
  eviction was asked for, which its webhook sees, and which the budget (or, with `denies`, the webhook) answers with 429.
- `Database(asked_by="")`: one that never lets go.
- `Storage`, as Longhorn: a pod and a budget for each node; the budget goes once what the node had of a volume was rebuilt on another one.
"""

import json
import ssl
import threading
from collections.abc import Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import httpx

from tests.servers.hollow import PASSING
from tests.servers.kubernetes import Api, ApiError, ControlPlane, Resource, path_of
from tests.servers.processes import wait_until

GROUP = "operators.example.com"
LOOK_SECONDS = 0.2
LIMIT = 150.0
REBUILD_LOOKS = 5
"""That a rebuild takes."""

CONTAINERS = [{"name": "main", "image": "hollow"}]
APP, ROLE, PRIMARY, REPLICA = "app", "role", "primary", "replica"
WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"


class Operator:
    """A context manager: a thread that looks at the cluster, and at what it manages, until the block ends."""

    def __init__(self, cluster: ControlPlane, namespace: str, kind: str) -> None:
        self.cluster, self.namespace, self.kind = cluster, namespace, kind
        self.api = Api(cluster.url, cluster.ca, cluster.admin)
        self.pods = f"/api/v1/namespaces/{namespace}/pods"
        self.budgets = f"/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets"
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._work, name=f"operator-{kind}", daemon=True)

    def __enter__(self) -> Self:
        _define(self.api, self.kind)
        self.begin()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        self.close()
        self.api.close()

    def begin(self) -> None:
        """Make what it manages."""
        raise NotImplementedError

    def look(self) -> None:
        """At the world, and act."""
        raise NotImplementedError

    def close(self) -> None:
        """Take away what lives outside of the namespace."""

    def owner(self, name: str, **spec: object) -> Resource:
        """A custom resource, made now; how what it owns refers to it."""
        made = self.api.create(self.path(), {**self._typed, "metadata": {"name": name}, "spec": spec})
        return {**self._typed, "name": name, "uid": made["metadata"]["uid"], "controller": True}

    def path(self, name: str = "") -> str:
        """Of its custom resources, or of one."""
        return f"/apis/{GROUP}/v1/namespaces/{self.namespace}/{self.kind.lower()}s{f'/{name}' if name else ''}"

    def budget(self, name: str, labels: Resource, owner: Resource | None = None) -> None:
        """One of the pods that has these labels has to be healthy, always; it has been counted when this ends."""
        metadata = {"name": name, "ownerReferences": [owner] if owner else []}
        self.api.create(
            self.budgets, {"metadata": metadata, "spec": {"minAvailable": 1, "selector": {"matchLabels": labels}}}
        )
        wait_until(lambda: self.healthy(name) == 1, LIMIT, "its pod is counted")

    def healthy(self, budget: str) -> int:
        """As it is counted."""
        return int(self.api.get(f"{self.budgets}/{budget}").get("status", {}).get("currentHealthy", 0))

    def is_cordoned(self, node: str) -> bool:
        """By anybody."""
        return bool(self.api.get(f"/api/v1/nodes/{node}")["spec"].get("unschedulable"))

    def wait_for_pods(self, number: int) -> None:
        """Until so many run."""
        wait_until(lambda: len(self.running()) == number, LIMIT, f"{number} pods run")

    def running(self) -> list[Resource]:
        """All pods of it that run and are not on their way out."""
        found = self.api.get(self.pods, labelSelector=f"{APP}={self.kind.lower()}")["items"]
        return [
            one for one in found if one["status"]["phase"] == "Running" and "deletionTimestamp" not in one["metadata"]
        ]

    @property
    def _typed(self) -> Resource:
        return {"apiVersion": f"{GROUP}/v1", "kind": self.kind}

    def _work(self) -> None:
        while not self._end.wait(LOOK_SECONDS):
            try:
                self.look()
            except httpx.HTTPError:
                continue
            except ApiError as error:
                if error.status not in PASSING and error.status < HTTPStatus.INTERNAL_SERVER_ERROR:
                    raise


class Database(Operator):
    """Two pods, of which one is the primary, and a budget of that one; on `nodes` in this order, the primary first."""

    def __init__(
        self, cluster: ControlPlane, namespace: str, nodes: Sequence[str], *, asked_by: str, denies: bool = False
    ) -> None:
        super().__init__(cluster, namespace, "Database")
        self._nodes, self._asked_by, self._denies = nodes, asked_by, denies
        self._leader = ""
        self.asked = threading.Event()
        """An eviction of the primary was asked for."""
        self.may_move = threading.Event()
        """Clear it, and the primary stays where it is until it is set again: a budget is asked after its webhook, and may be moved by then."""
        self.may_move.set()
        self._webhook = Webhook(cluster, self._judge) if asked_by == "eviction" else None

    def begin(self) -> None:
        """Its pods run, and the budget counts one."""
        owner = self.owner("pg")
        if self._asked_by == "eviction":
            self._begin_set(owner)
        else:
            for number, node in enumerate(self._nodes):
                metadata = {"name": f"pg-{number}", "labels": {APP: "database"}, "ownerReferences": [owner]}
                self.api.create(self.pods, {"metadata": metadata, "spec": {"nodeName": node, "containers": CONTAINERS}})
        self.wait_for_pods(len(self._nodes))
        first = next(one for one in self.running() if one["spec"]["nodeName"] == self._nodes[0])
        self._leader = first["metadata"]["name"]
        self.look()
        self.budget("pg", {APP: "database", ROLE: PRIMARY}, None if self._asked_by == "eviction" else owner)
        if self._webhook:
            self._webhook.begin(self.namespace)

    def look(self) -> None:
        """Whether its primary is asked to go; then each pod has the role that it should have, whatever failed before."""
        pods = {one["metadata"]["name"]: one for one in self.running()}
        others = [name for name in pods if name != self._leader]
        if self._leader in pods and others and self._is_asked(pods[self._leader]):
            self._leader = others[0]
            self.asked.clear()
        for name, pod in pods.items():
            role = PRIMARY if name == self._leader else REPLICA
            if pod["metadata"]["labels"].get(ROLE) != role:
                self.api.patch(path_of(pod), {"metadata": {"labels": {ROLE: role}}})

    def close(self) -> None:
        """Its webhook."""
        if self._webhook:
            self._webhook.close()

    @property
    def primary(self) -> str:
        """The node that it is on."""
        pods = self.api.get(self.pods, labelSelector=f"{ROLE}={PRIMARY}")["items"]
        return ", ".join(one["spec"]["nodeName"] for one in pods)

    def _is_asked(self, primary: Resource) -> bool:
        if self._asked_by == "cordon":
            return self.is_cordoned(primary["spec"]["nodeName"])
        return self._asked_by == "eviction" and self.asked.is_set() and self.may_move.is_set()

    def _begin_set(self, owner: Resource) -> None:
        spread = {
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "DoNotSchedule",
            "nodeTaintsPolicy": "Honor",
            "labelSelector": {"matchLabels": {APP: "database"}},
        }
        pod = {"containers": CONTAINERS, "topologySpreadConstraints": [spread]}
        spec: Resource = {
            "serviceName": "pg",
            "replicas": len(self._nodes),
            "selector": {"matchLabels": {APP: "database"}},
        }
        spec["template"] = {"metadata": {"labels": {APP: "database"}}, "spec": pod}
        path = f"/apis/apps/v1/namespaces/{self.namespace}/statefulsets"
        self.api.create(path, {"metadata": {"name": "pg", "ownerReferences": [owner]}, "spec": spec})

    def _judge(self, pod: str) -> Resource:
        """KubeVirt forbids what it is going to do by itself; others let the budget answer."""
        if pod != self._leader:
            return {"allowed": True}
        self.asked.set()
        status = {"code": HTTPStatus.TOO_MANY_REQUESTS, "message": f"{pod} is moved first"}
        return {"allowed": False, "status": status} if self._denies else {"allowed": True}


class Storage(Operator):
    """A pod and a budget for each node; the first one has the replica of a volume."""

    def __init__(self, cluster: ControlPlane, namespace: str, nodes: Sequence[str]) -> None:
        super().__init__(cluster, namespace, "Storage")
        self._nodes = list(nodes)
        self._rebuilt = dict.fromkeys(nodes, 0)

    def begin(self) -> None:
        """A custom resource for each node, which has its pod."""
        for node in self._nodes:
            owner = self.owner(f"engine-{node}", replicas=["pvc-1"] if node == self._nodes[0] else [])
            metadata = {"name": f"engine-{node}", "labels": {APP: "storage", "node": node}, "ownerReferences": [owner]}
            self.api.create(self.pods, {"metadata": metadata, "spec": {"nodeName": node, "containers": CONTAINERS}})
        self.wait_for_pods(len(self._nodes))
        for node in self._nodes:
            self.budget(f"engine-{node}", {APP: "storage", "node": node})

    def look(self) -> None:
        """A replica of a node that is cordoned is rebuilt elsewhere; then nothing protects its pod any more."""
        for node in filter(self.is_cordoned, self._nodes):
            if replicas := self.replicas(node):
                self._rebuilt[node] += 1
                if self._rebuilt[node] < REBUILD_LOOKS:
                    continue
                other = next(one for one in self._nodes if one != node)
                for name, has in ((other, [*self.replicas(other), *replicas]), (node, [])):
                    self.api.patch(self.path(f"engine-{name}"), {"spec": {"replicas": has}})
            self.api.delete(f"{self.budgets}/engine-{node}")

    def replicas(self, node: str) -> list[str]:
        """Of volumes, on a node."""
        found: list[str] = self.api.get(self.path(f"engine-{node}"))["spec"]["replicas"]
        return found


class Webhook:
    """Sees every eviction in a namespace, and lets a function decide."""

    def __init__(self, cluster: ControlPlane, judge: Any) -> None:  # noqa: ANN401 - a function of a pod's name
        self._cluster = cluster
        pair = cluster.authority.server("webhook")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.certificate, pair.key)

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["request"]
                response = {"uid": request["uid"], **judge(request["name"])}
                answer = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}
                self.send_response(HTTPStatus.OK)
                self.end_headers()
                self.wfile.write(json.dumps(answer).encode())

            def log_message(self, *_: object) -> None:
                """Nowhere."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._name = ""

    def begin(self, namespace: str) -> None:
        """The API server asks it from now on."""
        self._thread.start()
        self._name = f"evictions-{namespace}"
        hook = {
            "name": "evictions.example.com",
            "clientConfig": {"url": f"https://127.0.0.1:{self._server.server_port}/", "caBundle": _ca(self._cluster)},
            "rules": [
                {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods/eviction"]}
            ],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
            "failurePolicy": "Ignore",
            "sideEffects": "NoneOnDryRun",
            "admissionReviewVersions": ["v1"],
        }
        self._cluster.api.create(WEBHOOKS, {"metadata": {"name": self._name}, "webhooks": [hook]})

    def close(self) -> None:
        """It is asked no more."""
        self._cluster.api.delete(f"{WEBHOOKS}/{self._name}")
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _ca(cluster: ControlPlane) -> str:
    return json.loads(cluster.kubeconfig())["clusters"][0]["cluster"]["certificate-authority-data"]  # type: ignore[no-any-return]


def _define(api: Api, kind: str) -> None:
    """A kind of custom resource, once."""
    plural = f"{kind.lower()}s"
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": anything}}
    spec = {"group": GROUP, "scope": "Namespaced", "versions": [version], "names": {"plural": plural, "kind": kind}}
    if not api.is_fine(f"{path}/{plural}.{GROUP}"):
        api.create(path, {"metadata": {"name": f"{plural}.{GROUP}"}, "spec": spec})
    wait_until(lambda: api.is_fine(f"/apis/{GROUP}/v1/{plural}"), LIMIT, f"{plural} are served")
