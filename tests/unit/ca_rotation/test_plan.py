"""A stage of a rotation of an authority: where nodes stand, what may come next, what is done on each, and what is in the way."""

from datetime import timedelta
from itertools import product
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.ca_rotation.models import CaRotationFacts, CaRotationOptions, CaRotationPlan, Half, Stage
from tasks.ca_rotation.policy.plan import plan_ca_rotation
from tasks.ca_rotation.policy.trust import AFTER, BEFORE, FROM, halves_of, readers_of, state_of
from tasks.ca_rotation.summary import summarize_ca_rotation_plan, way_back
from tasks.cert_rotation.models.rotation import OnNode, RotationRecord
from tasks.cert_rotation.policy.records import taken_from
from tasks.certificates.models.authorities import FILES, State
from tasks.certificates.models.inventory import Certificate, Kind, NodeCertificates
from tasks.certificates.models.kubeadm import LEAVES
from tasks.core.models.etcd import EtcdFacts
from tasks.core.models.kubeadm import Authority
from tasks.core.models.profile import CertificateRules
from tasks.nodes.models.nodes import KubeNode
from tests.facts import etcd as etcd_facts
from tests.facts.ca import MACHINES, NEW, OLD, READ, facts, ids, machine, trust
from tests.facts.certificates import FOLDER, NOW, STARTED, changed

CLUSTER, ETCD, FRONT, SA = Authority.CLUSTER, Authority.ETCD, Authority.FRONT_PROXY, Authority.SERVICE_ACCOUNTS
STRANGE = Half(id="x" * 64, public_key="3" * 64)
LATER = STARTED + timedelta(hours=1)
SURE = {"old_clients_gone": True}


def planned(found: CaRotationFacts, stage: Stage, **options: Any) -> CaRotationPlan:  # noqa: ANN401
    """By the rules of a profile that says nothing of certificates."""
    return plan_ca_rotation(found, stage, CaRotationOptions(**options), CertificateRules(), now=NOW)


def refusals(plan: CaRotationPlan) -> list[str]:
    """Subject and problem."""
    return [f"{one.subject}: {one.problem}" for one in plan.refusals]


def cautions(plan: CaRotationPlan) -> list[str]:
    """Subject and problem."""
    return [f"{one.subject}: {one.problem}" for one in plan.cautions]


# --- where a node stands


@pytest.mark.parametrize(
    ("trusted", "signs", "state"),
    [
        ((OLD,), OLD, State.ONLY_OLD),
        ((OLD, NEW), OLD, State.BOTH),
        ((NEW, OLD), NEW, State.NEW_SIGNS),
        ((NEW,), NEW, State.ONLY_NEW),
        ((NEW, OLD), OLD, State.BETWEEN),
        ((OLD, NEW), NEW, State.BETWEEN),
        ((OLD,), NEW, State.BROKEN),
        ((NEW,), OLD, State.BROKEN),
        ((), OLD, State.FOREIGN),
        ((OLD, STRANGE), OLD, State.FOREIGN),
        ((OLD, NEW), STRANGE, State.FOREIGN),
        ((OLD,), None, State.ONLY_OLD),
        ((OLD, NEW), None, State.BOTH),
        ((NEW, OLD), None, State.NEW_SIGNS),
        ((NEW,), None, State.ONLY_NEW),
    ],
)
def test_what_is_believed_and_what_signs_make_a_state(
    trusted: tuple[Half, ...], signs: Half | None, state: State
) -> None:
    """A worker signs nothing: what it believes first says the same."""
    node = trust("cp1", CLUSTER, State.BOTH, trusted=trusted, signs=signs.public_key if signs else "")
    assert state_of(node, OLD, NEW) is state


@given(st.lists(st.sampled_from([OLD, NEW]), min_size=1, max_size=2, unique=True), st.sampled_from([OLD, NEW]))
def test_a_node_is_never_said_to_be_well_when_it_signs_with_what_it_does_not_believe(
    trusted: list[Half], signs: Half
) -> None:
    """Whatever the order."""
    node = trust("cp1", CLUSTER, State.BOTH, trusted=tuple(trusted), signs=signs.public_key)
    state = state_of(node, OLD, NEW)
    assert (state is State.BROKEN) is (signs not in trusted)
    if state in FILES:
        files = FILES[state]
        assert [{"old": OLD, "new": NEW}[half] for half in files.trusted] == trusted
        assert files.trusted[0] == files.signs


def test_before_a_rotation_what_is_believed_is_the_old_one() -> None:
    """Once it has begun, what was laid down is; without a node that can be asked nothing is known."""
    before = [trust("cp1", CLUSTER, State.ONLY_OLD), trust("cp2", CLUSTER, State.ONLY_OLD)]
    assert halves_of(before) == (OLD, None)
    assert state_of(before[0], OLD, None) is State.ONLY_OLD
    begun = [trust("cp1", CLUSTER, State.ONLY_OLD), trust("cp2", CLUSTER, State.ONLY_NEW)]
    assert halves_of(begun) == (OLD, NEW)
    assert halves_of([]) == (None, None)


