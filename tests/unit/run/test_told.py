"""What a report says first, what a step's result says, and the rows of a plan."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tasks.core.commands import filled
from tasks.core.errors import Refused, each_problem
from tasks.core.models.plan import Caution, Plan, Refusal, Skip, Step, Term
from tasks.core.models.report import Choice, Done, Outcome, Report
from tasks.core.words import counted, duration_as_typed, duration_in_words
from tasks.run.markdown import to_markdown, to_question
from tasks.run.page import to_html
from tasks.run.policy.evidence import sentence_of
from tasks.run.policy.happened import happened
from tasks.run.policy.plan_rows import PlanRow, plan_rows
from tasks.run.policy.refusals import refused_by, with_commands

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def report(**changes: Any) -> Report:  # noqa: ANN401 - fields of Report
    """A run of ten minutes."""
    values: dict[str, Any] = {"outcome": Outcome.COMPLETED, "ended_at": NOON + timedelta(minutes=10)} | changes
    return Report(runbook="x", cluster="prod", run_id="r", run_name="n", attempt=1, started_at=NOON, **values)


def test_a_completed_run_says_what_was_done_proven_and_left() -> None:
    """Its own summary, without the parts that only some readers need."""
    summary = ("3 nodes upgraded", "proven: a", "w1: 3 s", "proven: " + "b" * 300, "NOT upgraded: w3: no", "check x: y")
    told = happened(report(summary=summary), {"w3": "failed"})
    assert told.outcome == "completed after 10 min"
    assert told.done == "3 nodes upgraded; proven: a; 1 more in the details"
    assert told.left == "NOT upgraded: w3: no; check x: y"
    assert (
        happened(report(summary=("done", *["check x"] * 5)), {}).left
        == "check x; check x; check x; 2 more in the details"
    )
    assert happened(report(summary=("done",)), {}) == ("completed after 10 min", (), "done", "nothing")


def test_a_failed_run_says_where_why_and_which_nodes_are_done_and_left() -> None:
    """And what to type."""
    states = {f"w{number}": "upgraded" for number in range(3)} | {"a": "untouched", "b": "left alone: at v1.37.2"}
    states |= {f"c{number}": "untouched" for number in range(8)}
    done = (Done(step="observe", started_at=NOON, took=timedelta()),)
    failed = report(outcome=Outcome.FAILED, doing="upgrade wave", problem="no\nlast line", next_step="retry", done=done)
    told = happened(failed, states)
    assert told.outcome == "failed after 10 min, in the step `upgrade wave`: no… (the details have all of it)"
    assert told.done == "3 of 12 nodes: w0, w1, w2 (upgraded)"
    assert told.left == "9 nodes: a, c0, c1, c2, c3, c4, c5, c6 and 1 more; next: retry"
    assert happened(failed, {"a": "untouched"}).done == "no node was finished; finished steps: observe"
    assert happened(failed, {}).done == "finished steps: observe"
    early = happened(report(outcome=Outcome.REFUSED, ended_at=None), {})
    assert (early.outcome, early.done) == ("refused", "no step was finished")


@pytest.mark.parametrize(
    ("evidence", "sentence"),
    [
        (
            {
                "node": "cp1",
                "before": "1.36.3",
                "after": "1.37.2",
                "evicted": ["a", "b"],
                "took": "PT126S",
                "parts": [],
            },
            "cp1: 1.36.3 to 1.37.2, 2 pods evicted, in 2 min 6 s",
        ),
        ({"nodes": [{"node": "w1", "rebooted": True}, 3], "failed": {"w2": "no"}}, "w1: rebooted; w2 failed: no"),
        ({"node": "w1", "took": "long", "evicted": None}, "w1: done"),
        ({"member": "m1", "before": 3, "after": 1}, "m1: 3 to 1 bytes"),
        (
            {"hash": {"revision": 7, "none": None, "in": {"x": 1}}, "members": [1, 2], "empty": ""},
            "2 members, hash revision 7, hash in x 1",
        ),
        ({"nodes": [], "waiting": [{"node": "w3", "reason": "12 min are left"}]}, "w3 waits: 12 min are left"),
        ({"node": "w1", "evicted": ["a"]}, "w1: 1 pod evicted"),
        (
            {"leases_renewed": ["a"], "age": "P1DT2H", "taken_at": "2026-11-23T10:00:00.5Z", "address": [], "size": 7},
            "1 lease renewed, age 26 h, taken at 2026-11-23 10:00:00 UTC, size 7 bytes",
        ),
        ({"class": ["a"], "name": "P"}, "1 class, name P"),
        ({"took": "PT1S", "ok": True, "found": []}, ""),
        ({"text": "x" * 61}, f"text {'x' * 60}…"),
        ({f"a{number}": number for number in range(9)}, "a0 0, a1 1, a2 2, a3 3, a4 4, a5 5 (more in the JSON)"),
        ({"nodes": [{"node": "n" * 300}]}, f"{'n' * 240}… (more in the JSON)"),
        ({"nodes": [{"node": "n" * 100}] * 4}, f"{'n' * 100}: done; {'n' * 100}: done (more in the JSON)"),
        ({}, ""),
    ],
)
def test_a_result_is_a_sentence_or_its_first_values(evidence: dict[str, Any], sentence: str) -> None:
    """All of it is in the JSON."""
    assert sentence_of(evidence) == sentence


def test_durations() -> None:
    """As people say them."""
    seconds = (0, 1.24, 59.97, 723, 11_100, 26 * 3600, 48 * 3600, 53 * 3600, -723)
    assert [duration_in_words(timedelta(seconds=one)) for one in seconds] == [
        *("0 s", "1.2 s", "1 min", "12 min 3 s", "3 h 5 min", "26 h", "2 days", "2 days 5 h", "-12 min 3 s"),
    ]
    assert [duration_as_typed(timedelta(hours=hours)) for hours in (0, 0.5, 24, 26)] == ["0s", "30m", "1d", "26h"]
    assert duration_as_typed(timedelta(seconds=1.5)) == "PT1.5S"


def test_counts() -> None:
    """With the noun as it is said."""
    assert [counted(number, "pod") for number in (0, 1, 2)] == ["0 pods", "1 pod", "2 pods"]
    assert [counted(number, "reply", "replies") for number in (1, 2)] == ["1 reply", "2 replies"]


def test_several_reasons_have_their_next_steps() -> None:
    """Each below its problem, and none of them is lost in a line."""
    refused = report(outcome=Outcome.REFUSED, problem="cp1: disk full\ncp2: away", next_step="free it\n")
    told = happened(refused, {})
    assert told.outcome == "refused after 10 min, for 2 reasons"
    assert told.problems == (("cp1: disk full", "free it"), ("cp2: away", ""))
    assert told.left == "each reason has its next step"
    shown = to_markdown(refused)
    assert "  - cp1: disk full\n    - Next: free it\n  - cp2: away\n" in shown
    assert "<li>cp1: disk full<br>Next: free it</li><li>cp2: away</li>" in to_html(refused, "")
    assert "```text" not in shown


def test_a_refused_plan_has_a_line_for_each_different_refusal() -> None:
    """Equal ones share it, and its next step is filled in."""
    refusals = (
        Refusal(subject="cp1", problem="no\nspace", next_step="run `kube-runbooks run etcd-backup CLUSTER`"),
        Refusal(subject="cp2", problem="no\nspace", next_step="run `kube-runbooks run etcd-backup CLUSTER`"),
        Refusal(subject="w1", problem="away", next_step="mend it"),
    )
    caution = Caution(subject="w2", problem="x", next_step="kube-runbooks run etcd-health CLUSTER")
    plan = with_commands(Plan(refusals=refusals, cautions=(caution,)), lambda text: filled(text, "prod"))
    assert plan.cautions[0].next_step == "kube-runbooks run etcd-health prod"
    problem, hint = refused_by(plan)
    assert each_problem(problem, hint) == (
        ("cp1, cp2: no space", "run `kube-runbooks run etcd-backup prod`"),
        ("w1: away", "mend it"),
    )
    assert str(Refused(problem, hint=hint)).splitlines()[1] == "w1: away -> mend it"


OLD = "containerd is older"
PLAN = Plan(
    digest="b5676116609d4e8d",
    steps=(
        Step(subject="cp1", act="renew apiserver", reason="expires"),
        Step(subject="cp2", act="renew apiserver", reason="expires"),
        Step(subject="cp1", act="renew scheduler.conf", reason="expires"),
        Step(subject="cp1", act="restart kube-apiserver", reason="it reads\nthem"),
    ),
    skips=(Skip(subject="w1", reason="holds"), Skip(subject="w2", reason="holds")),
    cautions=(
        Caution(subject="w1", problem=OLD, next_step="update it"),
        Caution(subject="cp1", problem=OLD),
        Caution(subject="w2", problem=OLD, next_step="update it"),
    ),
    refusals=(Refusal(subject="m4", problem="no", next_step="mend it"),),
    evicts=("shop/cart-*: loses /tmp",),
    terms=(Term(name="profile: store", value="bucket=x"),),
)


def test_a_plan_has_a_row_for_each_node_and_one_for_equal_lines() -> None:
    """A renewal of three control plane nodes had 43 rows."""
    rows = [row[:4] for row in plan_rows(PLAN)]
    assert rows == [
        (
            "change",
            "cp1",
            "(1) renew apiserver, scheduler.conf; (2) restart kube-apiserver",
            "(1) expires; (2) it reads\nthem",
        ),
        ("change", "cp2", "renew apiserver", "expires"),
        ("skip", "w1, w2", "", "holds"),
        ("caution", "w1, w2", "update it", OLD),
        ("caution", "cp1", "", OLD),
        ("refusal", "m4", "mend it", "no"),
        ("evict", "shop/cart-*: loses /tmp", "", "its pods are on a node that is drained"),
    ]
    assert isinstance(plan_rows(PLAN)[0], PlanRow)


@pytest.mark.parametrize(
    ("acts", "told"),
    [
        (("a: a new key", "b: a new key"), "a, b: a new key"),
        (("a: a new key", "b: an old key"), "a: a new key, b: an old key"),
        (("pin etcd", "drain, reboot"), "pin etcd, drain, reboot"),
        (("renew a, b", "renew c"), "renew a, b, renew c"),
        (("pin etcd", "drain"), "pin etcd, drain"),
    ],
)
def test_what_actions_have_in_common_is_said_once(acts: tuple[str, ...], told: str) -> None:
    """But nothing is taken apart that a comma could change."""
    assert plan_rows(Plan(steps=tuple(Step(subject="n", act=act, reason="r") for act in acts)))[0].action == told


@pytest.mark.parametrize(("default", "word"), [(True, "yes"), (False, "no")])
def test_the_question_names_what_is_chosen_with_the_approval(default: bool, word: str) -> None:  # noqa: FBT001 - a case
    """With what holds if nothing is chosen."""
    choice = Choice(name="rollback", default=default, asks="it is put back")
    told = f"\n\nWith the approval you choose:\n\n- rollback ({word}, unless you choose otherwise): it is put back\n\n## Plan "
    assert told in to_question("workload_rollout", "prod", PLAN, choices=(choice,))


def test_the_question_is_a_list_with_all_that_an_approval_covers() -> None:
    """A table is cut off at the right in the form."""
    assert to_question("cert_rotation", "prod", PLAN, news=("m4: no",)) == (
        "# cert-rotation of prod: approve this plan?\n"
        "\n"
        "Nothing has been changed yet. After your answer the run observes the cluster again. It asks again if the new plan "
        "has another step, caution or eviction, or if a parameter or the profile has changed.\n"
        "\n"
        "New since the plan that was approved:\n"
        "\n"
        "- m4: no\n"
        "\n"
        "## Plan b5676116609d4e8d\n"
        "\n"
        "### Changes\n"
        "\n"
        "- **cp1**\n"
        "  - renew apiserver, scheduler.conf, because expires\n"
        "  - restart kube-apiserver, because it reads them\n"
        "- **cp2**: renew apiserver, because expires\n"
        "\n"
        "### Refusals\n"
        "\n"
        "- **m4**: no (next: mend it)\n"
        "\n"
        "### Cautions\n"
        "\n"
        f"- **w1, w2**: {OLD} (next: update it)\n"
        f"- **cp1**: {OLD}\n"
        "\n"
        "### Pods that are evicted\n"
        "\n"
        "- shop/cart-*: loses /tmp\n"
        "\n"
        "### Left alone\n"
        "\n"
        "- **w1, w2**: holds\n"
        "\n"
        "### Made for these parameters and this profile\n"
        "\n"
        "- **profile: store**: bucket=x\n"
    )
