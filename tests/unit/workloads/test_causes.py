"""Why a workload is not finished, and which causes are final: the table."""

from datetime import timedelta

import pytest

from tasks.workloads.models.state import Cause, PodState, Trouble
from tasks.workloads.policy.causes import (
    RULES,
    causes_in_words,
    causes_of_failure,
    is_final,
    troubles_of,
    verdict_words,
)
from tests.facts.workloads import container, event, pod, waiting, workload

DENIED = "403 Forbidden: pull access denied"


@pytest.mark.parametrize(
    ("found", "cause", "said"),
    [
        (
            waiting("CrashLoopBackOff", "back-off", restarts=1, exit_code=3, exit_reason="Error"),
            Cause.CRASH,
            "container main: it ended with exit code 3 (Error), 2 times",
        ),
        (
            container(ready=False, running=False, has_ended=True, exit_code=137),
            Cause.CRASHED_ONCE,
            "it ended with exit code 137",
        ),
        (
            container(ready=False, restarts=2, exit_code=0, exit_reason="Completed"),
            Cause.CRASH,
            "exit code 0 (Completed), 2 times",
        ),
        (waiting("CrashLoopBackOff"), Cause.CRASHED_ONCE, "container main: it ended"),
        (waiting("ErrImageNeverPull", "not present"), Cause.IMAGE_NEVER, "ErrImageNeverPull: image web:2: not present"),
        (waiting("InvalidImageName"), Cause.IMAGE_NEVER, "InvalidImageName: image web:2"),
        (
            waiting("ErrImagePull", "web:2: not found"),
            Cause.IMAGE_MISSING,
            "ErrImagePull: image web:2: web:2: not found",
        ),
        (waiting("ImagePullBackOff", DENIED), Cause.IMAGE_MISSING, "pull access denied"),
        (waiting("ImagePullBackOff", "dial tcp: i/o timeout"), Cause.IMAGE_PULL, "i/o timeout"),
        (waiting("CreateContainerConfigError", 'configmap "c" not found'), Cause.CONFIG, 'configmap "c" not found'),
        (waiting("CreateContainerError", "exec: no such file"), Cause.CREATE, "no such file"),
        (waiting("RunContainerError", "x"), Cause.CREATE, "RunContainerError: x"),
        (
            waiting("CrashLoopBackOff", init=True, restarts=2, exit_code=1),
            Cause.CRASH,
            "container main: this init container ended with exit code 1, 3 times",
        ),
    ],
)
def test_a_container_that_does_not_run_has_a_cause(found: object, cause: Cause, said: str) -> None:
    """In the kubelet's words, with the exit code."""
    (trouble,) = troubles_of(workload(pods=(pod("web-2-a", found),)))  # type: ignore[arg-type]
    assert (trouble.cause, trouble.pod, trouble.container) == (cause, "web-2-a", "main")
    assert said in trouble.sentence
    assert trouble.next_step


@pytest.mark.parametrize(
    "fine",
    [
        pod(),
        pod("a", waiting("ContainerCreating")),
        pod("a", waiting("PodInitializing"), container(init=True, running=False, has_ended=True, exit_code=0)),
        pod("a", container(restarts=3)),
        pod("a", phase="Failed", reason="Error"),
        pod("a", ready=False, containers=()),
    ],
    ids=lambda one: str(one.containers[:1]),
)
def test_what_still_begins_or_has_recovered_is_no_trouble(fine: PodState) -> None:
    """It has time, and a pod that ended for good is replaced."""
    assert troubles_of(workload(pods=(fine,))) == ()


def test_pods_of_an_older_template_do_not_count() -> None:
    """They are on their way out."""
    assert troubles_of(workload(pods=(pod("old", waiting("CrashLoopBackOff", restarts=9), revision="1"),))) == ()
    assert troubles_of(workload(pods=(pod("a", waiting("ErrImageNeverPull"), leaving=True),))) == ()


def test_before_the_controller_has_seen_a_change_nothing_is_judged() -> None:
    """What looks like the newest template is the one before: a workload that goes back would fail by its bad pods."""
    bad = (pod("a", waiting("CrashLoopBackOff", restarts=9)),)
    assert troubles_of(workload(pods=bad, observed=1)) == ()
    assert troubles_of(workload(pods=bad)) != ()


def test_readiness_is_told_with_the_answer_of_the_probe() -> None:
    """From the newest event; without one, in the words of the condition."""
    answer = event("Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503", container="main")
    unready = container(ready=False)
    (one,) = troubles_of(workload(pods=(pod("web-2-a", unready, events=(event("Unhealthy", "old"), answer)),)))
    assert (one.cause, one.container) == (Cause.NOT_READY, "main")
    assert "it runs and is not ready: Readiness probe failed: HTTP probe failed with statuscode: 503" in one.sentence
    (one,) = troubles_of(workload(pods=(pod("a", unready, unready=""),)))
    assert "its condition Ready is False" in one.problem
    (one,) = troubles_of(workload(pods=(pod("a", unready, unready="containers with unready status: [main]"),)))
    assert "containers with unready status" in one.problem


