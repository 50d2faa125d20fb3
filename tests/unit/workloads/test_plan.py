"""The plan of a rollout: what is changed in which order, what is left alone, and what forbids it."""

from typing import Any

import pytest

from tasks.core.models.plan import Plan
from tasks.workloads.models.changes import Change, RolloutOptions
from tasks.workloads.models.rollout import Target
from tasks.workloads.policy.plan import goes_back, plan_rollout, why_it_goes_back
from tasks.workloads.summary import summarize_rollout, summarize_rollout_plan
from tests.facts.workloads import change, request, rollout_facts, rollout_mark, target

IMAGE: dict[str, Any] = {"images": {"main": "web:2"}}


def plan(one: Target | None = None, changed: Change | None = None, **options: Any) -> Plan:  # noqa: ANN401 - fields of the options
    """Of one workload."""
    made = changed or change()
    return plan_rollout(
        rollout_facts(one or target(made.workload)), request(made), RolloutOptions.model_validate(options)
    )


def test_a_step_says_what_why_and_how() -> None:
    """With the difference that the dry run found."""
    (step,) = plan().steps
    assert (step.subject, step.act) == ("shop/deployment/web", "group 1: change the template")
    assert step.reason == (
        "CHG-7: new prices; containers[main].image: web:1 -> web:2; up to 25% more pods, up to 25% fewer"
    )
    assert (plan().cautions, plan().refusals) == ((), ())


def test_groups_go_in_their_order() -> None:
    """Whatever the order of the entries is."""
    changes = (change(group=2, **IMAGE), change("sts/db", restart=True), change("ds/agent", group=3, **IMAGE))
    targets = (target(), target("statefulset/db", diff=(), in_order=True), target("daemonset/agent"))
    found = plan_rollout(rollout_facts(*targets), request(*changes), RolloutOptions())
    assert [step.subject for step in found.steps] == [
        "shop/statefulset/db",
        "shop/deployment/web",
        "shop/daemonset/agent",
    ]
    assert "one pod after the other, the highest number first" in found.steps[0].reason
    assert "up to 25% pods fewer, node by node" in found.steps[2].reason
    assert summarize_rollout_plan(found)[0] == "nothing was done: the plan has 3 workloads"


@pytest.mark.parametrize(
    ("changed", "found", "act", "how"),
    [
        (change(restart=True), {"diff": ()}, "restart the pods", "more pods"),
        (change(replicas=5), {"diff": ()}, "scale from 2 to 5", ""),
        (change(restart=True, replicas=5), {"diff": ()}, "restart the pods, scale from 2 to 5", "more pods"),
        (
            change(env={"A": "1"}),
            {"strategy": "Recreate"},
            "change the template",
            "all pods stop before the new ones start",
        ),
        (change("sts/db", limits={"cpu": "1"}), {}, "change the template", "pods in parallel"),
        (
            change(**IMAGE),
            {"mark": rollout_mark(), "diff": ()},
            "prove what an interrupted run has changed",
            "more pods",
        ),
    ],
)
def test_each_kind_of_change_has_its_words(changed: Change, found: dict[str, Any], act: str, how: str) -> None:
    """And what the controller does."""
    (step,) = plan(target(changed.workload, **found), changed).steps
    assert step.act == f"group 1: {act}"
    assert how in step.reason


@pytest.mark.parametrize("changed", [change(**IMAGE), change(replicas=2)])
def test_what_has_the_change_already_is_skipped(changed: Change) -> None:
    """With the reason."""
    found = plan(target(diff=()), changed)
    assert (found.steps, [skip.reason for skip in found.skips]) == ((), ["it has all of the change already"])
    assert summarize_rollout_plan(found) == (
        "there is nothing to do",
        "shop/deployment/web: it has all of the change already",
    )


@pytest.mark.parametrize(
    ("changed", "found", "problem", "step"),
    [
        (change(), {"exists": False, "has_namespace": False}, "no namespace shop", "kubectl get namespaces"),
        (change(), {"exists": False}, "no workload with this name", "correct workload"),
        (change(), {"deleting": True}, "it is being deleted", "wait until it is gone"),
        (change(images={"x": "y"}), {}, "images: it has no container x", "it has main"),
        (change("ds/agent", replicas=1), {}, "replicas: a DaemonSet has none", "remove replicas"),
        (change(replicas=1), {"scaler": "h"}, "replicas: HorizontalPodAutoscaler h sets them", "edit hpa h"),
        (change(), {"paused": True}, "it is paused: the change would be stored and not rolled out", "rollout resume"),
        (change("sts/db", restart=True), {"strategy": "OnDelete"}, "its strategy is OnDelete", "RollingUpdate"),
        (change(), {"denied": "no"}, "the API refuses the change: no", "or the rights of its user"),
        (change(), {"pod_denied": "violates"}, "the API refuses a pod of the new template: violates", "correct"),
        (
            change(),
            {"pod_denied": "exceeded quota: q", "max_unavailable": "0"},
            "the API refuses a pod of the new template: exceeded quota: q",
            "correct",
        ),
        (change(), {"owner": "Helm", "owner_way": "helm upgrade"}, "Helm owns it", "--override-owner"),
        (
            change(),
            {"mark": rollout_mark(state="undone", why="it crashed")},
            "this run has put it back: it crashed",
            "start a new run",
        ),
    ],
)
def test_what_cannot_be_rolled_out_is_refused(changed: Change, found: dict[str, Any], problem: str, step: str) -> None:
    """With the field or the state, and what to do."""
    (refusal,) = plan(target(changed.workload, **found), changed).refusals
    assert refusal.subject == changed.ref.id
    assert problem in refusal.problem
    assert step in refusal.next_step


