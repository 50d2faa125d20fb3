"""The proof of the whole rotation: the worker gets in, and nodes and leaders are alive."""

from datetime import timedelta

from prefect import task

from tasks.cert_rotation.models.rotation import RotationPlan, RotationProof
from tasks.cert_rotation.reach import SYSTEM_LEASES
from tasks.clients.kube import KubeClient
from tasks.cluster import open_cluster
from tasks.core.at_once import wait_for
from tasks.core.errors import CommandFailed, NotYet
from tasks.core.models import outside
from tasks.core.retries import PATIENT
from tasks.nodes.observe import LEASES, look_at_nodes
from tasks.restore.probes.recovery import LEADERS, Pulse, renewals_of, what_is_not_alive

WAY_IN_LIMIT = timedelta(minutes=2)
"""For an API that lets the worker in again."""

ALIVE_LIMIT = timedelta(minutes=5)
"""For nodes that are Ready again, and for leases that are renewed."""

REVIEWS = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


@task(**PATIENT, task_run_name="prove-rotation-{cluster}")
def prove_rotation(cluster: str, plan: RotationPlan) -> RotationProof:
    """The worker itself gets in by a new connection, leaders and nodes renew their leases, and nodes are Ready."""
    return prove_cluster(open_cluster(cluster).kube, plan)


def prove_cluster(kube: KubeClient, plan: RotationPlan, alive: timedelta = ALIVE_LIMIT) -> RotationProof:
    """The same of a cluster's API: what was not alive before, or was not touched, is told and is no failure."""
    kube.close()
    worker = wait_for(lambda: who_is_worker(kube), WAY_IN_LIMIT)
    before = take_pulse(kube)
    expected = tuple(before.ready)
    wrong = what_is_not_alive(before, _pulse_within(kube, before, alive), expected)
    touched = {node.name for node in plan.nodes} - set(plan.not_ready) | set(LEADERS) - set(plan.unled)
    if lost := {name: problem for name, problem in wrong.items() if name in touched}:
        told = "; ".join(f"{name} {problem}" for name, problem in lost.items())
        raise CommandFailed(
            f"renewed, but not alive after {alive.total_seconds() / 60:.0f} min: {told}",
            hint="look at `journalctl -u kubelet` and the logs of the controllers there",
        )
    return RotationProof(
        leases_renewed=tuple(name for name in (*expected, *LEADERS) if name not in wrong),
        not_ready=tuple(f"{name} {problem}" for name, problem in wrong.items()),
        worker_is=worker,
    )


def who_is_worker(kube: KubeClient) -> str:
    """Whom the API sees in this worker."""
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    told = kube.create(REVIEWS, body)
    return outside.Review.read(told, f"the answer to POST {REVIEWS}").status.user_info.username


def take_pulse(kube: KubeClient) -> Pulse:
    """Signs of life of nodes and leaders, as the worker itself sees them."""
    leaders = (kube.find(f"{SYSTEM_LEASES}/{leader}") for leader in LEADERS)
    leases = renewals_of([*kube.items(LEASES), *(found for found in leaders if found)])
    ready = {one.name: "True" if one.ready else one.ready_message or "not Ready" for one in look_at_nodes(kube)}
    return Pulse(leases=leases, ready=ready)


def _pulse_within(kube: KubeClient, before: Pulse, limit: timedelta) -> Pulse:
    """The first one at which all are alive, else one more at the end."""

    def all_alive() -> Pulse:
        now = take_pulse(kube)
        if wrong := what_is_not_alive(before, now, tuple(before.ready)):
            raise NotYet("; ".join(f"{name} {problem}" for name, problem in wrong.items()))
        return now

    try:
        return wait_for(all_alive, limit)
    except NotYet:
        return take_pulse(kube)
