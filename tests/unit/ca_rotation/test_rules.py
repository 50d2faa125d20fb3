"""What is in the way of a stage of a rotation, and the next step."""

from datetime import timedelta
from typing import Any

import pytest

from tasks.ca_rotation.models import CaFiles, Half, Stage
from tasks.cert_rotation.models.rotation import OnNode, RotationRecord
from tasks.cert_rotation.policy.records import taken_from
from tasks.certificates.models.authorities import State
from tasks.certificates.models.inventory import Certificate, Kind, Kubeconfig, NodeCertificates, Owner
from tasks.core.models.etcd import EtcdFacts
from tasks.core.models.kubeadm import Authority
from tasks.nodes.models.nodes import KubeNode
from tests.facts import etcd as etcd_facts
from tests.facts.ca import (
    CLUSTER,
    ETCD,
    FRONT,
    LATER,
    MACHINES,
    NEW,
    OLD,
    SA,
    STRANGE,
    SURE,
    cautions,
    facts,
    ids,
    machine,
    planned,
    refusals,
)
from tests.facts.certificates import NOW, certificate, changed


def spoilt(name: str, state: State, **changes: Any) -> dict[str, NodeCertificates]:  # noqa: ANN401
    """One node of that state with something else about it."""
    return {name: machine(name, CLUSTER, state).model_copy(update=changes)}


def lacking(name: str, leaf: str) -> dict[str, NodeCertificates]:
    """One node on which a certificate is not found."""
    found = machine(name, CLUSTER, State.ONLY_OLD)
    return spoilt(name, State.ONLY_OLD, certificates=tuple(one for one in found.certificates if one.name != leaf))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"rotation": {"api_problem": "refused"}}, "API: it cannot be used: refused"),
        ({"rotation": {"gates": ("closed",)}}, "gates: closed"),
        ({"rotation": {"etcd_problem": "no route", "etcd": None}}, "etcd: its members are not known: no route"),
        (
            {
                "rotation": {
                    "left": (OnNode(node="w1"), OnNode(node="cp1", unreadable="record.json cannot be understood"))
                }
            },
            "cp1: record.json cannot be understood",
        ),
        ({"nodes": spoilt("w2", State.ONLY_OLD, unreached="no route")}, "nodes: not reached: w2: no route"),
        ({"nodes": spoilt("cp2", State.ONLY_OLD, openssl=False)}, "cp2: it has no openssl: nothing could be proven"),
        ({"trusts": {"cp2": {"unreached": "gone"}}}, "cp2: gone"),
        ({"trusts": {"w2": {"problems": ("/srv/pki/ca.crt is not there",)}}}, "w2: /srv/pki/ca.crt is not there"),
        (
            {"nodes": spoilt("cp2", State.ONLY_OLD, problems=("kube-scheduler: its configuration /x is not there",))},
            "cp2: kube-scheduler: its configuration /x is not there",
        ),
        (
            {"rotation": {"left": (OnNode(node="cp2", unasked="cp2: ended with status 1: disk"),)}},
            "cp2: what an earlier run has left there is not known: cp2: ended with status 1: disk",
        ),
        (
            {"trusts": {"cp2": {"files": CaFiles(trust="/srv/pki/ca.crt")}}},
            "cp2: no flag names a key of /srv/pki/ca.crt: it is an external CA",
        ),
        ({"nodes": lacking("cp2", "apiserver")}, "cp2: apiserver: its certificate is not found: who has signed it"),
        (
            {"nodes": {"cp2": changed(machine("cp2", CLUSTER, State.ONLY_OLD), "apiserver", problem="not PEM")}},
            "cp2: apiserver: not PEM: who has signed it is not known",
        ),
        (
            {"nodes": {"w1": changed(machine("w1", CLUSTER, State.ONLY_OLD), "kubelet-client", signer="")}},
            "w1: kubelet-client: it is signed by neither the old nor the new one",
        ),
        ({"nodes": spoilt("w1", State.ONLY_OLD, processes=())}, "w1: its kubelet is not seen to run"),
        (
            {"nodes": spoilt("w1", State.ONLY_OLD, kubeconfigs=())},
            "w1: /etc/kubernetes/kubelet.conf, the kubeconfig of its kubelet, is not found",
        ),
        (
            {"nodes": spoilt("w1", State.ONLY_OLD, kubeconfigs=(Kubeconfig(path="/x/kubelet.conf"),))},
            "w1: /x/kubelet.conf: it contains no CA",
        ),
        (
            {"api": {"root_cas": {"shop": (NEW.id,)}}},
            "kube-root-ca.crt: it has not the CA of the control plane nodes in shop",
        ),
        ({"api": {"rootless": ("shop",)}}, "kube-root-ca.crt: there is none in shop"),
        ({"api": {"clients": ()}}, "extension-apiserver-authentication: API servers have not written there what they"),
        (
            {"rotation": {"nodes": tuple(KubeNode(name=one, ready=True, kubelet="1") for one in MACHINES)}},
            "w1: its kubelet renews no Lease in kube-node-lease",
        ),
        ({"trusts": {"w1": {"trusted": (STRANGE,)}}}, "w1: it is foreign: trust-both goes on from only-old"),
        ({"trusts": {"cp2": {"signs": ""}}}, "cp2: it is broken: trust-both goes on from only-old"),
        ({"trusts": {"cp2": {"signs": "4" * 64}}}, "cp2: it is foreign: trust-both goes on from only-old"),
    ],
)
def test_what_is_in_the_way_of_any_stage(change: dict[str, Any], told: str) -> None:
    """Before anything is touched."""
    assert any(line.startswith(told) for line in refusals(planned(facts(**change), Stage.TRUST_BOTH)))


