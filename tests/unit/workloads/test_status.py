"""What a status means for the run, and what people read of it."""

from datetime import timedelta

import pytest
from pydantic import TypeAdapter, ValidationError

from tasks.workloads.models.names import Kind, NamespaceName, Ref, WorkloadName
from tasks.workloads.models.state import Standing, Trouble
from tasks.workloads.policy.causes import troubles_of
from tasks.workloads.policy.masking import is_secret_name, masked
from tasks.workloads.policy.status import judge_status
from tasks.workloads.summary import summarize_status
from tests.facts.workloads import NOW, container, pod, status, waiting, workload
from tests.facts.workloads import status_found as found


def test_a_workload_that_is_rolled_out_is_neither_refused_nor_cautioned() -> None:
    """And the summary counts it."""
    plan = judge_status(found(workload()))
    assert (plan.refusals, plan.cautions) == ((), ())
    assert summarize_status(found(workload()))[0] == "1 of 1 workloads of shop are rolled out and available"


def test_a_final_cause_refuses_with_the_cause_once_and_the_next_step() -> None:
    """Pods of one template share it."""
    down = waiting("CrashLoopBackOff", restarts=2, exit_code=3, exit_reason="Error")
    plan = judge_status(found(workload(available=0, pods=(pod("a", down), pod("b", down)))))
    (refusal,) = plan.refusals
    assert refusal.subject == "shop/deployment/web"
    assert refusal.problem == (
        "0 of 1 new pods are available: pod a, container main: it ended with exit code 3 (Error), 3 times"
    )
    assert refusal.next_step == "kubectl logs a -c main --previous; kubectl logs b -c main --previous"


def test_a_cause_that_gets_time_is_a_caution_until_its_time_is_over() -> None:
    """By the age of the pod."""
    missing = waiting("ErrImagePull", "web:2: not found")
    young = pod("a", missing, created=NOW - timedelta(seconds=3))
    (caution,) = judge_status(found(workload(available=0, pods=(young,)))).cautions
    assert "ErrImagePull: image web:2: web:2: not found" in caution.problem
    assert caution.next_step.startswith("image not found: it is final after 12 s: ")
    assert judge_status(found(workload(available=0, pods=(pod("a", missing),)))).refusals


def test_a_deadline_is_refused_with_all_causes() -> None:
    """Even if none of them is final by itself."""
    late = workload(deadline_exceeded="timed out", available=0, pods=(pod("a", container(ready=False)),))
    (refusal,) = judge_status(found(late)).refusals
    assert refusal.problem == (
        "it made no progress in time: timed out: pod a: it runs and is not ready: its condition Ready is False, "
        "it made no progress in 600 s (progressDeadlineSeconds)"
    )
    silent = status(late, troubles=())
    (refusal,) = judge_status(found(workloads=(silent,))).refusals
    assert refusal.next_step == "kubectl describe it, and correct it"


def test_a_cause_of_the_workload_itself_is_new_when_it_is_seen() -> None:
    """Nothing says since when it is there."""
    denied = workload(available=0, updated=0, pods=(), not_created="violates PodSecurity")
    assert judge_status(found(denied)).cautions
    assert not judge_status(found(denied)).refusals


def test_what_is_not_there_is_refused_by_name() -> None:
    """With the command that lists what is."""
    (refusal,) = judge_status(found(absent=("deployment/wbe",))).refusals
    assert (refusal.subject, refusal.problem) == ("shop/deployment/wbe", "no workload with this name")
    assert "kubectl -n shop get" in refusal.next_step
    (refusal,) = judge_status(found(has_namespace=False)).refusals
    assert refusal.problem == "no namespace with this name"


def test_the_summary_has_what_is_missing_and_the_log_if_it_was_asked_for() -> None:
    """Each line names its pod."""
    late = workload(available=0, pods=(pod("a", container(ready=False)),))
    trouble = troubles_of(late)[0].model_copy(update={"log": ("panic: no database",)})
    lines = summarize_status(found(workloads=(status(late, troubles=(trouble,)),)))
    assert "deployment/web: 1 updated, 0 available, of 1; 0 of 1 new pods are available: pod a" in lines[1]
    assert lines[2] == "  log of pod a: panic: no database"
    assert Trouble(cause=trouble.cause, problem="x").where == "the workload"
    assert summarize_status(found(workloads=(status(late, standing=Standing(done=True)),)))[0].startswith("1 of 1")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("deployment/web", "deployment/web"),
        ("deploy/web", "deployment/web"),
        ("deployments.apps/web", "deployment/web"),
        ("sts/db", "statefulset/db"),
        ("DS/agent", "daemonset/agent"),
    ],
)
def test_a_workload_is_named_as_in_kubectl(typed: str, meant: str) -> None:
    """Short names, too."""
    assert TypeAdapter(WorkloadName).validate_python(typed) == meant
    assert Ref.of("shop", meant).id == f"shop/{meant}"


@pytest.mark.parametrize("typed", ["web", "pod/web", "deployment/", "deployment/Web", "cronjob/x", ""])
def test_a_name_that_is_none_says_what_to_write(typed: str) -> None:
    """With an example."""
    with pytest.raises(
        ValidationError, match="is no workload; write deployment/NAME, statefulset/NAME or daemonset/NAME"
    ):
        TypeAdapter(WorkloadName).validate_python(typed)
    with pytest.raises(ValidationError, match="no name of a namespace"):
        TypeAdapter(NamespaceName).validate_python("Shop/x")
    assert [one.title for one in Kind] == ["Deployment", "StatefulSet", "DaemonSet"]


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("password=hunter2 user=ada", "password=*** user=ada"),
        ('{"api_key": "abc", "n": 1}', '{"api_key": ***, "n": 1}'),
        ("Authorization: Bearer abcdef", "Authorization: ***"),
        ("postgres://app:s3cret@db/shop", "postgres://app:***@db/shop"),
        ("key Ab3dEf6hIj9lMn2pQr5tUv8xYz1bCd4f", "key ***"),
        ("listening on :8080", "listening on :8080"),
    ],
)
def test_what_may_be_a_secret_is_masked(line: str, shown: str) -> None:
    """A line of a log may have one."""
    assert masked(line) == shown


def test_a_variable_is_secret_by_its_name() -> None:
    """Its value stays out of parameters and of plans."""
    assert is_secret_name("DB_PASSWORD")
    assert not is_secret_name("LOG_LEVEL")


def test_a_long_line_keeps_its_end() -> None:
    """The words of a container runtime end with the first cause."""
    line = f"failed to pull: {'failed to resolve: ' * 30}registry/web:2: not found"
    assert masked(line).startswith("failed to pull: failed")
    assert masked(line).endswith("failed to resolve: registry/web:2: not found")
    assert len(masked(line)) == 300
    assert masked("x" * 300) == "x" * 300
