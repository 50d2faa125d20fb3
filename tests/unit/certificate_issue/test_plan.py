"""Which certificates are made on which machine: what is there stays, and what is in the way is told with the next step."""

from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.certificate_issue.models import WORK, IssueFacts, IssuePlan, IssueRequest, completed
from tasks.certificate_issue.policy.leaves import leaves_of
from tasks.certificate_issue.policy.plan import plan_issue
from tasks.certificate_issue.policy.situation import differences
from tasks.certificates.models.inventory import NodeCertificates
from tasks.certificates.models.kubeadm import AUTHORITIES, Leaf
from tasks.core.models.shape import ClusterShape
from tests.facts.certificates import FOLDER, NOW, certificate
from tests.facts.issue import EXTERNAL, SA, STACKED, as_asked, changed, planned, whole


def refusals(plan: IssuePlan) -> list[str]:
    """Subject and problem."""
    return [f"{one.subject}: {one.problem}" for one in plan.refusals]


def acts(plan: IssuePlan, name: str) -> list[str]:
    """What is done on a machine."""
    return [step.act for step in plan.steps if step.subject == name]


# --- from nothing


def test_from_nothing_all_is_made_and_shared() -> None:
    """Authorities and the key pair once, for both; each machine has its own leaves."""
    plan = planned()
    assert plan.sources == {"ca": "", "etcd-ca": "", "front-proxy-ca": "", "sa": ""}
    assert (plan.refusals, plan.cautions, plan.skips) == ((), (), ())
    for work in plan.machines:
        assert work.certificates == work.signs_with == tuple(AUTHORITIES)
        assert work.service_accounts
        assert work.leaves == leaves_of(STACKED, work.name)
    assert acts(plan, "cp1")[:5] == [
        "ca: its certificate and its key",
        "etcd-ca: its certificate and its key",
        "front-proxy-ca: its certificate and its key",
        "sa: the key pair of service accounts",
        "apiserver: a new key and certificate",
    ]
    assert plan.steps[0].reason == "no machine has one: made"
    assert plan.steps[4].reason == "it is not there"


def test_the_key_of_an_external_etcds_authority_is_on_one_of_its_machines() -> None:
    """A control plane node gets its certificate, to know the members by, and no key."""
    plan = planned(request=EXTERNAL)
    works = {work.name: work for work in plan.machines}
    assert (works["etcd1"].certificates, works["etcd1"].signs_with, works["etcd1"].service_accounts) == (
        ("etcd-ca",),
        ("etcd-ca",),
        False,
    )
    assert works["cp1"].signs_with == ("ca", "front-proxy-ca")
    assert "etcd-ca: its certificate" in acts(plan, "cp1")
    only = IssueRequest.model_validate({"etcd": [{"name": "etcd1", "address": "192.0.2.21"}], "version": "1.37.2"})
    assert planned(request=only).sources == {"etcd-ca": ""}


# --- what is there


def test_where_all_is_as_asked_for_there_is_nothing_to_do() -> None:
    """On each machine, with the reason."""
    plan = planned(whole("cp1"), whole("cp2"))
    assert (plan.steps, plan.refusals, plan.machines) == ((), (), ())
    assert [(skip.subject, skip.reason) for skip in plan.skips] == [
        (name, "all of its certificates are as asked for") for name in ("cp1", "cp2")
    ]
    assert planned(whole("cp1", EXTERNAL), whole("etcd1", EXTERNAL), request=EXTERNAL).steps == ()


def test_a_second_control_plane_gets_the_authorities_of_the_first() -> None:
    """Their keys, too: none is made."""
    plan = planned(whole("cp1"))
    assert set(plan.sources.values()) == {"cp1"}
    assert [work.name for work in plan.machines] == ["cp2"]
    assert plan.steps[0].reason == "the one of cp1, whose key is there"


