"""Where a rollback goes to, by kubectl's rules of undo and by our snapshots; and its plan."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from tasks.core.models.plan import Plan
from tasks.workloads.models.rollback import (
    Aim,
    BackTarget,
    ConfigChange,
    Goal,
    RollbackOptions,
    RolledBack,
    digest_of_goal,
)
from tasks.workloads.models.rollout import Snapshot
from tasks.workloads.policy.rollback import best_snapshot, choose, config_changes, is_so, plan_rollback
from tasks.workloads.summary import summarize_rollback
from tests.facts.workloads import (
    NOW,
    RUN_ID,
    back_target,
    kept,
    revision,
    rollback_facts,
    rollback_request,
    rollout_mark,
    target,
    template,
)

REVISIONS = tuple(revision(number, template(f"web:{number}")) for number in (3, 1, 2))


@pytest.mark.parametrize("to", ["previous", "7", RUN_ID, kept().name, kept(proven=True).name])
def test_a_goal_is_a_word_a_revision_a_run_or_a_snapshot(to: str) -> None:
    """As they are shown."""
    assert TypeAdapter(Goal).validate_python(to) == to


@pytest.mark.parametrize("to", ["", "0", "-1", "last", "web-2", f"{RUN_ID}x"])
def test_anything_else_says_what_to_write(to: str) -> None:
    """With all four."""
    with pytest.raises(ValidationError, match="is no goal; write previous, the number of a revision, the id of a run"):
        TypeAdapter(Goal).validate_python(to)


def test_previous_is_the_second_newest_revision() -> None:
    """As for kubectl, whichever pods run."""
    found = choose("previous", REVISIONS, "web-3", ())
    assert found.revision
    assert found.revision.number == 2
    assert choose("previous", REVISIONS[:1], "web-3", ()).refusal == "to: it has no revision before this one"


def test_a_revision_has_to_be_there_and_not_to_run() -> None:
    """Both are said with the revisions that there are."""
    found = choose("1", REVISIONS, "web-3", ())
    assert found.revision
    assert found.revision.name == "web-1"
    missing = choose("9", REVISIONS, "web-3", ())
    assert (missing.refusal, missing.next_step) == ("to: it has no revision 9", "it has 1, 2, 3")
    assert choose("3", REVISIONS, "web-3", ()).refusal == "to: revision 3 is the one that runs"


def test_a_run_is_the_state_before_it_and_a_snapshot_is_itself() -> None:
    """Of a run that was retried, the first one."""
    first, later, after = kept(), kept("20261201T130000000000Z"), kept(proven=True)
    assert choose(RUN_ID, (), "", (later, after, first)).snapshot == first
    assert choose(after.name, (), "", (later, after, first)).snapshot == after
    other = choose(RUN_ID.replace("0a", "ff"), (), "", (first, later))
    assert other.refusal.startswith("to: the bucket has no snapshot ff1b2c3d")
    assert other.next_step == f"it has {later.name}, {first.name}"
    assert choose(RUN_ID, (), "", ()).next_step == "it has no snapshot; give a revision"


def test_what_was_proven_shows_best_what_the_pods_used() -> None:
    """Before a change, the ConfigMaps may be those of the next release already."""
    late, proven, old = (
        kept("20261201T130000000000Z"),
        kept("20261201T120000000000Z", proven=True),
        kept("20261201T110000000000Z", proven=True),
    )
    pairs = [(late, "web-1"), (proven, "web-1"), (old, "web-1"), (kept("20261201T140000000000Z", proven=True), "web-2")]
    assert best_snapshot("web-1", pairs) == proven
    assert best_snapshot("web-1", pairs[:1]) == late
    assert best_snapshot("web-9", pairs) is None


def test_config_maps_are_compared_by_their_content() -> None:
    """What did not exist then stays; what is gone comes again."""
    then: dict[str, Any] = {
        "same": {"data": {"a": "1"}},
        "other": {"data": {"a": "1", "b": "2"}, "binaryData": {"c": "eA=="}},
        "gone": {"data": {"a": "1"}},
        "empty": {"metadata": {"name": "empty"}},
        "never": {},
    }
    now: dict[str, Any] = {
        "same": {"data": {"a": "1"}},
        "other": {"data": {"a": "2", "d": "3"}, "immutable": True},
        "never": {"data": {"x": "y"}},
    }
    found = config_changes("ConfigMap", then, now, {"other": ["deployment/api"]})
    assert found == (
        ConfigChange(name="other", fields=("a", "b", "c", "d"), immutable=True, used_by=("deployment/api",)),
        ConfigChange(name="gone", fields=("a",), exists=False),
        ConfigChange(name="empty", fields=(), exists=False),
    )


def test_a_secret_of_another_type_cannot_be_changed() -> None:
    """The API refuses it, as for an immutable one; a Secret that is gone is created with its type."""
    then = {"a": {"type": "Opaque", "data": {"k": "MQ=="}}, "b": {"type": "Opaque", "data": {}}}
    now = {"a": {"type": "example.org/other", "data": {"k": "MQ=="}}}
    found = config_changes("Secret", then, now, {})
    assert found == (
        ConfigChange(kind="Secret", name="a", fields=("type",), immutable=True),
        ConfigChange(kind="Secret", name="b", fields=("type",), exists=False),
    )
    (refusal,) = plan(back_target(config=found)).refusals
    assert refusal.problem == "Secret a cannot be changed (immutable, or another type)"
    assert refusal.next_step == "add --no-secrets, and create the old content under a new name"
    assert plan(back_target(config=found), secrets=False).refusals == ()


def plan(one: BackTarget | None = None, **options: Any) -> Plan:  # noqa: ANN401 - fields of the options
    """Of one workload."""
    return plan_rollback(
        rollback_facts(one or back_target()), rollback_request(), RollbackOptions.model_validate(options)
    )


def test_a_step_says_where_to_and_what_changes() -> None:
    """With the entries of ConfigMaps, never their values."""
    maps = (ConfigChange(name="c", fields=("level",)), ConfigChange(name="d", fields=("x",), exists=False))
    (step,) = plan(back_target(config=maps)).steps
    assert (step.subject, step.act) == ("shop/deployment/web", "roll back to revision 1 (web-1)")
    assert step.reason == (
        "INC-7: errors; containers[main].image: web:2 -> web:1; ConfigMap c: level; ConfigMap d: created again"
    )
    (step,) = plan(back_target(config=maps, diff=())).steps
    assert step.act == "restart for ConfigMaps of revision 1 (web-1)"
    (step,) = plan(back_target(config=(*maps, ConfigChange(kind="Secret", name="s", fields=("k",))), diff=())).steps
    assert step.act == "restart for ConfigMaps and Secrets of revision 1 (web-1)"
    assert "Secret s: k" in step.reason
    (step,) = plan(back_target(config=maps), config_maps=False).steps
    assert "ConfigMap" not in step.reason
    for state in ("begun", "open"):
        (step,) = plan(back_target(found=target(mark=rollout_mark(change="g", state=state)), diff=())).steps
        assert step.act == "continue an interrupted run: revision 1 (web-1)"


def test_a_mark_of_a_template_that_is_not_there_any_more_is_an_old_one() -> None:
    """`kubectl rollout undo` brings the annotations of the old ReplicaSet back."""
    old = back_target(found=target(mark=rollout_mark(change="g", template="older", run="old")))
    (step,) = plan(old).steps
    assert step.act == "roll back to revision 1 (web-1)"
    done = back_target(found=target(mark=rollout_mark(change="g", state="done", template="older")))
    assert len(plan(done).steps) == 1


def test_what_is_so_already_is_skipped() -> None:
    """With the reason."""
    found = plan(back_target(diff=()))
    assert (found.steps, [skip.reason for skip in found.skips]) == ((), ["it is as in revision 1 (web-1) already"])


@pytest.mark.parametrize(
    ("one", "problem", "step"),
    [
        (back_target(found=target(exists=False, has_namespace=False)), "no namespace shop", "kubectl get namespaces"),
        (back_target(found=target(exists=False)), "no workload with this name", "correct workloads"),
        (back_target(found=target(deleting=True)), "it is being deleted", "wait"),
        (back_target(found=target(paused=True)), "it is paused", "rollout resume deployment/web"),
        (back_target(found=target(strategy="OnDelete")), "its strategy is OnDelete", "RollingUpdate"),
        (
            back_target(refusal="to: it has no revision 9", next_step="it has 1", digest="", diff=()),
            "to: it has no revision 9",
            "it has 1",
        ),
        (
            back_target(found=target(owner="Helm", owner_way="helm upgrade")),
            "Helm owns it",
            "revert it there: helm upgrade",
        ),
        (
            back_target(config=(ConfigChange(name="c", fields=("a",), immutable=True),)),
            "ConfigMap c cannot be changed (immutable, or another type)",
            "under a new name",
        ),
    ],
)
def test_what_cannot_go_back_is_refused(one: BackTarget, problem: str, step: str) -> None:
    """With what to do."""
    (refusal,) = plan(one).refusals
    assert problem in refusal.problem
    assert step in refusal.next_step


@pytest.mark.parametrize(
    ("one", "problem"),
    [
        (back_target(has_snapshot=False), "its ConfigMaps stay as they are: no snapshot shows what its pods used then"),
        (back_target(secrets=("tls",), secrets_stay="no key"), "its Secrets stay as they are: tls: no key"),
        (
            back_target(config=(ConfigChange(name="c", fields=("a",), used_by=("deployment/api",)),)),
            "ConfigMap c goes back, and deployment/api uses it, too",
        ),
        (back_target(found=target(mark=rollout_mark(run="old"))), "run old has changed it, and has not finished"),
        (back_target(found=target(problem="0 of 2 pods")), "it is not finished now: 0 of 2 pods"),
    ],
)
def test_what_a_person_should_know_is_a_caution(one: BackTarget, problem: str) -> None:
    """It does not stop the run."""
    made = plan(one)
    assert (made.refusals, [caution.problem for caution in made.cautions]) == ((), [problem])


def test_an_owner_may_be_overridden_and_config_maps_may_stay() -> None:
    """Both by an option."""
    made = plan(
        back_target(found=target(owner="Helm", owner_way="w"), has_snapshot=False),
        override_owner=True,
        config_maps=False,
    )
    assert [caution.problem for caution in made.cautions] == ["Helm owns it, and may change it again"]
    assert plan(back_target(found=target(mark=rollout_mark(state="done")))).cautions == ()


@pytest.mark.parametrize(
    ("workloads", "to", "problem"),
    [
        ((), "previous", "there is no workload"),
        (("deployment/web", "deployment/web"), "previous", "named twice: deployment/web"),
        (("deployment/web", "deployment/api"), "3", "the number of a revision is of one workload"),
    ],
)
def test_a_wrong_request_is_refused_with_its_field(workloads: tuple[str, ...], to: str, problem: str) -> None:
    """Whatever the cluster has."""
    request = rollback_request(to=to).model_copy(update={"workloads": workloads})
    made = plan_rollback(rollback_facts(), request, RollbackOptions())
    assert [one.problem for one in made.refusals] == [problem]


def test_workloads_go_back_in_reverse_order() -> None:
    """And the digest of a goal is of what it is."""
    request = rollback_request("deployment/web", "statefulset/db")
    assert [one.name for one in request.refs] == ["db", "web"]
    assert Aim("w", {}, "web-1").digest != Aim("w", {}, "web-2").digest
    assert Aim("w", {}, "web-1").digest == Aim("x", {}, "web-1").digest
    kept_then = Snapshot(
        taken_at=NOW,
        run_id="r",
        proven=True,
        namespace="shop",
        workload="deployment/web",
        uid="u",
        resource_version="1",
        body={},
    )
    assert Aim("w", {}, "web-1", kept_then).digest != Aim("w", {}, "web-1").digest
    assert digest_of_goal("previous") != digest_of_goal("1")


@pytest.mark.parametrize(("run", "skipped"), [("old", True), ("0f1e", True), ("other", False)])
def test_what_a_continued_run_has_proven_does_not_go_back_once_more(run: str, skipped: bool) -> None:  # noqa: FBT001 - of a table
    """`previous` would be the bad revision by then. A run that has ended is not continued."""
    proven = back_target(
        "deployment/web", target(mark=rollout_mark(change="g", state="done", run=run)), refusal="x", next_step="y"
    )
    begun = back_target(
        "statefulset/db", target("statefulset/db", mark=rollout_mark(change="g", state="begun", run="old"))
    )
    made = plan_rollback(
        rollback_facts(begun, proven), rollback_request("deployment/web", "statefulset/db"), RollbackOptions()
    )
    assert [step.subject for step in made.steps if skipped] == (["shop/statefulset/db"] if skipped else [])
    assert [skip.reason for skip in made.skips] == ["an interrupted run of this rollback has proven it"] * skipped
    assert bool(made.refusals) != skipped
    assert is_so(rollback_facts(begun, proven), proven, RollbackOptions()) == skipped


def test_the_summary_says_what_runs_and_what_was_deleted() -> None:
    """A line for each."""
    done = RolledBack(
        workload="shop/statefulset/db",
        to="revision 1 (db-1)",
        changed=False,
        images={"main": "db:1"},
        config=("ConfigMap c", "Secret s"),
        unstuck=("db-1",),
    )
    assert summarize_rollback((done,)) == (
        "rolled back and proven: 1 workload",
        "shop/statefulset/db: back to revision 1 (db-1), runs main=db:1, proven in 0 s; an earlier attempt had changed it",
        "shop/statefulset/db: with their content of then: ConfigMap c, Secret s",
        "shop/statefulset/db: pods that blocked it were deleted: db-1",
    )
