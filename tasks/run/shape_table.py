"""Makes the table of a cluster's shape, which people read beside a plan.

The docs make their table of what is read from where of the same rows.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from tasks.core.models.kubeadm import ETCD
from tasks.core.models.shape import Address, ClusterShape, NodeShape

HEAD = ("of", "what", "value", "read from")


class NodeRow(NamedTuple):
    """Defines one fact of a node; an empty value is not shown, and a worker node has no control plane values."""

    what: str
    value: Callable[[NodeShape], object]
    source: str


class ClusterRow(NamedTuple):
    """Defines one fact of the whole cluster; an empty value is not shown."""

    what: str
    value: Callable[[ClusterShape], object]
    source: str


def _text(address: Address | None) -> str:
    return address.text if address else ""


OF_NODE = (
    NodeRow(
        "kubelet configuration",
        lambda node: ", ".join((str(node.kubelet.config), *node.kubelet.drop_ins)),
        "the kubelet's `--config`, drop-ins of `--config-dir`",
    ),
    NodeRow("kubelet kubeconfig", lambda node: node.kubelet.kubeconfig, "the kubelet's `--kubeconfig`"),
    NodeRow("kubelet certificates", lambda node: node.kubelet.pki, "the kubelet's `--cert-dir`"),
    NodeRow(
        "kubelet health",
        lambda node: _text(node.kubelet.healthz) or "off (healthzPort: 0)",
        "`healthzBindAddress` and `healthzPort` of the kubelet configuration, or its flags",
    ),
    NodeRow(
        "kubelet server",
        lambda node: node.kubelet.address.text,
        "`address` and `port` of the kubelet configuration, or its flags",
    ),
    NodeRow(
        "container runtime",
        lambda node: node.kubelet.runtime_endpoint,
        "`containerRuntimeEndpoint` of the kubelet configuration, or `--container-runtime-endpoint`",
    ),
    NodeRow(
        "static pods",
        lambda node: node.kubelet.manifests,
        "`staticPodPath` of the kubelet configuration, or `--pod-manifest-path`; links are followed",
    ),
    NodeRow(
        "certificates",
        lambda node: node.pki or "",
        "the folder of `--client-ca-file` in the manifest of kube-apiserver, on the node",
    ),
    NodeRow(
        "API server",
        lambda node: _text(node.api_server),
        "`--bind-address` and `--secure-port` in the manifest of kube-apiserver",
    ),
    NodeRow(
        "etcd, for clients",
        lambda node: _text(node.etcd.client) if node.etcd else "",
        "`--listen-client-urls` in the manifest of etcd: loopback, else the first",
    ),
    NodeRow(
        "etcd, for members",
        lambda node: _text(node.etcd.peer) if node.etcd else "",
        "`--listen-peer-urls` in the manifest of etcd: loopback, else the first",
    ),
    NodeRow(
        "etcd data",
        lambda node: node.pods[ETCD].files.get("data-dir", "") if ETCD in node.pods else "",
        "`--data-dir` in the manifest of etcd, on the node",
    ),
    NodeRow(
        "kube-controller-manager",
        lambda node: _text(node.controller_manager),
        "`--bind-address` and `--secure-port` in its manifest",
    ),
    NodeRow(
        "kube-scheduler", lambda node: _text(node.scheduler), "`--bind-address` and `--secure-port` in its manifest"
    ),
)

_CONFIGURATION = "ClusterConfiguration in the ConfigMap kube-system/kubeadm-config"

OF_CLUSTER = (
    ClusterRow("DNS domain", lambda whole: whole.dns_domain, f"`networking.dnsDomain` of {_CONFIGURATION}"),
    ClusterRow(
        "DNS server", lambda whole: ", ".join(whole.dns_addresses), "cluster IPs of the Service kube-system/kube-dns"
    ),
    ClusterRow(
        "addresses of Services",
        lambda whole: ", ".join(whole.service_subnets),
        f"`networking.serviceSubnet` of {_CONFIGURATION}",
    ),
    ClusterRow(
        "addresses of pods", lambda whole: ", ".join(whole.pod_subnets), f"`networking.podSubnet` of {_CONFIGURATION}"
    ),
    ClusterRow("certificates", lambda whole: whole.certificates_dir, f"`certificatesDir` of {_CONFIGURATION}"),
    ClusterRow("endpoint of the API", lambda whole: whole.endpoint, f"`controlPlaneEndpoint` of {_CONFIGURATION}"),
)


def rows_of(
    name: str, nodes: Mapping[str, NodeShape], whole: ClusterShape | None
) -> Iterator[tuple[str, str, str, str]]:
    """Yields the rows of the whole cluster first, then those of each observed node.

    What was not found or could not be parsed is a row, too.
    """
    if whole:
        for of_cluster in OF_CLUSTER:
            if value := str(of_cluster.value(whole)):
                yield name, of_cluster.what, value, of_cluster.source
        yield from ((name, "not known", problem, "") for problem in whole.problems)
    for node in nodes.values():
        for of_node in OF_NODE:
            if value := str(of_node.value(node)):
                yield node.name, of_node.what, value, of_node.source
        yield from ((node.name, "not known", problem, "") for problem in node.problems)
