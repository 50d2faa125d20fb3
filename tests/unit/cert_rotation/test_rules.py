"""What nodes and their certificates have to be."""

from datetime import timedelta

import pytest

from tasks.certificates.models.inventory import Inventory
from tests.facts.certificates import NOW, control_plane
from tests.facts.rotation import (
    cautions,
    facts,
    planned,
    refusals,
    three,
)


def with_ca(days: float) -> Inventory:
    """Leaves that are due, below an authority that ends in so many days; a short configured life keeps off the other finding."""
    return Inventory(observed_at=NOW, nodes=(control_plane(days=10, ca_days=days),))


def test_an_authority_near_its_end_is_a_finding_and_one_that_ends_first_forbids() -> None:
    """What it signs then would end no later than what is there."""
    assert "expires in 200 days" in cautions(planned(three().model_copy(update={"inventory": with_ca(200)})))
    short = planned(facts(control_plane(days=10, ca_days=100)), allow_downtime=True)
    assert "what it signs is made for 2399 h, to end before it" in cautions(short)
    stuck = planned(facts(control_plane(days=10, ca_days=10)), allow_downtime=True)
    assert "a certificate that it signs now would expire no later than the existing one" in refusals(stuck)
    gone = planned(facts(control_plane(days=-5, ca_days=-5)), allow_downtime=True)
    assert "expired 5 days ago: a certificate that it signs now" in refusals(gone)


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("v1.30.14", "cp1: kubeadm is v1.30.14, and does not read kubeadm.k8s.io/v1beta4"),
        ("v1.9.0", "cp1: kubeadm is v1.9.0, and does not"),
        ("", "cp1: kubeadm reports no version: it is not there"),
        ("v1.31.0", ""),
        ("v1.38.0-rc.1", ""),
    ],
)
def test_the_words_of_the_configuration_are_those_of_the_kubeadm_that_is_there(version: str, said: str) -> None:
    """Else it fails after the copy, at the first leaf. Where nothing is renewed it may be any."""
    told = refusals(planned(facts(control_plane(days=9, kubeadm=version)), allow_downtime=True))
    assert (said in told) if said else not told
    assert not planned(facts(control_plane(kubeadm=version)), allow_downtime=True).refusals


def test_the_workers_own_certificates_are_told_before_it_ends() -> None:
    """It is on no node, so nothing here renews it."""
    assert "kubernetes.kubeconfig: the worker's own certificate there expires in 3 days" in cautions(
        planned(
            three(
                own_ends={
                    "kubernetes.kubeconfig": NOW + timedelta(days=3),
                    "etcd.client.certificate": NOW + timedelta(days=99),
                }
            )
        )
    )


def test_a_pair_of_which_one_half_is_kubeadms_is_not_renewed() -> None:
    """The program would have a certificate and a key that do not match; one that is not due is named."""
    why = "kube-apiserver has --tls-cert-file /a.crt with --tls-private-key-file /b.key"
    due = planned(facts(control_plane(days=9, split_pairs={"apiserver": why})), allow_downtime=True)
    assert f"cp1: apiserver: {why}: after that the certificate and the key of the program do not match" in refusals(due)
    assert "in its manifest name both files of kubeadm, or two that are not kubeadm's" in refusals(due)
    later = planned(facts(control_plane(days=200, split_pairs={"apiserver": why})), allow_downtime=True)
    assert not later.refusals
    assert f"cp1: apiserver: {why}" in cautions(later)
