"""The configuration that kubeadm renews by."""

from datetime import timedelta
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.facts.certificates import control_plane
from tests.facts.rotation import (
    CONFIGURATION,
    facts,
    planned,
    three,
)

quick = settings(deadline=None, max_examples=40)


def test_kubeadm_gets_the_clusters_own_configuration_with_the_length_of_life() -> None:
    """And our folder; nothing but what is in kubeadm-config else."""
    plan = planned(
        three(configuration=CONFIGURATION | {"certificateValidityPeriod": "240h0m0s", "certificatesDir": "/x"})
    )
    init, cluster = yaml.safe_load_all(plan.control_plane[0].configuration)
    assert init["localAPIEndpoint"] == {"advertiseAddress": "10.0.0.2"}
    assert init["nodeRegistration"] == {"name": "cp2"}
    assert cluster["certificateValidityPeriod"] == "240h0m0s"
    assert cluster["certificatesDir"] == "/var/lib/kube-runbooks/certificates/stage/pki"
    assert cluster["kubernetesVersion"] == "v1.37.2"
    assert cluster["controlPlaneEndpoint"] == "10.0.0.100:6443"


@pytest.mark.parametrize(
    ("configured", "kept"),
    [
        ({"apiServer": {"certSANs": ["a"], "extraArgs": {"v": "4"}}}, {"apiServer": {"certSANs": ["a"]}}),
        ({"apiServer": None, "etcd": None, "scheduler": {"extraArgs": {"v": "4"}}}, {}),
        ({"etcd": {"local": {"dataDir": "/x", "peerCertSANs": ["p"]}}}, {"etcd": {"local": {"peerCertSANs": ["p"]}}}),
        (
            {"etcd": {"external": {"endpoints": ["https://e:2379"]}}},
            {"etcd": {"external": {"endpoints": ["https://e:2379"]}}},
        ),
        ({"etcd": {"local": {"dataDir": "/x"}}}, {}),
    ],
)
def test_only_what_certificates_come_from_is_handed_to_kubeadm(
    configured: dict[str, Any], kept: dict[str, Any]
) -> None:
    """Other parts may be in the words of another version of it."""
    plan = planned(
        facts(control_plane(days=1), configuration=configured), allow_downtime=True, only=("front-proxy-client",)
    )
    _, cluster = yaml.safe_load_all(plan.control_plane[0].configuration)
    own = {"apiVersion", "kind", "kubernetesVersion", "certificatesDir", "certificateValidityPeriod"}
    assert {name: part for name, part in cluster.items() if name not in own} == kept


@quick
@given(st.integers(2, 5000), st.integers(24, 90000))
def test_a_leaf_never_outlives_its_authority(ca_days: int, configured: int) -> None:
    """kubeadm itself does not look at that: it has made leaves that lived longer."""
    found = facts(
        control_plane(days=1, ca_days=ca_days),
        configuration=CONFIGURATION | {"certificateValidityPeriod": f"{configured}h0m0s"},
    )
    plan = planned(found, allow_downtime=True, only=("front-proxy-client",))
    _, cluster = yaml.safe_load_all(plan.control_plane[0].configuration)
    hours = int(cluster["certificateValidityPeriod"].partition("h")[0])
    assert hours <= configured
    assert timedelta(hours=hours) < timedelta(days=ca_days)
    assert not plan.refusals
