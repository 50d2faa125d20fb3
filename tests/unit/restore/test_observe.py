"""What a restore observes on nodes that do not let it in, or have no way to prove its etcd."""

import base64
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from tasks.clients.ssh import NodeShell
from tasks.core.errors import NotYet, Refused
from tasks.core.models.profile import EtcdEndpoint
from tasks.core.models.shape import NodeShape
from tasks.restore.observe import look_at_nodes
from tests.facts.shapes import shape_of

ETCD = """\
spec:
  containers:
  - command: [etcd, --name=cp1, --data-dir=/var/lib/etcd, "--advertise-client-urls=https://192.0.2.1:2379",
      "--initial-advertise-peer-urls=https://192.0.2.1:2380", --trusted-ca-file=/etc/kubernetes/pki/etcd/ca.crt,
      --cert-file=/etc/kubernetes/pki/etcd/server.crt, --key-file=/etc/kubernetes/pki/etcd/server.key]
    image: registry.k8s.io/etcd:3.6.8-0
    volumeMounts: [{mountPath: /var/lib/etcd, name: data}]
  volumes: [{hostPath: {path: /var/lib/etcd}, name: data}]
"""
LOOK = f"manifest etcd active {base64.b64encode(ETCD.encode()).decode()}\n".encode()


class World:
    """Nodes by name: what `look` prints there, or the error of its connection."""

    def __init__(self, **nodes: bytes | Exception) -> None:
        self.nodes = nodes
        self.profile = SimpleNamespace(nodes=[SimpleNamespace(name=name) for name in nodes])

    def node(self, name: str) -> SimpleNamespace:
        """Its connection."""

        def run(script: str, **_: object) -> SimpleNamespace:
            answer = self.nodes[name]
            if isinstance(answer, Exception):
                raise answer
            return SimpleNamespace(status=0, stdout=b"/usr/bin\n" if "etcd_tools()" in script else answer, stderr=b"")

        return SimpleNamespace(name=name, run=run)

    def shape(self, name: str) -> NodeShape:
        """As kubeadm lays it down."""
        return shape_of(name)

    def shell(self, name: str) -> NodeShell:
        """Root's on it."""
        node: Any = self.node(name)
        return NodeShell(node)

    def what_is_wrong_with_administrator(self, names: Sequence[str]) -> str:
        """It has ended."""
        return f"{', '.join(names)}: admin.conf has ended"

    def check_certificate_on(self, endpoint: EtcdEndpoint) -> None:
        """It has ended."""
        raise Refused(f"{endpoint.node}: healthcheck-client.crt has ended")


def test_a_node_that_refuses_the_login_is_a_fact_of_that_node() -> None:
    """A machine that was replaced has another host key: it may be named as lost, and stops no restore of the others."""
    refuses = Refused("cp2: the host key changed", hint="add it to known_hosts")
    world: Any = World(cp1=LOOK, cp2=refuses, cp3=NotYet("cp3: no route to host", hint="wait"))
    cp1, cp2, cp3 = look_at_nodes(world).nodes
    assert cp1.member
    assert cp1.client_problem == "cp1: healthcheck-client.crt has ended"
    assert cp2.unreached == "cp2: the host key changed -> add it to known_hosts"
    assert cp3.unreached == "cp3: no route to host"
