"""Rotations of leaf certificates: each task looks at what is there, so that a run that died is run again.

What a run wants of a node is written down there before its first act, beside a copy of kubeadm's folder. Files, processes and what
is on the wire say how far it has come.
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
    """Client certificates of kubelets that could not renew theirs: a request by the node's own key, signed on a control plane node."""
    handle = open_cluster(cluster)
    signers = signers_among(map(handle.shell, plan.machines), handle.profile.kubeadm.folder)

    def renew(node: NodeRotation) -> NodeRotated:
        work = Work(ClusterReach(handle, node.name), node, Orders(run_id, check, allow_downtime=True))
        renew_late_kubelet(work, signers)
        return result(work)

    return AllRotated(nodes=tuple(on_all(renew, plan.kubelets)))


@task(**PATIENT, task_run_name="rotate-{node.name}")
def rotate_node(cluster: str, node: NodeRotation, options: RotationOptions, run_id: str, check: Check) -> NodeRotated:
    """Copy, renewal, and each static pod that needs it: gate, restart, proof. A proof that fails puts the previous files back."""
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
    """The same as a part of more work on the node."""
    orders = Orders(run_id, check, allow_downtime=options.allow_downtime, runbook=runbook)
    return rotate(Work(ClusterReach(handle, node.name), node, orders))


@task(**PATIENT, task_run_name="rotate-all-{cluster}")
def rotate_all(cluster: str, plan: RotationPlan, run_id: str, check: Check) -> AllRotated:
    """All control planes at once, where nothing works any more: files first, then etcd on all, its proof, and so on in their order."""
    handle = open_cluster(cluster)
    orders = Orders(run_id, check, allow_downtime=True)
    works = [Work(ClusterReach(handle, node.name), node, orders) for node in plan.control_plane]
    return AllRotated(nodes=rotate_together(works, handle.kube.close))


@task(**ACT, task_run_name="approve-requests-{cluster}")
def approve_requests(cluster: str, plan: RotationPlan, check: Check) -> Approved:
    """Requests of kubelets for serving certificates, each looked at again: the plan's, or all where there was no API to plan by."""
    handle = open_cluster(cluster)
    handle.kube.close()
    wanted = [one for one in pending(handle.kube) if plan.by_ssh_alone or one.name in plan.approve]
    if not wanted:
        return Approved()
    return approve(handle.kube, wanted, look_at_certificates(handle), who_is_who(handle), check)