def test_what_a_run_was_cut_off_in_is_gone_on_with() -> None:
    """A certificate that waits beside its place: whatever is in the place is half of a pair of ours."""
    waits = certificate("x", path=f"{FOLDER}/{WORK}/apiserver.crt")
    half = changed(whole("cp1"), "pki/apiserver.crt", pair=False)
    half = half.model_copy(update={"certificates": (*half.certificates, waits)})
    plan = planned(half, whole("cp2"))
    assert plan.refusals == ()
    assert acts(plan, "cp1") == ["apiserver: a new key and certificate"]


def test_a_kubelet_that_has_joined_renews_its_own() -> None:
    """Its kubeconfig names a file."""
    joined = whole("cp1", without="kubelet.conf")
    kubeconfigs = tuple(
        one.model_copy(update={"names_file": "/var/lib/kubelet/pki/kubelet-client-current.pem"})
        if one.path.endswith("kubelet.conf")
        else one
        for one in joined.kubeconfigs
    )
    assert planned(joined.model_copy(update={"kubeconfigs": kubeconfigs}), whole("cp2")).steps == ()


LEAF = next(leaf for leaf in leaves_of(STACKED, "cp1") if leaf.name == "apiserver")
CONF = next(leaf for leaf in leaves_of(STACKED, "cp1") if leaf.name == "admin.conf")


@pytest.mark.parametrize(
    ("leaf", "changes", "asks", "told"),
    [
        (LEAF, {}, "", ()),
        (CONF, {}, CONF.asks, ()),
        (LEAF, {"problem": "it is not a PEM certificate"}, "", ("it is not a PEM certificate",)),
        (LEAF, {"subject": "CN=x"}, "", ("it is for CN=x, not for CN=kube-apiserver",)),
        (LEAF, {"names": tuple(reversed(LEAF.names))}, "", ()),
        (LEAF, {"pair": None}, "", ("its key is not there",)),
        (LEAF, {"pair": False}, "", ("the key beside it is another one's",)),
        (LEAF, {"signed": False}, "", ("ca of this machine has not signed it",)),
        (LEAF, {"signed": None}, "", ("ca of this machine has not signed it",)),
        (LEAF, {"not_after": NOW}, "", ("it has expired",)),
        (CONF, {}, "https://old:6443", ("it leads to https://old:6443, not to https://api.example.org:6443",)),
    ],
)
def test_in_what_a_certificate_differs(leaf: Leaf, changes: dict[str, Any], asks: str, told: tuple[str, ...]) -> None:
    """Each by itself."""
    assert differences(leaf, as_asked(leaf, "cp1", **changes), asks=asks, now=NOW) == told


def test_names_that_differ_are_told_on_both_sides() -> None:
    """For a person to compare; none is a word."""
    short = LEAF.model_copy(update={"dns": ("a",), "addresses": ()})
    assert differences(short, as_asked(short, "cp1", names=()), asks="", now=NOW) == ("its names are none, not DNS:a",)


# --- what is in the way


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (
            lambda node: changed(node, "pki/apiserver.crt", subject="CN=x"),
            "cp1: pki/apiserver.crt: it is for CN=x, not for CN=kube-apiserver",
        ),
        (
            lambda node: node.model_copy(update={"unreached": "no route"}),
            "cp1: no route",
        ),
        (
            lambda node: node.model_copy(update={"openssl": False}),
            "cp1: it has no openssl, which makes its keys there",
        ),
        (
            lambda node: changed(node, "pki/etcd/ca.crt", fingerprint="another-one"),
            "etcd-ca: the machines have different ones: cp1 has another-, cp2 has etcd-ca@",
        ),
        (
            lambda node: changed(node, "pki/ca.crt", pair=False),
            "cp1: /etc/kubernetes/pki/ca.crt: the key beside it is another one's",
        ),
        (
            lambda node: node.model_copy(update={"public_keys": (SA[0].model_copy(update={"public_key": "t"}), SA[1])}),
            "sa: the machines have different service-account keys: cp1 has s and t, cp2 has s",
        ),
    ],
)
def test_what_is_in_the_way(spoil: Callable[[NodeCertificates], NodeCertificates], told: str) -> None:
    """Nothing is overwritten that somebody may need, and no authority ever."""
    assert told in refusals(planned(spoil(whole("cp1")), whole("cp2")))


