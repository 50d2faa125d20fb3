"""Summarizes a rotation of registry credentials: what people read first."""

from tasks.core.commands import CLUSTER, TO_DO_IT, run_command
from tasks.core.models.findings import listed
from tasks.core.models.plan import Plan
from tasks.core.words import counted
from tasks.registry_credentials.models import NEW, OLD, Created, CredentialFacts, Left, Proven, Removed, Switched
from tasks.registry_credentials.policy.answers import old_words


def summarize_credential_plan(plan: Plan, facts: CredentialFacts) -> tuple[str, ...]:
    """Returns the report text for a plan, or for a cluster that is as the policy wants it."""
    old = [old_words(one) for one in facts.asked if one.who == OLD]
    if not plan.steps:
        return (f"nothing to do: all Secrets of {facts.registry} are as the policy wants them", *old)
    return (f"nothing was done: the plan has {counted(len(plan.steps), 'step')}", *old, TO_DO_IT)


def summarize_credentials(  # noqa: PLR0913, PLR0917 - what each step did
    facts: CredentialFacts, created: Created, proven: Proven, switched: Switched, removed: Removed, left: Left
) -> tuple[str, ...]:
    """Returns the report text for a rotation, with what is not done."""
    old = {one.fingerprint: old_words(one) for one in (*facts.asked, *left.old) if one.who == OLD}
    undone = [f"NOT done: {one}" for one in left.left] + [f"NOT removed: old Secret {one}" for one in removed.kept]
    return (
        f"{facts.registry}: {counted(len(created.created), 'Secret')} created, {len(created.present)} present before; "
        f"{counted(len(switched.switched), 'ServiceAccount')} switched; "
        f"{counted(len(removed.removed), 'old Secret')} removed",
        _proven_words(proven),
        *undone,
        *old.values(),
        *([f"next: {run_command('registry_credentials', CLUSTER, facts.registry, '--mode=apply')}"] if undone else []),
    )


def _proven_words(proven: Proven) -> str:
    images = sorted({one.image for one in proven.asked})
    silent = [f"not asked: {one}" for one in proven.unasked]
    silent += [
        f"not proven from {one.node}: {one.said}" for one in proven.asked if one.who == NEW and not one.is_proven
    ]
    more = f"; {'; '.join(silent)}" if silent else ""
    return f"proven: a pull of {listed(images)} from {listed(proven.nodes) or 'no node'}{more}"