def test_every_node_has_to_follow() -> None:
    """One that is not Ready cannot, one that the profile does not know would be cut off, one alone stops its API."""
    nodes = tuple(
        KubeNode(name=name, ready=name != "w1", ready_message="gone", kubelet="1", heartbeat=NOW)
        for name in (*MACHINES, "w9")
    )
    ill = tuple(etcd_facts.unreached(name) for name in MACHINES[:1])
    found = facts(rotation={"nodes": nodes, "etcd": EtcdFacts(cluster_id="c", observed_at=NOW, members=ill)})
    assert refusals(planned(found, Stage.TRUST_BOTH))[:3] == [
        "nodes: the cluster has nodes that the profile has not: w9",
        "w1: it is not Ready: gone",
        "cp1: connection refused",
    ]
    one = facts(
        nodes={
            name: machine("w2", CLUSTER, State.ONLY_OLD).model_copy(update={"name": name}) for name in ("cp2", "cp3")
        }
    )
    told = "cp1: the only control plane node: the API does not answer for a minute or two"
    assert told in refusals(planned(one, Stage.TRUST_BOTH))
    assert told not in refusals(planned(one, Stage.TRUST_BOTH, allow_downtime=True))
    none = facts(nodes={name: machine("w2", CLUSTER, State.ONLY_OLD) for name in MACHINES[:3]})
    assert "nodes: no node of the profile is a control plane node that answers" in refusals(
        planned(none, Stage.TRUST_BOTH)
    )


def test_what_a_dead_run_was_at_work_on_is_in_nobodys_way() -> None:
    """Its static pods may be away: the run that goes on brings them back."""
    ill = (etcd_facts.unreached("cp2").model_copy(update={"node": "cp2"}),)
    nodes = tuple(
        KubeNode(name=name, ready=name != "cp2", ready_message="gone", kubelet="1", heartbeat=NOW) for name in MACHINES
    )
    etcd = EtcdFacts(cluster_id="c", observed_at=NOW, members=ill)
    found = facts()
    node = next(one for one in found.rotation.inventory.nodes if one.name == "cp2")
    record = RotationRecord(run_id="run-0", begun_at=NOW, runbook="ca_rotation", taken_from=taken_from(node))
    rotation = {"nodes": nodes, "etcd": etcd, "left": (OnNode(node="cp2", record=record),)}
    assert planned(facts(rotation=rotation), Stage.TRUST_BOTH).refusals == ()
    assert len(planned(facts(rotation=rotation | {"left": ()}), Stage.TRUST_BOTH).refusals) == 2
    void = (OnNode(node="cp2", record=record.model_copy(update={"taken_from": None})),)
    assert "cp2: run run-0 of ca_rotation was interrupted there" in "".join(
        refusals(planned(facts(rotation=rotation | {"left": void}), Stage.TRUST_BOTH))
    )


def test_an_external_etcd_is_rotated_elsewhere() -> None:
    """There is no authority of it here."""
    [told] = [
        one.next_step
        for one in planned(
            facts(ETCD, trusts={"cp1": {"problems": ("it has no manifest of etcd",)}}), Stage.TRUST_BOTH
        ).refusals
        if one.problem == "it has no manifest of etcd"
    ]
    assert told == "an external etcd is rotated where it is"