@pytest.mark.parametrize(
    ("changed", "found", "problem"),
    [
        (
            change("sts/db", restart=True),
            {"partition": 2},
            "its partition is 2: pods below this number keep the old template",
        ),
        (change(), {"pod_denied": "exceeded quota: q"}, "the API refuses one more pod now: exceeded quota: q"),
        (change("ds/agent", **IMAGE), {"pod_denied": "exceeded quota: q"}, "the API refuses one more pod now"),
        (change(), {"pod_unknown": "webhook"}, "a pod of the new template could not be tried: webhook"),
        (change(), {"problem": "1 of 2 pods"}, "it is not finished before the change: 1 of 2 pods"),
        (change(), {"budgets": ("PodDisruptionBudget shop/web (minAvailable 1)",)}, "a rollout does not respect its"),
        (
            change(),
            {"mark": rollout_mark(run="old")},
            "run old has changed it so, and has not finished: this run resumes it",
        ),
        (
            change(),
            {"mark": rollout_mark(run="old", change="x")},
            "run old has changed it otherwise, and has not finished",
        ),
    ],
)
def test_what_a_person_should_know_is_a_caution(changed: Change, found: dict[str, Any], problem: str) -> None:
    """It does not stop the run."""
    made = plan(target(changed.workload, **found), changed)
    assert made.refusals == ()
    assert [problem in one.problem for one in made.cautions] == [True]


def test_an_owner_may_be_overridden_and_secrets_may_be_left_out() -> None:
    """Both are said."""
    made = plan(target(owner="Helm", owner_way="helm upgrade"), override_owner=True)
    assert (made.refusals, [one.problem for one in made.cautions]) == ((), ["Helm owns it, and may change it back"])
    for keeps, said in ((True, 0), (False, 1)):
        facts = rollout_facts(target(secrets=("tls",)), keeps_secrets=keeps)
        found = plan_rollout(facts, request(), RolloutOptions()).cautions
        assert ["the snapshot does not have its Secrets (tls)" in one.problem for one in found] == [True] * said


@pytest.mark.parametrize(
    "mark", [None, rollout_mark(), rollout_mark(state="done", change="x"), rollout_mark(state="undone", run="old")]
)
def test_a_mark_that_forbids_nothing(mark: Any) -> None:  # noqa: ANN401 - a mark, or none
    """Of this run, of one that has finished, or of one that was put back."""
    assert (plan(target(mark=mark)).refusals, plan(target(mark=mark)).cautions) == ((), ())


def test_another_change_that_is_not_finished_is_not_taken_for_this_one() -> None:
    """It is changed, not only proven."""
    for mark in (rollout_mark(change="x"), rollout_mark(template="of somebody else")):
        made = plan(target(mark=mark))
        assert [step.act for step in made.steps] == ["group 1: change the template"]
        assert ["run 0f1e has changed it otherwise" in one.problem for one in made.cautions] == [True]


def test_what_this_run_has_proven_already_is_not_done_twice() -> None:
    """A restart changes the template each time; another run restarts again."""
    restart = change(restart=True)
    done = rollout_mark(state="done", change=restart.digest)
    assert plan(target(diff=(), mark=done), restart).steps == ()
    assert len(plan(target(diff=(), mark=done.model_copy(update={"run": "old"})), restart).steps) == 1


def test_a_run_that_was_interrupted_while_it_put_back_goes_on_with_that() -> None:
    """What it has not put back yet, in reverse order; it does not roll out again."""
    changes = (change(), change("sts/db", restart=True), change("ds/agent", group=2, restart=True))
    undone = rollout_mark(state="undone", why="it crashed")
    facts = rollout_facts(
        target(mark=rollout_mark(state="done")),
        target("statefulset/db", mark=rollout_mark()),
        target("daemonset/agent", mark=undone),
    )
    assert (goes_back(facts), why_it_goes_back(facts)) == (True, "it crashed")
    made = plan_rollout(facts, request(*changes), RolloutOptions())
    assert [(step.subject, step.act) for step in made.steps] == [
        ("shop/statefulset/db", "put back"),
        ("shop/deployment/web", "put back"),
    ]
    assert not goes_back(rollout_facts(target(mark=undone)))
    assert not goes_back(rollout_facts(target()))


def test_a_plan_that_was_done_has_a_summary() -> None:
    """Without a group, there is nothing to say."""
    assert summarize_rollout(()) == ("0 workloads are rolled out and proven, in 0 groups",)
