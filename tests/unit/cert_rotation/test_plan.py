"""The plan of a rotation: which leaves, why now, what is restarted, and what forbids it."""

from datetime import timedelta
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.cert_rotation.models.rotation import (
    OnNode,
    Phase,
    ProofsNow,
    RotationFacts,
    RotationRecord,
    ServingRequest,
)
from tasks.cert_rotation.policy.records import taken_from, what_has_changed
from tasks.certificates.models.inventory import Inventory, Kind, Kubeconfig, KubeletSettings, NodeCertificates
from tasks.certificates.models.kubeadm import LEAVES
from tasks.core.models.etcd import EtcdFacts
from tasks.core.models.kubeadm import AWAY_WITH, ORDER
from tasks.nodes.models.nodes import KubeNode
from tests.facts.certificates import FOLDER, NOW, STARTED, certificate, changed, control_plane, worker
from tests.facts.etcd import member
from tests.facts.rotation import (
    CONFIGURATION,
    GOOD,
    KNOWN,
    RUN,
    acts,
    cautions,
    facts,
    kube,
    planned,
    refusals,
    three,
)

quick = settings(deadline=None, max_examples=40)
BOTH = ["restart etcd", "restart kube-apiserver"]
"""An API server is useless without the member beside it."""


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
    assert reasons["renew apiserver"] == "ends in 10 days"
    assert reasons["restart etcd"] == "it reads etcd-server at its start; it reads etcd-peer at its start"
    assert reasons["restart kube-scheduler"] == "it reads scheduler.conf at its start"


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


def test_nothing_to_do_is_a_plan_without_steps_and_says_when_the_first_one_ends() -> None:
    """Whatever would speak against a restart stops nobody then."""
    plan = planned(three(days=200, gates=("the site says no",)))
    assert (plan.steps, plan.refusals, plan.nodes) == ((), (), ())
    assert "ends in 200 days" in plan.skips[0].reason
    assert "the site says no" in cautions(plan)


def test_what_was_renewed_by_hand_and_not_read_is_restarted() -> None:
    """kubeadm's own sentence at the end of a renewal, that nobody read."""
    plan = planned(
        three(days=200).model_copy(update={"inventory": Inventory(observed_at=NOW, nodes=(renewed_by_hand(),))})
    )
    assert acts(plan, "cp1") == ["restart kube-apiserver", "restart kube-controller-manager"]
    assert "before apiserver was written" in plan.steps[0].reason


def renewed_by_hand() -> NodeCertificates:
    """Two leaves, while their readers ran."""
    node = changed(control_plane(), "apiserver", written_at=NOW, fingerprint="new")
    return changed(node, "controller-manager.conf", written_at=STARTED + timedelta(hours=1))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"pair": False}, "the key beside it is another one's"), ({"signed": False}, "it is not signed by")],
)
def test_what_does_not_belong_together_is_renewed(changes: dict[str, Any], reason: str) -> None:
    """However long it would last."""
    plan = planned(facts(changed(control_plane(), "etcd-peer", **changes)), allow_downtime=True)
    assert plan.steps[0].act == "renew etcd-peer"
    assert plan.steps[0].reason.startswith(reason)


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
    assert plan.steps[0].act == "make apiserver anew (+DNS:api.example, keeps IP:10.0.0.100)"
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


def test_kubeadm_gets_the_clusters_own_configuration_with_the_length_of_life() -> None:
    """And our folder; nothing but what is in kubeadm-config else."""
    plan = planned(
        three(configuration=CONFIGURATION | {"certificateValidityPeriod": "240h0m0s", "certificatesDir": "/x"})
    )
    init, cluster = yaml.safe_load_all(plan.control_plane[0].configuration)
    assert init["localAPIEndpoint"] == {"advertiseAddress": "10.0.0.2"}
    assert init["nodeRegistration"] == {"name": "cp2"}
    assert cluster["certificateValidityPeriod"] == "240h0m0s"
    assert cluster["certificatesDir"] == "@FOLDER@"
    assert cluster["kubernetesVersion"] == "@VERSION@"
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


