"""The plan of a rotation: which leaves, why now, what is restarted, and what forbids it."""

from datetime import timedelta

import yaml

from tasks.cert_rotation.models.rotation import (
    OnNode,
    Phase,
    ServingRequest,
)
from tasks.certificates.models.kubeadm import LEAVES
from tasks.core.models.kubeadm import ORDER
from tests.facts.certificates import FOLDER, NOW, changed, control_plane, worker
from tests.facts.rotation import (
    BOTH,
    CONFIGURATION,
    GOOD,
    KNOWN,
    RUN,
    acts,
    cautions,
    facts,
    planned,
    record,
    three,
)


def test_what_ends_soon_is_renewed_on_one_node_after_the_other_the_leader_last() -> None:
    """With why, and what restarts for it."""
    plan = planned(three())
    assert [node.name for node in plan.control_plane] == ["cp2", "cp3", "cp1"]
    assert plan.machines == ("cp2", "cp3", "cp1")
    assert plan.refusals == ()
    node = plan.control_plane[0]
    assert node.leaves == tuple(LEAVES)
    assert node.restarts == ORDER
    reasons = {step.act: step.reason for step in plan.steps if step.subject == "cp2"}
    assert reasons["renew apiserver"] == "expires in 10 days"
    assert reasons["restart etcd"] == "reads etcd-server, etcd-peer at its start"
    assert reasons["restart kube-scheduler"] == "reads scheduler.conf at its start"


def test_nothing_to_do_is_a_plan_without_steps_and_says_when_the_first_one_ends() -> None:
    """Whatever would speak against a restart stops nobody then."""
    plan = planned(three(days=200, gates=("the site says no",)))
    assert (plan.steps, plan.refusals, plan.nodes) == ((), (), ())
    assert "expires in 200 days" in plan.skips[0].reason
    assert "the site says no" in cautions(plan)


def test_new_names_in_kubeadms_configuration_are_shown_and_made_anew() -> None:
    """The load balancer has another name now."""
    names: tuple[str, ...] = ("DNS:cp1", "DNS:kubernetes", "DNS:kubernetes.default", "DNS:kubernetes.default.svc")
    names += ("DNS:kubernetes.default.svc.cluster.local", "IP:10.96.0.1", "IP:10.0.0.1", "IP:10.0.0.100")
    node = changed(control_plane(), "apiserver", names=names)
    assert "etcd-server" in acts(planned(facts(node, configuration=CONFIGURATION), allow_downtime=True), "cp1")[0]
    only = {"only": ("apiserver",), "allow_downtime": True}
    assert planned(facts(node, configuration=CONFIGURATION), **only).steps == ()
    new = CONFIGURATION | {"controlPlaneEndpoint": "api.example:6443"}
    plan = planned(facts(node, configuration=new), **only)
    assert plan.steps[0].act == "reissue apiserver (+DNS:api.example, keeps IP:10.0.0.100)"
    assert plan.steps[0].reason == "its names change: +DNS:api.example, keeps IP:10.0.0.100"
    assert plan.control_plane[0].anew == ("apiserver",)
    assert "cp1: apiserver: it has names that are not in kubeadm-config: IP:10.0.0.100; they are kept" in cautions(plan)
    _, cluster = yaml.safe_load_all(plan.control_plane[0].configuration)
    assert cluster["apiServer"]["certSANs"] == ["10.0.0.100"]


def test_a_name_that_kubeadm_would_drop_keeps_a_certificate_as_it_is() -> None:
    """It is renewed, which keeps its names; the new name is not worth the old one. What kubeadm accepts nowhere is named."""
    names: tuple[str, ...] = ("DNS:cp1", "DNS:kubernetes", "DNS:kubernetes.default", "DNS:kubernetes.default.svc")
    names += ("DNS:kubernetes.default.svc.cluster.local", "IP:10.96.0.1", "IP:10.0.0.1", "URI:spiffe://site")
    node = changed(control_plane(), "apiserver", names=names)
    wanted = {"controlPlaneEndpoint": "api.example:6443", "apiServer": {"certSANs": ["a_b"]}}
    plan = planned(facts(node, configuration=wanted), only=("apiserver",), allow_downtime=True)
    assert plan.steps == ()
    assert "cp1: apiserver: kubeadm accepts no such name: DNS:a_b" in cautions(plan)
    assert "DNS:api.example of kubeadm-config is not in it, and stays out" in cautions(plan)
    assert "URI:spiffe://site, which somebody gave it" in cautions(plan)


def test_an_external_authority_is_left_alone() -> None:
    """Its key is not there; kubeadm would say nothing and do nothing."""
    node = control_plane(days=10, external=(f"{FOLDER}/pki/ca.crt",))
    plan = planned(facts(node), allow_downtime=True)
    assert set(plan.control_plane[0].leaves) == {name for name, one in LEAVES.items() if one.authority != "ca"}
    assert any("its CA is external" in skip.reason for skip in plan.skips)


def test_a_retry_renews_nothing_twice_even_what_lives_shorter_than_the_threshold() -> None:
    """The node says which runs came to their end there."""
    left = tuple(OnNode(node=f"cp{n}", ended=(RUN,) if n < 3 else ()) for n in (1, 2, 3))
    plan = planned(three(left=left))
    assert [node.name for node in plan.control_plane] == ["cp3"]
    assert "this run has renewed it" in plan.skips[0].reason
    short = planned(
        facts(changed(control_plane(), "apiserver", not_before=NOW, not_after=NOW + timedelta(days=9))),
        allow_downtime=True,
    )
    assert "made for no longer than that, so every run renews them" in cautions(short)


def test_a_run_that_died_is_gone_on_with_first() -> None:
    """Also where nothing is due there any more, and where its etcd's manifest is away."""
    left = (OnNode(node="cp3", record=record()),)
    plan = planned(three(days=200, left=left))
    assert [node.name for node in plan.control_plane] == ["cp3"]
    assert plan.control_plane[0].begun
    assert acts(plan, "cp3") == ["restart kube-apiserver"]
    assert '"certificateValidityPeriod": "8760h0m0s"' in plan.control_plane[0].configuration
    assert "run dead died there" in cautions(plan)
    away = control_plane("cp3", manifests={"etcd": "parked", "kube-apiserver": "active"})
    assert acts(planned(facts(control_plane("cp1"), control_plane("cp2"), away)), "cp3") == BOTH


def test_files_that_were_being_put_back_are_put_back_first() -> None:
    """And nothing else is done on that node."""
    plan = planned(three(left=(OnNode(node="cp3", record=record(Phase.PUTTING_BACK)),)))
    assert plan.control_plane[0].name == "cp3"
    assert plan.control_plane[0].put_back
    assert acts(plan, "cp3") == ["restore the previous files"]
    assert "was interrupted while it restored the files: it was not well" in cautions(plan)


def test_requests_of_kubelets_that_pass_are_in_the_plan_and_others_are_told() -> None:
    """An approval of the plan is one of these names for this kubelet, under whatever name it asks next."""
    node = worker().model_copy(update={"addresses": ("10.0.1.1",)})
    wrong = GOOD.model_copy(update={"name": "csr-bad", "names": ("DNS:kubernetes",)})
    requests: tuple[ServingRequest, ...] = (GOOD, wrong)
    plan = planned(facts(control_plane(), node, requests=requests, identities=KNOWN))
    assert plan.approve == ("csr-abc",)
    assert [step.act for step in plan.steps] == ["approve its request for a serving certificate"]
    assert "csr-abc" in plan.steps[0].reason
    assert "a request for a serving certificate (csr-bad) that is not approved" in cautions(plan)
