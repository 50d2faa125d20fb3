"""Provides the tasks of a stage. Each one checks the current state, so an interrupted run can start again.

A stage brings each node to one state, whatever the current one is. `cert_rotation` does the restarts and their proofs.
"""

from datetime import UTC, datetime

from prefect import task

from tasks.ca_rotation.halves import find_or_make_halves, lay_down_on_all, put_away_on_all
from tasks.ca_rotation.models import (
    CaRotationOptions,
    CaRotationPlan,
    NodeStage,
    NodeStaged,
    Prepared,
    Published,
    StageOrders,
    WorkersStaged,
)
from tasks.ca_rotation.node import READY_LIMIT, StageOnNode, bring_all_workers, bring_control_plane_node
from tasks.ca_rotation.observe import look_at_ca_rotation
from tasks.ca_rotation.policy.proof import proven_nodes
from tasks.ca_rotation.publish import publish_trust
from tasks.certificates.observe import read_certificate_rules
from tasks.cluster import open_cluster
from tasks.core.at_once import wait_for
from tasks.core.retries import ACT, PATIENT
from tasks.run.locks import Check


@task(**ACT, task_run_name="lay-down-{plan.authority}")
def lay_down_halves(cluster: str, plan: CaRotationPlan, options: CaRotationOptions, check: Check) -> Prepared:
    """Writes the new half beside the old one on every node. It makes the new half once.

    Only control plane nodes get its key. Nothing trusts the new half yet.
    """
    handle = open_cluster(cluster)
    halves = find_or_make_halves(handle, plan, options)
    return lay_down_on_all(handle, plan, halves, check)


@task(**PATIENT, task_run_name="{plan.stage}-{node.name}")
def bring_control_plane(
    cluster: str, node: NodeStage, plan: CaRotationPlan, orders: StageOrders, check: Check
) -> NodeStaged:
    """Brings a control plane node to the state of the stage: files, new signatures, restarts with proofs, and the kubelet.

    If a proof fails, it restores the previous files.
    """
    return bring_control_plane_node(StageOnNode(open_cluster(cluster), node, plan, check), orders)


@task(**PATIENT, task_run_name="{plan.stage}-workers")
def bring_workers(cluster: str, plan: CaRotationPlan, check: Check) -> WorkersStaged:
    """Brings all worker nodes to the state of the stage: files and kubelets.

    The first node goes alone, then all others at once. Pods keep running.
    """
    return WorkersStaged(nodes=bring_all_workers(open_cluster(cluster), plan, check))


@task(**PATIENT, task_run_name="publish-{plan.authority}")
def publish(cluster: str, plan: CaRotationPlan, check: Check) -> Published:
    """Publishes CAs through the API, and waits for what the cluster publishes itself.

    The run changes only what no other component writes.
    """
    return publish_trust(open_cluster(cluster), plan, check)


@task(**PATIENT, task_run_name="prove-{plan.stage}")
def prove_stage(cluster: str, plan: CaRotationPlan, orders: StageOrders) -> tuple[str, ...]:
    """Verifies that no work is left on any node, after it reads all facts again."""
    handle = open_cluster(cluster)

    def look() -> tuple[str, ...]:
        facts = look_at_ca_rotation(handle, plan.authority, orders.run_id)
        rules, now = read_certificate_rules(cluster), datetime.now(UTC)
        return proven_nodes(facts, plan.stage, orders.options, rules, now=now)

    return wait_for(look, READY_LIMIT, what=f"every node to be proven at {plan.stage}", about=cluster)


@task(**ACT, task_run_name="put-away-{plan.authority}")
def put_halves_away(cluster: str, plan: CaRotationPlan, run_id: str, check: Check) -> dict[str, str]:
    """Puts the halves away at the end of the last stage. It returns the folder where the halves of each node are now."""
    return put_away_on_all(open_cluster(cluster), plan, run_id, check)
