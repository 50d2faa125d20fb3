"""Rotates a CA or the service-account signing key, one stage a run; three runs make a rotation."""

from datetime import UTC, datetime

from prefect import flow

from tasks.backup.backups import check_store
from tasks.ca_rotation.models import CaRotationOptions, CaRotationPlan, NodeStaged, Stage, StageOrders
from tasks.ca_rotation.observe import observe_ca_rotation
from tasks.ca_rotation.policy.plan import plan_ca_rotation
from tasks.ca_rotation.steps import (
    bring_control_plane,
    bring_workers,
    lay_down_halves,
    prove_stage,
    publish,
    put_halves_away,
)
from tasks.ca_rotation.summary import summarize_ca_rotation, summarize_ca_rotation_plan, way_back
from tasks.certificates.observe import read_certificate_rules
from tasks.core.models.kubeadm import Authority
from tasks.core.models.plan import Mode
from tasks.core.models.profile import ClusterName
from tasks.core.models.report import Report
from tasks.run.end_states import ends_in_words
from tasks.run.locks import Check, locked
from tasks.run.policy.records import mind_records
from tasks.run.records import check_records, observe_records
from tasks.run.reports import progress
from tasks.run.runbook import APPROVE_WITHIN, RUNBOOK, ApproveWithin, Run, runbook


@ends_in_words
@flow(name="ca_rotation", flow_run_name="{stage}-{authority}-{cluster}", **RUNBOOK)
def ca_rotation(
    cluster: ClusterName,
    authority: Authority,
    stage: Stage,
    mode: Mode = Mode.APPROVE,
    options: CaRotationOptions = CaRotationOptions(),  # noqa: B008 - frozen
    approve_within: ApproveWithin = APPROVE_WITHIN,
) -> Report:
    """Takes every node through one stage, one control plane node at a time. It refuses until the previous stage is proven.

    Args:
        cluster: name of the cluster's profile, which must list all nodes
        authority: the CA to rotate: ca, etcd-ca or front-proxy-ca; or sa for the service-account signing key
        stage: trust-both, then sign-with-new, then drop-old; each is a run of its own, and days may lie between them
        mode: plan shows the plan and changes nothing; approve waits until someone approves the plan; apply acts without an approval
        options: confirmations that the run cannot observe itself
        approve_within: how long mode approve waits, for example 24h; then the run fails and nothing has been changed
    """
    with runbook(cluster) as run:
        run.step(check_store, cluster)
        facts = run.step(observe_ca_rotation, cluster, authority, run.run_id)
        rules, now = read_certificate_rules(cluster), datetime.now(UTC)
        records = run.step(observe_records, cluster)
        plan = mind_records(plan_ca_rotation(facts, stage, options, rules, now=now), records, "ca_rotation", cluster)
        plan = run.settle(plan, mode, approve_within)
        if mode is Mode.PLAN or not plan.steps:
            return run.finish(*summarize_ca_rotation_plan(plan))
        orders = StageOrders(options=options, run_id=run.run_id)
        with locked(cluster, run.run_id, run.holder, plan.machines, without_api=True) as check:
            run.step(check_records, cluster, "ca_rotation")
            run.way_back(way_back(cluster, plan))
            return run.finish(*_bring(run, plan, orders, cluster, check))


def _bring(run: Run, plan: CaRotationPlan, orders: StageOrders, cluster: str, check: Check) -> tuple[str, ...]:
    """Does every act of the plan and returns the lines that an operator reads first."""
    done: list[NodeStaged] = []
    if plan.nodes:  # of a worker that joined since the stage before, too
        run.step(lay_down_halves, cluster, plan, orders.options, check)
    with progress(f"{cluster}-ca-rotation", "nodes brought there", len(plan.nodes)) as nodes:
        for node in plan.control_plane:
            done.append(run.step(bring_control_plane, cluster, node, plan, orders, check))
            nodes.advance(1)
        done += run.step(bring_workers, cluster, plan, check).nodes
        nodes.advance(len(plan.workers))
    published = run.step(publish, cluster, plan, check)
    run.step(prove_stage, cluster, plan, orders)
    halves = run.step(put_halves_away, cluster, plan, orders.run_id, check)
    return summarize_ca_rotation(plan, done, published, halves)
