"""Provides the tasks of a leaf rotation. Each one checks the current state, so an interrupted run can start again.

A run writes on a node what it plans there before its first action, next to a copy of kubeadm's folder.
Files, processes and served certificates show the progress.
"""

from prefect import task

from tasks.cert_rotation.at_once import rotate_together
from tasks.cert_rotation.kubelet import renew_late_kubelet, signers_among
from tasks.cert_rotation.models.rotation import (
    CERT_ROTATION,
    AllRotated,
    Approved,
    NodeRotated,
    NodeRotation,
    RotationOptions,
    RotationPlan,
)
from tasks.cert_rotation.node import result, rotate
from tasks.cert_rotation.reach import ClusterReach
from tasks.cert_rotation.requests import approve, pending, who_is_who
from tasks.cert_rotation.work import Orders, Work
from tasks.certificates.observe import look_at_certificates
from tasks.cluster import Cluster, open_cluster
from tasks.core.at_once import on_all
from tasks.core.retries import ACT, PATIENT
from tasks.run.locks import Check


@task(**PATIENT, task_run_name="renew-kubelets-{cluster}")
def renew_kubelets(cluster: str, plan: RotationPlan, run_id: str, check: Check) -> AllRotated:
    """Renews the client certificates of kubelets that could not renew their own.

    The node's own key signs the request. A control plane node signs the certificate.
    """
    handle = open_cluster(cluster)
    signers = signers_among((handle.shell(name), ClusterReach(handle, name).where.pki) for name in plan.machines)

    def renew(node: NodeRotation) -> NodeRotated:
        work = Work(ClusterReach(handle, node.name), node, Orders(run_id, check, allow_downtime=True))
        renew_late_kubelet(work, signers)
        return result(work)

    return AllRotated(nodes=tuple(on_all(renew, plan.kubelets)))


@task(**PATIENT, task_run_name="rotate-{node.name}")
def rotate_node(cluster: str, node: NodeRotation, options: RotationOptions, run_id: str, check: Check) -> NodeRotated:
    """Rotates one node: the copy, the renewal, and for each static pod that needs it the gate, the restart and the proof.

    If a proof fails, it restores the previous files.
    """
    return rotate_leaves(open_cluster(cluster), node, options, run_id, check)


def rotate_leaves(  # noqa: PLR0913 - by keyword, for another runbook
    handle: Cluster,
    node: NodeRotation,
    options: RotationOptions,
    run_id: str,
    check: Check,
    *,
    runbook: str = CERT_ROTATION,
) -> NodeRotated:
    """Rotates the leaves of one node as `rotate_node` does, as a part of more work on the node."""
    orders = Orders(run_id, check, allow_downtime=options.allow_downtime, runbook=runbook)
    return rotate(Work(ClusterReach(handle, node.name), node, orders))


@task(**PATIENT, task_run_name="rotate-all-{cluster}")
def rotate_all(cluster: str, plan: RotationPlan, run_id: str, check: Check) -> AllRotated:
    """Rotates all control plane nodes at once, for a cluster where nothing works any more.

    It renews the files first. Then it restarts and proves etcd on all nodes, and continues with the other static pods in order.
    """
    handle = open_cluster(cluster)
    orders = Orders(run_id, check, allow_downtime=True)
    works = [Work(ClusterReach(handle, node.name), node, orders) for node in plan.control_plane]
    return AllRotated(nodes=rotate_together(works, handle.kube.close))


@task(**ACT, task_run_name="approve-requests-{cluster}")
def approve_requests(cluster: str, plan: RotationPlan, check: Check) -> Approved:
    """Approves requests of kubelets for serving certificates after checking each one again.

    These are the requests of the plan, or all requests if there was no API when the plan was made.
    """
    handle = open_cluster(cluster)
    handle.kube.close()
    wanted = [one for one in pending(handle.kube) if plan.by_ssh_alone or one.name in plan.approve]
    if not wanted:
        return Approved()
    return approve(handle.kube, wanted, look_at_certificates(handle), who_is_who(handle), check)