def test_stages_lead_from_one_state_to_the_next_and_back() -> None:
    """Each begins where the one before ended, and the one before takes it back."""
    for stage, before in BEFORE.items():
        assert AFTER[stage] in FROM[stage]
        if before:
            assert AFTER[before] in FROM[stage]
            assert AFTER[stage] in FROM[before]
    assert State.BROKEN not in {state for states in FROM.values() for state in states}


def test_what_reads_an_authority_is_restarted_in_order() -> None:
    """The scheduler believes by its kubeconfig."""
    assert readers_of(CLUSTER) == ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
    assert readers_of(ETCD) == ("etcd", "kube-apiserver")
    assert readers_of(FRONT) == readers_of(SA) == ("kube-apiserver", "kube-controller-manager")


# --- each stage in its turn


TURNS = [(Stage.TRUST_BOTH, State.ONLY_OLD), (Stage.SIGN_WITH_NEW, State.BOTH), (Stage.DROP_OLD, State.NEW_SIGNS)]


@pytest.mark.parametrize(("turn", "authority"), list(product(TURNS, Authority)))
def test_each_stage_follows_the_one_before(turn: tuple[Stage, State], authority: Authority) -> None:
    """On all control planes, the leader of etcd last; of the cluster's authority also on workers."""
    stage, state = turn
    plan = planned(facts(authority, state), stage, **SURE)
    assert plan.refusals == ()
    names = ["cp2", "cp3", "cp1"]
    assert [node.name for node in plan.control_plane] == names
    assert [node.name for node in plan.workers] == (["w1", "w2"] if authority is CLUSTER else [])
    assert plan.machines == tuple(names)
    for node in plan.control_plane:
        assert node.state is state
        assert node.rotation.restarts == readers_of(authority)
        own = {leaf for leaf, made in LEAVES.items() if made.authority == authority}
        assert set(node.rotation.leaves) == (own if stage is Stage.SIGN_WITH_NEW else set())
        assert bool(node.rotation.configuration) is bool(node.rotation.leaves)
        assert node.kubelet is (stage is Stage.SIGN_WITH_NEW and authority is CLUSTER)


@pytest.mark.parametrize(("stage", "authority"), list(product(Stage, Authority)))
def test_a_stage_that_has_come_to_its_end_has_nothing_to_do(stage: Stage, authority: Authority) -> None:
    """Each node is a skip; after the last one, the halves are put away."""
    plan = planned(facts(authority, AFTER[stage]), stage, **SURE)
    assert plan.nodes == ()
    assert {skip.reason for skip in plan.skips} == {f"it is {AFTER[stage]}"}
    names = MACHINES if authority is CLUSTER else MACHINES[:3]
    assert set(plan.puts_away) == (set(names) if stage is Stage.DROP_OLD else set())
    assert [step.act for step in plan.steps] == ["put the halves away"] * len(plan.puts_away)
    if not plan.steps:
        assert summarize_ca_rotation_plan(plan) == (
            f"nothing to do: {stage} of {authority} has come to its end on every node",
        )


@pytest.mark.parametrize(("stage", "state"), list(product(Stage, list(FILES))))
def test_no_stage_is_left_out(stage: Stage, state: State) -> None:
    """Whatever state all nodes are in, a stage begins where it may and nowhere else."""
    told = refusals(planned(facts(CLUSTER, state), stage, **SURE))
    wrong = [line for line in told if "goes on from" in line]
    assert len(wrong) == (0 if state in FROM[stage] else len(MACHINES))


@settings(deadline=None, max_examples=30)
@given(st.lists(st.sampled_from(list(FILES)), min_size=5, max_size=5), st.sampled_from(list(Stage)))
def test_a_node_that_is_left_out_stops_the_stage(states: list[State], stage: Stage) -> None:
    """One alone that is not where the stage goes on from."""
    at = dict(zip(MACHINES, states, strict=True))
    plan = planned(facts(CLUSTER, states[0], states=at, trusts={"cp1": {"old": OLD, "new": NEW}}), stage, **SURE)
    stopped = {one.subject for one in plan.refusals if "goes on from" in one.problem}
    assert stopped == {name for name, state in at.items() if state not in FROM[stage]}


def test_what_was_begun_is_gone_on_with() -> None:
    """One node done, one cut off in the middle: the others follow, whatever their pods were started with."""
    found = facts(
        CLUSTER,
        State.BOTH,
        states={"cp2": State.NEW_SIGNS},
        trusts={"cp3": {"trusted": (NEW, OLD), "trusted_since": LATER}},
        api={"old_pods": ("shop/a",)},
    )
    plan = planned(found, Stage.SIGN_WITH_NEW)
    assert plan.refusals == ()
    assert [(node.name, node.state) for node in plan.control_plane] == [
        ("cp3", State.BETWEEN),
        ("cp1", State.BOTH),
    ]


