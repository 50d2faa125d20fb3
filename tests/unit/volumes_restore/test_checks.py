"""What the checks of the profile say about restored data."""

import pytest

from tasks.volumes.probes.hooks import Ended
from tasks.volumes_restore.models.checks import Checked, CheckRun
from tasks.volumes_restore.models.done import KeptVolumes, NewVolumes, Started, VolumeProof
from tasks.volumes_restore.models.options import VolumeRestoreOptions
from tasks.volumes_restore.policy.checks import checks_of, failures_of, problem_of, why_not_run
from tasks.volumes_restore.policy.plan import plan_volume_restore
from tasks.volumes_restore.summary import summarize_volume_restore
from tests.facts.volumes import CHECK, POD
from tests.facts.volumes_restore import USER, facts, found

PASSED = CheckRun(check="sums", pod="shop/db-0", container="main")
FAILED = PASSED.model_copy(update={"pod": "shop/db-1", "problem": "it ended with status 1"})
SWITCH = VolumeRestoreOptions(switch=True)


def test_the_plan_says_which_check_runs_and_how_it_ends_before_the_restore() -> None:
    """One that succeeds is only a step; one that fails, or fits no pod, is a caution."""
    plan = plan_volume_restore(facts(users=(USER,), checks=(CHECK,), checked=Checked(runs=(PASSED,))), SWITCH)
    assert (plan.steps[-1].subject, plan.cautions) == ("check shop/sums", ())
    assert plan.steps[-1].act == (
        "when the pods are ready, run `sha256sum --check /data/SHA256SUMS` in the container main of each pod in shop with app=db "
        "that uses a restored claim"
    )
    before = Checked(runs=(PASSED, FAILED), unused=("other",))
    plan = plan_volume_restore(facts(users=(USER,), checks=(CHECK,), checked=before), SWITCH)
    assert [(one.subject, one.problem) for one in plan.cautions] == [
        ("shop/db-1", "the check sums in shop/db-1 main fails before the restore too: it ended with status 1"),
        ("check other", "no pod that fits it uses a claim of this restore now, so it is not seen to succeed before"),
    ]
    done = plan_volume_restore(facts(found(finished=True), checks=(CHECK,)), SWITCH)
    assert done.steps == ()


def test_checks_are_those_of_the_namespaces_of_the_claims() -> None:
    """A check of another namespace says nothing."""
    other = CHECK.model_copy(update={"name": "other", "namespace": "bank"})
    assert checks_of((CHECK, other), {"shop/data-db-0"}) == [CHECK]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, ""),
        ({"containers": ("db",)}, "the pod has no container main, it has db"),
        ({"container_id": ""}, "the container does not run (phase Running)"),
        ({"container_id": "", "phase": ""}, "the container does not run (phase unknown)"),
        ({"problem": "w1: no connection"}, "w1: no connection"),
    ],
)
def test_a_check_needs_a_container_that_runs(changes: dict[str, object], why: str) -> None:
    """A pod that is not ready may run one: its data is what is asked for."""
    assert why_not_run(POD.model_copy(update=changes)) == why


@pytest.mark.parametrize(
    ("ended", "problem"),
    [
        (Ended.PASSED, ""),
        (Ended.GONE, "the container does not run any more"),
        ("status 1", "it ended with status 1"),
        ("", "its node says nothing of its end"),
    ],
    ids=["passed", "gone", "failed", "silent"],
)
def test_only_a_success_is_one(ended: Ended | str, problem: str) -> None:
    """Whatever else a node says is none."""
    assert problem_of(ended) == problem


def test_what_fails_or_is_not_run_proves_nothing() -> None:
    """All of it is named at once. Without a workload there is no pod to check, which the report says."""
    assert failures_of(Checked(runs=(PASSED,)), has_pods=True) == []
    assert failures_of(Checked(runs=(PASSED, FAILED), unused=("other",)), has_pods=True) == [
        "the check sums in shop/db-1 main: it ended with status 1",
        "the check other fits no pod that uses a restored claim",
    ]
    alone = Checked(unused=("other",))
    assert failures_of(alone, has_pods=False) == []
    text = summarize_volume_restore(
        plan_volume_restore(facts(), SWITCH), NewVolumes(), KeptVolumes(), Started(), VolumeProof(checked=alone)
    )
    assert "data NOT proven: the check other fits no pod that uses a restored claim" in text