def test_an_authority_near_its_end_is_a_finding_and_one_that_ends_first_forbids() -> None:
    """What it signs then would end no later than what is there."""
    assert "ends in 200 days" in cautions(planned(three().model_copy(update={"inventory": with_ca(200)})))
    short = planned(facts(control_plane(days=10, ca_days=100)), allow_downtime=True)
    assert "what it signs is made for 2399 h, to end before it" in cautions(short)
    stuck = planned(facts(control_plane(days=10, ca_days=10)), allow_downtime=True)
    assert "what it signs now would end no later than what is there" in refusals(stuck)
    gone = planned(facts(control_plane(days=-5, ca_days=-5)), allow_downtime=True)
    assert "ended 5 days ago: what it signs now" in refusals(gone)


def with_ca(days: float) -> Inventory:
    """Leaves that are due, below an authority that ends in so many days; a short configured life keeps off the other finding."""
    return Inventory(observed_at=NOW, nodes=(control_plane(days=10, ca_days=days),))


def test_an_external_authority_is_left_alone() -> None:
    """Its key is not there; kubeadm would say nothing and do nothing."""
    node = control_plane(days=10, external=(f"{FOLDER}/pki/ca.crt",))
    plan = planned(facts(node), allow_downtime=True)
    assert set(plan.control_plane[0].leaves) == {name for name, one in LEAVES.items() if one.authority != "ca"}
    assert any("its authority is external" in skip.reason for skip in plan.skips)


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


def record(phase: Phase = Phase.RENEWING, name: str = "cp3", **changes: Any) -> RotationRecord:  # noqa: ANN401
    """Of a run that died."""
    return RotationRecord(
        run_id="dead",
        phase=phase,
        begun_at=NOW,
        leaves=("apiserver",),
        restarts=("kube-apiserver",),
        reason="it was not well",
        taken_from=taken_from(control_plane(name)),
    ).model_copy(update=changes)


def test_a_run_that_died_is_gone_on_with_first() -> None:
    """Also where nothing is due there any more, and where its etcd's manifest is away."""
    left = (OnNode(node="cp3", record=record()),)
    plan = planned(three(days=200, left=left))
    assert [node.name for node in plan.control_plane] == ["cp3"]
    assert plan.control_plane[0].begun
    assert acts(plan, "cp3") == ["restart kube-apiserver"]
    assert "certificateValidityPeriod: 8760h0m0s" in plan.control_plane[0].configuration
    assert "run dead died there" in cautions(plan)
    away = control_plane("cp3", manifests={"etcd": "parked", "kube-apiserver": "active"})
    assert acts(planned(facts(control_plane("cp1"), control_plane("cp2"), away)), "cp3") == BOTH


@pytest.mark.parametrize(
    ("node", "said"),
    [
        (control_plane("cp3", kubeadm="v1.38.0"), "kubeadm is v1.38.0, it was v1.37.2"),
        (control_plane("cp3", manifest_sums={"etcd": "2"}), "the manifest of etcd has changed"),
        (changed(control_plane("cp3"), "etcd-peer", fingerprint="new"), "etcd-peer is another certificate"),
        (changed(control_plane("cp3"), "ca", fingerprint="new"), "ca is another certificate"),
        (
            changed(control_plane("cp3", days=9), "apiserver", fingerprint="a year old"),
            "apiserver was renewed since, and expires at 2026-12-04 12:00 UTC",
        ),
    ],
)
@pytest.mark.parametrize("phase", Phase)
def test_a_record_of_another_time_is_void(node: NodeCertificates, said: str, phase: Phase) -> None:
    """An upgrade, a person, or a year in between: its copy is never put back, and "renewed" is never said of what nobody renewed."""
    left = (OnNode(node="cp3", record=record(phase)),)
    plan = planned(facts(control_plane("cp1"), control_plane("cp2"), node, left=left))
    told = refusals(plan)
    assert (
        f"run dead of cert_rotation was interrupted there at 2026-11-25 12:00 UTC, and its record is void: {said}"
        in told
    )
    assert "sudo mv /var/lib/kube-runbooks/certificates/record.json" in told


