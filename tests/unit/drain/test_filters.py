"""Pods that a drain leaves, and pods that nothing would bring back: kubectl's filters, in its order."""

from datetime import timedelta

import pytest

from tasks.drain.models import DrainOptions, Treatment
from tasks.nodes.models.pods import Pod
from tests.facts.drain import AGO, DAEMONS, FORCE, OPTIONS, facts, pod, verdict


@pytest.mark.parametrize(
    ("one", "options", "treatment", "reason"),
    [
        (pod(), OPTIONS, Treatment.EVICT, ""),
        (pod(stops_by=AGO), OPTIONS, Treatment.EVICT, "it is on its way out already"),
        (
            pod(stops_by=AGO),
            DrainOptions(skip_wait_for_delete_timeout=timedelta(minutes=10)),
            Treatment.LEAVE,
            "it should have stopped by 2026-11-24T11:49:00Z: not waited for",
        ),
        (
            pod(stops_by=AGO),
            DrainOptions(skip_wait_for_delete_timeout=timedelta(minutes=12)),
            Treatment.EVICT,
            "on its way out",
        ),
        (pod(), DrainOptions(skip_wait_for_delete_timeout=timedelta(minutes=10)), Treatment.EVICT, ""),
        (pod(controller=DAEMONS), OPTIONS, Treatment.BLOCKED, "its DaemonSet agent is gone: nothing brings it back"),
        (pod(controller=DAEMONS), FORCE, Treatment.EVICT_FOR_GOOD, "its DaemonSet agent is gone"),
        (pod(controller=DAEMONS, stops_by=AGO), OPTIONS, Treatment.EVICT_FOR_GOOD, "its DaemonSet agent is gone"),
        (pod(controller=DAEMONS, phase="Failed"), OPTIONS, Treatment.EVICT, "it has finished"),
        (
            pod(controller=DAEMONS.model_copy(update={"api_version": "apps.kruise.io/v1"})),
            OPTIONS,
            Treatment.EVICT,
            "",
        ),
        (pod(mirror=True, controller=None), OPTIONS, Treatment.LEAVE, "a static pod of the kubelet"),
        (pod(empty_dirs=("a", "b")), OPTIONS, Treatment.BLOCKED, "the content of its emptyDir a, b would be lost"),
        (
            pod(empty_dirs=("a",)),
            DrainOptions(delete_emptydir_data=True),
            Treatment.EVICT_FOR_GOOD,
            "the content of its emptyDir a is lost",
        ),
        (pod(empty_dirs=("a",), phase="Succeeded"), OPTIONS, Treatment.EVICT, "it has finished"),
        (pod(controller=None), OPTIONS, Treatment.BLOCKED, "no controller brings it back"),
        (pod(controller=None), FORCE, Treatment.EVICT_FOR_GOOD, "no controller brings it back"),
        (pod(controller=None, phase="Failed"), OPTIONS, Treatment.EVICT, "it has finished"),
        (
            pod(controller=None, empty_dirs=("a",)),
            DrainOptions(delete_emptydir_data=True),
            Treatment.BLOCKED,
            "no controller brings it back",
        ),
        (
            pod(controller=None, empty_dirs=("a",)),
            DrainOptions(delete_emptydir_data=True, force=True),
            Treatment.EVICT_FOR_GOOD,
            "the content of its emptyDir a is lost; no controller brings it back",
        ),
    ],
)
def test_kubectls_filters(one: Pod, options: DrainOptions, treatment: Treatment, reason: str) -> None:
    """In its order: what is overdue, DaemonSets, the kubelet's, local data, no controller."""
    found = verdict(facts(one), options)
    assert found.treatment is treatment
    assert reason in found.reason
    assert bool(reason) == bool(found.reason)
    assert bool(found.next_step) == (treatment is Treatment.BLOCKED)


def test_a_pod_of_a_daemon_set_stays() -> None:
    """Whatever else is true of it."""
    found = verdict(facts(pod(controller=DAEMONS, empty_dirs=("a",)), daemon_sets=("shop/agent",)))
    assert (found.treatment, found.reason) == (
        Treatment.LEAVE,
        "of the DaemonSet agent, which would bring it back at once",
    )
