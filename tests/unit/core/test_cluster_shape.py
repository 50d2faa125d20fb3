"""What holds for a whole cluster."""

from typing import Any

import pytest

from tasks.core.models.shape import ClusterShape
from tasks.core.probes.cluster_shape import parse

CONFIGURATION = """\
kind: ClusterConfiguration
certificatesDir: /srv/pki
controlPlaneEndpoint: "[fd00:1::1]:6443"
networking:
  dnsDomain: k8s.example
  podSubnet: 10.244.0.0/16,fd00:2::/56
  serviceSubnet: 10.96.0.0/16, fd00:3::/112
"""


def configured(text: str = CONFIGURATION) -> dict[str, Any]:
    """The ConfigMap."""
    return {"data": {"ClusterConfiguration": text}}


def dns(**spec: Any) -> dict[str, Any]:  # noqa: ANN401 - fields of the API
    """The Service."""
    return {"metadata": {"name": "kube-dns", "namespace": "kube-system", "uid": "1"}, "spec": spec}


def test_a_cluster_with_words_of_its_own() -> None:
    """Two families, and a domain that is not kubeadm's."""
    shape = parse(configured(), dns(clusterIP="fd00:3::a", clusterIPs=["fd00:3::a", "10.96.0.10"]))
    assert (shape.dns_domain, str(shape.certificates_dir)) == ("k8s.example", "/srv/pki")
    assert shape.service_subnets == ("10.96.0.0/16", "fd00:3::/112")
    assert shape.pod_subnets == ("10.244.0.0/16", "fd00:2::/56")
    assert (shape.dns_addresses, shape.endpoint) == (("fd00:3::a", "10.96.0.10"), "[fd00:1::1]:6443")
    assert shape.problems == ()


def test_what_kubeadm_leaves_out_is_its_default() -> None:
    """It says no more than what differs."""
    shape = parse(configured("kind: ClusterConfiguration"), dns(clusterIP="10.96.0.10"))
    assert shape == ClusterShape(dns_addresses=("10.96.0.10",))
    assert parse(configured(), dns(clusterIP="None")).dns_addresses == ()


@pytest.mark.parametrize(
    ("configuration", "service", "problems"),
    [
        (None, dns(), ("there is no ConfigMap kube-system/kubeadm-config: kubeadm's defaults are assumed",)),
        (
            {"data": {}},
            dns(),
            ("ConfigMap kube-system/kubeadm-config has no ClusterConfiguration: kubeadm's defaults are assumed",),
        ),
        (configured(), None, ("there is no Service kube-system/kube-dns",)),
        (configured(), {"spec": {"clusterIPs": 7}, "metadata": {"name": "x"}}, None),
        (configured("networking: 7"), dns(), None),
    ],
)
def test_what_is_not_there_is_a_problem(configuration: Any, service: Any, problems: tuple[str, ...] | None) -> None:  # noqa: ANN401
    """Which says what is assumed instead."""
    found = parse(configuration, service).problems
    assert found == problems if problems else len(found) == 1
