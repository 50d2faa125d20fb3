"""Renews certificates and verifies what is served, one control plane node at a time."""

from collections.abc import Callable
from datetime import UTC, datetime

from prefect import flow

from tasks.backup.backups import check_store
from tasks.cert_rotation.models.rotation import NodeRotated, RotationOptions, RotationPlan
from tasks.cert_rotation.observe import observe_rotation
from tasks.cert_rotation.policy.expiry import expiry_in_words
from tasks.cert_rotation.policy.plan import plan_rotation
from tasks.cert_rotation.proof import prove_rotation
from tasks.cert_rotation.steps import approve_requests, renew_kubelets, rotate_all, rotate_node
from tasks.cert_rotation.summary import summarize_rotation, summarize_rotation_plan
from tasks.certificates.observe import read_certificate_rules
from tasks.core.models.plan import Mode
from tasks.core.models.profile import ClusterName
from tasks.core.models.report import Report
from tasks.run.end_states import ends_in_words
from tasks.run.locks import locked
from tasks.run.policy.records import mind_records
from tasks.run.records import check_records, observe_records
from tasks.run.reports import progress
from tasks.run.runbook import APPROVE_WITHIN, RUNBOOK, ApproveWithin, Run, runbook


@ends_in_words
@flow(name="cert_rotation", flow_run_name="rotate-{cluster}", **RUNBOOK)
def cert_rotation(
    cluster: ClusterName,
    mode: Mode = Mode.APPROVE,
    options: RotationOptions = RotationOptions(),  # noqa: B008 - frozen
    approve_within: ApproveWithin = APPROVE_WITHIN,
) -> Report:
    """Renews certificates that expire soon, restarts only what reads them, and proves each step. A failed step restores the previous files.

    It needs only SSH if every certificate has expired and no API server answers. It then renews all control plane nodes at once.

    Args:
        cluster: name of the cluster's profile
        mode: plan shows the plan and changes nothing; approve waits until someone approves the plan; apply acts without an approval
        options: which certificates are renewed, how early, and whether the API may be unavailable meanwhile
        approve_within: how long mode approve waits, for example 24h; then the run fails and nothing has been changed
    """
    with runbook(cluster, needs_etcd_client=False) as run:
        run.step(check_store, cluster)
        facts = run.step(observe_rotation, cluster, run.run_id)
        rules, now = read_certificate_rules(cluster), datetime.now(UTC)
        records = run.step(observe_records, cluster)
        wanted = plan_rotation(facts, options, rules, now=now)
        wanted = mind_records(wanted, records, "cert_rotation", cluster, no_api=wanted.by_ssh_alone)
        plan = run.settle(wanted, mode, approve_within)
        if mode is Mode.PLAN or not plan.steps:
            return run.finish(
                *summarize_rotation_plan(plan, expiry_in_words(facts.inventory, options.renew_before, now=now))
            )
        with locked(cluster, run.run_id, run.holder, plan.machines, without_api=True) as check:
            run.step(check_records, cluster, "cert_rotation", no_api=plan.by_ssh_alone)
            return run.finish(*_rotate(run, plan, options, cluster, check))


def _rotate(
    run: Run, plan: RotationPlan, options: RotationOptions, cluster: str, check: Callable[[], None]
) -> tuple[str, ...]:
    """Does every act of the plan and returns the lines that an operator reads first."""
    done: list[NodeRotated] = []
    with progress(f"{cluster}-cert-rotation", "nodes renewed", len(plan.nodes)) as nodes:
        if plan.kubelets:
            done += run.step(renew_kubelets, cluster, plan, run.run_id, check).nodes
            nodes.advance(len(plan.kubelets))
        if plan.by_ssh_alone:
            done += run.step(rotate_all, cluster, plan, run.run_id, check).nodes
            nodes.advance(len(plan.control_plane))
        for node in () if plan.by_ssh_alone else plan.control_plane:
            done.append(run.step(rotate_node, cluster, node, options, run.run_id, check))
            nodes.advance(1)
    requests = run.step(approve_requests, cluster, plan, check)
    proof = run.step(prove_rotation, cluster, plan)
    return summarize_rotation(plan, done, requests, proof)
