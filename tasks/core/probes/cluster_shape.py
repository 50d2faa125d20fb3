"""Reads what holds for a whole cluster, from kubeadm-config and the Service of its DNS."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from tasks.core.errors import NotYet
from tasks.core.models import outside
from tasks.core.models.outside import from_yaml
from tasks.core.models.shape import ClusterShape

CONFIGURATION = "/api/v1/namespaces/kube-system/configmaps/kubeadm-config"
DNS = "/api/v1/namespaces/kube-system/services/kube-dns"

JSON = Mapping[str, Any]


def parse(configuration: JSON | None, dns: JSON | None) -> ClusterShape:
    """Returns the cluster's shape. A value that is missing or cannot be parsed becomes a problem.

    If kubeadm-config is the cause, the problem says that kubeadm's defaults are assumed.
    """
    problems = []
    cluster = outside.ClusterConfiguration()
    try:
        cluster = _cluster(configuration)
    except NotYet as error:
        problems.append(f"{error.problem}: kubeadm's defaults are assumed")
    addresses: tuple[str, ...] = ()
    if dns is None:
        problems.append("there is no Service kube-system/kube-dns")
    else:
        try:
            addresses = outside.Service.read(dns, "Service kube-system/kube-dns").spec.addresses
        except NotYet as error:
            problems.append(error.problem)
    known = {
        "dns_domain": cluster.networking.dns_domain,
        "certificates_dir": cluster.certificates_dir and PurePosixPath(cluster.certificates_dir),
    }
    return ClusterShape(
        **{name: value for name, value in known.items() if value},
        service_subnets=_parts(cluster.networking.service_subnet),
        pod_subnets=_parts(cluster.networking.pod_subnet),
        dns_addresses=addresses,
        endpoint=cluster.control_plane_endpoint,
        problems=tuple(problems),
    )


def _cluster(configuration: JSON | None) -> outside.ClusterConfiguration:
    what = "ConfigMap kube-system/kubeadm-config"
    if configuration is None:
        raise NotYet(f"there is no {what}")
    text = outside.ConfigMap.read(configuration, what).data.get("ClusterConfiguration")
    if text is None:
        raise NotYet(f"{what} has no ClusterConfiguration")
    return outside.ClusterConfiguration.read(from_yaml(text, what), f"ClusterConfiguration of {what}")


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
