"""Whether control planes may be disturbed, one at a time or all at once."""

import pytest
import yaml

from tasks.cert_rotation.models.rotation import (
    OnNode,
    Phase,
    RotationFacts,
)
from tasks.certificates.models.inventory import KubeletSettings, NodeCertificates
from tasks.core.models.etcd import EtcdFacts
from tests.facts.certificates import NOW, changed, control_plane, worker
from tests.facts.etcd import member
from tests.facts.rotation import (
    cautions,
    facts,
    kube,
    planned,
    record,
    refusals,
    three,
    with_kubelet,
)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (three(gates=("maintenance: closed",)), "gates: maintenance: closed"),
        (
            facts(control_plane(days=1), NodeCertificates(name="w1", unreached="no route")),
            "nodes: not reached: w1: no route",
        ),
        (facts(control_plane(days=1)), "the only control plane node: the API does not answer"),
        (three(etcd=None, etcd_problem="no member lets us in"), "--only=etcd-healthcheck-client"),
        (facts(control_plane(days=1, openssl=False)), "cp1: it has no openssl"),
        (
            facts(control_plane(days=1), changed(control_plane("cp2"), "apiserver", problem="not PEM")),
            "cp2: /etc/kubernetes/pki/apiserver.crt: not PEM",
        ),
        (three(api_problem="no API server answers"), "no expired certificate explains it"),
        (facts(worker(days=-1)), "no node of the profile is a control plane node"),
    ],
)
def test_rules_that_say_no(found: RotationFacts, said: str) -> None:
    """All at once, each with the next step."""
    assert said in refusals(planned(found))


def test_quorum_is_counted_before_etcd_is_touched_and_ill_members_are_named() -> None:
    """An ill member is needed while another one restarts; one that is cordoned may go any moment."""
    nodes = tuple(control_plane(f"cp{n}", days=10) for n in (1, 2, 3))
    ill = tuple(member(f"cp{n}", healthy=n != 3).model_copy(update={"node": f"cp{n}"}) for n in (1, 2, 3))
    plan = planned(facts(*nodes, etcd=EtcdFacts(cluster_id="c", observed_at=NOW, members=ill)))
    assert "cp3: it does not answer a linearizable read" in refusals(plan)
    away = [kube(node).model_copy(update={"cordoned": node.name == "cp3"}) for node in nodes]
    plan = planned(facts(*nodes, nodes=tuple(away)))
    assert "without cp1 1 of 3 voting members would be left" in refusals(plan)
    assert "without cp1" not in refusals(planned(facts(*nodes, nodes=tuple(away)), only=("apiserver",)))


def test_a_single_control_plane_needs_a_word_for_its_downtime() -> None:
    """And not for what restarts nothing."""
    assert planned(facts(control_plane(days=1)), only=("admin.conf",)).refusals == ()
    plan = planned(facts(control_plane(days=1)), allow_downtime=True)
    assert not plan.refusals
    assert "allow_downtime says" not in cautions(plan)
    assert "the API does not answer for a minute or two" in cautions(plan)


def test_everything_expired_is_brought_back_by_ssh_alone() -> None:
    """All control planes at once; kubelets that cannot start are signed by hand; nothing of before is worth going back to."""
    nodes = [changed(control_plane(f"cp{n}", days=-3), "kubelet-client", not_after=NOW) for n in (1, 2, 3)]
    asks = worker(days=-3).model_copy(update={"kubelet": KubeletSettings(asks_for_serving=True)})
    down = facts(*map(with_kubelet, (*nodes, asks)), etcd=None, nodes=(), api_problem="no API server answers")
    plan = planned(down)
    assert not plan.refusals
    assert plan.by_ssh_alone
    assert {node.name for node in plan.control_plane} == {"cp1", "cp2", "cp3"}
    assert {node.name for node in plan.kubelets} == {"cp1", "cp2", "cp3", "w1"}
    assert all(node.by_ssh_alone for node in plan.nodes)
    assert plan.kubelets[0].kubelet_hours == 8760
    assert "expired: " in cautions(plan)
    assert "it cannot ask for another one" in plan.steps[-2].reason
    assert plan.steps[-1].act == "approve requests for serving certificates that pass every check"
    _, cluster = yaml.safe_load_all(plan.control_plane[0].configuration)
    assert cluster["certificateValidityPeriod"] == "8760h0m0s"
    assert cluster["kubernetesVersion"] == "v1.37.2"
    assert "everything that has expired must be renewed" in refusals(planned(down, only=("apiserver",)))


def test_a_cluster_that_serves_is_never_restarted_all_at_once() -> None:
    """Only the way in is lost: the administrator's certificate has ended, which is renewed without any restart."""
    nodes = [changed(control_plane(f"cp{n}", days=10), "admin.conf", not_after=NOW) for n in (1, 2, 3)]
    shut = facts(*nodes, api_problem="401 Unauthorized", serving=("cp1", "cp2", "cp3"), etcd=None)
    assert "the API servers of cp1, cp2, cp3 serve, and do not let the worker in" in refusals(planned(shut))
    way_in = planned(shut, only=("admin.conf",))
    assert not way_in.refusals
    assert [node.restarts for node in way_in.control_plane] == [(), (), ()]
    ended = [changed(node, "apiserver", not_after=NOW) for node in nodes]
    assert not planned(facts(*ended, api_problem="x", serving=("cp1", "cp2", "cp3"), etcd=None)).refusals
    unrelated = facts(control_plane(), worker(days=-1), api_problem="it does not answer")
    assert "no expired certificate explains it" in refusals(planned(unrelated))


def test_an_api_that_a_dead_run_has_taken_down_is_brought_back_too() -> None:
    """The only control plane, whose etcd was parked when the run died."""
    found = facts(
        control_plane(manifests={"etcd": "parked", "kube-apiserver": "active"}), api_problem="it does not answer"
    )
    plan = planned(found.model_copy(update={"left": (OnNode(node="cp1", record=record(Phase.PUTTING_BACK, "cp1")),)}))
    assert not plan.refusals
    assert plan.by_ssh_alone
    assert not plan.control_plane[0].put_back
    assert "a run was interrupted on cp1" in cautions(plan)