def test_a_record_that_says_not_what_it_is_of_is_void_and_so_is_one_in_other_words() -> None:
    """Of an earlier version of these runbooks, or damaged."""
    old = planned(three(left=(OnNode(node="cp3", record=record(taken_from=None)),)))
    assert "it does not say what its copy was taken from" in refusals(old)
    damaged = three(days=200, left=(OnNode(node="cp3", unreadable="record.json is there and cannot be understood"),))
    assert "cp3: record.json is there and cannot be understood" in refusals(planned(damaged))


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("v1.30.14", "cp1: kubeadm is v1.30.14, and does not read kubeadm.k8s.io/v1beta4"),
        ("v1.9.0", "cp1: kubeadm is v1.9.0, and does not"),
        ("", "cp1: kubeadm says no version: it is not there"),
        ("v1.31.0", ""),
        ("v1.38.0-rc.1", ""),
    ],
)
def test_the_words_of_the_configuration_are_those_of_the_kubeadm_that_is_there(version: str, said: str) -> None:
    """Else it fails after the copy, at the first leaf. Where nothing is renewed it may be any."""
    told = refusals(planned(facts(control_plane(days=9, kubeadm=version)), allow_downtime=True))
    assert (said in told) if said else not told
    assert not planned(facts(control_plane(kubeadm=version)), allow_downtime=True).refusals


def test_what_the_run_itself_has_renewed_is_no_change() -> None:
    """Also where leaves live for less than `renew_before`; and a rotation of a CA changes CAs."""
    renewed = changed(control_plane("cp3"), "apiserver", fingerprint="new")
    short = changed(renewed, "apiserver", not_before=NOW, not_after=NOW + timedelta(days=9))
    for node in (renewed, short):
        found = facts(control_plane("cp1"), control_plane("cp2"), node, left=(OnNode(node="cp3", record=record()),))
        assert not planned(found).refusals
    rotated = changed(control_plane("cp3"), "ca", fingerprint="new")
    assert what_has_changed(record(runbook="ca_rotation"), rotated) == ()
    assert what_has_changed(record(), rotated) == ("ca is another certificate",)
    gone = control_plane("cp3", kubeadm="")
    assert what_has_changed(record(), gone) == ("kubeadm is gone, it was v1.37.2",)


def test_files_that_were_being_put_back_are_put_back_first() -> None:
    """And nothing else is done on that node."""
    plan = planned(three(left=(OnNode(node="cp3", record=record(Phase.PUTTING_BACK)),)))
    assert plan.control_plane[0].name == "cp3"
    assert plan.control_plane[0].put_back
    assert acts(plan, "cp3") == ["put the files of before back"]
    assert "died while it put the files back: it was not well" in cautions(plan)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (three(gates=("maintenance: closed",)), "gates: maintenance: closed"),
        (
            facts(control_plane(days=1), NodeCertificates(name="w1", unreached="no route")),
            "nodes: not reached: w1: no route",
        ),
        (facts(control_plane(days=1)), "the only control plane node: the API is away"),
        (three(etcd=None, etcd_problem="no member lets us in"), "only=[etcd-healthcheck-client]"),
        (facts(control_plane(days=1, openssl=False)), "cp1: it has no openssl"),
        (
            facts(control_plane(days=1), changed(control_plane("cp2"), "apiserver", problem="not PEM")),
            "cp2: /etc/kubernetes/pki/apiserver.crt: not PEM",
        ),
        (three(api_problem="no API server answers"), "no certificate has ended that would explain it"),
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
    assert "the API is away for a minute or two" in cautions(plan)


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
    assert "these have ended" in cautions(plan)
    assert "it cannot ask for another one" in plan.steps[-2].reason
    assert plan.steps[-1].act == "approve requests for serving certificates that pass every check"
    _, cluster = yaml.safe_load_all(plan.control_plane[0].configuration)
    assert cluster["certificateValidityPeriod"] == "8760h0m0s"
    assert cluster["kubernetesVersion"] == "@VERSION@"
    assert "all that has ended has to be renewed" in refusals(planned(down, only=("apiserver",)))


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
    assert "no certificate has ended that would explain it" in refusals(planned(unrelated))