def test_the_scheduler_is_quoted() -> None:
    """And an autoscaler that reacts gets its time."""
    alone = pod("a", unscheduled="0/3 nodes are available: 3 Insufficient cpu.", containers=(), phase="Pending")
    (one,) = troubles_of(workload(pods=(alone,)))
    assert (one.cause, one.problem) == (
        Cause.UNSCHEDULABLE,
        "no node takes it: 0/3 nodes are available: 3 Insufficient cpu.",
    )
    scaled = alone.model_copy(update={"events": (event("TriggeredScaleUp", "pod triggered scale-up", "a"),)})
    (one,) = troubles_of(workload(pods=(scaled,)))
    assert (one.cause, is_final(one, timedelta(hours=1))) == (Cause.SCALING, False)


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        ('MountVolume.SetUp failed for volume "c" : configmap "c" not found', Cause.VOLUME_MISSING),
        ("timed out waiting for the condition", Cause.VOLUME),
    ],
)
def test_a_volume_has_only_an_event(message: str, cause: Cause) -> None:
    """The status says nothing but ContainerCreating."""
    found = pod("web-2-a", waiting("ContainerCreating"), events=(event("FailedMount", message),))
    (one,) = troubles_of(workload(pods=(found,)))
    assert (one.cause, one.problem) == (cause, f"FailedMount: {message}")
    assert troubles_of(workload(pods=(pod("web-2-a", events=(event("FailedMount", message),)),))) == ()


def test_a_volume_is_told_by_the_event_that_has_the_reason() -> None:
    """After two minutes the kubelet says only that it waits. All pods have one cause."""
    tired = event(
        "FailedMount", "Unable to attach or mount volumes: unmounted volumes=[data]: context deadline exceeded"
    )
    attach = event("FailedAttachVolume", 'AttachVolume.Attach failed for volume "pv-1" : no path to the pool')
    told = [pod(name, waiting("ContainerCreating"), events=(attach, tired)) for name in ("web-2-a", "web-2-b")]
    words = f"pod web-2-a: FailedAttachVolume: {attach.message}"
    found = troubles_of(workload(pods=told))
    assert (found[0].cause, causes_in_words(found)) == (Cause.VOLUME, words)
    (one,) = troubles_of(workload(pods=(pod("web-2-a", waiting("ContainerCreating"), events=(tired,)),)))
    assert one.problem == f"FailedMount: {tired.message}"
    assert causes_in_words(()) == ""


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        ('pods "web-2-a" is forbidden: exceeded quota: q, requested: pods=1', Cause.QUOTA),
        ('failed calling webhook "x": no endpoints available', Cause.WEBHOOK),
        ('pods "web-2-a" is forbidden: violates PodSecurity "restricted:latest"', Cause.DENIED),
    ],
)
def test_a_pod_that_the_api_refuses_is_about_the_workload(message: str, cause: Cause) -> None:
    """There is no pod to look for; pods that are all there are not missing."""
    (one,) = troubles_of(workload(not_created=message, pods=()))
    assert (one.cause, one.pod, one.sentence) == (cause, "", f"no pod is created: {message}")
    assert troubles_of(workload(not_created=message)) == ()


def test_an_evicted_pod_is_not_the_templates_fault() -> None:
    """Its controller creates another one."""
    ended = pod("a", phase="Failed", reason="Evicted", message="The node was low on resource: memory.")
    (one,) = troubles_of(workload(pods=(ended,)))
    assert (one.cause, one.problem) == (Cause.NODE, "Evicted: The node was low on resource: memory.")
    assert not is_final(one, timedelta(hours=1))
    (one,) = troubles_of(workload(pods=(pod("a", phase="Failed", disrupted="node is shutting down"),)))
    assert one.problem == "disrupted: node is shutting down"


def test_the_deadline_alone_is_no_cause_of_a_failure() -> None:
    """It is named with those that had time until then; a final cause is enough without it."""
    deadline, unready = Trouble(cause=Cause.DEADLINE, problem="d"), Trouble(cause=Cause.NOT_READY, problem="u")
    crash = Trouble(cause=Cause.CRASH, problem="c")
    assert causes_of_failure([deadline], [unready, deadline]) == (unready, deadline)
    assert causes_of_failure([crash, deadline], [crash, unready, deadline]) == (crash,)


def test_the_gravest_cause_comes_first_and_the_deadline_last() -> None:
    """The deadline only says that there is another cause."""
    unready = pod("b", container(ready=False))
    found = troubles_of(
        workload(deadline_exceeded="ReplicaSet has timed out", pods=(unready, pod("a", waiting("ErrImageNeverPull"))))
    )
    assert [one.cause for one in found] == [Cause.IMAGE_NEVER, Cause.NOT_READY, Cause.DEADLINE]
    assert found[-1].problem == "it made no progress in 600 s (progressDeadlineSeconds)"


@pytest.mark.parametrize("cause", Cause)
def test_each_cause_has_a_rule_with_its_reason(cause: Cause) -> None:
    """Early failure means under 30 s."""
    patience, why = RULES[cause]
    trouble = Trouble(cause=cause, problem="x")
    assert why in verdict_words(trouble)
    assert is_final(trouble, timedelta(seconds=30)) == (patience is not None)
    if patience:
        assert f"final after {patience.total_seconds():.0f} s" in verdict_words(trouble)
        assert not is_final(trouble, patience - timedelta(seconds=1))


@pytest.mark.parametrize("cause", [Cause.UNSCHEDULABLE, Cause.QUOTA])
def test_while_a_pod_stops_there_may_be_room_soon(cause: Cause) -> None:
    """A rolling update without surge waits for its old pod."""
    assert not is_final(Trouble(cause=cause, problem="x"), timedelta(hours=1), pods_leave=True)
    assert is_final(Trouble(cause=Cause.CRASH, problem="x"), timedelta(), pods_leave=True)


def test_a_container_that_ended_may_run_again() -> None:
    """Then its log is that of the previous one. Otherwise the previous one is the one before the last, and may be gone."""
    (again,) = troubles_of(workload(pods=(pod("web-2-a", container(ready=False, restarts=2)),)))
    (down,) = troubles_of(workload(pods=(pod("web-2-a", waiting("CrashLoopBackOff", restarts=2)),)))
    assert (again.runs_again, down.runs_again) == (True, False)