ONE = ids(State.ONLY_OLD)


@pytest.mark.parametrize(
    ("authority", "change", "told"),
    [
        (CLUSTER, {"api": {"cluster_info": ONE}}, "cluster-info: nodes that join do not get both CAs"),
        (CLUSTER, {"api": {"clients": ONE}}, "extension-apiserver-authentication: aggregated APIs do not get both CAs"),
        (
            FRONT,
            {"api": {"front_proxies": ONE}},
            "extension-apiserver-authentication: aggregated APIs do not get both CAs",
        ),
        (CLUSTER, {"api": {"root_cas": {"shop": ONE}}}, "kube-root-ca.crt: it has not both yet in shop"),
        (
            CLUSTER,
            {"api": {"worker": ONE}},
            "kubernetes.kubeconfig: the worker's own kubeconfig does not trust both CAs",
        ),
        (
            CLUSTER,
            {"api": {"old_pods": ("shop/a", "shop/b")}},
            "pods: 2 pods were started before both were handed out: shop/a, shop/b",
        ),
        (
            CLUSTER,
            {"nodes": {"w1": machine("w1", CLUSTER, State.ONLY_OLD)}},
            "w1: /etc/kubernetes/kubelet.conf: it does not trust both CAs",
        ),
        (
            CLUSTER,
            {"trusts": {"w1": {"trusted_since": LATER}}},
            "w1: its kubelet has not read the CAs that it must trust",
        ),
        (
            CLUSTER,
            {"nodes": spoilt("cp2", State.BOTH, processes=())},
            "cp2: kube-apiserver is not seen to run: what it has read is not known",
        ),
        (CLUSTER, {"api": {"rootless": ("shop",)}}, "kube-root-ca.crt: there is none in shop"),
        (
            ETCD,
            {"nodes": {"cp2": changed(machine("cp2", ETCD, State.BOTH), "etcd-ca", written_at=LATER)}},
            "cp2: etcd has not read the CAs that it must trust",
        ),
        (
            CLUSTER,
            {"nodes": spoilt("cp2", State.BOTH, split_pairs={"apiserver": "it has another key"})},
            "cp2: apiserver: it has another key: after that the certificate and the key of the program do not match",
        ),
    ],
)
def test_nothing_is_signed_before_everybody_believes_both(
    authority: Authority, change: dict[str, Any], told: str
) -> None:
    """Who would not believe the new one is named, with the next step."""
    assert told in refusals(planned(facts(authority, State.BOTH, **change), Stage.SIGN_WITH_NEW))


def test_pods_that_read_anew_what_they_believe_are_a_word_away() -> None:
    """Then they are a caution."""
    found = facts(CLUSTER, State.BOTH, api={"old_pods": ("shop/a",), "joinable": False, "cluster_info": ()})
    plan = planned(found, Stage.SIGN_WITH_NEW, old_pods_are_fine=True)
    assert plan.refusals == ()
    assert "pods: 1 pods were started before both were handed out: shop/a" in cautions(plan)


SERVING = Certificate(
    node="w1",
    path="/var/lib/kubelet/pki/kubelet-server-current.pem",
    kind=Kind.SERVING,
    name="kubelet-serving",
    signer=OLD.id,
)


@pytest.mark.parametrize(
    ("authority", "change", "options", "told"),
    [
        (
            CLUSTER,
            {"nodes": {"w1": changed(machine("w1", CLUSTER, State.NEW_SIGNS), "kubelet-client", signer=OLD.id)}},
            SURE,
            "w1: kubelet-client: it is signed by the old one",
        ),
        (
            CLUSTER,
            {
                "nodes": {
                    "w1": machine("w1", CLUSTER, State.NEW_SIGNS).model_copy(
                        update={"certificates": (*machine("w1", CLUSTER, State.NEW_SIGNS).certificates, SERVING)}
                    )
                }
            },
            SURE,
            "w1: /var/lib/kubelet/pki/kubelet-server-current.pem: it is signed by the old one",
        ),
        (
            CLUSTER,
            {},
            {},
            "ca: client certificates of the old one that people and programs outside of the nodes have cannot be seen from here",
        ),
        (
            SA,
            {},
            {},
            "sa: tokens of the old one that people and programs outside of the nodes have cannot be seen from here",
        ),
        (SA, {"api": {"old_tokens": ("shop/ci",)}}, SURE, "secrets: with a token of the old key: shop/ci"),
        (
            SA,
            {"trusts": {"cp2": {"signs_since": NOW - timedelta(hours=3)}}},
            SURE,
            "cp2: the new key has signed tokens for 3 h, --token-age is 1d",
        ),
    ],
)
def test_nothing_is_dropped_that_somebody_still_needs(
    authority: Authority, change: dict[str, Any], options: dict[str, Any], told: str
) -> None:
    """What can be seen is named; what cannot has to be said."""
    assert told in refusals(planned(facts(authority, State.NEW_SIGNS, **change), Stage.DROP_OLD, **options))


