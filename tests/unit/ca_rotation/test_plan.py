"""A stage of a rotation: what may come next, what is done on each node, and what the API is to hand out."""

from datetime import timedelta
from itertools import product
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.ca_rotation.models import Stage
from tasks.ca_rotation.policy.trust import AFTER, FROM, readers_of
from tasks.ca_rotation.summary import summarize_ca_rotation_plan, way_back
from tasks.certificates.models.authorities import FILES, State
from tasks.certificates.models.kubeadm import LEAVES
from tasks.core.commands import TO_DO_IT
from tasks.core.models.kubeadm import Authority
from tests.facts.ca import (
    CLUSTER,
    ETCD,
    FRONT,
    LATER,
    MACHINES,
    NEW,
    OLD,
    READ,
    SURE,
    cautions,
    facts,
    ids,
    machine,
    planned,
    refusals,
)
from tests.facts.certificates import FOLDER, NOW, STARTED, changed

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
        assert summarize_ca_rotation_plan(plan) == (f"nothing to do: {stage} of {authority} is finished on every node",)


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
        (
            Stage.TRUST_BOTH,
            State.NEW_SIGNS,
            "the new one signs already: this stage reverts that, and the old one signs again",
        ),
        (
            Stage.SIGN_WITH_NEW,
            State.ONLY_NEW,
            "the old CA is already dropped: this stage makes nodes trust it again",
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
        (
            {"trusts": {"cp1": {"signs_by": "/etc/kubernetes/pki/ca.crt"}}},
            "kube-controller-manager signs with another file",
        ),
        ({"trusts": {"cp1": {"signing": (NEW,)}}}, "kube-controller-manager signs with another file"),
        (
            {"nodes": {"cp1": changed(machine("cp1", CLUSTER, State.BOTH), "ca", written_at=LATER)}},
            "kube-apiserver has not read its files; kube-controller-manager has not read its files",
        ),
        ({"trusts": {"w1": {"trusted_since": LATER}}}, "its kubelet has not read its files"),
        (
            {"nodes": {"w1": machine("w1", CLUSTER, State.ONLY_OLD)}},
            "/etc/kubernetes/kubelet.conf trusts something else",
        ),
    ],
)
def test_a_node_with_the_right_files_may_not_be_done(change: dict[str, Any], why: str) -> None:
    """It runs since before, or a kubeconfig was forgotten."""
    plan = planned(facts(CLUSTER, State.BOTH, **change), Stage.TRUST_BOTH)
    [step] = [one for one in plan.steps if one.subject in MACHINES]
    assert step.reason == why


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
        "trust the old and the new CA; restart kube-apiserver, kube-controller-manager, kube-scheduler",
        "trust the old and the new CA; restart kubelet",
    ]
    assert summarize_ca_rotation_plan(plan) == (
        "nothing was done: this is the plan of trust-both of ca for cp2, cp3, cp1, w1, w2, API",
        TO_DO_IT,
    )
    assert "is safe" in way_back("prod", plan)
    for stage, before in ((Stage.SIGN_WITH_NEW, "trust-both"), (Stage.DROP_OLD, "sign-with-new")):
        told = way_back("prod", plan.model_copy(update={"stage": stage}))
        assert told == f"kube-runbooks run ca-rotation prod ca {before}"
    assert READ < STARTED
    assert FOLDER == "/etc/kubernetes"
