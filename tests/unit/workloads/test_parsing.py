"""The API's answers about workloads, as values."""

from typing import Any

import pytest

from tasks.core.models import outside
from tasks.workloads.models.names import Kind
from tasks.workloads.probes.parsing import newest_revision, parse_pod, parse_workload, selector_text
from tests.facts.workloads import ref

JSON = dict[str, Any]


def meta(name: str, uid: str, owner: str = "", **more: Any) -> JSON:  # noqa: ANN401 - any JSON
    """With a controller."""
    owners = [{"apiVersion": "apps/v1", "kind": "X", "name": "x", "uid": owner, "controller": True}] if owner else []
    return {"name": name, "namespace": "shop", "uid": uid, "ownerReferences": owners, **more}


DEPLOYMENT: JSON = {
    "metadata": meta(
        "web", "d", resourceVersion="7", generation=2, annotations={"deployment.kubernetes.io/revision": "2"}
    ),
    "spec": {
        "replicas": 2,
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0}},
        "selector": {"matchLabels": {"app": "web"}},
        "progressDeadlineSeconds": 60,
    },
    "status": {
        "observedGeneration": 2,
        "replicas": 3,
        "updatedReplicas": 1,
        "availableReplicas": 2,
        "conditions": [
            {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out"},
            {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota"},
        ],
    },
}


def replica_set(number: str, owner: str = "d") -> JSON:
    """Of a revision."""
    return {
        "metadata": meta(
            f"web-{number}",
            f"rs{number}",
            owner,
            labels={"pod-template-hash": number},
            annotations={"deployment.kubernetes.io/revision": number},
        ),
        "spec": {"template": {"spec": {}}},
    }


def pod(name: str, owner: str, **status: Any) -> JSON:  # noqa: ANN401 - any JSON
    """Of a ReplicaSet."""
    return {
        "metadata": meta(name, name, owner, labels={"pod-template-hash": owner.removeprefix("rs")}),
        "spec": {
            "containers": [{"name": "main", "image": "web:2"}],
            "initContainers": [{"name": "init", "image": "i:1"}],
        },
        "status": {"phase": "Running", **status},
    }


def event(about: str, reason: str, **more: Any) -> JSON:  # noqa: ANN401 - any JSON
    """About an object."""
    return {"metadata": {"name": f"{about}.{reason}"}, "involvedObject": {"uid": about}, "reason": reason, **more}


def test_a_deployment_with_its_own_pods_only() -> None:
    """Those of another Deployment with the same labels are not its own."""
    pods = [pod("b", "rs2"), pod("a", "rs1"), pod("other", "rs9")]
    sets = [replica_set("1"), replica_set("2"), replica_set("9", "another")]
    found = parse_workload(ref(), DEPLOYMENT, sets, pods, [event("b", "Unhealthy", message="503")])
    assert (found.revision, found.revision_hash) == ("web-2", "2")
    assert [(one.name, one.revision) for one in found.pods] == [("a", "1"), ("b", "2")]
    assert [one.message for one in found.pods[1].events] == ["503"]
    assert [one.name for one in found.new_pods] == ["b"]
    assert [one.name for one in found.old_pods] == ["a"]
    assert (found.max_surge, found.max_unavailable, found.replicas, found.existing, found.updated) == (
        "25%",
        "0",
        2,
        3,
        1,
    )
    assert (found.deadline_exceeded, found.not_created) == ("timed out", "exceeded quota")
    assert found.deadline.total_seconds() == 60
    assert not found.pods_leave
    assert found.pods[0].restarts == 0


def test_a_revision_that_is_not_there_yet_has_no_name() -> None:
    """The controller creates it in a moment."""
    assert newest_revision(Kind.DEPLOYMENT, DEPLOYMENT, [replica_set("1")]) == ("", "")
    assert newest_revision(Kind.DAEMON_SET, {"metadata": meta("agent", "ds")}, []) == ("", "")


def test_a_stateful_set_and_a_daemon_set_have_controller_revisions() -> None:
    """The pods of a StatefulSet have its whole name as their label."""
    stateful = {
        "metadata": meta("db", "s"),
        "status": {"updateRevision": "db-2", "currentRevision": "db-1"},
        "spec": {},
    }
    found = parse_workload(
        ref("db", Kind.STATEFUL_SET), stateful, [], [], [event("s", "FailedCreate", message="denied")]
    )
    assert (found.revision, found.revision_hash, found.current_revision) == ("db-2", "db-2", "db-1")
    assert (found.in_order, found.not_created) == (True, "denied")
    revisions = [
        {"metadata": meta(f"agent-{one}", one, "ds", labels={"controller-revision-hash": one}), "revision": number}
        for number, one in ((3, "b"), (2, "a"))
    ]
    daemon = {
        "metadata": meta("agent", "ds"),
        "spec": {"updateStrategy": {"type": "OnDelete"}},
        "status": {"desiredNumberScheduled": 3, "updatedNumberScheduled": 2, "numberReady": 1, "numberAvailable": 1},
    }
    found = parse_workload(ref("agent", Kind.DAEMON_SET), daemon, revisions, [], [])
    assert (found.revision, found.revision_hash, found.strategy) == ("agent-b", "b", "OnDelete")
    assert (found.replicas, found.updated, found.available) == (3, 2, 1)


def test_the_state_of_a_pod_in_all_its_parts() -> None:
    """Conditions, containers that wait, run or have ended, and the last end."""
    found = parse_pod(
        pod(
            "a",
            "rs2",
            conditions=[
                {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"},
                {"type": "Ready", "status": "False", "message": "not ready"},
                {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"},
            ],
            initContainerStatuses=[{"name": "init", "state": {"terminated": {"exitCode": 1, "message": "no"}}}],
            containerStatuses=[
                {
                    "name": "main",
                    "restartCount": 2,
                    "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}},
                    "lastState": {"terminated": {"exitCode": 3, "reason": "Error"}},
                },
                {"name": "side", "image": "s:1", "state": {"running": {}}},
            ],
        )
    )
    init, main, side = found.containers
    assert (found.unscheduled, found.unready, found.disrupted) == (
        "Unschedulable",
        "not ready",
        "EvictionByEvictionAPI",
    )
    assert (init.init, init.exit_code, init.has_ended, init.message, init.image) == (True, 1, True, "no", "i:1")
    assert (main.waiting, main.exit_code, main.exit_reason, main.restarts) == ("CrashLoopBackOff", 3, "Error", 2)
    assert (side.running, side.message, side.image) == (True, "", "s:1")
    assert (found.restarts, found.is_finished) == (2, False)


def test_events_come_in_the_order_of_their_times() -> None:
    """An event without a time comes first; a series counts itself."""
    when = {
        "lastTimestamp": "2026-12-01T12:00:00Z",
        "involvedObject": {"uid": "a", "fieldPath": "spec.containers{main}"},
    }
    raw = [
        event("a", "Unhealthy", **when),
        event("a", "BackOff", series={"count": 4, "lastObservedTime": "2026-12-01T11:00:00Z"}),
        event("a", "Early"),
    ]
    found = parse_workload(ref(), DEPLOYMENT, [replica_set("2")], [pod("a", "rs2")], raw).pods[0].events
    assert [one.reason for one in found] == ["Early", "BackOff", "Unhealthy"]
    assert (found[1].uid, found[2].container) == ("a.BackOff/4", "main")


@pytest.mark.parametrize(
    ("selector", "text"),
    [
        ({"matchLabels": {"app": "web", "tier": "x"}}, "app=web,tier=x"),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["x", "y"]}]}, "a in (x,y)"),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["x"]}]}, "a notin (x)"),
        ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, "a"),
        ({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, "!a"),
    ],
)
def test_a_selector_as_the_api_takes_it(selector: JSON, text: str) -> None:
    """In a query of a list."""
    assert selector_text(outside.Selector.read(selector, "selector")) == text
