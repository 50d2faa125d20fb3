"""Shapes of nodes, as kubeadm lays them down, and what nodes print of them."""

import base64
from collections.abc import Mapping
from pathlib import PurePosixPath

from tasks.core.models.shape import NodeShape
from tasks.core.probes.node_shape import Places, parse, places_at_first

CONFIG = """\
apiVersion: kubelet.config.k8s.io/v1beta1
clusterDNS:
- 10.96.0.10
clusterDomain: cluster.local
containerRuntimeEndpoint: ""
healthzBindAddress: 127.0.0.1
healthzPort: 10248
kind: KubeletConfiguration
staticPodPath: /etc/kubernetes/manifests
"""
WORDS = """\
/usr/bin/kubelet
--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf
--kubeconfig=/etc/kubernetes/kubelet.conf
--config=/var/lib/kubelet/config.yaml
"""
API_SERVER = """\
kind: Pod
spec:
  containers:
  - image: registry.k8s.io/kube-apiserver:v1.37.2
    command:
    - kube-apiserver
    - --advertise-address=10.0.0.11
    - --client-ca-file=/etc/kubernetes/pki/ca.crt
    - --etcd-servers=https://127.0.0.1:2379
    - --secure-port=6443
    - --tls-cert-file=/etc/kubernetes/pki/apiserver.crt
"""
ETCD = """\
kind: Pod
spec:
  containers:
  - image: registry.k8s.io/etcd:3.6.16-0
    command:
    - etcd
    - --data-dir=/var/lib/etcd
    - --listen-client-urls=https://127.0.0.1:2379,https://10.0.0.11:2379
    - --listen-peer-urls=https://10.0.0.11:2380
    - --cert-file=/etc/kubernetes/pki/etcd/server.crt
    - --trusted-ca-file=/etc/kubernetes/pki/etcd/ca.crt
"""
CONTROLLER = """\
kind: Pod
spec:
  containers:
  - command: [{name}, --bind-address=127.0.0.1]
"""
PODS = {
    "etcd": ETCD,
    "kube-apiserver": API_SERVER,
    "kube-controller-manager": CONTROLLER.format(name="kube-controller-manager"),
    "kube-scheduler": CONTROLLER.format(name="kube-scheduler"),
}


def encoded(text: str) -> str:
    """As the node prints it."""
    return base64.b64encode(text.encode()).decode()


def printed(  # noqa: PLR0913 - a node has these, each with a name at the call
    *,
    words: str = WORDS,
    config: str | None = CONFIG,
    pods: Mapping[str, str] = PODS,
    parked: Mapping[str, str] = {},
    real: str = "/etc/kubernetes/manifests",
    more: str = "",
) -> bytes:
    """What a look at a node prints."""
    lines = [
        "hostname cp1",
        *([f"words {encoded(words)}"] if words else []),
        *([f"config {encoded(config)}"] if config is not None else []),
        f"real {encoded(real)}",
        *(f"manifest {name} {encoded(text)}" for name, text in pods.items()),
        *(f"parked {name} {encoded(text)}" for name, text in parked.items()),
        more,
    ]
    return "\n".join(lines).encode()


def places(kubeadm: str = "/etc/kubernetes") -> Places:
    """Where a first look looks."""
    return places_at_first(PurePosixPath(kubeadm))


def shape_of(  # noqa: PLR0913 - a node has these, each with a name at the call
    name: str = "cp1",
    *,
    pods: Mapping[str, str] = PODS,
    config: str = CONFIG,
    words: str = WORDS,
    real: str = "/etc/kubernetes/manifests",
    more: str = "",
) -> NodeShape:
    """A node's shape; kubeadm's where nothing else is given. A worker has `pods={}`."""
    return parse(name, printed(words=words, config=config, pods=pods, real=real, more=more), places())