@pytest.mark.parametrize(
    ("stage", "state", "bundle", "told", "kind"),
    [
        (Stage.TRUST_BOTH, State.ONLY_OLD, (OLD,), "will need the new one", "caution"),
        (Stage.TRUST_BOTH, State.BOTH, (OLD,), "not the new one", "caution"),
        (Stage.SIGN_WITH_NEW, State.BOTH, (OLD,), "not the new one", "refusal"),
        (Stage.SIGN_WITH_NEW, State.BOTH, (OLD, NEW), "", ""),
        (Stage.DROP_OLD, State.NEW_SIGNS, (OLD, NEW), "still has the old one", "caution"),
        (Stage.DROP_OLD, State.NEW_SIGNS, (STRANGE,), "", ""),
    ],
)
def test_bundles_of_webhooks_and_apis_are_their_owners(
    stage: Stage, state: State, bundle: tuple[Half, ...], told: str, kind: str
) -> None:
    """Told in time, and never changed."""
    found = facts(CLUSTER, state)
    objects = tuple(Certificate(path="hooks/x", kind=Kind.TRUST, fingerprint=half.id) for half in bundle)
    inventory = found.rotation.inventory.model_copy(update={"objects": objects})
    plan = planned(
        found.model_copy(update={"rotation": found.rotation.model_copy(update={"inventory": inventory})}), stage, **SURE
    )
    lines = {"caution": cautions(plan), "refusal": refusals(plan)}
    about = {name: [line for line in some if line.startswith("hooks/x")] for name, some in lines.items()}
    assert {name: len(some) for name, some in about.items()} == {
        name: int(name == kind) for name in ("caution", "refusal")
    }
    assert all(told in line for some in about.values() for line in some)


def test_what_others_keep_copies_of_is_named_and_what_is_not_known_too() -> None:
    """ConfigMaps are their owners'; caBundles that could not be asked for are no caBundles that are fine."""
    found = facts(CLUSTER, State.BOTH, api={"copies": ("shop/ca",)})
    inventory = found.rotation.inventory.model_copy(update={"api_problem": "no answer"})
    found = found.model_copy(update={"rotation": found.rotation.model_copy(update={"inventory": inventory})})
    plan = planned(found, Stage.SIGN_WITH_NEW)
    assert "API: its caBundles are not known: no answer" in refusals(plan)
    assert "ConfigMaps: they have the old one, and not the new one: shop/ca" in cautions(plan)
    assert "API: its caBundles are not known: no answer" in cautions(planned(found, Stage.TRUST_BOTH))


@pytest.mark.parametrize("authority", [CLUSTER, ETCD, FRONT])
def test_secrets_with_the_old_one_alone_are_named(authority: Authority) -> None:
    """A kubeconfig, or what a monitoring asks etcd with: of any CA, in each stage, and never a reason to stop."""
    names = tuple(f"shop/s{number}" for number in range(60))
    for stage, state in (
        (Stage.TRUST_BOTH, State.ONLY_OLD),
        (Stage.SIGN_WITH_NEW, State.BOTH),
        (Stage.DROP_OLD, State.NEW_SIGNS),
    ):
        plan = planned(facts(authority, state, api={"secrets": names}), stage, **SURE)
        (line,) = [one for one in cautions(plan) if one.startswith("Secrets")]
        assert line.startswith("Secrets: they have the old one, and not the new one: shop/s0, ")
        assert line.endswith(" more")
        assert not [one for one in refusals(plan) if one.startswith("Secrets")]


def test_what_the_cluster_writes_beside_a_token_has_the_new_one_first() -> None:
    """Whoever uses such a Secret would not believe an API server with a new certificate."""
    told = "Secrets: 1 with a service account's token have the old one in ca.crt, and not the new one: shop/ci"
    late = {"token_secrets": ("shop/ci",)}
    assert told in refusals(planned(facts(CLUSTER, State.BOTH, api=late), Stage.SIGN_WITH_NEW))
    assert told in refusals(planned(facts(CLUSTER, State.NEW_SIGNS, api=late), Stage.DROP_OLD, **SURE))
    assert planned(facts(CLUSTER, State.ONLY_OLD, api=late), Stage.TRUST_BOTH).refusals == ()