def test_with_a_word_for_it_certificates_are_replaced_and_authorities_are_not() -> None:
    """The reason is in the step."""
    request = STACKED.model_copy(update={"replace": True})
    old = changed(whole("cp1"), "pki/apiserver.crt", signed=False)
    plan = planned(old, whole("cp2"), request=request)
    assert plan.refusals == ()
    assert [(step.act, step.reason) for step in plan.steps] == [
        ("apiserver: a new key and certificate", "ca of this machine has not signed it")
    ]
    other = changed(old, "pki/ca.crt", fingerprint="x")
    assert len(planned(other, whole("cp2"), request=request).refusals) == 1


def test_a_certificate_whose_authority_is_not_there_is_in_the_way() -> None:
    """A new authority cannot have signed it."""
    told = refusals(planned(whole("cp1", without="pki/ca.crt")))
    assert "cp1: pki/apiserver.crt: its CA ca is not there" in told


def without_key(node: NodeCertificates) -> NodeCertificates:
    """Of an external authority."""
    return changed(node, "pki/ca.crt", pair=None)


def test_an_authority_whose_key_is_elsewhere_signs_nothing_here() -> None:
    """Something is to be signed by it: that is in the way."""
    missing = without_key(whole("cp1", without="pki/apiserver.crt"))
    told = "ca: its certificate is on cp1, cp2, and its key is on none of the machines"
    assert told in refusals(planned(missing, without_key(whole("cp2"))))
    members = IssueRequest.model_validate({"etcd": [{"name": "etcd1", "address": "192.0.2.21"}], "version": "1.37.2"})
    keeper = changed(whole("etcd1", members), "pki/etcd/ca.crt", pair=None)
    assert refusals(planned(keeper, request=members)) == [
        "etcd-ca: its certificate is on etcd1, and its key is on none of the machines"
    ]


def test_a_public_key_of_service_accounts_alone_is_in_the_way() -> None:
    """Its private half is somewhere, and tokens are signed with it."""
    lone = whole("cp1", public_keys=SA[:1])
    assert "sa: sa.pub is there, and no sa.key" in refusals(planned(lone, whole("cp2", public_keys=SA[:1])))
    half = planned(whole("cp1", public_keys=SA[1:]), whole("cp2"))
    assert half.refusals == ()
    assert acts(half, "cp1") == ["sa: the key pair of service accounts"]


def test_an_authority_near_its_end_is_told_and_one_that_has_ended_refuses() -> None:
    """Nothing that it signs lasts longer."""
    near = [
        changed(whole(name), "pki/ca.crt", not_after=NOW.replace(year=2027, month=1, day=25)) for name in ("cp1", "cp2")
    ]
    assert [one.problem for one in planned(*near).cautions] == [
        "ca expires in 61 days: nothing that it signs lasts longer"
    ]
    ended = [changed(whole(name), "pki/ca.crt", not_after=NOW.replace(month=10)) for name in ("cp1", "cp2")]
    assert refusals(planned(*ended)) == ["ca: ca expired 31 days ago: nothing that it signs lasts longer"]
    far = [
        node.model_copy(
            update={"certificates": tuple(one.model_copy(update={"not_after": None}) for one in node.certificates)}
        )
        for node in (whole("cp1"), whole("cp2"))
    ]
    assert planned(*far).cautions == ()


@settings(deadline=None, max_examples=30)
@given(st.sets(st.sampled_from(leaves_of(STACKED, "cp1"))))
def test_exactly_what_is_missing_is_made(missing: set[Leaf]) -> None:
    """Whatever it is."""
    node = whole("cp1")
    paths = {f"{FOLDER}/{leaf.path}" for leaf in missing}
    some = node.model_copy(
        update={
            "certificates": tuple(one for one in node.certificates if one.path not in paths),
            "kubeconfigs": tuple(one for one in node.kubeconfigs if one.path not in paths),
        }
    )
    plan = planned(some, whole("cp2"))
    made = {leaf.name for work in plan.machines for leaf in work.leaves}
    assert made == {leaf.name for leaf in missing}
    assert plan.refusals == ()


