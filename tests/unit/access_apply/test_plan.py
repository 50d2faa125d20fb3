"""The plan, the drift and the proof, and what people read of them."""

from typing import Any

import pytest

from tasks.access.models.audit import Judged
from tasks.access_apply.models import Act, Applied, ApplyOptions, Proven
from tasks.access_apply.policy.plan import KEPT, judge_drift, plan_apply, planned
from tasks.access_apply.policy.proof import prove
from tasks.access_apply.summary import summarize_apply, summarize_apply_plan, summarize_drift
from tasks.core.models.findings import Problem, cautioned, refused
from tests.facts.access_apply import change, comparison

CREATED = change(Act.CREATE, "a", "+ get pods")
GONE = change(Act.DELETE, "z", "- get secrets")
CAUTION, REFUSAL = cautioned("User:ada", "DANGER"), refused("Role shop/x", "it is foreign", "rename it")


def cell(wanted: str, *, allowed: bool | None) -> Judged:
    """Of ada."""
    fields: dict[str, Any] = {"subject": "User:ada", "wanted": wanted, "right": "get pods", "namespace": "shop"}
    return Judged(**fields, allowed=allowed)


def test_each_object_that_changes_is_a_step_with_what_it_gives() -> None:
    """And how many stay as they are is a number that no approval depends on."""
    plan = plan_apply(comparison(CREATED, GONE, same=3, cautions=[CAUTION], refusals=[REFUSAL]), ApplyOptions())
    assert [(one.subject, one.act) for one in plan.steps] == [("Role shop/a", "create"), ("Role shop/z", "delete")]
    assert plan.steps[0].reason == "User:ada: it does not exist (+ get pods)"
    assert [(one.subject, one.reason, one.is_passing) for one in plan.skips] == [
        ("unchanged", "3 objects as the policy wants", True)
    ]
    assert (plan.cautions, plan.refusals) == ((CAUTION,), (REFUSAL,))
    plain = CREATED.model_copy(update={"subject": "", "difference": ()})
    assert plan_apply(comparison(plain), ApplyOptions()).steps[0].reason == "it does not exist"


def test_what_is_not_removed_is_a_skip() -> None:
    """With the option."""
    found, options = comparison(CREATED, GONE), ApplyOptions(remove=False)
    plan = plan_apply(found, options)
    assert [one.subject for one in plan.steps] == ["Role shop/a"]
    assert [(one.subject, one.reason) for one in plan.skips] == [("Role shop/z", KEPT)]
    assert planned(found, options) == (CREATED,)
    assert planned(found, ApplyOptions()) == (CREATED, GONE)


def test_without_a_policy_nothing_is_planned() -> None:
    """A missing file is not an empty policy, which would take everything away."""
    found = comparison(policy=None)
    assert plan_apply(found, ApplyOptions()).refusals == judge_drift(found).refusals
    assert plan_apply(found, ApplyOptions()).refusals[0].problem == "the cluster has no access policy"


def test_each_difference_is_a_refusal_of_the_drift() -> None:
    """With the command."""
    changed = change(Act.CHANGE, "b", "- get secrets")
    account = change(Act.CREATE, "c").model_copy(update={"subject": ""})
    plan = judge_drift(comparison(CREATED, changed, account, GONE, cautions=[CAUTION], refusals=[REFUSAL]))
    assert [(one.subject, one.problem) for one in plan.refusals] == [
        ("Role shop/x", "it is foreign"),
        ("Role shop/a", "missing, for User:ada: + get pods"),
        ("Role shop/b", "not as the policy wants, for User:ada: - get secrets"),
        ("Role shop/c", "missing, for all users with a token: all of it"),
        ("Role shop/z", "not in the policy any more, for User:ada: - get secrets"),
    ]
    assert "`kube-runbooks run access-apply CLUSTER --mode=plan`" in plan.refusals[1].next_step
    assert plan.steps == ()
    assert plan.cautions == (CAUTION,)


def test_the_proof_wants_all_objects_and_all_cells() -> None:
    """Cells of which the plan said that they stay may still fail."""
    allowed, denied = cell("allow", allowed=True), cell("deny", allowed=False)
    now = comparison(same=4, cells=[allowed, denied])
    assert prove(now, (), deletes=True) == Proven(same=4, holding=2)
    open_cell = cell("deny", allowed=True)
    assert prove(comparison(cells=[open_cell]), [open_cell.label], deletes=True) == Proven(
        same=0, holding=0, failing=(open_cell.label,)
    )
    found = prove(
        comparison(cells=[open_cell, cell("allow", allowed=None), cell("allow", allowed=False)]), (), deletes=True
    )
    assert isinstance(found, Problem)
    assert found.text == (
        "cells of the matrix that fail: User:ada get pods in shop is allowed, User:ada get pods in shop was not "
        "checked, User:ada get pods in shop is denied"
    )


def test_before_the_deletion_only_what_is_given_counts() -> None:
    """What the old objects still give is no reason to wait."""
    now = comparison(GONE, cells=[cell("deny", allowed=True), cell("allow", allowed=True)])
    assert prove(now, (), deletes=False) == Proven(same=0, holding=1)
    assert isinstance(prove(now, (), deletes=True), Problem)
    assert isinstance(prove(comparison(CREATED), (), deletes=False), Problem)


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (comparison(CREATED), "still not as the policy wants: Role shop/a"),
        (comparison(refusals=[REFUSAL]), "Role shop/x: it is foreign"),
    ],
)
def test_what_is_missing_is_named(found: Any, text: str) -> None:  # noqa: ANN401 - Comparison
    """With its next step."""
    problem = prove(found, (), deletes=True)
    assert isinstance(problem, Problem)
    assert problem.text == text
    assert problem.next_step


def test_the_report_says_first_what_was_changed() -> None:
    """And what still fails."""
    failing = Proven(same=2, holding=3, failing=("User:ada get secrets",))
    assert summarize_apply(Applied(done=("create Role shop/a",)), Applied(done=("delete Role shop/z",)), failing) == (
        "2 objects changed: create Role shop/a, delete Role shop/z",
        "read back: 2 objects as the policy wants",
        "cells of the matrix that hold: 3 of 4",
        "cells that failed before, and still fail: User:ada get secrets",
    )
    already = Applied(already=("Role shop/a",))
    assert summarize_apply(already, Applied(), Proven(same=1, holding=1))[0] == "all objects were already as planned"
    found = comparison(CREATED, GONE, cells=[cell("allow", allowed=True)])
    told = summarize_apply_plan(found, plan_apply(found, ApplyOptions()))
    assert told[:2] == ("Nothing was changed. The plan is: create 1, delete 1", "cells of the matrix that hold: 1 of 1")
    same = comparison(same=1)
    assert summarize_apply_plan(same, plan_apply(same, ApplyOptions())) == (
        "nothing to change: 1 object as the policy wants",
        "the policy has no cell for the matrix",
    )
    assert summarize_drift(same, judge_drift(same))[::2] == (
        "no difference: 1 object as the policy wants",
        "0 to check",
    )
