"""What kubeadm of the target replaces on a node, and what forbids it to."""

import pytest

from tasks.nodes.policy.versions import EtcdVersion
from tasks.upgrade.policy.kubeadm import etcd_among, has_other_parts, moves_etcd, what_forbids_brought_etcd
from tests.facts.etcd import member, unreached
from tests.facts.upgrade import NEW, OLD, machine, static_pods

IMAGES = (f"mirror.example/k8s/kube-apiserver:v{NEW}", f"registry.k8s.io/kube-proxy:v{NEW}", "r/etcd:3.7.0-0")


@pytest.mark.parametrize(
    ("version", "etcd", "others", "moves"),
    [(OLD, "3.6.16", True, True), (NEW, "3.6.16", False, True), (NEW, "3.7.1", False, False), (OLD, "", True, False)],
)
def test_what_kubeadm_replaces(version: str, etcd: str, *, others: bool, moves: bool) -> None:
    """Parts of another version than its images; etcd, forward only. Of a worker nothing."""
    node = machine("cp1", static_pods=static_pods(version, etcd))
    assert has_other_parts(node, IMAGES) is others
    assert moves_etcd(node, IMAGES) is moves
    assert moves_etcd(node, IMAGES[:2]) is False
    assert (has_other_parts(machine("w1"), IMAGES), moves_etcd(machine("w1"), IMAGES)) == (False, False)


def test_members_that_are_too_old_for_the_etcd_that_kubeadm_brings() -> None:
    """Each of them; one that does not answer is the business of the gate."""
    assert (etcd_among(IMAGES), etcd_among(IMAGES[:2])) == (EtcdVersion(3, 7, 0), None)
    brought = EtcdVersion(3, 7, 0)
    good = (member("cp1", version="3.6.16"), unreached("cp2"))
    assert what_forbids_brought_etcd(good, brought) is None
    old = (*good, member("cp3", version="3.6.8"), member("cp4", version="3.5.30"))
    problem = what_forbids_brought_etcd(old, brought)
    assert problem is not None
    assert problem.text == (
        "cp3: etcd 3.6.8 must not go to 3.7: every member has to run 3.6.11 or newer before; "
        "cp4: etcd 3.5.30 to 3.7 is more than one minor"
    )
    assert problem.next_step == "move etcd first, by an upgrade to the version of now with --etcd-image-tag"
