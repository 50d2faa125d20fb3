"""What is due on one node, and why."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.certificates.models.inventory import Inventory, Kind, Kubeconfig, NodeCertificates
from tasks.certificates.models.kubeadm import LEAVES
from tasks.core.models.kubeadm import AWAY_WITH, ORDER
from tests.facts.certificates import FOLDER, NOW, STARTED, certificate, changed, control_plane, worker
from tests.facts.rotation import (
    BOTH,
    acts,
    cautions,
    facts,
    planned,
    refusals,
    three,
    with_kubelet,
)

quick = settings(deadline=None, max_examples=40)


def renewed_by_hand() -> NodeCertificates:
    """Two leaves, while their readers ran."""
    node = changed(control_plane(), "apiserver", written_at=NOW, fingerprint="new")
    return changed(node, "controller-manager.conf", written_at=STARTED + timedelta(hours=1))


def test_one_leaf_restarts_only_who_reads_it() -> None:
    """And nobody for what is read at each use."""
    assert acts(planned(three(), only=("front-proxy-client",)), "cp1") == [
        "renew front-proxy-client",
        "restart kube-apiserver",
    ]
    plan = planned(three(), only=("admin.conf", "etcd-healthcheck-client"))
    assert acts(plan, "cp1") == ["renew etcd-healthcheck-client", "renew admin.conf"]
    assert "but it was not asked for" in plan.skips[0].reason


@quick
@given(
    days=st.dictionaries(st.sampled_from(sorted(LEAVES)), st.floats(-400, 400), min_size=1),
    before=st.integers(1, 200),
)
def test_exactly_what_ends_in_time_is_renewed_and_exactly_its_readers_restart(
    days: dict[str, float], before: int
) -> None:
    """For any ends and any threshold; pods in their order."""
    node = control_plane()
    for leaf, left in days.items():
        node = changed(node, leaf, not_after=NOW + timedelta(days=left))
    plan = planned(facts(node), renew_before=timedelta(days=before), allow_downtime=True)
    due = {leaf for leaf in LEAVES if timedelta(days=days.get(leaf, 200)) <= timedelta(days=before)}
    renewed = {leaf for one in plan.control_plane for leaf in one.leaves}
    assert renewed == due
    restarts = [pod for one in plan.control_plane for pod in one.restarts]
    readers = {pod for leaf in due for pod in LEAVES[leaf].pods}
    readers |= {useless for pod in readers for useless in AWAY_WITH.get(pod, ())}
    assert restarts == [pod for pod in ORDER if pod in readers]
    assert plan.refusals == ()


def test_what_was_renewed_by_hand_and_not_read_is_restarted() -> None:
    """kubeadm's own sentence at the end of a renewal, that nobody read."""
    plan = planned(
        three(days=200).model_copy(update={"inventory": Inventory(observed_at=NOW, nodes=(renewed_by_hand(),))})
    )
    assert acts(plan, "cp1") == ["restart kube-apiserver", "restart kube-controller-manager"]
    assert "before apiserver was written" in plan.steps[0].reason


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"pair": False}, "the key beside it is another one's"), ({"signed": False}, "it is not signed by")],
)
def test_what_does_not_belong_together_is_renewed(changes: dict[str, Any], reason: str) -> None:
    """However long it would last."""
    plan = planned(facts(changed(control_plane(), "etcd-peer", **changes)), allow_downtime=True)
    assert plan.steps[0].act == "renew etcd-peer"
    assert plan.steps[0].reason.startswith(reason)


def test_a_kubelet_renews_itself_until_it_is_late() -> None:
    """A tenth of its life before its end it should have, long ago."""
    late = with_kubelet(worker(days=20))
    plan = planned(facts(control_plane(), late))
    assert [node.name for node in plan.kubelets] == ["w1"]
    assert plan.steps[0].act == "sign the kubelet's client certificate, restart kubelet"
    assert planned(facts(control_plane(), late), only=("apiserver",)).kubelets == ()
    young = changed(late, "kubelet-client", not_before=NOW - timedelta(days=30))
    assert planned(facts(control_plane(), young)).steps == ()
    assert (
        "kubelet.conf: it is not there, or has more than a certificate in it: a new certificate would not be used"
        in refusals(planned(facts(control_plane(), worker(days=20))))
    )
    blind = late.model_copy(update={"openssl": False})
    assert "its kubelet's request cannot be made" in refusals(planned(facts(control_plane(), blind)))
    external = control_plane(external=(f"{FOLDER}/pki/ca.crt",))
    assert "no kubelet's certificate can be signed" in refusals(planned(facts(external, late)))


def test_a_kubelet_conf_with_its_certificate_inside_is_pointed_at_the_file_that_is_renewed() -> None:
    """kubeadm init's of old: kubelet renews its file, and nobody what is in the kubeconfig."""
    path = f"{FOLDER}/kubelet.conf"
    own = certificate("", "w1", path=path, kind=Kind.KUBECONFIG, days=5)
    node = worker().model_copy(update={"kubeconfigs": (Kubeconfig(path=path, pointed="x"),)})
    inside = node.model_copy(update={"certificates": (*node.certificates, own)})
    plan = planned(facts(control_plane(), inside))
    [step] = plan.steps
    assert step.act == f"point {path} at /var/lib/kubelet/pki/kubelet-client-current.pem, restart kubelet"
    assert step.reason.startswith(f"the client certificate in {path} expires in 5 days")
    assert [(one.name, one.points, one.kubelet) for one in plan.kubelets] == [("w1", True, False)]
    assert planned(facts(control_plane(), inside), only=("apiserver",)).steps == ()


def test_copies_of_kubeconfigs_follow_their_source() -> None:
    """When it is renewed, and when they had fallen behind; one on a worker is only told."""
    path = "/root/.kube/config"
    copy = Kubeconfig(path=path, copy_of="admin.conf")
    own = certificate("", path=path, kind=Kind.KUBECONFIG, fingerprint="old", days=5)
    node = control_plane(kubeconfigs=(copy, Kubeconfig(path="/gone", copy_of="admin.conf", missing=True)))
    behind = node.model_copy(update={"certificates": (*node.certificates, own)})
    plan = planned(facts(behind))
    assert acts(plan, "cp1") == [f"refresh {path}"]
    assert plan.steps[0].reason == "it has another certificate than admin.conf"
    assert planned(facts(behind), only=("apiserver",)).steps == ()
    due = changed(behind, "admin.conf", not_after=NOW)
    assert acts(planned(facts(due)), "cp1") == ["renew admin.conf", f"refresh {path}"]
    far = worker().model_copy(update={"kubeconfigs": (copy,), "certificates": (own.model_copy(update={"node": "w1"}),)})
    assert "is not refreshed from another node" in cautions(planned(facts(control_plane(), far)))


def test_a_rotation_that_serves_another_certificate_than_its_file_is_restarted() -> None:
    """Whatever the times of files say."""
    node = changed(control_plane(days=200), "etcd-peer", fingerprint="new", serial="AB")
    plan = planned(facts(node), allow_downtime=True)
    assert acts(plan, "cp1") == BOTH
    assert "its requests would hang while etcd on this node restarts" in plan.steps[1].reason
    assert "etcd at 2380 presents serial" in plan.steps[0].reason