def test_an_api_that_a_dead_run_has_taken_down_is_brought_back_too() -> None:
    """The only control plane, whose etcd was parked when the run died."""
    found = facts(
        control_plane(manifests={"etcd": "parked", "kube-apiserver": "active"}), api_problem="it does not answer"
    )
    plan = planned(found.model_copy(update={"left": (OnNode(node="cp1", record=record(Phase.PUTTING_BACK, "cp1")),)}))
    assert not plan.refusals
    assert plan.by_ssh_alone
    assert not plan.control_plane[0].put_back
    assert "a run has died on cp1" in cautions(plan)


def with_kubelet(node: NodeCertificates) -> NodeCertificates:
    """Its kubelet.conf names the file with its certificate."""
    config = Kubeconfig(path=f"{FOLDER}/kubelet.conf", names_file="/var/lib/kubelet/pki/kubelet-client-current.pem")
    return node.model_copy(update={"kubeconfigs": (config,)})


def test_a_kubelet_renews_itself_until_it_is_late() -> None:
    """A tenth of its life before its end it should have, long ago."""
    late = with_kubelet(worker(days=20))
    plan = planned(facts(control_plane(), late))
    assert [node.name for node in plan.kubelets] == ["w1"]
    assert plan.steps[0].act == "sign the kubelet's client certificate, restart kubelet"
    assert planned(facts(control_plane(), late), only=("apiserver",)).kubelets == ()
    young = changed(late, "kubelet-client", not_before=NOW - timedelta(days=30))
    assert planned(facts(control_plane(), young)).steps == ()
    assert "not the name of its file" in refusals(planned(facts(control_plane(), worker(days=20))))
    blind = late.model_copy(update={"openssl": False})
    assert "its kubelet's request cannot be made" in refusals(planned(facts(control_plane(), blind)))
    external = control_plane(external=(f"{FOLDER}/pki/ca.crt",))
    assert "no kubelet's certificate can be signed" in refusals(planned(facts(external, late)))


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
    assert "cp1: kube-scheduler is not well before anything is changed: it says nothing" in cautions(plan)
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
    assert "cp1: kube-apiserver is not well before anything is changed: it says 500" in refusals(ill)
    blind = planned(facts(control_plane(days=9), proofs=seen(curl=False)), allow_downtime=True)
    assert "cp1: it has no curl: nothing could be proven -> install curl there" in refusals(blind)
    mute = planned(facts(control_plane(days=9), proofs=seen(kubectl=False)), allow_downtime=True)
    assert "it has no kubectl" in cautions(mute)
    away = facts(control_plane(days=-1), proofs=seen(ails={"kube-apiserver": "000"}), api_problem="it does not answer")
    assert not planned(away).refusals


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
    assert "cp1: it is not Ready before anything is changed: disk" in cautions(gone)


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


def test_the_workers_own_certificates_are_told_before_it_ends() -> None:
    """It is on no node, so nothing here renews it."""
    assert "kubernetes.kubeconfig: the worker's own certificate there ends in 3 days" in cautions(
        planned(
            three(
                own_ends={
                    "kubernetes.kubeconfig": NOW + timedelta(days=3),
                    "etcd.client.certificate": NOW + timedelta(days=99),
                }
            )
        )
    )


def test_a_rotation_that_serves_another_certificate_than_its_file_is_restarted() -> None:
    """Whatever the times of files say."""
    node = changed(control_plane(days=200), "etcd-peer", fingerprint="new", serial="AB")
    plan = planned(facts(node), allow_downtime=True)
    assert acts(plan, "cp1") == BOTH
    assert "its requests would hang while etcd beside it is away" in plan.steps[1].reason
    assert "etcd at 2380 presents serial" in plan.steps[0].reason
