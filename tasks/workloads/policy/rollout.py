"""Says how far a rollout is: kubectl's answers, and ours where kubectl's are wrong or missing.

kubectl calls a Deployment rolled out whose pods crash after one short moment of readiness, refuses OnDelete, and waits
forever for a paused Deployment. So this module returns both: kubectl's sentence, and what is missing.
"""

from tasks.workloads.models.names import Kind
from tasks.workloads.models.state import Standing, Workload


def standing_of(workload: Workload) -> Standing:
    """Returns how far the rollout is."""
    if workload.deleting:
        return Standing(failed=True, problem="it is being deleted")
    answer = {
        Kind.DEPLOYMENT: _of_deployment,
        Kind.STATEFUL_SET: _of_stateful_set,
        Kind.DAEMON_SET: _of_daemon_set,
    }[workload.ref.kind](workload)
    return answer if answer.failed or not answer.done else _checked(workload, answer)


def _checked(workload: Workload, answer: Standing) -> Standing:
    """Returns kubectl's success only if it is true of the pods, too."""
    if workload.available < _wanted(workload):
        missing = f"{workload.available} of {_wanted(workload)} pods are available"
        return answer.model_copy(update={"done": False, "problem": missing})
    return answer


def _wanted(workload: Workload) -> int:
    return workload.replicas


def _of_deployment(one: Workload) -> Standing:
    name = f'deployment "{one.ref.name}"'
    waiting = f"Waiting for {name} rollout to finish:"
    if one.generation > one.observed:
        return _waits("Waiting for deployment spec update to be observed...", "its controller has not seen the change")
    if one.deadline_exceeded:
        said = f"error: {name} exceeded its progress deadline"
        return Standing(failed=True, kubectl=said, problem=f"it made no progress in time: {one.deadline_exceeded}")
    paused = "; it is paused: changes are stored and not rolled out" if one.paused else ""
    if one.updated < one.replicas:
        counts = f"{one.updated} out of {one.replicas} new replicas have been updated..."
        return _waits(f"{waiting} {counts}", f"{one.updated} of {one.replicas} pods have the new template{paused}")
    if one.existing > one.updated:
        old = one.existing - one.updated
        return _waits(f"{waiting} {old} old replicas are pending termination...", f"{old} old pods remain{paused}")
    if one.available < one.updated:
        counts = f"{one.available} of {one.updated} updated replicas are available..."
        return _waits(f"{waiting} {counts}", f"{one.available} of {one.updated} new pods are available{paused}")
    return Standing(done=True, kubectl=f"{name} successfully rolled out")


def _of_daemon_set(one: Workload) -> Standing:
    name = f'daemon set "{one.ref.name}"'
    if one.strategy != "RollingUpdate":
        return _on_delete(one)
    if one.generation > one.observed:
        return _waits("Waiting for daemon set spec update to be observed...", "its controller has not seen the change")
    waiting = f"Waiting for {name} rollout to finish:"
    if one.updated < one.replicas:
        counts = f"{one.updated} out of {one.replicas} new pods have been updated..."
        return _waits(f"{waiting} {counts}", f"{one.updated} of {one.replicas} pods have the new template")
    if one.available < one.replicas:
        counts = f"{one.available} of {one.replicas} updated pods are available..."
        return _waits(f"{waiting} {counts}", f"{one.available} of {one.replicas} new pods are available")
    return Standing(done=True, kubectl=f"{name} successfully rolled out")


def _of_stateful_set(one: Workload) -> Standing:
    if one.strategy != "RollingUpdate":
        return _on_delete(one)
    if not one.observed or one.generation > one.observed:
        return _waits("Waiting for statefulset spec update to be observed...", "its controller has not seen the change")
    if one.ready < one.replicas:
        missing = one.replicas - one.ready
        return _waits(f"Waiting for {missing} pods to be ready...", f"{one.ready} of {one.replicas} pods are ready")
    rolled = one.replicas - one.partition
    if one.updated < rolled:
        counts = f"{one.updated} out of {rolled} new pods have been updated..."
        return _waits(
            f"Waiting for partitioned roll out to finish: {counts}",
            f"{one.updated} of {rolled} pods have the new template",
        )
    return Standing(done=True, kubectl=f"partitioned roll out complete: {one.updated} new pods have been updated...")


def _on_delete(one: Workload) -> Standing:
    """Returns what kubectl refuses to say: how many pods somebody still has to delete."""
    said = "error: rollout status is only available for RollingUpdate strategy type"
    if one.generation > one.observed:
        return _waits(said, "its controller has not seen the change")
    new = len(one.new_pods)
    if new < one.replicas:
        problem = f"{new} of {one.replicas} pods have the new template; its strategy is OnDelete: somebody has to delete the others"
        return _waits(said, problem)
    return Standing(done=True, kubectl=said)


def _waits(kubectl: str, problem: str) -> Standing:
    return Standing(kubectl=kubectl, problem=problem)
