"""What an inventory alarms about, what it only mentions, and what Prometheus is told."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.certificates.models.inventory import Inventory, Kind, Kubeconfig, NodeCertificates, PublicKey, Served
from tasks.certificates.policy.inventory import in_words, judge_inventory, who_has_not_read
from tasks.core.models.plan import Plan
from tasks.core.models.profile import CertificateRules
from tests.facts.certificates import NOW, STARTED, certificate, changed, control_plane, inventory, worker

RULES = CertificateRules()


def judged(*nodes: NodeCertificates, **changes: Any) -> Plan:  # noqa: ANN401
    """By the rules of a profile that says nothing of them."""
    return judge_inventory(inventory(*nodes, **changes), RULES, now=NOW)


def told(plan: Plan) -> tuple[str, str]:
    """Its refusals and its cautions as lines."""
    return (
        "\n".join(f"{one.subject}: {one.problem}" for one in plan.refusals),
        "\n".join(f"{one.subject}: {one.problem}" for one in plan.cautions),
    )


def test_a_cluster_whose_certificates_are_in_order_has_nothing_to_tell() -> None:
    """Three control planes and a worker."""
    plan = judged(control_plane("cp1"), control_plane("cp2"), control_plane("cp3"), worker())
    assert plan == Plan()


@settings(deadline=None, max_examples=50)
@given(st.floats(min_value=-500, max_value=500))
def test_it_alarms_exactly_below_the_threshold(days: float) -> None:
    """For every leaf that ends then."""
    plan = judged(control_plane(days=days))
    assert bool(plan.refusals) == (timedelta(days=days) <= RULES.warn_before)
    assert not plan.cautions


@pytest.mark.parametrize(
    ("days", "alarms", "mentions"),
    [(400, False, False), (365, False, True), (31, False, True), (30, True, False), (-1, True, False)],
)
def test_an_authority_is_mentioned_a_year_before_its_end(days: float, alarms: bool, mentions: bool) -> None:  # noqa: FBT001
    """It takes long to replace, and everything that it signed ends with it."""
    plan = judged(control_plane(ca_days=days))
    assert (bool(plan.refusals), bool(plan.cautions)) == (alarms, mentions)
    steps = [one.next_step for one in plan.refusals] + [one.next_step for one in plan.cautions]
    assert all("rotate this CA" in step for step in steps)


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (timedelta(days=12, hours=5), "expires in 12 days"),
        (timedelta(hours=47), "expires in 47 h"),
        (timedelta(hours=-3), "expired 3 h ago"),
        (timedelta(days=-40), "expired 40 days ago"),
        (timedelta(), "expired 0 h ago"),
    ],
)
def test_an_end_is_told_in_days_and_near_ones_in_hours(left: timedelta, words: str) -> None:
    """Both before and after it."""
    assert in_words(left) == words


@pytest.mark.parametrize(
    ("changes", "alarm"),
    [
        ({"problem": "it is not a PEM certificate"}, "it is not a PEM certificate"),
        ({"pair": False}, "the key beside it is another one's"),
        ({"signed": False}, "it is not signed by /etc/kubernetes/pki/ca.crt"),
        ({"pair": None, "key_problem": "its key /x: it is not there"}, "its key /x: it is not there"),
    ],
)
def test_what_does_not_belong_together_is_an_alarm(changes: dict[str, Any], alarm: str) -> None:
    """With its path and what is wrong with it."""
    refusals, _ = told(judged(changed(control_plane(), "apiserver", **changes)))
    assert f"cp1: /etc/kubernetes/pki/apiserver.crt: {alarm}" in refusals


@pytest.mark.parametrize(
    ("name", "changes", "step"),
    [
        ("apiserver", {}, "run `kube-runbooks run cert-rotation CLUSTER`"),
        ("kubelet-client", {}, "run `kube-runbooks run cert-rotation CLUSTER`"),
        ("", {"kind": Kind.KUBECONFIG}, "run `kube-runbooks run cert-rotation CLUSTER`"),
        ("kubelet-serving", {"self_signed": True}, "then restart kubelet: it makes another one"),
        ("kubelet-serving", {}, "`kubectl get csr`"),
        ("", {"path": "/etc/etcd/server.crt"}, "renew it where it comes from"),
        ("", {"path": "/x", "named_by": "--x of y"}, "none of kubeadm's, and --x of y names it"),
    ],
)
def test_the_next_step_is_one_that_helps(name: str, changes: dict[str, Any], step: str) -> None:
    """cert_rotation does not renew everything that an inventory finds."""
    node = worker().model_copy(update={"certificates": (certificate(name, "w1", days=1, **changes),)})
    [finding] = judged(control_plane(), node).refusals
    assert step in finding.next_step


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("scheduler.conf", "`kubeadm init phase kubeconfig scheduler --config kubeadm.yaml`"),
        ("etcd-peer", "`kubeadm init phase certs etcd-peer --config kubeadm.yaml`"),
        ("kubelet-client", "run `kube-runbooks run cert-rotation CLUSTER`"),
        ("front-proxy-ca", "put it back from another control plane node or from a backup"),
        ("", "put it back, or correct what names it"),
    ],
)
def test_what_is_not_there_has_a_step_that_makes_it(name: str, step: str) -> None:
    """By kubeadm, by a rotation, or by hand."""
    gone = certificate(name, "w1", problem="it is not there", absent=True)
    node = worker().model_copy(update={"certificates": (gone,)})
    [finding] = judged(control_plane(), node).refusals
    assert finding.problem == "it is not there"
    assert step in finding.next_step


@pytest.mark.parametrize(
    ("name", "external", "step"),
    [
        ("apiserver", (), "put the key back from a backup; without one, run `kube-runbooks run cert-rotation CLUSTER`"),
        ("apiserver", ("/etc/kubernetes/pki/ca.crt",), "renew it where the key of /etc/kubernetes/pki/ca.crt is"),
        ("ca", (), "put its key back from another control plane node or from a backup"),
    ],
)
def test_a_key_that_is_not_known_has_a_step(name: str, external: tuple[str, ...], step: str) -> None:
    """A leaf gets another pair; an authority's key cannot be made again."""
    node = changed(control_plane(external=external), name, pair=None, key_problem="its key /x: it is not there")
    [finding] = judged(node).refusals
    assert step in finding.next_step


