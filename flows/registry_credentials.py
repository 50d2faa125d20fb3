"""Creates or rotates the pull Secrets of a registry, proven on the nodes before anything uses them."""

from prefect import flow

from tasks.access.models.pull_secrets import RegistryName
from tasks.backup.backups import check_store
from tasks.core.models.plan import Mode
from tasks.core.models.profile import ClusterName
from tasks.core.models.report import Report
from tasks.registry_credentials.models import CredentialOptions
from tasks.registry_credentials.policy.plan import plan_credentials
from tasks.registry_credentials.steps import (
    create_secrets,
    look_again,
    observe_credentials,
    prove_pull,
    remove_old_secrets,
    switch_accounts,
)
from tasks.registry_credentials.summary import summarize_credential_plan, summarize_credentials
from tasks.run.end_states import ends_in_words
from tasks.run.object_locks import objects_locked
from tasks.run.runbook import APPROVE_WITHIN, RUNBOOK, ApproveWithin, runbook

LOCK = [("kube-system", "registry-credentials")]


@ends_in_words
@flow(name="registry_credentials", flow_run_name="registry-credentials-{cluster}", **RUNBOOK)
def registry_credentials(
    cluster: ClusterName,
    registry: RegistryName,
    mode: Mode = Mode.APPROVE,
    options: CredentialOptions = CredentialOptions(),  # noqa: B008 - frozen
    approve_within: ApproveWithin = APPROVE_WITHIN,
) -> Report:
    """Brings the credential of a registry from the access policy into its namespaces, proves pulls, and removes the old one.

    Args:
        cluster: name of the cluster's profile
        registry: registry as pull_secrets of the access policy has it, for example registry.example:5000
        mode: plan shows the plan and changes nothing; approve waits until someone approves the plan; apply acts without an approval
        options: what the rotation may do
        approve_within: how long mode approve waits, for example 24h; then the run fails and nothing has been changed
    """
    with runbook(cluster, needs_etcd_client=False) as run:
        run.step(check_store, cluster)
        facts = run.step(observe_credentials, cluster, registry)
        plan = run.settle(plan_credentials(facts, options), mode, approve_within)
        if mode is Mode.PLAN or not plan.steps:
            return run.finish(*summarize_credential_plan(plan, facts))
        with objects_locked(cluster, run.run_id, run.holder, LOCK) as check:
            created = run.step(create_secrets, cluster, facts, run.run_id, check)
            run.step(prove_pull, cluster, facts, options)
            switched = run.step(switch_accounts, cluster, facts, check)
            proven = run.step(prove_pull, cluster, facts, options)
            removed = run.step(remove_old_secrets, cluster, facts, check)
            left = run.step(look_again, cluster, registry)
        return run.finish(*summarize_credentials(facts, created, proven, switched, removed, left))
