"""What is in the way of a stage of a rotation, and the next step."""

from datetime import timedelta
from typing import Any

import pytest

from tasks.ca_rotation.models import Half, Stage
from tasks.cert_rotation.models.rotation import OnNode, RotationRecord
from tasks.cert_rotation.policy.records import taken_from
from tasks.certificates.models.authorities import State
from tasks.certificates.models.inventory import Certificate, Kind, NodeCertificates
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
from tests.facts.certificates import NOW, changed


def spoilt(name: str, state: State, **changes: Any) -> dict[str, NodeCertificates]:  # noqa: ANN401
    """One node of that state with something else about it."""
    return {name: machine(name, CLUSTER, state).model_copy(update=changes)}


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
        ({"trusts": {"cp2": {"trusted": ()}}}, "cp2: there is no pki/ca.crt"),
        ({"trusts": {"cp2": {"signs": ""}}}, "cp2: the key of pki/ca.crt is not there"),
        (
            {"trusts": {"cp2": {"flags": {"kube-apiserver --client-ca-file": "/etc/other.crt"}}}},
            "cp2: kube-apiserver --client-ca-file is /etc/other.crt, kubeadm has pki/ca.crt",
        ),
        ({"trusts": {"w1": {"trusted": (STRANGE,)}}}, "w1: it is foreign: trust-both goes on from only-old"),
        ({"trusts": {"cp2": {"signs": "4" * 64}}}, "cp2: it is foreign: trust-both goes on from only-old"),
    ],
)
def test_what_is_in_the_way_of_any_stage(change: dict[str, Any], told: str) -> None:
    """Before anything is touched."""
    assert any(line.startswith(told) for line in refusals(planned(facts(**change), Stage.TRUST_BOTH)))


def test_every_node_has_to_follow() -> None:
    """One that is not Ready cannot, one that the profile does not know would be cut off, one alone stops its API."""
    nodes = tuple(
        KubeNode(name=name, ready=name != "w1", ready_message="gone", kubelet="1") for name in (*MACHINES, "w9")
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
    told = "cp1: the only control plane node: the API is away for a minute or two"
    assert told in refusals(planned(one, Stage.TRUST_BOTH))
    assert told not in refusals(planned(one, Stage.TRUST_BOTH, allow_downtime=True))
    none = facts(nodes={name: machine("w2", CLUSTER, State.ONLY_OLD) for name in MACHINES[:3]})
    assert "nodes: no node of the profile is a control plane node that answers" in refusals(
        planned(none, Stage.TRUST_BOTH)
    )


def test_what_a_dead_run_was_at_work_on_is_in_nobodys_way() -> None:
    """Its static pods may be away: the run that goes on brings them back."""
    ill = (etcd_facts.unreached("cp2").model_copy(update={"node": "cp2"}),)
    nodes = tuple(KubeNode(name=name, ready=name != "cp2", ready_message="gone", kubelet="1") for name in MACHINES)
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
        for one in planned(facts(ETCD, trusts={"cp1": {"trusted": ()}}), Stage.TRUST_BOTH).refusals
        if one.problem == "there is no pki/etcd/ca.crt"
    ]
    assert told == "an external etcd is rotated where it is"


ONE = ids(State.ONLY_OLD)


@pytest.mark.parametrize(
    ("authority", "change", "told"),
    [
        (CLUSTER, {"api": {"cluster_info": ONE}}, "cluster-info: nodes that join are not told both"),
        (CLUSTER, {"api": {"clients": ONE}}, "extension-apiserver-authentication: aggregated APIs are not told both"),
        (
            FRONT,
            {"api": {"front_proxies": ONE}},
            "extension-apiserver-authentication: aggregated APIs are not told both",
        ),
        (CLUSTER, {"api": {"root_cas": {"shop": ONE}}}, "kube-root-ca.crt: it has not both yet in shop"),
        (CLUSTER, {"api": {"worker": ONE}}, "kubernetes.kubeconfig: the worker's own kubeconfig does not believe both"),
        (
            CLUSTER,
            {"api": {"old_pods": ("shop/a", "shop/b")}},
            "pods: 2 pods were started before both were handed out: shop/a, shop/b",
        ),
        (
            CLUSTER,
            {"nodes": {"w1": machine("w1", CLUSTER, State.ONLY_OLD)}},
            "w1: /etc/kubernetes/kubelet.conf: it does not believe both",
        ),
        (
            CLUSTER,
            {"trusts": {"w1": {"trusted_since": LATER}}},
            "w1: its kubelet has not read what it is to believe",
        ),
        (
            ETCD,
            {"nodes": {"cp2": changed(machine("cp2", ETCD, State.BOTH), "etcd-ca", written_at=LATER)}},
            "cp2: etcd has not read what it is to believe",
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
            "cp2: the new key has signed tokens for 3.0 h, options.token_age is 1 day, 0:00:00",
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