@pytest.mark.parametrize(
    ("stage", "state", "told"),
    [
        (Stage.TRUST_BOTH, State.NEW_SIGNS, "the new one signs already: this takes it back, the old one signs again"),
        (
            Stage.SIGN_WITH_NEW,
            State.ONLY_NEW,
            "the old one is dropped already: this takes it back, it is believed again",
        ),
    ],
)
def test_the_stage_before_is_the_way_back(stage: Stage, state: State, told: str) -> None:
    """Without its gates: what it goes back to was proven before. What the new one has signed is signed by the old one again."""
    plan = planned(facts(CLUSTER, state), stage)
    assert plan.refusals == ()
    assert f"ca: {told}" in cautions(plan)
    assert len(plan.nodes) == len(MACHINES)
    leaves = {leaf for node in plan.control_plane for leaf in node.rotation.leaves}
    assert bool(leaves) is (stage is Stage.TRUST_BOTH)


def test_the_configuration_for_kubeadm_does_not_shorten_what_the_new_one_signs() -> None:
    """The old one may be near its end: that is why it is rotated."""
    short = {
        name: changed(machine(name, CLUSTER, State.BOTH), "ca", not_after=NOW + timedelta(days=9))
        for name in MACHINES[:3]
    }
    plan = planned(facts(CLUSTER, State.BOTH, nodes=short), Stage.SIGN_WITH_NEW)
    for node in plan.control_plane:
        [_, cluster] = yaml.safe_load_all(node.rotation.configuration)
        assert cluster["certificateValidityPeriod"] == "8760h0m0s"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"trusts": {"cp1": {"flags": {}}}}, "kube-controller-manager signs with another file"),
        ({"trusts": {"cp1": {"signing": (NEW,)}}}, "kube-controller-manager signs with another file"),
        (
            {"nodes": {"cp1": changed(machine("cp1", CLUSTER, State.BOTH), "ca", written_at=LATER)}},
            "kube-apiserver has not read its files; kube-controller-manager has not read its files",
        ),
        ({"trusts": {"w1": {"trusted_since": LATER}}}, "its kubelet has not read its files"),
        (
            {"nodes": {"w1": machine("w1", CLUSTER, State.ONLY_OLD)}},
            "/etc/kubernetes/kubelet.conf believes something else",
        ),
    ],
)
def test_a_node_with_the_right_files_may_not_be_done(change: dict[str, Any], why: str) -> None:
    """It runs since before, or a kubeconfig was forgotten."""
    plan = planned(facts(CLUSTER, State.BOTH, **change), Stage.TRUST_BOTH)
    [step] = [one for one in plan.steps if one.subject in MACHINES]
    assert step.reason == why


# --- what is in the way


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


# --- what the API hands out


@pytest.mark.parametrize(
    ("authority", "stage", "state", "api", "steps"),
    [
        (CLUSTER, Stage.TRUST_BOTH, State.ONLY_OLD, {}, 1),
        (CLUSTER, Stage.TRUST_BOTH, State.ONLY_OLD, {"joinable": False}, 0),
        (CLUSTER, Stage.SIGN_WITH_NEW, State.BOTH, {}, 0),
        (CLUSTER, Stage.DROP_OLD, State.NEW_SIGNS, {}, 2),
        (CLUSTER, Stage.DROP_OLD, State.ONLY_NEW, {}, 0),
        (FRONT, Stage.DROP_OLD, State.NEW_SIGNS, {}, 1),
        (FRONT, Stage.DROP_OLD, State.NEW_SIGNS, {"front_proxies": ids(State.ONLY_NEW)}, 0),
        (ETCD, Stage.DROP_OLD, State.NEW_SIGNS, {}, 0),
    ],
)
def test_what_nobody_else_changes_is_a_step(
    authority: Authority, stage: Stage, state: State, api: dict[str, Any], steps: int
) -> None:
    """cluster-info always; what API servers only ever add to, in the end."""
    plan = planned(facts(authority, state, api=api), stage, **SURE)
    assert len([step for step in plan.steps if step.subject == "API"]) == steps


def test_words_of_a_plan() -> None:
    """What is done where, and the way back of each stage."""
    plan = planned(facts(), Stage.TRUST_BOTH)
    assert [step.act for step in plan.steps[2:4]] == [
        "believe the old and the new one; kube-apiserver, kube-controller-manager, kube-scheduler anew",
        "believe the old and the new one; kubelet anew",
    ]
    assert summarize_ca_rotation_plan(plan) == (
        "nothing was done: this is the plan of trust-both of ca for cp2, cp3, cp1, w1, w2, API",
    )
    assert "harms nobody" in way_back("prod", plan)
    for stage, before in ((Stage.SIGN_WITH_NEW, "trust-both"), (Stage.DROP_OLD, "sign-with-new")):
        told = way_back("prod", plan.model_copy(update={"stage": stage}))
        assert (
            told == f"prefect deployment run ca_rotation/ca-rotation -p cluster=prod -p authority=ca -p stage={before}"
        )
    assert READ < STARTED
    assert FOLDER == "/etc/kubernetes"