def test_what_is_served_and_not_on_disk_is_an_alarm_with_the_age_of_the_process() -> None:
    """Somebody has renewed it, and nobody has started the program anew."""
    node = changed(control_plane(), "apiserver", fingerprint="new", serial="AB12", written_at=NOW)
    refusals, cautions = told(judged(node))
    assert "cp1: kube-apiserver at 6443: it presents serial" in refusals
    assert (
        "/etc/kubernetes/pki/apiserver.crt has AB12, written 2026-11-25 12:00:00 UTC; it runs since 2026-11-15"
        in refusals
    )
    assert (
        "cp1: kube-apiserver: it runs since 2026-11-15 12:00:00 UTC, and has not read apiserver since then" in cautions
    )


def test_what_is_served_and_in_no_file_that_is_known_is_an_alarm_before_its_end() -> None:
    """An inventory that knows no file of it would say that all is well until the day (F1)."""
    node = control_plane()
    for days, alarms in ((5, True), (60, False)):
        one = certificate("", path="", fingerprint="of nobody", days=days)
        served = (Served(port=8443, name="kube-apiserver", certificate=one), *node.served)
        refusals, _ = told(judged(node.model_copy(update={"served": served})))
        assert ("cp1: kube-apiserver at 8443: what it serves expires in 5 days" in refusals) is alarms
        assert ("is in no file that is known" in refusals) is alarms


def test_a_client_certificate_that_was_not_read_yet_is_mentioned() -> None:
    """It is on no wire; what still runs with the old one fails when that ends."""
    node = changed(control_plane(), "scheduler.conf", written_at=STARTED + timedelta(seconds=1))
    assert who_has_not_read(node) == {"kube-scheduler": ("scheduler.conf",)}
    plan = judged(node)
    assert not plan.refusals
    assert "has not read scheduler.conf" in told(plan)[1]
    assert who_has_not_read(changed(control_plane(), "admin.conf", written_at=NOW)) == {}


def test_what_is_made_in_memory_is_what_it_is_and_a_silent_port_is_an_alarm() -> None:
    """10257 and 10259 have no file; where openssl is missing nothing can be known."""
    own = Served(port=10257, name="kube-controller-manager", certificate=certificate("x", fingerprint="memory"))
    node = control_plane()
    assert judged(node.model_copy(update={"served": (own,)})) == Plan()
    silent = Served(port=2380, name="etcd", problem="it presents no certificate")
    assert "etcd at 2380: it presents no certificate" in told(judged(node.model_copy(update={"served": (silent,)})))[0]
    blind = node.model_copy(update={"served": (silent,), "openssl": False})
    assert not judged(blind).refusals
    assert "it has no openssl" in told(judged(blind))[1]


