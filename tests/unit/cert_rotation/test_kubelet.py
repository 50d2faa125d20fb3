"""Client certificates of kubelets: signed where the CA's key is, and neither key moves."""

from datetime import UTC, datetime, timedelta

import pytest

from tasks.cert_rotation.kubelet import renew_late_kubelet, signers_among
from tasks.cert_rotation.models.rotation import NodeRotation
from tasks.cert_rotation.node import result
from tasks.certificates.models.inventory import Kubeconfig
from tasks.core.errors import NotYet, Refused
from tests.facts.certificates import NOW, changed
from tests.facts.rotation_fleet import Fleet, FleetNode


def test_kubelets_are_signed_where_the_key_is_and_neither_key_moves() -> None:
    """A node that has the authority's key signs its own; a node whose certificate is new already is left alone."""
    fleet = Fleet()
    signers = signers_among([(fleet.node(name), FleetNode.where.pki) for name in ("cp1", "cp2", "cp3")])
    assert [one.shell.name for one in signers] == ["cp2", "cp3"]
    fleet.disk["cp2"] = changed(fleet.disk["cp2"], "kubelet-client", not_after=NOW)
    new = datetime.now(UTC) + timedelta(hours=99)
    fleet.disk["cp3"] = changed(fleet.disk["cp3"], "kubelet-client", not_after=new)
    works = [fleet.work(NodeRotation(name=name, kubelet=True, kubelet_hours=100)) for name in ("w1", "cp2", "cp3")]
    for work in works:
        renew_late_kubelet(work, signers)
    assert sorted(fleet.done) == ["cp2 installs", "cp2 signs", "cp2 signs", "w1 installs"]
    assert [set(result(work).renewed) for work in works] == [{"kubelet-client"}] * 3
    fleet.disk["w1"] = fleet.disk["w1"].model_copy(update={"processes": ()})
    with pytest.raises(NotYet, match="w1: its kubelet does not run"):
        renew_late_kubelet(works[0], signers)


def test_a_kubeconfig_with_its_certificate_inside_is_pointed_once_and_seen_to_be_so() -> None:
    """What was planned on is what is replaced; an attempt before may have done it (F12)."""
    fleet = Fleet()
    fleet.kubeconfig("w1", pointed="pointed")
    work = fleet.work(NodeRotation(name="w1", points=True))
    for _ in range(2):
        renew_late_kubelet(work, [])
    assert fleet.done == ["w1 points"]
    assert fleet.disk["w1"].kubelet_kubeconfig == Kubeconfig(
        path="/etc/kubernetes/kubelet.conf", names_file="/var/lib/kubelet/pki/kubelet-client-current.pem"
    )
    assert result(work).copies == ("/etc/kubernetes/kubelet.conf",)
    fleet.kubeconfig("w1", pointed="")
    with pytest.raises(Refused, match="w1: its kubelet's kubeconfig is another one than planned"):
        renew_late_kubelet(work, [])
    fleet.kubeconfig("w1", pointed="it stays as it is")
    with pytest.raises(NotYet, match="w1: its kubelet's kubeconfig still has a certificate in it"):
        renew_late_kubelet(work, [])