def told_of(request: IssueRequest, shape: ClusterShape | None, **changes: Any) -> IssuePlan:  # noqa: ANN401
    """For machines with nothing, of a cluster that says this of itself."""
    machines = tuple(NodeCertificates(name=name) for name in request.machines)
    values = {"observed_at": NOW, "folder": PurePosixPath(FOLDER), "machines": machines, "shape": shape}
    facts = IssueFacts.model_validate(values | changes)
    return plan_issue(facts, completed(request, facts), now=NOW)


def test_where_no_api_answers_the_plan_says_whose_defaults_stand() -> None:
    """A machine that is to join a cluster with other words would get certificates of no use."""
    [caution] = told_of(STACKED, None, shape_problem="no API server").cautions
    assert caution.problem == (
        "kubeadm-config is not known, so these stand: service_subnet 10.96.0.0/12, dns_domain cluster.local; no API server"
    )
    assert told_of(EXTERNAL.model_copy(update={"control_planes": ()}), None, shape_problem="x").cautions == ()


def test_what_the_cluster_says_otherwise_is_named() -> None:
    """Other words than kubeadm-config's, and a folder for certificates that is another one there."""
    shape = ClusterShape(dns_domain="k8s.example", service_subnets=("10.97.0.0/16",))
    assert told_of(STACKED, shape).cautions == ()
    told = told_of(STACKED.model_copy(update={"service_subnet": "10.96.0.0/12"}), shape)
    assert [one.problem for one in told.cautions] == ["it is 10.96.0.0/12, kubeadm-config has 10.97.0.0/16"]
    moved = shape.model_copy(update={"certificates_dir": PurePosixPath("/srv/pki")})
    places = {"cp1": "/srv/pki", "cp2": "/etc/kubernetes/pki"}
    plan = told_of(STACKED, moved, places=places)
    [refusal] = plan.refusals
    assert (plan.steps, plan.skips, plan.machines) == ((), (), ())
    assert (refusal.subject, refusal.next_step) == (
        "cp2",
        "make that a link there: mkdir -p /srv/pki && ln -s /srv/pki /etc/kubernetes/pki",
    )


def test_usages_and_places_are_compared_too() -> None:
    """A certificate for the wrong purpose is not as asked for; one for all of them, and other spellings of a place, are."""
    good = whole("cp1")
    path = "pki/apiserver.crt"
    for usages, differs in ((("clientAuth",), True), (("serverAuth", "clientAuth"), False), ((), False)):
        told = planned(changed(good, path, usages=usages), whole("cp2"))
        assert bool(told.refusals) is differs
    [wrong] = planned(changed(good, path, usages=("clientAuth",)), whole("cp2")).refusals
    assert wrong.problem == "it is good for clientAuth, not for serverAuth"
    for spelt in ("https://API.Example.ORG:6443", "https://api.example.org:6443/"):
        configs = tuple(
            one.model_copy(update={"server": spelt}) if one.path.endswith("/admin.conf") else one
            for one in good.kubeconfigs
        )
        assert planned(good.model_copy(update={"kubeconfigs": configs}), whole("cp2")).refusals == ()
    configs = tuple(one.model_copy(update={"server": "nowhere"}) for one in good.kubeconfigs)
    assert planned(good.model_copy(update={"kubeconfigs": configs}), whole("cp2")).refusals


def test_a_pair_of_which_one_half_is_kubeadms_is_not_made() -> None:
    """The static pod that is there would have a certificate and a key that do not match."""
    lacking = whole("cp1", without="pki/apiserver.crt", split_pairs={"apiserver": "it has another key"})
    [told] = [one for one in refusals(planned(lacking, whole("cp2"))) if "another key" in one]
    assert told.startswith("cp1: apiserver: it has another key: after that")
