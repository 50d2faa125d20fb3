"""Workloads as observed: one that is rolled out, and how it differs."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tasks.workloads.models.changes import Change, RolloutRequest
from tasks.workloads.models.history import Found, HistoriesFound, History, Written
from tasks.workloads.models.names import Kind, Ref
from tasks.workloads.models.rollback import BackTarget, Kept, RollbackFacts, RollbackRequest
from tasks.workloads.models.rollout import Mark, RolloutFacts, Target
from tasks.workloads.models.state import ContainerState, Happened, PodState, StatusFound, Workload, WorkloadStatus
from tasks.workloads.policy.causes import troubles_of
from tasks.workloads.policy.history import CAUSE, PERSON, history_of
from tasks.workloads.policy.rollout import standing_of

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
RUN_ID = "0a1b2c3d-0000-0000-0000-000000000000"


def ref(name: str = "web", kind: Kind = Kind.DEPLOYMENT) -> Ref:
    """In the namespace shop."""
    return Ref(namespace="shop", kind=kind, name=name)


def container(**changes: Any) -> ContainerState:  # noqa: ANN401 - fields of the model
    """It runs and is ready."""
    known: dict[str, Any] = {"name": "main", "image": "web:2", "ready": True, "running": True}
    return ContainerState(**known | changes)


def waiting(reason: str, message: str = "", **changes: Any) -> ContainerState:  # noqa: ANN401 - as above
    """It does not run."""
    return container(ready=False, running=False, waiting=reason, message=message, **changes)


def pod(name: str = "web-2-a", *containers: ContainerState, **changes: Any) -> PodState:  # noqa: ANN401 - as above
    """Of the newest template; not ready if one of its containers is not."""
    own = containers or (container(),)
    known: dict[str, Any] = {
        "name": name,
        "uid": name,
        "revision": "2",
        "phase": "Running",
        "created": NOW - timedelta(seconds=30),
        "ready": all(one.ready for one in own),
        "containers": own,
    }
    return PodState(**known | changes)


def event(reason: str, message: str, about: str = "web-2-a", **changes: Any) -> Happened:  # noqa: ANN401 - as above
    """A warning about a pod."""
    return Happened(**{"uid": f"{reason}/1", "about": about, "reason": reason, "message": message, "at": NOW} | changes)


def workload(kind: Kind = Kind.DEPLOYMENT, **changes: Any) -> Workload:  # noqa: ANN401 - as above
    """Rolled out, with one pod."""
    known: dict[str, Any] = {
        "ref": ref(kind=kind),
        "uid": "u",
        "generation": 2,
        "observed": 2,
        "existing": 1,
        "updated": 1,
        "ready": 1,
        "available": 1,
        "revision": "web-2",
        "revision_hash": "2",
        "pods": (pod(),),
    }
    return Workload(**known | changes)


def status(one: Workload, **changes: Any) -> WorkloadStatus:  # noqa: ANN401 - as above
    """As the task makes it."""
    known: dict[str, Any] = {
        "workload": one.ref.workload,
        "standing": standing_of(one),
        "replicas": one.replicas,
        "updated": one.updated,
        "available": one.available,
        "troubles": troubles_of(one),
    }
    return WorkloadStatus(**known | changes)


def status_found(*workloads: Workload, **changes: Any) -> StatusFound:  # noqa: ANN401 - as above
    """Of the namespace shop."""
    known: dict[str, Any] = {"observed_at": NOW, "namespace": "shop", "workloads": tuple(map(status, workloads))}
    return StatusFound(**known | changes)


def template(image: str = "web:1", **env: str) -> dict[str, Any]:
    """Of one container."""
    variables = [{"name": name, "value": value} for name, value in env.items()]
    return {
        "metadata": {"labels": {"app": "web", "pod-template-hash": "x"}},
        "spec": {"containers": [{"name": "main", "image": image, "env": variables}]},
    }


def revision(number: int, made: dict[str, Any], **notes: str) -> Found:
    """A minute after the one before."""
    created = NOW + timedelta(minutes=number)
    return Found(number, f"web-{number}", str(number), created, notes, made)


def histories() -> HistoriesFound:
    """Three revisions: by a program, by a person, and by nobody who is known."""
    found = (
        revision(3, template("web:2", LEVEL="debug", DB_PASSWORD="b"), **{PERSON: "Ada", CAUSE: "CHG-7: new prices"}),
        revision(1, template()),
        revision(2, template(LEVEL="info", DB_PASSWORD="a")),
    )
    writers = (
        Written("early", NOW),
        Written("kubectl-edit", NOW + timedelta(minutes=2)),
        Written("kube-runbooks", NOW + timedelta(minutes=3)),
    )
    made = history_of(found, "web-3", writers, {"3": 2})
    return HistoriesFound(
        namespace="shop",
        histories=(
            History(workload="deployment/web", revisions=made),
            History(workload="daemonset/agent"),
        ),
    )


def change(workload: str = "deployment/web", **changes: Any) -> Change:  # noqa: ANN401 - fields of the model
    """Of the image, in the namespace shop."""
    known: dict[str, Any] = {"namespace": "shop", "workload": workload}
    return Change(**known | (changes or {"images": {"main": "web:2"}}))


def request(*changes: Change) -> RolloutRequest:
    """For a change that somebody has planned."""
    return RolloutRequest(changes=changes or (change(),), reason="new prices", ticket="CHG-7", run_id="0f1e")


def target(workload: str = "deployment/web", **changes: Any) -> Target:  # noqa: ANN401 - fields of the model
    """It takes the change."""
    known: dict[str, Any] = {
        "ref": Ref.of("shop", workload),
        "uid": "u",
        "template": "t",
        "containers": ("main",),
        "replicas": 2,
        "max_surge": "25%",
        "max_unavailable": "25%",
        "diff": ("containers[main].image: web:1 -> web:2",),
    }
    return Target(**known | changes)


def rollout_facts(*targets: Target, **changes: Any) -> RolloutFacts:  # noqa: ANN401 - as above
    """With recipients."""
    known: dict[str, Any] = {
        "observed_at": NOW,
        "run_id": "0f1e",
        "targets": targets or (target(),),
        "keeps_secrets": True,
    }
    return RolloutFacts(**known | changes)


def rollout_mark(**changes: Any) -> Mark:  # noqa: ANN401 - as above
    """Of this run and this change, not finished."""
    return Mark(**{"run": "0f1e", "change": change().digest, "template": "t"} | changes)


def rollback_request(*workloads: str, to: str = "previous") -> RollbackRequest:
    """For an incident."""
    return RollbackRequest(
        namespace="shop",
        workloads=workloads or ("deployment/web",),
        to=to,
        reason="errors",
        ticket="INC-7",
        run_id="0f1e",
    )


def back_target(workload: str = "deployment/web", found: Target | None = None, **changes: Any) -> BackTarget:  # noqa: ANN401 - as above
    """It goes back to revision 1."""
    known: dict[str, Any] = {
        "target": found or target(workload),
        "words": "revision 1 (web-1)",
        "goal": "g",
        "digest": "d",
        "diff": ("containers[main].image: web:2 -> web:1",),
        "has_snapshot": True,
    }
    return BackTarget(**known | changes)


def rollback_facts(*targets: BackTarget) -> RollbackFacts:
    """In the order in which they go back."""
    return RollbackFacts(observed_at=NOW, run_id="0f1e", targets=targets or (back_target(),))


def kept(name: str = "20261201T120000000000Z", *, proven: bool = False, run: str = RUN_ID) -> Kept:
    """A snapshot in the bucket."""
    whole = f"{name}-{run}-{'proven' if proven else 'before'}"
    return Kept(key=f"k/{whole}.json", name=whole, run=run, proven=proven)