def test_secrets_that_nobody_may_list_are_no_secrets_that_are_fine() -> None:
    """Where a token of the old key would be lost, that is a refusal."""
    told = "Secrets: who has the old one there is not known: GET /api/v1/secrets: 403"
    unread = {"secrets_unread": "GET /api/v1/secrets: 403"}
    assert told in cautions(planned(facts(CLUSTER, State.NEW_SIGNS, api=unread), Stage.DROP_OLD, **SURE))
    assert told in cautions(planned(facts(SA, State.BOTH, api=unread), Stage.SIGN_WITH_NEW))
    assert told in refusals(planned(facts(SA, State.NEW_SIGNS, api=unread), Stage.DROP_OLD, **SURE))


@pytest.mark.parametrize(
    ("api", "told"),
    [
        (
            {"root_cas": {"default": (OLD.id,), "kube-system": (NEW.id,)}},
            "kube-root-ca.crt: it has not the new one in default",
        ),
        ({"worker": (OLD.id,)}, "kubernetes.kubeconfig: the worker's own kubeconfig does not trust the new CA"),
    ],
)
def test_nobody_whom_the_cluster_tells_believes_the_old_one_alone_when_it_is_dropped(
    api: dict[str, Any], told: str
) -> None:
    """It was proven before the new one signed; a namespace, or a kubeconfig, may have come since."""
    assert told in refusals(planned(facts(CLUSTER, State.NEW_SIGNS, api=api), Stage.DROP_OLD, **SURE))
    fine = {"root_cas": {"default": (NEW.id,)}, "worker": (NEW.id, OLD.id)}
    assert planned(facts(CLUSTER, State.NEW_SIGNS, api=fine), Stage.DROP_OLD, **SURE).refusals == ()


def test_a_persons_kubeconfig_with_other_clusters_is_no_step() -> None:
    """Of CAs that are none of ours nothing is asked."""
    node = machine("cp2", CLUSTER, State.BOTH)
    other = Certificate(node="cp2", path="/etc/kubernetes/admin.conf", kind=Kind.TRUST, fingerprint=STRANGE.id)
    found = facts(
        CLUSTER,
        State.BOTH,
        nodes={"cp2": node.model_copy(update={"certificates": (*node.certificates, other)})},
    )
    plan = planned(found, Stage.TRUST_BOTH)
    assert (plan.nodes, plan.refusals) == ((), ())


def test_a_front_proxys_ca_is_handed_out_too() -> None:
    """Before it is rotated."""
    told = refusals(planned(facts(FRONT, api={"front_proxies": ()}), Stage.TRUST_BOTH))
    assert told == ["extension-apiserver-authentication: API servers have not written there what they trust"]


@pytest.mark.parametrize(
    ("stage", "state"),
    [
        (Stage.TRUST_BOTH, State.ONLY_OLD),
        (Stage.SIGN_WITH_NEW, State.BOTH),
        (Stage.DROP_OLD, State.NEW_SIGNS),
    ],
)
@pytest.mark.parametrize("named_by", ["--tls-sni-cert-key of kube-apiserver", ""])
def test_what_the_ca_has_signed_and_kubeadm_has_not_made_is_told(stage: Stage, state: State, named_by: str) -> None:
    """Nobody signs it again; whoever asks for it by that name would not trust it any more."""

    def with_one(signer: str) -> dict[str, NodeCertificates]:
        own = machine("cp1", CLUSTER, state)
        one = certificate("", path="/sni/a.crt", kind=Kind.SERVING, owner=Owner.OTHER, named_by=named_by, signer=signer)
        return {"cp1": own.model_copy(update={"certificates": (*own.certificates, one)})}

    plan = planned(facts(state=state, nodes=with_one(OLD.id)), stage, **SURE)
    named = f" ({named_by})" if named_by else ""
    told = (
        f"cp1: /sni/a.crt: it is signed by the old one, and not kubeadm's{named}: this rotation does not sign it again"
    )
    found = refusals(plan) if stage is Stage.DROP_OLD and named_by else cautions(plan)
    assert any(one.startswith(told) for one in found)
    other = planned(facts(state=state, nodes=with_one(NEW.id)), stage, **SURE)
    assert not any("/sni" in one for one in (*refusals(other), *cautions(other)))
