"""The steps of a stage of a rotation: each looks at what is there, so that a run that was interrupted is run again.

A stage brings each node to one state, whatever it finds there; what restarts, and the proof of it, is `cert_rotation`'s own part.
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
    """The new one, made once, beside the old one on every node; its key on control planes. Nobody trusts it for that."""
    handle = open_cluster(cluster)
    halves = find_or_make_halves(handle, plan, options)
    return lay_down_on_all(handle, plan, halves, check)


@task(**PATIENT, task_run_name="{plan.stage}-{node.name}")
def bring_control_plane(
    cluster: str, node: NodeStage, plan: CaRotationPlan, orders: StageOrders, check: Check
) -> NodeStaged:
    """Files of the stage, what has to be signed again, restarts with proofs, kubelet. A proof that fails puts the previous files back."""
    return bring_control_plane_node(StageOnNode(open_cluster(cluster), node, plan, check), orders)


@task(**PATIENT, task_run_name="{plan.stage}-workers")
def bring_workers(cluster: str, plan: CaRotationPlan, check: Check) -> WorkersStaged:
    """Files and kubelets; one alone at first, then all others at once. Pods go on."""
    return WorkersStaged(nodes=bring_all_workers(open_cluster(cluster), plan, check))


@task(**PATIENT, task_run_name="publish-{plan.authority}")
def publish(cluster: str, plan: CaRotationPlan, check: Check) -> Published:
    """What the API hands out: changed where nobody else does it, and waited for where the cluster does."""
    return publish_trust(open_cluster(cluster), plan, check)


@task(**PATIENT, task_run_name="prove-{plan.stage}")
def prove_stage(cluster: str, plan: CaRotationPlan, orders: StageOrders) -> tuple[str, ...]:
    """Looked at again from all sides, nothing is left to do on any node."""
    handle = open_cluster(cluster)

    def look() -> tuple[str, ...]:
        facts = look_at_ca_rotation(handle, plan.authority, orders.run_id)
        rules, now = read_certificate_rules(cluster), datetime.now(UTC)
        return proven_nodes(facts, plan.stage, orders.options, rules, now=now)

    return wait_for(look, READY_LIMIT)


@task(**ACT, task_run_name="put-away-{plan.authority}")
def put_halves_away(cluster: str, plan: CaRotationPlan, run_id: str, check: Check) -> dict[str, str]:
    """At the end of the last stage: node to where its halves are now."""
    return put_away_on_all(open_cluster(cluster), plan, run_id, check)