def test_control_planes_have_to_agree_on_authorities_and_signers() -> None:
    """A token of one is not good at the other."""
    other = changed(control_plane("cp2"), "ca", fingerprint="0123456789")
    refusals, _ = told(judged(control_plane(), other))
    assert "ca: not the same on all control planes: cp1 has ca@all, cp2 has 01234567" in refusals
    keys = (PublicKey(path="p", public_key="t"), PublicKey(path="k", public_key="s", private=True))
    refusals, _ = told(judged(control_plane(), control_plane("cp2", public_keys=keys)))
    assert "sa.pub: not the same on all control planes" in refusals
    assert "cp2: sa.key: sa.pub is not its public half" in refusals


def test_an_external_authority_is_recognised() -> None:
    """It is no alarm: that is how some sites keep their keys."""
    plan = judged(control_plane(external=("/etc/kubernetes/pki/ca.crt",)))
    assert not plan.refusals
    assert "cp1: /etc/kubernetes/pki/ca.crt: its key is not there: it is an external CA" in told(plan)[1]


def test_copies_of_kubeconfigs_have_to_be_in_step() -> None:
    """One with an old certificate, one that is gone, and the others, which are nobody's copy."""
    path = "/root/.kube/config"
    node = control_plane(kubeconfigs=(Kubeconfig(path=path, copy_of="admin.conf"), Kubeconfig(path="/x")))
    own = certificate("", path=path, kind=Kind.KUBECONFIG, fingerprint="old")
    with_copy = node.model_copy(update={"certificates": (*node.certificates, own)})
    assert "it has another certificate than admin.conf" in told(judged(with_copy))[1]
    in_step = own.model_copy(update={"fingerprint": "admin.conf@cp1"})
    assert judged(node.model_copy(update={"certificates": (*node.certificates, in_step)})) == Plan()
    gone = node.model_copy(update={"kubeconfigs": (Kubeconfig(path=path, copy_of="admin.conf", missing=True),)})
    assert "the profile names it, and it is not there" in told(judged(gone))[1]
    without = worker().model_copy(update={"kubeconfigs": gone.kubeconfigs})
    assert judged(without) == Plan()
    unread = node.model_copy(update={"kubeconfigs": (Kubeconfig(path="/x", problem="kubectl does not read it"),)})
    assert told(judged(unread)) == ("", "cp1: /x: kubectl does not read it")


def test_what_is_not_known_is_told() -> None:
    """A node that does not answer is an alarm, an API that does not is no news of the nodes."""
    plan = judged(control_plane(), NodeCertificates(name="w1", unreached="no route"), api_problem="it does not answer")
    refusals, cautions = told(plan)
    assert "w1: nothing is known of its certificates: no route" in refusals
    assert "API: its caBundles are not known: it does not answer" in cautions
    strange = control_plane(problems=("the manifest of etcd has no flags that could be parsed",))
    assert "cp1: the manifest of etcd has no flags that could be parsed" in told(judged(strange))[0]


def test_an_old_certificate_in_a_bundle_is_mentioned_and_one_without_an_end_is_left_out() -> None:
    """A bundle may well keep an authority that is gone."""
    old = certificate("", "", path="apiservices/x", kind=Kind.TRUST, days=3)
    plan = judged(control_plane(), objects=(old, old.model_copy(update={"not_after": None})))
    assert not plan.refusals
    assert [one.subject for one in plan.cautions] == ["apiservices/x"]


def test_a_label_has_its_node_and_its_place_in_a_bundle() -> None:
    """As people look for it."""
    assert certificate("ca", place=1).label == "cp1: /etc/kubernetes/pki/ca.crt #2"
    assert certificate("x", "", path="apiservices/x").label == "apiservices/x"
    assert certificate("ca").lifetime == timedelta(days=365)
    empty = certificate("ca", not_after=None)
    assert empty.left(NOW) is None
    assert empty.lifetime == timedelta()
    assert Inventory(observed_at=NOW, nodes=(worker(),)).control_planes == ()
