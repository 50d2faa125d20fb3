"""Proves the whole rotation: the Prefect worker can use the API, and nodes and leaders are alive."""

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
from tasks.core.words import duration_in_words
from tasks.nodes.observe import LEASES, look_at_nodes
from tasks.restore.models import LEADERS
from tasks.restore.probes.recovery import Pulse, renewals_of, what_is_not_alive

WAY_IN_LIMIT = timedelta(minutes=2)
"""Limits the wait until the API lets the Prefect worker in again."""

ALIVE_LIMIT = timedelta(minutes=5)
"""Limits the wait until nodes are Ready again and Leases are renewed."""

REVIEWS = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


@task(**PATIENT, task_run_name="prove-rotation-{cluster}")
def prove_rotation(cluster: str, plan: RotationPlan) -> RotationProof:
    """Verifies the cluster after a rotation.

    The Prefect worker gets in with a new connection, leaders and nodes renew their Leases, and nodes are Ready.
    """
    return prove_cluster(open_cluster(cluster).kube, plan)


def prove_cluster(kube: KubeClient, plan: RotationPlan, alive: timedelta = ALIVE_LIMIT) -> RotationProof:
    """Verifies a cluster through its API, as `prove_rotation` does.

    What was not alive before, or was not changed, is reported and is no failure. It is not waited for.
    """
    kube.close()
    worker = wait_for(lambda: who_is_worker(kube), WAY_IN_LIMIT, what="the API to accept this worker", about="API")
    before = take_pulse(kube)
    touched = {node.name for node in plan.nodes} - set(plan.not_ready)
    leaders = tuple(leader for leader in LEADERS if leader not in plan.unled)
    nodes = tuple(name for name, ready in before.ready.items() if ready == "True" or name in touched)
    wrong = what_is_not_alive(before, _pulse_within(kube, before, nodes, leaders, alive), tuple(before.ready))
    touched |= set(leaders)
    if lost := {name: problem for name, problem in wrong.items() if name in touched}:
        told = "; ".join(f"{name} {problem}" for name, problem in lost.items())
        raise CommandFailed(
            f"renewed, but not alive after {duration_in_words(alive)}: {told}",
            hint="check `journalctl -u kubelet` and the logs of the controllers there",
        )
    return RotationProof(
        leases_renewed=tuple(name for name in (*before.ready, *LEADERS) if name not in wrong),
        not_ready=tuple(f"{name} {problem}" for name, problem in wrong.items()),
        worker_is=worker,
    )


def who_is_worker(kube: KubeClient) -> str:
    """Returns the user that the API sees for this Prefect worker."""
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    told = kube.create(REVIEWS, body)
    return outside.Review.read(told, f"the answer to POST {REVIEWS}").status.user_info.username


def take_pulse(kube: KubeClient) -> Pulse:
    """Reads the signs of life of nodes and leaders, as the Prefect worker itself sees them."""
    leaders = (kube.find(f"{SYSTEM_LEASES}/{leader}") for leader in LEADERS)
    leases = renewals_of([*kube.items(LEASES), *(found for found in leaders if found)])
    ready = {one.name: "True" if one.ready else one.ready_message or "not Ready" for one in look_at_nodes(kube)}
    return Pulse(leases=leases, ready=ready)


def _pulse_within(
    kube: KubeClient, before: Pulse, nodes: tuple[str, ...], leaders: tuple[str, ...], limit: timedelta
) -> Pulse:
    """Returns the first pulse with these nodes and leaders alive, or one more pulse after the limit."""

    def all_alive() -> Pulse:
        now = take_pulse(kube)
        if wrong := what_is_not_alive(before, now, nodes, leaders):
            raise NotYet("; ".join(f"{name} {problem}" for name, problem in wrong.items()))
        return now

    try:
        return wait_for(all_alive, limit, what="these nodes and leaders to renew their Leases", about="API")
    except NotYet:
        return take_pulse(kube)
