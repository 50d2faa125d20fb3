"""Proofs that fail before any change."""

from typing import Any

from tasks.cert_rotation.models.rotation import (
    OnNode,
    ProofsNow,
)
from tasks.cert_rotation.policy.records import taken_from
from tasks.nodes.models.nodes import KubeNode
from tests.facts.certificates import FOLDER, NOW, changed, control_plane
from tests.facts.rotation import (
    cautions,
    facts,
    planned,
    record,
    refusals,
)


def seen(node: str = "cp1", **changes: Any) -> tuple[ProofsNow, ...]:  # noqa: ANN401
    """What its proofs say before the run."""
    return (ProofsNow(node=node, **changes),)


def test_a_proof_that_fails_before_the_act_is_named_and_not_asked_afterwards() -> None:
    """A scheduler at another port, a kubeconfig that leads nowhere: for ever a rotation that is put back, else."""
    ails = {"kube-scheduler": "nothing", "kube-controller-manager": "forbidden"}
    nobody = {f"{FOLDER}/admin.conf": "no route to host", f"{FOLDER}/kubelet.conf": "x"}
    node = control_plane(days=9)
    plan = planned(facts(node, proofs=seen(ails=ails, nobody=nobody)), allow_downtime=True)
    assert not plan.refusals
    assert "cp1: kube-scheduler is unhealthy before any change: it reports nothing" in cautions(plan)
    assert "admin.conf: the API sees nobody with it, and it has not expired: no route to host" in cautions(plan)
    assert set(plan.control_plane[0].unproven) == {*ails, f"{FOLDER}/admin.conf"}
    only = planned(
        facts(node, proofs=seen(ails=ails, nobody=nobody)), only=("front-proxy-client",), allow_downtime=True
    )
    assert only.control_plane[0].unproven == ()


def test_what_a_renewal_cures_is_still_proven() -> None:
    """Something has expired there, a pod has not read its files, or an earlier run was interrupted there."""
    ails, nobody = {"kube-apiserver": "500", "kube-scheduler": "x"}, {f"{FOLDER}/admin.conf": "expired"}
    found = seen(ails=ails, nobody=nobody)
    plan = planned(facts(control_plane(days=-1), proofs=found), allow_downtime=True)
    assert (plan.refusals, plan.control_plane[0].unproven) == ((), ())
    stale = changed(control_plane(days=9), "scheduler.conf", written_at=NOW)
    assert "kube-scheduler" not in planned(facts(stale, proofs=found), allow_downtime=True).control_plane[0].unproven
    begun = facts(
        control_plane(days=9), proofs=found, left=(OnNode(node="cp1", record=record(name="cp1", begun_at=NOW)),)
    )
    first = begun.model_copy(
        update={"left": (OnNode(node="cp1", record=record(taken_from=taken_from(control_plane(days=9)))),)}
    )
    resumed = planned(first.model_copy(update={"leases": {"cp1": "2026-11-25T12:00:00Z"}}), allow_downtime=True)
    assert (resumed.refusals, resumed.control_plane[0].unproven, resumed.unled) == ((), (), ())
    unsigned = changed(control_plane(days=9), "scheduler.conf", signed=False)
    assert not planned(facts(unsigned, proofs=found), allow_downtime=True).refusals


def test_an_api_server_that_is_not_well_is_repaired_first_and_a_node_without_curl_proves_nothing() -> None:
    """It would be taken for broken by the run, and put back."""
    ill = planned(facts(control_plane(days=9), proofs=seen(ails={"kube-apiserver": "500"})), allow_downtime=True)
    assert "cp1: kube-apiserver is unhealthy before any change: it reports 500" in refusals(ill)
    blind = planned(facts(control_plane(days=9), proofs=seen(curl=False)), allow_downtime=True)
    assert "cp1: it has no curl: nothing could be proven -> install curl there" in refusals(blind)
    unasked = planned(facts(control_plane(days=9), proofs=seen(unasked="no route")), allow_downtime=True)
    assert "cp1: what its proofs say before any change is not known: no route" in refusals(unasked)
    mute = planned(facts(control_plane(days=9), proofs=seen(kubectl=False)), allow_downtime=True)
    assert "it has no kubectl" in cautions(mute)
    away = facts(control_plane(days=-1), proofs=seen(ails={"kube-apiserver": "000"}), api_problem="it does not answer")
    assert not planned(away).refusals


def test_a_leader_that_no_node_elects_by_its_own_lease_is_named_and_not_asked_for() -> None:
    """The manifests say it, also of a run that is resumed; one node that elects by it is enough."""
    off, other = "it elects no leader", "it elects by the Lease kube-system/mine"
    nodes = (control_plane(days=9), control_plane("cp2", days=9))
    found = tuple(
        ProofsNow(node=name, unelected={"kube-scheduler": why} | more)
        for name, why, more in (
            ("cp1", off, {"kube-controller-manager": "it has no manifest of it"}),
            ("cp2", other, {}),
        )
    )
    begun = (OnNode(node="cp1", record=record(name="cp1")),)
    for left in ((), begun):
        plan = planned(facts(*nodes, proofs=found, left=left), allow_downtime=True)
        assert plan.unled == plan.control_plane[0].unled == ("kube-scheduler",)
        told = (
            f"no control plane node elects its leader by the Lease kube-system/kube-scheduler: cp1: {off}; cp2: {other}"
        )
        assert f"kube-scheduler: {told}" in cautions(plan)
    assert not planned(facts(*nodes, proofs=found[1:]), allow_downtime=True).unled


def test_leaders_and_nodes_that_were_not_alive_before_are_not_asked_to_be_afterwards() -> None:
    """A lease that nobody renews, or that is not there; not where an expired certificate explains it."""
    leases = {"cp1": f"{NOW:%Y-%m-%dT%H:%M:%SZ}", "kube-scheduler": "2026-11-25T11:00:00.000000Z"}
    plan = planned(facts(control_plane(days=9), leases=leases), allow_downtime=True)
    assert plan.unled == plan.control_plane[0].unled == ("kube-controller-manager", "kube-scheduler")
    assert "kube-scheduler: none has renewed its lease in the last two minutes" in cautions(plan)
    expired = changed(control_plane(days=9), "scheduler.conf", not_after=NOW)
    assert planned(facts(expired, leases=leases), allow_downtime=True).unled == ("kube-controller-manager",)
    assert planned(facts(control_plane(days=9), leases={"x": "None"}), allow_downtime=True).unled == ()
    away = (KubeNode(name="cp1", ready=False, ready_message="disk", kubelet="1.37.2"),)
    gone = planned(facts(control_plane(days=9), nodes=away), allow_downtime=True)
    assert gone.not_ready == ("cp1",)
    assert "cp1: it is not Ready before any change: disk" in cautions(gone)
